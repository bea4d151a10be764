"""Schedules: the learning rate's share of its peak, as functions of the step. Imports no torch."""

import math
from collections.abc import Callable

COSINE_FLOOR = 0.1


def linear(progress: float) -> float:
    """Straight down to zero. Source: arXiv:2502.15938 (80 tokens a parameter equal 200)."""
    return 1.0 - progress


def cosine(progress: float) -> float:
    """Half a cosine down to a tenth of the peak. Source: arXiv:2203.15556, appendix B."""
    return COSINE_FLOOR + (1 - COSINE_FLOOR) * (1 + math.cos(math.pi * progress)) / 2


def constant(progress: float) -> float:
    """Level."""
    return 1.0


SCHEDULES: dict[str, Callable[[float], float]] = {
    "linear": linear,
    "cosine": cosine,
    "constant": constant,
}


def multiplier(schedule: str, *, step: int, steps: int, warmup_steps: int) -> float:
    """The share of the peak at a step (from 0): up in a straight line, then as the schedule says.

    The first step is not wasted: it has 1 / (warmup_steps + 1) of the peak.
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    progress = (step - warmup_steps) / max(1, steps - warmup_steps)
    return SCHEDULES[schedule](min(1.0, progress))
