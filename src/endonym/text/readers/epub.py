"""E-books (EPUB): a document is the whole book, or a chapter with document = "page"."""

from endonym.text.config import Source
from endonym.text.io.content import Content
from endonym.text.io.origin import Origin
from endonym.text.readers.parsed import Parser, Records, read_parsed

PARSER = Parser("endonym.text.parsers.epub", "chapter", text_share=0.7, is_joined=True)


def read_epub(content: Content, origin: Origin, source: Source) -> Records:
    """The documents of a book."""
    return read_parsed(content, origin, source, PARSER)
