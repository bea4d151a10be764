"""What stands elsewhere goes: in evaluation texts, or in the corpus itself. Chunk by chunk.

**decontaminate**: each chunk without what evaluation texts hold. **keys**: what equal and similar
documents share. **copies**: from all keys it is decided, in this process, what goes (copies).
**sift**: each chunk without it. A document is known by its number among those of all chunks.
"""

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow

from endonym.cleaning.tally import SAMPLES, Tally
from endonym.copies.contamination import Contamination, Judged
from endonym.copies.keys import Asked, write_keys
from endonym.copies.letters import Marks
from endonym.copies.notes import DETAILS
from endonym.copies.paragraphs import paragraphs, without
from endonym.copies.reading import Involved
from endonym.copies.removal import Removal, decided, every_row
from endonym.copies.repeated import Copies, Cuts
from endonym.copies.sharing import rows_that_share
from endonym.copies.tables import Tables
from endonym.corpus.cleaned import Cleaned
from endonym.corpus.corpus_stats import SourceStats
from endonym.corpus.work import Work
from endonym.disk import json_bytes
from endonym.formats.chunks import is_document, read_chunk, write_array, write_chunk
from endonym.formats.config import Clean
from endonym.formats.document import Document, Reject
from endonym.formats.document_files import seen_files
from endonym.formats.io.origin import SHOWN_CHARS
from endonym.formats.readers.plain import VISIBLE
from endonym.workers import Advance, Result

EvaluationFile = tuple[str, Iterable[str]]
"""The name of a file, and its texts."""
NAMES = arrow.schema({"name": arrow.string()})
STAYED = ("exact", "near")


@dataclass(frozen=True, slots=True)
class Unsifted:
    """A chunk, the folder and the name of what is made of it.

    first: the number of its first document. given: the folder of what goes: of the runs of
    evaluation texts, or of decisions about copies. samples: of what each rule does.
    """

    chunk: Path
    source: str
    clean: Clean
    seed: int
    first: int
    given: Path
    folder: Path
    name: str
    samples: int = SAMPLES

    def texts(self) -> list[str]:
        """The texts of its documents."""
        table = read_chunk(self.chunk, ["text", "reason"])
        return table["text"].filter(arrow.array(is_document(table))).to_pylist()


Judge = Callable[[int, Document], tuple[Judged, str] | Reject | None]
"""From the number of a document in its chunk to a part of it with the reason, to a reject, or to
None if nothing goes."""


def sift(unsifted: Unsifted, judge: Judge, advance: Advance, reason: str) -> dict[str, Any]:
    """Write a chunk without what a judge takes out; its counts."""
    rows = Cleaned(unsifted.source, unsifted.seed)
    stats = SourceStats(unsifted.source, tally=Tally(unsifted.samples))
    number, table = 0, read_chunk(unsifted.chunk)
    for row in table.to_pylist():
        meta, size = row["meta"], row["size"]
        advance(size)
        if row["reason"] is not None:
            known = (row["detail"] or "", row["text"], size, row["stayed"] or "")
            found = Reject(row["reason"], row["id"], unsifted.source, *known)
            rows.add(found, None, row["file"], size)
            continue
        document = Document(row["text"], row["id"], unsifted.source, rows.noted(meta))
        found: Document | Reject | None = document
        stats.tally.begin(document.id)
        judged = judge(number, document)
        number += 1
        if isinstance(judged, Reject):
            found = judged
        elif judged is not None:
            part, detail = judged
            found = shortened(document, part, reason, detail, least=unsifted.clean.min_chars or 0)
            if isinstance(found, Document):
                for text in part.removed:
                    stats.tally.removed(reason, text)
                    rows.remove(document, reason, text, detail)
        if isinstance(found, Reject):
            stats.tally.dropped(found.reason, document.text, found.detail, size)
        found = rows.add(found, meta, row["file"], size)
        if isinstance(found, Reject):
            stats.drop(found, size)
    written = rows.write(unsifted.folder, unsifted.name)
    return {"files": written, "documents": rows.documents, "counts": stats.counts()}


def shortened(
    document: Document, part: Judged, reason: str, detail: str, *, least: int
) -> Document | Reject:
    """What is left of a document; a reject if that is less than so many characters."""
    text = part.text
    if text is not None and not VISIBLE.search(text):
        text = None
    if text is not None and len(text) < least:
        detail += f"; the rest has {len(text):,} characters, below {least:,}"
        text = None
    if text is not None:
        return replace(document, text=text)
    return Reject(reason, document.id, document.source, detail, document.text[:SHOWN_CHARS])


