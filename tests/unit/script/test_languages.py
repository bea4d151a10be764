"""Codes of languages, from what people write instead."""

import pytest

from endonym.script import languages


def rows(table: str) -> dict[str, str]:
    """What is given, and what is expected of it: "TT = tt, KHM = km"."""
    return dict(row.strip().split(" = ") for row in table.split(","))


def test_a_name_leads_to_its_code() -> None:
    table = "romanian = ro, Română = ro, Tatarr = tt, татар = tt, khmer = km, Français = fr"
    for written, code in rows(f"{table}, TT = tt, KHM = km, romanian-latin = ro").items():
        assert languages.nearest_code(written) == code
    assert languages.nearest_code("qqqq") is None
    assert set(languages.OTHER_NAMES.values()) <= set(languages.NAMES)


def test_a_language_is_called_by_its_name() -> None:
    table = "tt = Tatar, km = Khmer, ro = Romanian, fr = French, crh = Crimean Tatar, zu = Zulu"
    for code, name in rows(f"{table}, zh-Hant = Chinese (Hant), qqq = qqq").items():
        assert languages.language_name(code) == name
    assert languages.language_name("x-gasconha") == "gasconha"


def test_every_code_of_two_letters_has_one_of_three() -> None:
    assert set(languages.TWO_LETTERS.values()) == {
        code for code in languages.NAMES if len(code) == 2
    }
    assert not set(languages.TAKEN_FOR) & {*languages.NAMES, *languages.TWO_LETTERS}
    assert set(languages.TAKEN_FOR.values()) <= set(languages.NAMES)


def test_a_code_of_three_letters_becomes_the_one_of_two() -> None:
    table = "tat = tt, khm = km, ron = ro, rum = ro, fre = fr, tat-Latn = tt-Latn, tt = tt"
    for written, usual in rows(f"{table}, sah = sah, tar = tar, x-tat = x-tat").items():
        assert languages.usual_code(written) == usual


def test_a_script_that_a_code_names_counts_more_than_the_usual_one() -> None:
    found = [languages.usual_script(code) for code in ("tt", "tt-Latn", "sr", "km")]
    assert found == ["cyrillic", "latin", None, "khmer"]


def test_a_code_that_is_not_the_usual_one_is_doubted() -> None:
    table = "tat = tt, khm-Khmr = km-Khmr, kh = km (Khmer), ua = uk (Ukrainian), tar = tt (Tatar)"
    for code, named in rows(f"{table}, pes = fa (Persian), qwh = endonym's list").items():
        assert named in languages.language_warning(code)


@pytest.mark.parametrize("code", ["tt", "km", "tt-Latn", "zh-Hant", "udm", "x-gasconha", "x"])
def test_a_usual_code_is_not_doubted(code: str) -> None:
    assert languages.language_warning(code) == ""
