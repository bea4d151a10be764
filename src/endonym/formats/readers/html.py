"""Web pages (HTML): the main text of each file."""

from endonym.formats.config import Source
from endonym.formats.io.content import Content
from endonym.formats.io.origin import Origin
from endonym.formats.readers.parsed import Parser, Records, read_parsed

PARSER = Parser("endonym.formats.parsers.html:html_units", "page", text_share=0.2)


def read_html(content: Content, origin: Origin, source: Source) -> Records:
    """The documents of such a file."""
    return read_parsed(content, origin, source, PARSER)
