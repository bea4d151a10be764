"""Texts as they are compared."""

import random
import tracemalloc
import unicodedata

import pytest
import regex
from text_samples import KHMER, ROMANIAN, TATAR

from endonym.script import fold
from endonym.script.fold import CYRILLIC, LATIN, folded

SPELLINGS = [
    ("Ţara mea, ţara mea!", "țara mea — ȚARA mea"), ("ăâî", "AAI"), ("Һәм кайтты.", "hәм кайтты"),
    ("Aвыл, КИТАП", "авыл китaп"), ("йорт", "Иорт"), ("Straße", "STRASSE"),
    ("İstanbul ılık", "istanbul ILIK"), ("ទន្លេ\u200bនៅមុខ ភូមិ។", "ទន្លេនៅមុខភូមិ"),
    ("نَهْر", "نَهْر!"), ("क़लम", "क\u093cलम"), ("ӏус", "Iус"), ("2 000", "2000"),
    ("می‌گوید کتاب", "مي گويد كتـاب"), ("على", "علی"), ("سال ۱۳۹۹", "سال 1399"),
    ("ឆ្នាំ ២០១០", "ឆ្នាំ 2010"), ("९० दिन", "90 दिन"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SPELLINGS)
def test_two_spellings_become_one(one: str, other: str):
    first, second = folded([one, other])
    assert first == second != ""


@pytest.mark.parametrize(("one", "other"), [
    ("ទន្លេ", "ទន្លា"), ("कल", "काल"), ("نَهر", "نهر"), ("үлән", "улән"), ("һава", "нава"),
    ("ң", "н"), ("12", "13"), ("۱۲", "۱۳"), ("کار", "گار"),
])  # fmt: skip
def test_letters_that_are_read_differently_stay_apart(one: str, other: str):
    first, second = folded([one, other])
    assert first != second


def test_digits_of_every_script_are_those_from_zero_to_nine():
    """Python's tables lack scripts that are newer than it."""
    every = regex.findall(r"\p{Nd}", "".join(map(chr, range(0x110000))))
    values = {each: unicodedata.decimal(each, None) for each in every}
    for each, found in zip(every, folded(every), strict=True):
        assert values[each] in (None, int(found))
        assert found.isascii()


def test_no_two_letters_of_one_script_become_one_by_their_shape():
    assert len(CYRILLIC) == len(LATIN)
    joined = {latin for latin in LATIN if LATIN.count(latin) > 1}
    assert joined == {"i"}


def test_texts_keep_their_order_and_their_borders():
    assert folded(["Әби", "", "су.", " — ", "Кар"]) == ["əби", "", "cy", "—", "kap"]
    assert folded(["Әби\0су", "\ud800Кар"]) == ["əбиcy", "kap"]
    assert folded([]) == []


def test_a_text_without_letters_is_compared_as_it_stands():
    assert folded(["?! …", " \n", "😀 \u200b!"]) == ["?!…", "", "😀\u200b!"]


def test_a_text_in_portions_is_folded_as_a_whole(monkeypatch: pytest.MonkeyPatch):
    draw = random.Random(5)
    odd = [*"ŢǅİßΐQ가 ", "a\u0323\u0301", "\u0344", "\u0345", "\u0f73", "\u0f71", "\u05b4\u05bc"]
    texts = ["".join(draw.choices(odd, k=200)) for _ in range(20)]
    texts += ["".join(TATAR), "".join(KHMER), "".join(ROMANIAN), "! … ?" * 30, " " * 90, ""]
    whole = folded(texts)
    monkeypatch.setattr(fold, "PORTION_CHARS", 13)
    assert folded(texts) == whole
    marks = "ә" + "\u05b4\u05bc" * 100
    assert len(list(fold.portions(marks))) > 2
    assert len(folded([marks])[0]) == len(marks)


def test_a_long_text_takes_little_more_memory_than_itself():
    text = "ΐ" * (8 << 20)
    folded([text[:9]])
    tracemalloc.start()
    folded([text])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 << 20
