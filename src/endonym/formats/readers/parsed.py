"""Documents from the units of a parser: whole files, or their parts, paragraphs or lines."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import regex

from endonym.formats import isolation
from endonym.formats.config import Source
from endonym.formats.document import Document, Reject
from endonym.formats.io.content import Content, Unusable
from endonym.formats.io.origin import MAX_DOCUMENT_BYTES, SHOWN_CHARS, Origin, too_long
from endonym.formats.isolation import LIMITS, Limits
from endonym.formats.pages.margins import NOTE
from endonym.formats.parsers.unit import Options, Unit
from endonym.formats.readers.other_kinds import told, unusable
from endonym.formats.readers.plain import VISIBLE
from endonym.formats.reasons import is_unreadable

Records = Iterator[Document | Reject]

BETWEEN = "\n\n"
"""Stands between paragraphs."""
EMPTY_LINES = (regex.compile(r"\n[^\S\n]*\n\s*"), regex.compile(r"\n(?:[^\S\n]*\n){2,}\s*"))


@dataclass(frozen=True, slots=True)
class Parser:
    """How a format is parsed.

    function: its parser, as "module:function". what: a unit in words. text_share: about how much of
    a file's bytes is text, by which one that cannot be read is counted. is_joined: the units of a
    file are one text. unpacks: the parser reads compressed files itself.
    """

    function: str
    what: str
    text_share: float
    is_joined: bool = False
    unpacks: bool = False
    limits: Limits = LIMITS


def read_parsed(content: Content, origin: Origin, source: Source, parser: Parser) -> Records:
    """The documents of a file, by its parser."""

    def read(path: Path) -> Records:
        options = {"encoding": source.encoding, "script": source.script}
        units = units_of(path, content, origin, parser, options=options)
        return documents(units, origin, source, parser)

    return on_disk(content, origin, parser, read)


def on_disk(
    content: Content, origin: Origin, parser: Parser, read: Callable[[Path], Records]
) -> Records:
    """What `read` makes of the file on disk; a reject if its bytes cannot be had as a whole."""
    try:
        with content.on_disk(packed=parser.unpacks) as path:
            yield from told(read(path), path, origin)
    except Unusable as error:
        yield unusable(error.damage, origin)


def units_of(
    path: Path, content: Content, origin: Origin, parser: Parser, *, options: Options
) -> Iterator[Unit | Reject]:
    """The units of a file with text; a reject for each without."""
    tally, size = Tally(origin, parser, content.raw_bytes), path.stat().st_size
    for unit in isolation.parsed_units(
        parser.function, path, options, raw_bytes=size, limits=parser.limits
    ):
        # Bytes of a temporary file stand for fewer of the raw file.
        raw_bytes = unit.raw_bytes * content.raw_bytes // max(1, size)
        if path == content.path:
            content.advance(raw_bytes)
        yield tally.taken(replace(unit, raw_bytes=raw_bytes))


@dataclass(slots=True)
class Tally:
    """What was read of a file, by which a unit that fails is counted.

    Bytes that are lost are compared with bytes of text, so they are counted as about as many bytes
    as text would have had there.
    """

    origin: Origin
    parser: Parser
    size: int
    used: int = 0
    texts: int = 0
    text_bytes: int = 0

    def taken(self, unit: Unit) -> Unit | Reject:
        """The unit if it has text; else a reject."""
        self.used += unit.raw_bytes
        if not unit.reason and VISIBLE.search(unit.text):
            self.texts += 1
            self.text_bytes += len(unit.text) * 2
            return unit
        reason, detail = unit.reason, unit.detail
        if not reason and unit.data is None:
            reason, detail = "blank", f"this {self.parser.what} has no text"
        if not reason:
            return unit
        size, number = unit.raw_bytes, unit.number or None
        if is_unreadable(reason):
            size = self.lost(unit.number)
        shown = unit.text[:SHOWN_CHARS].encode()
        return self.origin.reject(reason, detail, record=number, raw=shown, raw_bytes=size)

    def lost(self, number: int) -> int:
        """About how many bytes of text a unit would have had, or the rest of the file."""
        rest = int(max(0, self.size - self.used) * self.parser.text_share)
        usual = self.text_bytes // self.texts if self.texts else rest
        return max(1, rest if number == 0 else min(usual, rest) or usual)


def documents(
    found: Iterable[Unit | Reject], origin: Origin, source: Source, parser: Parser
) -> Records:
    """The documents that the recipe asks for, in order, and the rejects among them."""
    if parser.is_joined and source.document != "page":
        whole = Whole()
        for each in found:
            if isinstance(each, Reject):
                yield each
            else:
                whole.add(each)
        found = whole.unit(parser)
    for each in found:
        if isinstance(each, Reject):
            yield each
        else:
            yield from pieces(each, origin, source)


@dataclass(slots=True)
class Whole:
    """The units of a file that are one text."""

    texts: list[str] = field(default_factory=list[str])
    meta: dict[str, str] = field(default_factory=dict[str, str])
    methods: dict[str, None] = field(default_factory=dict[str, None])
    units: int = 0
    running_lines: int = 0
    size: int = 0
    raw_bytes: int = 0

    def add(self, unit: Unit) -> None:
        """Add a unit; above the limit only the size is kept."""
        self.units += 1
        self.raw_bytes += unit.raw_bytes
        self.size += len(unit.text.encode())
        self.running_lines += int(unit.meta.get(NOTE, 0))
        self.meta = self.meta or unit.meta
        self.methods[unit.meta.get("method", "")] = None
        self.texts.append(unit.text)
        if self.size > MAX_DOCUMENT_BYTES:
            self.texts = []

    def unit(self, parser: Parser) -> Iterator[Unit]:
        """The whole text as one unit, if there is any."""
        if not self.units:
            return
        meta = {key: value for key, value in self.meta.items() if key not in ("part", "page")}
        meta |= {f"{parser.what}s": str(self.units), "method": "+".join(self.methods)}
        if self.running_lines:
            meta[NOTE] = str(self.running_lines)
        reason = "too_long" if self.size > MAX_DOCUMENT_BYTES else ""
        detail = too_long(self.size, '"page"') if reason else ""
        yield Unit(1, BETWEEN.join(self.texts), meta, self.raw_bytes, reason, detail)


def pieces(unit: Unit, origin: Origin, source: Source) -> Records:
    """A unit as one document, or as its paragraphs or lines, numbered 3.1, 3.2 …"""
    if unit.reason:
        raw_bytes = unit.raw_bytes
        yield origin.reject(unit.reason, unit.detail, record=unit.number, raw_bytes=raw_bytes)
        return
    if source.document in ("file", "page"):
        yield origin.document(unit.number, unit.text, raw_bytes=unit.raw_bytes, meta=unit.meta)
        return
    if source.document == "line":
        texts = unit.text.split("\n")
    else:
        texts = EMPTY_LINES[source.blank_lines - 1].split(unit.text)
    share = unit.raw_bytes / max(1, len(unit.text))
    for number, text in enumerate(texts, 1):
        if VISIBLE.search(text):
            size = int(share * len(text))
            yield origin.document(f"{unit.number}.{number}", text, raw_bytes=size, meta=unit.meta)
