"""The cleaning that is recommended for a language."""

import pytest
from text_samples import FRENCH, KHMER, ROMANIAN, RUSSIAN, TATAR

from endonym.cleaning.rules import cleaner
from endonym.survey.format_guess import guess_clean


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
    assert [cleaner(clean)(line)[1] for line in lines] == [None] * len(lines)
    assert set(reasons) == set(clean.model_dump(exclude_defaults=True))


def test_letters_tell_a_language_from_its_neighbour_where_the_texts_allow_it():
    clean, _ = guess_clean("tt", "\n".join(TATAR))
    assert clean.expected_letters == "әөүҗңһ"
    assert cleaner(clean)("Вчера вечером мой брат развёл костёр у озера.")[1] is not None
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
    assert [cleaner(clean)(line)[1] for line in ("ឈប់!", "ទៅ!")] == [None, None]
    assert clean.min_chars == 3
    assert reasons["min_chars"].startswith("drops 0.")
    assert "no sentences" not in reasons["min_chars"]


def test_foreign_lines_do_not_hide_what_tells_the_language():
    alone, _ = guess_clean("tt", "\n".join(TATAR * 20))
    mixed, _ = guess_clean("tt", "\n".join([*TATAR * 20, *RUSSIAN * 4]))
    assert mixed.min_expected_share == alone.min_expected_share is not None