def evaluation_index(files: Sequence[EvaluationFile], work: Work) -> Path:
    """The folder of the runs of evaluation texts, named by these texts; made once, then mapped."""
    every = [(name, list(texts)) for name, texts in files]
    name = f"evaluation-{hashlib.sha256(json_bytes(every)).hexdigest()[:16]}"
    folder = work.place(name)
    work.once(name, lambda: {"files": Contamination.of_files(every).save(folder)})
    return folder


def decontaminating(contamination: Contamination, texts: Iterable[str]) -> Judge:
    """What takes evaluation texts out of documents with these texts."""
    judged = list(contamination.judge(texts))

    def judge(number: int, document: Document) -> tuple[Judged, str] | None:
        files = judged[number].files
        names = ", ".join(contamination.counts[file].file for file in files)
        said = f"runs of its words or letters that stand in {names}"
        return (judged[number], said) if files else None

    return judge


def decontaminate_chunk(unsifted: Unsifted, advance: Advance) -> Result:
    """Take evaluation texts out of the documents of a chunk."""
    contamination = Contamination.load(unsifted.given)
    judge = decontaminating(contamination, unsifted.texts())
    made = sift(unsifted, judge, advance, "decontaminate")
    seen = np.packbits(contamination.seen)
    made["files"].append(write_array(unsifted.folder, f"{unsifted.name}-seen.npy", seen))
    counts = [[each.dropped_documents, each.cut_documents] for each in contamination.counts]
    return {**made, "evaluation": counts}


def contamination_of(made: Sequence[Result], given: Path, folder: Path) -> list[dict[str, Any]]:
    """What the card says of each evaluation file, from what all chunks say."""
    found = Contamination.load(given)
    for each in made:
        seen = np.load(folder / each["files"][-1]["name"])
        found.seen |= np.unpackbits(seen, count=len(found.seen)).astype(np.bool_)
        for counts, (dropped, cut) in zip(found.counts, each["evaluation"], strict=True):
            counts.dropped_documents += dropped
            counts.cut_documents += cut
    found.count_remaining()
    return [each.as_dict() for each in found.counts]


def asked_of(clean: Clean) -> Asked:
    """Which copies a recipe drops."""
    return Asked(frozenset(clean.dedup), clean.near_similarity)


def key_chunk(unsifted: Unsifted, advance: Advance) -> Result:
    """Write the keys of the documents of a chunk."""
    out = unsifted.folder / unsifted.name
    write_keys(unsifted.texts(), asked_of(unsifted.clean), out, first=unsifted.first)
    return {"files": seen_files(out.parent, out.parent.glob(f"{out.name}.*.parquet"))}


def decide(
    every: Sequence[Unsifted], documents: int, keys: Path, out: Path, *, by_ray: bool = False
) -> Result:
    """Write what goes as a copy, to a folder; what the card says of it.

    by_ray: keys are brought together by the cluster that runs (copies/sharing.py).
    """

    def texts(chosen: Marks | None) -> Iterator[str]:
        for each in every:
            mine = each.texts()
            here = None if chosen is None else chosen[each.first : each.first + len(mine)]
            yield from (t for n, t in enumerate(mine) if here is None or here[n])

    asked = asked_of(every[0].clean)
    with Tables(out / "tables") as tables:
        by_keys = functools.partial(rows_that_share, folder=tables.folder, count=documents)
        shuffled = by_keys if by_ray else every_row
        found = decided(tables, keys, texts, asked, count=documents, sharing=shuffled)
        said: dict[str, Any] = {}
        if "near" in asked.kinds:
            figures = write_clusters(found, every, tables, out)
            said = {"similarity": asked.similarity, "crowded": found.crowded, **figures}
    for kind in STAYED:
        for name, array in getattr(found, kind)._asdict().items():
            write_array(out, f"{kind}-{name}.npy", array)
    for name, array in found.cuts._asdict().items():
        write_array(out, f"cuts-{name}.npy", array)
    write_array(out, "scraps.npy", found.scraps)
    write_names(found, every, out)
    return {"files": seen_files(out, out.rglob("*")), "said": said}


