"""The cleaning that is recommended for a language, and the limits that a sample supports."""

import random
from typing import Any

import pytest
from made_dirt import fables, lines_of, stubs
from text_samples import FRENCH, KHMER, ROMANIAN, RUSSIAN, TATAR

from endonym.autopilot.model_size import Choices
from endonym.cleaning.rules import judge, normalizer
from endonym.formats.config import Clean
from endonym.survey.cleaning import (
    ALWAYS,
    BOUNDS,
    LEAST_DOCUMENTS,
    corpus_keys,
    diagnostic_clean,
    guess_clean,
    language_keys,
    step_keys,
    thresholds,
)


def verdict(clean: Clean, text: str) -> tuple[str, str] | None:
    return judge(clean)(normalizer(clean)(text))


@pytest.mark.parametrize(
    ("language", "lines", "script"),
    [
        ("tt", TATAR, "cyrillic"),
        ("km", KHMER, "khmer"),
        ("ro", ROMANIAN, "latin"),
        ("fr", FRENCH, "latin"),
    ],
)
def test_no_good_text_is_dropped_and_it_needs_only_what_every_corpus_gets(
    language: str, lines: list[str], script: str
):
    clean, reasons = guess_clean(language, "\n".join(lines))
    assert clean.script == script
    assert [verdict(clean, line) for line in lines] == [None] * len(lines)
    assert set(reasons) == set(clean.model_dump(exclude_defaults=True))
    assert steps(language, script, lines) == ALWAYS


def test_letters_tell_a_language_from_its_neighbour_where_the_texts_allow_it():
    clean, _ = guess_clean("tt", "\n".join(TATAR * 20))
    assert clean.expected_letters == "әөүҗңһ"
    assert verdict(clean, "Вчера вечером мой брат развёл костёр у озера.") is not None
    # Foreign lines do not hide what tells the language.
    mixed, _ = guess_clean("tt", "\n".join([*TATAR * 20, *RUSSIAN * 4]))
    assert mixed.min_expected_share == clean.min_expected_share is not None
    short = "\n".join(["Бар.", "Юк шул.", "Ник алай?"] * 10)
    assert guess_clean("tt", short)[0].min_expected_share is None
    english = guess_clean("en", "The sun rose over the hills.\nBirds sang.")[0]
    assert english.expected_letters is None


def test_a_sample_in_many_scripts_or_none_gives_only_what_is_always_safe():
    sample = "\n".join([*TATAR[:2], *KHMER[:2], *FRENCH[:2]])
    assert guess_clean("xx", sample)[0].script is None
    clean, _ = guess_clean("tt", "")
    assert (clean.min_chars, clean.script) == (None, None)
    assert clean.dedup == ("exact", "near", "paragraphs")


def test_short_sentences_among_long_ones_are_not_sacrificed():
    lines = TATAR * 10 + ["Юк шул.", "Бик яхшы."] * 3
    assert guess_clean("tt", "\n".join(lines))[0].min_chars == 5
    clean, reasons = guess_clean("km", "\n".join([*KHMER * 100, "ឈប់!", "ទៅ!", "ៗ"]))
    assert [verdict(clean, line) for line in ("ឈប់!", "ទៅ!")] == [None, None]
    assert clean.min_chars == 3
    assert reasons["min_chars"].startswith("drops 0.")


def test_every_rule_that_fits_the_language_is_switched_on_for_the_doctor():
    clean = diagnostic_clean("tt", "\n".join(TATAR * 20), TATAR)
    assert {"mojibake", "look_alikes", "tatar_letters", "spaces"} <= set(clean.normalize)
    assert "khmer_order" not in clean.normalize
    assert (clean.script, clean.language, clean.split_languages) == ("cyrillic", "tt", True)
    assert clean.max_line_documents
    assert clean.max_same_skeleton
    khmer = diagnostic_clean("", "\n".join(KHMER * 20), KHMER)
    assert (khmer.script, khmer.language, khmer.min_language_score) == ("khmer", None, None)


def steps(language: str, script: str, documents: list[str]) -> tuple[str, ...]:
    return step_keys(language, script, documents)["normalize"].value


def values(chosen: Choices) -> dict[str, Any]:
    return {key: choice.value for key, choice in chosen.items()}


def test_what_the_sample_shows_is_repaired_in_the_usual_order_and_the_reason_shows_a_word():
    chosen = step_keys("tt", "cyrillic", [*TATAR, "Бу бaрның эше."])["normalize"]
    assert chosen.value == ("nfc", "zero_width", "look_alikes", "spaces")
    assert "look_alikes changes 1 text of the sample: бaрның to барның" in chosen.reason
    broken = TATAR[0].encode().decode("cp1251")
    assert steps("tt", "cyrillic", [*TATAR, broken])[:2] == ("mojibake", "nfc")
    cedillas = ROMANIAN[0].translate(str.maketrans("șțȘȚ", "şţŞŢ"))
    assert "romanian_commas" in steps("ro", "latin", [cedillas])
    assert "romanian_commas" not in steps("tr", "latin", ["Bu iş kolay değil, şimdi."])
    assert "khmer_order" in steps("km", "khmer", ["ខុ្ញំទៅផ្សារ"])


def test_a_spelling_is_unified_only_where_both_stand():
    straight = ["L'été est là.", "C'est l'hiver."]
    assert "french_apostrophes" not in steps("fr", "latin", straight)
    assert "french_apostrophes" in steps("fr", "latin", [*straight, FRENCH[0]])


