"""One web page as a unit; whole files are in readers/test_html.py."""

from pathlib import Path

import pytest
from text_samples import PERSIAN, TATAR, in_cp1256, write

from endonym.formats.parsers import html
from endonym.formats.parsers.html import html_units
from endonym.formats.parsers.unit import Refused


def test_a_page_is_one_unit_of_its_whole_size(tmp_path: Path):
    path = write(tmp_path, "a.html", f"<p>{TATAR[0]}</p>")
    (unit,) = html_units(str(path), 1, {})
    assert (unit.number, unit.text, unit.raw_bytes) == (1, TATAR[0], path.stat().st_size)
    assert list(html_units(str(path), 2, {})) == []


def test_the_script_of_a_page_decides_on_its_encoding(tmp_path: Path):
    data = in_cp1256("\n".join(f"<p>{each}</p>" for each in PERSIAN))
    path = write(tmp_path, "a.html", data)
    (unit,) = html_units(str(path), 1, {"script": "arabic"})
    assert unit.meta["encoding"] == "cp1256"
    assert in_cp1256(PERSIAN[0]).decode("cp1256") in unit.text
    with pytest.raises(Refused, match="not UTF-8"):
        next(html_units(str(path), 1, {}))


def test_a_page_that_is_too_long_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(html, "MAX_PAGE_BYTES", 10)
    with pytest.raises(Refused, match="bytes; a page may have"):
        html_units(str(write(tmp_path, "a.html", "<p>" + "x" * 99)), 1, {})


@pytest.mark.parametrize(
    "head",
    [
        "From: <Saved by Blink>\r\nSubject: Урман\r\nMIME-Version: 1.0\r\nContent-Type: "
        'multipart/related;\r\n\ttype="text/html"',
        "\nMIME-Version: 1.0\ncontent-type:\n multipart/related; boundary=x",
    ],
)
def test_a_page_saved_as_a_mail_is_refused_and_a_page_about_mails_is_read(
    tmp_path: Path, head: str
):
    saved = f"{head}\r\n\r\n--x\r\nContent-Type: text/html\r\n\r\n<p>{TATAR[0]}</p>"
    path = write(tmp_path, "a.html", saved)
    (unit,) = html_units(str(path), 1, {})
    assert (unit.text, unit.reason, unit.raw_bytes) == (
        "",
        "unsupported_format",
        path.stat().st_size,
    )
    assert unit.detail == "a web page saved as MHTML; save it as HTML"
    (unit,) = html_units(str(write(tmp_path, "b.html", f"<pre>{saved}</pre>")), 1, {})
    assert TATAR[0] in unit.text
