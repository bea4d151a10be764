"""Rules that need the whole corpus: counted in parts, combined, judged; boilerplate, skeletons."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus_facts import facts_of
from made_dirt import fables, stubs
from text_samples import FRENCH, RUSSIAN, TATAR

from endonym.cleaning import corpus_rules
from endonym.cleaning import corpus_rules as boilerplate
from endonym.cleaning.corpus_rules import (
    CorpusJudge,
    Counted,
    Counts,
    Facts,
    combine,
    line_keys,
    rounds,
    skeleton,
    word_key,
    word_keys,
)
from endonym.cleaning.keyed import key_of, keyed
from endonym.cleaning.language.sample import candidates, drawn_paragraphs
from endonym.formats.config import Clean

NOTICE = "Барлык хокуклар якланган, материалларны алганда сылтама мәҗбүри."
CLEAN = Clean(
    **{"max_line_documents": 5, "max_same_skeleton": 6, "split_languages": True},
    **{"language": "fr", "min_language_score": 0.6},
)


def corpus() -> list[str]:
    """French fables, some with a notice; stubs in Tatar; Russian lines."""
    texts = fables("fr")
    texts = [f"{text}\n{NOTICE}" if number % 3 else text for number, text in enumerate(texts)]
    texts += stubs(20) + RUSSIAN
    random.Random(5).shuffle(texts)
    return texts


def facts_from(parts: list[list[str]], folder: Path) -> Facts:
    """The facts of a corpus in parts, each counted alone and saved."""
    facts: Facts | None = None
    for number in range(rounds(CLEAN)):
        saved: list[Path] = []
        for place, part in enumerate(parts):
            counts = Counts(CLEAN, facts)
            for text in part:
                counts.add(text)
            saved.append(folder / f"{number}-{place}")
            counts.counted().save(saved[-1])
        facts = combine(CLEAN, map(Counted.load, saved), facts)
    assert facts is not None
    return facts


def test_rounds_are_as_many_as_the_rules_need() -> None:
    assert rounds(Clean(min_chars=5)) == 0
    assert rounds(Clean(max_line_documents=5)) == 1
    assert rounds(Clean(language="tt", split_languages=True)) == 2
    assert rounds(Clean(max_same_skeleton=5)) == 2


def test_facts_are_the_same_however_the_corpus_is_divided(tmp_path: Path) -> None:
    texts = corpus()
    whole = facts_of(CLEAN, texts)
    parts = [texts[30:], texts[:7], texts[7:30]]
    found = facts_from(parts, tmp_path)
    assert found.documents == whole.documents == len(texts)
    assert np.array_equal(found.lines, whole.lines)
    assert np.array_equal(found.common, whole.common)
    assert len(found.lines) == 1
    assert found.usual == whole.usual
    assert np.array_equal(found.skeletons, whole.skeletons)
    assert len(found.skeletons) == 1
    assert found.learnt["fr"].least == whole.learnt["fr"].least
    for name, array in found.learnt["fr"].model.arrays().items():
        assert np.array_equal(array, whole.learnt["fr"].model.arrays()[name])


def test_the_sample_is_drawn_from_all_parts_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clean, texts = Clean(language="fr", min_language_score=0.6), corpus()
    monkeypatch.setattr(corpus_rules, "SAMPLE_CHARS", 9_000)
    sample = drawn_paragraphs(
        {key: each for text in texts for key, each in candidates(text)}, 9_000
    )
    parts = [texts[:40], texts[40:], texts[:9]]
    first = [Counts(clean) for _ in parts]
    for counts, part in zip(first, parts, strict=True):
        for text in part:
            counts.add(text)
        counts.counted().save(tmp_path / "first")
        assert sum(map(len, counts.counted().texts)) == 0
        written = sum(path.stat().st_size for path in (tmp_path / "first").iterdir())
        assert written < 0.3 * sum(len(text.encode()) for text in part) + 1_500
    facts = combine(clean, [each.counted() for each in first])
    second = [Counts(clean, facts) for _ in parts]
    for counts, part in zip(second, parts, strict=True):
        for text in part:
            counts.add(text)
    texts_of_second = {text for each in second for text in each.counted().texts}
    assert texts_of_second == set(sample.values())
    every = {line for text in texts for line in text.split("\n") if len(line) >= 30}
    assert len(texts_of_second) < len(every)


def test_saved_facts_judge_as_those_at_hand(tmp_path: Path) -> None:
    texts = corpus()
    facts = facts_of(CLEAN, texts)
    facts.save(tmp_path / "facts")
    judges = CorpusJudge(CLEAN, facts), CorpusJudge(CLEAN, Facts.load(tmp_path / "facts"))
    for text in texts:
        one, other = (judge.shortened(text) for judge in judges)
        assert one == other
        assert judges[0].verdict(one[0]) == judges[1].verdict(other[0])


def test_as_many_of_one_template_are_kept_as_the_recipe_says() -> None:
    clean = Clean(max_same_skeleton=6)
    texts = [*stubs(20), *TATAR, *FRENCH]
    judge = CorpusJudge(clean, facts_of(clean, texts))
    kept = [text for text in texts if judge.verdict(text) is None]
    assert len(kept) == 6 + len(TATAR) + len(FRENCH)
    verdict = next(found for text in texts if (found := judge.verdict(text)))
    assert verdict[0] == "max_same_skeleton"
    assert "районындагы авыл" in verdict[1]


def test_copies_of_one_text_do_not_drop_the_others_of_its_template() -> None:
    clean = Clean(max_same_skeleton=6)
    texts = stubs(6)
    texts = [*texts, *texts[:1] * 30]
    judge = CorpusJudge(clean, facts_of(clean, texts))
    assert [judge.verdict(text) for text in texts] == [None] * len(texts)


def test_judging_what_is_left_takes_nothing_more() -> None:
    texts = corpus()
    judge = CorpusJudge(CLEAN, facts_of(CLEAN, texts))
    for text in texts:
        once, _ = judge.shortened(text)
        assert judge.shortened(once) == (once, [])


def test_short_lines_must_stand_in_a_share_of_all_documents() -> None:
    clean = Clean(max_line_documents=5)
    pages = [f"— Әйе.\n{line} {letter}" for line in TATAR for letter in "абвг"]
    assert len(pages) > 10
    for others, is_common in ((0, True), (101 * len(pages), False)):
        texts = [*pages, *(f"{FRENCH[0]}\n{FRENCH[1]}" for _ in range(others))]
        judge = CorpusJudge(clean, facts_of(clean, texts))
        assert [bool(judge.shortened(text)[1]) for text in pages] == [is_common] * len(pages)


def test_boilerplate_of_a_cleaned_corpus_is_none() -> None:
    clean = Clean(max_line_documents=5)
    texts = corpus()
    judge = CorpusJudge(clean, facts_of(clean, texts))
    left = [judge.shortened(text)[0] for text in texts]
    assert NOTICE not in "\n".join(left)
    again = CorpusJudge(clean, facts_of(clean, left))
    assert all(again.shortened(text) == (text, []) for text in left)


def test_another_language_is_dropped_and_its_paragraphs_are_taken_out() -> None:
    judge = CorpusJudge(CLEAN, facts_of(CLEAN, corpus()))
    assert all(judge.verdict(text) is None for text in FRENCH)
    for text in RUSSIAN:
        found = judge.verdict(text)
        assert found[0] == "min_language_score"
    mixed = f"{FRENCH[0]}\n{RUSSIAN[0]}\n\n{RUSSIAN[1]}\n{FRENCH[1]}"
    text, gone = judge.shortened(mixed)
    assert text == f"{FRENCH[0]}\n{FRENCH[1]}"
    assert gone == [("split_languages", RUSSIAN[0]), ("split_languages", RUSSIAN[1])]


def test_a_document_all_in_another_language_is_dropped_where_paragraphs_are_taken_out() -> None:
    clean = Clean(language="fr", split_languages=True)
    judge = CorpusJudge(clean, facts_of(clean, corpus()))
    hardly_any_french = "\n".join([*RUSSIAN * 4, FRENCH[0]])
    for text in (RUSSIAN[0], "\n".join(RUSSIAN), hardly_any_french):
        assert judge.shortened(text) == (text, [])
        said = "all its paragraphs are in another language"
        assert judge.verdict(text) == ("split_languages", said)
    assert all(judge.verdict(text) is None for text in [*FRENCH, "\n".join(FRENCH)])
    # A score that the recipe names decides alone.
    by_score = CorpusJudge(clean.model_copy(update={"min_language_score": 1e-9}), judge.facts)
    assert by_score.verdict("\n".join(RUSSIAN)) is None


def test_in_a_large_corpus_a_share_of_all_documents_tells_what_is_rare() -> None:
    lines, words = keyed([(1, 3), (2, 30), (3, 2), (4, 50)]), keyed([(7, 4), (8, 5)])
    part = Counted(5_000, lines, words, keyed([]), keyed([]), ())
    facts = combine(Clean(max_line_documents=5, max_same_skeleton=6), [part, part])
    assert (facts.documents, facts.sampled, facts.usual) == (10_000, {"": -1}, {8})
    assert (facts.lines.tolist(), facts.common.tolist()) == ([1, 2, 4], [4])


@pytest.mark.parametrize("text", ["", "Oui.", "3 + 4 = 7", "\n\n"])
def test_texts_that_say_nothing_are_kept(text: str) -> None:
    judge = CorpusJudge(CLEAN, facts_of(CLEAN, corpus()))
    assert judge.verdict(text) is None
    assert judge.shortened(text) == (text, [])


def test_a_document_that_cannot_be_counted_is_passed_over(monkeypatch: pytest.MonkeyPatch):
    def failing(text: str, *usual: object) -> Any:
        if text == TATAR[1]:
            raise ZeroDivisionError
        return "" if usual else {key_of(text)}

    for name in ("word_keys", "skeleton"):
        monkeypatch.setattr(corpus_rules, name, failing)
    clean = Clean(max_same_skeleton=6)
    first = Counts(clean)
    for text in TATAR[:3]:
        first.add(text)
    assert len(first.words) == 2
    second = Counts(clean, combine(clean, [first.counted()]))
    for text in TATAR[:3]:
        second.add(text)


FOOT = "Барлык хокуклар якланган, материалларны сайттан алганда сылтама мәҗбүри."
MENU = ["Баш бит", "Яңалыклар", "Элемтә"]


def without_boilerplate(text: str, frequent: set[int]) -> tuple[str, list[str]]:
    """All frequent lines are common, as in a small corpus."""
    return boilerplate.without_boilerplate(text, frequent, frequent)


def frequent(pages: list[str], most: int) -> set[int]:
    counts = Counter(key for page in pages for key in line_keys(page))
    return {key for key, count in counts.items() if count > most}


def page(number: int) -> str:
    text = TATAR[number % len(TATAR)]
    own = [text, "— Әйе.", f"{text} {number} тапкыр."]
    return "\n".join([*MENU, f"{number} нче бит", *own, FOOT])


def test_menus_and_notices_go_and_the_texts_between_stay():
    pages = [page(number) for number in range(8)]
    text, gone = without_boilerplate(pages[3], frequent(pages, 5))
    assert gone == [*MENU, "3 нче бит", FOOT]
    assert text == f"{TATAR[3]}\n— Әйе.\n{TATAR[3]} 3 тапкыр."
    assert all("— Әйе." in without_boilerplate(each, frequent(pages, 2))[0] for each in pages)
    # A part of a play may begin with the name of a speaker.
    often = frequent(pages, 5)
    (name, *_), cut = MENU, boilerplate.without_boilerplate(pages[3], often, often, is_part=True)
    assert cut == (pages[3].removesuffix(f"\n{FOOT}"), [FOOT])
    assert cut[0].startswith(name)
    alone = ["\n".join([*MENU, FOOT])] * 5
    assert without_boilerplate(alone[0], frequent(alone, 2)) == ("", [*MENU, FOOT])


def test_digits_and_case_do_not_tell_lines_apart():
    assert line_keys("Бит 3\n\n— БИТ 17 —\n***") == line_keys("бит\nбит")
    assert len(line_keys("Баш бит\nБаш бит")) == 1
    assert line_keys(FOOT) == set(), "one line is no boilerplate"
    for text in (FOOT, f"{TATAR[0]}\u2028{FOOT}\n{TATAR[1]}"):
        assert without_boilerplate(text, line_keys(f"{FOOT}\nа")) == (text, [])


def test_a_short_line_that_is_frequent_and_not_common_stays():
    pages = [page(number) for number in range(8)]
    text, gone = boilerplate.without_boilerplate(pages[3], frequent(pages, 5), set())
    assert gone == [FOOT]
    assert text.split("\n")[:4] == [*MENU, "3 нче бит"]


def test_a_line_of_forty_letters_goes_wherever_it_stands_and_a_shorter_one_does_not():
    for letters, is_gone in ((39, False), (40, True)):
        line = "ә" * letters
        text = f"{TATAR[0]}\n{line}\n{TATAR[1]}"
        left, gone = without_boilerplate(text, line_keys(f"{line}\nа"))
        assert gone == [line] * is_gone
        assert left == (f"{TATAR[0]}\n{TATAR[1]}" if is_gone else text)


def test_short_lines_go_from_both_ends_over_empty_lines_to_the_first_own_line():
    own = [TATAR[0], *MENU[:1], TATAR[1]]
    text = "\n".join([MENU[0], "", MENU[1], "***", *own, MENU[2], "", MENU[0]])
    left, gone = without_boilerplate(text, line_keys("\n".join(MENU)))
    assert gone == [MENU[0], MENU[1], MENU[2], MENU[0]]
    assert left.split("\n")[-3:] == own


def stub(village: str, district: str, year: int, people: int) -> str:
    return (
        f"{village} — Татарстанның {district} районындагы авыл. {year} елда халык саны {people} "
        "кеше булган, авыл елга буенда урнашкан."
    )


VILLAGES = [
    ("Иске Әҗәм", "Актаныш"),
    ("Мәмсә", "Арча"),
    ("Түбән Сон Күле", "Саба"),
    ("Кенәр", "Арча"),
]
STUBS = [stub(*names, 1990 + number, 100 * number) for number, names in enumerate(VILLAGES)]


def usual(texts: list[str], least: int) -> frozenset[int]:
    counts = Counter(key for text in texts for key in word_keys(text))
    return frozenset(key for key, count in counts.items() if count >= least)


def test_stubs_are_the_same_without_names_and_numbers():
    words = usual([*STUBS, *TATAR], 3)
    assert len({skeleton(text, words) for text in STUBS}) == 1
    found = "_ районындагы авыл _ елда халык саны _ кеше булган авыл елга буенда урнашкан"
    assert skeleton(STUBS[0], words) == found
    other = STUBS[0].replace("авыл елга", "авыл кечкенә елга")  # A rare word is a blank.
    assert skeleton(other, words) == found.replace("авыл елга", "авыл _ елга")


def test_sentences_with_few_words_in_common_have_no_skeleton():
    words = usual([*STUBS, *TATAR], 3)
    assert [skeleton(text, words) for text in TATAR] == [""] * len(TATAR)
    assert skeleton("Кояш чыкты", usual(["кояш чыкты"] * 5, 1)) == ""


def test_a_skeleton_has_five_words_and_two_fifths_of_all_and_one_blank():
    def of(kept: int, blanks: int) -> str:
        words = ["бер", "ике", "өч", "дүрт", "биш", "алты"][:kept]
        usual = {word_key(word) for word in words}
        return skeleton(" ".join([*words, *(f"Исем{number}" for number in range(blanks))]), usual)

    assert of(4, 1) == ""
    assert of(5, 1) == of(5, 7) == "бер ике өч дүрт биш _"
    assert of(5, 8) == ""  # five of thirteen
    assert of(6, 9) == "бер ике өч дүрт биш алты _"
    assert of(6, 0) == ""  # nothing was filled in


def test_long_texts_are_no_templates():
    usual = {word_key("бер")}
    text = "бер " * 4_999 + "Сез"
    assert skeleton(text, usual)
    assert skeleton(text + " " * (20_001 - len(text)), usual) == ""
