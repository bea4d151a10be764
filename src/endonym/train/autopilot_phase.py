"""Choosing what a phase leaves out: budget, batch, optimiser, rates and schedule, with reasons.

Imports no torch.
"""

from collections.abc import Sequence
from math import log

from endonym.log import number
from endonym.train.autopilot import Choice, Choices, Facts, by_passes
from endonym.train.config import Phase

CAREFUL_LR = 1e-4
USUAL_LR, TABLES_LR, USUAL_DIM = 3e-3, 1.2e-2, 256
"""Rates of matrices and of tables, and the width up to which they were tried: with 0.5 to 5 million
parameters."""
MUON_LR, MUON_TABLES_LR = 6e-3, 2.4e-2
"""With Muon, in twice the batch: tried with 1.8 to 5 million parameters (docs/log.md)."""
MUON_PASSES = 2
"""Passes over the text up to which Muon is better at equal time; at eleven it is as good."""
BATCH_TOKENS, MUON_BATCH_TOKENS, GPU_BATCH_TOKENS, STEPS_A_READING = 2048, 4096, 32_768, 8
"""Of one step; less where the text would be read in fewer steps."""
SQUARE_MEMORY_TOKENS = 40 * 2048
"""In so many tokens AdamW forgets half of a gradient's square, whatever the batch."""
GRADIENT_MEMORY_TOKENS = 13_500
"""The same of the gradient itself: 0.9 at batches of 2,048 tokens."""
LEAST_BETAS, MOST_BETA = (0.8, 0.95), 0.9
"""Below these, with large batches, nothing was tried; above, a step follows old gradients."""
DECAYS, MOST_DECAY = ((2, 0.1), (6, 0.3), (30, 0.6)), 2.0
"""Up to so many passes, and beyond: tried on 1.5 and 2.5 MB, 128 to 256 channels (docs/log.md)."""
USUAL_EPOCHS = Choice(4.0, "four passes are worth nearly four times the text")


