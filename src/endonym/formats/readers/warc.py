"""Web archives (WARC, WET, ARC): a document is the main text of a page in it."""

from endonym.formats.config import Source
from endonym.formats.io.content import Content
from endonym.formats.io.origin import Origin
from endonym.formats.readers.parsed import Parser, Records, read_parsed

PARSER = Parser("endonym.formats.parsers.warc:warc_units", "page", text_share=0.1, unpacks=True)


def read_warc(content: Content, origin: Origin, source: Source) -> Records:
    """The documents of a web archive."""
    return read_parsed(content, origin, source, PARSER)
