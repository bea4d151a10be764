"""The cleaning that is recommended for a language."""

from typing import Any

import pytest
from made_dirt import fables, lines_of, stubs
from text_samples import FRENCH, KHMER, ROMANIAN, RUSSIAN, TATAR

from endonym.autopilot.model_size import Choices
from endonym.cleaning.rules import judge, normalizer
from endonym.formats.config import Clean
from endonym.survey.cleaning import ALWAYS, corpus_keys, guess_clean, language_keys, step_keys


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
def test_no_good_text_is_dropped(language: str, lines: list[str], script: str):
    clean, reasons = guess_clean(language, "\n".join(lines))
    assert clean.script == script
    assert [verdict(clean, line) for line in lines] == [None] * len(lines)
    assert set(reasons) == set(clean.model_dump(exclude_defaults=True))


def test_letters_tell_a_language_from_its_neighbour_where_the_texts_allow_it():
    clean, _ = guess_clean("tt", "\n".join(TATAR))
    assert clean.expected_letters == "әөүҗңһ"
    assert verdict(clean, "Вчера вечером мой брат развёл костёр у озера.") is not None
    short = "\n".join(["Бар.", "Юк шул.", "Ник алай?"] * 10)
    assert guess_clean("tt", short)[0].min_expected_share is None


def test_a_language_without_such_letters_gets_no_such_rule():
    assert (
        guess_clean("en", "The sun rose over the hills.\nBirds sang.")[0].expected_letters is None
    )


def test_a_sample_in_many_scripts_gets_no_script():
    sample = "\n".join([*TATAR[:2], *KHMER[:2], *FRENCH[:2]])
    assert guess_clean("xx", sample)[0].script is None


def test_no_sample_gives_only_what_is_always_safe():
    clean, _ = guess_clean("tt", "")
    assert clean.min_chars is None
    assert clean.script is None
    assert clean.dedup == ("exact", "near", "paragraphs")


def test_short_sentences_among_long_ones_are_not_sacrificed():
    lines = TATAR * 10 + ["Юк шул.", "Бик яхшы."] * 3
    limit = guess_clean("tt", "\n".join(lines))[0].min_chars
    assert limit is not None
    assert limit <= 7


def test_whole_sentences_of_a_few_khmer_characters_are_kept():
    clean, reasons = guess_clean("km", "\n".join([*KHMER * 100, "ឈប់!", "ទៅ!", "ៗ"]))
    assert [verdict(clean, line) for line in ("ឈប់!", "ទៅ!")] == [None, None]
    assert clean.min_chars == 3
    assert reasons["min_chars"].startswith("drops 0.")
    assert "no sentences" not in reasons["min_chars"]


def test_foreign_lines_do_not_hide_what_tells_the_language():
    alone, _ = guess_clean("tt", "\n".join(TATAR * 20))
    mixed, _ = guess_clean("tt", "\n".join([*TATAR * 20, *RUSSIAN * 4]))
    assert mixed.min_expected_share == alone.min_expected_share is not None


CEDILLAS = str.maketrans("șțȘȚ", "şţŞŢ")


def steps(language: str, script: str, documents: list[str]) -> tuple[str, ...]:
    return step_keys(language, script, documents)["normalize"].value


def values(chosen: Choices) -> dict[str, Any]:
    return {key: choice.value for key, choice in chosen.items()}


def test_clean_texts_need_only_what_every_corpus_gets():
    for language, script, texts in (
        ("tt", "cyrillic", TATAR),
        ("km", "khmer", KHMER),
        ("ro", "latin", ROMANIAN),
        ("fr", "latin", FRENCH),
    ):
        assert steps(language, script, texts) == ALWAYS


def test_what_the_sample_shows_is_repaired_in_the_usual_order():
    assert steps("tt", "cyrillic", [*TATAR, "Бу бaрның əше."]) == (
        "nfc",
        "zero_width",
        "look_alikes",
        "spaces",
    )
    broken = TATAR[0].encode().decode("cp1251")
    assert steps("tt", "cyrillic", [*TATAR, broken])[:2] == ("mojibake", "nfc")
    assert "romanian_commas" in steps("ro", "latin", [ROMANIAN[0].translate(CEDILLAS)])
    assert "khmer_order" in steps("km", "khmer", ["ខុ្ញំទៅផ្សារ"])


def test_steps_of_other_languages_are_not_recommended():
    assert "romanian_commas" not in steps("tr", "latin", ["Bu iş kolay değil, şimdi."])


def test_a_spelling_is_unified_only_where_both_stand():
    straight = ["L'été est là.", "C'est l'hiver."]
    assert "french_apostrophes" not in steps("fr", "latin", straight)
    assert "french_apostrophes" in steps("fr", "latin", [*straight, FRENCH[0]])


def test_the_reason_shows_a_word_as_it_was_and_as_it_becomes():
    chosen = step_keys("tt", "cyrillic", [*TATAR, "Бу бaрның эше."])["normalize"]
    assert "look_alikes changes 1 text of the sample: бaрның to барның" in chosen.reason


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
    found = language_keys("fr", lines_of("fr"))
    assert values(found) == {"language": "fr", "min_language_score": 0.6}
    assert language_keys("fr", [*lines_of("fr")[:20], *TATAR, *RUSSIAN]) == {}
    assert language_keys("x-gasconha", lines_of("fr")) == {}
    assert language_keys("fr", []) == {}


def test_texts_that_are_certainly_foreign_do_not_make_the_score_unsafe():
    dirty = [*lines_of("fr"), " ".join(TATAR), " ".join(RUSSIAN), *RUSSIAN]
    found = language_keys("fr", dirty)
    assert found["min_language_score"].value == 0.6
    assert "another language" in found["min_language_score"].reason


def test_paragraphs_of_another_language_are_taken_out_where_there_are_some():
    texts = [
        f"{text}\n{RUSSIAN[n % 5]}\n{RUSSIAN[(n + 1) % 5]}" for n, text in enumerate(fables("fr"))
    ]
    found = language_keys("fr", texts)
    assert found["split_languages"].value is True
    assert any(line[:30] in found["split_languages"].reason for line in RUSSIAN)
