"""Files of conversations: JSON lines, JSON lists and tables, record by record."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as arrow
import pyarrow.parquet as parquet

from endonym.cleaning.normalize import composed
from endonym.data.conversations import (
    USUAL,
    Conversation,
    Message,
    Messages,
    Pair,
    Unfit,
    conversation_of,
    pair_of,
    written,
)
from endonym.errors import SourceError, first_line, printable
from endonym.formats.document import SHOWN_CHARS, Reject
from endonym.formats.files import RawFile, not_a_file, size_on_disk
from endonym.formats.io import streams
from endonym.formats.io.content import MAX_DOCUMENT_BYTES, Content, Origin
from endonym.formats.io.encoding import utf8_stream
from endonym.formats.io.formats import COMPRESSIONS, unpacked_name
from endonym.formats.io.lines import Lines, readable_lines
from endonym.formats.reader import no_access
from endonym.formats.readers.records import json_value, value_of
from endonym.formats.readers.tables import TableRow, broken_row, csv_rows, tsv_rows
from endonym.formats.reasons import in_words
from endonym.formats.source_errors import source_error
from endonym.log import counted, listed, number


class Record(NamedTuple):
    """A record, its id (`file#line`), the name of its source, and its raw text."""

    id: str
    source: str
    value: Any
    raw: str

    def reject(self, reason: str, detail: str) -> Reject:
        """Why it is left out."""
        size = len(self.raw.encode())
        return Reject(reason, self.id, self.source, detail, self.raw[:SHOWN_CHARS], size)


Records = Iterator[Record | Reject]


class ParsedRecord(NamedTuple):
    """What a record holds. before: the id of a record that says the same, if one stands before.

    several_answers: a question with another answer in a record before, and the beginnings of both.
    """

    record: Record
    value: Conversation | Pair
    before: str = ""
    several_answers: tuple[Messages, str] | None = None

    def copy(self) -> Reject:
        """Why a copy is left out."""
        return self.record.reject("duplicate", f"the same stands before it: {self.before}")


LINES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")
TABLES = (".parquet",)
BATCH_ROWS = 1024
SHOWN_ANSWER = 80
MOST_NAMED = 8
MOST_PLACES = 5
"""Files and reasons that are named of records which are left out, and places of each."""
MOST_UNPACKED = 64 << 20
"""Bytes of lines that are unpacked to estimate how many a compressed file holds."""
LONG_LINE = (
    f"a line has more than {MAX_DOCUMENT_BYTES >> 20} MiB: write one record a line, "
    "jq -c '.[]' FILE.json > FILE.jsonl"
)
NO_NAMES = (
    "the first row of a table names its columns. If this one is data, put a row of names above it, "
    "such as {}. It is"
)
EXAMPLE = ("question", "answer")


def places_in_words(rejects: Iterable[Reject]) -> str:
    """Why records are left out, and where: "2 bad json: a.jsonl, lines 5 and 9 (…)", with what is
    wrong in the first one. Of many places the first ones are named."""
    places = defaultdict[tuple[str, str], list[tuple[str, str]]](list)
    for each in rejects:
        file, _, place = each.id.rpartition("#")
        places[each.reason, file or place].append((place if file else "", each.detail))
    said = list[str]()
    for (reason, file), found in list(places.items())[:MOST_NAMED]:
        place, detail = found[0]
        is_table = unpacked_name(file.lower()).endswith((".json", *TABLES))
        some = [place for place, _ in found[:MOST_PLACES]]
        some += [f"{number(len(found) - MOST_PLACES)} more"] * (len(found) > MOST_PLACES)
        which = f"{'record' if is_table else 'line'}{'s' * (len(found) > 1)} {listed(some)}"
        why = f" ({detail.removeprefix(f'line {place}: ')})" if detail else ""
        where = f"{file}, {which}" if place else file
        said.append(f"{number(len(found))} {in_words(reason)}: {where}{why}")
    others = [len(found) for found in list(places.values())[MOST_NAMED:]]
    said += [f"{number(sum(others))} in {counted(len(others), 'other place')}"] * bool(others)
    return "; ".join(said)


def has_records(path: Path) -> bool:
    """Whether a file's name says that `read_records` reads it."""
    name = path.name.lower()
    return unpacked_name(name).endswith(LINES) or name.endswith(TABLES)


def parsed_records(
    path: Path,
    columns: tuple[str, str] | None,
    *,
    seen: MutableMapping[bytes, str],
    are_pairs: bool = False,
    name: str = "",
) -> Iterator[ParsedRecord | Reject]:
    """The conversations or preference pairs in the records of a file, copies too, and rejects.

    seen: the ids of what stands before, by its hash; gets these, too. name: as in `read_records`,
    which also says what is raised.
    """
    for record in read_records(path, columns, name=name):
        if isinstance(record, Reject):
            yield record
            continue
        try:
            value = pair_of(record.value) if are_pairs else conversation_of(record.value, columns)
        except Unfit as unfit:
            yield record.reject(unfit.reason, unfit.detail)
            continue
        is_pair = isinstance(value, Pair)
        given = () if is_pair or not value.given else (value.given,)
        key = _key(value if is_pair else (*value.messages, *given))
        several_answers = None if is_pair else _other_answer(value, seen)
        yield ParsedRecord(record, value, seen.get(key, ""), several_answers)
        seen.setdefault(key, record.id)


