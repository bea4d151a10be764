"""Steps of Muon and AdamW on one matrix, number by number, in fp64."""

import math

import torch
from torch import Tensor

from endonym.train.muon import COEFFICIENTS

OptimizerState = dict[str, Tensor]


def slow_orthogonal(matrix: Tensor) -> Tensor:
    """Its singular values, taken out, sent through the polynomials, and put back."""
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    norm = math.sqrt(sum(float(value) ** 2 for value in values))
    sent = []
    for value in values:
        x = float(value) / norm
        for a, b, c in COEFFICIENTS:
            x = a * x + b * x**3 + c * x**5
        sent.append(x)
    return left @ torch.diag(torch.tensor(sent, dtype=matrix.dtype)) @ right


def slow_muon(
    weights: Tensor,
    gradient: Tensor,
    state: OptimizerState,
    *,
    lr: float,
    decay: float,
    momentum: float,
    row_memory: float | None,
    cautious: bool,
) -> Tensor:
    """The weights after a step."""
    rows, columns = weights.shape
    past = state.get("momentum", torch.zeros_like(weights))
    state["momentum"] = momentum * past + (1 - momentum) * gradient
    ahead = momentum * state["momentum"] + (1 - momentum) * gradient
    update = slow_orthogonal(ahead)
    if row_memory is not None:
        squares = state.setdefault("row_squares", weights.new_zeros(rows))
        even = torch.empty_like(update)
        for row in range(rows):
            mean = sum(float(number) ** 2 for number in update[row]) / columns
            squares[row] = row_memory * squares[row] + (1 - row_memory) * mean
            even[row] = update[row] / math.sqrt(squares[row])
        update = even * (update.norm() / even.norm())
    update = update * 0.2 * math.sqrt(max(rows, columns))
    return pulled(weights, update, lr * decay, cautious=cautious) - lr * update


def slow_adamw(
    weights: Tensor,
    gradient: Tensor,
    state: OptimizerState,
    *,
    step: int,
    lr: float,
    decay: float,
    betas: tuple[float, float],
    cautious: bool,
) -> Tensor:
    """The weights after a step, the first of which has the number 1."""
    for kind, beta, seen in zip(
        ("first", "second"), betas, (gradient, gradient.square()), strict=True
    ):
        state[kind] = beta * state.get(kind, torch.zeros_like(weights)) + (1 - beta) * seen
    first, second = (
        state[kind] / (1 - beta**step)
        for kind, beta in zip(("first", "second"), betas, strict=True)
    )
    update = first / (second.sqrt() + 1e-8)
    return pulled(weights, update, lr * decay, cautious=cautious) - lr * update


def pulled(weights: Tensor, update: Tensor, decay: float, *, cautious: bool) -> Tensor:
    """Each weight a little closer to zero; with caution, unless its update carries it away."""
    found = weights.clone()
    for index, (weight, change) in enumerate(zip(weights.flatten(), update.flatten(), strict=True)):
        if not cautious or weight * change >= 0:
            found.view(-1)[index] = weight * (1 - decay)
    return found
