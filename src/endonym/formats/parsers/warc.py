"""Web archives (WARC, WET, and the older ARC): one unit an answer, with the main text of a page.

Requests and notes of the crawler are no answers and are not numbered.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from endonym.formats.io.streams import Feed
from endonym.formats.parsers.arc import arc_records
from endonym.formats.parsers.http import MAX_BODY_BYTES, Answer, Bomb, answer, media
from endonym.formats.parsers.markup import decoded, page_meta, page_text
from endonym.formats.parsers.packed import Packed, closing
from endonym.formats.parsers.unit import Options, Refused, Unit

PAGES = ("text/html", "application/xhtml+xml")
GOOD = (0, 200, 203)
RECORDS_A_TICK = 100
HEAD_BYTES = 256


def warc_units(path: str, start: int, options: Options) -> Iterator[Unit | None]:
    """The answers from number `start` on."""
    importlib.import_module("fastwarc.warc")  # missing, it should be so before the first page
    file = Path(path).open("rb")  # noqa: SIM115 - the iterator closes it
    packed = Packed(file, path)
    feed = Feed(packed.pieces())
    if feed.peek(HEAD_BYTES).startswith(b"filedesc:"):
        return closing(file, of_arc(feed, packed, start, options))
    if packed.compression in ("bzip2", "xz"):  # fastwarc unpacks the others, record by record
        return closing(file, of_warc(Unpacked(feed), packed, start, options))
    file.seek(0)
    return closing(file, of_warc(file, None, start, options))


class Unpacked:
    """A file for fastwarc, unpacked on the way. Raises Refused where it is damaged."""

    def __init__(self, feed: Feed) -> None:
        self.feed, self.at = feed, 0

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
    fastwarc: Any = importlib.import_module("fastwarc.warc")
    kinds = fastwarc.WarcRecordType
    meant = kinds.response | kinds.resource | kinds.conversion
    number = told = 0
    try:
        for record in fastwarc.ArchiveIterator(file, parse_http=False, record_types=meant):
            if record.headers.get("Content-Length") is None:
                raise Refused("truncated", "the archive ends early, in the head of a record")
            number += 1
            if number < start:
                if number % RECORDS_A_TICK == 0:
                    yield None
                continue
            now = packed.consumed if packed is not None else file.tell()
            raw_bytes, told = now - told, now
            yield warc_unit(record, number, raw_bytes, options)
    except OSError as error:
        what = str(error).splitlines()[0][:100] if str(error) else "it cannot be read on"
        raise Refused("truncated", f"the archive ends early, or is damaged: {what}") from error
    if number == 0 and start == 1:
        raise Refused("no_text", "no text: the archive has no answer of a server")


def warc_unit(record: Any, number: int, raw_bytes: int, options: Options) -> Unit:
    """A record as a unit."""
    url = record.headers.get("WARC-Target-URI") or ""
    size = record.content_length
    if size > MAX_BODY_BYTES:
        detail = f"{size:,} bytes; a page may have {MAX_BODY_BYTES >> 20} MiB"
        return Unit(number, "", {}, raw_bytes, "too_long", detail)
    data = record.reader.read(size) if size else b""
    if len(data) < size:
        return Unit(number, "", {}, raw_bytes, "truncated", f"{url[:80]}: it ends early")
    meta = {"url": url, "date": record.headers.get("WARC-Date") or "", "method": "warc"}
    kind, charset = media(record.headers.get("Content-Type") or "")
    return unit_of(data, number, meta, raw_bytes, kind=(kind, charset), options=options)


def of_arc(feed: Feed, packed: Packed, start: int, options: Options) -> Iterator[Unit | None]:
    """The answers of an ARC."""
    number = 0
    for record in arc_records(feed, MAX_BODY_BYTES):
        if record.url.startswith("filedesc:"):
            continue
        number += 1
        if number < start:
            yield None
        elif record.size > MAX_BODY_BYTES:
            detail = f"{record.size:,} bytes; a page may have {MAX_BODY_BYTES >> 20} MiB"
            yield Unit(number, "", {}, packed.newly(), "too_long", detail)
        else:
            meta = {"url": record.url, "date": record.date, "method": "arc"}
            kind = media(record.media_type)
            yield unit_of(record.content, number, meta, packed.newly(), kind=kind, options=options)


def unit_of(
    data: bytes,
    number: int,
    meta: dict[str, str],
    raw_bytes: int,
    *,
    kind: tuple[str, str],
    options: Options,
) -> Unit:
    """An answer as a unit: the main text, if it is a page. kind: what the archive says of it."""
    shown = meta["url"][:80]
    try:
        found = answer(data)
        if not data.startswith(b"HTTP/"):
            found = Answer(0, *kind, data)
        if found.status not in GOOD:
            detail = f"{shown}: the server answered {found.status}"
            return Unit(number, "", {}, raw_bytes, "not_a_page", detail)
        if found.media_type not in (*PAGES, "text/plain"):
            detail = f"{shown}: {found.media_type[:40] or 'of no known kind'}, not a page"
            return Unit(number, "", {}, raw_bytes, "not_a_page", detail)
        given, script = options.get("encoding"), options.get("script")
        text, encoding = decoded(found.body, found.charset, given, script)
    except Bomb as bomb:
        return Unit(number, "", {}, raw_bytes, "bomb", f"{shown}: {bomb}")
    except Refused as refusal:
        return Unit(number, "", {}, raw_bytes, refusal.reason, f"{shown}: {refusal.detail}")
    if found.is_cut:
        return Unit(number, "", {}, raw_bytes, "truncated", f"{shown}: its body ends early")
    meta = {key: value[:300] for key, value in meta.items() if value}
    if encoding != "utf-8":
        meta["encoding"] = encoding
    if found.media_type in PAGES:
        return Unit(number, page_text(text), page_meta(text) | meta, raw_bytes)
    return Unit(number, text.strip(), meta, raw_bytes)
