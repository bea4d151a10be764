"""Near copies of held-out texts (held_out/repeated.py), looked for by many workers.

Two steps over groups of chunks. `runs` counts how often runs of six letters occur in all texts.
From these counts the index of the candidates is made, in this process, and written down. `compare`
compares the other texts with it. Workers map the index from disk: those of one machine share it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as arrow

from endonym.copies.hashes import Marks
from endonym.copies.held_out.repeated import COUNTER_BITS, Index, occurrences
from endonym.copies.held_out.split import NearCopySearch
from endonym.corpus.work import Work
from endonym.formats import chunks
from endonym.workers import Advance, Result

GROUP_CHUNKS = 8
"""How many chunks a job takes."""
RUNS = arrow.schema({"run": arrow.uint32(), "count": arrow.uint32()})


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
        return int(chunks.memory_mapped(self.numbers)["bytes"].sum())


@dataclass(frozen=True, slots=True)
class ChunkGroup:
    """Chunks whose chosen documents a job takes; its files have this name in the folder.

    chosen: a file with a boolean for every document. index: the folder of the index.
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
        self.parts = parts
        self.work = work
        self.is_compared = len(parts) <= GROUP_CHUNKS

    def index(self, candidates: Marks, every: Marks) -> Index:
        """The index of the candidates, made and saved; workers count the runs of all texts."""
        if self.is_compared:  # too small to be divided
            return super().index(candidates, every)
        made = self.work.step("runs", count_runs, *self.groups("runs", every))
        counters = np.zeros(1 << COUNTER_BITS, dtype=np.uint32)
        for each in made:
            for file in each["files"]:
                table = chunks.read_chunk(self.work.place("runs") / file["name"], schema=RUNS)
                counters[table["run"].to_numpy()] += table["count"].to_numpy()
        index = Index.made(self.texts(candidates), counters)
        index.save(self.work.place("index"))
        return index

    def compare(self, index: Index, others: Marks) -> None:
        """Mark the candidates that other texts nearly repeat; by workers in the first call only.

        Only the texts of that are many; those of later calls are near copies.
        """
        if self.is_compared:
            super().compare(index, others)
            return
        self.is_compared = True
        for each in self.work.step("compare", compare_group, *self.groups("compare", others)):
            files = [self.work.place("compare") / file["name"] for file in each["files"]]
            index.add(*map(chunks.memory_mapped, files))

    def groups(self, step: str, chosen: Marks) -> tuple[list[ChunkGroup], list[int]]:
        """The tasks of a step on chosen documents, and the sizes of their texts."""
        folder = self.work.place(step)
        index = self.work.place("index")
        chunks.write_array(folder, "chosen.npy", chosen)
        tasks = list[ChunkGroup]()
        sizes = list[int]()
        for first in range(0, len(self.parts), GROUP_CHUNKS):
            parts = tuple(self.parts[first : first + GROUP_CHUNKS])
            name = f"{len(tasks):05d}"
            tasks.append(ChunkGroup(parts, folder / "chosen.npy", folder, name, index))
            sizes.append(sum(part.text_bytes for part in parts))
        return tasks, sizes


def texts_of(parts: Sequence[Part], chosen: Marks) -> Iterator[str]:
    """The texts of chosen documents, in order."""
    for part in parts:
        rows = chunks.memory_mapped(part.numbers)["row"]
        rows = rows[chosen[part.first : part.first + len(rows)]]
        if len(rows):
            table = chunks.read_chunk(part.chunk, ["text"]).take(arrow.array(rows))
            yield from table["text"].to_pylist()


def texts_of_group(group: ChunkGroup, advance: Advance) -> Iterator[str]:
    """The chosen texts of a group; tells their sizes."""
    chosen = chunks.memory_mapped(group.chosen)
    for part in group.parts:
        yield from texts_of([part], chosen)
        advance(part.text_bytes)


def count_runs(group: ChunkGroup, advance: Advance) -> Result:
    """Write how often each run of six letters occurs in some texts."""
    counters = occurrences(texts_of_group(group, advance))
    used = np.flatnonzero(counters).astype(np.uint32)
    name = f"{group.name}.arrow"
    return {"files": [chunks.write_chunk(group.folder, name, RUNS, [used, counters[used]])]}


def compare_group(group: ChunkGroup, advance: Advance) -> Result:
    """Write which candidates some texts nearly repeat, and which of their runs were seen."""
    index = Index.load(group.index)
    index.compare(texts_of_group(group, advance))
    names = (f"{group.name}-{what}" for what in ("found", "seen", "seen-long"))
    found = dict(zip(names, index.found(), strict=True))
    return {"files": chunks.write_arrays(group.folder, found)}
