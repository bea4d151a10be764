"""Sets of shingles on disk, and the similarity of pairs."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from text_samples import FRENCH, KHMER, TATAR

from endonym.copies import shingles as module
from endonym.copies.letters import folded_letters
from endonym.copies.shingles import ShingleSets, shingles

LONG = " ".join(TATAR * 3)
TEXTS = [LONG, LONG.replace("матур", "яхшы"), LONG[:250], "…", "Җәй", "җәй", *KHMER, *FRENCH]


def slow(texts: list[str], first: int, second: int) -> float:
    made = shingles(folded_letters(texts))
    one, two = (
        set(made.hashes[made.firsts[i] : made.firsts[i + 1]].tolist()) for i in (first, second)
    )
    return len(one & two) / max(1, len(one | two))


def pairs(count: int) -> tuple[np.ndarray, np.ndarray]:
    first, second = zip(*combinations(range(count), 2), strict=True)
    return np.array(first), np.array(second)


def test_similarity_is_that_of_sets(tmp_path: Path) -> None:
    sets = ShingleSets(tmp_path / "sets", TEXTS)
    first, second = pairs(len(TEXTS))
    expected = [slow(TEXTS, a, b) for a, b in zip(first, second, strict=True)]
    assert sets.similarity(first, second) == pytest.approx(expected)
    assert sets.similarity(second, first) == pytest.approx(expected)
    assert max(expected[:2]) > 0.5
    assert ShingleSets(tmp_path / "none", []).similarity(first[:0], second[:0]).tolist() == []


def test_pairs_are_compared_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = ShingleSets(tmp_path / "sets", TEXTS)
    first, second = pairs(len(TEXTS))
    whole = sets.similarity(first, second)
    monkeypatch.setattr(module, "PAIRS_AT_ONCE", 3)
    monkeypatch.setattr("endonym.copies.hashes.MAX_PAIRS", 50)
    assert (sets.similarity(first, second) == whole).all()


def test_of_a_long_text_the_smallest_hashes_estimate_the_similarity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [f"{a}{b}" for a in "абвгдежзик" for b in range(60)]
    base, changed = " ".join(words), " ".join([*words[:540], *map(str.upper, words[540:]), "яз"])
    other = " ".join([*words[:480], *(f"{word}ц" for word in words[480:])])
    monkeypatch.setattr(module, "KEPT", 400)
    sets = ShingleSets(tmp_path / "sets", [base, changed, other])
    assert (sets.sizes == 400).all()
    for number in (1, 2):
        exact = slow([base, changed, other], 0, number)
        found = float(sets.similarity(np.array([0]), np.array([number]))[0])
        assert abs(found - exact) < 4 * (exact * (1 - exact) / 400) ** 0.5 + 1e-6


def test_a_text_of_several_portions_has_the_set_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ShingleSets(tmp_path / "whole", [LONG]).hashes.tolist()
    monkeypatch.setattr(module, "LONG_CHARS", 100)
    monkeypatch.setattr("endonym.script.fold.PORTION_CHARS", 200)
    parts = ShingleSets(tmp_path / "parts", [LONG]).hashes.tolist()
    assert set(parts) <= set(whole)
    assert len(parts) > 0.9 * len(whole)


def test_short_texts_with_different_digits_are_not_similar(tmp_path: Path) -> None:
    short = "Шәһәрдә {} кеше яши, аларның күбесе авылдан килгән"
    texts = [short.format(n) for n in (2010, 2011, "бик күп")] + [f"{n}. {LONG}" for n in (1, 2)]
    texts.append(texts[0].upper())
    found = ShingleSets(tmp_path / "sets", texts)
    first, second = np.array([0, 0, 3, 0, 5]), np.array([1, 2, 4, 5, 1])
    likeness = found.similarity(first, second).tolist()
    assert likeness[0] == likeness[4] == 0
    assert likeness[1:4] == pytest.approx([slow(texts, 0, 2), slow(texts, 3, 4), 1])


@pytest.mark.parametrize("letters", [99, 100])
def test_only_texts_below_100_letters_must_have_the_same_numbers(
    letters: int, tmp_path: Path
) -> None:
    text = "".join(character for character in " ".join(TATAR) if character.isalpha())
    both = [f"{number}{text[: letters - 4]}" for number in (1938, 1983)]
    assert np.diff(folded_letters(both).firsts).tolist() == [letters] * 2
    sets = ShingleSets(tmp_path / "sets", both)
    assert (sets.similarity(np.array([0]), np.array([1]))[0] > 0.5) == (letters == 100)
