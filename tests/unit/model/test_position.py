"""Rotary positions."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from endonym.model.config import RopeConfig, RopeScaling
from endonym.model.span import rotary_speeds, rotate, rotation

WIDTH, BASE = 8, 10_000.0
ROPE = RopeConfig(base=BASE, width=WIDTH)


def vector(seed: int, width: int = WIDTH) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, 1, 1, width, generator=generator, dtype=torch.float64)


def rotated(x: Tensor, position: int, rope: RopeConfig = ROPE) -> Tensor:
    """A vector at a position."""
    return rotate(x, rotation(torch.tensor([[position]]), rope, torch.float64))


def stretched(kind: str, factor: float, width: int = WIDTH, **others: Any) -> RopeConfig:
    """Rotary positions with a scaling."""
    given = {"kind": kind, "factor": factor} | others
    return RopeConfig(base=BASE, width=width, scaling=RopeScaling.model_validate(given))


@pytest.mark.parametrize("distance", [0, 1, 17, 300])
def test_a_product_of_rotated_vectors_depends_on_their_distance_only(distance: int) -> None:
    query, key = vector(1), vector(2)
    products = [
        (rotated(query, start + distance) * rotated(key, start)).sum().item()
        for start in (0, 5, 64, 700)
    ]
    assert products == pytest.approx([products[0]] * 4, abs=1e-4)
    other = (rotated(query, distance + 1) * rotated(key, 0)).sum().item()
    assert abs(other - products[0]) > 1e-2


def test_each_pair_of_channels_rotates_by_its_own_angle() -> None:
    x, position = vector(3), 11
    found = rotated(x, position)[0, 0, 0].tolist()
    for i in range(WIDTH // 2):
        angle = position * BASE ** (-2 * i / WIDTH)
        a, b = x[0, 0, 0, i].item(), x[0, 0, 0, i + WIDTH // 2].item()
        assert found[i] == pytest.approx(a * math.cos(angle) - b * math.sin(angle), abs=1e-6)
        right = a * math.sin(angle) + b * math.cos(angle)
        assert found[i + WIDTH // 2] == pytest.approx(right, abs=1e-6)


def test_channels_beyond_the_angles_stay_as_they_are() -> None:
    x = vector(5, width=11)
    found = rotated(x, 11)
    assert torch.equal(found[..., WIDTH:], x[..., WIDTH:])
    assert torch.equal(found[..., :WIDTH], rotated(x[..., :WIDTH], 11))


def test_rotating_keeps_lengths_and_position_zero_rotates_nothing() -> None:
    x = vector(4)
    assert torch.equal(rotated(x, 0), x)
    assert rotated(x, 999).norm().item() == pytest.approx(x.norm().item(), rel=1e-6)


def test_angles_are_exact_before_they_are_rounded() -> None:
    """In bf16 the position 4095 does not exist; its cosine must still be that of 4095."""
    cos, sin = rotation(torch.tensor([[4095]]), ROPE, torch.bfloat16)
    assert cos.dtype == sin.dtype == torch.bfloat16
    assert cos[0, 0, 0, 0].item() == pytest.approx(math.cos(4095), abs=4e-3)
    assert sin[0, 0, 0, 0].item() == pytest.approx(math.sin(4095), abs=4e-3)


def test_every_row_has_its_own_positions_and_every_head_the_same() -> None:
    cos, _ = rotation(torch.tensor([[0, 1], [5, 6]]), ROPE, torch.float32)
    assert cos.shape == (2, 2, 1, WIDTH)
    assert cos[1, 0, 0, 0].item() == pytest.approx(math.cos(5), abs=1e-6)


def test_linear_stretching_makes_four_steps_of_one() -> None:
    x = vector(6)
    found = rotated(x, 44, stretched("linear", 4.0))
    torch.testing.assert_close(found, rotated(x, 11), rtol=0, atol=1e-6)


def turns(speed: float, context: int) -> float:
    """How often a channel turns within a context."""
    return context * speed / (2 * math.pi)


def test_llama3_slows_channels_by_how_often_they_turn_in_the_old_context() -> None:
    """Speeds 10^(-i/2): within 100 tokens they turn 15.9, 5.03, 1.59, 0.503 … times."""
    rope = stretched("llama3", 8.0, 16, original_context=100, low_turns=1.0, high_turns=4.0)
    plain = rotary_speeds(RopeConfig(base=BASE, width=16)).tolist()
    shares = [min(1.0, max(0.0, (turns(speed, 100) - 1) / 3)) for speed in plain]
    assert shares[:2] == [1.0, 1.0]
    assert 0 < shares[2] < 1
    assert shares[3:] == [0.0] * 5
    wanted = [s * kept + s / 8 * (1 - kept) for s, kept in zip(plain, shares, strict=True)]
    assert rotary_speeds(rope).tolist() == pytest.approx(wanted, rel=1e-6)


def test_yarn_slows_channels_along_a_ramp_over_their_numbers() -> None:
    """Of 16 pairs, that with 32 turns in 4096 tokens is 5.23, that with one turn 11.26."""
    rope = stretched("yarn", 4.0, 32, original_context=4096, low_turns=1.0, high_turns=32.0)
    plain = rotary_speeds(RopeConfig(base=BASE, width=32)).tolist()
    kept = [1 - min(1.0, max(0.0, (pair - 5) / (12 - 5))) for pair in range(16)]
    wanted = [s * k + s / 4 * (1 - k) for s, k in zip(plain, kept, strict=True)]
    assert rotary_speeds(rope).tolist() == pytest.approx(wanted, rel=1e-6)


def test_yarn_makes_cosine_and_sine_larger_by_its_sharpness() -> None:
    keys = {"original_context": 64, "high_turns": 32.0}
    cos, sin = rotation(torch.tensor([[0]]), stretched("yarn", 4.0, **keys), torch.float32)
    assert cos.flatten().tolist() == pytest.approx([0.1 * math.log(4) + 1] * WIDTH)
    assert sin.abs().max() == 0
    given = stretched("yarn", 4.0, sharpness=1.5, **keys)
    assert rotation(torch.tensor([[0]]), given, torch.float32)[0].max() == 1.5
    llama3 = stretched("llama3", 4.0, original_context=64, high_turns=4.0)
    assert rotation(torch.tensor([[0]]), llama3, torch.float32)[0].max() == 1.0


@pytest.mark.parametrize("kind", ["linear", "llama3", "yarn"])
def test_a_stretch_of_one_changes_no_speed(kind: str) -> None:
    rope = stretched(kind, 1.0, original_context=64, high_turns=4.0)
    torch.testing.assert_close(rotary_speeds(rope), rotary_speeds(ROPE))
