"""Batches by size."""

import pytest
from text_samples import TATAR

from endonym.batching import in_batches


@pytest.mark.parametrize("is_within", [True, False])
def test_every_item_is_in_one_batch_in_order(*, is_within: bool) -> None:
    found = list(in_batches(iter(TATAR), len, 100, is_within=is_within))
    assert [text for batch in found for text in batch] == TATAR
    assert len(found) > 1
    sizes = [sum(map(len, batch)) for batch in found]
    if is_within:
        assert all(size <= 100 or len(batch) == 1 for size, batch in zip(sizes, found, strict=True))
    else:
        assert all(size >= 100 for size in sizes[:-1])
        assert all(sum(map(len, batch[:-1])) < 100 for batch in found)


def test_a_batch_ends_at_its_size_or_before_an_item_that_is_too_much() -> None:
    items = [40, 60, 0, 1, 200, 0]
    assert list(in_batches(items, int, 100)) == [[40, 60], [0, 1, 200], [0]]
    assert list(in_batches(items, int, 100, is_within=True)) == [[40, 60, 0], [1], [200], [0]]
    assert list(in_batches([], int, 100)) == []
