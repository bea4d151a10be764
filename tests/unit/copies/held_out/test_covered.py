"""Texts whose letters stand all over other texts, in runs and in short sentences."""

import random
import re

import numpy as np
import pytest
from text_samples import KHMER, ROMANIAN, TATAR, numbered

from endonym.copies.held_out import covered
from endonym.copies.held_out.covered import LEAST, WIDTH, short_sentences
from endonym.copies.held_out.repeated import Index
from endonym.script.fold import folded


def shares(candidates: list[str], texts: list[str]) -> list[float]:
    index = Index.made(iter(candidates), iter(candidates + texts))
    index.compare(iter(texts))
    return index.covered.shares().tolist()


def sentences_of(text: str) -> list[str]:
    """The folded sentences of a text, those without letters as empty ones."""
    found = folded(re.split(r"[\n.!?…។]", text))
    return [each if any(map(str.isalnum, each)) else "" for each in found]


def slow_share(candidate: str, texts: list[str]) -> float:
    """Letters of a candidate in a run of twenty, or in a short sentence, that some text has."""
    (text,), others = folded([candidate]), folded(texts)
    hit = [False] * len(text)
    for start in range(len(text) - 19):
        if any(text[start : start + 20] in other for other in others):
            hit[start : start + 20] = [True] * 20
    known, start = {each for other in texts for each in sentences_of(other)}, 0
    for sentence in sentences_of(candidate):
        end = start + len(sentence)
        if 8 <= len(sentence) < 20 and sentence in known:
            hit[start:end] = [True] * len(sentence)
        start = end
    return sum(hit) / max(1, len(text))


@pytest.mark.parametrize("known", [TATAR, KHMER, ROMANIAN], ids=["tt", "km", "ro"])
def test_the_share_is_what_a_slow_count_finds(known: list[str]) -> None:
    draw = random.Random(1)
    lines = [each + " " + other for each in known for other in known[:4]][:40]
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


def test_a_long_text_that_another_has_whole_is_covered_to_its_end() -> None:
    text = " ".join(numbered(400))
    assert shares([text], [f"Башы: {text} Ахыры."]) == [1.0]


def test_a_text_that_is_not_too_long_is_judged_as_a_whole() -> None:
    text = " ".join(numbered(60))
    assert 0.6 * covered.LONGEST < len(folded([text])[0]) <= covered.LONGEST
    seen = [" ".join(numbered(8))]
    assert shares([text], seen) == pytest.approx([slow_share(text, seen)])


def test_a_text_of_which_half_is_covered_stays() -> None:
    """More than half of it must stand in other texts."""
    half, rest = "алмагачларның яфраклары", "сандугачлар сайраганын"
    page = f"{half[:21]} {rest[:21]}"
    assert len(folded([page])[0]) == 40
    index = Index.made(iter([page]), iter([page]))
    index.compare([f"{half[:21]} көзен коела"])
    index.judge_covered()
    assert index.covered.shares().tolist() == [0.5]
    assert index.contaminated.tolist() == [False]


SHORT = [
    *["Мин белмим бит.", "Кар ява әле!", "Син кайда идең?", "Ул бик арыган.", "Бүген көн җылы."],
    *["Nu știu încă.", "Vine iarna!", "Unde ai fost?", "ខ្ញុំមិនដឹងទេ។", "គាត់ទៅផ្សារ។"],
]


@pytest.mark.parametrize("order", [1, -1])
def test_a_page_of_short_sentences_of_a_list_is_covered(order: int) -> None:
    page = " ".join(f"— {each.upper()}" for each in SHORT[::order])
    index = Index.made(iter([page]), iter([page, *SHORT]))
    index.compare(SHORT)
    assert index.covered.shares().tolist() == pytest.approx([slow_share(page, SHORT)])
    assert index.covered.shares()[0] > 0.9
    index.judge_covered()
    assert index.contaminated.tolist() == [True]


