"""Where tokens sit."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.attention import causal_mask, document_mask
from torch import Tensor

from endonym.model.config import RopeConfig
from endonym.model.span import Span, rotation

ROPE = RopeConfig(base=100.0, width=4)


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


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 9).flatmap(rows_of_numbers))
def test_a_packed_token_sees_its_own_document_up_to_itself(numbers: list[list[int]]) -> None:
    span = Span.packed(torch.tensor(numbers))
    assert torch.equal(seen(span, None, len(numbers)), document_mask(numbers))
    assert span.past == 0


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 9).flatmap(rows_of_numbers), st.integers(1, 9))
def test_a_window_takes_away_all_but_the_last_keys(numbers: list[list[int]], window: int) -> None:
    mask_BTM = seen(Span.packed(torch.tensor(numbers)), window, len(numbers))
    assert torch.equal(mask_BTM, within(document_mask(numbers), window))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 9).flatmap(rows_of_numbers))
def test_a_packed_position_counts_the_tokens_of_its_document_before_it(
    numbers: list[list[int]],
) -> None:
    positions = document_mask(numbers).sum(-1) - 1
    span = Span.packed(torch.tensor(numbers))
    assert torch.equal(span.positions_BT.expand_as(positions), positions)
    is_first_BT = positions == 0 if span.is_first_BT is None else span.is_first_BT
    assert torch.equal(is_first_BT, positions == 0)


def test_rows_of_one_document_each_need_no_mask() -> None:
    span = Span.packed(torch.tensor([[4, 4, 4], [7, 7, 7]]))
    assert span.mask(None) is span.is_first_BT is None
    assert Span.packed(torch.tensor([[4, 4, 4], [7, 7, 8]])).mask(None) is not None


def test_positions_start_again_with_every_document() -> None:
    span = Span.packed(torch.tensor([[5, 5, 5, 6, 6, 5]]))
    assert span.positions_BT.tolist() == [[0, 1, 2, 0, 1, 0]]


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
    assert mask_BTM is not None
    assert torch.equal(mask_BTM.expand(2, 4, 7), causal_mask(2, 4, 7))


def test_padding_on_the_left_is_a_document_of_its_own() -> None:
    starts_B = torch.tensor([0, 3, 1])
    span = Span.after(0, tokens(3, 5), starts_B)
    texts = [[1] * 5, [0] * 3 + [1] * 2, [0] + [1] * 4]
    mask_BTM = span.mask(None)
    assert mask_BTM is not None
    assert torch.equal(mask_BTM, document_mask(texts))
    assert span.positions_BT.tolist() == [[0, 1, 2, 3, 4], [0, 1, 2, 0, 1], [0, 0, 1, 2, 3]]
    assert span.is_first_BT is not None
    assert span.is_first_BT.nonzero().tolist() == [[0, 0], [1, 0], [1, 3], [2, 0], [2, 1]]


def test_padding_is_remembered_while_rows_grow() -> None:
    later = Span.after(5, tokens(3, 1), torch.tensor([0, 3, 6]))
    assert later.positions_BT.tolist() == [[5], [2], [5]]
    mask_BTM = later.mask(None, torch.arange(6))
    assert mask_BTM is not None
    assert mask_BTM[:, 0].sum(-1).tolist() == [6, 3, 6]


def test_a_key_that_stands_nowhere_is_seen_by_nobody() -> None:
    mask_BTM = Span.after(2, tokens(1, 1)).mask(4, torch.tensor([-1, 0, 1, 2, -1]))
    assert mask_BTM is not None
    assert mask_BTM.tolist() == [[[False, True, True, True, False]]]


def test_keys_may_stand_in_any_order() -> None:
    mask_BTM = Span.after(6, tokens(1, 1)).mask(3, torch.tensor([6, 4, 5, 3]))
    assert mask_BTM is not None
    assert mask_BTM.tolist() == [[[True, True, True, False]]]


def test_a_rotation_is_that_of_the_positions_and_is_made_once() -> None:
    span = Span.packed(torch.tensor([[1, 1, 2], [3, 3, 3]]))
    cos, sin = span.cos_sin(ROPE, torch.float32)
    wanted = rotation(torch.tensor([[0, 1, 0], [0, 1, 2]]), ROPE, torch.float32)
    assert torch.equal(cos, wanted[0])
    assert torch.equal(sin, wanted[1])
    assert span.cos_sin(ROPE, torch.float32)[0] is cos
    other = RopeConfig(base=200.0, width=4)
    assert not torch.equal(span.cos_sin(other, torch.float32)[0], cos)
    assert span.cos_sin(ROPE, torch.bfloat16)[0].dtype == torch.bfloat16


def test_masks_of_different_windows_are_kept_apart() -> None:
    span = Span.packed(torch.tensor([[1] * 6]))
    counts = [int(seen(span, window).sum()) for window in (None, 2, 3, 2, None)]
    assert counts == [21, 11, 15, 11, 21]
    assert span.mask(3) is span.mask(3)


def test_the_bar_hides_what_the_mask_does_and_is_made_once() -> None:
    span = Span.packed(torch.tensor([[4, 4, 7], [1, 1, 1]]))
    attn_bias_BTM, mask_BTM = span.attn_bias(None, torch.bfloat16), span.mask(None)
    assert attn_bias_BTM is not None
    assert mask_BTM is not None
    assert attn_bias_BTM.dtype is torch.bfloat16
    assert torch.equal(attn_bias_BTM == 0, mask_BTM)
    assert torch.equal(attn_bias_BTM.isneginf(), ~mask_BTM)
    assert span.attn_bias(None, torch.bfloat16) is attn_bias_BTM
    assert Span.after(0, tokens(2, 3)).attn_bias(None, torch.float32) is None
