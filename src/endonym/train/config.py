"""A phase of training: as a recipe says it (`Phase`), and with a value for every key
(`TrainConfig`). Imports no torch."""

import math
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from endonym.config import NOT_IDENTITY, Config, optional
from endonym.data.config import ObjectiveProperties
from endonym.disk import Json
from endonym.model.adapt_config import Adapt, AdaptConfig
from endonym.model.config import Positive, Share
from endonym.model.prune_config import Prune

COOLDOWN = 0.2
"""Share of the steps in wsd's cooldown; a longer one gains little (arXiv:2405.18392)."""
FINAL_LRS = {"linear": 0.0, "wsd": 0.0, "cosine": 0.1, "constant": 1.0}
"""Final learning rate as a share of the peak: zero (arXiv:2502.15938), or a tenth for cosine
(arXiv:2203.15556, appendix B)."""
AVERAGE_SHARES = {"none": 0.0, "ema": 0.05, "tail": 0.2}
VALIDATIONS = 20
EVAL_TOKENS = 32_768
"""Validations in a phase, and their dev tokens, at most by default."""
SAMPLES = 5
SAMPLE_TOKENS = 60
"""How often samples are written in a phase, beside those before its first step; their length."""
BETA = 0.1
"""As in arXiv:2305.18290, appendix B."""
MOST_STEPS = 10**9
MOST_BATCH_TOKENS = 1 << 30
MOST_KEPT = 64
"""Steps whose weights are kept, at most."""
MOST_TOKENS = 10**16
MOST_EPOCHS = 1e6
MOST_FLOPS = 1e30
"""More of them is a slip, and would not fit the numbers of rows."""
USEFUL_TOKENS = 16_384
"""Tokens in a micro-batch; more are no faster on a CPU."""
UNUSUAL_LR = 0.1
"""Above it, the learning rate is more likely to be wrong than the weight decay."""
ObjectiveName = Literal["next_token", "autocorrect", "chat", "preferences"]
Schedule = Literal["linear", "wsd", "cosine", "constant"]
Averaging = Literal["none", "ema", "tail"]
Keep = Literal["best", "last", "average"]
Sharding = Literal["none", "gradients", "weights"]
OptimizerName = Literal["adamw", "muon"]
DecaySchedule = Literal["lr", "constant"]
Part = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Steps = Annotated[int, Field(ge=1, le=MOST_STEPS)]


def require_weights_left(lr: float, decay: float) -> None:
    """Raise ValueError if lr × weight_decay ≥ 1, which would decay weights past zero."""
    if lr * decay < 1:
        return
    advice = [
        f"weight_decay = {decay:g} (with this lr, below {1 / lr:g})",
        f"lr = {lr:g} (0.003 is usual)",
    ]
    if lr > UNUSUAL_LR:
        advice.reverse()
    raise ValueError(
        f"lr × weight_decay = {lr * decay:g}: every step would pull the weights past zero; lower "
        f"{' or '.join(advice)}"
    )


class Distill(Config):
    """A teacher: what it expects of each token is learnt beside the token itself."""

    model: str | None = Field(default=None, json_schema_extra=NOT_IDENTITY)
    """the teacher, with the same tokenizer: a run, a model artefact, or a folder in the
    transformers format, by its path from the recipe; if not given, the members of the phase
    """
    share: Part = 0.5
    """how much of the loss is the KL divergence from the teacher; the rest is cross-entropy"""
    top_k: Annotated[int, Field(ge=1, le=4096)] = 32
    """the teacher's most likely tokens that are used; all others count as one"""
    live: bool = False
    """whether the teacher reads each batch beside the phase; if not, it reads the training text
    once before it, and what it expects is kept in the store
    """


