"""Learning rate schedules: the share of the peak, as a function of the step. Imports no torch."""

import math
from collections.abc import Callable

from endonym.train.config import TrainConfig

SCHEDULES: dict[str, Callable[[float, float], float]] = {
    "linear": lambda progress, cooldown: 1.0 - progress,
    "wsd": lambda progress, cooldown: min(1.0, (1.0 - progress) / cooldown),
    "cosine": lambda progress, cooldown: (1 + math.cos(math.pi * progress)) / 2,
    "constant": lambda progress, cooldown: 1.0,
}
"""The learning rate between its final value (0) and its peak (1), as a function of progress after
warm-up (0 to 1) and of the cooldown's share of it. Sources: arXiv:2502.15938 (linear; to zero, 80
tokens a parameter equal 200), arXiv:2405.18392 (wsd), arXiv:2203.15556, appendix B (cosine)."""


def lr_scale(config: TrainConfig, step: int) -> float:
    """The learning rate of a step (from 0) as a share of the peak: warm-up, then the schedule.

    The warm-up is linear. Neither the first nor the last step has a learning rate of 0: the first
    has 1 / (warmup_steps + 1) of the peak, the last is one step before the end.
    """
    if step < config.warmup_steps:
        return (step + 1) / (config.warmup_steps + 1)
    left = max(1, config.steps - config.warmup_steps)
    progress = min(1.0, (step - config.warmup_steps) / left)
    height = SCHEDULES[config.schedule](progress, min(1.0, config.cooldown * config.steps / left))
    return config.final_lr + (1.0 - config.final_lr) * height


def validates_at(config: TrainConfig, step: int) -> bool:
    """Whether the model is validated after this many steps."""
    return step % config.eval_every_steps == 0 or step >= config.steps


def kept_steps(config: TrainConfig) -> list[int]:
    """The steps whose weights are kept, from the first to the last; none without `keep_steps`.

    Each is the same factor after the one before, as far as steps are whole: where they would be
    one step, it stands once.
    """
    if config.keep_steps is None:
        return []
    last = config.keep_steps - 1
    return sorted({round(config.steps ** (n / last)) for n in range(last + 1)})


def saves_at(config: TrainConfig, step: int) -> bool:
    """Whether a checkpoint is due after this many steps, even without a validation."""
    return step % config.execution.save_every_steps == 0
