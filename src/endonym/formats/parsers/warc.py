"""Web archives (WARC, WET, and the older ARC): one unit an answer, with the main text of a page.

Requests and notes of the crawler are no answers and are not numbered. In ARC a line names each
record, and its bytes follow (Internet Archive, "ARC File Format", versions 1 and 2).
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from endonym.formats.io.streams import Feed
from endonym.formats.parsers.bounded import Packed
from endonym.formats.parsers.html import decoded, page_meta, page_text, parsed
from endonym.formats.parsers.http import MAX_BODY_BYTES, answer
from endonym.formats.parsers.unit import Options, Refused, Unit

fastwarc: Any = importlib.import_module("fastwarc.warc")

MAX_LINE_BYTES = 1 << 16
MIN_FIELDS = 5
MAX_FIELDS = 10


class Record(NamedTuple):
    """An answer as the archive keeps it. size: of all its bytes; of one that is too long they are
    not all in `data`. content_type: what the archive says of it."""

    data: bytes
    size: int
    content_type: str
    meta: dict[str, str]


def arc_records(feed: Feed) -> Iterator[Record]:
    """The records of an ARC. Raises Refused where they end early."""
    while head := feed.peek(MAX_LINE_BYTES):
        line, end, _ = head.partition(b"\n")
        if not end and len(head) >= MAX_LINE_BYTES:
            raise Refused("damaged", "not a whole ARC: a head without an end")
        feed.read(len(line) + len(end))
        if not line.strip():
            continue
        fields = line.strip().split(b" ")
        if not MIN_FIELDS <= len(fields) <= MAX_FIELDS or not fields[-1].isdigit():
            raise Refused("damaged", "not a whole ARC: a record has no head")
        size = int(fields[-1])
        data = feed.read(min(size, MAX_BODY_BYTES))
        if len(data) < min(size, MAX_BODY_BYTES) or feed.skip(size - len(data)):
            raise Refused("truncated", "the archive ends early, within a record")
        url, _, date, kind = (field.decode("utf-8", "replace") for field in fields[:4])
        yield Record(data, size, kind, {"url": url, "date": date, "method": "arc"})


PAGES = ("text/html", "application/xhtml+xml")
GOOD = (0, 200, 203)
RECORDS_A_TICK = 100
HEAD_BYTES = 256


def warc_units(path: str, start: int, options: Options) -> Iterator[Unit | None]:
    """The answers from number `start` on. The call opens the file.

    So what fails there is a failure of the whole file, and not of a unit.
    """
    units = opened_units(path, start, options)
    next(units)
    return units


def opened_units(path: str, start: int, options: Options) -> Iterator[Unit | None]:
    """None when the file is open, and then the answers."""
    with Path(path).open("rb") as file:
        packed = Packed(file, path)
        feed = Feed(packed.pieces())
        is_arc = feed.peek(HEAD_BYTES).startswith(b"filedesc:")
        yield None
        if is_arc:
            yield from of_arc(feed, packed, start, options)
        elif packed.compression in ("bzip2", "xz"):  # fastwarc unpacks others, record by record
            yield from of_warc(Unpacked(feed), packed, start, options)
        else:
            file.seek(0)
            yield from of_warc(file, None, start, options)


class Unpacked:
    """A file for fastwarc, unpacked on the way. Raises Refused where it is damaged."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.at = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most so many."""
        data = self.feed.take(size)
        self.at += len(data)
        return data

    def tell(self) -> int:
        """How many bytes were read."""
        return self.at


def of_warc(
    file: BinaryIO | Unpacked, packed: Packed | None, start: int, options: Options
) -> Iterator[Unit | None]:
    """The answers of a WARC. Raises Refused where it ends early or is damaged."""
    kinds = fastwarc.WarcRecordType
    meant = kinds.response | kinds.resource | kinds.conversion
    number = last_position = 0
    try:
        for record in fastwarc.ArchiveIterator(file, parse_http=False, record_types=meant):
            headers = record.headers
            size = record.content_length
            if headers.get("Content-Length") is None:
                raise Refused("truncated", "the archive ends early, in the head of a record")
            number += 1
            if number < start:
                if number % RECORDS_A_TICK == 0:
                    yield None
                continue
            position = packed.consumed if packed is not None else file.tell()
            raw_bytes = position - last_position
            last_position = position
            url = headers.get("WARC-Target-URI") or ""
            meta = {"url": url, "date": headers.get("WARC-Date") or "", "method": "warc"}
            data = record.reader.read(size) if 0 < size <= MAX_BODY_BYTES else b""
            content_type = headers.get("Content-Type") or ""
            yield answer_unit(Record(data, size, content_type, meta), number, raw_bytes, options)
    except OSError as error:
        what = str(error).splitlines()[0][:100] if str(error) else "it cannot be read on"
        raise Refused("truncated", f"the archive ends early, or is damaged: {what}") from error
    if number == 0 and start == 1:
        raise Refused("no_text", "no text: the archive has no answer of a server")


def of_arc(feed: Feed, packed: Packed, start: int, options: Options) -> Iterator[Unit | None]:
    """The answers of an ARC. Raises Refused where it ends early or is damaged."""
    answers = (each for each in arc_records(feed) if not each.meta["url"].startswith("filedesc:"))
    for number, record in enumerate(answers, 1):
        yield answer_unit(record, number, packed.newly(), options) if number >= start else None


def answer_unit(record: Record, number: int, raw_bytes: int, options: Options) -> Unit:
    """An answer as a unit: the main text, if it is a page."""
    if record.size > MAX_BODY_BYTES:
        detail = f"{record.size:,} bytes; a page may have {MAX_BODY_BYTES >> 20} MiB"
        return Unit(number, raw_bytes=raw_bytes, reason="too_long", detail=detail)
    try:
        text, meta = answer_text(record, options)
    except Refused as refusal:
        detail = f"{record.meta['url'][:80]}: {refusal.detail}"
        return Unit(number, raw_bytes=raw_bytes, reason=refusal.reason, detail=detail)
    return Unit(number, text, meta, raw_bytes)


def answer_text(record: Record, options: Options) -> tuple[str, dict[str, str]]:
    """The main text of a page, or a plain text, and what is said of it. Raises Refused."""
    if len(record.data) < record.size:
        raise Refused("truncated", "it ends early")
    found = answer(record.data, record.content_type)
    if found.status not in GOOD:
        raise Refused("not_a_page", f"the server answered {found.status}")
    if found.media_type not in (*PAGES, "text/plain"):
        raise Refused("not_a_page", f"{found.media_type[:40] or 'of no known kind'}, not a page")
    recipe_encoding = options.get("encoding")
    script = options.get("script")
    text, encoding = decoded(found.body, found.charset, recipe_encoding, script)
    if found.is_cut:
        raise Refused("truncated", "its body ends early")
    meta = {key: value[:300] for key, value in record.meta.items() if value}
    if encoding != "utf-8":
        meta["encoding"] = encoding
    if found.media_type in PAGES:
        page = parsed(text)
        return page_text(page), page_meta(page) | meta
    return text.strip(), meta
