"""Votes of two libraries on a text's language."""

import pytest
from text_samples import FRENCH, KHMER, ROMANIAN, RUSSIAN, TATAR

from endonym.cleaning.language import votes
from endonym.cleaning.language.votes import (
    NONE,
    SHOWN_CHARS,
    cld2_vote,
    excerpt,
    known_codes,
    langid_vote,
    reliable_code,
    usual,
)

Patch = pytest.MonkeyPatch
SAMPLES = [("tt", TATAR), ("km", KHMER), ("ro", ROMANIAN), ("fr", FRENCH), ("ru", RUSSIAN)]


@pytest.mark.parametrize(("code", "lines"), SAMPLES)
def test_both_name_the_language_of_a_paragraph(code: str, lines: list[str]):
    text = " ".join(lines)
    for vote in (cld2_vote(text), langid_vote(text)):
        assert vote.code == code
        assert vote.probability > 0.6
    assert reliable_code(text) == code


@pytest.mark.parametrize("text", ["", "12345 67", "★★★", "ә"])
def test_nothing_is_said_of_nothing(text: str):
    assert reliable_code(text) == ""
    assert cld2_vote(text) == NONE or cld2_vote(text).probability < 0.7


@pytest.mark.parametrize(
    "mark", ["\0", "\x0b", "\x1b", "\x7f", "\x85", "\ufffe", "\ud800", "\ufdd0"]
)
def test_what_the_libraries_refuse_is_taken_out_first(mark: str):
    text = f"{mark}{TATAR[0]}{mark}{TATAR[1]}"
    assert cld2_vote(text).code == langid_vote(text).code == "tt"


def test_a_long_text_is_read_at_three_places():
    text, size = "".join(f"{number:04}" for number in range(5_000)), SHOWN_CHARS // 3
    middle = (len(text) - size + 1) // 2
    found = [text[:size], text[middle : middle + size], text[-size:]]
    assert excerpt(text).split("\n") == found
    assert excerpt(text[:SHOWN_CHARS]) == text[:SHOWN_CHARS]


def test_codes_are_those_of_recipes():
    assert (usual("iw"), usual("zh-Hant"), usual("tat"), usual("mo")) == ("he", "zh", "tt", "ro")


def test_it_is_known_which_languages_each_knows():
    for codes in known_codes().values():
        assert {"tt", "ba", "km", "ro", "fr", "kk", "ky", "fa", "ar"} <= codes
        assert "udm" not in codes


class Says:
    """In the place of pycld2: what it says of every text."""

    def __init__(self, code: str, percent: int, *, is_reliable: bool) -> None:
        self.found = (is_reliable, 9, [("", code, percent, 0.0), ("", "un", 0, 0.0)])

    def detect(self, text: str, **_: bool) -> object:
        return self.found


CERTAINTIES = [
    *((("tt", 100, True), 0.97, "tt"), (("tt", 80, True), 0.776, "tt")),
    *((("tt", 79, True), 0.7663, ""), (("tt", 100, False), 1.97 / 3, "")),
    (("un", 100, True), 0.0, ""),
]


@pytest.mark.parametrize(("said", "probability", "certain"), CERTAINTIES)
def test_a_vote_is_as_probable_as_the_library_is_certain(
    monkeypatch: Patch, said: tuple[str, int, bool], probability: float, certain: str
):
    code, percent, is_reliable = said
    monkeypatch.setattr(votes, "_cld2", lambda: Says(code, percent, is_reliable=is_reliable))
    vote = cld2_vote("текст")
    assert vote.probability == pytest.approx(probability)
    assert vote.code == ("" if code == "un" else code)
    assert reliable_code("текст") == certain
