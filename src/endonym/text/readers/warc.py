"""Web archives (WARC, WET, ARC): a document is the main text of a page in it."""

from endonym.text.config import Source
from endonym.text.io.content import Content
from endonym.text.io.origin import Origin
from endonym.text.readers.parsed import Parser, Records, read_parsed

PARSER = Parser("endonym.text.parsers.warc", "page", text_share=0.1, unpacks=True)


def read_warc(content: Content, origin: Origin, source: Source) -> Records:
    """The documents of a web archive."""
    return read_parsed(content, origin, source, PARSER)
