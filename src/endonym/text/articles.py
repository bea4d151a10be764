"""Which article each sentence of the Leipzig corpora is from.

The sentences of an archive are shuffled, but a table beside them, `NAME-inv_so.txt`, has a line for
each sentence whose source is known: the number of the source, a tab, the number of the sentence.
With it the split keeps the sentences of an article together (text/split.py). A table that cannot be
read says nothing.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePosixPath
from typing import BinaryIO

import numpy as np

from endonym.text.config import Source
from endonym.text.document import ARTICLE, Document, Reject
from endonym.text.files import RawFile
from endonym.text.io.formats import COMPRESSIONS, FileFormat, file_format
from endonym.text.io.streams import Damage, Expansion, Stream, plain, unpacked
from endonym.text.readers.archives import Member, zip_members
from endonym.text.readers.tar import tar_members

SENTENCES, TABLE = "-sentences.txt", "-inv_so.txt"
MOST_BYTES = 256 << 20
"""A larger table is not read; that of a million sentences has about 14 MB."""
MOST_SENTENCES = 100_000_000
ROW = re.compile(rb"^(\d{1,9})\t(\d{1,9})\s*$", re.MULTILINE)

Articles = np.ndarray[tuple[int], np.dtype[np.int32]]
"""The number of the source of each sentence, by the sentence's number; 0 if there is none."""


def with_articles(
    records: Iterator[Document | Reject], file: RawFile, source: Source
) -> Iterator[Document | Reject]:
    """The same records; of each sentence whose article is known, it stands in the notes."""
    known: dict[str, Articles] = {}
    for record in records:
        member, _, number = record.id.rpartition("#")
        if isinstance(record, Document) and (name := corpus_name(member)):
            if name not in known:
                known[name] = articles(file, name, source)
            own = record.meta.get("id", number)
            sentence = int(own) if own.isdecimal() else 0
            if 0 < sentence < len(known[name]) and (found := int(known[name][sentence])):
                article = f"{PurePosixPath(name).name}#{found}"
                record = replace(record, meta={**record.meta, ARTICLE: article})
        yield record


def corpus_name(member: str) -> str:
    """The name of a corpus of which a file or a member holds the sentences; empty if of none."""
    for extension in COMPRESSIONS:
        member = member.removesuffix(extension)
    return member.removesuffix(SENTENCES) if member.endswith(SENTENCES) else ""


def articles(file: RawFile, name: str, source: Source) -> Articles:
    """The articles of a corpus's sentences: from the archive, or from the file beside them."""
    kind = file_format(file.path.name, source)
    data = b""
    with suppress(OSError):
        if kind.archive:
            wanted = name.removeprefix(f"{file.name}/") + TABLE
            with file.path.open("rb") as raw:
                data = member_bytes(raw, kind, wanted, file.path.stat().st_size)
        else:
            beside = file.path.with_name(file.path.name.replace(SENTENCES, TABLE))
            if beside != file.path and beside.is_file():
                with beside.open("rb") as raw:
                    compression = file_format(beside.name, source).compression
                    data = whole(opened(raw, compression, beside.stat().st_size))
    return numbered(data)


def opened(raw: BinaryIO, compression: str, size: int) -> Stream:
    """A file as a stream, decompressed within the limits of any raw file."""
    stream = plain(raw)
    return Expansion(size).bounded(unpacked(stream, compression)) if compression else stream


def member_bytes(raw: BinaryIO, kind: FileFormat, wanted: str, size: int) -> bytes:
    """The content of a member of an archive; empty if it is not there or is damaged."""
    if kind.archive == "zip":
        members = zip_members(raw)
    else:
        members = tar_members(opened(raw, kind.compression, size))
    for member in members:
        if isinstance(member, Member) and member.name == wanted and not member.problem:
            return whole(member.stream)
    return b""


def whole(stream: Stream) -> bytes:
    """All bytes of a stream; empty if it is damaged or too long."""
    pieces: list[bytes] = []
    size = 0
    for piece in stream:
        size += 0 if isinstance(piece, Damage) else len(piece)
        if isinstance(piece, Damage) or size > MOST_BYTES:
            return b""
        pieces.append(piece)
    return b"".join(pieces)


def numbered(table: bytes) -> Articles:
    """A table as an array; of a sentence in several sources the first counts."""
    rows = np.array(ROW.findall(table), dtype="S9").astype(np.int64).reshape(-1, 2)
    rows = rows[(rows[:, 1] > 0) & (rows[:, 1] < MOST_SENTENCES)]
    found = np.zeros(int(rows[:, 1].max(initial=0)) + 1, dtype=np.int32)
    found[rows[::-1, 1]] = rows[::-1, 0]
    return found
