"""Texts whose letters stand all over other texts."""

import random

import numpy as np
import pytest
from text_samples import KHMER, ROMANIAN, TATAR, numbered

from endonym.text.fold import folded
from endonym.text.held_out import covered
from endonym.text.held_out.near import Index


def shares(candidates: list[str], texts: list[str]) -> list[float]:
    index = Index.made(iter(candidates), iter(candidates + texts))
    index.compare(iter(texts))
    return index.covered.shares().tolist()


def slow_share(candidate: str, texts: list[str]) -> float:
    """Letters of a folded candidate that stand in a run of twenty of some folded text."""
    (text,), others = folded([candidate]), folded(texts)
    hit = [False] * len(text)
    for start in range(len(text) - 19):
        if any(text[start : start + 20] in other for other in others):
            hit[start : start + 20] = [True] * 20
    return sum(hit) / max(1, len(text))


@pytest.mark.parametrize("sentences", [TATAR, KHMER, ROMANIAN], ids=["tt", "km", "ro"])
def test_the_share_is_what_a_slow_count_finds(sentences: list[str]) -> None:
    draw = random.Random(1)
    lines = [each + " " + other for each in sentences for other in sentences[:4]][:40]
    pages = [" ".join(draw.sample(lines, 5)) for _ in range(6)] + numbered(3) + ["Әйе.", ""]
    texts = lines[:25]
    assert shares(pages, texts) == pytest.approx([slow_share(page, texts) for page in pages])


def test_case_punctuation_and_blanks_hide_nothing() -> None:
    page = "\n".join(f"— {line.upper()} !" for line in TATAR)
    assert shares([page], list(TATAR)) == pytest.approx([slow_share(page, list(TATAR))])
    assert shares([page], list(TATAR))[0] > 0.7


def test_a_long_text_is_judged_by_stretches_of_it() -> None:
    seen = [" ".join(numbered(400)[start : start + 40]) for start in range(0, 200, 40)]
    text = " ".join(numbered(400))
    assert len(folded([text])[0]) > covered.LONGEST
    (share,) = shares([text], seen)
    assert share == pytest.approx(slow_share(text, seen), abs=0.1)


def test_the_share_of_several_is_by_letters() -> None:
    candidates = [TATAR[0] + TATAR[1], " ".join(numbered(40)), "Әйе."]
    index = Index.made(iter(candidates), iter([*candidates, TATAR[0], TATAR[1]]))
    index.compare([TATAR[0], TATAR[1]])
    sizes = [len(each) for each in folded(candidates)]
    expected = sizes[0] * slow_share(candidates[0], list(TATAR[:2])) / sum(sizes)
    assert index.covered.share(np.arange(3)) == pytest.approx(expected)
    assert index.covered.share(np.array([], dtype=np.int64)) == 0.0
