"""Guards against divergence: which steps are skipped, and when training rolls back.

A step whose loss or gradient norm is not finite, or far above those of recent steps, is skipped: it
changes no weights, but counts as a step, because data order and schedule are functions of the step.
After three skipped steps in a row the weights count as lost: training goes back to the last good
checkpoint and repeats the same rows with half the learning rate for the rest of the phase. After
three such rollbacks it ends with an error.

The guard's state is in TrainState, so a killed run resumes exactly.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean

from endonym.errors import NonFiniteLoss, TrainingError
from endonym.train.checkpoint import TrainState
from endonym.train.config import TrainConfig
from endonym.train.step import Stepped, not_finite

WINDOW = 200
"""Good steps that the statistics are of."""
TRUSTED = 100
"""Good steps needed before a step can be unusual."""
SIGMAS = 6.0
LEAST_SIGMA_NATS = 0.05
LEAST_SIGMA_LOG = 0.1
"""A loss within 0.3 nats, or a norm within 1.8 times the usual, is never unusual."""
LEARNT_BY = 100
"""The step at which a model must be better than a unigram model."""
LOW_LR = 1e-4
"""Below it, a model trained from scratch hardly learns."""
IN_A_ROW = 3
RETURNS = 3
SLOWER = 0.5


@dataclass(frozen=True, slots=True)
class TrainingEvent:
    """A problem that training survived, for the journal and the console.

    event: "skipped", "lost" (weights or dev loss are not finite), "rolled_back" or
    "smaller_micro_batch". rollbacks: how many came before. numbers: by name, unit in the name.
    """

    event: str
    step: int
    message: str
    rollbacks: int
    numbers: Mapping[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """The line of the journal."""
        line = {"event": self.event, "step": self.step, "message": self.message}
        return {**line, "rollbacks": self.rollbacks, **self.numbers}


def reason_to_skip(stepped: Stepped, state: TrainState) -> str:
    """Why a step must be skipped; empty if it is good.

    The loss and the logarithm of the gradient norm must not be more than SIGMAS standard
    deviations above their means over the last WINDOW good steps.
    """
    if reason := not_finite(stepped):
        return reason
    sigmas = _sigmas(stepped.nats, state.recent_nats, LEAST_SIGMA_NATS)
    if sigmas > SIGMAS:
        usual = fmean(state.recent_nats)
        return f"a loss of {stepped.nats:.2f} nats, {sigmas:.0f} sigma above the usual {usual:.2f}"
    sigmas = _sigmas(_log(stepped.gradient_norm), state.recent_log_norms, LEAST_SIGMA_LOG)
    if sigmas > SIGMAS:
        usual = math.exp(fmean(state.recent_log_norms))
        norm = f"{stepped.gradient_norm:.3g}"
        return f"a gradient of norm {norm}, {sigmas:.0f} sigma above the usual {usual:.3g}"
    return ""


def note_good(stepped: Stepped, state: TrainState) -> None:
    """Add a good step to the statistics."""
    state.recent_nats = [*state.recent_nats[1 - WINDOW :], stepped.nats]
    state.recent_log_norms = [*state.recent_log_norms[1 - WINDOW :], _log(stepped.gradient_norm)]
    state.skipped_in_row = 0


def lost(state: TrainState, why: str) -> TrainingEvent:
    """Mark the weights as lost."""
    state.skipped_in_row = IN_A_ROW
    return TrainingEvent("lost", state.step, why, state.rollbacks)


def is_lost(state: TrainState) -> bool:
    """Whether the weights count as lost, so that training must roll back."""
    return state.skipped_in_row >= IN_A_ROW


def rollback_lr_scale(state: TrainState) -> float:
    """The factor on the learning rate: halved by every rollback."""
    return SLOWER**state.rollbacks


def returned(lost: TrainState, restored: TrainState) -> TrainingEvent:
    """The event of a rollback from the lost state to the restored one."""
    lr_scale = rollback_lr_scale(restored)
    message = f"back to step {restored.step}, at {lr_scale:.3g} of the learning rate from now on"
    numbers = {"to_step": restored.step, "lr_scale": lr_scale}
    return TrainingEvent("rolled_back", lost.step, message, lost.rollbacks, numbers)


def require_sound(state: TrainState, config: TrainConfig) -> None:
    """Raise NonFiniteLoss if the weights are lost before the first step."""
    if is_lost(state):
        raise NonFiniteLoss(
            "the dev loss is not a finite number before anything was learnt",
            where=f"phase {config.name}",
            do='Set number_format = "fp32", or begin from other weights.',
        )


def require_hope(
    state: TrainState, config: TrainConfig, why: str, where: str, *, is_finite: bool
) -> None:
    """Raise TrainingError if there were RETURNS rollbacks already, so that none would help.

    why, where: of the lost weights. is_finite: whether loss and gradient were; else it raises
    NonFiniteLoss.
    """
    if state.rollbacks < RETURNS:
        return
    lr = config.lr
    kind = TrainingError if is_finite else NonFiniteLoss
    raise kind(
        f"{why}; going back to a checkpoint {RETURNS} times, each time with half the learning "
        "rate, did not help",
        where=where,
        do=f"Lower lr: it was {lr:g}, at last {lr * rollback_lr_scale(state):g}. If that does not "
        'help, set number_format = "fp32". What was learnt before is kept in the checkpoint.',
    )


def require_learning(state: TrainState, config: TrainConfig, unigram_nats: float) -> None:
    """Raise TrainingError if a model is no better than a unigram model.

    It is checked from step LEARNT_BY on, or from twice the warm-up if that is later.
    """
    best = state.best_nats
    expected = max(config.warmup_steps * 2, LEARNT_BY)
    if best is None or best <= unigram_nats or state.step < expected:
        return
    advice = "too high (try a third of it)"
    if config.lr < LOW_LR:
        advice = "too low for a model trained from scratch (3e-3 is usual)"
    raise TrainingError(
        f"after {state.step} steps the dev loss is {state.validations[-1]['nats']:.2f} nats, above "
        f"the unigram line of {unigram_nats:.2f}: the model learns nothing",
        where=f"phase {config.name}",
        do=f"Usually lr = {config.lr:g} is {advice}, or the dev text is of another "
        "kind than the training text (see `endonym look`).",
    )


def _sigmas(value: float, past: list[float], least_sigma: float) -> float:
    """Standard deviations of a value above the mean of its past; 0 if the past is short."""
    if len(past) < TRUSTED:
        return 0.0
    mean = fmean(past)
    sigma = math.sqrt(fmean((each - mean) ** 2 for each in past))
    return (value - mean) / max(sigma, least_sigma)


def _log(norm: float) -> float:
    return math.log(max(norm, 1e-30))
