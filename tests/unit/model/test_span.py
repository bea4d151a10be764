"""Where tokens sit."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.attention import causal_mask, document_mask
from torch import Tensor

from endonym.model.span import Span


def tokens(rows: int, length: int) -> Tensor:
    return torch.zeros(rows, length, dtype=torch.long)


def rows_of_numbers(length: int) -> st.SearchStrategy[list[list[int]]]:
    """Two rows of document numbers of one length; numbers may come back."""
    row = st.lists(st.integers(0, 2), min_size=length, max_size=length)
    return st.lists(row, min_size=2, max_size=2)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 9).flatmap(rows_of_numbers))
def test_a_packed_token_sees_its_own_document_up_to_itself(numbers: list[list[int]]) -> None:
    span = Span.packed(torch.tensor(numbers))
    assert span.mask_BTM is not None
    assert torch.equal(span.mask_BTM, document_mask(numbers))
    assert span.past == 0


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 9).flatmap(rows_of_numbers))
def test_a_packed_position_counts_the_tokens_of_its_document_before_it(
    numbers: list[list[int]],
) -> None:
    places = document_mask(numbers).sum(-1) - 1
    assert torch.equal(Span.packed(torch.tensor(numbers)).positions_BT, places)


def test_positions_start_again_with_every_document() -> None:
    span = Span.packed(torch.tensor([[5, 5, 5, 6, 6, 5]]))
    assert span.positions_BT.tolist() == [[0, 1, 2, 0, 1, 0]]


def test_a_row_from_its_start_needs_no_mask() -> None:
    span = Span.after(0, tokens(2, 4))
    assert span.mask_BTM is None
    assert span.positions_BT.tolist() == [[0, 1, 2, 3]] * 2


def test_one_token_after_a_memory_sees_all_of_it() -> None:
    span = Span.after(7, tokens(2, 1))
    assert span.mask_BTM is None
    assert span.positions_BT.tolist() == [[7], [7]]
    assert span.past == 7


def test_a_chunk_after_a_memory_sees_all_of_it_and_itself_backwards() -> None:
    span = Span.after(3, tokens(2, 4))
    assert span.positions_BT.tolist() == [[3, 4, 5, 6]] * 2
    assert span.mask_BTM is not None
    assert torch.equal(span.mask_BTM.expand(2, 4, 7), causal_mask(2, 4, 7))


def test_a_rotation_changes_nothing_else_of_a_span() -> None:
    plain = Span.packed(torch.tensor([[1, 1, 2]]))
    turn = (torch.ones(1), torch.zeros(1))
    turned = plain.rotated(turn)
    assert turned.rotation is turn
    assert plain.rotation is None
    assert turned.positions_BT is plain.positions_BT
    assert turned.mask_BTM is plain.mask_BTM
