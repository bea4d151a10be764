"""RTF files as programs write them: code pages, Unicode escapes, links, tables, line ends."""

import made_documents as made
import pytest

from endonym.formats.parsers.rtf import rtf_unit
from endonym.formats.parsers.unit import Refused

TATAR = "Әнием мине иртән уятты."


def text_of(body: str | bytes, head: str = r"\rtf1\ansi\ansicpg1251\deff0") -> str:
    """The text of a file with this head and body."""
    return rtf_unit(made.rtf(body, head)).text


def test_letters_as_escapes_of_unicode_and_beyond_its_first_plane():
    for text in (TATAR, "ខ្ញុំស្រឡាញ់ភាសាខ្មែរ", "Ţara și sărbătoarea", "𞤀𞤣𞤤𞤢𞤥"):
        assert text_of(rf"\pard {made.rtf_escaped(text)}\par") == text
        assert text_of(rf"\uc0 {made.rtf_escaped(text, skipped=' ')}\par") == text


def test_letters_of_the_code_page_escaped_or_as_they_are_and_of_the_font():
    russian = "Добрый вечер".encode("cp1251")
    for body in (russian, b"".join(rb"\'%02x" % byte for byte in russian)):
        assert text_of(rb"\pard " + body + rb"\par") == "Добрый вечер"
    fonts = rb"{\fonttbl{\f0\fcharset0 Times;}{\f1\fcharset238 Times CE;}}"
    polish = b"".join(rb"\'%02x" % byte for byte in "żółw".encode("cp1250"))
    assert text_of(fonts + rb"\pard\f1 " + polish + rb"\par") == "żółw"


def test_paragraphs_cells_and_lines_of_a_verse():
    verse = rf"{made.rtf_escaped('Туган тел')}\line {made.rtf_escaped('И матур тел')}\par"
    assert text_of(rf"\pard {verse}\par \pard Une ligne\par") == (
        "Туган тел\nИ матур тел\n\nUne ligne"
    )
    assert text_of(r"\trowd un\cell deux\cell\row fin\par") == "un\n\ndeux\n\nfin"
    nested = r"\intbl\itap2 un\nestcell deux\nestcell\pard\intbl fin\cell\row"
    assert text_of(rf"\trowd{nested}\pard Sf\'e2rsit\par", r"\rtf1\ansi\ansicpg1250") == (
        "un\n\ndeux\n\nfin\n\nSfârsit"
    )


def test_what_is_no_text_of_the_body_is_left_out():
    link = r'{\field{\*\fldinst{HYPERLINK "https://a.tt/b"}}{\fldrslt{le lien}}}'
    assert text_of(
        rf"{{\header En-t\'eate}}{{\info{{\title Titre}}}}Voici {link}.\par", r"\rtf1"
    ) == ("Voici le lien.")
    picture = rb"{\pict\pngblip\bin5 \x00}{\\}avant".replace(rb"\x00", b"\x00")
    assert text_of(picture + rb" et apr\'e8s\par", r"\rtf1").endswith("et après")


@pytest.mark.parametrize("raw", [b"", b"Bonjour", TATAR.encode(), b"PK\x03\x04"])
def test_a_file_of_another_kind_is_refused(raw: bytes):
    with pytest.raises(Refused, match="does not begin as RTF"):
        rtf_unit(raw)


def test_an_escaped_backslash_begins_no_control_word():
    assert text_of(r"C:\\cell et C:\\line\par") == r"C:\cell et C:\line"
