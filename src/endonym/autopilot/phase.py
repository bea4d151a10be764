"""Chooses a phase's open keys: budget, batch size, optimizer, learning rates, schedule, memory.

A phase learns texts, or it learns answers: from conversations or preference pairs. Imports no
torch.
"""

from collections.abc import Callable, Iterator, Sequence
from math import ceil, log
from typing import Literal

from endonym.autopilot.mixture import facts_of_phase
from endonym.autopilot.model_size import Choice, Choices, Facts, about, by_epochs
from endonym.autopilot.published_rates import (
    ADAPTERS,
    PUBLISHED,
    Published,
    from_nothing,
    towards,
)
from endonym.errors import OutOfMemory
from endonym.log import counted, number, size
from endonym.model.config import ModelConfig
from endonym.model.foreign.folder import AnyModelConfig
from endonym.train.config import (
    EVAL_TOKENS,
    USEFUL_TOKENS,
    VALIDATIONS,
    Phase,
    TrainConfig,
    length_of,
)
from endonym.train.memory_budget import phase_bytes

CAREFUL_LR = 1e-4
CAREFUL_SHARE = 1 / 3
"""Learning rate of a pretrained model of unknown width; else this share of what matrices of its
width have from nothing. A rate warmed up to the old peak learns more and forgets more
(arXiv:2403.08763, section 6; docs/continued.md)."""
ADAPTER_TIMES = 10
"""The learning rate of adapters over that of the weights themselves: about ten in every model and
data set tried by Schulman et al., LoRA Without Regret, 2025 (thinkingmachines.ai/blog/lora).
Answers were learnt so with 192 channels (1e-2 beside 1e-3, docs/log.md).
"""
NEW_ROWS = 4
"""embedding_lr / lr where a pretrained model has a new vocabulary (docs/continued.md)."""
USUAL_LR = 3e-3
MUON_LR = 6e-3
USUAL_DIM = 256
"""Learning rates of matrices, and the width up to which they were tried."""
NEW_PASSES = 2
"""Epochs up to which Muon is better and embeddings should have twice the learning rate. Both help
at half an epoch, neither helps at eleven (docs/log.md)."""
NEW_TABLES = 8
OLD_TABLES = 4
"""embedding_lr / lr, up to NEW_PASSES epochs and above."""
BATCH_TOKENS = 2048
MUON_BATCH_TOKENS = 4096
GPU_BATCH_TOKENS = 32_768
STEPS_A_READING = 8
"""Batch size in tokens; smaller if an epoch would have fewer than STEPS_A_READING steps."""
SQUARE_HALF_LIFE_TOKENS = 40 * 2048
"""Half-life of AdamW's second moment in tokens, for any batch size."""
GRADIENT_HALF_LIFE_TOKENS = 13_500
"""Half-life of the first moment in tokens: beta1 = 0.9 at batches of 2,048 tokens."""
LEAST_BETAS = (0.8, 0.95)
MOST_BETA = 0.9
"""Lower limits of both betas, for large batches, and the upper limit of beta1."""
DECAYS = ((2, 0.1), (6, 0.3), (30, 0.6))
MOST_DECAY = 2.0
"""Weight decay by epochs: tried on 1.5 and 2.5 MB, 128 to 256 channels (docs/log.md)."""
AVERAGED_FLOOR = 0.3
"""Final learning rate, as a share of the peak, where the last steps are averaged."""
Place = Literal["alone", "followed", "last"]
"""Of a phase that learns texts with all weights: whether another one goes on from it, or it goes on
from another one."""
USUAL_EPOCHS = Choice(4.0, "four epochs are worth nearly four times the text")