def _key(said: Sequence[Any]) -> bytes:
    """The hash of what is said: 128 bits."""
    return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).digest()[:16]


def _other_answer(
    chat: Conversation, seen: MutableMapping[bytes, str]
) -> tuple[Messages, str] | None:
    """As in `ParsedRecord`. seen: gets the question with its first answer, and this answer."""
    told = (*chat.prompt, chat.answer)
    turns = [(each.role, each.content.strip()) for each in told]
    asked = _key(turns[:-1])
    answered = _key(turns)
    is_other = asked in seen and answered not in seen
    question, answer = (" ".join(content.split())[:SHOWN_ANSWER] for _, content in turns[-2:])
    first = seen.setdefault(asked, answer)
    seen.setdefault(answered, "")
    prompt = tuple(Message(*each) for each in turns[:-1])
    return (prompt, f"“{question}”: “{first}” and “{answer}”") if is_other else None


def several_answers_in_words(several_answers: Mapping[Messages, str]) -> str:
    """How many questions have several answers, and one of them; "" without any."""
    have = "has" if len(several_answers) == 1 else "have"
    asked = f"{counted(len(several_answers), 'question')} {have} more than one answer"
    return f"{asked}, such as {next(iter(several_answers.values()))}" if several_answers else ""


def read_records(path: Path, columns: Sequence[str] | None = None, *, name: str = "") -> Records:
    """The records of a file, and rejects. Raises SourceError if the disk does not give them all.

    columns: that a table may have beside those of a conversation. name: that ids have for the file,
    if it is not its own.
    """
    if not has_records(path):
        raise source_error("no_format_of_chats", path)
    name = name or path.name
    origin = Origin(name, printable(name), size_on_disk(path))
    try:
        if refusal := not_a_file(path):
            yield origin.whole_file("not_a_file", refusal)
        elif not origin.raw_bytes:
            yield origin.whole_file("empty_file", "empty file: it holds 0 bytes")
        elif path.name.lower().endswith(TABLES):
            yield from _rows(path, origin)
        else:
            yield from _lines(path, origin, columns or ())
    except OSError as error:
        raise no_access(RawFile(path=path, name=path.name), error) from error


def share_read(path: Path, records: int, line_bytes: int) -> float:
    """The share of a file, 0 to 1, that was read with so many records. line_bytes: of their lines.

    A parquet file says how many rows it has. Of compressed lines the first MOST_UNPACKED bytes say
    how many all of them are. Raises SourceError for damaged compressed lines.
    """
    name = path.name.lower()
    total = size_on_disk(path)
    if name.endswith(TABLES):
        return min(1.0, records / max(1, parquet.read_metadata(path).num_rows))
    unpacked_bytes = 0
    if compression := COMPRESSIONS.get(path.suffix.lower(), ""):
        with path.open("rb") as raw:
            # In small pieces, so that little is read that is not unpacked yet.
            packed: streams.Stream = iter(lambda: raw.read(streams.ZSTD_PIECE_BYTES), b"")
            for piece in _whole(streams.unpacked(packed, compression), path):
                unpacked_bytes += len(piece)
                if unpacked_bytes > MOST_UNPACKED:
                    break
            total = unpacked_bytes * total / max(1, raw.tell())
    return min(1.0, line_bytes / max(1, total))


def _lines(path: Path, origin: Origin, columns: Sequence[str]) -> Records:
    """The records of JSON lines, of a JSON list or of a table. Blank lines are none."""
    with path.open("rb") as raw:
        compression = COMPRESSIONS.get(path.suffix.lower(), "")
        expansion = streams.Expansion(origin.raw_bytes)
        packed = streams.uncompressed(raw)
        content = Content(packed, compression, expansion, origin.raw_bytes, path)
        kind = Path(unpacked_name(path.name.lower())).suffix
        # A table may be saved in an encoding of old, as Excel does.
        encoding = None if kind in (".csv", ".tsv") else "utf-8"
        _, stream = utf8_stream(content.stream(), encoding, is_short=True)
        lines = readable_lines(_whole(stream, path), origin, "utf-8")
        if kind in (".csv", ".tsv"):
            rows = tsv_rows(lines) if kind == ".tsv" else csv_rows(lines)
            yield from _table_rows(rows, origin, columns)
        elif kind == ".json":
            yield from _listed(lines, path, origin)
        else:
            yield from _line_records(lines, origin)


