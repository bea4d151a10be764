"""Words of two scripts that look like words of one."""

import time

import pytest
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR

from endonym.cleaning.normalize import one_script

TO_LATIN = str.maketrans("аеорсухһАЕОРСУХһКМНТВ", "aeopcyxhAEOPCYXhKMHTB")


@pytest.mark.parametrize("text", [*TATAR, *KHMER, *ROMANIAN, *FRENCH, "MP3 форматы", "3D модель"])
def test_words_of_one_script_stay(text: str):
    assert one_script("cyrillic")(text) is text


@pytest.mark.parametrize("line", TATAR)
def test_every_other_look_alike_of_a_tatar_line_is_repaired(line: str):
    for offset in (0, 1):
        mixed = "".join(
            letter.translate(TO_LATIN) if number % 2 == offset else letter
            for number, letter in enumerate(line)
        )
        words = zip(one_script("cyrillic")(mixed).split(), line.split(), strict=True)
        # A short word may be of look-alikes alone: then nothing in it tells.
        assert all(found == right or found.isascii() for found, right in words)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("бaрның", "барның"),
        ("hәм", "һәм"),
        ("əйбәт", "әйбәт"),
        ("Кemнeң", "Кemнeң"),  # m and n are no look-alikes
        ("Сookie", "Cookie"),  # a Cyrillic С
        ("explorеd", "explored"),
        ("κόσμoς", "κόσμος"),
        ("ёлкa", "ёлка"),
    ],
)
def test_the_letters_without_a_twin_decide(wrong: str, right: str):
    assert one_script(None)(f"{wrong} {TATAR[0]}").split()[0] == right


@pytest.mark.parametrize("word", ["Windowsның", "HPның", "CSSын", "wikiдагы", "JavaScriptта"])
def test_words_that_are_meant_in_two_scripts_stay(word: str):
    assert one_script("cyrillic")(f"Ул {word} ачты.") == f"Ул {word} ачты."


def test_of_two_scripts_with_as_many_letters_neither_is_meant():
    assert one_script("latin")(f"бo {FRENCH[0]}").split()[0] == "бo"
    assert one_script("latin")(f"бoб {FRENCH[0]}").split()[0] == "боб"


@pytest.mark.parametrize("word", ["hν", "ρgh", "νx", "Nαβ", "kΩ", "γH2AX", "νmax"])
@pytest.mark.parametrize("script", ["latin", "cyrillic", None])
def test_symbols_of_formulas_stay(script: str | None, word: str):
    line = f"{FRENCH[0]} E = {word}"
    assert one_script(script)(line) == line


@pytest.mark.parametrize("word", ["Iнең", "Xнчы", "Xнең", "Xга", "XIнче", "IIнең"])
def test_roman_numerals_with_an_ending_stay(word: str):
    assert one_script("cyrillic")(f"Петр {word} урыны") == f"Петр {word} урыны"


@pytest.mark.parametrize(("wrong", "right"), [("Xалык", "Халык"), ("Xәлим", "Хәлим")])
def test_words_that_begin_like_a_numeral_are_repaired(wrong: str, right: str):
    assert one_script("cyrillic")(f"Бу {wrong}.") == f"Бу {right}."


@pytest.mark.parametrize(("wrong", "right"), [("Αθήvα", "Αθήνα"), ("vερό", "νερό")])
def test_greek_words_are_written_in_greek_letters(wrong: str, right: str):
    assert one_script("greek")(f"κόσμος {wrong}") == f"κόσμος {right}"


def test_where_all_letters_have_twins_the_recipe_decides_and_then_the_text():
    word = "сoх"  # a Latin o
    assert one_script("cyrillic")(word) == "сох"
    assert one_script("latin")(word) == "cox"
    assert one_script(None)(f"{FRENCH[0]} {word}") == f"{FRENCH[0]} cox"
    assert one_script(None)(f"{TATAR[0]} {word}") == f"{TATAR[0]} сох"


def test_old_romanian_with_a_cyrillic_letter_is_not_made_cyrillic():
    assert one_script("latin")("soҫia") == "soҫia"


def test_a_word_of_a_million_letters_takes_linear_time():
    start = time.process_time()
    one_script("cyrillic")("aб" * 300_000 + " " + "б" * 600_000 + "a")
    assert time.process_time() - start < 20
