"""The paragraphs of an OpenDocument text; whole files are in readers/test_odt.py."""

from made_documents import ODF
from text_samples import FRENCH

from endonym.formats.parsers.odt import paragraph, sign
from endonym.formats.parsers.xml import xml_root


def test_a_frame_in_a_paragraph_is_text_of_its_own():
    xml = (
        f"<text:p {ODF}>Le <draw:frame><draw:text-box><text:p>{FRENCH[0]}</text:p>"
        "</draw:text-box></draw:frame>four</text:p>"
    )
    text, inner = paragraph(xml_root(xml.encode(), "a"))
    assert text == "Le four"
    assert len(inner) == 1


def test_blanks_are_counted_and_a_count_that_is_none_is_one():
    element = xml_root(f'<text:s {ODF} text:c="3"/>'.encode(), "a")
    assert sign(element, "s") == "   "
    element = xml_root(f'<text:s {ODF} text:c="x"/>'.encode(), "a")
    assert sign(element, "s") == " "
    assert sign(element, "span") == ""
