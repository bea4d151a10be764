"""Which pack of Tesseract reads the pages of a source."""

from collections.abc import Generator
from pathlib import Path

import pytest
from fake_ocr import install, picture, remove
from made_documents import drawn_pdf, lines, pdf, zipped
from text_samples import TATAR, files, records, refused, write

from endonym.formats.config import Source
from endonym.formats.document import Reject
from endonym.formats.pages import ocr
from endonym.formats.pages.ocr import OcrFailed
from endonym.survey.format_guess import needs_ocr, pack_for, pack_of, page_of

CYRILLIC = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
ALL = CYRILLIC + "әөүҗңһ" + (CYRILLIC + "әөүҗңһ").upper()
PACKS = {"Cyrillic": (ALL, 95.0), "tat": ("abcdefgh", 99.0), "weak": (ALL, 30.0)}


@pytest.fixture(autouse=True)
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    install(tmp_path / "t", PACKS, monkeypatch)
    yield
    ocr.tesseract.cache_clear()


def rejects(path: Path) -> list[Reject]:
    return refused(records(path))


def test_a_picture_gets_the_pack_that_reads_it_and_the_reason(tmp_path: Path):
    path = write(tmp_path, "a.png", picture("\n".join(TATAR)))
    found = rejects(path)
    assert needs_ocr(found)
    pack, reason = pack_for([(path, found)], "tt", "")
    assert pack == "Cyrillic"
    assert "Cyrillic is sure to 95%" in reason


def test_a_photograph_gets_none(tmp_path: Path):
    path = write(tmp_path, "a.png", picture(""))
    pack, reason = pack_for([(path, rejects(path))], "tt", "")
    assert pack == ""
    assert "none of the packs reads it" in reason


def test_a_page_that_no_pack_is_sure_of_gets_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    install(tmp_path / "u", {"weak": (ALL, 30.0)}, monkeypatch)
    path = write(tmp_path, "a.png", picture(TATAR[0]))
    assert pack_for([(path, rejects(path))], "tt", "")[0] == ""


def test_without_tesseract_the_reason_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    remove(monkeypatch)
    path = write(tmp_path, "a.png", picture(TATAR[0]))
    pack, reason = pack_for([(path, rejects(path))], "tt", "")
    assert (pack, "apt-get install tesseract-ocr" in reason) == ("", True)


def test_a_page_of_a_pdf_is_drawn(tmp_path: Path):
    path = write(tmp_path, "a.pdf", drawn_pdf("0 0 100 100 re f"))
    data, number = page_of(path, rejects(path))
    assert isinstance(data, bytes)
    assert (data[:2], number) == (b"P5", 1)


def test_a_picture_in_a_zip_is_tried_and_other_pages_in_archives_say_why_not(tmp_path: Path):
    path = write(tmp_path, "a.zip", zipped({"б.png": picture("\n".join(TATAR))}))
    assert pack_for([(path, rejects(path))], "tt", "")[0] == "Cyrillic"
    path = write(tmp_path, "b.zip", zipped({"a.pdf": drawn_pdf("0 0 100 100 re f")}))
    with pytest.raises(OcrFailed, match="unpack the archive"):
        page_of(path, rejects(path))


def test_a_source_that_leaves_the_choice_gets_its_pack_once(tmp_path: Path):
    write(tmp_path, "p/a.png", picture("\n".join(TATAR)))
    source = Source(name="p", path=str(tmp_path / "p"), ocr="auto")
    assert pack_of(source, files(source), "tt", "әөүҗңһ") == "Cyrillic"
    write(tmp_path, "q/a.pdf", pdf([lines(TATAR * 3)]))
    source = Source(name="q", path=str(tmp_path / "q"), ocr="auto")
    assert pack_of(source, files(source), "tt", "") == ""
