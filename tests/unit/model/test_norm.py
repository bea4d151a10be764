"""Normalisation."""

import math

import pytest
import torch

from endonym.model.layers import make_norm
from endonym.model.mamba import GatedNorm

X = [3.0, -1.0, 0.5, 2.0]


def test_the_rms_norm_divides_by_the_root_of_the_mean_square() -> None:
    norm = make_norm("rms", 4, 0.1)
    root = math.sqrt(sum(x * x for x in X) / 4 + 0.1)
    found = norm(torch.tensor(X)).tolist()
    assert found == pytest.approx([x / root for x in X], rel=1e-6)
    assert [name for name, _ in norm.named_parameters()] == ["weight"]


def test_the_layer_norm_takes_the_mean_away_first() -> None:
    norm = make_norm("layer", 4, 0.1)
    mean = sum(X) / 4
    root = math.sqrt(sum((x - mean) ** 2 for x in X) / 4 + 0.1)
    found = norm(torch.tensor(X)).tolist()
    assert found == pytest.approx([(x - mean) / root for x in X], rel=1e-6)
    assert [name for name, _ in norm.named_parameters()] == ["weight", "bias"]


@pytest.mark.parametrize("kind", ["rms", "layer"])
def test_a_norm_of_nothing_is_nothing(kind: str) -> None:
    assert make_norm(kind, 4, 1e-6)(torch.zeros(2, 4)).tolist() == [[0.0] * 4] * 2


def test_a_gated_norm_gates_first_and_normalises_each_group_alone() -> None:
    norm = GatedNorm(4, 2, 0.1)
    gate = [0.5, -2.0, 1.0, 0.0]
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
        found = norm(torch.tensor(X), torch.tensor(gate)).tolist()
    gated = [x * z / (1 + math.exp(-z)) for x, z in zip(X, gate, strict=True)]
    roots = [math.sqrt(sum(x * x for x in part) / 2 + 0.1) for part in (gated[:2], gated[2:])]
    wanted = [
        gated[0] / roots[0],
        2 * gated[1] / roots[0],
        3 * gated[2] / roots[1],
        4 * gated[3] / roots[1],
    ]
    assert found == pytest.approx(wanted, rel=1e-5)
    assert [name for name, _ in norm.named_parameters()] == ["weight"]
