"""Word files (DOCX): the text of each file."""

from endonym.text.config import Source
from endonym.text.io.content import Content
from endonym.text.io.origin import Origin
from endonym.text.readers.parsed import Parser, Records, read_parsed

PARSER = Parser("endonym.text.parsers.docx", "text", text_share=0.3)


def read_docx(content: Content, origin: Origin, source: Source) -> Records:
    """The documents of such a file."""
    return read_parsed(content, origin, source, PARSER)
