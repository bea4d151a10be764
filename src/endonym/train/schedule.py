"""Schedules: the learning rate's share of its peak, as functions of the step. Imports no torch."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from endonym.train.config import Phase

LOOKS = 20
"""Looks at dev text in a phase that does not say how many."""
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


@dataclass(frozen=True, slots=True)
class Course:
    """A phase by its steps: how many there are, how fast each learns, when one looks and saves."""

    phase: Phase
    steps: int

    @classmethod
    def of(cls, phase: Phase, positions_per_epoch: int, batch_tokens: int) -> "Course":
        """The course of a phase, from whichever budget it names."""
        if phase.steps is not None:
            return cls(phase, phase.steps)
        tokens = phase.tokens or (phase.epochs or 1) * positions_per_epoch
        return cls(phase, max(1, math.ceil(tokens / batch_tokens)))

    @property
    def warmup(self) -> int:
        """Steps of the rate's rise; at most half of all."""
        return min(self.phase.warmup_steps or 0, self.steps // 2)

    @property
    def eval_every(self) -> int:
        """Steps between looks at dev text."""
        return self.phase.eval_every_steps or max(1, self.steps // LOOKS)

    @property
    def save_every(self) -> int:
        """Steps between checkpoints."""
        return self.phase.save_every_steps or self.eval_every

    def looks_at(self, step: int) -> bool:
        """Whether dev text is looked at when so many steps are done."""
        return step % self.eval_every == 0 or step >= self.steps

    def saves_at(self, step: int) -> bool:
        """Whether a checkpoint is due then even without a look."""
        return step % self.save_every == 0

    def share(self, step: int) -> float:
        """What a step, from 0, has of the peak rate."""
        return multiplier(
            self.phase.schedule or "linear",
            step=step,
            steps=self.steps,
            warmup_steps=self.warmup,
            final=self.phase.final_lr,
            cooldown=self.phase.cooldown,
        )
