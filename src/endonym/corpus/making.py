"""How a corpus is made: a chain of maps over files and of what must see all of them.

read: groups of raw files to chunks. clean: chunks. count, judge: chunks, if a rule must know the
whole corpus (judging.py). decontaminate, keys, copies, remove: chunks without evaluation texts and
copies (removing.py). dropped: a file for each reason. place: the numbers of documents. split: what
is held out. write: the files of the splits.

Each map is a step of `work.py`. In memory are eight bytes for each document, about forty while what
is held out is chosen, and an index of the held-out texts (held_out/near.py). While near copies are
looked for, there are about fifty bytes for each document that shares a key with another one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from endonym.cleaning.corpus_rules import rounds
from endonym.cleaning.tally import SAMPLES as RULE_SAMPLES
from endonym.cleaning.tally import Tally
from endonym.copies.hashes import Hashes, Marks
from endonym.copies.held_out.split import (
    FEW_BLOCKS,
    SIDES,
    HeldOut,
    held_out,
    of_source,
    split_keys,
)
from endonym.copies.notes import COPIES
from endonym.corpus.comparing import Part, SearchByWorkers, memory_mapped
from endonym.corpus.contrast import contrast_texts
from endonym.corpus.corpus_stats import SAMPLES, SourceStats, reasons_table
from endonym.corpus.gather import Group, RawChunk, clean_chunk, groups_of, read_group
from endonym.corpus.judging import Waiting, facts_folder, judge_chunk
from endonym.corpus.placing import Placing
from endonym.corpus.removing import (
    EvaluationFile,
    RemovalTask,
    contamination_of,
    decide,
    decontaminate_chunk,
    evaluation_index,
    key_chunk,
    remove_copies,
)
from endonym.corpus.work import Work
from endonym.corpus.write import Reason, shards, write_dropped, write_removed, write_shard
from endonym.disk import link_or_copy
from endonym.errors import CorpusError
from endonym.formats.chunks import read_chunk, write_array
from endonym.formats.config import Clean, Source, Split
from endonym.formats.document_files import DROPPED, REMOVED
from endonym.formats.files import RawFile
from endonym.formats.readable import DIVIDE, too_few, too_much
from endonym.workers import Cluster, Result

NOTHING = HeldOut(
    *(np.zeros(0, dtype=np.bool_) for _ in range(3)), overlap=0.0, covered=0.0, covered_of=[]
)
"""What is held out of no texts: those of a recipe that learns from conversations alone."""

Sources = Sequence[tuple[Source, Sequence[RawFile]]]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A cleaned chunk: its source and file, its documents, and for what reasons some are dropped.

    size: of what was read, in bytes.
    """

    source: str
    path: Path
    documents: int
    size: int
    dropped: tuple[str, ...] = ()


