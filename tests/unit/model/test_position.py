"""Rotary positions."""

import math

import pytest
import torch
from torch import Tensor

from endonym.model.position import rotate, rotation

WIDTH, BASE = 8, 10_000.0


def vector(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, 1, 1, WIDTH, generator=generator, dtype=torch.float64)


def turned(x: Tensor, position: int) -> Tensor:
    """A vector at a position."""
    return rotate(x, rotation(torch.tensor([[position]]), WIDTH, BASE, torch.float64))


@pytest.mark.parametrize("distance", [0, 1, 17, 300])
def test_a_product_of_turned_vectors_depends_on_their_distance_only(distance: int) -> None:
    query, key = vector(1), vector(2)
    products = [
        (turned(query, start + distance) * turned(key, start)).sum().item()
        for start in (0, 5, 64, 700)
    ]
    assert products == pytest.approx([products[0]] * 4, abs=1e-4)
    other = (turned(query, distance + 1) * turned(key, 0)).sum().item()
    assert abs(other - products[0]) > 1e-2


def test_each_pair_of_channels_turns_by_its_own_angle() -> None:
    x, place = vector(3), 11
    found = turned(x, place)[0, 0, 0].tolist()
    for i in range(WIDTH // 2):
        angle = place * BASE ** (-2 * i / WIDTH)
        a, b = x[0, 0, 0, i].item(), x[0, 0, 0, i + WIDTH // 2].item()
        assert found[i] == pytest.approx(a * math.cos(angle) - b * math.sin(angle), abs=1e-6)
        right = a * math.sin(angle) + b * math.cos(angle)
        assert found[i + WIDTH // 2] == pytest.approx(right, abs=1e-6)


def test_turning_keeps_lengths_and_position_zero_turns_nothing() -> None:
    x = vector(4)
    assert torch.equal(turned(x, 0), x)
    assert turned(x, 999).norm().item() == pytest.approx(x.norm().item(), rel=1e-6)


def test_angles_are_exact_before_they_are_rounded() -> None:
    """In bf16 the position 4095 does not exist; its cosine must still be that of 4095."""
    cos, sin = rotation(torch.tensor([[4095]]), WIDTH, BASE, torch.bfloat16)
    assert cos.dtype == sin.dtype == torch.bfloat16
    assert cos[0, 0, 0, 0].item() == pytest.approx(math.cos(4095), abs=4e-3)
    assert sin[0, 0, 0, 0].item() == pytest.approx(math.sin(4095), abs=4e-3)


def test_every_row_has_its_own_positions_and_every_head_the_same() -> None:
    cos, _ = rotation(torch.tensor([[0, 1], [5, 6]]), WIDTH, BASE, torch.float32)
    assert cos.shape == (2, 2, 1, WIDTH)
    assert cos[1, 0, 0, 0].item() == pytest.approx(math.cos(5), abs=1e-6)
