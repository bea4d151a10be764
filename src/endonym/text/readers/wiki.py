"""Dumps of MediaWiki: a document is an article."""

from endonym.text.config import Source
from endonym.text.io.content import Content
from endonym.text.io.origin import Origin
from endonym.text.readers.parsed import Parser, Records, read_parsed

PARSER = Parser("endonym.text.parsers.wiki", "article", text_share=0.4, unpacks=True)


def read_wiki(content: Content, origin: Origin, source: Source) -> Records:
    """The documents of a dump."""
    return read_parsed(content, origin, source, PARSER)
