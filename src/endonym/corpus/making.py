"""How a corpus is made: a chain of maps over files and of what must see all of them.

read: groups of raw files to chunks. clean: chunks. count, judge: chunks, if a rule must know the
whole corpus (chunk_steps.py). decontaminate, keys, copies, remove: chunks without evaluation texts
and copies (removing.py). dropped: a file for each reason. place: the numbers of documents. split:
what is held out. write: the files of the splits (written.py).

Each map is a step of `work.py`. In memory are eight bytes for each document, about forty while what
is held out is chosen, and an index of the held-out texts (held_out/repeated.py). While near copies
are looked for, there are about fifty bytes for each document that shares a key with another one.
"""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from endonym.cleaning.corpus_rules import rounds
from endonym.cleaning.tally import SAMPLES as RULE_SAMPLES
from endonym.cleaning.tally import Tally
from endonym.copies.held_out.split import SIDES, HeldOut, held_out, of_source
from endonym.copies.notes import COPIES
from endonym.corpus import chunk_steps, removing, written
from endonym.corpus.chunk_steps import ChunkTask
from endonym.corpus.comparing import SearchByWorkers
from endonym.corpus.corpus_stats import SAMPLES, SourceStats, reasons_table
from endonym.corpus.work import EvaluationFile, Sources, Work
from endonym.corpus.written import Placed, Reason
from endonym.disk import Json, link_or_copy
from endonym.errors import CorpusError
from endonym.formats.chunks import read_arrays, write_arrays
from endonym.formats.config import Clean, Split
from endonym.formats.document_files import DROPPED, REMOVED
from endonym.formats.readable import DIVIDE, too_few, too_much
from endonym.workers import Cluster, Function, Result

NO_MARKS = np.zeros(0, dtype=np.bool_)
NOTHING = HeldOut(NO_MARKS, NO_MARKS, NO_MARKS, overlap=0.0, covered=0.0, covered_of=[])
"""What is held out of no texts: those of a recipe that learns from conversations alone."""


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


