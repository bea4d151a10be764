"""What stands elsewhere goes: in evaluation texts, or in the corpus itself. Chunk by chunk.

**decontaminate**: each chunk without what evaluation texts hold. **keys**: what equal and similar
documents share. **copies**: from all keys it is decided, in this process, what goes (copies).
**remove**: each chunk without what goes. A document is known by its number among all documents.
"""

import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow

from endonym.copies.contamination import Contamination, Judged
from endonym.copies.hashes import Indices
from endonym.copies.keys import rows_that_share, write_keys
from endonym.copies.letters import paragraphs, without
from endonym.copies.near import Copies, write_clusters
from endonym.copies.notes import DETAILS
from endonym.copies.removal import Cuts, removal_by_keys
from endonym.copies.tables import Tables
from endonym.corpus.chunk_steps import ChunkTask, Cleaned
from endonym.corpus.work import EvaluationFile, Work
from endonym.disk import Json, json_bytes
from endonym.formats import chunks
from endonym.formats.document import SHOWN_CHARS, Document, Reject
from endonym.formats.document_files import seen_files
from endonym.formats.readers.plain import VISIBLE
from endonym.workers import Advance, Result

NAMES = arrow.schema({"name": arrow.string()})
STAYED = ("exact", "near")


def write_judged(
    task: ChunkTask,
    judge: Callable[[int, Document], Judged | Reject | None],
    advance: Advance,
    reason: str,
) -> Result:
    """Write a chunk without what a judge takes out of its documents; its counts.

    judge: from the number of a document in its chunk, and the document, to what is left of it, to a
    reject, or to None if nothing goes. reason: under which the parts are noted.
    """
    made = Cleaned(task)
    min_chars = task.clean.min_chars or 0
    tally = made.stats.tally

    def left(number: int, document: Document, size: int) -> Document | Reject:
        tally.begin(document.id)
        judged = judge(number, document)
        if judged is None:
            return document
        is_reject = isinstance(judged, Reject)
        record = judged if is_reject else shortened(document, judged, reason, min_chars)
        if isinstance(record, Reject):
            tally.dropped(record.reason, document.text, record.detail, size)
        elif not is_reject:
            for text in judged.removed:
                tally.removed(reason, text)
                made.remove(document, reason, text, judged.detail)
        return record

    return made.judge_all(left, advance)


def shortened(document: Document, part: Judged, reason: str, min_chars: int) -> Document | Reject:
    """What is left of a document; a reject if that is shorter than `min_chars`."""
    text = part.text
    detail = part.detail
    if text is not None and VISIBLE.search(text):
        if len(text) >= min_chars:
            return replace(document, text=text)
        detail += f"; the rest has {len(text):,} characters, below {min_chars:,}"
    return document.reject(reason, detail)


def evaluation_index(files: Sequence[EvaluationFile], work: Work) -> Path:
    """The folder of the runs of evaluation texts, named by these texts; made once, then mapped."""
    texts_of = [(name, list(texts)) for name, texts in files]
    name = f"evaluation-{hashlib.sha256(json_bytes(texts_of)).hexdigest()[:16]}"
    folder = work.place(name)
    work.once(name, lambda: {"files": Contamination.of_files(texts_of).save(folder)})
    return folder


def decontaminate_chunk(task: ChunkTask, advance: Advance) -> Result:
    """Take evaluation texts out of the documents of a chunk."""
    assert task.knowledge is not None, "it is told where the runs of evaluation texts are"
    contamination = Contamination.load(task.knowledge)
    judged = list(contamination.judge(task.texts()))

    def judge(number: int, document: Document) -> Judged | None:
        files = judged[number].files
        names = ", ".join(contamination.counts[file].file for file in files)
        detail = f"runs of its words or letters that stand in {names}"
        return judged[number]._replace(detail=detail) if files else None

    made = write_judged(task, judge, advance, "decontaminate")
    seen = np.packbits(contamination.seen)
    made["files"].append(chunks.write_array(task.folder, f"{task.name}-seen.npy", seen))
    counts = [[count.dropped_documents, count.cut_documents] for count in contamination.counts]
    return {**made, "evaluation": counts}


def contamination_of(made: Sequence[Result], runs: Path, folder: Path) -> list[Json]:
    """What the card says of each evaluation file, from what all chunks say."""
    found = Contamination.load(runs)
    for each in made:
        seen = np.load(folder / each["files"][-1]["name"])
        found.seen |= np.unpackbits(seen, count=len(found.seen)).astype(np.bool_)
        for counts, (dropped, cut) in zip(found.counts, each["evaluation"], strict=True):
            counts.dropped_documents += dropped
            counts.cut_documents += cut
    found.count_remaining()
    return [count.as_dict() for count in found.counts]


def key_chunk(task: ChunkTask, advance: Advance) -> Result:
    """Write the keys of the documents of a chunk."""
    out = task.folder / task.name
    write_keys(task.texts(), task.clean, out, first=task.first)
    return {"files": seen_files(out.parent, out.parent.glob(f"{out.name}.*.parquet"))}


