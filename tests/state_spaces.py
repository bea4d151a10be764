"""Inputs that the tests of both state spaces share."""

import math

import torch
from laws.shapes import some_tokens
from torch import Tensor

from endonym.model.span import Span


def stream(length: int = 11) -> Tensor:
    """Two rows of random channels, 32 wide, in float64."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, length, 32, generator=generator, dtype=torch.float64)


def row(length: int, past: int = 0) -> Span:
    """Two rows of one document each."""
    return Span.after(past, some_tokens(2, length))


def silu(x: float) -> float:
    """x times its logistic."""
    return x / (1 + math.exp(-x))
