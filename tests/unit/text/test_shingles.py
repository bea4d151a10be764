"""Which texts share runs of thirteen characters, against a slow and obvious count."""

import random
from collections.abc import Iterator

import numpy as np
import pytest

from endonym.text import shingles
from endonym.text.shingles import Index, folded, kept_shingles, shingle_hashes
from text.samples import FRENCH, KHMER, ROMANIAN, TATAR

WORDS = " ".join(TATAR + ROMANIAN + FRENCH).split()


def story(seed: int, words: int) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def slow_shingles(text: str) -> set[str]:
    text = folded(text)
    return {text[start : start + 13] for start in range(len(text) - 12)}


def contaminated(candidates: list[str], texts: list[str]) -> list[bool]:
    index = Index(iter(candidates))
    index.compare(iter(texts))
    return list(index.contaminated)


def slow_contaminated(candidates: list[str], texts: list[str]) -> list[bool]:
    others = [slow_shingles(text) for text in texts]
    found = []
    for candidate in candidates:
        mine = slow_shingles(candidate)
        found.append(any(len(mine & other) * 2 > len(mine) for other in others))
    return found


def test_texts_are_compared_without_capitals_and_with_single_blanks():
    assert folded("  Әбием \n\n МИҢА\u00a0җылы  сөт ") == "әбием миңа җылы сөт"
    assert folded("Ә") == "ә" + "\0" * 12


def test_equal_shingles_have_equal_hashes_wherever_they_stand():
    text = folded(" ".join(KHMER))
    hashes = shingle_hashes(text)
    assert len(hashes) == len(text) - 12
    assert len(np.unique(hashes)) == len(slow_shingles(text))
    assert shingle_hashes(text[5:18]) == hashes[5]


@pytest.mark.parametrize("batch_chars", [20, 300, 1 << 18])
@pytest.mark.parametrize("max_pairs", [1, 50, 1 << 22])
def test_near_copies_are_those_that_a_slow_count_finds(
    monkeypatch: pytest.MonkeyPatch, batch_chars: int, max_pairs: int
):
    monkeypatch.setattr(shingles, "BATCH_CHARS", batch_chars)
    monkeypatch.setattr(shingles, "MAX_PAIRS", max_pairs)
    candidates = [story(seed, 12) for seed in range(30)] + ["Ә", "Әйе.", TATAR[0]]
    texts = [story(seed, 40) for seed in range(100, 130)]
    texts += [story(seed, 7) + " " + story(seed + 500, 5) for seed in range(0, 30, 3)]
    texts += [candidates[1].upper() + " Yes.", "әйе.", KHMER[0]]
    expected = slow_contaminated(candidates, texts)
    assert contaminated(candidates, texts) == expected
    assert 3 < sum(expected) < 30


def test_exactly_half_is_not_more_than_half():
    assert contaminated(["abcdefghijklmn"], ["abcdefghijklm"]) == [False]
    assert contaminated(["abcdefghijklmno"], ["abcdefghijklmn"]) == [True]


def test_a_long_text_is_known_by_about_two_thousand_shingles():
    text = folded(story(1, 40_000))
    assert 500 < len(kept_shingles(text)) < 4_000
    assert len(kept_shingles("a" * 100_000)) == 1


def test_a_long_near_copy_is_found_and_another_long_text_is_not():
    book = story(1, 20_000)
    copy = book.replace(" күл ", " диңгез ").upper()
    assert contaminated([book], [copy]) == [True]
    assert contaminated([book], [" ".join(random.Random(2).sample(book, len(book)))]) == [False]


def test_the_overlap_is_the_share_of_shingles_that_stand_in_training_text():
    index = Index(iter(["abcdefghijklmnop", "Кояш чыкты, көн җылы."]))
    index.compare(iter(["abcdefghijklmn"]))
    assert index.overlap(np.array([0])) == 2 / 4
    assert index.overlap(np.array([1])) == 0.0
    assert index.overlap(np.array([], dtype=np.int64)) == 0.0


def test_no_candidates_is_no_work():
    def never() -> Iterator[str]:
        raise AssertionError
        yield ""

    Index(iter([])).compare(never())