def decide(
    tasks: Sequence[ChunkTask], documents: int, keys: Path, out: Path, *, by_ray: bool = False
) -> Result:
    """Decide which documents and paragraphs go as copies, and write that to a folder.

    tasks: of removal, one a chunk. documents: how many there are. The result has the files, and in
    `said` what the card says of near copies.
    by_ray: keys are brought together by the cluster that runs (copies/keys.py).
    """

    def texts(numbers: Indices) -> Iterator[str]:
        for _, _, table in chosen_rows(tasks, numbers, ["text"]):
            yield from table["text"].to_pylist()

    clean = tasks[0].clean
    with Tables(out / "tables") as tables:
        by_keys = functools.partial(rows_that_share, folder=tables.folder, count=documents)
        sharing = by_keys if by_ray else None
        removal = removal_by_keys(tables, keys, texts, clean.near_similarity, sharing=sharing)
        said: Json = {}
        if "near" in clean.dedup:
            figures = write_clusters(clustered(removal.near, tasks), tables, out)
            crowded = removal.partly_compared
            said = {"similarity": clean.near_similarity, "crowded": crowded, **figures}
    for part in (*STAYED, "cuts"):
        arrays = getattr(removal, part)._asdict()
        chunks.write_arrays(out, {f"{part}-{name}": array for name, array in arrays.items()})
    stayed = np.union1d(removal.exact.stayed, removal.near.stayed)
    names = [
        f"{source}/{name}"
        for source, _, table in chosen_rows(tasks, stayed, ["id"])
        for name in table["id"].to_pylist()
    ]
    chunks.write_arrays(out, {"scraps": removal.emptied, "stayed": stayed})
    chunks.write_chunk(out, "names.arrow", NAMES, [names], compression=None)
    return {"files": seen_files(out, out.rglob("*")), "said": said}


def chosen_rows(tasks: Sequence[ChunkTask], numbers: Any, columns: Sequence[str]) -> Iterator[Any]:
    """The source, the numbers and the rows of chosen documents, a chunk at a time.

    numbers: of the documents in the corpus, ascending.
    """
    for place, each in enumerate(tasks):
        end = tasks[place + 1].first if place + 1 < len(tasks) else np.iinfo(np.int64).max
        low, high = np.searchsorted(numbers, [each.first, end])
        if low < high:
            table = chunks.read_chunk(each.chunk, [*columns, "reason"])
            rows = np.flatnonzero(chunks.is_document(table))[numbers[low:high] - each.first]
            yield each.source, numbers[low:high], table.take(arrow.array(rows))


def clustered(near: Copies, tasks: Sequence[ChunkTask]) -> Iterator[Json]:
    """The documents that have near copies, and these, as `copies/near.py` takes them."""
    numbers = np.union1d(near.documents, near.stayed)
    for source, some_numbers, table in chosen_rows(tasks, numbers, ["id", "text"]):
        stayed, similarity = near.in_place_of(some_numbers)
        yield {
            "document": some_numbers,
            "stayed": stayed,
            "similarity": similarity,
            "source": [source] * len(some_numbers),
            "id": table["id"],
            "text": [text[:SHOWN_CHARS] for text in table["text"].to_pylist()],
        }


class Decisions:
    """What goes as a copy of `count` documents from the number `first` on, as `decide` wrote it."""

    def __init__(self, folder: Path, first: int, count: int) -> None:
        def own_rows(name: str, *others: str) -> list[Any]:
            """Columns by name for these documents; the first has their numbers, from 0 on."""
            arrays = chunks.read_arrays(folder, (name, *others))
            low, high = np.searchsorted(arrays[0], [first, first + count])
            numbers, *rest = (array[low:high] for array in arrays)
            return [(numbers - first).tolist(), *(each.tolist() for each in rest)]

        # By number: why a document goes, which one stays in its place, and how similar they are.
        self.goes: dict[int, tuple[str, int, float]] = {}
        for kind in STAYED:
            columns = own_rows(*(f"{kind}-{field}" for field in Copies._fields))
            for number, stayed, similarity in zip(*columns, strict=True):
                self.goes[number] = (kind, stayed, similarity)
        self.cuts: dict[int, list[int]] = {}
        cuts = own_rows(*(f"cuts-{field}" for field in Cuts._fields))
        for number, part in zip(*cuts, strict=True):
            self.cuts.setdefault(number, []).append(part)
        (emptied,) = own_rows("scraps")
        self.emptied = set(emptied)
        (self.stayed,) = chunks.read_arrays(folder, ("stayed",))
        self.names = chunks.read_chunk(folder / "names.arrow", schema=NAMES)["name"]

    def judge(self, number: int, document: Document) -> Judged | Reject | None:
        """What is left of a document, by its number in the chunk; None if all of it."""
        if number in self.goes:
            kind, stayed, similarity = self.goes[number]
            name = self.names[int(np.searchsorted(self.stayed, stayed))].as_py()
            detail = DETAILS[kind].format(stayed=name, similarity=similarity)
            return document.reject(kind, detail, stayed=name)
        if number not in self.cuts:
            return None
        text = document.text
        cut = self.cuts[number]
        spans = paragraphs(text)
        removed = tuple(text[slice(*spans[part])] for part in cut)
        detail = f"{len(removed)} of its {len(spans)} paragraphs stood before"
        if len(removed) == len(spans):
            detail = "its paragraph" if len(spans) == 1 else f"all its {len(spans)} paragraphs"
            detail += " stood before"
        left = without(text, spans, cut)
        if number in self.emptied:
            rest = "" if len(removed) == len(spans) else "; the rest stands elsewhere, too"
            left = None
            detail = f"{detail}{rest}"
        return Judged(left, (), removed, detail)


def remove_copies(task: ChunkTask, advance: Advance) -> Result:
    """Take copies, and paragraphs that stood before, out of a chunk."""
    assert task.knowledge is not None, "it is told where the decisions are"
    count = int(chunks.is_document(chunks.read_chunk(task.chunk, ["reason"])).sum())
    decisions = Decisions(task.knowledge, task.first, count)
    return write_judged(task, decisions.judge, advance, "paragraphs")
