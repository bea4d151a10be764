"""Shingles, signatures, bands; sets of shingles on disk, and the similarity of pairs."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from rensa import RMinHash
from text_samples import FRENCH, KHMER, TATAR

from endonym.copies import shingles as module
from endonym.copies.letters import folded_letters
from endonym.copies.shingles import (
    PERMUTATIONS,
    Bands,
    Shingled,
    ShingleSets,
    band_keys,
    level,
    long_shingles,
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
    assert (len(empty), len(short)) == (0, 1)
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
    assert RMinHash.ALGORITHM_VERSION == 2, "another makes other signatures"
    made = signatures(Shingled(np.arange(100, dtype=np.uint64) * 977, np.array([0, 100])))
    assert made[0, :3].tolist() == KNOWN


KNOWN = [613896002, 294144392, 615653534]


@pytest.mark.parametrize("similarity", [0.5, 0.7, 0.8, 0.9, 0.95, 1.0])
def test_bands_miss_a_hundredth_of_pairs_at_the_threshold_and_hardly_any_above(similarity: float):
    bands = Bands.for_similarity(similarity)
    assert bands.count * bands.rows <= PERMUTATIONS
    assert bands.missed(similarity) <= 0.01
    longer = Bands(PERMUTATIONS // (bands.rows + 1), bands.rows + 1)
    assert longer.missed(similarity) > 0.01 or similarity == 1
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
    assert set(half.tolist()) == set(every[every % 2 == 0].tolist())
    assert 0.3 < len(half) / len(np.unique(every)) < 0.7


THRICE = " ".join(TATAR * 3)
PAIRED = [THRICE, THRICE.replace("матур", "яхшы"), THRICE[:250], "…", "Җәй", "җәй", *KHMER, *FRENCH]


def slow(texts: list[str], first: int, second: int) -> float:
    made = sets(texts)
    one, two = made[first], made[second]
    return len(one & two) / max(1, len(one | two))


def pairs(count: int) -> tuple[np.ndarray, np.ndarray]:
    first, second = zip(*combinations(range(count), 2), strict=True)
    return np.array(first), np.array(second)


def test_similarity_is_that_of_sets(tmp_path: Path) -> None:
    made = ShingleSets(tmp_path / "sets", PAIRED)
    first, second = pairs(len(PAIRED))
    expected = [slow(PAIRED, a, b) for a, b in zip(first, second, strict=True)]
    assert made.similarity(first, second) == pytest.approx(expected)
    assert made.similarity(second, first) == pytest.approx(expected)
    assert max(expected[:2]) > 0.5
    assert ShingleSets(tmp_path / "none", []).similarity(first[:0], second[:0]).tolist() == []


def test_pairs_are_compared_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = ShingleSets(tmp_path / "sets", PAIRED)
    first, second = pairs(len(PAIRED))
    whole = sets.similarity(first, second)
    monkeypatch.setattr(module, "LEAST_SIZE", 20)
    monkeypatch.setattr("endonym.copies.hashes.MAX_PAIRS", 50)
    assert (sets.similarity(first, second) == whole).all()


def test_the_smallest_hashes_estimate_similarity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    words = [f"{a}{b}" for a in "абвгдежзик" for b in range(60)]
    base, changed = " ".join(words), " ".join([*words[:540], *map(str.upper, words[540:]), "яз"])
    other = " ".join([*words[:480], *(f"{word}ц" for word in words[480:])])
    monkeypatch.setattr(module, "KEPT", 400)
    texts = [base, changed, other, " ".join(words[:140])]
    sets = ShingleSets(tmp_path / "sets", texts)
    assert (sets.sizes == 400).tolist() == [True, True, True, False]
    for number in (1, 2, 3):
        exact = slow(texts, 0, number)
        found = float(sets.similarity(np.array([0]), np.array([number]))[0])
        assert abs(found - exact) < 4 * (exact * (1 - exact) / 400) ** 0.5 + 1e-6


def test_a_text_of_portions_has_the_whole_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = ShingleSets(tmp_path / "whole", [THRICE]).hashes.tolist()
    monkeypatch.setattr(module, "LONG_CHARS", 100)
    monkeypatch.setattr("endonym.script.fold.PORTION_CHARS", 200)
    parts = ShingleSets(tmp_path / "parts", [THRICE]).hashes.tolist()
    assert set(parts) <= set(whole)
    assert len(parts) > 0.9 * len(whole)


def test_short_texts_with_different_digits_are_not_similar(tmp_path: Path) -> None:
    short = "Шәһәрдә {} кеше яши, аларның күбесе авылдан килгән"
    texts = [short.format(n) for n in (2010, 2011, "бик күп")] + [f"{n}. {THRICE}" for n in (1, 2)]
    texts.append(texts[0].upper())
    found = ShingleSets(tmp_path / "sets", texts)
    first, second = np.array([0, 0, 3, 0, 5]), np.array([1, 2, 4, 5, 1])
    likeness = found.similarity(first, second).tolist()
    assert likeness[0] == likeness[4] == 0
    assert likeness[1:4] == pytest.approx([slow(texts, 0, 2), slow(texts, 3, 4), 1])


@pytest.mark.parametrize("letters", [99, 100])
def test_only_texts_below_100_letters_must_have_the_same_numbers(letters: int, tmp_path: Path):
    text = "".join(character for character in " ".join(TATAR) if character.isalpha())
    both = [f"{number}{text[: letters - 4]}" for number in (1938, 1983)]
    assert np.diff(folded_letters(both).firsts).tolist() == [letters] * 2
    sets = ShingleSets(tmp_path / "sets", both)
    assert (sets.similarity(np.array([0]), np.array([1]))[0] > 0.5) == (letters == 100)
