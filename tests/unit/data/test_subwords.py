"""Subword dropout: the same text in smaller tokens, a pure function of seed and row."""

import functools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from foreign_folders import gemma_like
from toys import KINDS, distinct_documents, toy_texts, write_toy_shards

from endonym.data.batches import Batches
from endonym.data.order import Mixture, Order, Rows, uniform
from endonym.data.shards import ShardDocument, TokenShards, write_shards
from endonym.data.subwords import WHOLE, Subwords
from endonym.seed import named_seed
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.tokenizer import BYTE_TOKEN, Tokenizer
from endonym.tokenizer.train import train_tokenizer

CONTEXT = 48
END = b"\0"


@functools.cache
def toy_tokenizer(kind: str) -> Tokenizer:
    """A tokenizer with tokens of several letters."""
    vocab = None if kind in ("char", "byte") else 800
    config = TokenizerConfig.model_validate({"kind": kind, "vocab": vocab})
    return train_tokenizer(config, lambda: iter(toy_texts()))


def order_of(tokenizer: Tokenizer, folder: Path, *, join: bool = False) -> Order:
    """The sentences of the tests as documents."""
    lines = [ShardDocument("тел", line, 0, n) for n, line in enumerate(toy_texts()) if line]
    folder.mkdir(exist_ok=True)
    write_shards(folder, tokenizer, ["тел"], lambda _: lines, advance=lambda _: None)
    shards = TokenShards(folder, "train")
    return Order(shards, context=CONTEXT, seed=3, join=["тел"] if join else [])


def said(tokenizer: Tokenizer, ids: np.ndarray) -> bytes:
    """The text of ids, with a mark for end-of-text."""
    return b"".join(tokenizer.bytes_of(int(each)) or END for each in ids)


def require_parts_of_texts(tokenizer: Tokenizer, subwords: Subwords) -> None:
    """No part is a byte token of which another token says the same: no text has it."""
    said = [tokenizer.bytes_of(index) for index in range(tokenizer.vocab)]
    parts = {*subwords.left_V.tolist(), *subwords.right_V.tolist()} - {WHOLE}
    is_byte = {n for n in parts if BYTE_TOKEN.fullmatch(tokenizer.name_of(n) or "")}
    assert all(said.count(said[index]) == 1 for index in is_byte)


def test_byte_tokens_of_other_models_are_no_parts() -> None:
    tokenizer = Tokenizer(gemma_like(), end="<eos>")
    subwords = Subwords.of(tokenizer, 0.1, 0)
    require_parts_of_texts(tokenizer, subwords)
    split = np.nonzero(subwords.left_V != WHOLE)[0]
    assert len(split) > 3


@pytest.mark.parametrize("kind", KINDS)
def test_the_two_tokens_are_what_the_token_says(kind: str) -> None:
    tokenizer = toy_tokenizer(kind)
    subwords = Subwords.of(tokenizer, 0.1, 0)
    split = np.nonzero(subwords.left_V != WHOLE)[0]
    assert (len(split) > 300) == (kind in ("bpe", "unigram"))
    assert np.array_equal(split, np.nonzero(subwords.right_V != WHOLE)[0])
    for index in split.tolist():
        pair = int(subwords.left_V[index]), int(subwords.right_V[index])
        left, right = map(tokenizer.bytes_of, pair)
        assert left + right == tokenizer.bytes_of(index)
        assert left
        assert right
        assert (left + b"x").decode(), "no character is cut in two"
    assert subwords.left_V[tokenizer.end_id] == WHOLE
    require_parts_of_texts(tokenizer, subwords)
    for index in set(range(tokenizer.vocab)) - set(split.tolist()):
        piece = tokenizer.bytes_of(index)
        cuts = (n for n in range(1, len(piece)) if piece[n] & 0xC0 != 0x80)
        every = {tokenizer.bytes_of(each) for each in range(tokenizer.vocab)}
        assert not any(piece[:n] in every and piece[n:] in every for n in cuts)


