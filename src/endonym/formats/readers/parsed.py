"""Documents from the units of a parser: whole files, or their parts, paragraphs or lines."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import regex

from endonym.formats import isolation
from endonym.formats.config import Source
from endonym.formats.document import SHOWN_CHARS, Document, Records, Reject
from endonym.formats.io.content import MAX_DOCUMENT_BYTES, Content, Origin, too_long
from endonym.formats.io.formats import FORMAT_TABLES, PARSED
from endonym.formats.pages.margins import RUNNING_LINES
from endonym.formats.parsers.unit import Options, Unit
from endonym.formats.readers.other_kinds import records_on_disk
from endonym.formats.readers.plain import VISIBLE, Block, block_documents
from endonym.formats.reasons import is_unreadable

BETWEEN = "\n\n"
"""Stands between paragraphs."""
LOCK = "~$"
LOCK_BYTES = 400
"""How the names of the files begin in which Word notes who has a document open, and the most bytes
that they have: 162."""
EMPTY_LINES = (regex.compile(r"\n[^\S\n]*\n\s*"), regex.compile(r"\n(?:[^\S\n]*\n){2,}\s*"))


class Parser(NamedTuple):
    """How a format is parsed: see `io/formats.toml`."""

    function: str
    what: str
    text_share: float
    is_joined: bool = False
    unpacks: bool = False


Units = Iterator[Unit | Reject]
"""The units of a file with text, and why others have none."""

PARSERS = {name: Parser(**FORMAT_TABLES[name]["parser"]) for name in PARSED}
"""By format."""


def read_parsed(content: Content, origin: Origin, source: Source, parser: Parser) -> Records:
    """The documents of a file, by its parser."""

    def read(path: Path) -> Records:
        options = {"encoding": source.encoding, "script": source.script}
        units = units_of(path, content, origin, parser, options=options)
        return documents(units, origin, source, parser)

    return records_on_disk(content, origin, read, packed=parser.unpacks)


def read_docx(content: Content, origin: Origin, source: Source) -> Records:
    """The documents of a Word file."""
    if PurePosixPath(origin.name).name.startswith(LOCK) and origin.raw_bytes < LOCK_BYTES:
        return iter([origin.whole_file("unsupported_format", "a lock file of Word, no document")])
    return read_parsed(content, origin, source, PARSERS["docx"])


def units_of(
    path: Path, content: Content, origin: Origin, parser: Parser, *, options: Options
) -> Units:
    """The units of a file with text; a reject for each without.

    Bytes that are lost are compared with bytes of text, so they are counted as about as many bytes
    as text would have had there.
    """
    size = path.stat().st_size  # bytes of the file
    used = 0  # bytes of the units so far
    text_sizes = list[int]()
    for unit in isolation.parsed_units(parser.function, path, options, raw_bytes=size):
        # Bytes of a temporary file stand for fewer of the raw file.
        raw_bytes = unit.raw_bytes * content.raw_bytes // max(1, size)
        used += raw_bytes
        if path == content.path:
            content.advance(raw_bytes)
        if not unit.reason and VISIBLE.search(unit.text):
            text_sizes.append(len(unit.text) * 2)
        elif not unit.reason and unit.data is None:
            unit = replace(unit, reason="blank", detail=f"this {parser.what} has no text")
        if not unit.reason:
            yield replace(unit, raw_bytes=raw_bytes)
            continue
        if is_unreadable(unit.reason):
            rest = int(max(0, content.raw_bytes - used) * parser.text_share)
            usual = sum(text_sizes) // len(text_sizes) if text_sizes else rest
            # The number 0 stands for the rest of the file.
            raw_bytes = max(1, rest if unit.number == 0 else min(usual, rest) or usual)
        shown = unit.text[:SHOWN_CHARS].encode()
        number = unit.number or None
        yield origin.reject(unit.reason, unit.detail, record=number, raw=shown, raw_bytes=raw_bytes)


def documents(units: Units, origin: Origin, source: Source, parser: Parser) -> Records:
    """The documents that the recipe asks for, in order, and the rejects among them."""
    if source.document == "part":
        yield from in_parts(units, origin, source)
        return
    if parser.is_joined and source.document != "page":
        units = as_one_unit(units, origin, parser)
    for unit in units:
        if isinstance(unit, Reject):
            yield unit
        else:
            yield from divided(unit, origin, source)


def in_parts(units: Units, origin: Origin, source: Source) -> Records:
    """The parts of a file, over its pages or chapters, and the rejects among them."""
    block = Block(origin, {}, source)
    raw_bytes = 0
    text_bytes = 0

    def lines() -> Iterator[tuple[int, str] | Reject]:
        nonlocal raw_bytes, text_bytes
        for unit in units:
            if isinstance(unit, Reject):
                yield unit
                continue
            block.meta = unit.meta
            raw_bytes += unit.raw_bytes
            text_bytes += len(unit.text.encode())
            yield from enumerate((*unit.text.split("\n"), ""))

    for each in block_documents(lines(), block):
        if isinstance(each, Document):
            each = replace(each, raw_bytes=each.raw_bytes * raw_bytes // max(1, text_bytes))
        yield each


def as_one_unit(units: Units, origin: Origin, parser: Parser) -> Units:
    """The rejects among the units, then the texts of the others as one unit, if there are any."""
    texts = list[str]()
    metas = list[dict[str, str]]()
    size = raw_bytes = 0
    for unit in units:
        if isinstance(unit, Reject):
            yield unit
            continue
        raw_bytes += unit.raw_bytes
        size += len(unit.text.encode())
        metas.append(unit.meta)
        texts.append(unit.text)
        if size > MAX_DOCUMENT_BYTES:
            texts.clear()
    if size > MAX_DOCUMENT_BYTES:
        yield origin.reject("too_long", too_long(size, '"page"'), record=1, raw_bytes=raw_bytes)
    elif metas:
        methods = dict.fromkeys(meta.get("method", "") for meta in metas)
        first = next(filter(None, metas), {})
        meta = {key: value for key, value in first.items() if key not in ("part", "page")}
        meta |= {f"{parser.what}s": str(len(metas)), "method": "+".join(methods)}
        if count := sum(int(each.get(RUNNING_LINES, 0)) for each in metas):
            meta[RUNNING_LINES] = str(count)
        yield Unit(1, BETWEEN.join(texts), meta, raw_bytes)


def divided(unit: Unit, origin: Origin, source: Source) -> Records:
    """A unit as one document, or as its paragraphs or lines, numbered 3.1, 3.2 …"""
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
