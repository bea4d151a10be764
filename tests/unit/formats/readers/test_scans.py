"""Lines of OCR as lines of a page."""

from itertools import pairwise

import pytest

from endonym.formats.config import Source
from endonym.formats.pages.ocr import OcrLine
from endonym.formats.readers.scans import PageOcr, placed


def line(top: int, height: int = 30, left: int = 100) -> OcrLine:
    return OcrLine("сүз", 0.9, left, top, 800, height)


def test_letters_above_and_below_a_line_do_not_move_it():
    lines, height = placed([line(100, 40), line(155, 30), line(200, 40), line(250, 40)])
    assert {each.size for each in lines} == {40}
    assert [a.bottom - b.bottom for a, b in pairwise(lines)] == [50, 50, 50]
    assert height == 330
    assert (lines[0].left, lines[0].right) == (100, 900)


def test_a_line_of_far_larger_letters_is_one_of_another_size():
    lines, _ = placed([line(0, 90), line(100), line(150), line(200)])
    assert [each.size for each in lines] == [90, 30, 30, 30]


def test_without_ocr_there_are_no_eyes():
    assert PageOcr.of(Source(name="a", path="b")) is None


@pytest.mark.parametrize("least", [None, 0.8])
def test_how_sure_ocr_must_be_is_the_recipes_word_or_a_usual_one(
    least: float | None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        "endonym.formats.readers.scans.require_tesseract", lambda packs, script: None
    )
    source = Source(name="a", path="b", ocr=("kaz",), min_ocr_confidence=least)
    ocr = PageOcr.of(source)
    assert ocr is not None
    assert (ocr.packs, ocr.least) == (["kaz"], least or 0.6)
