"""Sentences of the Leipzig corpora: lines of a number, a tab, and the sentence.

Files are known by their names, which end with `-sentences.txt`.
"""

from collections.abc import Iterator

import regex

from endonym.formats.config import Source
from endonym.formats.document import Document, Reject
from endonym.formats.io.encoding import utf8_stream
from endonym.formats.io.lines import readable_lines
from endonym.formats.io.origin import Origin
from endonym.formats.io.streams import Stream
from endonym.formats.readers.plain import VISIBLE

SENTENCE = regex.compile(r"\s*(\d{1,18})\t([^\t]*)(\t.*)?")


def read_leipzig(stream: Stream, origin: Origin, source: Source) -> Iterator[Document | Reject]:
    """One document per sentence; its own number is in `meta`, as `id`."""
    encoding, stream = utf8_stream(stream, source.encoding, source.script)
    meta = {} if encoding in ("utf-8", "") else {"encoding": encoding}
    for item in readable_lines(stream, origin, encoding):
        if isinstance(item, Reject):
            yield item
            continue
        record, line = item
        if not VISIBLE.search(line):
            continue
        raw, found = line.encode(), SENTENCE.fullmatch(line)
        if found is None:
            detail = f"line {record} is not a number, a tab and a sentence"
            yield origin.reject("bad_row", detail, record=record, raw=raw)
        elif not VISIBLE.search(found[2]):
            detail = f"line {record} has a number and no sentence"
            yield origin.reject("bad_row", detail, record=record, raw=raw)
        else:
            own = meta | {"id": found[1]}
            yield origin.document(record, found[2], raw_bytes=len(raw), meta=own)
