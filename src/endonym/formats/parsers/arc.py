"""Records of ARC, the form of web archives before WARC: a line that names each, then its bytes.

Source: Internet Archive, "ARC File Format", versions 1 and 2.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from endonym.formats.io.streams import Feed
from endonym.formats.parsers.unit import Refused

MAX_LINE_BYTES = 1 << 16
MIN_FIELDS, MAX_FIELDS = 5, 10


@dataclass(frozen=True, slots=True)
class ArcRecord:
    """Address, media type, date and content of a record; `size` may be more than the content."""

    url: str
    media_type: str
    date: str
    content: bytes
    size: int


def arc_records(feed: Feed, most: int) -> Iterator[ArcRecord]:
    """The records; of each, at most so many bytes. Raises Refused where they end early."""
    while line := next_line(feed):
        fields = line.split(b" ")
        if not MIN_FIELDS <= len(fields) <= MAX_FIELDS or not fields[-1].isdigit():
            raise Refused("damaged", "not a whole ARC: a record has no head")
        size = int(fields[-1])
        content = feed.read(min(size, most))
        if len(content) < min(size, most) or feed.skip(size - len(content)):
            raise Refused("truncated", "the archive ends early, within a record")
        url, _, date, media_type = (
            each.decode("utf-8", "replace") for each in (*fields[:3], fields[3])
        )
        yield ArcRecord(url, media_type, date, content, size)


def next_line(feed: Feed) -> bytes:
    """The next line that is not blank; empty at the end."""
    while head := feed.peek(MAX_LINE_BYTES):
        line, end, _ = head.partition(b"\n")
        if not end and len(head) >= MAX_LINE_BYTES:
            raise Refused("damaged", "not a whole ARC: a head without an end")
        feed.read(len(line) + len(end))
        if line.strip():
            return line.strip()
    return b""
