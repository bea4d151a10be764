"""Word files (DOCX): the text of each file."""

from pathlib import PurePosixPath

from endonym.formats.config import Source
from endonym.formats.io.content import Content
from endonym.formats.io.origin import Origin
from endonym.formats.readers.parsed import Parser, Records, read_parsed

LOCK, LOCK_BYTES = "~$", 400
"""How the names of the files begin in which Word notes who has a document open, and the most bytes
that they have: 162."""
PARSER = Parser("endonym.formats.parsers.docx:docx_units", "text", text_share=0.3)


def read_docx(content: Content, origin: Origin, source: Source) -> Records:
    """The documents of such a file."""
    if PurePosixPath(origin.name).name.startswith(LOCK) and origin.raw_bytes < LOCK_BYTES:
        return iter([origin.whole_file("unsupported_format", "a lock file of Word, no document")])
    return read_parsed(content, origin, source, PARSER)
