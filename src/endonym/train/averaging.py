"""Weight averaging over training steps.

The average is validated and exported; training goes on from the weights themselves. It is one more
set of fp32 weights, which each step moves towards the current weights.
Sources: arXiv:1803.05407 (uniform mean of the last weights), arXiv:2502.06761 (windows of about
one hundredth of a run and more, together with learning rate decay).
"""

# torch's calls over lists of tensors, which its own optimizers are made of, have no public name.
# pyright: reportPrivateUsage=false

import math
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from endonym.train.config import TrainConfig
from endonym.train.distributed import Tensors, part_of
from endonym.train.optimizer import Optimizer

SUFFIX = ".average"


def newest_share(kind: str, share: float, *, step: int, steps: int) -> float:
    """The share of the weights after a step (from 1) in the average; 0 before averaging starts.

    ema: half-life of share · steps steps; (1 - d) / (1 - dⁿ) is Adam's bias correction.
    tail: 1, 1/2, 1/3, …: the uniform mean of the last share · steps steps.
    """
    if kind == "ema":
        log_decay = -math.log(2) / (share * steps)
        return math.expm1(log_decay) / math.expm1(log_decay * step)
    if kind == "tail":
        count = step - steps + max(1, round(share * steps))
        return 1 / count if count > 0 else 0.0
    return 0.0


@dataclass
class Average:
    """The average of a phase's weights; the weights themselves before or without averaging.

    tensors: the average of each master weight; empty before averaging starts.
    """

    optimizer: Optimizer
    config: TrainConfig

    def __post_init__(self) -> None:
        self.tensors = list[Tensor]()

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the weights after this step, counted from 1, into the average."""
        config = self.config
        share = newest_share(config.average, config.average_share, step=step, steps=config.steps)
        if share and self.tensors:
            torch._foreach_lerp_(self.tensors, self._masters(), share)
        elif share:
            self.tensors = [master.clone() for master in self._masters()]

    @contextmanager
    def shown(self) -> Generator[None]:
        """Within it the model has the average, and afterwards its own weights, bit for bit."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        """Swap the masters and the average in place, without a second copy."""
        if not self.tensors:
            return
        for master, average in zip(self._masters(), self.tensors, strict=True):
            current = master.clone()
            master.copy_(average)
            average.copy_(current)
        self.optimizer.refresh()

    def _masters(self) -> list[Tensor]:
        return [master.detach() for master in self.optimizer.masters]

    def weights(self) -> Tensors:
        """The average by name, or the weights before it starts."""
        return averaged(self.optimizer.weights(), self.state())

    def state(self) -> Tensors:
        """The average by name, for checkpoints."""
        names = self.optimizer.names if self.tensors else []
        return {f"{n}{SUFFIX}": each for n, each in zip(names, self.tensors, strict=True)}

    def load(self, state: Tensors) -> None:
        """Load the average from a checkpoint's optimizer state; empty if it has none."""
        self.tensors = []
        for name, master in zip(self.optimizer.names, self.optimizer.masters, strict=True):
            if (average := state.get(f"{name}{SUFFIX}")) is not None:
                self.tensors.append(part_of(average, master).clone())


def averaged(weights: Tensors, state: Tensors) -> Tensors:
    """A checkpoint's weights, replaced by their average where it has one."""
    return {name: state.get(f"{name}{SUFFIX}", weight) for name, weight in weights.items()}
