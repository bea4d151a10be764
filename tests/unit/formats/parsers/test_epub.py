"""The parts of an e-book; whole files are in readers/test_epub.py."""

from pathlib import Path

from made_documents import CONTAINER, epub, xhtml, zipped
from text_samples import TATAR, write

from endonym.formats.parsers.epub import Item, epub_units, spine
from endonym.formats.parsers.xml import xml_root

PACKAGE = """<package><manifest>
<item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="p" href="a.png" media-type="image/png"/>
<item id="a" href="%D3%99.xhtml#x" media-type="application/xhtml+xml"/>
<item id="b" href="../b.html" media-type=""/>
<item id="c" href="../../c.xhtml" media-type="application/xhtml+xml"/>
</manifest><spine><itemref idref="n"/><itemref idref="p"/><itemref idref="b"/><itemref idref="b"/>
<itemref idref="nowhere"/><itemref idref="c"/></spine></package>"""


def test_only_chapters_are_read_each_once_and_none_outside():
    found = list(spine(xml_root(PACKAGE.encode(), "a"), "OEBPS", set()))
    assert found[1] == Item("b.html")
    reasons = [each.reason for each in found]
    assert reasons == ["not_a_page", "", "no_member", "unsafe_member"]
    (_, locked, *_) = spine(xml_root(PACKAGE.encode(), "a"), "OEBPS", {"b.html"})
    assert locked.reason == "needs_password"


def test_units_begin_where_they_are_asked_to(tmp_path: Path):
    chapters = {f"{n}.xhtml": xhtml([each]) for n, each in enumerate(TATAR)}
    path = write(tmp_path, "a.epub", epub(chapters))
    assert [each.text for each in epub_units(str(path), 5, {})] == TATAR[4:]


def test_chapters_in_plain_text_and_xml_are_read_and_a_picture_by_its_fallback(tmp_path: Path):
    package = """<package><manifest><item id="a" href="a.txt" media-type="text/plain"/>
<item id="b" href="b.php" media-type="text/xml"/>
<item id="c" href="c.svg" media-type="image/svg+xml" fallback="d"/>
<item id="d" href="d.xhtml" media-type="application/xhtml+xml"/></manifest>
<spine><itemref idref="a"/><itemref idref="b"/><itemref idref="c"/></spine></package>"""
    found = [*spine(xml_root(package.encode(), "a"), "", set())]
    assert found == [Item("a.txt", is_plain=True), Item("b.php"), Item("d.xhtml")]
    members = {
        "META-INF/container.xml": CONTAINER.replace("OEBPS/", ""),
        "book.opf": package,
        "a.txt": TATAR[0],
        "b.php": f"<html><body><p>{TATAR[1]}</p></body></html>",
        "d.xhtml": xhtml(TATAR[2:3]),
    }
    path = write(tmp_path, "a.epub", zipped(members))
    assert [each.text for each in epub_units(str(path), 1, {})] == TATAR[:3]


def test_a_place_within_a_chapter_is_no_part_of_its_name(tmp_path: Path):
    package = """<package><manifest><item id="a" href="b.xhtml#x" media-type=""/>
<item id="b" href="b%23.xhtml#y" media-type="text/html"/></manifest>
<spine><itemref idref="a"/><itemref idref="b"/></spine></package>"""
    members = {
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": package,
        "OEBPS/b.xhtml": xhtml(TATAR[:1]),
        "OEBPS/b#.xhtml": xhtml(TATAR[1:2]),
    }
    path = write(tmp_path, "a.epub", zipped(members))
    found = [(each.text, each.reason) for each in epub_units(str(path), 1, {})]
    assert found == [(TATAR[0], ""), (TATAR[1], "")]
