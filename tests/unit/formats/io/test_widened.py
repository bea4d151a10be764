"""UTF-16 in the middle of UTF-8."""

from pathlib import Path

import pytest
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR, kept, reasons, records, write

from endonym.formats.io.streams import Damage
from endonym.formats.io.widened import narrowed, narrowed_lines

RUSSIAN = "Утром мы идем в лес за грибами"
SERBIAN = ["Његова књига је ту.", "Рекла је: Његош.", "Њива"]  # the half of Њ is LF
GEORGIAN = ["დილა მშვიდობისა, მეგობრებო.", "როგორ ხარ?"]
HINDI = ["सुबह हो गई है।", "बच्चे सो रहे थे।"]
ORDERS = pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])


def wide(text: str, name: str) -> str:
    return text.encode(name).decode("latin-1")


@pytest.mark.parametrize(("name", "cut"), [("utf-16-le", "\0{}"), ("utf-16-be", "{}\0")])
@pytest.mark.parametrize("text", ["afin de voir la mer", RUSSIAN, "Copiii merg la scoala"])
def test_it_becomes_its_letters(text: str, name: str, cut: str):
    assert narrowed(wide(text, name)) == narrowed(cut.format(wide(text, name))) == text
    assert wide(text, name) not in narrowed(f"{TATAR[0]} {wide(text, name)} {TATAR[1]}")
    assert narrowed(f"{TATAR[0]}\n" + wide(text, name)).endswith(text)


def read_as(text: str, order: str, encoding: str) -> str:
    """The text as a program shows its UTF-16 in an old encoding; bytes without a letter stay."""
    shown = (bytes([each]).decode(encoding, "ignore") or chr(each) for each in text.encode(order))
    return "".join(shown)


@ORDERS
@pytest.mark.parametrize("texts", [FRENCH, ROMANIAN, TATAR, KHMER, GEORGIAN])
def test_text_saved_twice_as_utf8_is_decoded(tmp_path: Path, order: str, texts: list[str]):
    for encoding in ("latin-1", "cp1252", "cp1250", "cp1251"):
        wide = [read_as(each, order, encoding) for each in texts]
        for text, each in zip(texts, wide, strict=True):
            assert narrowed(f"{TATAR[0]} {each} {FRENCH[0]}") == f"{TATAR[0]} {text} {FRENCH[0]}"
        data = "\n".join(f"{each}\n{FRENCH[1]}" for each in wide)
        found = records(write(tmp_path, "a.txt", data), document="line")
        assert kept(found) == [line for text in texts for line in (text, FRENCH[1])]


KYRGYZ = ["Бул плюс, бул минус.", "Эң жакшысы — өң.", "Өзгөчө Ү"]
KYRGYZ += ["Windows деген программа", "PDFти окуп чык"]


@pytest.mark.parametrize("ends", ["{}", "\0{}", "{}\0"])
def test_letters_with_a_nul_between_them_are_whole_letters(tmp_path: Path, ends: str):
    others = (RUSSIAN, "Știuca înoată în lac.", "L’été à la mer")
    for text in (*KYRGYZ, *TATAR, *KHMER, *GEORGIAN, *others):
        spaced = ends.format("\0".join(text))
        assert narrowed(spaced) == text
        assert narrowed(f"{TATAR[0]} {spaced} {TATAR[1]}") == f"{TATAR[0]} {text} {TATAR[1]}"
    lines = ["\0".join(each) for each in KYRGYZ]
    found = records(write(tmp_path, "a.txt", "\n".join(lines)), document="line")
    assert kept(found) == KYRGYZ


def test_a_line_after_a_wide_line_end_is_read(tmp_path: Path):
    data = TATAR[0].encode() + b"\n" + f"afin de voir\n{RUSSIAN}\n".encode("utf-16-le")
    found = kept(records(write(tmp_path, "a.txt", data), document="line", encoding="utf-8"))
    assert found == [TATAR[0], "afin de voir", RUSSIAN]


