"""A page of a PDF as a picture."""

import base64
from pathlib import Path

import pytest
from made_documents import drawn_pdf
from text_samples import write

from endonym.formats.parsers import pdf_picture
from endonym.formats.parsers.pdf_picture import picture_units


def drawn(folder: Path) -> tuple[int, int, bytes]:
    path = write(folder, "a.pdf", drawn_pdf("0 0 297.5 842 re f"))
    (unit,) = picture_units(str(path), 1, {"page": 1})
    kind, width, height, most, data = base64.b64decode(unit.text).split(maxsplit=4)
    assert (kind, most) == (b"P5", b"255")
    return int(width), int(height), data


def test_the_page_is_drawn_in_grey_with_300_dots_an_inch(tmp_path: Path):
    width, height, data = drawn(tmp_path)
    assert (width, height) == (pytest.approx(595 / 72 * 300, abs=1), pytest.approx(3508, abs=2))
    assert len(data) == width * height
    row = data[width * 100 : width * 101]
    assert (row[10], row[-10]) == (0, 255)


def test_a_huge_page_is_drawn_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pdf_picture, "MOST_DOTS", 10_000)
    width, height, _ = drawn(tmp_path)
    assert width * height < 11_000
