"""UTF-16 in the middle of UTF-8."""

from pathlib import Path

import pytest
from text_samples import FRENCH, TATAR, kept, records, write

from endonym.text.io.widened import narrowed

RUSSIAN = "Утром мы идем в лес за грибами"


def wide(text: str, name: str) -> str:
    return text.encode(name).decode("latin-1")


@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["afin de voir la mer", RUSSIAN, "Copiii merg la scoala"])
def test_it_becomes_its_letters(text: str, name: str):
    assert narrowed(wide(text, name)).strip("\0") == text
    assert wide(text, name) not in narrowed(f"{TATAR[0]} {wide(text, name)} {TATAR[1]}")
    assert narrowed(f"{TATAR[0]}\n" + wide(text, name)).endswith(text)


def test_a_line_after_a_wide_line_end_is_read(tmp_path: Path):
    data = TATAR[0].encode() + b"\n" + f"afin de voir\n{RUSSIAN}\n".encode("utf-16-le")
    found = kept(records(write(tmp_path, "a.txt", data), document="line", encoding="utf-8"))
    assert found == [TATAR[0], "afin de voir", RUSSIAN]


@pytest.mark.parametrize("text", [*TATAR, *FRENCH, "бер\0ике", "a\0b", "\x04", "1\0002\0003"])
def test_other_texts_stay(text: str):
    assert narrowed(text) == text


def test_what_gives_no_letters_in_either_order_stays():
    """No script has a letter U+0530; in the other order it would be U+3005."""
    text = f"{TATAR[0]}\0 " + "0\x05" * 6
    assert narrowed(text) == text
