"""What a recipe may say about a phase of training. Imports no torch."""

import math
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from endonym.config import NOT_IDENTITY, Config

COOLDOWN = 0.2
"""Share of the steps in which wsd falls; a longer one gains little more (arXiv:2405.18392)."""
FINAL_LRS = {"linear": 0.0, "wsd": 0.0, "cosine": 0.1, "constant": 1.0}
"""The rate at the end, as a share of the peak: zero (arXiv:2502.15938), or for a cosine a tenth
(arXiv:2203.15556, appendix B)."""
AVERAGE_SHARES = {"none": 0.0, "ema": 0.05, "tail": 0.2}
VALIDATIONS = 20
"""Validations in a phase that does not say how many."""
USEFUL_TOKENS = 16_384
"""Tokens at once: more are no faster on a CPU."""
NEEDED = {
    "cooldown": 'schedule = "wsd"',
    "final_lr": "a schedule that falls",
    "momentum": 'optimizer = "muon" in the recipe',
    "normalise": 'optimizer = "muon" in the recipe',
    "average_share": 'average = "ema" or "tail"',
}
"""What else a phase must say for a key to mean something."""
UNUSUAL_LR = 0.1
"""Above it, a rate is more likely to be wrong than a decay."""
Memory = Annotated[float, Field(ge=0, lt=1)]


def require_weights_left(lr: float, decay: float) -> None:
    """Raise ValueError if one step would take all of a weight off: lr × weight_decay of it."""
    if lr * decay < 1:
        return
    ways = [
        f"weight_decay = {decay:g} (with this lr, below {1 / lr:g})",
        f"lr = {lr:g} (0.003 is usual)",
    ]
    likely = ways[::-1] if lr > UNUSUAL_LR else ways
    raise ValueError(
        f"lr × weight_decay = {lr * decay:g}: every step would pull the weights past zero; lower "
        f"{' or '.join(likely)}"
    )


class Phase(Config):
    """One stretch of training: how long, how fast, how careful."""

    name: str = Field(
        default="pretrain",
        pattern=r"^[\w.-]{1,64}$",
        description="what the run calls it",
        json_schema_extra=NOT_IDENTITY,
    )
    start: Literal["previous", "scratch"] = Field(
        default="previous",
        description="where the weights come from; the first phase starts from scratch",
    )
    steps: int | None = Field(default=None, ge=1, description="optimiser steps")
    tokens: int | None = Field(default=None, ge=1, description="training tokens, repeats included")
    epochs: float | None = Field(default=None, gt=0, description="passes over the training text")
    batch_tokens: int | None = Field(default=None, ge=1, description="tokens of one optimiser step")
    lr: float | None = Field(default=None, gt=0, description="peak learning rate of the matrices")
    embedding_lr: float | None = Field(
        default=None,
        gt=0,
        description="peak learning rate of embeddings and head; if not given four times lr, eight "
        "times where text is read at most twice, more above 256 channels, where lr is lower; as lr "
        "where a model from a folder is trained on",
    )
    warmup_steps: int | None = Field(default=None, ge=0, description="steps from 0 to the peak")
    schedule: Literal["linear", "wsd", "cosine", "constant"] | None = Field(
        default=None,
        description="from the peak to the end: straight, level and then straight, half a cosine, "
        "or level",
    )
    final_lr: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="the rate at the end, as a share of the peak; 0 if not given, 0.1 for cosine",
    )
    cooldown: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="share of the steps in which wsd falls; 0.2 if not given",
    )
    optimizer: Literal["adamw", "muon"] | None = Field(
        default=None,
        description="of the matrices in blocks; all else is AdamW's. If not given, muon where "
        "text is read at most twice in batches that are large enough, and adamw elsewhere",
    )
    momentum: Memory | None = Field(
        default=None, description="Muon's memory of the gradient; 0.95 if not given"
    )
    normalise: bool | None = Field(
        default=None, description="whether Muon evens out the rows of a step (NorMuon)"
    )
    betas: tuple[Memory, Memory] | None = Field(
        default=None,
        description="AdamW's memories of the gradient and of its square; the second is also that "
        "of normalise",
    )
    weight_decay: float | None = Field(
        default=None, ge=0, description="pull of the matrices towards zero, times the learning rate"
    )
    decay_schedule: Literal["lr", "constant"] | None = Field(
        default=None,
        description="whether that pull follows the learning rate, as it does if not given, or "
        "stays as it is at the peak",
    )
    cautious: bool | None = Field(
        default=None,
        description="whether the pull spares weights that their step carries away from zero",
    )
    average: Literal["none", "ema", "tail"] | None = Field(
        default=None,
        description="the mean of the weights that is looked at and handed on: none if not given, "
        "of all steps with the newest counting most, or of the last steps",
    )
    average_share: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="share of the steps in which a weight loses half its part in ema, 0.05 if not "
        "given; or of those that tail takes, 0.2",
    )
    clip: float = Field(default=1.0, gt=0, description="largest norm of the gradient")
    eval_every_steps: int | None = Field(
        default=None,
        ge=1,
        description="steps between validations on dev text; a twentieth if not given",
    )
    eval_tokens: int = Field(
        default=32_768,
        ge=1,
        description="dev tokens of a validation",
    )
    patience: int | None = Field(
        default=None, ge=1, description="stop after this many validations without a better one"
    )
    keep: Literal["best", "last"] = Field(
        default="best", description="hand on the weights of the best validation, or the last ones"
    )
    save_every_steps: int | None = Field(
        default=None,
        ge=1,
        description="steps between checkpoints; as eval_every_steps if not given",
        json_schema_extra=NOT_IDENTITY,
    )
    number_format: Literal["auto", "fp32", "bf16"] = Field(
        default="auto",
        description="of the arithmetic; masters are fp32. auto measures this machine",
    )
    compile: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="blocks through torch's compiler, which needs a C++ compiler; auto measures "
        "whether the phase is long enough to pay for it; never with recompute or in shards",
        json_schema_extra=NOT_IDENTITY,
    )
    micro_tokens: int | None = Field(
        default=None,
        ge=1,
        description="tokens held in memory at once; a batch is split. What fits, if not given",
        json_schema_extra=NOT_IDENTITY,
    )
    recompute: Annotated[int, Field(ge=0)] | Literal["auto"] = Field(
        default="auto",
        description="of so many blocks, from the first, keep only what they are given, and compute "
        "them again on the way back: of all, a third slower, far less memory, the same result. "
        "auto: as few as make it fit",
        json_schema_extra=NOT_IDENTITY,
    )
    shard: Literal["none", "gradients", "weights"] = Field(
        default="none",
        description="what several processes hold in parts: nothing, gradients and optimiser "
        "states, or weights too",
        json_schema_extra=NOT_IDENTITY,
    )

    @model_validator(mode="after")
    def one_budget(self) -> "Phase":
        """Steps, tokens or epochs, and only one of them."""
        given = [name for name in ("steps", "tokens", "epochs") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"give one of steps, tokens and epochs, not {' and '.join(given)}")
        return self

    @model_validator(mode="after")
    def decay_leaves_something(self) -> "Phase":
        """One step takes lr × weight_decay of each weight off: less than all of it."""
        require_weights_left(self.lr or 0.0, self.weight_decay or 0.0)
        return self

    @model_validator(mode="after")
    def nothing_in_vain(self) -> "Phase":
        """Keys that only mean something beside another one."""
        vain = {
            "cooldown": self.cooldown is not None and self.schedule != "wsd",
            "final_lr": self.final_lr is not None and self.schedule == "constant",
            "momentum": self.momentum is not None and self.optimizer != "muon",
            "normalise": bool(self.normalise) and self.optimizer != "muon",
            "average_share": self.average_share is not None and self.average in (None, "none"),
        }
        for key, is_vain in vain.items():
            if is_vain:
                raise ValueError(f"{key} changes nothing without {NEEDED[key]}")
        return self