@pytest.mark.parametrize("join", [False, True])
@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_row_says_the_same_with_smaller_tokens(kind: str, join: bool, tmp_path: Path) -> None:
    tokenizer = toy_tokenizer(kind)
    order = order_of(tokenizer, tmp_path / kind, join=join)
    whole = order.rows(0, 60)
    rows = Subwords.of(tokenizer, 0.3, 7).split(whole, 0)
    assert rows.places_BT is None
    changed = [n for n in range(60) if not np.array_equal(rows.targets_BT[n], whole.targets_BT[n])]
    assert 18 <= len(changed) <= 42, "about half of them"
    for n in range(60):
        tokens, targets, documents = (each[n] for each in rows[:3])
        if n not in changed:
            assert np.array_equal(tokens, whole.tokens_BT[n])
            assert np.array_equal(documents, whole.documents_BT[n])
            continue
        text, before = said(tokenizer, targets), said(tokenizer, whole.targets_BT[n])
        assert before.startswith(text)
        assert len(before) > len(text)
        assert tokens[0] == whole.tokens_BT[n][0]
        is_start = np.append(True, documents[1:] != documents[:-1])
        assert {*tokens[1:][is_start[1:]].tolist()} <= {tokenizer.end_id}
        assert np.array_equal(tokens[1:][~is_start[1:]], targets[:-1][~is_start[1:]])
        for document in np.unique(documents):
            parts = [
                said(tokenizer, target[number == document])
                for target, number in (
                    (targets, documents),
                    (whole.targets_BT[n], whole.documents_BT[n]),
                )
            ]
            assert parts[1].startswith(parts[0]), "each document keeps its number"


def test_a_row_depends_on_its_number_and_the_seed_alone(tmp_path: Path) -> None:
    tokenizer = toy_tokenizer("bpe")
    order = order_of(tokenizer, tmp_path / "a")
    subwords = Subwords.of(tokenizer, 0.2, 5)
    whole = subwords.split(order.rows(10, 8), 10)
    parts = [subwords.split(order.rows(first, 4), first) for first in (10, 14)]
    for name in ("tokens_BT", "targets_BT", "documents_BT"):
        both = np.concatenate([getattr(part, name) for part in parts])
        assert np.array_equal(getattr(whole, name), both)
    again, other = (
        Subwords.of(tokenizer, 0.2, seed).split(order.rows(10, 8), 10) for seed in (5, 6)
    )
    assert np.array_equal(again.targets_BT, whole.targets_BT)
    assert not np.array_equal(other.targets_BT, whole.targets_BT)
    same = np.repeat(order.rows(0, 1).targets_BT, 40, axis=0)
    drawn = subwords.split(Rows(same, same, np.zeros_like(same)), 0)
    assert len({row.tobytes() for row in drawn.targets_BT}) > 15, "each time anew"


@pytest.mark.parametrize("chance", [0.1, 0.4])
def test_a_token_is_split_with_this_chance_and_so_are_its_parts(chance: float) -> None:
    tokenizer = toy_tokenizer("bpe")
    subwords = Subwords.of(tokenizer, chance, 1)
    ids = np.nonzero(subwords.left_V != WHOLE)[0]

    def expected(index: int) -> float:
        """How many tokens it becomes on average."""
        pair = int(subwords.left_V[index]), int(subwords.right_V[index])
        return 1.0 if pair[0] == WHOLE else 1 - chance + chance * sum(map(expected, pair))

    row = np.resize(ids, 40_000)
    mean = len(subwords._split(row, 3)[0]) / len(row)
    assert mean == pytest.approx(
        np.mean([expected(int(each)) for each in row[: len(ids)]]), abs=0.02
    )