ANSWERS_EPOCHS = Choice(3.0, "usual for answers")
FEWEST_STEPS = 300
FEWEST_TO_LEARN_ALL = 900
"""Steps of a phase of conversations; the second where none is held out, for all weights of models
of up to USUAL_DIM channels. 97 of them were best on dev after 150 of 300 steps, and 612 after all;
107 that were all to be learnt needed 900 with 64 channels (docs/log.md)."""
FEWEST_HELD_OUT = 32
"""Conversations held out by which a step can be chosen. Fewer are separate facts that nobody can
guess: their loss rises while those of training are learnt (docs/phases.md)."""
ANSWERS_RATES = {"chat": 1e-3, "preferences": 3e-5}
"""Up to USUAL_DIM channels, less in wider models."""
FORWARD_SHARE = 1 / 3
"""Share of the time of a training token that the forward pass takes, as in evaluation."""
VALIDATION_SHARE = 0.05
"""Of the time of a phase, for its validations."""
FEWEST_VALIDATIONS = 4
"""Beside the one before the first step: fewer would hardly show where a phase got worse."""
LEAST_TOKENS = 2048
"""Fewer at once make matrix products slow: blocks are recomputed before going below this."""
FORMULA_MARGIN = 1.15
"""Measured memory is within 15 % of the formula, if freed memory is returned to the system
(benchmarks/memory.py)."""