SIGNS = [
    ["እኔ ገና አላውቅም።", "ዛሬ ቀኑ ሞቃታማ ነው።", "በረዶው ገና አልጣለም።"],
    ["እኔ ገና አላውቅም፡፡", "ዛሬ ቀኑ ሞቃታማ ነው፡፡", "በረዶው ገና አልጣለም፡፡"],
    ["Ես դեռ չգիտեմ։", "Այսօր տաք օր է։", "Ձյունը դեռ չի եկել։"],
    ["ကျွန်တော် မသိသေးဘူး။", "ဒီနေ့ မိုးရွာနေတယ်။", "နှင်း မကျသေးဘူး။"],
    ["ངས་ད་དུང་ཤེས་ཀྱི་མི་འདུག།", "དེ་རིང་ཆར་པ་བབས་སོང་།", "ཁྱེད་རང་ག་པར་ཡོད།"],
    ["मुझे पता नहीं।", "आज बहुत गरमी है॥", "बर्फ अभी नहीं गिरी।"],
    ["ابھی معلوم نہیں۔", "آج موسم گرم ہے۔", "تم کہاں تھے کل؟"],
]


@pytest.mark.parametrize("sentences", SIGNS)
def test_sentences_end_at_the_signs_of_their_script(sentences: list[str]) -> None:
    (share,) = shares([" ".join(sentences)], sentences)
    assert share > 0.9


def test_a_short_sentence_counts_only_between_borders_of_sentences() -> None:
    page = "Кичә мин белмим бит дидем. Ул: кар ява әле, диде. Бүген көн җылы. Nu știu încă unde."
    assert shares([page], SHORT) == pytest.approx([slow_share(page, SHORT)])
    assert shares([page], SHORT)[0] == pytest.approx(12 / len(folded([page])[0]))
    assert shares([page], [" ".join(SHORT[::-1])]) == shares([page], SHORT)
    assert shares(["Әйе. Юк! Кем?"], ["Әйе.", "Юк!", "Кем?"]) == [0.0]


def test_short_sentences_of_a_long_text_are_found_where_they_stand() -> None:
    text = " ".join(f"{SHORT[n % 10]} {TATAR[n % 6]} сан {n}." for n in range(400))
    assert len(folded([text])[0]) > covered.LONGEST
    assert shares([text], SHORT)[0] == pytest.approx(slow_share(text, SHORT), abs=0.05)
    known = " ".join(numbered(40))
    mixed = f"{known} {' '.join(SHORT)}"
    assert shares([mixed], [known, *SHORT]) == pytest.approx([slow_share(mixed, [known, *SHORT])])


def test_a_text_of_more_than_a_portion_has_its_short_sentences(monkeypatch: pytest.MonkeyPatch):
    text = "\n".join([*numbered(30), *SHORT, "", *numbered(30)])
    whole = covered.short_sentences(["Ул килде инде.", text, SHORT[0]])
    monkeypatch.setattr(covered, "PORTION_CHARS", 1000)
    monkeypatch.setattr("endonym.script.fold.PORTION_CHARS", 1000)
    parts = covered.short_sentences(["Ул килде инде.", text, SHORT[0]])
    assert len(whole.hashes) >= 2 + len(SHORT)
    every, found = (
        set(zip(*(each.tolist() for each in some), strict=True)) for some in (whole, parts)
    )
    assert len(every & found) >= len(every) - 3  # some are cut
    assert np.all(np.diff(parts.texts) >= 0)


def test_the_share_of_several_is_by_letters() -> None:
    candidates = [TATAR[0] + TATAR[1], " ".join(numbered(40)), "Әйе."]
    index = Index.made(iter(candidates), iter([*candidates, TATAR[0], TATAR[1]]))
    index.compare([TATAR[0], TATAR[1]])
    sizes = [len(each) for each in folded(candidates)]
    expected = sizes[0] * slow_share(candidates[0], list(TATAR[:2])) / sum(sizes)
    assert index.covered.share(np.arange(3)) == pytest.approx(expected)
    assert index.covered.share(np.array([], dtype=np.int64)) == 0.0