def choose_phase(
    phase: Phase,
    facts: Facts,
    context: int,
    *,
    dim: int | None = None,
    device: str = "cpu",
    goes_on: bool = False,
) -> Choices:
    """Budget, batch, optimiser, rates and schedule of one phase.

    dim: the model's width, if it is known. goes_on: from a model that has learnt elsewhere.
    """
    found: Choices = {}
    if phase.steps is None and phase.tokens is None and phase.epochs is None:
        found["epochs"] = USUAL_EPOCHS
    found["optimizer"] = optimizer = choose_optimizer(phase, facts, device, goes_on=goes_on)
    few = max(1, facts.unique_tokens // STEPS_A_READING // context) * context
    usual, why = usual_batch(optimizer.value, device)
    batch = phase.batch_tokens or max(context, min(usual, few))
    tokens = _budget(phase, facts, batch)
    steps = max(1, tokens // batch)
    found["batch_tokens"] = Choice(batch, why)
    found["betas"] = _betas(batch)
    found |= _careful_rates(phase) if goes_on else _rates(phase, optimizer.value, dim)
    found["warmup_steps"] = Choice(min(200, max(1, steps // 20)), "a twentieth of the steps")
    found["schedule"] = Choice("linear", "straight to zero beats a cosine (arXiv:2502.15938)")
    epochs = tokens / max(1, facts.unique_tokens)
    decay = by_passes(epochs, DECAYS, MOST_DECAY)
    found["weight_decay"] = Choice(decay, f"{epochs:.1f} passes over the text")
    return found


def choose_optimizer(
    phase: Phase, facts: Facts, device: str = "cpu", *, goes_on: bool = False
) -> Choice:
    """Muon where most of the text is new, AdamW where it is read again and again.

    A rate that is given stays one for AdamW, and so does a model that has learnt elsewhere.
    """
    if phase.optimizer is not None:
        return Choice(phase.optimizer, "of the recipe")
    if goes_on or phase.lr is not None:
        return Choice("adamw", "not tried with this model" if goes_on else "its rate is given")
    batch = phase.batch_tokens or usual_batch("adamw", device)[0]
    epochs = _budget(phase, facts, batch) / max(1, facts.unique_tokens)
    if epochs > MUON_PASSES:
        return Choice("adamw", f"{epochs:.1f} passes over the text: Muon gains nothing")
    return Choice("muon", f"{epochs:.1f} passes over the text: it learns more from each token")


def usual_batch(optimizer: str, device: str) -> tuple[int, str]:
    """Tokens of a step on a device, and why."""
    if device.partition(":")[0] != "cpu":
        return GPU_BATCH_TOKENS, "with fewer a GPU waits for its next step; tried on none so far"
    if optimizer == "muon":
        return MUON_BATCH_TOKENS, "enough for what a step of Muon costs"
    return BATCH_TOKENS, "small batches learn most from few tokens on one machine"


def _careful_rates(phase: Phase) -> Choices:
    """Rates of a phase that goes on from a model that has learnt elsewhere."""
    lr = phase.lr or CAREFUL_LR
    return {
        "lr": Choice(lr, "low, so that what was learnt elsewhere is kept"),
        "embedding_lr": Choice(lr, "as lr: the tables are learnt already"),
    }


def _rates(phase: Phase, optimizer: str, dim: int | None) -> Choices:
    """Rates of a phase: in matrices that are wider than tried ones, less.

    Sources: arXiv:2203.03466, table 8: AdamW's rate falls with width in matrices, not in tables.
    arXiv:2310.17813, condition 1: a step's largest singular value should not grow with width;
    Muon's, scaled as AdamW's, grows with its square root.
    """
    usual, tables, power = USUAL_LR, TABLES_LR, 1.0
    if optimizer == "muon":
        usual, tables, power = MUON_LR, MUON_TABLES_LR, 0.5
    width, why = dim or USUAL_DIM, "tried with 0.5 to 5 million parameters, where it is best"
    rate = usual
    if width > USUAL_DIM:
        rate = float(f"{usual * (USUAL_DIM / width) ** power:.2g}")
        why = f"{usual:g} up to {USUAL_DIM} channels; wider ones were not tried and have less"
    if phase.lr is not None:
        tables *= phase.lr / usual
    return {
        "lr": Choice(phase.lr or rate, why),
        "embedding_lr": Choice(float(f"{tables:.3g}"), "rows of a table are each seen rarely"),
    }


def _betas(batch_tokens: int) -> Choice:
    """AdamW's memories, and how long the second one is in tokens."""
    chosen = betas(batch_tokens)
    half_life = round(batch_tokens * log(0.5) / log(chosen[1]), -2)
    return Choice(list(chosen), f"squares are half forgotten after {number(half_life)} tokens")


def betas(batch_tokens: int) -> tuple[float, float]:
    """AdamW's memories: β = 2^(-batch / half-life), within what is known to work.

    Source: arXiv:2507.07101, section 3, for the second, up to batches of 6,000 tokens; beyond them
    it stays at 0.95. The first is held between 0.8 and 0.9.
    """
    first = 0.5 ** (batch_tokens / GRADIENT_MEMORY_TOKENS)
    second = 0.5 ** (batch_tokens / SQUARE_MEMORY_TOKENS)
    least_first, least_second = LEAST_BETAS
    return round(min(MOST_BETA, max(least_first, first)), 4), round(max(least_second, second), 6)


def _budget(phase: Phase, facts: Facts, batch: int) -> int:
    """Tokens that a phase will see."""
    if phase.steps is not None:
        return phase.steps * batch
    if phase.tokens is not None:
        return phase.tokens
    return int((phase.epochs or USUAL_EPOCHS.value) * facts.unique_tokens)


def budget_of(phases: Sequence[Phase], facts: Facts, device: str = "cpu") -> int:
    """Tokens of all phases together, as far as the recipe says."""
    return sum(_budget(phase, facts, _batch(phase, facts, device)) for phase in phases)


def _batch(phase: Phase, facts: Facts, device: str) -> int:
    """Tokens of a phase's steps, whatever the rows are that they are made of."""
    optimizer = choose_optimizer(phase, facts, device).value
    return phase.batch_tokens or usual_batch(optimizer, device)[0]