def choose_phase(
    phase: Phase,
    facts: Facts,
    context: int,
    *,
    dim: int | None = None,
    weights: int | None = None,
    device: str = "cpu",
    read: float = 0.0,
    epochs_before: float = 0.0,
    goes_on: bool = False,
    has_new_vocabulary: bool = False,
    has_experts: bool = False,
    place: Place = "alone",
    most_epochs: Callable[[float], float] = lambda wanted: wanted,
) -> Choices:
    """Budget, batch size, optimizer, learning rates and schedule of one phase.

    facts: of the text that the phase reads. most_epochs: as many of these epochs as its sources
    allow. dim, weights: the model's width and the weights in its blocks, if they are known. read:
    epochs of earlier phases, whatever they read. epochs_before: how often they read the texts of
    this phase. goes_on: it starts from a pretrained model. has_new_vocabulary: whose tokenizer was
    changed. Muon was not tried with one, nor with experts. place: among phases that learn texts
    one after the other.
    """
    choices: Choices = {}
    if phase.steps is None and phase.tokens is None and phase.epochs is None:
        choices["epochs"] = USUAL_EPOCHS
        if (most := most_epochs(USUAL_EPOCHS.value)) < USUAL_EPOCHS.value:
            choices["epochs"] = Choice(_at_most(most), "as often as its sources may be read")
        phase = phase.model_copy(update={"epochs": choices["epochs"].value})
    optimizer = phase.optimizer or "adamw"
    was_tried = not goes_on and not has_experts and phase.adapt is None
    if phase.optimizer is None and was_tried:
        muon = muon_for(phase, facts, dim=dim, device=device, read=read)
        if muon is not None:
            choices["optimizer"], optimizer = muon, "muon"
    batch, why = _batch(phase, facts.unique_tokens, optimizer, device, row=context)
    tokens = _budget(phase, facts, batch)
    steps = tokens // batch
    epochs = tokens / max(1, facts.positions)
    choices["batch_tokens"] = Choice(batch, why)
    choices["betas"] = _betas(batch)
    if phase.adapt is not None:
        choices |= adapter_rates(phase, _rate_of_pretrained(dim).value, weights)
    elif goes_on:
        # Learning rates of a phase that goes on from a pretrained model, warmed up anew.
        peak = from_nothing(weights)
        why = f"a third of the rate from nothing, to keep what the model has learned: {peak.source}"
        careful = Published(CAREFUL_SHARE * peak.lr, why)
        lr = _as_given(phase, towards(_rate_of_pretrained(dim), careful, weights))
        tables = Choice(lr.value, "as lr: the embeddings are pretrained, too")
        if has_new_vocabulary:
            more = float(f"{NEW_ROWS * lr.value:.4g}")
            tables = Choice(more, "more than lr: rows of new ids are to be learnt")
        choices |= {"lr": lr, "embedding_lr": tables}
    else:
        is_new = read + epochs <= NEW_PASSES
        choices |= _rates(phase, optimizer, dim, weights, is_new=is_new)
    choices["warmup_steps"] = Choice(min(200, max(1, steps // 20)), "a twentieth of the steps")
    passes = epochs_before + epochs
    choices |= _course(phase, place, passes)
    decay = Choice(by_epochs(passes, DECAYS, MOST_DECAY), about(passes))
    if phase.adapt is not None:
        decay = Choice(0.0, "a small rank is limit enough (arXiv:2405.09673, section 4)")
    choices["weight_decay"] = decay
    return choices


def _at_most(value: float) -> float:
    """Four digits of a number, rounded down."""
    near = float(f"{value:.4g}")
    return near if near <= value * (1 + 1e-9) else float(f"{value * (1 - 5e-4):.4g}")


def _course(phase: Phase, place: Place, epochs: float) -> Choices:
    """The schedule of the learning rate, and which weights the phase hands on.

    Chosen by the loss on dev and by novels (docs/log.md). The mean of the last steps
    was not tried where text is read more often: there the best validation is safer.

    epochs: how often the text has been read when the phase ends, by earlier phases, too.
    """
    if place == "followed":
        why = "the next phase goes on; the last one lets the rate fall (docs/phases.md)"
        return {"schedule": Choice("constant", why)}
    choices = {"schedule": Choice("linear", "straight to zero beats a cosine (arXiv:2502.15938)")}
    keys = (phase.keep, phase.average, phase.final_lr, phase.patience)
    is_open = all(key is None for key in keys) and phase.schedule in (None, "linear")
    if place == "last" and is_open and epochs <= NEW_PASSES:
        choices["keep"] = Choice(
            "average", "the mean of the last steps gained most (docs/phases.md)"
        )
        choices["final_lr"] = Choice(AVERAGED_FLOOR, "the mean does what a lower rate would do")
    return choices


def adapter_rates(phase: Phase, full: float, weights: int | None) -> Choices:
    """Learning rates of a phase that trains adapters alone; it has no embeddings to train.

    full: the rate with which all weights of a small pretrained model of the same width would be
    trained. weights: in the blocks of the model.
    """
    why = f"{ADAPTER_TIMES} times that of the weights themselves (thinkingmachines.ai/blog/lora)"
    tried = Choice(float(f"{ADAPTER_TIMES * full:.2g}"), why)
    published = ADAPTERS["texts" if phase.reads_texts else phase.objective]
    lr = _as_given(phase, towards(tried, published, weights))
    why = "nothing: under adapters embeddings and head are frozen"
    return {"lr": lr, "embedding_lr": Choice(lr.value, why)}


def _as_given(phase: Phase, chosen: Choice) -> Choice:
    """The learning rate of the phase if it has one, or else the one that was chosen for it."""
    return chosen._replace(value=phase.lr or chosen.value)


def muon_for(
    phase: Phase, facts: Facts, *, dim: int | None = None, device: str = "cpu", read: float = 0.0
) -> Choice | None:
    """Muon, if most of the text is new and the batch is large enough to pay for its steps.

    The cost of Muon grows with the width, the rest of a step with the batch size.
    """
    batch, _ = _batch(phase, facts.unique_tokens, "muon", device, row=1)
    if batch < MUON_BATCH_TOKENS * max(1.0, (dim or USUAL_DIM) / USUAL_DIM):
        return None
    budget = _budget(phase, facts, batch)
    epochs = read + budget / max(1, facts.positions)
    if epochs > NEW_PASSES:
        return None
    return Choice("muon", f"{about(epochs)}: in the first ones Muon learns more than AdamW")


def _batch(
    phase: Phase, epoch_tokens: int, optimizer: str, device: str, *, row: int
) -> tuple[int, str]:
    """Batch size of a phase in tokens, and why: whole rows of `row` tokens, if it is chosen."""
    usual, why = usual_batch(optimizer, device)
    most = epoch_tokens // STEPS_A_READING // row * row
    return phase.batch_tokens or max(row, min(usual, most)), why


def usual_batch(optimizer: str, device: str) -> tuple[int, str]:
    """Batch size in tokens on a device, and why."""
    if device.partition(":")[0] != "cpu":
        return GPU_BATCH_TOKENS, "smaller ones leave a GPU idle; not tried on any yet"
    if optimizer == "muon":
        return MUON_BATCH_TOKENS, "a step of Muon costs more than one of AdamW"
    return BATCH_TOKENS, "small batches: more steps for the same number of tokens"


def _rates(
    phase: Phase, optimizer: str, dim: int | None, weights: int | None, *, is_new: bool
) -> Choices:
    """Learning rates of a phase; lower in matrices wider than those that were tried.

    Sources: arXiv:2203.03466, table 8: AdamW's rate falls with width in matrices, not in tables.
    arXiv:2310.17813, condition 1: the largest singular value of a step should not grow with width;
    Muon's, scaled as AdamW's, grows with its square root. Large models have published rates, the
    same for tables, and for Muon, whose updates are as large as AdamW's (arXiv:2502.16982).
    """
    usual = USUAL_LR
    power = 1.0
    why = "the best of those tried with 0.5 to 5 million parameters"
    if optimizer == "muon":
        usual = MUON_LR
        power = 0.5
        why = "the best of those tried with two million parameters"
    rate = usual
    times = NEW_TABLES if is_new else OLD_TABLES
    if dim is not None and dim > USUAL_DIM:
        rate = float(f"{usual * (USUAL_DIM / dim) ** power:.2g}")
        why = f"{usual:g} up to {USUAL_DIM} channels; wider ones were not tried and have less"
    chosen = towards(Choice(rate, why), from_nothing(weights), weights)
    lr = _as_given(phase, chosen)
    at_usual_width = phase.lr * usual / chosen.value if phase.lr else usual
    tables = Choice(float(f"{times * at_usual_width:.4g}"), "each embedding is seen rarely")
    as_lr = Published(lr.value, "as lr, with which others train large models as a whole")
    return {"lr": lr, "embedding_lr": towards(tables, as_lr, weights)}


def _rate_of_pretrained(dim: int | None) -> Choice:
    """The learning rate of a small pretrained model of this width, warmed up anew."""
    if dim is None:
        return Choice(CAREFUL_LR, "low, to keep what the pretrained model has learned")
    lr = float(f"{CAREFUL_SHARE * USUAL_LR * min(1.0, USUAL_DIM / dim):.2g}")
    why = "a third of what this width has from nothing, to keep what the model has learned"
    return Choice(lr, why)


def _betas(batch: int) -> Choice:
    """AdamW's betas for batches of so many tokens."""
    first, second = betas(batch)
    half_life = round(batch * log(0.5) / log(second), -2)
    reason = f"squared gradients are half forgotten after {number(half_life)} tokens"
    return Choice([first, second], reason)


def betas(batch_tokens: int) -> tuple[float, float]:
    """AdamW's betas: β = 2^(-batch / half-life), within the limits that were tried.

    Source: arXiv:2507.07101, section 3, for the second, up to batches of 6,000 tokens; beyond them
    it stays at 0.95. The first is held between 0.8 and 0.9.
    """
    first = 0.5 ** (batch_tokens / GRADIENT_HALF_LIFE_TOKENS)
    second = 0.5 ** (batch_tokens / SQUARE_HALF_LIFE_TOKENS)
    least_first, least_second = LEAST_BETAS
    return round(min(MOST_BETA, max(least_first, first)), 4), round(max(least_second, second), 6)


def _budget(phase: Phase, facts: Facts, batch: int) -> int:
    """Training tokens of a phase."""
    if phase.steps is not None:
        return phase.steps * batch
    if phase.tokens is not None:
        return phase.tokens
    return int((phase.epochs or USUAL_EPOCHS.value) * facts.positions)


def budget_of(phases: Sequence[Phase], facts: Facts, device: str = "cpu") -> int:
    """Training tokens of all phases that read texts, as far as the recipe says."""
    usual, _ = usual_batch("adamw", device)
    reading = [(phase, facts_of_phase(phase, facts)) for phase in phases if phase.reads_texts]
    return sum(_budget(phase, own, phase.batch_tokens or usual) for phase, own in reading)


def choose_answers(
    phase: Phase,
    facts: Facts,
    context: int,
    *,
    dim: int | None,
    weights: int | None = None,
    device: str,
    is_new: bool = False,
) -> Choices:
    """Budget, batch size, learning rates and schedule.

    facts: of the examples. dim, weights: as in `choose_phase`. is_new: the weights are random at
    the start.
    """
    choices: Choices = {}
    batch, why = _batch(phase, facts.positions, "adamw", device, row=context)
    epochs = ANSWERS_EPOCHS
    held_out = facts.dev_documents
    is_tried = phase.adapt is None and (dim or USUAL_DIM) <= USUAL_DIM
    fewest = FEWEST_TO_LEARN_ALL if held_out == 0 and is_tried else FEWEST_STEPS
    if phase.objective == "chat" and epochs.value * facts.positions < fewest * batch:
        few = float(f"{fewest * batch / max(1, facts.positions):.3g}")
        epochs = Choice(few, f"about {fewest} steps")
    if phase.steps is None and phase.tokens is None and phase.epochs is None:
        choices["epochs"] = epochs
    what = "pairs" if phase.is_of_pairs else "conversations"
    if held_out is not None and held_out < FEWEST_HELD_OUT and phase.patience is None:
        of_all = f"of {number(held_out + (facts.records or 0))} {what}"
        reason = f"{held_out} {of_all} held out, too few to choose a step by"
        if not held_out:
            reason = f"none {of_all} is held out: so few are all learnt"
        choices["keep"] = Choice("last", reason)
    choices["batch_tokens"] = Choice(batch, why)
    choices["betas"] = _betas(batch)
    width = min(1.0, USUAL_DIM / (dim or USUAL_DIM))
    rate = float(f"{ANSWERS_RATES[phase.objective] * width:.2g}")
    why = "low, to keep what the model has learned from texts"
    tables = "as lr: the embeddings are trained already"
    decay = "the weights should stay near those of the texts"
    if is_new:
        why = "as for a model that has learned from texts; not tried on random weights"
        tables = "as lr"
        decay = "the answers are read a few times only"
    lr = _as_given(phase, towards(Choice(rate, why), PUBLISHED[phase.objective], weights))
    choices["lr"], choices["embedding_lr"] = lr, Choice(lr.value, tables)
    if phase.adapt is not None:
        choices |= adapter_rates(phase, rate, weights)
    tokens = phase.tokens or (phase.epochs or epochs.value) * facts.positions
    steps = phase.steps or max(1, int(tokens // batch))
    choices["warmup_steps"] = Choice(max(1, steps // 10), "a tenth of the steps")
    choices["schedule"] = Choice("linear", "straight to zero beats a cosine (arXiv:2502.15938)")
    choices["weight_decay"] = Choice(0.0, decay)
    return choices


def with_chosen(phase: Phase, chosen: Choices) -> Phase:
    """The phase with what was chosen for the keys that it leaves open."""
    open_keys = {key: each.value for key, each in chosen.items() if getattr(phase, key) is None}
    return phase.model_copy(update=open_keys)


def choose_validation(phase: Phase, chosen: Choices, facts: Facts, context: int) -> Choices:
    """How often a phase is validated, and on how many dev tokens.

    All validations together cost at most VALIDATION_SHARE of the training. A short phase has fewer
    of them, and shorter ones. chosen: the phase's other choices. facts: of what it reads.
    """
    length = with_chosen(phase, chosen)
    steps, batch_tokens = length_of(length, context=context, positions=facts.positions)
    budget = VALIDATION_SHARE / FORWARD_SHARE * steps * batch_tokens
    most = min(phase.eval_tokens or EVAL_TOKENS, facts.dev_tokens or EVAL_TOKENS)
    every = phase.eval_every_steps
    if every is None:
        # With the one before the first step. Both fall with the square root of the budget.
        usual = VALIDATIONS + 1
        share = budget / (usual * most)
        count = usual * (share if phase.eval_tokens is not None else share**0.5)
        every = ceil(steps / (min(usual, max(FEWEST_VALIDATIONS + 1, int(count))) - 1))
    validations = ceil(steps / every) + 1
    tokens = max(context, min(most, int(budget / validations)))
    cost = validations * tokens * FORWARD_SHARE / (steps * batch_tokens)
    why = f"{counted(validations, 'validation')} cost {100 * cost:.2g} % of the training"
    return {"eval_every_steps": Choice(every, why), "eval_tokens": Choice(tokens, why)}


def choose_memory(
    shape: AnyModelConfig,
    phase: Phase,
    config: TrainConfig,
    *,
    free: int,
    longest: int | None,
    teachers: Sequence[AnyModelConfig] = (),
) -> Choices:
    """The largest micro_tokens and the smallest recompute that fit into free memory.

    Only what the phase leaves open is chosen. config: the same phase, resolved so far. longest: the
    longest document in tokens, if known. teachers: that read each batch as well.
    Raises OutOfMemory if not even one row fits.
    """
    if phase.micro_tokens is not None and phase.recompute != "auto":
        return {}
    what = f"training beside {counted(len(teachers), 'teacher')}" if teachers else "training"
    for tokens, blocks in _ways(shape, phase, config):
        executed_config = config.executed(micro_tokens=tokens, recompute=blocks)
        needed = phase_bytes(shape, executed_config, longest, teachers=teachers)
        if needed * FORMULA_MARGIN <= free:
            choices: Choices = {}
            reason = f"{what} needs ≈ {size(needed)} of {size(free)} free"
            if phase.micro_tokens is None:
                tokens = min(tokens, max(config.batch_tokens, config.row_tokens(shape.context)))
                is_most = tokens >= min(USEFUL_TOKENS, config.batch_tokens)
                limit = "more at once are no faster" if is_most else "more at once would not fit"
                choices["micro_tokens"] = Choice(tokens, f"{reason}; {limit}")
            if phase.recompute == "auto":
                choices["recompute"] = Choice(blocks, reason)
            return choices
    blocks = shape.layers if phase.recompute == "auto" else phase.recompute
    executed_config = config.executed(micro_tokens=phase.micro_tokens or 1, recompute=blocks)
    least = phase_bytes(shape, executed_config, longest, teachers=teachers)
    later = "Set distill.live = false: teachers then read before it. " if teachers else ""
    raise OutOfMemory(
        f"{what} needs ≈ {size(least)} with one row of "
        f"{number(config.row_tokens(shape.context))} tokens at once, {size(free)} are free",
        where=f"phase {phase.name}",
        do=f"{later}Take a smaller model (model.dim, model.layers, tokenizer.vocab) or "
        "pack.context, or end other programs. To try it all the same: set micro_tokens and "
        "recompute.",
    )


def _ways(shape: AnyModelConfig, phase: Phase, config: TrainConfig) -> Iterator[tuple[int, int]]:
    """Pairs of micro_tokens and recomputed blocks to try, from fast to small.

    Recomputing a few blocks is tried before micro_tokens falls below LEAST_TOKENS.
    """
    row = config.row_tokens(shape.context)
    most = max(USEFUL_TOKENS, row)
    sizes = [most, *range(most - most % row, 0, -row)]
    if phase.micro_tokens is not None:
        sizes = [phase.micro_tokens]
    if phase.recompute != "auto":
        yield from ((tokens, phase.recompute) for tokens in sizes)
        return
    least = min(LEAST_TOKENS, sizes[0], config.batch_tokens)
    enough = [tokens for tokens in sizes if tokens >= least]
    yield from ((tokens, 0) for tokens in enough)
    if isinstance(shape, ModelConfig):
        yield from ((enough[-1], blocks) for blocks in range(1, shape.layers))
    yield from ((tokens, shape.layers) for tokens in sizes)