def test_boilerplate_and_bots_are_recommended_where_they_are_found():
    assert corpus_keys(fables("fr")) == {}
    notice = "Tous droits réservés, toute reproduction interdite sans accord écrit."
    found = corpus_keys([f"{text}\n{notice}" for text in fables("fr")])
    assert values(found) == {"max_line_documents": 10}
    assert notice[:40] in found["max_line_documents"].reason
    found = corpus_keys([*fables("fr"), *stubs(30)])
    assert values(found) == {"max_same_skeleton": 20}
    assert "10 texts" in found["max_same_skeleton"].reason


def test_the_language_is_asked_for_where_that_is_safe():
    lines = lines_of("fr")
    assert values(language_keys("fr", lines)) == {"language": "fr", "min_language_score": 0.6}
    assert language_keys("fr", [*lines[:20], *TATAR, *RUSSIAN]) == {}
    assert language_keys("x-gasconha", lines) == language_keys("fr", []) == {}
    # Texts that are certainly foreign do not make the score unsafe.
    found = language_keys("fr", [*lines, " ".join(TATAR), " ".join(RUSSIAN), *RUSSIAN])
    assert found["min_language_score"].value == 0.6
    assert "another language" in found["min_language_score"].reason
    pairs = [f"{RUSSIAN[n % 5]}\n{RUSSIAN[(n + 1) % 5]}" for n in range(len(fables("fr")))]
    texts = [f"{text}\n{pair}" for text, pair in zip(fables("fr"), pairs, strict=True)]
    found = language_keys("fr", texts)["split_languages"]
    assert found.value is True
    assert any(line[:30] in found.reason for line in RUSSIAN)


def pages(count: int, seed: int = 1) -> list[str]:
    """Pages of Tatar sentences."""
    draw = random.Random(seed)
    return ["\n".join(draw.choices(TATAR, k=8)) for _ in range(count)]


TABLE = "\n".join(f"{n} 120 {n * 7} 99 {n * 3} сум." for n in range(9))


def test_clean_pages_are_all_kept_and_dirt_is_not():
    limits = thresholds(pages(60), "cyrillic")
    for bounds in BOUNDS:
        if bounds.key in limits:
            assert bounds.least <= limits[bounds.key].value <= bounds.most
    judged = judge(Clean.model_validate({key: each.value for key, each in limits.items()}))
    assert [judged(text) for text in pages(40, seed=2)] == [None] * 40
    for text in (
        "Баш бит\nЯңалыклар турында мәгълүмат\nХезмәтләр исемлеге\nЭлемтә\nКерү",
        TABLE,
        "\n".join("★☆★ ∑∏∆ кояш ≈≠ ←→." for _ in range(9)),
        "\n".join(f"| авыл | {n} | кеше яши анда |." for n in range(9)),
        "\n".join(f"әйтү(исем) {{ кайтар(исем); }} // {n}." for n in "абвгде"),
    ):
        assert judged(text) is not None, text


def digits(*shares: float) -> list[str]:
    """Documents with these shares of digits."""
    return ["1" * round(1000 * share) + "ә" * round(1000 * (1 - share)) for share in shares]


def test_dirt_moves_no_limit_and_what_would_drop_much_a_person_must_decide():
    good = thresholds(pages(60), "cyrillic")["max_digits"].value
    assert thresholds([*pages(60), TABLE], "cyrillic")["max_digits"].value == good
    assert "max_digits" not in thresholds([*pages(60), *[TABLE] * 15], "cyrillic")
    lists = ["\n".join(f"{n}. {line}" for n, line in enumerate(TATAR)) for _ in range(60)]
    found = thresholds(lists, "cyrillic")  # a corpus that is so by nature
    assert ("max_list_lines" in found, "max_digits" in found) == (False, True)
    # Two of a hundred measured texts may go; others are too short to be measured.
    for dropped, short, said in ((2, 0, "2.0%"), (2, 900, "0.2%"), (3, 900, "")):
        texts = digits(*[0.0] * (100 - dropped), *[0.9] * dropped)
        limit = thresholds([*texts, *["ә"] * short], "cyrillic").get("max_digits")
        assert (limit is not None) is bool(said)
        assert limit is None or f"drops {said}" in limit.reason


def test_forty_documents_have_a_distribution_and_fewer_have_none():
    assert LEAST_DOCUMENTS == 40
    assert "max_digits" in thresholds(pages(40), "cyrillic")
    assert thresholds(pages(39), "cyrillic") == thresholds([], "cyrillic") == {}


def test_no_words_are_measured_where_they_are_not_divided():
    assert not {"min_word_length", "max_word_length"} & thresholds(fables("km") * 5, "khmer").keys()
    assert "max_word_length" in thresholds(fables("tt") * 5, "cyrillic")


def test_a_limit_is_the_fence_within_its_bounds():
    for middle, limit in (
        ((0.01, 0.02), 0.12),  # the fence at 0.05 lies below the least
        ((0.05, 0.10), 0.25),  # 0.1 + 3 × 0.05
        ((0.10, 0.20), 0.4),  # the fence at 0.5 lies above the most
    ):
        found = thresholds(digits(*middle) * 50, "cyrillic")["max_digits"]
        assert found.value == limit
        assert "drops none" in found.reason
    nine, ten = (["Әйе." if n < ended else "Әйе" for n in range(10)] for ended in (9, 10))
    texts = ["\n".join(nine), "\n".join(ten)] * 50
    # 0.9 - 3 × 0.1 lies above the most.
    assert thresholds(texts, "cyrillic")["min_ended_lines"].value == 0.4
    words = thresholds(["алма " * 50, "алмаа " * 50] * 50, "cyrillic")["max_word_length"]
    assert words.value == 9.0
    assert "half of the sample has 4.0 to 5.0" in words.reason
