"""Which article each sentence of the Leipzig corpora is from.

The sentences of an archive are shuffled, but a table beside them, `NAME-inv_so.txt`, has a line for
each sentence whose source is known: the number of the source, a tab, the number of the sentence.
With it the split keeps the sentences of an article together (copies/held_out/split.py). A table
that cannot be read says nothing.
"""

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from endonym.formats.config import Source
from endonym.formats.document import ARTICLE, Document, Records
from endonym.formats.files import RawFile
from endonym.formats.io.archives import Member
from endonym.formats.io.formats import file_format, unpacked_name
from endonym.formats.io.streams import Damage, Expansion, Stream, uncompressed
from endonym.formats.readers.tar import archive_members

SENTENCES = "-sentences.txt"
TABLE = "-inv_so.txt"
MOST_BYTES = 256 << 20
"""A larger table is not read; that of a million sentences has about 14 MB."""
MOST_SENTENCES = 100_000_000
SPARSE = 10
"""A number of a sentence is larger than that of all rows by no more than this factor."""
PORTION_BYTES = 1 << 16
LONGEST_ROW = 1 << 16
"""In bytes; what has longer ones is no table."""
ROW = re.compile(rb"^(\d{1,9})\t(\d{1,9})\s*$", re.MULTILINE)

Rows = list[np.ndarray[tuple[int, int], np.dtype[np.int32]]]
"""The number of a source and of one of its sentences, of each row; in portions."""

Articles = np.ndarray[tuple[int], np.dtype[np.int32]]
"""The number of the source of each sentence, by the sentence's number; 0 if there is none."""


def with_articles(records: Records, file: RawFile, source: Source) -> Records:
    """The same records; the notes of a sentence name its article, if the table has it."""
    articles_of: dict[str, Articles] = {}  # by the name of the corpus
    for record in records:
        member, _, line_number = record.id.rpartition("#")
        if isinstance(record, Document) and (name := corpus_name(member)):
            if name not in articles_of:
                articles_of[name] = articles(file, name, source)
            sentence_id = record.meta.get("id", line_number)
            sentence = int(sentence_id) if sentence_id.isdecimal() else 0
            has_row = 0 < sentence < len(articles_of[name])
            if has_row and (article_number := int(articles_of[name][sentence])):
                article = f"{PurePosixPath(name).name}#{article_number}"
                record = replace(record, meta={**record.meta, ARTICLE: article})
        yield record


def corpus_name(member: str) -> str:
    """The name of a corpus of which a file or a member holds the sentences; empty if of none."""
    member = unpacked_name(member)
    return member.removesuffix(SENTENCES) if member.endswith(SENTENCES) else ""


def articles(file: RawFile, name: str, source: Source) -> Articles:
    """The articles of a corpus's sentences: from the archive, or from the file beside them."""
    kind = file_format(file.path.name, source)
    rows = Rows()
    with suppress(OSError):
        if kind.archive:
            table_name = name.removeprefix(f"{file.name}/") + TABLE
            with file.path.open("rb") as raw:
                members = archive_members(raw, kind, Expansion(file.path.stat().st_size))
                files = (each for each in members if isinstance(each, Member) and not each.problem)
                table = next((each for each in files if each.name == table_name), None)
                rows = rows if table is None else table_rows(table.stream)
        else:
            beside = file.path.with_name(file.path.name.replace(SENTENCES, TABLE))
            if beside != file.path and beside.is_file():
                with beside.open("rb") as raw:
                    compression = file_format(beside.name, source).compression
                    expansion = Expansion(beside.stat().st_size)
                    rows = table_rows(expansion.unpacked(uncompressed(raw), compression))
    return numbered(rows)


def table_rows(stream: Stream) -> Rows:
    """The rows of a table; none if it is damaged or too long. Eight bytes a row are in memory."""
    portions = Rows()
    size = 0
    rest = b""
    for piece in stream:
        size += 0 if isinstance(piece, Damage) else len(piece)
        if isinstance(piece, Damage) or size > MOST_BYTES or len(rest) > LONGEST_ROW:
            return []
        for first in range(0, len(piece), PORTION_BYTES):
            data = rest + piece[first : first + PORTION_BYTES]
            lines, end, rest = data.rpartition(b"\n")
            portions.append(parsed_rows(lines + end))
    return [*portions, parsed_rows(rest)]


def parsed_rows(lines: bytes) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    """The rows of whole lines; those of another form are left out."""
    return np.array(ROW.findall(lines), dtype="S9").astype(np.int32).reshape(-1, 2)


def numbered(rows: Rows) -> Articles:
    """The article of each sentence, by its number, from the rows of a table.

    Of a sentence in several articles the first counts.
    """
    most = min(MOST_SENTENCES, SPARSE * sum(map(len, rows)) + 1)
    is_valid = [(each[:, 1] > 0) & (each[:, 1] < most) for each in rows]
    largest = (int(each[v, 1].max(initial=0)) for each, v in zip(rows, is_valid, strict=True))
    found = np.zeros(max(largest, default=0) + 1, dtype=np.int32)
    # Backwards: the first row of a sentence is written last, and so it stays.
    for each, valid in zip(rows[::-1], is_valid[::-1], strict=True):
        sources, sentences = each[valid][::-1].T
        found[sentences] = sources
    return found
