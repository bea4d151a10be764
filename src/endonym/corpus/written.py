"""From cleaned chunks to the files of three splits: where documents stand, and what is written.

One pass over the digests of all chunks in their order, when it is known what is dropped, says of
each document its block of neighbours, its position and its key. Eight bytes for each document stay
in memory, the key by which it is split; the rest is written to a file for each chunk. In the end
each file is a job of its own, so that several are compressed side by side. A file of a split takes
whole chunks until it has 64 MB of text. What a job counts is what it has written.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from json.encoder import encode_basestring as json_string
from pathlib import Path

import numpy as np
import pyarrow as arrow

from endonym.copies.hashes import Hashes
from endonym.copies.held_out.split import FEW_BLOCKS, SIDES, Blocks, Side, split_keys
from endonym.corpus.comparing import Part
from endonym.corpus.work import Sources
from endonym.disk import Json
from endonym.formats.chunks import digests, memory_mapped, read_chunk, reject_of, write_array
from endonym.formats.document import SHOWN_CHARS
from endonym.formats.document_files import GzipLines, Whole, reject_line
from endonym.workers import Advance, Result

NUMBERS = np.dtype([("row", "<i4"), ("bytes", "<i8"), ("block", "<i8"), ("position", "<i8")])
"""Of a kept document of a chunk: its row, its size in UTF-8, and where it stands in the corpus."""
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


class Placed:
    """The kept documents of all chunks, in order: their keys, and where to read them.

    chunks: with their sources; folder: in which the numbers of their documents are written.
    keys: by which each source is split, one for each document. of_articles: sentences of each
    source whose article is known.
    """

    def __init__(
        self, sources: Sources, chunks: Sequence[tuple[str, Path]], block_bytes: int, folder: Path
    ) -> None:
        self.names = [source.name for source, _ in sources]
        self.parts = list[Part]()
        self.keys = list[Hashes]()
        self.of_articles = dict.fromkeys(self.names, 0)
        self.documents = 0
        self.blocks = Blocks(block_bytes)
        files_before = 0
        for name, (_, files) in zip(self.names, sources, strict=True):
            self.file = -1
            self.files_before = files_before
            files_before += len(files)
            block_keys = [np.empty(0, dtype=np.uint64)]
            own_keys = list[Hashes]()
            are_few = True  # own_keys: while the blocks are few
            for number, (source, chunk) in enumerate(chunks):
                if source == name:
                    part = Part(name, chunk, folder / f"{number:05d}.npy", self.documents)
                    keys, keys_of_blocks = self.add(part)
                    block_keys.append(keys_of_blocks)
                    if are_few:
                        own_keys.append(keys)
                        are_few = len(np.unique(np.concatenate(block_keys))) < FEW_BLOCKS
            by_block = np.concatenate(block_keys)
            by_document = np.concatenate([by_block[:0], *own_keys])
            self.keys.append(split_keys(by_document, by_block) if are_few else by_block)

    def add(self, part: Part) -> tuple[Hashes, Hashes]:
        """Number the documents of the next chunk; their keys, and those of their blocks.

        A sentence from an article that is known is a block of its own, with the article's key.
        """
        table = read_chunk(part.chunk, ["file", "digest", "bytes", "article"])
        rows, names = digests(table)
        of_article, articles = digests(table, "article")
        with_article = np.searchsorted(rows, of_article)
        names[with_article] = articles
        files, sizes = (table[each].to_numpy()[rows] for each in ("file", "bytes"))
        numbers = np.empty(len(rows), dtype=NUMBERS)
        numbers["row"], numbers["bytes"] = rows, sizes
        starts = np.diff(files, prepend=self.file) != 0
        sizes = sizes.copy()
        # A document as large as a block has it for itself.
        sizes[with_article] = np.maximum(sizes[with_article], self.blocks.size)
        numbers["block"], keys = self.blocks.add(names, sizes, starts)
        # One number is left out where a raw file begins.
        numbers["position"] = part.first + np.arange(len(rows)) + self.files_before + files + 1
        write_array(part.numbers.parent, part.numbers.name, numbers)
        self.parts.append(part)
        self.documents += len(rows)
        self.of_articles[part.source] += len(of_article)
        self.file = int(files[-1]) if len(files) else self.file
        return names[:, 0], keys

    def source_sizes(self) -> list[int]:
        """The bytes of text of each source."""
        sizes = dict.fromkeys(self.names, 0)
        for part in self.parts:
            sizes[part.source] += part.text_bytes
        return list(sizes.values())

    def shards(self, sides: Path, folder: Path) -> Iterator[tuple[Shard, int]]:
        """The files to write, with the size of their text. sides: the split of every document."""
        of_all = memory_mapped(sides)
        for index, side in enumerate(SIDES):
            taken = list[Part]()
            number = size = 0
            for part in self.parts:
                sizes = memory_mapped(part.numbers)["bytes"]
                is_on_side = of_all[part.first : part.first + len(sizes)] == index
                if is_on_side.any():
                    taken.append(part)
                    size += int(sizes[is_on_side].sum())
                if size >= SHARD_BYTES:
                    yield Shard(folder, f"{side}-{number:05d}", side, sides, tuple(taken)), size
                    taken = []
                    size = 0
                    number = number + 1
            if taken or not number:
                yield Shard(folder, f"{side}-{number:05d}", side, sides, tuple(taken)), size

    def id_of(self, number: int) -> str:
        """The id of a document, by its number in the corpus."""
        part = next(each for each in reversed(self.parts) if each.first <= number)
        row = int(memory_mapped(part.numbers)["row"][number - part.first])
        return read_chunk(part.chunk, ["id"])["id"][row].as_py()


def write_shard(shard: Shard, advance: Advance) -> Result:
    """Write a file of a split; its side, and the counts of what was written of each source."""
    sides = memory_mapped(shard.sides)
    sources: dict[str, Json] = {}
    with GzipLines(shard.folder, f"{shard.name}.jsonl.gz") as lines:
        for part in shard.parts:
            numbers = np.load(part.numbers)
            is_on_side = sides[part.first : part.first + len(numbers)] == SIDES.index(shard.side)
            if not is_on_side.any():
                continue
            numbers = numbers[is_on_side]
            table = read_chunk(part.chunk).take(arrow.array(numbers["row"]))
            for line in document_lines(part.source, table, numbers):
                lines.line(line)
            counts = sources.setdefault(part.source, {"kept": Counter[str](), "warnings": {}})
            count(table, numbers, counts)
            advance(int(numbers["bytes"].sum()))
    return {"files": [lines.written], "side": shard.side, "sources": sources}


def document_lines(source: str, table: arrow.Table, numbers: Numbers) -> Iterator[bytes]:
    """Documents as `json_line` would write them, from their columns: several times as fast."""
    name = json_string(source)
    columns = [table[each].to_pylist() for each in ("text", "id", "meta")]
    columns += [numbers["block"].tolist(), numbers["position"].tolist()]
    for text, record_id, meta, block, position in zip(*columns, strict=True):
        yield (
            f'{{"block": {block}, "id": {json_string(record_id)}, "meta": {meta}, '
            f'"position": {position}, "source": {name}, "text": {json_string(text)}}}\n'
        ).encode()


def count(table: arrow.Table, numbers: Numbers, counts: Json) -> None:
    """Add documents to the counts of their source.

    Of each warning: how many documents, and the position and the example of the first one.
    """
    columns = {"bytes": "size", "text_bytes": "bytes", "chars": "chars"}
    sums = {name: int(table[column].to_numpy().sum()) for name, column in columns.items()}
    counts["kept"].update(documents=len(table), **sums)
    for row in np.flatnonzero(table["warnings"].is_valid().to_numpy()).tolist():
        position = int(numbers["position"][row])
        for warning, example in json.loads(table["warnings"][row].as_py()).items():
            # number of documents, position of the first one, its example
            warning_counts = counts["warnings"].setdefault(warning, [0, position, example])
            warning_counts[0] += 1


def write_dropped(reason: Reason, advance: Advance) -> Result:
    """Write all records dropped for one reason."""
    with GzipLines(reason.folder, f"{reason.reason}.jsonl.gz") as lines:
        for source, path in reason.chunks:
            table = read_chunk(path)
            reasons = table["reason"].to_pylist()
            rows = [row for row, each in enumerate(reasons) if each == reason.reason]
            for each in table.take(arrow.array(rows)).to_pylist():
                shown = {"text": each["text"][:SHOWN_CHARS]}
                lines.line(reject_line(reject_of(each | shown, source)))
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