@dataclass
class Making:
    """The steps of one corpus.

    samples: of what each rule does. most_bytes: about how much is read of each raw file that has
    more, if not all. stats: of each source. card_notes: what the card says of copies and of
    evaluation texts. marked: hashes of the recipe that a text or a file had. removed: files of
    parts that were taken out of documents.
    """

    sources: Sources
    clean: Clean
    split: Split
    _: KW_ONLY
    work: Work
    out: Path
    contrast: Sequence[Path] = ()
    evaluation: Sequence[EvaluationFile] = ()
    samples: int = RULE_SAMPLES
    most_bytes: int | None = None
    card_notes: Json = field(init=False, default_factory=Json)
    marked: set[str] = field(init=False, default_factory=set[str])
    removed: list[Path] = field(init=False, default_factory=list[Path])

    def __post_init__(self) -> None:
        # A source may have rules of its own; those of the whole corpus are the same in all.
        self.cleans = {source.name: self.clean.of(source) for source, _ in self.sources}
        self.rounds = max(map(rounds, self.cleans.values()), default=0)
        self.stats = {
            source.name: SourceStats(source.name, len(files), tally=Tally(self.samples))
            for source, files in self.sources
        }

    def task(self, chunk: Path, source: str, **where: Any) -> ChunkTask:
        """The task of a chunk of a source. where: the other fields of ChunkTask."""
        rules = self.cleans[source]
        return ChunkTask(
            chunk, source, clean=rules, seed=self.split.seed, samples=self.samples, **where
        )

    def make(self) -> HeldOut:
        """Run every step and return what is held out. Fills `stats`, and `out` with files."""
        if not self.sources:
            return NOTHING
        chunks = self.cleaned()
        paths = [(chunk.source, chunk.path) for chunk in chunks]
        placed = Placed(self.sources, paths, self.split.block_bytes, self.work.place("place"))
        for source, count in placed.of_articles.items():
            self.stats[source].of_articles = count
        if placed.documents == 0:
            reasons = reasons_table(list(self.stats.values()))
            raise CorpusError(
                f"no document is left; dropped were, by reason:\n{reasons}",
                do="Look at what was dropped (endonym look RUN --dropped all), then loosen that "
                "rule in [clean] or correct [[source]].",
            )
        if why := too_few(placed.documents):
            raise CorpusError(why, do=DIVIDE)
        held = self.held_out(placed)
        self.write_shards(placed)
        self.note_samples(placed, held)
        for stats in self.stats.values():
            stats.balance()
        return held

    def cleaned(self) -> list[Chunk]:
        """The chunks of what stays, after every rule; what is dropped is written for people."""
        chunks = self.without_copies(self.chunks())
        self.write_dropped(chunks)
        return chunks

    def read(self) -> tuple[list[ChunkTask], list[int]]:
        """Read the raw files; the tasks of cleaning, with their sizes."""
        read_to = self.work.place("read")
        clean_to = self.work.place("clean")
        new_group = partial(chunk_steps.Group, folder=read_to, most_bytes=self.most_bytes)
        groups = list[chunk_steps.Group]()
        group_sizes = list[int]()
        for source, files in self.sources:
            for first, end, size in chunk_steps.groups_of(files):
                name = f"{len(groups):05d}"
                some_files = tuple(files[first:end])
                rules = self.cleans[source.name]
                group = new_group(source, some_files, first=first, name=name, clean=rules)
                groups.append(group)
                group_sizes.append(size)
        results = self.work.step("read", chunk_steps.read_group, groups, group_sizes)
        tasks = list[ChunkTask]()
        sizes = list[int]()
        for group, result in zip(groups, results, strict=True):
            names = tuple(raw_file.name for raw_file in group.files)
            new_task = partial(self.task, folder=clean_to, first=group.first, files=names)
            for file in result["files"]:
                chunk = group.folder / file["name"]
                name = f"{len(tasks):05d}.arrow"
                tasks.append(new_task(chunk, group.source.name, name=name))
                sizes.append(file["size"])
        return tasks, sizes

    def tasks(
        self, step: str, chunks: Sequence[Chunk], knowledge: Path | None = None
    ) -> tuple[list[ChunkTask], list[int]]:
        """The tasks of a step on cleaned chunks, with their sizes. knowledge: see ChunkTask."""
        tasks = list[ChunkTask]()
        first = 0
        new_task = partial(self.task, folder=self.work.place(step), knowledge=knowledge)
        for number, chunk in enumerate(chunks):
            tasks.append(new_task(chunk.path, chunk.source, name=f"{number:05d}", first=first))
            first += chunk.documents
        return tasks, [chunk.size for chunk in chunks]

    def step(
        self, name: str, function: Function, chunks: Sequence[Chunk], knowledge: Path | None = None
    ) -> list[Result]:
        """Run a step with a job for each cleaned chunk; what the jobs return."""
        tasks, sizes = self.tasks(name, chunks, knowledge)
        return self.work.step(name, function, tasks, sizes)

    def chunks(self) -> list[Chunk]:
        """Read, clean, and judge by the whole corpus if a rule asks for that."""
        judged = self.work.finished("judge") if self.rounds else None
        # Once the chunks are judged, only the records of cleaning are left, and they suffice.
        is_past = judged is not None
        results = self.work.results("clean") if is_past else self.work.finished("clean")
        if results is None:
            tasks, sizes = self.read()
            results = self.work.step("clean", chunk_steps.clean_chunk, tasks, sizes)
        for each in self.work.results("read") or ():
            self.stats[each["source"]].encodings.update(each["encodings"])
            self.marked.update(each.get("marked", ()))
        self.work.forget("read")
        folder = self.work.place("clean")
        read = [
            Chunk(each["source"], folder, each["documents"], size=each["counts"]["read"]["bytes"])
            for each in results
        ]
        chunks = self.next_chunks(read, results, folder)
        self.check_readable(chunks)
        if self.rounds:
            chunks = self.judged(chunks, judged)
            self.check_readable(chunks)  # Our code may fail in judging, too.
        return chunks

    def check_readable(self, chunks: Sequence[Chunk]) -> None:
        """Raise SourceError, after what was dropped is written, if too much could not be read."""
        readings = [stats.reading() for stats in self.stats.values()]
        if (error := too_much(readings, self.clean.max_unreadable)) is not None:
            self.write_dropped(chunks)
            raise error

    def judged(self, chunks: Sequence[Chunk], made: list[Result] | None) -> list[Chunk]:
        """The chunks after the rules that must know the whole corpus.

        made: what the jobs of an earlier run returned, if it judged all chunks.
        """
        if made is None:
            contrast = chunk_steps.contrast_texts(self.contrast)
            facts = None
            for number in range(self.rounds):
                step = f"count{number}"
                before = facts
                counted = self.step(step, chunk_steps.count_chunk, chunks, before)
                counts = [self.work.place(step) / each["counts"] for each in counted]
                facts = self.work.place(f"facts{number}")
                combine = partial(
                    chunk_steps.combine_counts, self.clean, counts, before, contrast, out=facts
                )
                self.work.once(facts.name, combine)
            made = self.step("judge", chunk_steps.judge_chunk, chunks, facts)
        for step in ("clean", *(f"count{number}" for number in range(self.rounds))):
            self.work.forget(step)
        self.removed.clear()  # Nothing is taken out of documents before they are judged.
        return self.next_chunks(chunks, made, self.work.place("judge"))

    def without_copies(self, chunks: list[Chunk]) -> list[Chunk]:
        """The chunks without evaluation texts and without copies, if a key asks for that."""
        if self.evaluation:
            runs = removing.evaluation_index(self.evaluation, self.work)
            folder = self.work.place("decontaminate")
            made = self.step("decontaminate", removing.decontaminate_chunk, chunks, runs)
            self.card_notes["decontamination"] = removing.contamination_of(made, runs, folder)
            chunks = self.next_chunks(chunks, made, folder)
        if self.clean.dedup:
            keys, copies, folder = map(self.work.place, ("keys", "copies", "remove"))
            self.step("keys", removing.key_chunk, chunks)
            tasks, sizes = self.tasks("remove", chunks, copies)
            documents = sum(chunk.documents for chunk in chunks)
            by_ray = isinstance(self.work.runner, Cluster)
            decided = partial(removing.decide, tasks, documents, keys, copies, by_ray=by_ray)
            near_notes = self.work.once("copies", decided)["said"]
            if near_notes:
                self.card_notes["near"] = near_notes
                link_or_copy(copies / COPIES, self.out / COPIES)
            made = self.work.step("remove", removing.remove_copies, tasks, sizes)
            chunks = self.next_chunks(chunks, made, folder)
        return chunks

    def next_chunks(
        self, chunks: Sequence[Chunk], made: Sequence[Result], folder: Path
    ) -> list[Chunk]:
        """The chunks that the jobs of a step made of these; what they dropped is counted.

        made: what the jobs returned. folder: of their files.
        """
        left = list[Chunk]()
        for chunk, each in zip(chunks, made, strict=True):
            self.stats[chunk.source].add(each["counts"])
            dropped = sorted({*chunk.dropped, *each["counts"]["dropped"]})
            path, removed = (folder / file["name"] for file in each["files"][:2])
            self.removed.append(removed)
            left.append(Chunk(chunk.source, path, each["documents"], chunk.size, tuple(dropped)))
        return left

    def write_dropped(self, chunks: Sequence[Chunk]) -> None:
        """Write what is dropped, by reason, and what was taken out of documents that stay."""
        folder = self.work.place("dropped")
        tasks = list[Reason]()
        for reason in sorted({reason for chunk in chunks for reason in chunk.dropped}):
            holding = [(each.source, each.path) for each in chunks if reason in each.dropped]
            tasks.append(Reason(folder, reason, tuple(holding)))
        made = self.work.step("dropped", written.write_dropped, tasks, [0] * len(tasks))
        self.hand_over("dropped", made, self.out / DROPPED)
        for file in written.write_removed(self.removed, folder / REMOVED):
            link_or_copy(folder / REMOVED / file["name"], self.out / REMOVED / file["name"])

    def held_out(self, placed: Placed) -> HeldOut:
        """Choose what is held out, or take what an earlier run has chosen."""
        folder = self.work.place("split")

        def chosen() -> Result:
            search = SearchByWorkers(placed.parts, self.work)
            held = held_out(placed.keys, self.split, search, placed.source_sizes())
            files = write_arrays(folder, {"sides": held.sides(), "moved": held.near_copies})
            return {"files": files, "shares": [held.overlap, held.covered, held.covered_of]}

        shares = self.work.once("split", chosen)["shares"]
        sides, moved = read_arrays(folder, ("sides", "moved"))
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

    def write_shards(self, placed: Placed) -> None:
        """Write the files of the splits; count what is written."""
        sides = self.work.place("split") / "sides.npy"
        shards = dict(placed.shards(sides, self.work.place("write")))
        made = self.work.step("write", written.write_shard, list(shards), list(shards.values()))
        # Of each source and warning, the position of the first document with it, and its example.
        firsts: dict[tuple[str, str], tuple[int, str]] = {}
        for each in made:
            for source, counts in each["sources"].items():
                stats = self.stats[source]
                stats.kept[each["side"]].update(counts["kept"])
                for warning, (count, position, example) in counts["warnings"].items():
                    stats.warnings[warning] += count
                    key = (source, warning)
                    firsts[key] = min(firsts.get(key, (position, example)), (position, example))
        for (source, warning), (_, example) in firsts.items():
            self.stats[source].examples[warning] = example
        self.hand_over("write", made, self.out)

    def hand_over(self, step: str, made: Sequence[Result], out: Path) -> None:
        """Link or copy the files of a step into the artefact. made: what its jobs returned."""
        for each in made:
            for file in each["files"]:
                link_or_copy(self.work.place(step) / file["name"], out / file["name"])

    def note_samples(self, placed: Placed, held: HeldOut) -> None:
        """Note of each source how many near copies moved, and a few documents of each split."""
        counts = [len(keys) for keys in placed.keys]
        sides, moved = (of_source(each, counts) for each in (held.sides(), held.near_copies))
        first = 0
        for stats, keys, side, near in zip(
            self.stats.values(), placed.keys, sides, moved, strict=True
        ):
            stats.near_copies = int(near.sum())
            for number, name in enumerate(SIDES):
                chosen = np.flatnonzero(side == number)
                # A random sample: those with the largest hashes.
                some = chosen[np.argsort(keys[chosen], kind="stable")][-SAMPLES:]
                stats.samples[name] = [placed.id_of(first + each) for each in sorted(some.tolist())]
            first += len(keys)
