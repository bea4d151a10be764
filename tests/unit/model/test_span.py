"""Where tokens sit: masks, positions, and the rotations of positions."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.attention import causal_mask, document_mask
from torch import Tensor

from endonym.model.config import RopeConfig, RopeScaling
from endonym.model.span import Span, rotary_speeds, rotate, rotation

SMALL = RopeConfig(base=100.0, width=4)


def tokens(rows: int, length: int) -> Tensor:
    return torch.zeros(rows, length, dtype=torch.long)


def rows_of_numbers(length: int) -> st.SearchStrategy[list[list[int]]]:
    """Two rows of document numbers of one length; numbers may come back."""
    row = st.lists(st.integers(0, 2), min_size=length, max_size=length)
    return st.lists(row, min_size=2, max_size=2)


def seen(span: Span, window: int | None, rows: int = 1) -> Tensor:
    """The mask of packed rows; where none is asked for, each token sees all before it."""
    mask_BTM = span.mask(window)
    whole = causal_mask(rows, span.length, span.length)
    return whole if mask_BTM is None else mask_BTM.expand_as(whole)


def within(mask_BTM: Tensor, window: int) -> Tensor:
    """A mask with only the last `window` keys up to each query left."""
    nearer = mask_BTM.clone()
    for index in range(mask_BTM.shape[1]):
        nearer[:, index, : max(0, index + 1 - window)] = False
    return nearer


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 9).flatmap(rows_of_numbers))
def test_a_packed_token_sees_its_own_document_up_to_itself(numbers: list[list[int]]) -> None:
    span = Span.packed(torch.tensor(numbers))
    assert torch.equal(seen(span, None, len(numbers)), document_mask(numbers))
    assert span.past == 0


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 9).flatmap(rows_of_numbers), st.integers(1, 9))
def test_a_window_takes_away_all_but_the_last_keys(numbers: list[list[int]], window: int) -> None:
    mask_BTM = seen(Span.packed(torch.tensor(numbers)), window, len(numbers))
    assert torch.equal(mask_BTM, within(document_mask(numbers), window))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 9).flatmap(rows_of_numbers))
def test_a_packed_position_counts_the_tokens_of_its_document_before_it(numbers: list[list[int]]):
    positions = document_mask(numbers).sum(-1) - 1
    span = Span.packed(torch.tensor(numbers))
    assert torch.equal(span.positions_BT.expand_as(positions), positions)
    is_first_BT = positions == 0 if span.is_first_BT is None else span.is_first_BT
    assert torch.equal(is_first_BT, positions == 0)


def test_rows_of_one_document_each_need_no_mask() -> None:
    span = Span.packed(torch.tensor([[4, 4, 4], [7, 7, 7]]))
    assert span.mask(None) is span.is_first_BT is None
    assert Span.packed(torch.tensor([[4, 4, 4], [7, 7, 8]])).mask(None) is not None


def test_a_row_from_its_start_needs_no_mask() -> None:
    span = Span.after(0, tokens(2, 4))
    assert span.mask(None) is None
    assert span.is_first_BT is None
    assert span.starts_BT is None
    assert span.positions_BT.tolist() == [[0, 1, 2, 3]]


@pytest.mark.parametrize(("past", "length"), [(0, 5), (2, 3), (4, 1)])
def test_a_window_that_reaches_back_to_the_start_needs_no_mask(past: int, length: int) -> None:
    assert Span.after(past, tokens(2, length)).mask(5) is None
    assert Span.after(past, tokens(2, length)).mask(4) is not None


def test_one_token_after_a_cache_has_the_next_index() -> None:
    span = Span.after(7, tokens(2, 1))
    assert span.mask(None) is None
    assert span.positions_BT.tolist() == [[7]]
    assert span.indices_T.tolist() == [7]
    assert span.past == 7


def test_a_chunk_after_a_memory_sees_all_of_it_and_itself_backwards() -> None:
    span = Span.after(3, tokens(2, 4))
    assert span.positions_BT.tolist() == [[3, 4, 5, 6]]
    mask_BTM = span.mask(None, torch.arange(7))
    assert torch.equal(mask_BTM.expand(2, 4, 7), causal_mask(2, 4, 7))


def test_padding_on_the_left_is_a_document_of_its_own() -> None:
    starts_B = torch.tensor([0, 3, 1])
    span = Span.after(0, tokens(3, 5), starts_B)
    texts = [[1] * 5, [0] * 3 + [1] * 2, [0] + [1] * 4]
    mask_BTM = span.mask(None)
    assert mask_BTM is not None
    assert torch.equal(mask_BTM, document_mask(texts))
    assert span.positions_BT.tolist() == [[0, 1, 2, 3, 4], [0, 1, 2, 0, 1], [0, 0, 1, 2, 3]]
    assert span.is_first_BT.nonzero().tolist() == [[0, 0], [1, 0], [1, 3], [2, 0], [2, 1]]


def test_keys_may_stand_in_any_order() -> None:
    mask_BTM = Span.after(6, tokens(1, 1)).mask(3, torch.tensor([6, 4, 5, 3]))
    assert mask_BTM.tolist() == [[[True, True, True, False]]]


def test_a_rotation_is_that_of_the_positions_and_is_made_once() -> None:
    span = Span.packed(torch.tensor([[1, 1, 2], [3, 3, 3]]))
    cos, sin = span.cos_sin(SMALL, torch.float32)
    wanted = rotation(torch.tensor([[0, 1, 0], [0, 1, 2]]), SMALL, torch.float32)
    assert torch.equal(cos, wanted[0])
    assert torch.equal(sin, wanted[1])
    assert span.cos_sin(SMALL, torch.float32)[0] is cos
    other = RopeConfig(base=200.0, width=4)
    assert not torch.equal(span.cos_sin(other, torch.float32)[0], cos)
    assert span.cos_sin(SMALL, torch.bfloat16)[0].dtype == torch.bfloat16


def test_masks_of_different_windows_are_kept_apart() -> None:
    span = Span.packed(torch.tensor([[1] * 6]))
    counts = [int(seen(span, window).sum()) for window in (None, 2, 3, 2, None)]
    assert counts == [21, 11, 15, 11, 21]
    assert span.mask(3) is span.mask(3)


def test_the_bar_hides_what_the_mask_does_and_is_made_once() -> None:
    span = Span.packed(torch.tensor([[4, 4, 7], [1, 1, 1]]))
    attn_bias_BTM, mask_BTM = span.attn_bias(None, torch.bfloat16), span.mask(None)
    assert mask_BTM is not None
    assert attn_bias_BTM.dtype is torch.bfloat16
    assert torch.equal(attn_bias_BTM == 0, mask_BTM)
    assert torch.equal(attn_bias_BTM.isneginf(), ~mask_BTM)
    assert span.attn_bias(None, torch.bfloat16) is attn_bias_BTM
    assert Span.after(0, tokens(2, 3)).attn_bias(None, torch.float32) is None


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
    scaling = RopeScaling.model_validate({"kind": kind, "factor": factor} | others)
    return RopeConfig(base=BASE, width=width, scaling=scaling)


@pytest.mark.parametrize("distance", [0, 17])
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