def test_a_text_of_fewer_letters_than_a_short_sentence_is_not_judged() -> None:
    letters = "".join(folded(TATAR))
    for size, share in ((covered.LEAST - 1, 0.0), (covered.LEAST, 1.0)):
        assert shares([letters[:size]], [letters[:size]]) == [share]


def test_sentences_of_eight_to_nineteen_letters_are_found_at_their_places() -> None:
    found = short_sentences(["Юк. Мин бүген өйдә. Ә син?", "Кояш чыга.\nБез эшкә барабыз! Әйе"])
    assert found.texts.tolist() == [0, 1, 1]
    assert found.places.tolist() == [2, 0, 8]
    assert found.sizes.tolist() == [12, 8, 14]


def test_equal_letters_are_equal_sentences() -> None:
    for one, other in (
        ("Мин бүген өйдә.", "«МИН  БҮГЕН, ӨЙДӘ!»"),
        ("Astăzi sunt acasă.", "astăzi sunt acasă?"),
        ("Demain il pleut.", "demain, il pleut…"),
        ("ខ្ញុំ​ទៅ​ផ្សារ​។", "ខ្ញុំ​ទៅ​ផ្សារ៕ បាទ។"),
    ):
        first, second = short_sentences([one, other]).hashes.tolist()
        assert first == second
        assert short_sentences([one[1:]]).hashes.tolist() != [first]
    assert short_sentences([]).hashes.tolist() == []


def test_a_sentence_counts_from_eight_letters_to_nineteen() -> None:
    """One of twenty has a run of letters, by which longer ones are known."""
    text = "Юл кыска. Кар явган. Бүген безгә кунак килә. Бүген сезгә кунак килми"
    letters = [sum(map(str.isalpha, each)) for each in text.split(".")]
    assert letters == [LEAST - 1, LEAST, WIDTH - 1, WIDTH]
    assert short_sentences([text]).sizes.tolist() == [LEAST, WIDTH - 1]


def test_a_zero_in_a_text_is_a_blank_and_moves_no_other_text() -> None:
    plain, odd = (
        short_sentences([f"Мин бүген{sign}өйдә. Кояш чыга.", "Без эшкә барабыз!"])
        for sign in (" ", "\0")
    )
    assert plain.texts.tolist() == odd.texts.tolist() == [0, 0, 1]
    assert plain.places.tolist() == odd.places.tolist()
    assert plain.hashes.tolist() == odd.hashes.tolist()


def test_what_stands_within_a_stretch_is_found_from_its_first_letter_to_its_last() -> None:
    found = short_sentences(["Кояш чыга. Мин бүген өйдә. Без эшкә барабыз!"])
    assert found.places.tolist() == [0, 8, 20]
    for begin, end, places in (
        (0, 34, [0, 8, 20]),
        (8, 20, [0]),
        (1, 34, [7, 19]),
        (0, 33, [0, 8]),
    ):
        assert found.within(0, begin, end - begin).places.tolist() == places


def places(found: covered.Sentences) -> list[tuple[int, int]]:
    return list(zip(found.texts.tolist(), found.places.tolist(), strict=True))


def test_a_sentence_of_a_very_long_text_is_found_in_its_place(monkeypatch: pytest.MonkeyPatch):
    text = "Юк. Мин бүген өйдә. Ә син? Кояш чыга. Бүген безгә кунак килә."
    expected = short_sentences([text, "Без эшкә барабыз!"])
    for size in (len(text) - 1, len(text), len(text) + 1):
        monkeypatch.setattr("endonym.copies.held_out.covered.PORTION_CHARS", size)
        found = short_sentences([text, "Без эшкә барабыз!"])
        for one, other in ((found.hashes, expected.hashes), (places(found), places(expected))):
            assert sorted(one) == sorted(other)
