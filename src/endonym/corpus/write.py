"""The last step of a corpus: kept documents to the files of their split, dropped records by reason.

Each file is a job of its own, so that several are compressed side by side. A file of a split takes
whole chunks until it has 64 MB of text. What a job counts is what it has written.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from json.encoder import encode_basestring as json_string
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow

from endonym.copies.held_out.split import SIDES, Side
from endonym.corpus.comparing import Part
from endonym.corpus.corpus_stats import Kept
from endonym.formats.chunks import read_chunk
from endonym.formats.document import Reject
from endonym.formats.document_files import GzipLines, Whole, reject_line
from endonym.formats.io.content import SHOWN_CHARS

SHARD_BYTES = 64_000_000
"""Approximate size of the text in a file."""

Numbers = np.ndarray[tuple[int], np.dtype[np.void]]


@dataclass(frozen=True, slots=True)
class Shard:
    """A file of one split, to be written to a folder. sides: the split of every document."""

    folder: Path
    name: str
    side: Side
    sides: Path
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """The file of all records dropped for one reason, to be written to a folder.

    chunks: those that hold one, with their sources.
    """

    folder: Path
    reason: str
    chunks: tuple[tuple[str, Path], ...]


def write_shard(shard: Shard, advance: Callable[[int], None]) -> dict[str, Any]:
    """Write the documents of one split in some chunks; what was written of each source."""
    sides = np.load(shard.sides, mmap_mode="r", allow_pickle=False)
    lines = GzipLines(shard.folder, f"{shard.name}.jsonl.gz")
    found: dict[str, dict[str, Any]] = {}
    with lines:
        for part in shard.parts:
            numbers = np.load(part.numbers, allow_pickle=False)
            here = sides[part.first : part.first + len(numbers)] == SIDES.index(shard.side)
            if not here.any():
                continue
            numbers = numbers[here]
            table = read_chunk(part.chunk).take(arrow.array(numbers["row"]))
            for line in document_lines(part.source, table, numbers):
                lines.line(line)
            count(table, numbers, found.setdefault(part.source, {"kept": Kept(), "warnings": {}}))
            advance(int(numbers["bytes"].sum()))
    for each in found.values():
        each["kept"] = asdict(each["kept"])
    return {"files": [lines.written], "side": shard.side, "sources": found}


def document_lines(source: str, table: arrow.Table, numbers: Numbers) -> Iterator[bytes]:
    """Documents as `document_line` writes them, from their columns: several times as fast."""
    name = json_string(source)
    columns = [table[each].to_pylist() for each in ("text", "id", "meta")]
    places = numbers["block"].tolist(), numbers["position"].tolist()
    for text, place, meta, block, position in zip(*columns, *places, strict=True):
        yield (
            f'{{"block": {block}, "id": {json_string(place)}, "meta": {meta}, '
            f'"position": {position}, "source": {name}, "text": {json_string(text)}}}\n'
        ).encode()


def count(table: arrow.Table, numbers: Numbers, found: dict[str, Any]) -> None:
    """Count documents, and the warnings about them with the example that stands first."""
    columns = (table[each].to_numpy() for each in ("size", "bytes", "chars"))
    size, bytes_, chars = (int(each.sum()) for each in columns)
    found["kept"].more(len(table), bytes=size, text_bytes=bytes_, chars=chars)
    has_some = np.flatnonzero(table["warnings"].is_valid().to_numpy())
    for row in has_some.tolist():
        position = int(numbers["position"][row])
        for warning, example in json.loads(table["warnings"][row].as_py()).items():
            known = found["warnings"].setdefault(warning, [0, position, example])
            known[0] += 1


def write_dropped(reason: Reason, advance: Callable[[int], None]) -> dict[str, Any]:
    """Write all records dropped for one reason."""
    lines = GzipLines(reason.folder, f"{reason.reason}.jsonl.gz")
    with lines:
        for source, path in reason.chunks:
            table = read_chunk(path)
            reasons = table["reason"].to_pylist()
            rows = [row for row, each in enumerate(reasons) if each == reason.reason]
            for each in table.take(arrow.array(rows)).to_pylist():
                lines.line(reject_line(reject(each, source)))
                advance(each["size"])
    return {"files": [lines.written]}


def write_removed(noted: Sequence[Path], folder: Path) -> list[Whole]:
    """Write the parts that were taken out of documents, by reason. noted: see Cleaned.remove."""
    folder.mkdir(parents=True, exist_ok=True)
    lines: dict[str, GzipLines] = {}
    with ExitStack() as stack:
        for path in noted:
            with path.open("rb") as file:
                for line in file:
                    ((reason, reject),) = json.loads(line).items()
                    if reason not in lines:
                        name = f"{reason}.jsonl.gz"
                        lines[reason] = stack.enter_context(GzipLines(folder, name))
                    lines[reason].line(reject.encode())
    return [each.written for each in lines.values()]


def reject(row: dict[str, Any], source: str) -> Reject:
    """A row of a chunk as a reject."""
    said = (row["detail"] or "", row["text"][:SHOWN_CHARS], row["size"], row["stayed"] or "")
    return Reject(row["reason"], row["id"], source, *said)


def shards(
    parts: Sequence[Part], sizes: Sequence[Sequence[int]], sides: Path, folder: Path
) -> Iterator[tuple[Shard, int]]:
    """The files to write, with the size of their text. sizes: of each part, by split."""
    for index, side in enumerate(SIDES):
        taken: list[Part] = []
        number = size = 0
        for part, each in zip(parts, sizes, strict=True):
            if each[index]:
                taken.append(part)
                size += each[index]
            if size >= SHARD_BYTES:
                yield Shard(folder, f"{side}-{number:05d}", side, sides, tuple(taken)), size
                taken, size, number = [], 0, number + 1
        if taken or not number:
            yield Shard(folder, f"{side}-{number:05d}", side, sides, tuple(taken)), size
