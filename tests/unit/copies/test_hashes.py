"""Runs of letters and who holds them, against a slow and obvious count."""

import random
from itertools import product

import numpy as np
import pytest
from text_samples import KHMER, ROMANIAN, TATAR

from endonym.copies import hashes, letters
from endonym.copies.hashes import Postings, distinct
from endonym.copies.letters import batches, run_hashes
from endonym.script.fold import folded


@pytest.mark.parametrize("width", [1, 6, 13])
def test_equal_shingles_have_equal_hashes_wherever_they_stand(width: int):
    (text,) = folded([" ".join(KHMER)])
    found = run_hashes(text, width)
    runs = [text[start : start + width] for start in range(len(text) - width + 1)]
    assert len(found) == len(runs)
    assert len(np.unique(found)) == len(set(runs))
    assert run_hashes(text[5 : 5 + width], width) == found[5]


def test_a_text_shorter_than_a_shingle_has_none():
    assert len(run_hashes("әби", 4)) == 0
    assert len(run_hashes("", 4)) == 0


def test_hashes_are_the_same_everywhere():
    assert run_hashes("әбием", 5).tolist() == [17_005_456_240_023_570_864]


def test_texts_are_gathered_until_there_are_enough_letters(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(letters, "BATCH_CHARS", 100)
    gathered = list(batches(iter(TATAR)))
    assert len(gathered) > 1
    assert all(sum(map(len, each)) <= 100 for each in gathered)
    assert [text for each in gathered for text in each] == TATAR
    assert list(batches(["", ""])) == [["", ""]]
    assert [*map(len, batches(["ә" * 40, "ә" * 60, "", "ә", "ә" * 200, ""]))] == [3, 1, 1, 1]


def test_each_number_stands_once():
    assert distinct(np.array([7, 0, 3, 7, 7, 0])).tolist() == [0, 3, 7]
    assert distinct(np.empty(0, dtype=np.int64)).tolist() == []


@pytest.mark.parametrize("max_pairs", [1, 50, 1 << 20])
def test_postings_give_pairs_with_a_common_shingle(monkeypatch: pytest.MonkeyPatch, max_pairs: int):
    monkeypatch.setattr(hashes, "MAX_PAIRS", max_pairs)
    rng = random.Random(1)
    words = " ".join(TATAR + ROMANIAN).split()
    owners = [rng.choices(words, k=5) for _ in range(20)]
    documents = [rng.choices(words, k=5) for _ in range(30)]
    number = {word: i for i, word in enumerate(sorted(set(words)))}
    postings = Postings.made(*flat([sorted(set(each)) for each in owners], number))
    found = postings.find(*flat(documents, number))
    given = [
        (int(document), int(owner))
        for portion in postings.pairs(found)
        for document, owner in zip(*portion, strict=True)
    ]
    pairs = product(enumerate(documents), enumerate(owners))
    expected = [(d, o) for (d, theirs), (o, ours) in pairs for _ in set(theirs) & set(ours)]
    assert sorted(given) == expected
    assert len(expected) > 50


def test_an_owner_that_is_not_kept_is_in_no_pair_and_shingles_keep_their_numbers():
    words = np.array([5, 9, 5, 9, 11], dtype=np.uint64) << np.uint64(40)
    postings = Postings.made(words, np.array([0, 0, 1, 2, 2]))
    found = postings.find(words[[1, 4]], np.array([0, 0]))
    postings.keep(postings.owners == 1)
    assert (postings.find(words[[1, 4]], np.array([0, 0])) == found).all()
    ((_, owners),) = postings.pairs(postings.find(words[[0, 1]], np.array([0, 0])))
    assert owners.tolist() == [1]


def flat(texts: list[list[str]], number: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """The words of texts as numbers instead of hashes, and the index of each one's text."""
    words = [number[word] << 40 for words in texts for word in words]
    owners = [i for i, words in enumerate(texts) for _ in words]
    return np.array(words, dtype=np.uint64), np.array(owners, dtype=np.int64)


def test_postings_of_nothing_find_nothing():
    empty = Postings.made(np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64))
    found = empty.find(run_hashes("кояшчыкты", 6), np.zeros(4, dtype=np.int64))
    assert len(found) == 0
    assert all(len(documents) == 0 for documents, _ in empty.pairs(found))
