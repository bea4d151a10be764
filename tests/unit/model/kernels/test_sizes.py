"""Whether rows are cut, by lengths alone; that blocks do what is said here."""

import pytest
import torch

from endonym.model.kernels import sizes
from endonym.model.kernels.packed_segments import blocks_of
from endonym.model.span import Span


def test_padding_adds_less_than_a_half() -> None:
    found = [sizes.padded(length) for length in (1, 32, 33, 48, 49, 65, 97, 129, 10**6)]
    assert found == [32, 32, 48, 48, 64, 96, 128, 192, 10**6]
    assert all(sizes.padded(length) < length * 1.5 for length in range(32, 90_000))
    assert sorted(set(sizes.LENGTHS)) == sizes.LENGTHS


@pytest.mark.parametrize("window", [None, 64, 100])
@pytest.mark.parametrize("document", [30, 128, 200, 256])
def test_the_keys_that_are_counted_are_those_that_blocks_lay_out(document: int, window: int | None):
    """Of rows of equal documents the rule of lengths and the blocks say the same."""
    context = 6 * document
    span = Span.packed((torch.arange(context) // document)[None])
    keys, blocks = sizes.keys_a_token(context, window, document), blocks_of(span, 1, window)
    assert (keys is None) == (blocks is None)
    if keys is None or blocks is None:
        return
    assert keys == max(part.length * (2 if part.is_cut else 1) for part in blocks.parts)