class Phase(Config, ObjectiveProperties):
    """A phase of training: its length, optimizer, schedule and execution."""

    name: str = Field(default="pretrain", pattern=r"^[\w.-]{1,64}$", json_schema_extra=NOT_IDENTITY)
    """name of the phase in the run"""
    start: Literal["previous", "scratch"] = "previous"
    """initial weights; the first phase starts from scratch"""
    objective: ObjectiveName = "next_token"
    """what is learnt

    - next_token: every token of the texts
    - autocorrect: for a phone's keyboard, in most rows which word of the texts is meant by keys
      that were typed, with slips or without; in the others as next_token (docs/keyboard.md)
    - chat: the answers in the conversations of `data`, and where they end
    - preferences: which of two answers in `data` is better (DPO, arXiv:2305.18290)
    """
    data: Annotated[str | tuple[str, ...], Field(min_length=1)] | None = optional(is_identity=False)
    """conversations or preference pairs: a path, a glob or a list of these, of .jsonl, .json, .csv,
    .tsv (also .gz, .zst) or .parquet with the usual names of columns; for chat and preferences

    - what stands in several of the files is learnt once
    """
    columns: tuple[str, str] | None = optional("the usual names", is_identity=False)
    """chat: the columns of a question and of its answer in `data`

    - the usual names: prompt with completion or response, question with answer (also in other
      languages, such as întrebare with răspuns) or response, query with response, instruction with
      output or response, user with assistant; or whole conversations in messages, conversations or
      conversation
    """
    beta: Positive | None = None
    """preferences: DPO's beta, the penalty for moving away from the weights that the phase starts
    with; 0.1 if not given
    """
    sources: dict[str, Part] | tuple[str, ...] | None = None
    """what is read, as shares of the tokens: `{web = 0.1, books = 0.9}`; a list of names reads each
    by its size

    - if not given, all sources together, each document once in an epoch
    - "*" stands for all that are not named: `{commands = 0.05, "*" = 0.95}`
    - a source without training text has no share, and those of the others sum up to 1
    - a source that is read to its end begins again if its `repeatable` allows it, or if the phase
      says epochs
    """
    temperature: Annotated[float, Field(ge=0.1, allow_inf_nan=False)] | None = None
    """shares in proportion to size^(1 / temperature), for sources without shares: 1 is by size,
    higher values give small ones more (arXiv:1907.05019)
    """
    steps: Steps | None = None
    """optimizer steps"""
    tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS)] | None = None
    """training tokens, repeats included"""
    epochs: Annotated[float, Field(gt=0, le=MOST_EPOCHS)] | None = None
    """times that the training text is read; with `sources`, the one with the largest share"""
    flops: Annotated[float, Field(gt=0, le=MOST_FLOPS)] | None = None
    """floating-point operations of training, as `endonym check` counts them for a token; needs
    model.dim and model.layers
    """
    batch_tokens: Annotated[int, Field(ge=1, le=MOST_BATCH_TOKENS)] | None = None
    """batch size in tokens"""
    lr: Positive | None = None
    """peak learning rate; embeddings have embedding_lr

    - if not given, it depends on the size of the model, on the objective and on `adapt`; `check`
      says from where it is taken
    - with up to 25 million weights in blocks: rates that were tried here (docs/training.md)
    - with 85 million and more, as GPT-2 has them: published ones. 2e-5 for conversations
      (trl/scripts/sft.py), 1e-6 for preferences (SmolLM2, alignment-handbook), 2e-4 for adapters
      (arXiv:2305.14314, table 9), 1e-5 for adapters on preferences, 6e-4 and less for texts from
      nothing (arXiv:2005.14165, table 2.1), a third of it in a pretrained model
    """
    embedding_lr: Positive | None = None
    """peak learning rate of embeddings and head

    - if not given, four times lr, or eight times if text is read at most twice
    - more above 256 channels, where lr is lower
    - equal to lr with 85 million weights in blocks and more
    - equal to lr if a model from a folder is trained on
    """
    warmup_steps: Annotated[int, Field(ge=0, le=MOST_STEPS)] | None = None
    """linear warm-up steps"""
    schedule: Schedule | None = None
    """learning rate after warm-up: linear decay, constant and then linear decay (wsd), half a
    cosine, or constant

    - if not given, linear; constant if the next phase reads texts at the same lr
    """
    final_lr: Annotated[float, Field(ge=0, le=1)] | None = None
    """final learning rate as a share of the peak; if not given 0, 0.1 for cosine, or 0.3 where keep
    = "average" was chosen
    """
    cooldown: Part | None = None
    """share of the steps in which wsd decays; 0.2 if not given"""
    optimizer: OptimizerName | None = None
    """for the matrices in blocks; AdamW is used for all other parameters

    - if not given, muon if text is read at most twice in large enough batches, else adamw
    """
    momentum: Share | None = None
    """Muon's momentum; 0.95 if not given"""
    normalise: bool | None = None
    """whether Muon normalises the rows of an update (NorMuon)"""
    betas: tuple[Share, Share] | None = None
    """AdamW's decay rates of first and second moment; normalise uses the second, too"""
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    """decoupled weight decay of the matrices; a step decays by lr × weight_decay"""
    decay_schedule: DecaySchedule | None = None
    """whether weight decay follows the learning rate (if not given) or keeps its value at the peak
    """
    cautious: bool | None = None
    """whether weight decay spares weights whose update moves them away from zero"""
    average: Averaging | None = None
    """weight averaging for validation and the final model; none if not given

    - ema: an exponential moving average
    - tail: the mean over the last steps
    """
    average_share: Part | None = None
    """half-life of ema as a share of the steps, 0.05 if not given; or share of the steps that tail
    averages, 0.2 if not given
    """
    adapt: Adapt | None = None
    """train low-rank adapters of the model's matrices, and keep its own weights as they are
    (docs/adapters.md)

    - the finished model has them merged into its weights, and keeps them beside these
    """
    distill: Distill | None = None
    """learn from a teacher as well (docs/phases.md)"""
    members: Annotated[int, Field(ge=2, le=64)] | None = None
    """train this many models, each in the way of this phase and with another seed; then train the
    model of this phase, whose teacher is the mean of their probabilities
    """
    prune: Prune | None = None
    """take parts out of the model before this phase trains the rest (docs/phases.md)"""
    subword_dropout: Annotated[float, Field(gt=0, lt=1)] | None = None
    """in half of the rows, the chance that a token is read as the two tokens it is made of, so that
    a text that is read often is split in another way each time (arXiv:1910.13267)

    - if a teacher reads the text before the phase (distill without live), the phase reads whole
      tokens; its members still read split ones
    """
    clip: float = Field(default=1.0, gt=0)
    """gradients are clipped to this norm"""
    eval_every_steps: Steps | None = None
    """steps between validations on dev text; if not given, a twentieth of the steps, or more: all
    validations together cost at most a twentieth of the training
    """
    eval_tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS)] | None = None
    """dev tokens of a validation; if not given, 32,768, or fewer in a short phase"""
    patience: Count | None = None
    """early stopping: training ends after so many validations without a better one"""
    keep: Keep | None = None
    """keep the weights of the best validation, those of the last step, or the average of the last
    steps, as with average = "tail"

    - if not given, best; last if nothing is held out of a source that has a share, or fewer than 32
      conversations; average in the last of several phases on texts, if it reads its text at most
      twice
    """
    save_every_steps: int | None = optional(ge=1, is_identity=False)
    """steps between checkpoints; as eval_every_steps if not given

    - one is also saved two minutes after a training begins or resumes, and a quarter of an hour
      after the last one
    """
    keep_steps: Annotated[int, Field(ge=2, le=MOST_KEPT)] | None = None
    """learning curves: the weights of so many steps are kept beside the finished model, for
    `endonym evaluate RUN --steps`

    - from the first step to the last, each by the same factor after the one before
    - each takes 4 bytes a parameter on the disk; training is the same, to the byte
    """
    number_format: Literal["auto", "fp32", "bf16"] = "auto"
    """of the computation; master weights are fp32. auto measures this machine"""
    compile: Literal["auto", "on", "off"] = Field(default="auto", json_schema_extra=NOT_IDENTITY)
    """torch.compile for the blocks, which needs a C++ compiler; auto measures whether it pays off;
    never with recompute or shards
    """
    micro_tokens: int | None = optional(ge=1, le=MOST_BATCH_TOKENS, is_identity=False)
    """tokens of a micro-batch; if not given, as many as fit in memory

    - the gradients of a batch are accumulated over batch_tokens / micro_tokens of them
    """
    recompute: Annotated[int, Field(ge=0)] | Literal["auto"] = Field(
        default="auto", json_schema_extra=NOT_IDENTITY
    )
    """activation checkpointing: of how many blocks

    - these, the first ones, keep only their inputs and are computed again in the backward pass
    - all blocks: a third slower, far less memory, the same result
    - auto: as few as needed to fit
    """
    shard: Sharding = Field(default="none", json_schema_extra=NOT_IDENTITY)
    """what is sharded over several processes: nothing, gradients and optimizer state, or weights
    too
    """

    @property
    def data_patterns(self) -> tuple[str, ...]:
        """The paths and globs of `data`."""
        return (self.data,) if isinstance(self.data, str) else self.data or ()

    @model_validator(mode="after")
    def one_budget(self) -> "Phase":
        """At most one of steps, tokens, epochs and flops."""
        names = ("steps", "tokens", "epochs", "flops")
        written = [name for name in names if getattr(self, name) is not None]
        if len(written) > 1:
            keys = " and ".join(written)
            away = ", ".join(f"--set phase.{name}= takes {name} away" for name in written)
            raise ValueError(f"give one of steps, tokens, epochs and flops, not {keys} ({away})")
        return self

    @model_validator(mode="after")
    def decay_leaves_something(self) -> "Phase":
        """lr × weight_decay must be below 1."""
        require_weights_left(self.lr or 0.0, self.weight_decay or 0.0)
        return self

    @model_validator(mode="after")
    def keys_have_an_effect(self) -> "Phase":
        """Raise ValueError for a key that has no effect without another one."""
        muon = 'optimizer = "muon" in the recipe'
        is_muon = self.optimizer == "muon"
        is_averaged = self.average not in (None, "none") or self.keep == "average"
        if self.keep == "average" and self.average not in (None, "tail"):
            raise ValueError(
                f'keep = "average" is the mean of the last steps: leave average = "{self.average}" '
                "out" + ', or write keep = "last" for its last value' * (self.average == "ema")
            )
        if self.distill is not None and (self.distill.model is None) == (self.members is None):
            what = "names a model, and members are trained" if self.members else "has no teacher"
            raise ValueError(f"distill {what}: give either distill.model or members")
        teacher = self.distill
        can_be_taught = self.objective in ("next_token", "chat")
        reads_before = teacher is not None and teacher.model is not None and not teacher.live
        needed = (  # a key, whether it has an effect, and what gives it one
            ("cooldown", self.schedule == "wsd", 'schedule = "wsd"'),
            ("final_lr", self.schedule != "constant", "a schedule that falls"),
            ("momentum", is_muon, muon),
            ("normalise", is_muon or not self.normalise, muon),
            ("average_share", is_averaged, 'average = "ema" or "tail"'),
            ("columns", self.objective == "chat", 'objective = "chat"'),
            ("beta", self.is_of_pairs, 'objective = "preferences"'),
            ("distill", can_be_taught, 'objective = "next_token" or "chat"'),
            ("prune", self.adapt is None, "training all weights: leave adapt out"),
            ("prune", not self.is_of_pairs, 'objective = "next_token" or "chat"'),
            ("members", can_be_taught, 'objective = "next_token" or "chat"'),
            ("keep_steps", self.adapt is None, "training all weights: leave adapt out"),
            ("subword_dropout", self.objective == "next_token", 'objective = "next_token"'),
            (
                "subword_dropout",
                not reads_before,
                "distill.live = true: the teacher reads whole tokens",
            ),
            ("temperature", not isinstance(self.sources, dict), "sources whose shares are open"),
        )
        for key, has_effect, condition in needed:
            if getattr(self, key) is not None and not has_effect:
                raise ValueError(f"{key} changes nothing without {condition}")
        return self


