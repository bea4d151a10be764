"""Dumps of MediaWiki: a document is an article."""

from endonym.formats.config import Source
from endonym.formats.io.content import Content
from endonym.formats.io.origin import Origin
from endonym.formats.readers.parsed import Parser, Records, read_parsed

PARSER = Parser("endonym.formats.parsers.wiki:wiki_units", "article", text_share=0.4, unpacks=True)


def read_wiki(content: Content, origin: Origin, source: Source) -> Records:
    """The documents of a dump."""
    return read_parsed(content, origin, source, PARSER)
