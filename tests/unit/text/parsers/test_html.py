"""One web page as a unit; whole files are in readers/test_html.py."""

from pathlib import Path

import pytest
from text_samples import TATAR, write

from endonym.text.parsers import html
from endonym.text.parsers.html import units
from endonym.text.parsers.unit import Refused


def test_a_page_is_one_unit_of_its_whole_size(tmp_path: Path):
    path = write(tmp_path, "a.html", f"<p>{TATAR[0]}</p>")
    (unit,) = units(str(path), 1, {})
    assert (unit.number, unit.text, unit.raw_bytes) == (1, TATAR[0], path.stat().st_size)
    assert list(units(str(path), 2, {})) == []


def test_a_page_that_is_too_long_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(html, "MAX_PAGE_BYTES", 10)
    with pytest.raises(Refused, match="bytes; a page may have"):
        units(str(write(tmp_path, "a.html", "<p>" + "x" * 99)), 1, {})