class Execution(Config):
    """How a phase is computed here. It changes nothing of what is learnt but the last bits.

    recompute: so many blocks, from the first, are computed again on the way back.
    """

    micro_tokens: int = USEFUL_TOKENS
    recompute: int = 0
    compile: bool = False
    shard: Literal["none", "gradients", "weights"] = "none"
    save_every_steps: int


class TrainConfig(Config):
    """A phase, resolved: all that training needs, each key with a value. Keys mean what they do in
    `Phase`; patience 0 is none.
    """

    name: str = Field(default="pretrain", json_schema_extra=NOT_IDENTITY)
    steps: int
    batch_tokens: int
    lr: float
    embedding_lr: float
    warmup_steps: int = 0
    schedule: Literal["linear", "wsd", "cosine", "constant"] = "linear"
    final_lr: float = 0.0
    cooldown: float = COOLDOWN
    optimizer: Literal["adamw", "muon"] = "adamw"
    momentum: float = 0.95
    normalise: bool = False
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.0
    decay_schedule: Literal["lr", "constant"] = "lr"
    cautious: bool = False
    average: Literal["none", "ema", "tail"] = "none"
    average_share: float = 0.0
    clip: float = 1.0
    eval_every_steps: int
    eval_tokens: int = 32_768
    patience: int = 0
    keep: Literal["best", "last"] = "best"
    number_format: Literal["fp32", "bf16"]
    execution: Execution = Field(json_schema_extra=NOT_IDENTITY)

    @property
    def is_averaged(self) -> bool:
        """Whether a mean of the weights is kept beside them."""
        return self.average != "none"

    def but(self, **changes: Any) -> "TrainConfig":
        """The same with some keys changed."""
        return self.model_copy(update=changes)

    def executed(self, **changes: Any) -> "TrainConfig":
        """The same training, computed in another way."""
        return self.but(execution=self.execution.model_copy(update=changes))


def resolve_phase(phase: Phase, *, context: int, positions: int) -> TrainConfig:
    """A phase as it will be trained, when what only a choice can give has been chosen.

    context: tokens of a row; a batch is whole rows. positions: of one pass over the training text.
    How it is executed is the least demanding way where the phase leaves it open.
    """
    batch_tokens = max(1, (phase.batch_tokens or context) // context) * context
    tokens = phase.tokens or (phase.epochs or 1) * positions
    steps = phase.steps or max(1, math.ceil(tokens / batch_tokens))
    every = phase.eval_every_steps or max(1, steps // VALIDATIONS)
    implied = {
        "embedding_lr": phase.lr,
        "final_lr": FINAL_LRS[phase.schedule or "linear"],
        "average_share": AVERAGE_SHARES[phase.average or "none"],
        "eval_every_steps": every,
    }
    said = phase.model_dump(exclude_none=True)
    execution = Execution(
        micro_tokens=phase.micro_tokens or USEFUL_TOKENS,
        recompute=0 if phase.recompute == "auto" else phase.recompute,
        compile=phase.compile == "on",
        shard=phase.shard,
        save_every_steps=phase.save_every_steps or every,
    )
    exact = {
        "steps": steps,
        "batch_tokens": batch_tokens,
        "warmup_steps": min(phase.warmup_steps or 0, steps // 2),
        "execution": execution,
    }
    known = {key: value for key, value in said.items() if key in TrainConfig.model_fields}
    return TrainConfig.model_validate({**implied, **known, **exact})