class Execution(Config):
    """How a phase is computed on this machine.

    It changes results by rounding, and micro-batches also by which units dropout drops.
    """

    micro_tokens: int = USEFUL_TOKENS
    recompute: int = 0
    compile: bool = False
    shard: Sharding = "none"
    save_every_steps: int


class SourceShare(Config):
    """A source's share of a phase's tokens. first_row: where its stream goes on from earlier
    phases, in rows."""

    name: str
    share: float
    first_row: int = 0


class TrainConfig(Config, ObjectiveProperties):
    """A phase with a value for every key, which mean the same as in `Phase`. patience 0 is none.

    first_row: where its rows begin if earlier phases read the same data without shares; None if
    none did. context: tokens of a row, which `PackConfig` beside it has as well; None: as many as
    the model can read at once.
    """

    name: str = Field(default="pretrain", json_schema_extra=NOT_IDENTITY)
    objective: ObjectiveName = "next_token"
    beta: float | None = None
    sources: tuple[SourceShare, ...] = ()
    first_row: int | None = None
    steps: int
    context: int | None = Field(default=None, json_schema_extra=NOT_IDENTITY)
    batch_tokens: int
    lr: float
    embedding_lr: float
    warmup_steps: int = 0
    schedule: Schedule = "linear"
    final_lr: float = 0.0
    cooldown: float = COOLDOWN
    optimizer: OptimizerName = "adamw"
    momentum: float = 0.95
    normalise: bool = False
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.0
    decay_schedule: DecaySchedule = "lr"
    cautious: bool = False
    average: Averaging = "none"
    average_share: float = 0.0
    adapt: AdaptConfig | None = None
    distill: Distill | None = None
    prune: Prune | None = None
    subword_dropout: float | None = None
    clip: float = 1.0
    eval_every_steps: int
    eval_tokens: int = EVAL_TOKENS
    patience: int = 0
    keep: Keep = "best"
    keep_steps: int | None = None
    number_format: Literal["fp32", "bf16"]
    execution: Execution = Field(json_schema_extra=NOT_IDENTITY)

    @property
    def shares(self) -> dict[str, float]:
        """The shares of the tokens by source; empty if all texts are read together."""
        return {source.name: source.share for source in self.sources}

    def row_tokens(self, context: int) -> int:
        """The tokens of a row. context: the most that the model can read at once."""
        return self.context or context

    @property
    def is_averaged(self) -> bool:
        """Whether an average of the weights is kept."""
        return self.average != "none"

    @property
    def validations_per_sample(self) -> int:
        """Validations from one writing of samples to the next."""
        return max(1, self.steps // self.eval_every_steps // SAMPLES)

    def but(self, **changes: Any) -> "TrainConfig":
        """A copy with some keys changed."""
        return self.model_copy(update=changes)

    def executed(self, **changes: Any) -> "TrainConfig":
        """A copy with some keys of `execution` changed."""
        return self.but(execution=self.execution.model_copy(update=changes))


class Track(Config):
    """Experiment trackers that get the training metrics, beside `metrics.jsonl` and TensorBoard."""

    to: tuple[Literal["wandb", "trackio"], ...] = ()
    """experiment trackers; their packages must be installed"""
    project: str | None = None
    """the name of the project there; the recipe's name if not given"""


def length_of(phase: Phase, *, context: int, positions: int) -> tuple[int, int]:
    """A phase's steps, and the tokens of a batch, which are those of whole rows.

    context: tokens of a row. positions: tokens of one epoch.
    """
    batch_tokens = max(1, (phase.batch_tokens or context) // context) * context
    tokens = phase.tokens or (phase.epochs or 1) * positions
    return phase.steps or max(1, math.ceil(tokens / batch_tokens)), batch_tokens


def resolve_phase(phase: Phase, *, context: int, positions: int) -> TrainConfig:
    """A phase with defaults filled in, after the autopilot has chosen the keys without one.

    context: tokens of a row. positions: tokens of one epoch.
    """
    steps, batch_tokens = length_of(phase, context=context, positions=positions)
    eval_every_steps = phase.eval_every_steps or max(1, steps // VALIDATIONS)
    average = phase.average or ("tail" if phase.keep == "average" else "none")
    defaults: Json = {
        "average": average,
        "embedding_lr": phase.lr,
        "final_lr": FINAL_LRS[phase.schedule or "linear"],
        "average_share": AVERAGE_SHARES[average],
        "eval_every_steps": eval_every_steps,
    }
    if phase.is_of_pairs:
        defaults["beta"] = BETA
    execution = Execution(
        micro_tokens=phase.micro_tokens or USEFUL_TOKENS,
        recompute=0 if phase.recompute == "auto" else phase.recompute,
        compile=phase.compile == "on",
        shard=phase.shard,
        save_every_steps=phase.save_every_steps or eval_every_steps,
    )
    computed = {
        "steps": steps,
        "context": context,
        "batch_tokens": batch_tokens,
        "warmup_steps": min(phase.warmup_steps or 0, steps // 2),
        "adapt": None if phase.adapt is None else phase.adapt.resolved(),
        "distill": phase.distill or (Distill() if phase.members else None),
        "execution": execution,
    }
    included = set(TrainConfig.model_fields) - {"sources"}
    written = phase.model_dump(exclude_none=True, include=included)
    return TrainConfig.model_validate({**defaults, **written, **computed})
