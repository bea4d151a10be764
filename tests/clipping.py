"""Clipping as torch does it, for the tests of the optimizer, of a step and of the loop."""

import math

import torch
from torch import Tensor, nn

from endonym.train.optimizer import Optimizer

NEWEST_SHARE = 0.1
"""1 - beta: the first step's first moment is this share of the clipped gradient."""


def gradients_of(optimizer: Optimizer) -> list[Tensor]:
    """A copy of what the optimizer would learn from."""
    found = [master.grad for master in optimizer.masters]
    assert all(each is not None for each in found)
    return [each.clone() for each in found if each is not None]


def clipped_by_torch(gradients: list[Tensor], largest: float) -> tuple[list[Tensor], float]:
    """The gradients after torch's own clipping, and the norm that it found before."""
    parameters = [nn.Parameter(torch.zeros_like(each)) for each in gradients]
    for parameter, each in zip(parameters, gradients, strict=True):
        parameter.grad = each.clone()
    norm = nn.utils.clip_grad_norm_(parameters, largest)
    return [each.grad for each in parameters if each.grad is not None], float(norm)


def norm_of(gradients: list[Tensor]) -> float:
    """Over everything, in fp64."""
    return math.sqrt(sum(float(each.double().square().sum()) for each in gradients))