def test_batches_are_split_by_the_numbers_of_their_rows(tmp_path: Path) -> None:
    tokenizer = toy_tokenizer("bpe")
    order, subwords = order_of(tokenizer, tmp_path / "b"), Subwords.of(tokenizer, 0.2, 5)
    batches = Batches(order, rows=6, subwords=subwords)
    batch, part = batches[2], batches.part(2, range(3, 6))
    assert batch.targets_BT.tolist() == subwords.split(order.rows(12, 6), 12).targets_BT.tolist()
    assert part.tokens_BT.tolist() == batch.tokens_BT[3:].tolist()
    assert batch.places_BT is None
    counts, whole = tokenizer.byte_counts, Batches(order, rows=6)
    first = [each.order.rows(0, 64) for each in (whole, batches)]
    split = subwords.split(first[0], 0)
    ratio = counts[split.targets_BT].sum() / counts[first[0].targets_BT].sum()
    assert batches.bytes_per_position == pytest.approx(whole.bytes_per_position * ratio)
    assert whole.bytes_per_position == order.bytes_per_position
    assert 0.7 < ratio < 0.99
    assert batch.tokens_BT.tolist() != Batches(order, rows=6)[2].tokens_BT.tolist()


PIECES: list[tuple[bytes, str | None]] = [
    *((b"", "<|end|>"), (b"a", "<0x61>"), (b"a", "a"), (b"b", None), (b"c", "c"), (b"bc", "bc")),
    *((b"ab", "ab"), (b"abc", "abc"), (b"cb", "cb"), (b"abcb", "abcb"), (b"b", "<0x62>")),
    *((b"\xd0", "<0xD0>"), (b"\xb0", "<0xB0>"), ("а".encode(), "а"), ("аа".encode(), "аа")),
    *(("aа".encode(), "aа"), (b"\n", "<0x0A>"), (b"\n\n", "lines"), (b"aa", "aa"), (b"aaa", "aaa")),
    *((b"aa", "again"), (b"xb", "xb")),
]
PARTS = {
    5: (3, 4), 6: (2, 3), 7: (2, 5), 8: (4, 3), 9: (7, 3), 14: (13, 13), 15: (2, 13), 17: (16, 16),
    18: (2, 2), 19: (2, 20), 20: (2, 2),
}  # fmt: skip
"""Of each token that can be split the two that it is made of."""


def of_pieces(chance: float, seed: int = 5) -> Subwords:
    """Of a tokenizer with these tokens."""
    tokenizer: Any = SimpleNamespace(
        vocab=len(PIECES), bytes_of=lambda n: PIECES[n][0], name_of=lambda n: PIECES[n][1]
    )
    return Subwords.of(tokenizer, chance, seed)


def test_a_token_is_cut_where_its_rarer_part_is_most_frequent_and_between_characters() -> None:
    subwords = of_pieces(0.25, 9)
    pairs = zip(subwords.left_V.tolist(), subwords.right_V.tolist(), strict=True)
    whole = (WHOLE, WHOLE)
    assert [*pairs] == [PARTS.get(index, whole) for index in range(len(PIECES))]
    assert (subwords.left_V.dtype, subwords.right_V.dtype) == (np.int64, np.int64)
    assert (subwords.chance, subwords.seed) == (0.25, 9)


def test_a_split_row_shifts_inputs_and_documents_with_its_targets() -> None:
    """Where a document begins with its own first token, and where after the end of another."""
    tokens = [0, 7, 0, 5, 3, 0, 2, 2, 2]
    targets = [7, 3, 5, 3, 0, 2, 2, 2, 2]
    documents = [6, 6, 8, 8, 8, 9, 9, 9, 9]
    split = [[0, 2, 3, 4, 0, 3, 4, 3, 0], [2, 3, 4, 3, 3, 4, 3, 0, 2], [6, 6, 6, 6, 8, 8, 8, 8, 9]]
    given = [np.array([row] * 40) for row in (tokens, targets, documents)]
    rows = of_pieces(1.0).split(Rows(*given), 100)
    is_split = [
        uniform(1, named_seed(5, "subwords", number))[0] < 0.5 for number in range(100, 140)
    ]
    assert 10 < sum(is_split) < 30
    for number, each in enumerate(is_split):
        found = [part[number].tolist() for part in rows[:3]]
        assert found == (split if each else [tokens, targets, documents])
    assert rows.places_BT is None
    assert all(part.dtype == np.int64 for part in rows[:3])


