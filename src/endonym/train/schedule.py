"""Schedules: the learning rate as a share of its peak, a function of the step. No torch."""

import math
from collections.abc import Callable

from endonym.train.config import COOLDOWN, FINAL_LRS, TrainConfig


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


SCHEDULES: dict[str, Callable[[float, float], float]] = {
    "linear": linear,
    "wsd": level_then_down,
    "cosine": cosine,
    "constant": level,
}
"""How high the rate stands between its end (0) and its peak (1): of progress after warm-up, 0 to 1,
and of the share of it that is a cool-down."""


def multiplier(
    schedule: str,
    *,
    step: int,
    steps: int,
    warmup_steps: int,
    final: float | None = None,
    cooldown: float = COOLDOWN,
) -> float:
    """The share of the peak at a step (from 0): up in a straight line, then as the schedule says.

    The first step is not wasted: it has 1 / (warmup_steps + 1) of the peak; nor is the last: it
    stands one step before the end.
    final: share of the peak at the end, the schedule's own if not given. cooldown: of all steps.
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    end = FINAL_LRS[schedule] if final is None else final
    left = max(1, steps - warmup_steps)
    slope = min(1.0, cooldown * steps / left)
    height = SCHEDULES[schedule](min(1.0, (step - warmup_steps) / left), slope)
    return end + (1.0 - end) * height


def lr_scale(config: TrainConfig, step: int) -> float:
    """What a step of a phase, from 0, has of the peak learning rate."""
    return multiplier(
        config.schedule,
        step=step,
        steps=config.steps,
        warmup_steps=config.warmup_steps,
        final=config.final_lr,
        cooldown=config.cooldown,
    )


def validates_at(config: TrainConfig, step: int) -> bool:
    """Whether the model is validated when so many steps are done."""
    return step % config.eval_every_steps == 0 or step >= config.steps


def saves_at(config: TrainConfig, step: int) -> bool:
    """Whether a checkpoint is due then even without a validation."""
    return step % config.execution.save_every_steps == 0