def chosen_rows(every: Sequence[Unsifted], numbers: Any, columns: Sequence[str]) -> Iterator[Any]:
    """The rows of chosen documents (their numbers, ascending), a chunk at a time."""
    for place, each in enumerate(every):
        end = every[place + 1].first if place + 1 < len(every) else np.iinfo(np.int64).max
        low, high = np.searchsorted(numbers, [each.first, end])
        if low < high:
            table = read_chunk(each.chunk, [*columns, "reason"])
            rows = np.flatnonzero(is_document(table))[numbers[low:high] - each.first]
            yield each.source, numbers[low:high], table.take(arrow.array(rows))


def write_names(found: Removal, every: Sequence[Unsifted], out: Path) -> None:
    """Write the source and id of each document that stays in the place of another."""
    numbers = np.union1d(found.exact.stayed, found.near.stayed)
    names = [
        f"{source}/{name}"
        for source, _, table in chosen_rows(every, numbers, ["id"])
        for name in table["id"].to_pylist()
    ]
    write_array(out, "stayed.npy", numbers)
    write_chunk(out, "names.arrow", NAMES, [names], compression=None)


def write_clusters(
    found: Removal, every: Sequence[Unsifted], tables: Tables, out: Path
) -> dict[str, int]:
    """Write near copies beside the document that stays, for people to read."""
    near, involved = found.near, Involved(tables)
    numbers = np.union1d(near.documents, near.stayed)
    for source, mine, table in chosen_rows(every, numbers, ["id", "text", "size"]):
        at = np.searchsorted(near.documents, mine)
        for number, place, row in zip(mine.tolist(), at.tolist(), table.to_pylist(), strict=True):
            is_copy = place < len(near.documents) and near.documents[place] == number
            stayed = int(near.stayed[place]) if is_copy else number
            similarity = float(near.similarity[place]) if is_copy else 1.0
            document = Document(row["text"][:SHOWN_CHARS], row["id"], source)
            reason = "near" if is_copy else ""
            involved.add(number, stayed, similarity, reason, document=document, size=row["size"])
    return involved.write_clusters(out)


class Decisions:
    """What goes as a copy of `count` documents from the number `first` on, as `decide` wrote it."""

    def __init__(self, folder: Path, first: int, count: int) -> None:
        def mine(name: str, *others: str) -> list[Any]:
            arrays = [np.load(folder / f"{each}.npy", mmap_mode="r") for each in (name, *others)]
            low, high = np.searchsorted(arrays[0], [first, first + count])
            numbers, *rest = (each[low:high] for each in arrays)
            return [(numbers - first).tolist(), *(each.tolist() for each in rest)]

        self.goes: dict[int, tuple[str, int, float]] = {}
        for kind in STAYED:
            columns = mine(*(f"{kind}-{each}" for each in Copies._fields))
            for number, stayed, similarity in zip(*columns, strict=True):
                self.goes[number] = (kind, stayed, similarity)
        self.cuts: dict[int, list[int]] = {}
        for number, part in zip(*mine(*(f"cuts-{each}" for each in Cuts._fields)), strict=True):
            self.cuts.setdefault(number, []).append(part)
        (scraps,) = mine("scraps")
        self.scraps = set(scraps)
        self.stayed = np.load(folder / "stayed.npy", mmap_mode="r")
        self.names = read_chunk(folder / "names.arrow", schema=NAMES)["name"]

    def judge(self, number: int, document: Document) -> tuple[Judged, str] | Reject | None:
        """See Judge."""
        if number in self.goes:
            kind, stayed, similarity = self.goes[number]
            name = self.names[int(np.searchsorted(self.stayed, stayed))].as_py()
            detail = DETAILS[kind].format(stayed=name, similarity=similarity)
            shown = document.text[:SHOWN_CHARS]
            return Reject(kind, document.id, document.source, detail, shown, stayed=name)
        if number not in self.cuts:
            return None
        text, cut = document.text, self.cuts[number]
        spans = paragraphs(text)
        removed = tuple(text[slice(*spans[part])] for part in cut)
        detail = f"{len(removed)} of its {len(spans)} paragraphs stood before"
        left = without(text, spans, cut)
        if number in self.scraps:
            left, detail = None, f"{detail}; the rest stands elsewhere, too"
        return Judged(left, (), removed), detail


def sift_chunk(unsifted: Unsifted, advance: Advance) -> Result:
    """Take copies, and paragraphs that stood before, out of a chunk."""
    count = int(is_document(read_chunk(unsifted.chunk, ["reason"])).sum())
    decisions = Decisions(unsifted.given, unsifted.first, count)
    return sift(unsifted, decisions.judge, advance, "paragraphs")
