"""Shingles, signatures, bands."""

import numpy as np
import pytest
from rensa import RMinHash
from text_samples import FRENCH, KHMER, TATAR

from endonym.copies import shingles as module
from endonym.copies.letters import folded_letters
from endonym.copies.shingles import (
    PERMUTATIONS,
    RENSA,
    Bands,
    Shingled,
    band_keys,
    level,
    long_shingles,
    sampled_hashes,
    shingles,
    signatures,
)
from endonym.script.fold import folded

TEXTS = [*TATAR, "", "Җәй", *KHMER, *FRENCH]


def sets(texts: list[str]) -> list[set[int]]:
    found = shingles(folded_letters(texts))
    ends = zip(found.firsts[:-1], found.firsts[1:], strict=True)
    return [set(found.hashes[first:last].tolist()) for first, last in ends]


def slow_sets(texts: list[str], width: int = 6) -> list[set[str]]:
    return [{text[i : i + width] for i in range(len(text) - width + 1)} for text in folded(texts)]


def test_shingles_are_the_runs_of_six_letters_in_any_order_of_texts() -> None:
    slow = slow_sets(TEXTS)
    fast = sets(TEXTS)
    assert [len(each) for each in fast if len(each) > 1] == [len(each) for each in slow if each]
    assert sets(TEXTS[::-1]) == fast[::-1]
    a, b = TATAR[0], TATAR[0].replace("матур", "яхшы")
    (one, two), (slow_one, slow_two) = sets([a, b]), slow_sets([a, b])
    assert len(one & two) == len(slow_one & slow_two)
    assert len(one | two) == len(slow_one | slow_two)


def test_a_short_text_has_one_shingle_and_an_empty_one_none() -> None:
    empty, short, same, other = sets(["…", "Җәй", "җәй!", "көз"])
    assert empty == set()
    assert len(short) == 1
    assert short == same != other


def test_letters_of_dense_scripts_come_in_threes() -> None:
    (chinese,) = sets(["我們今天去學校"])
    assert len(chinese) == 5


def test_signatures_agree_as_often_as_sets_do() -> None:
    base = " ".join(TATAR * 2)
    changed = base.replace("матур", "яхшы").replace("зур", "кечкенә")
    one, two = sets([base, changed])
    jaccard = len(one & two) / len(one | two)
    found = signatures(shingles(folded_letters([base, changed])))
    assert found.shape == (2, PERMUTATIONS)
    assert abs((found[0] == found[1]).mean() - jaccard) < 4 * (jaccard / PERMUTATIONS) ** 0.5


def test_signatures_are_those_of_the_version_that_was_tried() -> None:
    assert RMinHash.ALGORITHM_VERSION == RENSA
    made = signatures(Shingled(np.arange(100, dtype=np.uint64) * 977, np.array([0, 100])))
    assert made[0, :3].tolist() == KNOWN


KNOWN = [613896002, 294144392, 615653534]


@pytest.mark.parametrize("similarity", [0.5, 0.7, 0.8, 0.9, 0.95, 1.0])
def test_bands_miss_a_hundredth_of_pairs_at_the_threshold_and_hardly_any_above(
    similarity: float,
) -> None:
    bands = Bands.for_similarity(similarity)
    assert bands.count * bands.rows <= PERMUTATIONS
    assert bands.missed(similarity) <= 0.01
    assert Bands(PERMUTATIONS // (bands.rows + 1), bands.rows + 1).missed(similarity) > 0.01 or (
        similarity == 1
    )
    assert bands.missed(min(1.0, similarity + 0.05)) < 0.003


def test_similar_texts_share_a_band_and_others_do_not() -> None:
    base = " ".join(TATAR)
    texts = folded_letters([base, base.replace("матур", "яхшы"), " ".join(FRENCH)])
    keys = np.stack(list(band_keys(shingles(texts), Bands.for_similarity(0.8))))
    assert (keys[:, 0] == keys[:, 1]).any()
    assert not (keys[:, 0] == keys[:, 2]).any()
    assert len(np.unique(keys[:, 0])) == len(keys)


def test_of_long_texts_the_same_shingles_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONG_CHARS", 100)
    text = " ".join(TATAR)
    assert [level(text[:size]) for size in (99, 100, 200)] == [0, 1, 2]
    every = shingles(folded_letters([text])).hashes
    assert set(long_shingles(text, 0).tolist()) == set(every.tolist())
    half = long_shingles(text, 1)
    assert set(half.tolist()) == set(sampled_hashes(every, 1).tolist())
    assert 0.3 < len(half) / len(np.unique(every)) < 0.7
