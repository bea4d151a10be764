"""Where paragraphs stand, and a text without some of them."""

import pytest
from text_samples import FRENCH, TATAR

from endonym.copies.letters import LONG_LINE_CHARS, paragraphs, without

LONG = " ".join(TATAR)


def parts(text: str) -> list[str]:
    return [text[first:last] for first, last in paragraphs(text)]


def test_an_empty_line_ends_a_paragraph_and_short_lines_stay_together() -> None:
    verse = "\n".join(TATAR[:3])
    assert parts(f"{verse}\n\n{FRENCH[0]}\n \n{FRENCH[1]}\n") == [verse, FRENCH[0], FRENCH[1]]
    assert parts("") == parts(" \n\n ") == []


def test_a_long_line_is_a_paragraph_of_its_own() -> None:
    assert len(LONG) > LONG_LINE_CHARS
    text = f"{TATAR[0]}\n{TATAR[1]}\n{LONG}\n{TATAR[2]}"
    assert parts(text) == [f"{TATAR[0]}\n{TATAR[1]}", LONG, TATAR[2]]
    assert parts(f"{LONG}\n{LONG}") == [LONG, LONG]


@pytest.mark.parametrize(
    ("removed", "left"),
    [
        ((), "бер\n\nике\n\nөч"),
        ((0,), "ике\n\nөч"),
        ((1,), "бер\n\nөч"),
        ((2,), "бер\n\nике"),
        ((0, 2), "ике"),
        ((0, 1, 2), ""),
    ],
)
def test_the_rest_stands_as_it_stood(removed: tuple[int, ...], left: str) -> None:
    text = "бер\n\nике\n\nөч"
    assert without(text, paragraphs(text), removed) == left


def test_a_line_is_long_from_one_character_more_than_its_limit_on() -> None:
    line = LONG[:LONG_LINE_CHARS]
    assert parts(f"{TATAR[0]}\n{line}") == [f"{TATAR[0]}\n{line}"]
    line = LONG[: LONG_LINE_CHARS + 1]
    assert parts(f"{TATAR[0]}\n{line}") == [TATAR[0], line]
    assert LONG_LINE_CHARS == 200  # docs/cleaning.md
