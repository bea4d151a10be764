"""The paragraphs of Word files and OpenDocument texts; whole files are in readers."""

from made_documents import ODF, W
from text_samples import FRENCH, TATAR

from endonym.formats.parsers.bounded import xml_root
from endonym.formats.parsers.office import odt_paragraph, word_paragraphs


def paragraphs(xml: str) -> list[str]:
    return [*word_paragraphs(xml_root(xml.encode(), "a"))]


def run(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def test_moved_text_is_read_where_it_stands_now_and_a_moved_box_once():
    for inner in (
        f"<w:r><w:t>{TATAR[0]}</w:t></w:r>",
        f"<w:txbxContent>{run(TATAR[0])}</w:txbxContent>",
    ):
        old, new = (f"<w:p><w:{sign}>{inner}</w:{sign}></w:p>" for sign in ("moveFrom", "moveTo"))
        assert paragraphs(f"<w:body {W}>{old}{new}</w:body>") == [TATAR[0]]


def test_a_file_of_the_strict_form_is_read():
    strict = 'xmlns:w="http://purl.oclc.org/ooxml/wordprocessingml/main"'
    assert paragraphs(f"<w:body {strict}>{run(TATAR[1])}</w:body>") == [TATAR[1]]


def test_a_frame_in_a_paragraph_is_text_of_its_own_and_blanks_are_counted():
    frame = f"<draw:frame><draw:text-box><text:p>{FRENCH[0]}</text:p></draw:text-box></draw:frame>"
    for inner, text, n_inner in (
        (f" {frame}", "Le four", 1),
        ('<text:s text:c="3"/>', "Le   four", 0),
        ('<text:s text:c="x"/>', "Le four", 0),
        ("<text:s/>", "Le four", 0),
    ):
        xml = f"<text:p {ODF}>Le{inner}four</text:p>"
        found, frames = odt_paragraph(xml_root(xml.encode(), "a"))
        assert (found, len(frames)) == (text, n_inner)
