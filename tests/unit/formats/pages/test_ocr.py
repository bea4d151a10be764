"""Tesseract behind its interface: a program in its place, and the real one where it is."""

import shutil
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from fake_ocr import install, picture, remove
from text_samples import SHARED, TATAR, write

from endonym.errors import SourceError
from endonym.formats.pages import ocr
from endonym.formats.pages.ocr import (
    OcrFailed,
    OcrPage,
    Tesseract,
    failure,
    ocr_lines,
    require_tesseract,
    tesseract,
)

LETTERS = "".join(sorted(set("".join(TATAR)))) + "абв"


@pytest.fixture(autouse=True)
def forget() -> Generator[None]:
    yield
    ocr.tesseract.cache_clear()


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tesseract:
    install(tmp_path, {"Cyrillic": (LETTERS, 95.0)}, monkeypatch)
    return require_tesseract(["Cyrillic"])


def test_lines_of_a_picture_are_read_with_their_confidence(engine: Tesseract, tmp_path: Path):
    for given in (picture("\n".join(TATAR)), write(tmp_path, "a.png", picture("\n".join(TATAR)))):
        page = engine.read(given, ["Cyrillic"])
        assert [line.text for line in page.lines] == TATAR
        assert page.confidence == pytest.approx(0.95)
        assert (page.lines[0].left, page.lines[0].top) == (100, 150)


def test_a_page_of_many_is_chosen_by_its_number(engine: Tesseract, tmp_path: Path):
    path = write(tmp_path, "a.tif", picture(*TATAR[:3]))
    assert [engine.read(path, ["Cyrillic"], n).lines[0].text for n in (1, 2, 3)] == TATAR[:3]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("crash", "parser_crashed"), ("no picture", "damaged"), ("eat", "parser_memory")],
)
def test_what_the_program_does_not_survive_is_a_failure_of_the_page(
    engine: Tesseract, text: str, reason: str
):
    with pytest.raises(OcrFailed) as caught:
        engine.read(picture(text), ["Cyrillic"])
    assert caught.value.reason == reason


def test_a_program_that_does_not_end_is_ended(engine: Tesseract, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ocr, "PAGE_CPU_SECONDS", 1)
    began = time.monotonic()
    with pytest.raises(OcrFailed) as caught:
        engine.read(picture("spin"), ["Cyrillic"])
    assert caught.value.reason == "parser_timeout"
    assert time.monotonic() - began < 60


def test_without_the_program_or_a_pack_one_line_says_what_to_install(
    engine: Tesseract, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(SourceError, match="no pack kaz, xyz") as caught:
        require_tesseract(["kaz", "Cyrillic", "xyz"])
    assert "tesseract-ocr-kaz" in caught.value.do
    remove(monkeypatch)
    assert tesseract() is None
    with pytest.raises(SourceError, match="not on this machine") as caught:
        require_tesseract([])
    assert "apt-get install tesseract-ocr" in caught.value.do
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("code", "said", "reason"),
    [
        (152, "", "parser_timeout"),
        (1, "Error in pixReadStreamPng: ...", "damaged"),
        (1, "Error during processing.", "parser_crashed"),
        (134, "std::bad_alloc", "parser_memory"),
        (139, "", "parser_crashed"),
    ],
)
def test_the_end_of_the_program_has_its_reason(code: int, said: str, reason: str):
    assert failure(code, said).reason == reason


def test_a_page_without_text_has_no_confidence():
    assert OcrPage(()).confidence == 0
    assert ocr_lines("level\tleft\ttop\twidth\theight\tconf\ttext\n4\t1\t1\t1\t1\t-1\t\n") == []


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="needs Tesseract")
@pytest.mark.skipif(
    not (SHARED / "raw" / "ocr").is_dir(), reason="needs ../shared/data/raw/ocr beside this project"
)
def test_the_real_one_reads_a_tatar_picture_by_a_pack_that_knows_its_letters():
    found = require_tesseract([])
    packs = [each for each in ("Cyrillic", "kir", "kaz") if each in found.packs]
    if not packs:
        pytest.skip("needs one of the packs Cyrillic, kir, kaz")
    page = found.read(SHARED / "raw" / "ocr" / "tt_constitution_snippet.jpeg", packs[:1])
    assert page.confidence > 0.9
    assert "Татарстан" in " ".join(line.text for line in page.lines)
