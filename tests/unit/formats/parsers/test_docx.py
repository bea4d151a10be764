"""The paragraphs of a Word file; whole files are in readers/test_docx.py."""

from made_documents import W
from text_samples import TATAR

from endonym.formats.parsers.docx import paragraphs
from endonym.formats.parsers.xml import xml_root


def test_moved_text_is_read_where_it_stands_now():
    xml = (
        f"<w:body {W}><w:p><w:moveFrom><w:r><w:t>элек</w:t></w:r></w:moveFrom></w:p>"
        f"<w:p><w:moveTo><w:r><w:t>{TATAR[0]}</w:t></w:r></w:moveTo></w:p></w:body>"
    )
    assert list(paragraphs(xml_root(xml.encode(), "a"))) == [TATAR[0]]


def test_a_text_box_that_was_moved_is_read_once():
    box = f"<w:txbxContent><w:p><w:r><w:t>{TATAR[2]}</w:t></w:r></w:p></w:txbxContent>"
    moved = "".join(
        f"<w:p><w:{sign}><w:r><w:pict>{box}</w:pict></w:r></w:{sign}></w:p>"
        for sign in ("moveFrom", "moveTo")
    )
    xml = f"<w:body {W}>{moved}</w:body>"
    assert list(paragraphs(xml_root(xml.encode(), "a"))) == [TATAR[2]]


def test_a_file_of_the_strict_form_is_read():
    strict = 'xmlns:w="http://purl.oclc.org/ooxml/wordprocessingml/main"'
    xml = f"<w:body {strict}><w:p><w:r><w:t>{TATAR[1]}</w:t></w:r></w:p></w:body>"
    assert list(paragraphs(xml_root(xml.encode(), "a"))) == [TATAR[1]]
