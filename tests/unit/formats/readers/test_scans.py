"""Pictures of pages, and lines of OCR as lines of a page."""

import struct
from collections.abc import Callable, Generator
from itertools import pairwise
from pathlib import Path

import pytest
from fake_ocr import install, picture, remove
from text_samples import FRENCH, TATAR, kept, reasons, records, refused, write

from endonym.errors import SourceError
from endonym.formats.document import Document
from endonym.formats.pages import ocr
from endonym.formats.pages.ocr import OcrLine
from endonym.formats.pages.page import Page
from endonym.formats.pages.paragraphs import rebuilt
from endonym.formats.readers.scans import placed, tiff_pages

LETTERS = "".join(sorted(set("".join(TATAR + FRENCH))))


@pytest.fixture(autouse=True)
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Callable[[], list[str]]]:
    packs = {"Cyrillic": (LETTERS, 95.0), "weak": (LETTERS, 41.0)}
    yield install(tmp_path / "t", packs, monkeypatch)
    ocr.tesseract.cache_clear()


def tiff(pages: list[str]) -> bytes:
    """A TIFF that lists so many pictures, each with one entry."""
    text = picture(*pages)[8:]
    at, parts = 8 + len(text), list[bytes]()
    for number in range(len(pages)):
        following = at + 18 * (number + 1) if number + 1 < len(pages) else 0
        parts.append(struct.pack("<HHHIII", 1, 256, 3, 1, 7, following))
    return b"II*\0" + struct.pack("<I", at) + text + b"".join(parts)


@pytest.mark.parametrize("packs", [["Cyrillic"], "auto"])
def test_a_picture_is_a_document_with_ocr(tmp_path: Path, packs: str | list[str]):
    (document,) = records(write(tmp_path, "a.png", picture("\n".join(TATAR))), ocr=packs)
    assert isinstance(document, Document)
    assert document.text.replace("\n", " ") == " ".join(TATAR)
    assert document.meta == {"method": "ocr:Cyrillic", "confidence": "0.95", "pages": "1"}


def test_without_ocr_a_picture_is_only_counted(tmp_path: Path, asked: Callable[[], list[str]]):
    path = write(tmp_path, "a.jpg", picture(TATAR[0]))
    assert (reasons(records(path)), asked()) == ({"needs_ocr": 1}, [])
    assert kept(records(path, ocr=["Cyrillic", "weak"])) == TATAR[:1]
    assert " -l Cyrillic+weak " in asked()[-1]


def test_a_page_of_which_ocr_is_not_sure_is_a_reject_with_its_place(tmp_path: Path):
    path = write(tmp_path, "a.png", picture(TATAR[0]))
    (refusal,) = refused(records(path, ocr=["weak"]))
    assert (refusal.reason, refusal.id) == ("low_confidence", "a.png")
    assert "41%, below 60%" in refusal.detail
    assert kept(records(path, ocr=["weak"], min_ocr_confidence=0.3)) == [TATAR[0]]
    found = records(path, ocr=["Cyrillic"], min_ocr_confidence=0.96)
    assert reasons(found) == {"low_confidence": 1}


def test_every_page_of_a_tiff_is_read_and_one_that_crashes_loses_no_other(tmp_path: Path):
    path = write(tmp_path, "a.tiff", tiff([TATAR[0], "crash", TATAR[1]]))
    found = records(path, ocr=["Cyrillic"], document="page")
    assert kept(found) == TATAR[:2]
    assert [each.id for each in refused(found)] == ["a.tiff#2"]
    assert len(kept(records(path, ocr=["Cyrillic"]))) == 1


def test_a_tiff_whose_list_leads_in_a_circle_ends(tmp_path: Path):
    data = bytearray(tiff(["а", "б"]))
    start = struct.unpack("<I", data[4:8])[0]
    data[start + 32 : start + 36] = struct.pack("<I", start)
    assert tiff_pages(write(tmp_path, "a.tif", bytes(data))) == 2
    assert tiff_pages(write(tmp_path, "b.tif", b"II*\0\xff\xff\xff\x7f")) == 1
    assert tiff_pages(write(tmp_path, "c.png", picture("а"))) == 1
    big_endian = b"MM\0*" + struct.pack(">IH12xIHI", 8, 1, 26, 0, 0)
    assert tiff_pages(write(tmp_path, "d.tif", big_endian)) == 2


def test_what_is_no_picture_and_what_has_no_text_are_counted(tmp_path: Path):
    write(tmp_path, "p/a.png", picture("no picture"))
    write(tmp_path, "p/b.png", picture(""))
    assert reasons(records(tmp_path / "p", ocr=["Cyrillic"])) == {"other_kind": 1, "blank": 1}


def test_missing_tesseract_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    remove(monkeypatch)
    with pytest.raises(SourceError, match="not on this machine"):
        records(write(tmp_path, "a.png", picture("а")), ocr="auto")


@pytest.mark.parametrize("text", ["/etc/passwd\n", "http://127.0.0.1:9/a.png\n", ""])
def test_a_list_of_files_is_no_picture(tmp_path: Path, asked: Callable[[], list[str]], text: str):
    found = records(write(tmp_path, "a.png", text + " "), ocr=["Cyrillic"])
    assert reasons(found) == {"other_kind" if text else "damaged": 1}
    assert asked() == []


def test_lines_stand_by_their_middles_and_far_larger_letters_have_another_size():
    def line(top: int, height: int = 30) -> OcrLine:
        return OcrLine("сүз", 0.9, 100, top, 800, height)

    lines, height = placed([line(100, 40), line(155, 30), line(200, 40), line(250, 40)])
    assert ({each.size for each in lines}, height) == ({40}, 330)
    assert [a.bottom - b.bottom for a, b in pairwise(lines)] == [50, 50, 50]
    assert (lines[0].left, lines[0].right) == (100, 900)
    lines, _ = placed([line(0, 90), line(100), line(150), line(200)])
    assert [each.size for each in lines] == [90, 30, 30, 30]


def test_a_persian_paragraph_begins_at_the_right_and_ends_at_the_left():
    paragraphs = [
        (
            "آیا تراجنسی بودن یک اختلال است؟ من برنامه",
            "دارم دو هفته بمانم. ساره در بسیاری جاها",
            "جواب ندارد.",
        ),
        (
            "من گیج هستم. لطفا دو طرف را کمی کوتاه",
            "کنید. یونسکو. زیرا تنها با کمک هم می‌توانیم",
            "ریشه‌ها را.",
        ),
    ]
    columns = [(100, 760), (100, 800), (600, 300)]  # left edges and widths: an indent, a short end
    lines = [
        OcrLine(text, 0.9, left, 100 + 50 * (3 * number + row), width, 30)
        for number, paragraph in enumerate(paragraphs)
        for row, (text, (left, width)) in enumerate(zip(paragraph, columns, strict=True))
    ]
    found, height = placed(lines)
    assert [each.left for each in found] == [40, 0, 0] * 2
    (page,) = rebuilt([Page(1, height, found)])
    assert [each.text for each in page.paragraphs] == [" ".join(each) for each in paragraphs]
