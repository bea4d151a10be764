"""Rows of whole examples: none is cut, lost or read twice in an epoch."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from made_conversations import conversations, make_toy_examples, pairs

from endonym.data.example_tokens import GAP, ExampleOrder, ExampleTokens, packed


@pytest.fixture
def tokens(tmp_path: Path) -> ExampleTokens:
    make_toy_examples(tmp_path, conversations(60), context=256)
    return ExampleTokens(tmp_path, "train")


def test_each_example_stands_whole_in_one_row_of_each_epoch(tokens: ExampleTokens) -> None:
    order = ExampleOrder(tokens, context=256, seed=7)
    for epoch in range(3):
        rows = order.rows(epoch * order.rows_per_epoch, order.rows_per_epoch)
        assert rows.weights_BT is not None
        seen: Counter[tuple[int, ...]] = Counter()
        for row in range(len(rows.tokens_BT)):
            numbers = rows.documents_BT[row]
            for number in dict.fromkeys(numbers.tolist()):
                here = numbers == number
                if number == GAP:
                    assert not rows.weights_BT[row][here].any()
                    assert set(rows.targets_BT[row][here].tolist()) == {tokens.end_id}
                    continue
                targets = rows.targets_BT[row][here]
                assert rows.tokens_BT[row][here].tolist() == [tokens.end_id, *targets[:-1]]
                seen[(*targets, *rows.weights_BT[row][here].astype(int))] += 1
        expected = Counter(
            (
                *tokens.ids[s : s + n].astype(int).tolist(),
                *tokens.learnt[s : s + n].astype(int).tolist(),
            )
            for s, n in zip(tokens.starts, tokens.lengths, strict=True)
        )
        assert seen == expected


def test_rows_are_a_pure_function_of_seed_and_number(tokens: ExampleTokens) -> None:
    one, other = (ExampleOrder(tokens, context=256, seed=7) for _ in range(2))
    count = 2 * one.rows_per_epoch + 3
    whole = one.rows(0, count)
    for number in reversed(range(count)):
        again = other.rows(number, 1)
        for left, right in zip(whole, again, strict=True):
            assert (left is None) == (right is None)
            if left is not None and right is not None:
                assert (left[number] == right[0]).all()
    moved = ExampleOrder(tokens, context=256, seed=8).rows(0, one.rows_per_epoch)
    assert (moved.tokens_BT != whole.tokens_BT[: one.rows_per_epoch]).any()


def test_pairs_stand_in_one_row_with_the_reference_at_their_start(tmp_path: Path) -> None:
    make_toy_examples(tmp_path, pairs(40), "preferences")
    tokens = ExampleTokens(tmp_path, "train")
    order = ExampleOrder(tokens, context=128, seed=7)
    order.reference = -1.0 - np.arange(len(tokens), dtype=np.float32)
    rows = order.rows(0, order.rows_per_epoch)
    assert rows.reference_BT is not None
    for row, known in zip(rows.documents_BT, rows.reference_BT, strict=True):
        numbers = [n for n in dict.fromkeys(row.tolist()) if n != GAP]
        assert [n + 1 for n in numbers[::2]] == numbers[1::2]
        assert all(n % 2 == 0 for n in numbers[::2])
        firsts = [int((row == n).argmax()) for n in numbers]
        assert known[firsts].tolist() == [-1.0 - n for n in numbers]
        assert (known != 0).sum() == len(numbers)


def test_packing_leaves_little_empty() -> None:
    """Lengths of short conversations, drawn once; and few rows where exact fits exist."""
    random = np.random.Generator(np.random.Philox(key=3))
    lengths = (20 + random.gamma(2.0, 40.0, 20_000)).astype(np.int64).clip(max=1024)
    packing = packed(lengths, 1024)
    assert sorted(packing.items.tolist()) == list(range(len(lengths)))
    sums = np.add.reduceat(lengths[packing.items], packing.starts[:-1])
    assert sums.max() <= 1024
    assert 1 - lengths.sum() / (1024 * len(sums)) < 0.02
    exact = packed(np.array([7, 3, 6, 4, 5, 5]), 10)
    assert len(exact.starts) == 4


def test_one_item_is_no_pair_that_fills_a_row() -> None:
    """Of the lengths 2 and 3 the longer one goes beside 6, unless two of 2 fill the row."""
    assert packed(np.array([6, 2, 3]), 10).items.tolist() == [0, 2, 1]
    assert packed(np.array([6, 2, 3, 2]), 10).items.tolist() == [0, 1, 3, 2]


def test_examples_of_one_length_change_places_between_epochs(tokens: ExampleTokens) -> None:
    order = ExampleOrder(tokens, context=256, seed=7)
    epochs = [
        [order.examples(epoch, row).tolist() for row in range(order.rows_per_epoch)]
        for epoch in range(2)
    ]
    lengths = [sorted(sorted(tokens.lengths[row].tolist()) for row in each) for each in epochs]
    assert lengths[0] == lengths[1]
    one, other = ({frozenset(row) for row in each} for each in epochs)
    assert len(one & other) < 2 * len(one) / 3


def test_an_example_stands_after_the_token_that_opens_a_text(tokens: ExampleTokens) -> None:
    """Which need not be the one that ends a text."""
    tokens.opening_id = 7
    order = ExampleOrder(tokens, context=256, seed=7)
    rows = order.rows(0, order.rows_per_epoch)
    for row, numbers in zip(rows.tokens_BT, rows.documents_BT, strict=True):
        for number in dict.fromkeys(numbers.tolist()):
            first = int(row[(numbers == number).argmax()])
            assert first == (tokens.end_id if number == GAP else 7)
