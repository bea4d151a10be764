"""The parts of an e-book; whole files are in readers/test_documents.py."""

from pathlib import Path

from made_documents import CONTAINER, epub, xhtml, zipped
from text_samples import TATAR, write

from endonym.formats.parsers.epub import epub_units
from endonym.formats.parsers.unit import Unit

BESIDE = CONTAINER.replace("OEBPS/", "")


def units(folder: Path, data: bytes, start: int = 1) -> list[Unit]:
    return [*epub_units(str(write(folder, "a.epub", data)), start, {})]


def test_units_begin_where_they_are_asked_to(tmp_path: Path):
    data = epub({f"{n}.xhtml": xhtml([each]) for n, each in enumerate(TATAR)})
    found = units(tmp_path, data, 5)
    assert [(each.number, each.text) for each in found] == [(5, TATAR[4]), (6, TATAR[5])]
    (long,) = units(tmp_path, epub({"a.xhtml": xhtml(TATAR * 99)}))
    assert 0 < long.raw_bytes < 9_000  # packed


def test_only_chapters_are_read_each_once_and_none_outside(tmp_path: Path):
    package = """<package><manifest>
<item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="p" href="a.png" media-type="image/png"/>
<item id="b" href="../b.html" media-type=""/>
<item id="c" href="../../c.xhtml" media-type="application/xhtml+xml"/>
</manifest><spine><itemref idref="n"/><itemref idref="p"/><itemref idref="b"/><itemref idref="b"/>
<itemref idref="nowhere"/><itemref idref="c"/></spine></package>"""
    members = {"META-INF/container.xml": CONTAINER, "OEBPS/book.opf": package}
    found = units(tmp_path, zipped(members | {"b.html": xhtml(TATAR[:1])}))
    reasons = [(each.text, each.reason) for each in found]
    assert reasons[:2] == [("", "not_a_page"), (TATAR[0], "")]
    assert reasons[2:] == [("", "no_member"), ("", "unsafe_member")]


def test_plain_text_xml_a_fallback_and_a_place_in_a_member_are_read(tmp_path: Path):
    package = """<package><manifest><item id="a" href="a.txt" media-type="text/plain"/>
<item id="b" href="b.php" media-type="text/xml"/>
<item id="c" href="c.svg" media-type="image/svg+xml" fallback="d"/>
<item id="d" href="d.xhtml" media-type="application/xhtml+xml"/>
<item id="e" href="e.xhtml#x" media-type=""/><item id="f" href="e%23.xhtml#y" media-type=""/>
</manifest><spine><itemref idref="a"/><itemref idref="b"/><itemref idref="c"/>
<itemref idref="e"/><itemref idref="f"/></spine></package>"""
    members = {
        "META-INF/container.xml": BESIDE,
        "book.opf": package,
        "a.txt": TATAR[0],
        "b.php": f"<html><body><p>{TATAR[1]}</p></body></html>",
        "d.xhtml": xhtml(TATAR[2:3]),
        "e.xhtml": xhtml(TATAR[3:4]),
        "e#.xhtml": xhtml(TATAR[4:5]),
    }
    assert [each.text for each in units(tmp_path, zipped(members))] == TATAR[:5]
