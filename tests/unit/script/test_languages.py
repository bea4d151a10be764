"""Codes of languages, from what people write instead."""

import unicodedata

import pytest

from endonym.script import languages


def rows(table: str) -> dict[str, str]:
    """What is given, and what is expected of it: "TT = tt, KHM = km"."""
    return dict(row.strip().split(" = ") for row in table.split(","))


def test_a_name_leads_to_its_code() -> None:
    table = "romanian = ro, Română = ro, Tatarr = tt, татар = tt, khmer = km, Français = fr"
    more = "TT = tt, KHM = km, romanian-latin = ro, tatar_latin = tt"
    for written, code in rows(f"{table}, {more}").items():
        apart = f" {unicodedata.normalize('NFD', written)}\n"
        assert languages.nearest_code(written) == languages.nearest_code(apart) == code
    assert languages.nearest_code("qqqq") is None
    assert set(languages.OTHER_NAMES.values()) <= set(languages.NAMES)


def test_a_language_is_called_by_its_name() -> None:
    table = "tt = Tatar, km = Khmer, ro = Romanian, fr = French, crh = Crimean Tatar, zu = Zulu"
    for code, name in rows(f"{table}, ZH-Hant = Chinese (Hant), qqq = qqq, x = x").items():
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
    for written, usual in rows(
        f"{table}, TAT-Latn = tt-Latn, sah = sah, tar = tar, x-tat = x-tat"
    ).items():
        assert languages.usual_code(written) == usual


def test_a_script_that_a_code_names_counts_more_than_the_usual_one() -> None:
    found = [languages.usual_script(code) for code in ("tt", "TT-Latn-RU", "sr", "KM")]
    assert found == ["cyrillic", "latin", None, "khmer"]


def test_packages_of_ocr_are_those_of_the_script_and_of_the_language() -> None:
    table = "khmer KM-Khmr = script-khmr khm, none fr = fra, cyrillic sah = script-cyrl sah"
    for given, packs in rows(table).items():
        wanted = "".join(f" tesseract-ocr-{pack}" for pack in packs.split())
        assert languages.ocr_packages(*given.split()) == f"tesseract-ocr{wanted}"
    assert languages.ocr_packages(None, "qqq") == "tesseract-ocr"
    # The pack of Tatar writes Latin letters.
    assert languages.ocr_packages("cyrillic", "tt") == "tesseract-ocr tesseract-ocr-script-cyrl"


def test_a_code_that_is_not_the_usual_one_is_doubted() -> None:
    table = "tat = tt, khm-Khmr = km-Khmr, kh = km (Khmer), ua = uk (Ukrainian), tar = tt (Tatar)"
    near = "tar = ty (Tahitian) or ta (Tamil) or tt (Tatar)?, tot = or tet (Tetum)?"
    none = "qwh = is not in endonym's list, qq = is no language's code: did you mean qu"
    for code, named in rows(f"{table}, pes = fa (Persian), {near}, {none}").items():
        assert named in languages.language_warning(code)


@pytest.mark.parametrize("code", ["tt", "km", "tt-Latn", "zh-Hant", "udm", "x-gasconha", "x"])
def test_a_usual_code_is_not_doubted(code: str) -> None:
    assert languages.language_warning(code) == ""