def _line_records(lines: Lines, origin: Origin) -> Records:
    """The records of JSON lines."""
    for item in lines:
        if isinstance(item, Reject):
            yield replace(item, detail=LONG_LINE) if item.reason == "too_long" else item
            continue
        number, line = item
        if line.strip():
            value = value_of(number, line, origin)
            record = Record(f"{origin.name}#{number}", origin.source, value, line)
            yield value if isinstance(value, Reject) else record


def _listed(lines: Lines, path: Path, origin: Origin) -> Records:
    """The records of a file that is one JSON list, of at most MAX_DOCUMENT_BYTES, or of lines.

    Raises SourceError for a list that is larger, and for JSON over several lines with an error or
    a line that cannot be read: without this line it may say something else.
    """
    held = list[tuple[int, str] | Reject]()
    size = 0
    for item in lines:
        held.append(item)
        size += 0 if isinstance(item, Reject) else len(item[1])
        if size > MAX_DOCUMENT_BYTES:
            break
    text = "\n".join(item[1] for item in held if not isinstance(item, Reject))
    opening = text.lstrip().partition("\n")[0].rstrip()
    goes_on = opening == "{" or (opening.startswith("[") and not opening.endswith("]"))
    is_large = size > MAX_DOCUMENT_BYTES
    rejects = [item for item in held if isinstance(item, Reject)]
    if goes_on and rejects and not is_large:
        raise source_error(
            "bad_json_line",
            path,
            why=LONG_LINE if rejects[0].reason == "too_long" else rejects[0].detail,
        )
    try:
        value = json_value("" if is_large else text)
    except (ValueError, RecursionError) as error:
        if goes_on:
            is_second = isinstance(error, json.JSONDecodeError) and error.msg == "Extra data"
            raise source_error(
                "large_json" if is_large else "second_json" if is_second else "bad_json",
                path,
                why=f"it has more than {MAX_DOCUMENT_BYTES >> 20} MiB" if is_large else error,
            ) from error
        yield from _line_records(chain(held, lines), origin)
        return
    yield from rejects
    for place, each in enumerate(value if isinstance(value, list) else [value], 1):
        raw = json.dumps(each, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
        yield Record(f"{origin.name}#{place}", origin.source, each, raw)


def _table_rows(
    rows: Iterator[TableRow | Reject], origin: Origin, columns: Sequence[str]
) -> Records:
    """The rows of a table as records, by the names in its first row.

    A first row without a known name is a reject: it may be data.
    """
    names: list[str] | None = None
    for row in rows:
        if isinstance(row, Reject):
            yield row
        elif not row.whole or (names and len(row.fields) != len(names)):
            yield broken_row(row, len(names or ()), origin)
        elif names is None:
            names = [composed(name.strip()) for name in row.fields]
            known = {*USUAL, *(written(names, each) for each in columns)}
            found = [name for name in names if name in known or name.lower() in known]
            if not found:
                first = ", ".join(f'"{each[:40]}"' for each in row.fields[:8])
                why = f"{NO_NAMES.format(listed(columns[:2] or EXAMPLE))}: {first}"
                yield origin.reject("no_columns", why, record=row.number, raw=row.raw.encode())
            if repeated := [name for name in found if found.count(name) > 1]:
                raise SourceError(
                    f'the first row names the column "{repeated[0]}" twice',
                    where=origin.name,
                    do="Give one of them another name.",
                )
        else:
            value = dict(zip(names, row.fields, strict=True))
            yield Record(f"{origin.name}#{row.number}", origin.source, value, row.raw)


def _whole(stream: streams.Stream, path: Path) -> Iterator[bytes]:
    """The pieces of a stream. Raises SourceError where it is damaged."""
    for piece in stream:
        if isinstance(piece, streams.Damage):
            if piece.reason == "unknown_encoding":
                raise source_error(
                    "old_encoding",
                    path,
                    why=piece.detail.partition("; name the right")[0],
                )
            raise _damaged(path, piece.detail)
        yield piece


def _damaged(path: Path, why: str) -> SourceError:
    """The error of a file of which only a part can be read."""
    return source_error("cut_off", path, why=why)


def _rows(path: Path, origin: Origin) -> Records:
    """The rows of a parquet table, in small batches."""
    number = 0
    try:
        with parquet.ParquetFile(path) as table:
            metadata = table.metadata
            expansion = streams.Expansion(origin.raw_bytes)
            groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
            if not expansion.has_room(sum(group.total_byte_size for group in groups)):
                raise _damaged(path, expansion.message())
            for batch in table.iter_batches(batch_size=BATCH_ROWS):
                if not expansion.has_room(batch.nbytes):
                    raise _damaged(path, f"after {number:,} rows {expansion.message()}")
                for row in batch.to_pylist():
                    number += 1
                    yield Record(f"{origin.name}#{number}", origin.source, row, str(row))
    except (arrow.ArrowException, ValueError, IndexError, OverflowError) as error:
        raise _damaged(
            path, f"no whole parquet file, after {number:,} rows: {first_line(error)}"
        ) from error