class Making:
    """The steps of one corpus.

    samples: of what each rule does. most_bytes: about how much is read of each raw file that has
    more, if not all.
    """

    def __init__(
        self,
        sources: Sources,
        clean: Clean,
        split: Split,
        *,
        work: Work,
        out: Path,
        contrast: Sequence[Path] = (),
        evaluation: Sequence[EvaluationFile] = (),
        samples: int = RULE_SAMPLES,
        most_bytes: int | None = None,
    ) -> None:
        self.sources, self.clean, self.split = sources, clean, split
        self.samples, self.most_bytes = samples, most_bytes
        self.work, self.out = work, out
        self.contrast, self.evaluation = contrast, evaluation
        self.said, self.removed = dict[str, Any](), list[Path]()
        self.stats = {
            source.name: SourceStats(source.name, len(files), tally=Tally(samples))
            for source, files in sources
        }

    def make(self) -> HeldOut:
        """Every step; the counts are in `stats` then, and the files in `out`."""
        if not self.sources:
            return NOTHING
        chunks = self.cleaned()
        placed = Placed(self.sources, chunks, self.split.block_bytes, self.work.place("place"))
        for source, count in placed.of_articles.items():
            self.stats[source].of_articles = count
        check_enough(list(self.stats.values()), placed.documents)
        held = self.held_out(placed)
        self.write_shards(placed, held)
        self.note_samples(placed, held)
        for stats in self.stats.values():
            stats.balance()
        return held

    def cleaned(self) -> list[Chunk]:
        """The chunks of what stays; what is dropped is written for people."""
        chunks = self.without_copies(self.chunks())
        self.write_dropped(chunks)
        return chunks

    def read(self) -> tuple[list[RawChunk], list[int]]:
        """Read the raw files; the tasks of cleaning, with their sizes."""
        raw = self.work.step("read", read_group, *unzipped(self.groups()))
        return unzipped(self.raw_chunks(raw))

    def chunks(self) -> list[Chunk]:
        """Read, clean, and judge by the whole corpus if a rule asks for that."""
        judged = self.work.finished("judge") if rounds(self.clean) else None
        known = self.work.results if judged is not None else self.work.finished
        cleaned = known("clean")
        if cleaned is None:
            cleaned = self.work.step("clean", clean_chunk, *self.read())
        for each in self.work.results("read") or ():
            self.stats[each["source"]].encodings.update(each["encodings"])
        self.work.forget("read")
        folder = self.work.place("clean")
        chunks: list[Chunk] = []
        for each in cleaned:
            size = each["counts"]["read"]["bytes"]
            read = Chunk(each["source"], folder, each["documents"], size)
            chunks.append(self.next_chunk(read, each, folder))
        self.check_readable(chunks)
        if rounds(self.clean):
            chunks = self.judged(chunks, judged)
            self.check_readable(chunks)  # Our code may fail in judging, too.
        return chunks

    def check_readable(self, chunks: Sequence[Chunk]) -> None:
        """Raise SourceError if too much could not be read or cleaned; what, is written before."""
        readings = [stats.reading() for stats in self.stats.values()]
        if (error := too_much(readings, self.clean.max_unreadable)) is not None:
            self.write_dropped(chunks)
            raise error

    def judged(self, chunks: Sequence[Chunk], made: list[Result] | None) -> list[Chunk]:
        """The chunks after the rules that must know the whole corpus. made: by an earlier run."""
        sizes = [chunk.size for chunk in chunks]

        def waiting(step: str, facts: Path | None) -> list[Waiting]:
            folder, given = self.work.place(step), (self.clean, self.split.seed, facts)
            return [
                Waiting(chunk.path, chunk.source, *given, folder, f"{number:05d}", self.samples)
                for number, chunk in enumerate(chunks)
            ]

        if made is None:
            contrast = contrast_texts(self.contrast)
            facts = facts_folder(waiting, sizes, contrast, clean=self.clean, work=self.work)
            made = self.work.step("judge", judge_chunk, waiting("judge", facts), sizes)
        for step in ("clean", *(f"count{number}" for number in range(rounds(self.clean)))):
            self.work.forget(step)
        self.removed.clear()  # Nothing is taken out of documents before they are judged.
        return self.next_chunks(chunks, made, self.work.place("judge"))

    def groups(self) -> Iterator[tuple[Group, int]]:
        """The tasks of reading, with their sizes."""
        folder, number = self.work.place("read"), 0
        for source, files in self.sources:
            for first, end, size in groups_of(files):
                some, most = tuple(files[first:end]), self.most_bytes
                yield Group(source, some, first, folder, f"{number:05d}", most), size
                number += 1

    def raw_chunks(self, read: Sequence[Result]) -> Iterator[tuple[RawChunk, int]]:
        """The tasks of cleaning, with their sizes."""
        folder, number = self.work.place("clean"), 0
        for (group, _), result in zip(self.groups(), read, strict=True):
            names = tuple(file.name for file in group.files)
            for file in result["files"]:
                raw, name = group.folder / file["name"], f"{number:05d}.arrow"
                given = (group.source.name, self.clean, self.split.seed, names, group.first)
                yield RawChunk(raw, folder, name, *given, self.samples), file["size"]
                number += 1

    def without_copies(self, chunks: list[Chunk]) -> list[Chunk]:
        """The chunks without evaluation texts and without copies, if a key asks for that."""
        if self.evaluation:
            runs = evaluation_index(self.evaluation, self.work)
            folder = self.work.place("decontaminate")
            tasks = self.removal_tasks(chunks, runs, folder)
            made = self.work.step("decontaminate", decontaminate_chunk, *tasks)
            self.said["decontamination"] = contamination_of(made, runs, folder)
            chunks = self.next_chunks(chunks, made, folder)
        if self.clean.dedup:
            keys, copies, folder = (self.work.place(n) for n in ("keys", "copies", "remove"))
            self.work.step("keys", key_chunk, *self.removal_tasks(chunks, keys, keys))
            tasks, sizes = self.removal_tasks(chunks, copies, folder)
            documents = sum(chunk.documents for chunk in chunks)
            by_ray = isinstance(self.work.runner, Cluster)
            decided = partial(decide, tasks, documents, keys, copies, by_ray=by_ray)
            said = self.work.once("copies", decided)["said"]
            if said:
                self.said["near"] = said
                link_or_copy(copies / COPIES, self.out / COPIES)
            made = self.work.step("remove", remove_copies, tasks, sizes)
            chunks = self.next_chunks(chunks, made, folder)
        return chunks

    def removal_tasks(
        self, chunks: Sequence[Chunk], goes: Path, folder: Path
    ) -> tuple[list[RemovalTask], list[int]]:
        """The tasks of a step that takes texts out, with their sizes."""
        tasks: list[RemovalTask] = []
        first = 0
        for number, chunk in enumerate(chunks):
            place = (first, goes, folder, f"{number:05d}", self.samples)
            tasks.append(RemovalTask(chunk.path, chunk.source, self.clean, self.split.seed, *place))
            first += chunk.documents
        return tasks, [chunk.size for chunk in chunks]

    def next_chunks(
        self, chunks: Sequence[Chunk], made: Sequence[Result], folder: Path
    ) -> list[Chunk]:
        """What the jobs of a step made of the chunks; what they dropped is counted."""
        return [self.next_chunk(*each, folder) for each in zip(chunks, made, strict=True)]

    def next_chunk(self, chunk: Chunk, made: Result, folder: Path) -> Chunk:
        """What a job made of a chunk; what it dropped is counted."""
        self.stats[chunk.source].add(made["counts"])
        dropped = sorted({*chunk.dropped, *made["counts"]["dropped"]})
        path, removed = (folder / each["name"] for each in made["files"][:2])
        self.removed.append(removed)
        return Chunk(chunk.source, path, made["documents"], chunk.size, tuple(dropped))

    def write_dropped(self, chunks: Sequence[Chunk]) -> None:
        """Write what is dropped, by reason, and what was taken out of documents that stay."""
        folder = self.work.place("dropped")
        tasks: list[Reason] = []
        for reason in sorted({reason for chunk in chunks for reason in chunk.dropped}):
            some = [(each.source, each.path) for each in chunks if reason in each.dropped]
            tasks.append(Reason(folder, reason, tuple(some)))
        made = self.work.step("dropped", write_dropped, tasks, [0] * len(tasks))
        self.hand_over("dropped", made, self.out / DROPPED)
        for file in write_removed(self.removed, folder / REMOVED):
            link_or_copy(folder / REMOVED / file["name"], self.out / REMOVED / file["name"])

    def held_out(self, placed: "Placed") -> HeldOut:
        """Choose what is held out, or take what an earlier run has chosen."""
        folder = self.work.place("split")

        def chosen() -> Result:
            search = SearchByWorkers(placed.parts, self.work)
            held = held_out(placed.keys, self.split, search, placed.source_sizes())
            arrays = {"sides": held.sides(), "moved": held.near_copies}
            files = [write_array(folder, f"{name}.npy", each) for name, each in arrays.items()]
            return {"files": files, "shares": [held.overlap, held.covered, held.covered_of]}

        shares = self.work.once("split", chosen)["shares"]
        sides, moved = np.load(folder / "sides.npy"), np.load(folder / "moved.npy")
        held = HeldOut(sides == SIDES.index("dev"), sides == SIDES.index("test"), moved, *shares)
        if not held.dev.any() or not held.test.any():
            raise CorpusError(
                "too few documents could be held out that do not nearly repeat a training text: "
                f"{moved.sum():,} stand in others, whole, nearly or in pieces",
                do="If the same texts are in several files, such as a book and a list of its "
                "lines, take one of them: exclude in [[source]] leaves files out. Else hold out "
                "more with val_share in [split], divide the texts into smaller documents, or add "
                "texts.",
            )
        return held

    def write_shards(self, placed: "Placed", held: HeldOut) -> None:
        """Write the files of the splits; count what is written."""
        sides = self.work.place("split") / "sides.npy"
        sizes = placed.sizes(held.sides())
        tasks = shards(placed.parts, sizes, sides, self.work.place("write"))
        made = self.work.step("write", write_shard, *unzipped(tasks))
        firsts: dict[tuple[str, str], tuple[int, str]] = {}
        for each in made:
            for source, found in each["sources"].items():
                stats = self.stats[source]
                stats.kept[each["side"]].more(**found["kept"])
                for warning, (count, position, example) in found["warnings"].items():
                    stats.warnings[warning] += count
                    key = (source, warning)
                    firsts[key] = min(firsts.get(key, (position, example)), (position, example))
        for (source, warning), (_, example) in firsts.items():
            self.stats[source].examples[warning] = example
        self.hand_over("write", made, self.out)

    def hand_over(self, step: str, made: Sequence[Result], out: Path) -> None:
        """Give the artefact the files of a step."""
        for each in made:
            for file in each["files"]:
                link_or_copy(self.work.place(step) / file["name"], out / file["name"])

    def note_samples(self, placed: "Placed", held: HeldOut) -> None:
        """Note of each source how many near copies moved, and a few documents of each split."""
        counts = [len(each) for each in placed.keys]
        sides, moved = (of_source(each, counts) for each in (held.sides(), held.near_copies))
        first = 0
        for stats, keys, side, near in zip(
            self.stats.values(), placed.keys, sides, moved, strict=True
        ):
            stats.near_copies = int(near.sum())
            for number, name in enumerate(SIDES):
                some = sampled_documents(keys, side == number)
                stats.samples[name] = [placed.id_of(first + each) for each in sorted(some)]
            first += len(keys)


