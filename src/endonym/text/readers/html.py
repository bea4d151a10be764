"""Web pages (HTML): the main text of each file."""

from endonym.text.config import Source
from endonym.text.io.content import Content
from endonym.text.io.origin import Origin
from endonym.text.readers.parsed import Parser, Records, read_parsed

PARSER = Parser("endonym.text.parsers.html", "page", text_share=0.2)


def read_html(content: Content, origin: Origin, source: Source) -> Records:
    """The documents of such a file."""
    return read_parsed(content, origin, source, PARSER)
