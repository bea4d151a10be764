"""Order: a pure function that visits every position of every document once an epoch."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toys import END, distinct_documents, write_toy_shards

from endonym.data.order import Order, shuffled
from endonym.data.shards import TokenShards

SETTINGS = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=12)
CONTEXTS = st.integers(1, 24)
SEEDS = st.integers(0, 2**62)


def shards_of(folder: Path, lengths: list[int]) -> TokenShards:
    documents, vocab = distinct_documents(lengths)
    return write_toy_shards(folder, documents, vocab=vocab)[0]


def visits(order: Order, rows: int) -> list[tuple[int, int, int]]:
    """Every (input, target, document number) of the first rows."""
    found = order.rows(0, rows)
    return list(zip(*(part.flatten().tolist() for part in found), strict=True))


def positions(lengths: list[int]) -> set[tuple[int, int]]:
    """Input and target of every position that a pass must visit, read off the documents."""
    documents, _ = distinct_documents(lengths)
    rows = [[END, *ids, END] for ids in documents]
    return {pair for row in rows for pair in pairwise(row)}


@SETTINGS
@given(lengths=LENGTHS, context=CONTEXTS, seed=SEEDS, epochs=st.integers(1, 4))
def test_every_position_is_visited_exactly_once_an_epoch(
    tmp_path: Path, lengths: list[int], context: int, seed: int, epochs: int
) -> None:
    order = Order(shards_of(tmp_path, lengths), context=context, seed=seed)
    n_rows = -(-epochs * (sum(lengths) + len(lengths)) // context)
    seen = visits(order, n_rows)
    assert len(seen) == n_rows * context
    by_epoch: dict[int, list[tuple[int, int]]] = {}
    for token, target, number in seen:
        by_epoch.setdefault(number // len(lengths), []).append((token, target))
    for epoch in range(epochs):
        assert len(by_epoch[epoch]) == len(set(by_epoch[epoch]))
        assert set(by_epoch[epoch]) == positions(lengths)
    for epoch in range(epochs, max(by_epoch) + 1):
        assert len(by_epoch[epoch]) == len(set(by_epoch[epoch]))
        assert set(by_epoch[epoch]) <= positions(lengths)


@SETTINGS
@given(lengths=LENGTHS, context=CONTEXTS, seed=SEEDS)
def test_a_target_is_the_input_that_follows_it_and_documents_open_with_end_of_text(
    tmp_path: Path, lengths: list[int], context: int, seed: int
) -> None:
    order = Order(shards_of(tmp_path, lengths), context=context, seed=seed)
    tokens_BT, targets_BT, documents_BT = order.rows(0, 5)
    np.testing.assert_array_equal(tokens_BT[:, 1:], targets_BT[:, :-1])
    is_new = documents_BT[:, 1:] != documents_BT[:, :-1]
    np.testing.assert_array_equal(is_new, tokens_BT[:, 1:] == END)
    np.testing.assert_array_equal(np.diff(documents_BT, axis=1), is_new.astype(int))


@SETTINGS
@given(lengths=LENGTHS, context=CONTEXTS, seed=SEEDS, first=st.integers(0, 40))
def test_a_row_is_the_same_whatever_was_read_before_it(
    tmp_path: Path, lengths: list[int], context: int, seed: int, first: int
) -> None:
    shards = shards_of(tmp_path, lengths)
    used = Order(shards, context=context, seed=seed)
    together = used.rows(0, first + 3)
    for number in reversed(range(first, first + 3)):
        alone = Order(shards, context=context, seed=seed).rows(number, 1)
        again = used.rows(number, 1)
        for whole, one, two in zip(together, alone, again, strict=True):
            np.testing.assert_array_equal(whole[number], one[0])
            np.testing.assert_array_equal(whole[number], two[0])


def test_a_corpus_smaller_than_one_row_goes_on_with_its_next_epochs(tmp_path: Path) -> None:
    order = Order(shards_of(tmp_path, [2, 1]), context=16, seed=3)
    tokens, targets, numbers = (part[0].tolist() for part in order.rows(0, 1))
    per_epoch = [set(zip(tokens[n : n + 5], targets[n : n + 5], strict=True)) for n in (0, 5, 10)]
    assert per_epoch == [positions([2, 1])] * 3
    assert sorted(set(numbers)) == list(range(7))


def test_a_document_longer_than_many_rows_keeps_its_number_in_all_of_them(tmp_path: Path) -> None:
    order = Order(shards_of(tmp_path, [100]), context=8, seed=1)
    tokens_BT, _, numbers_BT = order.rows(0, 13)
    begins = tokens_BT[:, 0].tolist()
    assert begins != sorted(begins)
    assert sorted(begins) == list(range(0, 104, 8))
    last = begins.index(96)
    assert numbers_BT[last].tolist() == [0] * 5 + [1] * 3
    assert set(np.delete(numbers_BT, last, axis=0).flatten().tolist()) == {0}


def test_the_order_differs_between_epochs_and_between_seeds(tmp_path: Path) -> None:
    shards = shards_of(tmp_path, [7] * 32)
    orders = {
        tuple(Order(shards, context=8, seed=seed).rows(epoch * 32, 32).tokens_BT.flatten().tolist())
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(orders) == 9
    passes = [Order(shards, context=8, seed=s).epoch(n) for s in range(3) for n in range(3)]
    for part in ("documents", "rows"):
        assert len({tuple(getattr(each, part).tolist()) for each in passes}) == 9


def test_rows_of_an_epoch_are_shuffled_so_that_a_book_is_not_read_page_by_page(
    tmp_path: Path,
) -> None:
    order = Order(shards_of(tmp_path, [640]), context=8, seed=0)
    begins = order.rows(0, 80).tokens_BT[:, 0]
    neighbours = np.abs(np.diff(begins)) == 8
    assert neighbours.mean() < 0.15


def test_several_shards_are_read_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = [9, 4, 17, 3, 8, 1, 12]
    whole = Order(shards_of(tmp_path / "one", lengths), context=7, seed=5)
    monkeypatch.setattr("endonym.data.shards.SHARD_TOKENS", 12)
    shards = shards_of(tmp_path / "many", lengths)
    assert len(shards.parts) == 4
    for one, many in zip(
        whole.rows(0, 30), Order(shards, context=7, seed=5).rows(0, 30), strict=True
    ):
        np.testing.assert_array_equal(one, many)


def test_shuffling_is_a_permutation_that_no_library_version_may_change() -> None:
    assert sorted(shuffled(1000, 7).tolist()) == list(range(1000))
    assert shuffled(0, 7).tolist() == []
    assert shuffled(8, 42).tolist() == philox_order(8, 42)


def philox_order(count: int, key: int) -> list[int]:
    """The same by Philox 4x64-10 written out (Salmon et al. 2011, section 3.3)."""
    mask, numbers, counter = (1 << 64) - 1, [], 1
    while len(numbers) < count:
        a, b, c, d = counter, 0, 0, 0
        low, high = key & mask, key >> 64
        for _ in range(10):
            first, second = a * 0xD2E7470EE14C6C93, c * 0xCA5A826395121157
            a, b, c, d = (
                (second >> 64) ^ b ^ low,
                second & mask,
                (first >> 64) ^ d ^ high,
                first & mask,
            )
            low, high = (low + 0x9E3779B97F4A7C15) & mask, (high + 0xBB67AE8584CAA73B) & mask
        numbers += [a, b, c, d]
        counter += 1
    return sorted(range(count), key=lambda index: numbers[index])


def test_the_original_of_a_numbered_document_is_found_in_every_epoch(tmp_path: Path) -> None:
    lengths = [3, 5, 2, 8]
    order = Order(shards_of(tmp_path, lengths), context=6, seed=11)
    documents, _ = distinct_documents(lengths)
    found = order.rows(0, 20)
    originals = order.originals(found.documents_BT)
    for token, original in zip(found.tokens_BT.flatten(), originals.flatten(), strict=True):
        assert token == END or int(token) in documents[int(original)]
