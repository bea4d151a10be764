"""Cutting packed rows into stretches, by hand. That attention over them is the same is law 5."""

import pytest
import torch

from endonym.model.kernels import sizes
from endonym.model.kernels.packed_segments import Blocks, blocks_of
from endonym.model.span import Span


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches of 2, 3, 4, 6, 8 … are allowed, and rows are cut whatever it costs."""
    monkeypatch.setattr(sizes, "LENGTHS", [2, 3, 4, 6, 8, 12])
    monkeypatch.setattr(sizes, "LAYING_OUT", -1000)


def cut(rows: list[list[int]], window: int | None = None) -> Blocks:
    """The blocks of packed rows, given the lengths of their documents."""
    numbers = [[n for n, size in enumerate(row) for _ in range(size)] for row in rows]
    found = blocks_of(Span.packed(torch.tensor(numbers)), len(rows), window)
    assert found is not None
    return found


@pytest.mark.usefixtures("always")
def test_a_cut_piece_sees_the_window_and_nothing_before_its_document() -> None:
    blocks = cut([[3, 5]], window=2)
    pieces, whole = blocks.parts[0].mask_NTM, blocks.parts[1].mask_NTM
    nothing_before = [[False, False, True, False], [False, False, True, True]]
    one_before = [[False, True, True, False], [False, False, True, True]]
    assert pieces.tolist() == [nothing_before, one_before, one_before]
    assert whole.tolist() == [[[True, False, False], [True, True, False], [False, True, True]]]


@pytest.mark.usefixtures("always")
def test_a_whole_row_under_a_window_is_cut_too() -> None:
    span = Span.after(0, torch.zeros(2, 7, dtype=torch.long))
    blocks = blocks_of(span, 2, 3)
    assert [(part.count, part.length) for part in blocks.parts] == [(6, 3)]
    assert blocks.laid.tolist() == [0, 1, 2, 3, 4, 5, 6, -1, -1, 7, 8, 9, 10, 11, 12, 13, -1, -1]


@pytest.mark.usefixtures("always")
def test_a_window_that_a_stretch_fits_into_needs_no_mask() -> None:
    (part,) = cut([[4, 4]], window=4).parts
    assert part.mask_NTM is None
    (part,) = cut([[4, 4]], window=3).parts
    assert part.mask_NTM is not None


def test_rows_are_cut_where_keys_left_out_outweigh_laying_tokens_out() -> None:
    """Of 512 keys a token then reads 256 at most, 256 more being the price."""
    assert blocks_of(packed(256, 256), 1, None) is not None
    assert blocks_of(packed(257, 255), 1, None) is None
    assert blocks_of(packed(*[16] * 16), 1, None) is None  # 256 tokens: never.


def packed(*sizes: int) -> Span:
    """One row of documents of these lengths."""
    return Span.packed(torch.tensor([[n for n, size in enumerate(sizes) for _ in range(size)]]))


def test_cut_pieces_count_twice_since_they_read_as_much_before_them() -> None:
    """Under a window of W a token reads 2 W keys: 512 - 256 where W = 128."""
    tokens_BT = torch.zeros(1, 512, dtype=torch.long)
    assert blocks_of(Span.after(0, tokens_BT), 1, 128) is not None
    assert blocks_of(Span.after(0, tokens_BT), 1, 129) is None


def test_whole_rows_and_rows_after_a_cache_are_not_cut() -> None:
    tokens_BT = torch.zeros(1, 1024, dtype=torch.long)
    assert blocks_of(Span.after(0, tokens_BT), 1, None) is None
    assert blocks_of(Span.after(3, tokens_BT), 1, 8) is None


def test_blocks_are_made_once_for_a_window() -> None:
    span = packed(128, 128, 128, 128)
    first = blocks_of(span, 1, 16)
    assert first is not None
    assert blocks_of(span, 1, 16) is first
    assert blocks_of(span, 1, None) is not first
