"""The parts of an e-book; whole files are in readers/test_epub.py."""

from pathlib import Path

from made_documents import epub, xhtml
from text_samples import TATAR, write

from endonym.text.parsers.epub import Item, spine, units
from endonym.text.parsers.xml import parsed

PACKAGE = """<package><manifest>
<item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="p" href="a.png" media-type="image/png"/>
<item id="a" href="%D3%99.xhtml#x" media-type="application/xhtml+xml"/>
<item id="b" href="../b.html" media-type=""/>
<item id="c" href="../../c.xhtml" media-type="application/xhtml+xml"/>
</manifest><spine><itemref idref="n"/><itemref idref="p"/><itemref idref="b"/><itemref idref="b"/>
<itemref idref="nowhere"/><itemref idref="c"/></spine></package>"""


def test_only_chapters_are_read_each_once_and_none_outside():
    found = list(spine(parsed(PACKAGE.encode(), "a"), "OEBPS", set()))
    assert found[0] == Item("b.html")
    assert [each.reason for each in found] == ["", "unsafe_member"]
    (locked, _) = spine(parsed(PACKAGE.encode(), "a"), "OEBPS", {"b.html"})
    assert locked.reason == "needs_password"


def test_units_begin_where_they_are_asked_to(tmp_path: Path):
    chapters = {f"{n}.xhtml": xhtml([each]) for n, each in enumerate(TATAR)}
    path = write(tmp_path, "a.epub", epub(chapters))
    assert [each.text for each in units(str(path), 5, {})] == TATAR[4:]
