"""Near copies of held-out texts, looked for by many workers (held_out/near.py says what they are).

Two steps over groups of chunks. `runs` counts how often runs of six letters occur in all texts.
From these counts the index of the candidates is made, in this process, and written down. `compare`
compares the other texts with it. Workers map the index from disk: those of one machine share it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow

from endonym.copies.hashes import Indices, Marks, Postings
from endonym.copies.held_out.covered import Covered
from endonym.copies.held_out.near import COUNTER_BITS, Contained, Index, Similar, occurrences
from endonym.copies.held_out.split import NearCopySearch
from endonym.corpus.work import Work
from endonym.formats.chunks import read_chunk, write_array, write_chunk
from endonym.workers import Result

GROUP_CHUNKS = 8
"""How many chunks a job takes."""
COVERED = ("ends", "owners", "sizes", "spans", "letters")
"""The arrays of held_out/covered.py that stand beside its postings."""
RUNS = arrow.schema({"run": arrow.uint32(), "count": arrow.uint32()})
TEXTS = arrow.schema({"text": arrow.string()})


@dataclass(frozen=True, slots=True)
class Part:
    """A chunk, the numbers of its kept documents, and the number of the first in the corpus."""

    source: str
    chunk: Path
    numbers: Path
    first: int

    @property
    def text_bytes(self) -> int:
        """The bytes of its kept documents."""
        return int(memory_mapped(self.numbers)["bytes"].sum())


@dataclass(frozen=True, slots=True)
class ChunkGroup:
    """Chunks whose chosen documents a job takes; its files have this name in the folder.

    chosen: a file that says of every document whether it is. index: the folder of the index.
    """

    parts: tuple[Part, ...]
    chosen: Path
    folder: Path
    name: str
    index: Path


class SearchByWorkers(NearCopySearch):
    """Looks for near copies in the documents of chunks; what was found survives a kill."""

    def __init__(self, parts: Sequence[Part], work: Work) -> None:
        super().__init__(lambda chosen: texts_of(parts, chosen))
        self.parts, self.work = parts, work
        self.is_compared = len(parts) <= GROUP_CHUNKS

    def index(self, candidates: Marks, every: Marks) -> Index:
        """See NearCopySearch."""
        if self.is_compared:  # too small to be divided
            return super().index(candidates, every)
        made = self.work.step("runs", count_runs, *self.groups("runs", every))
        counters = np.zeros(1 << COUNTER_BITS, dtype=np.uint32)
        for each in made:
            for file in each["files"]:
                table = read_chunk(self.work.place("runs") / file["name"], schema=RUNS)
                counters[table["run"].to_numpy()] += table["count"].to_numpy()
        index = Index.made(self.texts(candidates), counters)
        write_index(index, self.work.place("index"))
        return index

    def compare(self, index: Index, others: Marks) -> None:
        """See NearCopySearch. Only the first texts are many; later ones are near copies."""
        if self.is_compared:
            super().compare(index, others)
            return
        self.is_compared = True
        for each in self.work.step("compare", compare_group, *self.groups("compare", others)):
            files = [self.work.place("compare") / file["name"] for file in each["files"]]
            found, *seen = (np.load(file) for file in files)
            sizes = (len(index.contained.seen), len(index.covered.seen))
            marks = (
                np.unpackbits(bits, count=size).astype(np.bool_)
                for bits, size in zip(seen, sizes, strict=True)
            )
            index.add(found, *marks)

    def groups(self, step: str, chosen: Marks) -> tuple[list[ChunkGroup], list[int]]:
        """The tasks of a step on chosen documents, and the sizes of their texts."""
        folder, index = self.work.place(step), self.work.place("index")
        write_array(folder, "chosen.npy", chosen)
        tasks: list[ChunkGroup] = []
        sizes: list[int] = []
        for first in range(0, len(self.parts), GROUP_CHUNKS):
            parts = tuple(self.parts[first : first + GROUP_CHUNKS])
            name = f"{len(tasks):05d}"
            tasks.append(ChunkGroup(parts, folder / "chosen.npy", folder, name, index))
            sizes.append(sum(part.text_bytes for part in parts))
        return tasks, sizes


def memory_mapped(path: Path) -> Any:
    """An array of numpy, of which only what is used is read."""
    return np.load(path, mmap_mode="r")


def texts_of(parts: Sequence[Part], chosen: Marks) -> Iterator[str]:
    """The texts of chosen documents, in order."""
    for part in parts:
        rows = memory_mapped(part.numbers)["row"]
        rows = rows[chosen[part.first : part.first + len(rows)]]
        if len(rows):
            table = read_chunk(part.chunk, ["text"]).take(arrow.array(rows))
            yield from table["text"].to_pylist()


def texts_of_group(group: ChunkGroup, advance: Callable[[int], None]) -> Iterator[str]:
    """The chosen texts of a group; tells their sizes."""
    chosen = memory_mapped(group.chosen)
    for part in group.parts:
        yield from texts_of([part], chosen)
        advance(part.text_bytes)


def count_runs(group: ChunkGroup, advance: Callable[[int], None]) -> Result:
    """Write how often each run of six letters occurs in some texts."""
    counters = occurrences(texts_of_group(group, advance))
    used = np.flatnonzero(counters).astype(np.uint32)
    name = f"{group.name}.arrow"
    return {"files": [write_chunk(group.folder, name, RUNS, [used, counters[used]])]}


def compare_group(group: ChunkGroup, advance: Callable[[int], None]) -> Result:
    """Write which candidates some texts nearly repeat, and which of their runs were seen."""
    index = read_index(group.index)
    index.compare(texts_of_group(group, advance))
    found = {
        "found": np.flatnonzero(index.contaminated),
        "seen": np.packbits(index.contained.seen),
        "seen-long": np.packbits(index.covered.seen),
    }
    names = {key: f"{group.name}-{key}.npy" for key in found}
    return {"files": [write_array(group.folder, names[key], each) for key, each in found.items()]}


def write_index(index: Index, folder: Path) -> None:
    """Write an index to files that can be mapped."""
    contained, similar, covered = index.contained, index.similar, index.covered
    for name, part in (("contained", contained), ("similar", similar), ("covered", covered)):
        part.postings.save(folder, name)
    arrays = {"sizes": contained.sizes, "runs": contained.runs, "lengths": similar.lengths}
    arrays |= {f"covered-{name}": getattr(covered, name) for name in COVERED}
    for name, array in arrays.items():
        write_array(folder, f"{name}.npy", array)
    texts = similar.texts(np.arange(len(similar.lengths)))
    write_chunk(folder, "texts.arrow", TEXTS, [texts], compression=None)


def read_index(folder: Path) -> Index:
    """An index that was not compared with anything yet."""
    contained, similar, covered = (
        Postings.load(folder, name) for name in ("contained", "similar", "covered")
    )
    sizes, runs, lengths = (
        memory_mapped(folder / f"{name}.npy") for name in ("sizes", "runs", "lengths")
    )
    parts = {name: memory_mapped(folder / f"covered-{name}.npy") for name in COVERED}
    texts = read_chunk(folder / "texts.arrow", schema=TEXTS)["text"]

    def chosen(numbers: Indices) -> list[str]:
        return texts.take(arrow.array(numbers)).to_pylist()

    return Index(
        Contained(contained, sizes, runs),
        Similar(similar, lengths, chosen),
        Covered(covered, **parts),
    )
