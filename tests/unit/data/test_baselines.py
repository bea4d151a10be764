"""Baselines: probabilities that sum to one, equal to counting by hand."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference.counting import SlowCounts
from toys import END, write_toy_shards

from endonym.data.baselines import Baselines, DocumentCounts, count
from endonym.data.order import Order

Patch = pytest.MonkeyPatch

VOCAB = 7
DOCUMENTS = st.lists(
    st.lists(st.integers(1, VOCAB - 2), min_size=1, max_size=12), min_size=1, max_size=6
)
SETTINGS = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def counted(folder: Path, documents: list[list[int]]) -> Baselines:
    return count(write_toy_shards(folder, documents, vocab=VOCAB)[0])


def likelihood(baselines: Baselines, ids: list[int], which: str) -> list[float]:
    return np.exp(-baselines.nats(np.array(ids, dtype=np.int64))[which]).tolist()


@SETTINGS
@given(documents=DOCUMENTS)
def test_the_guesses_sum_to_one_after_every_context(tmp_path: Path, documents: list[list[int]]):
    baselines = counted(tmp_path, documents)
    for which in ("uniform", "unigram", "bigram"):
        for context in range(VOCAB):
            total = sum(likelihood(baselines, [context, w], which)[1] for w in range(VOCAB))
            assert total == pytest.approx(1, abs=1e-12)


def test_the_bigram_by_hand(tmp_path: Path) -> None:
    baselines = counted(tmp_path, [[3, 3, 5], [3]])
    # A document opens with 3 both times; 3 is followed by 3, 5 and end-of-text, once each.
    first = (2 - 0.75) / 2 + 0.75 * 1 / 2 * (4 / 13)
    second = (1 - 0.75) / 3 + 0.75 * 3 / 3 * (2 / 13)
    assert likelihood(baselines, [3, 5], "bigram") == pytest.approx([first, second])
    # 6 was never seen, so what follows it is guessed by the unigram.
    assert likelihood(baselines, [6, 3], "bigram")[1] == pytest.approx(4 / 13)


@pytest.mark.parametrize("chunk", [1, 4, 1_000])
def test_line_ends_are_counted_between_documents(tmp_path: Path, monkeypatch: Patch, chunk: int):
    monkeypatch.setattr("endonym.data.baselines.CHUNK_TOKENS", chunk)
    documents = [[1, 2], [3], [2, 2, 4], [1, 1], [4, 4], [3, 1]] * 3
    shards, _ = write_toy_shards(tmp_path, documents, vocab=7, line_end=6)
    order = Order(shards, context=64, seed=2, join=["letters"])
    firsts = sorted(order.epoch(0).documents.tolist())
    assert 1 < len(firsts) < len(documents)
    stretches = [
        [token for ids in documents[first:end] for token in (6, *ids)][1:]
        for first, end in pairwise([*firsts, len(documents)])
    ]
    joined, slow = count(shards, order), SlowCounts(stretches, vocab=7, end_id=END, close=6)
    assert joined.tokens.tolist() == [slow.tokens[token] for token in range(7)]
    asked = [2, 6, 3, 6, 1]
    assert likelihood(joined, asked, "bigram") == pytest.approx(
        [slow.bigram(before, token) for before, token in pairwise([END, *asked])]
    )


@pytest.mark.parametrize("chunk", [1, 2, 3, 5])
def test_the_size_of_the_chunks_changes_nothing(tmp_path: Path, monkeypatch: Patch, chunk: int):
    documents = [[1, 2, 2, 1, 2], [3], [2, 2, 2, 5, 1, 1], [4, 4]]
    whole = counted(tmp_path / "whole", documents)
    monkeypatch.setattr("endonym.data.baselines.CHUNK_TOKENS", chunk)
    monkeypatch.setattr("endonym.data.shards.SHARD_TOKENS", 5)
    parts = counted(tmp_path / "parts", documents)
    for name in ("tokens", "contexts", "followers"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))
    np.testing.assert_array_equal(whole.pairs, parts.pairs)
    assert whole.tokens.tolist() == [4, 4, 6, 1, 2, 1, 0]


@SETTINGS
@given(documents=DOCUMENTS, asked=st.lists(st.integers(0, VOCAB - 1), max_size=9))
def test_leaving_out_equals_counting(tmp_path: Path, documents: list[list[int]], asked: list[int]):
    ids = np.array(asked, dtype=np.int64)
    whole = counted(tmp_path / "whole", [*documents, [1, 2, 2, 1], [3]])
    less = DocumentCounts(whole, [np.array([1, 2, 2, 1]), np.array([3])])
    left = counted(tmp_path / "left", documents).nats(ids)
    assert whole.nats(ids, less)["unigram"] == pytest.approx(left["unigram"])
    assert whole.nats(ids, less)["bigram"] == pytest.approx(left["bigram"])


def test_a_pair_that_never_stood_in_the_training_text_takes_no_follower_away(tmp_path: Path):
    """Of joined documents a line end is counted at the end, and end-of-text is left out."""
    documents = [[1, 2], [3, 2], [4, 2]]
    shards, _ = write_toy_shards(tmp_path, documents, vocab=7, line_end=6)
    joined = count(shards, Order(shards, context=64, seed=2, join=["letters"]))
    assert joined.pairs.of(np.array([2 * 7 + END, 2 * 7 + 6])).tolist() == [0, 3]
    nats = joined.nats(np.array([2, 6]), DocumentCounts(joined, [np.array([1, 2])]))
    # Two contexts 2 are left, which one kind of token follows.
    unigram = (3 + 1) / (9 - 3 + 7)
    assert np.exp(-nats["bigram"][1]) == pytest.approx((3 - 0.75) / 2 + 0.75 * 1 / 2 * unigram)