class Placed:
    """The kept documents of all chunks, in order: their keys, and where to read them.

    keys: by which each source is split, one for each document. of_articles: sentences of each
    source whose article is known.
    """

    def __init__(
        self, sources: Sources, chunks: Sequence[Chunk], block_bytes: int, folder: Path
    ) -> None:
        self.names = [source.name for source, _ in sources]
        self.parts: list[Part] = []
        self.keys: list[Hashes] = []
        self.of_articles = dict.fromkeys(self.names, 0)
        placing = Placing(block_bytes)
        numbered, files_before = list(enumerate(chunks)), 0
        for source, files in sources:
            placing.begin_source(files_before)
            files_before += len(files)
            blocks, own, few = [np.empty(0, dtype=np.uint64)], list[Hashes](), True
            for number, chunk in numbered:
                if chunk.source != source.name:
                    continue
                numbers, first = folder / f"{number:05d}.npy", placing.documents
                keys, of_blocks, articles = placing.add(chunk.path, numbers)
                self.of_articles[source.name] += articles
                self.parts.append(Part(source.name, chunk.path, numbers, first))
                blocks.append(of_blocks)
                own += [keys] * few
                few = few and len(np.unique(np.concatenate(blocks))) < FEW_BLOCKS
            every = np.concatenate(blocks)
            self.keys.append(split_keys(np.concatenate([every[:0], *own]), every) if few else every)
        self.documents = placing.documents

    def source_sizes(self) -> list[int]:
        """The bytes of text of each source."""
        found = dict.fromkeys(self.names, 0)
        for part in self.parts:
            found[part.source] += int(memory_mapped(part.numbers)["bytes"].sum())
        return list(found.values())

    def sizes(self, sides: Any) -> list[list[int]]:
        """Of each part, the bytes of text in each split."""
        found: list[list[int]] = []
        for part in self.parts:
            sizes = memory_mapped(part.numbers)["bytes"]
            here = sides[part.first : part.first + len(sizes)]
            found.append([int(sizes[here == side].sum()) for side in range(len(SIDES))])
        return found

    def id_of(self, number: int) -> str:
        """The id of a document, by its number in the corpus."""
        part = next(each for each in reversed(self.parts) if each.first <= number)
        row = int(memory_mapped(part.numbers)["row"][number - part.first])
        return read_chunk(part.chunk, ["id"])["id"][row].as_py()


def unzipped(pairs: Any) -> tuple[list[Any], list[int]]:
    """Tasks, and their sizes."""
    every = list(pairs)
    return [task for task, _ in every], [size for _, size in every]


def sampled_documents(keys: Hashes, chosen: Marks) -> set[int]:
    """A random sample of the documents of one split: those with the largest hashes."""
    numbers = np.nonzero(chosen)[0]
    return {int(number) for number in numbers[np.argsort(keys[numbers], kind="stable")][-SAMPLES:]}


def check_enough(all_stats: list[SourceStats], kept: int) -> None:
    """Raise CorpusError if there are too few documents for three splits."""
    if kept == 0:
        raise CorpusError(
            f"no document is left; dropped were, by reason:\n{reasons_table(all_stats)}",
            do="Look at what was dropped (endonym look RUN --dropped all), then loosen that rule "
            "in [clean] or correct [[source]].",
        )
    if why := too_few(kept):
        raise CorpusError(why, do=DIVIDE)
