"""Schedules: the learning rate's share of its peak, as functions of the step. Imports no torch."""

import math
from collections.abc import Callable
from typing import NamedTuple

COOLDOWN = 0.2
"""Share of the steps; a longer one gains little more (arXiv:2405.18392)."""


class Schedule(NamedTuple):
    """How high the rate stands between its end (0) and its peak (1), and where it ends.

    height: of progress after warm-up, 0 to 1, and of the share of it that is a cool-down.
    final: the end as a share of the peak, unless a phase says another.
    """

    height: Callable[[float, float], float]
    final: float


def linear(progress: float, cooldown: float) -> float:
    """Straight down. Source: arXiv:2502.15938 (to zero, 80 tokens a parameter equal 200)."""
    return 1.0 - progress


def cosine(progress: float, cooldown: float) -> float:
    """Half a cosine. Source: arXiv:2203.15556, appendix B (to a tenth)."""
    return (1 + math.cos(math.pi * progress)) / 2


def level_then_down(progress: float, cooldown: float) -> float:
    """Level, then straight down: the level part can be gone on from. Source: arXiv:2405.18392."""
    return min(1.0, (1.0 - progress) / cooldown)


def level(progress: float, cooldown: float) -> float:
    """No change."""
    return 1.0


SCHEDULES: dict[str, Schedule] = {
    "linear": Schedule(linear, 0.0),
    "wsd": Schedule(level_then_down, 0.0),
    "cosine": Schedule(cosine, 0.1),
    "constant": Schedule(level, 1.0),
}


def multiplier(
    schedule: str,
    *,
    step: int,
    steps: int,
    warmup_steps: int,
    final: float | None = None,
    cooldown: float | None = None,
) -> float:
    """The share of the peak at a step (from 0): up in a straight line, then as the schedule says.

    The first step is not wasted: it has 1 / (warmup_steps + 1) of the peak; nor is the last: it
    stands one step before the end.
    final: share of the peak at the end. cooldown: share of all steps.
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    height, end = SCHEDULES[schedule]
    end = end if final is None else final
    left = max(1, steps - warmup_steps)
    slope = min(1.0, (cooldown or COOLDOWN) * steps / left)
    return end + (1.0 - end) * height(min(1.0, (step - warmup_steps) / left), slope)
