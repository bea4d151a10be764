"""E-books (EPUB): a document is the whole book, or a chapter with document = "page"."""

from endonym.formats.config import Source
from endonym.formats.io.content import Content
from endonym.formats.io.origin import Origin
from endonym.formats.readers.parsed import Parser, Records, read_parsed

PARSER = Parser(
    "endonym.formats.parsers.epub:epub_units", "chapter", text_share=0.7, is_joined=True
)


def read_epub(content: Content, origin: Origin, source: Source) -> Records:
    """The documents of a book."""
    return read_parsed(content, origin, source, PARSER)