@pytest.mark.parametrize("text", [*TATAR, *FRENCH, "бер\0ике", "a\0b", "\x04", "1\0002\0003"])
def test_other_texts_stay(text: str):
    assert narrowed(text) == text


def mixed(order: str, narrow: list[str], wide_lines: list[str]) -> tuple[bytes, list[str]]:
    """Lines of UTF-8 and of UTF-16 by turns, then many of one and all of the other."""
    pairs = list(zip(narrow, wide_lines, strict=False))
    turns = b"".join(f"{a}\n".encode() + f"{b}\n".encode(order) for a, b in pairs)
    blocks = "\n".join([*narrow * 3, ""]).encode() + "\n".join([*wide_lines, ""]).encode(order)
    wanted = [line for pair in pairs for line in pair] + narrow * 3 + wide_lines
    return turns + blocks + f"{narrow[0]}\n".encode(), [*wanted, narrow[0]]


@ORDERS
@pytest.mark.parametrize("wide_lines", [TATAR, SERBIAN, GEORGIAN, HINDI, KHMER, ROMANIAN])
@pytest.mark.parametrize("narrow", [TATAR, FRENCH, KHMER])
def test_lines_of_utf16_in_a_file_of_utf8_are_decoded_and_the_others_stay(
    tmp_path: Path, order: str, narrow: list[str], wide_lines: list[str]
):
    data, wanted = mixed(order, narrow, wide_lines)
    found = records(write(tmp_path, "a.txt", data), document="line")
    assert (kept(found), reasons(found)) == (wanted, {})


@ORDERS
def test_one_line_of_utf16_far_from_the_head_is_decoded(tmp_path: Path, order: str):
    many = TATAR * 9_000
    data = "\n".join([*many, ""]).encode() + f"{TATAR[0]}\r\n\r\n".encode(order) + b"Tot\n"
    assert len(data) > 2 << 20
    found = records(write(tmp_path, "a.txt", data), document="line")
    assert kept(found) == [*many, TATAR[0], "Tot"]


@ORDERS
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_where_a_file_is_cut_into_pieces_does_not_matter(order: str, size: int):
    data, wanted = mixed(order, FRENCH, TATAR)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    end = Damage("truncated", "the file ends early", 0)
    *found, last = narrowed_lines(iter([*pieces, end]))
    assert last is end
    assert b"".join(each for each in found if isinstance(each, bytes)).decode() == "\n".join(
        [*wanted, ""]
    )


@ORDERS
def test_a_line_of_utf16_with_half_a_letter_costs_itself_only(tmp_path: Path, order: str):
    broken = f"{TATAR[1]} \ud800 {TATAR[1]}\n".encode(order, "surrogatepass")
    data = "\n".join([*TATAR, ""]).encode() + broken + "\n".join([*FRENCH, ""]).encode()
    found = records(write(tmp_path, "a.txt", data), document="line")
    assert kept(found) == [*TATAR, *FRENCH]
    assert reasons(found) == {"invalid_utf8": 1}


@pytest.mark.parametrize(
    "text", [*TATAR, *KHMER, "а\tб\tв\tг\t", "1\0002\0003", "\x04\n", "a\x01b"]
)
def test_other_lines_stay(text: str):
    data = f"{FRENCH[0]}\n{text}\n\n{FRENCH[1]}".encode()
    assert (
        b"".join(each for each in narrowed_lines(iter([data])) if isinstance(each, bytes)) == data
    )


@pytest.mark.timeout(120)
@ORDERS
@pytest.mark.parametrize("text", ["Лука" + "Њ" * 500_000 + "\n", "Лука" + "Њ\ue000" * 250_000])
def test_a_line_of_halves_that_are_line_ends_takes_no_longer(order: str, text: str):
    data = text.encode(order)
    pieces = [each for each in narrowed_lines(iter([data])) if isinstance(each, bytes)]
    assert b"".join(pieces) == (data if "\ue000" in text else text.encode())


def test_what_gives_no_letters_in_either_order_stays():
    """No script has a letter U+0530; in the other order it would be U+3005."""
    text = f"{TATAR[0]}\0 " + "0\x05" * 6
    assert narrowed(text) == text
