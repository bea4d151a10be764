"""Stopping before harm: which steps are skipped, and when training goes back to a checkpoint.

A step whose loss or gradient is not finite, or stands far above what the last steps showed, is
skipped: it changes nothing, and its rows are named. A skipped step counts as a step, because order
and schedule are functions of the step. Three in a row mean that the weights are harmed already:
training goes back to the last checkpoint from before them and repeats the same rows with half the
learning rate, for the rest of the phase; going on after those rows would make the order depend on
what went wrong. After three such returns it ends with an error.

All that decides is kept in TrainState, so that a killed run goes on as if it had not been killed.
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
"""Good steps that are remembered."""
TRUSTED = 100
"""Fewer good steps say nothing about what is usual."""
SIGMAS = 6.0
LEAST_SIGMA_NATS = 0.05
LEAST_SIGMA_LOG = 0.1
"""A loss within 0.3 nats, or a norm within 1.8 times the usual, is never unusual."""
LEARNT_BY = 100
"""The step at which a model must do better than counting words."""
LOW_LR = 1e-4
"""A model that begins from nothing hardly learns at lower rates."""
IN_A_ROW = 3
RETURNS = 3
SLOWER = 0.5


@dataclass(frozen=True, slots=True)
class TrainingEvent:
    """Something that went wrong and was survived: a line of the journal, and of the console.

    event: "skipped", "lost" (weights or the dev loss are no numbers), "rolled_back" or
    "smaller_micro_batch". rollbacks: returns before it. numbers: by name, unit in the name.
    """

    event: str
    step: int
    message: str
    rollbacks: int
    numbers: Mapping[str, float] = field(default_factory=dict[str, float])

    def as_dict(self) -> dict[str, object]:
        """The journal's line."""
        told = {"event": self.event, "step": self.step, "message": self.message}
        return {**told, "rollbacks": self.rollbacks, **self.numbers}


def reason_to_skip(stepped: Stepped, state: TrainState) -> str:
    """Why a step must not change the weights; empty if nothing is wrong with it.

    Only what is too high is wrong. The loss is compared as it is, the gradient's norm by its
    logarithm, each with mean and deviation of the last WINDOW good steps.
    """
    if reason := not_finite(stepped):
        return reason
    above = _sigmas(stepped.nats, state.recent_nats, LEAST_SIGMA_NATS)
    if above > SIGMAS:
        usual = fmean(state.recent_nats)
        return f"a loss of {stepped.nats:.2f} nats, {above:.0f} sigma above the usual {usual:.2f}"
    above = _sigmas(_log(stepped.gradient_norm), state.recent_log_norms, LEAST_SIGMA_LOG)
    if above > SIGMAS:
        usual = math.exp(fmean(state.recent_log_norms))
        norm = f"{stepped.gradient_norm:.3g}"
        return f"a gradient of norm {norm}, {above:.0f} sigma above the usual {usual:.3g}"
    return ""


def note_good(stepped: Stepped, state: TrainState) -> None:
    """Remember what a good step showed."""
    state.recent_nats = [*state.recent_nats[1 - WINDOW :], stepped.nats]
    state.recent_log_norms = [*state.recent_log_norms[1 - WINDOW :], _log(stepped.gradient_norm)]
    state.skipped_in_row = 0


def note_skipped(state: TrainState) -> None:
    """Remember that a step changed nothing."""
    state.skipped += 1
    state.skipped_in_row += 1


def lost(state: TrainState, why: str) -> TrainingEvent:
    """Give the weights up for lost."""
    state.skipped_in_row = IN_A_ROW
    return TrainingEvent("lost", state.step, why, state.rollbacks)


def is_lost(state: TrainState) -> bool:
    """Whether the weights themselves are taken to be harmed."""
    return state.skipped_in_row >= IN_A_ROW


def rate_share(state: TrainState) -> float:
    """What is left of the learning rate: half after every return to a checkpoint."""
    return SLOWER**state.rollbacks


def gone_back(lost: TrainState, found: TrainState) -> TrainState:
    """The state to go on with: the checkpoint's, slower, with what this machine can hold."""
    found.rollbacks = lost.rollbacks + 1
    found.micro_rows = lost.micro_rows
    return found


def returned(lost: TrainState, found: TrainState) -> TrainingEvent:
    """What is said of a return to a checkpoint."""
    share = rate_share(found)
    message = f"back to step {found.step}, at {share:.3g} of the learning rate from now on"
    numbers = {"to_step": found.step, "lr_share": share}
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
    """Raise NonFiniteLoss, or TrainingError if all was finite, after RETURNS returns in vain."""
    if state.rollbacks < RETURNS:
        return
    lr = config.lr
    kind = TrainingError if is_finite else NonFiniteLoss
    raise kind(
        f"{why}; going back to a checkpoint {RETURNS} times, each time with half the learning "
        "rate, did not help",
        where=where,
        do=f"Lower lr: it was {lr:g}, at last {lr * rate_share(state):g}. If that does not help, "
        'set number_format = "fp32". What was learnt before is kept in the checkpoint.',
    )


def require_learning(state: TrainState, config: TrainConfig, unigram_nats: float) -> None:
    """Raise TrainingError if a model predicts no better than counting words does.

    Before LEARNT_BY, and before the warm-up is over twice, nobody expects it to.
    """
    best, expected = state.best_nats, max(config.warmup_steps * 2, LEARNT_BY)
    if best is None or best <= unigram_nats or state.step < expected:
        return
    advice = "too high (try a third of it)"
    if config.lr < LOW_LR:
        advice = "too low for a model that begins from nothing (3e-3 is usual)"
    raise TrainingError(
        f"after {state.step} steps the dev loss is {state.validations[-1]['nats']:.2f} nats, above "
        f"the unigram line of {unigram_nats:.2f}: nothing but noise is learnt",
        where=f"phase {config.name}",
        do=f"Usually lr = {config.lr:g} is {advice}, or the dev text is of another "
        "kind than the training text (see `endonym look`).",
    )


def _sigmas(value: float, past: list[float], least_sigma: float) -> float:
    """How many deviations a value stands above the mean of its past; 0 while that is short."""
    if len(past) < TRUSTED:
        return 0.0
    mean = fmean(past)
    sigma = math.sqrt(fmean((each - mean) ** 2 for each in past))
    return (value - mean) / max(sigma, least_sigma)


def _log(norm: float) -> float:
    """A norm's logarithm; a gradient of nothing is as small as a number can be."""
    return math.log(max(norm, 1e-30))