def test_a_row_of_whole_tokens_stays_as_it_is() -> None:
    row = np.array([[0, 2, 3, 4]] * 20)
    rows = of_pieces(1.0).split(Rows(row, row + 1 - 1, row * 0), 0)
    assert [each.tolist() for each in rows[:3]] == [row.tolist(), row.tolist(), (row * 0).tolist()]


def test_parts_are_drawn_anew_and_each_part_by_itself() -> None:
    """A token of three characters whose longer part stands on the left, and one on the right."""
    for token, longer in ((9, 0), (7, 1)):
        row = np.array([[token, 0, 0, 0]] * 6_000)
        rows = of_pieces(0.3).split(Rows(row, row, row * 0), 0)
        sizes = np.count_nonzero(rows.targets_BT, axis=1)
        once = (sizes > 1).sum()
        assert once / 3_000 == pytest.approx(0.3, abs=0.03), "half of the rows stay whole"
        assert (sizes > 2).sum() / once == pytest.approx(0.3, abs=0.05), longer
    row, documents = np.array([[19, 2, 9, *[0] * 5]] * 20), np.array([[0, 1, *[2] * 6]] * 20)
    rows = of_pieces(1.0).split(Rows(row, row, documents), 0)
    assert np.unique(np.hstack(rows[1:3]), axis=0).tolist() == [
        [2, 2, 2, 2, 2, 3, 4, 3, 0, 0, 0, 1, 2, 2, 2, 2],
        [*row[0].tolist(), *documents[0].tolist()],
    ]


def test_rows_of_sources_by_shares_are_split_too(tmp_path: Path) -> None:
    tokenizer = toy_tokenizer("bpe")
    shards, subwords = order_of(tokenizer, tmp_path / "c").shards, Subwords.of(tokenizer, 0.3, 5)
    mixture = Mixture(shards, {"тел": 1.0}, context=CONTEXT, seed=4)
    batches = Batches(mixture, rows=6, subwords=subwords)
    whole, split = mixture.rows(6, 6), subwords.split(mixture.rows(6, 6), 6)
    assert batches[1].tokens_BT.tolist() == split.tokens_BT.tolist() != whole.tokens_BT.tolist()
    counts, first = tokenizer.byte_counts, mixture.rows(0, 64)
    ratio = counts[subwords.split(first, 0).targets_BT].sum() / counts[first.targets_BT].sum()
    assert batches.bytes_per_position == pytest.approx(mixture.bytes_per_position * ratio)


def test_what_is_read_of_each_source_is_counted_after_tokens_are_split(tmp_path: Path) -> None:
    documents, vocab = distinct_documents([9, 4, 14, 5, 8, 11, 3])
    names = ("tatar", "khmer")
    shards, _ = write_toy_shards(tmp_path, documents, vocab=vocab, sources=names)
    order = Order(shards, context=12, seed=2)
    is_split = (np.arange(vocab) > 1) & (np.arange(vocab) < 10)  # those of the first document
    parts = np.where(is_split, 1, WHOLE)
    subwords = Subwords(parts, parts, 1.0, 6)
    batch = Batches(order, rows=20, subwords=subwords)[1]
    whole, split = order.rows(20, 20), subwords.split(order.rows(20, 20), 20)
    counts = [order.tokens_by_source(each.documents_BT) for each in (split, whole)]
    assert batch.read == counts[0] != counts[1]
    assert (sum(batch.read.values()), batch.whole_rows) == (240, 20)
    assert batch.documents_BT.tolist() == split.documents_BT.tolist()
