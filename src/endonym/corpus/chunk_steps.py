"""The first steps of a corpus: raw files are read to chunks, chunks are cleaned and judged.

Each step is a function from files to files, which `endonym.workers` runs: any number of them side
by side. Reading takes a group of raw files of one source, the others one chunk. Nothing here knows
of other chunks, except the facts: what rules must know of the whole corpus is counted chunk by
chunk and combined (cleaning/corpus_rules.py), in two rounds for some rules. Copies and the split
come later.
"""

import functools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow

from endonym.cleaning.cleaning import Cleaning
from endonym.cleaning.corpus_rules import CorpusJudge, Counted, Counts, Facts, combine, rounds
from endonym.cleaning.marks import Marks
from endonym.cleaning.tally import SAMPLES, Tally
from endonym.copies.held_out.split import digest
from endonym.corpus.corpus_stats import SourceStats, text_warnings
from endonym.formats import chunks, document_files
from endonym.formats.config import Clean, Source
from endonym.formats.document import ARTICLE, Document, Reject
from endonym.formats.faults import passing_over, refusal
from endonym.formats.files import RawFile
from endonym.formats.io.formats import file_format
from endonym.formats.reader import read_file, size_of
from endonym.formats.source_errors import source_error
from endonym.workers import Advance, Result

GROUP_BYTES = 16 << 20
GROUP_FILES = 1_000
"""A group of raw files is closed when it has so many bytes, or so many files."""
JUDGED_AT_ONCE = 64
"""Documents whose language is looked at together."""
CONTRAST_CHARS = 2_000_000
"""Characters that are read of another language: more make no difference."""


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring raw files of one source, to be read to chunks in a folder.

    clean: the rules of the source. first: the number of the first file in its source. name: what
    its chunks' names begin with.
    most_bytes: about how much is read of each file that has more, if not all of it.
    """

    source: Source
    files: tuple[RawFile, ...]
    first: int
    folder: Path
    name: str
    most_bytes: int | None = None
    clean: Clean = field(default_factory=Clean)


def groups_of(files: Sequence[RawFile]) -> Iterator[tuple[int, int, int]]:
    """Neighbouring files in groups: the number of the first, that after the last, their bytes."""
    first = size = 0
    for number, file in enumerate(files):
        size += size_of(file)
        if size >= GROUP_BYTES or number + 1 - first >= GROUP_FILES:
            yield first, number + 1, size
            first = number + 1
            size = 0
    if first < len(files):
        yield first, len(files), size


def read_group(group: Group, advance: Advance) -> Result:
    """Read raw files to chunks; the names of these, the encodings of the files, and found marks."""
    raw_chunks = RawChunks(group)
    most = group.most_bytes
    marks = Marks(group.clean)
    for number, file in enumerate(group.files, group.first):
        size = bytes_left = size_of(file)
        file_bytes = record_bytes = 0  # that were read so far
        of_file = marks.of_file(file.path)

        def count_read(raw_bytes: int) -> None:
            nonlocal file_bytes, bytes_left
            file_bytes += raw_bytes
            advance(min(raw_bytes, bytes_left))
            bytes_left -= min(raw_bytes, bytes_left)

        for record in read_file(group.source, file, count_read):
            is_document = isinstance(record, Document)
            raw_chunks.add(marks.marked(record, of_file) if is_document else record, number)
            # Readers fetch far more than one record; of a packed file a record has more bytes.
            record_bytes += record.raw_bytes
            if most is not None and size > most and min(record_bytes, file_bytes) >= most:
                break
        advance(bytes_left)
    raw_chunks.write()
    encodings = dict(raw_chunks.encodings)
    result = {"source": group.source.name, "files": raw_chunks.written, "encodings": encodings}
    return result | ({"marked": sorted(marks.found)} if marks.found else {})


class RawChunks:
    """Gathers the records of a group, and writes them as chunks."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.written = list[document_files.Whole]()
        self.encodings = Counter[str]()
        self.member = ""
        self.method = ""
        self.meta: dict[str, str] | None = None
        self.meta_text = ""
        self.rows = list[tuple[Any, ...]]()
        self.chars = 0

    def add(self, record: Document | Reject, file: int) -> None:
        """Add a record of a file."""
        if isinstance(record, Document):
            row = (self.notes_json(record), file, -1, None, None)  # its size is counted later
        else:
            row = (None, file, record.raw_bytes, record.reason, record.detail)
        self.rows.append((record.text, record.id, *row))
        self.chars += len(record.text) + len(record.id) + chunks.RECORD_CHARS
        if self.chars >= chunks.CHUNK_CHARS:
            self.write()

    def notes_json(self, document: Document) -> str:
        """The notes of the reader as JSON, with how the text was taken from its file.

        The encoding of a file, or of a member of an archive, is counted with its first document.
        """
        member = document.id.rpartition("#")[0]
        if member != self.member:
            self.member = member
            self.meta = None
            self.method = file_format(member, self.group.source).format
            self.encodings[document.meta.get("encoding", "utf-8")] += 1
        # Documents of one file mostly share their notes.
        if document.meta is not self.meta:
            self.meta = document.meta
            self.meta_text = document_files.json_text({"method": self.method} | document.meta)
        return self.meta_text

    def write(self) -> None:
        """Write what was gathered, if anything was, and begin a new chunk."""
        if not self.rows:
            return
        texts, ids, metas, files, sizes, reasons, details = zip(*self.rows, strict=True)
        column = chunks.strings(texts)
        given_sizes = np.array(sizes, dtype=np.int64)
        lengths = np.where(given_sizes < 0, chunks.byte_lengths(column), given_sizes)
        name = f"{self.group.name}-{len(self.written):05d}.arrow"
        columns = [column, ids, metas, files, lengths, reasons, details]
        written = chunks.write_chunk(self.group.folder, name, chunks.RAW, columns)
        self.written.append(written | {"size": int(lengths.sum())})
        self.rows = []
        self.chars = 0


@dataclass(frozen=True, slots=True)
class ChunkTask:
    """A chunk, and the folder and the name of what a step makes of it.

    knowledge: the folder of what the step knows of the whole corpus, if it needs to: facts, runs of
    evaluation texts, or decisions about copies. first: the number of its first document in the
    corpus; of a raw chunk, that of the first of `files`, the raw files of its group. samples: of
    what each rule does.
    """

    chunk: Path
    source: str
    folder: Path
    name: str
    clean: Clean
    seed: int
    knowledge: Path | None = None
    first: int = 0
    files: tuple[str, ...] = ()
    samples: int = SAMPLES

    def texts(self) -> list[str]:
        """The texts of its documents."""
        table = chunks.read_chunk(self.chunk, ["text", "reason"])
        return table["text"].filter(arrow.array(chunks.is_document(table))).to_pylist()


@functools.lru_cache(maxsize=1)
def notes_of(meta: str) -> dict[str, str]:
    """The notes of a document's reader, from JSON; those of neighbours are mostly the same."""
    return json.loads(meta)


Judge = Callable[[int, Document, int], Document | Reject]
"""From the number of a document in its chunk, the document and its bytes as read to what stays."""


class Cleaned:
    """A chunk that a step makes of another one: its rows, how many documents stay, the counts."""

    def __init__(self, task: ChunkTask) -> None:
        self.task = task
        self.stats = SourceStats(task.source, tally=Tally(task.samples, task.clean.language))
        self.documents = 0
        self.rows = list[tuple[Any, ...]]()
        self.removed = list[bytes]()

    def judge_all(self, judge: Judge, advance: Advance) -> Result:
        """Judge and write all documents of the task's chunk; the files and the counts.

        Of a raw chunk (one with files) all records are counted, later only what is dropped now.
        """
        task = self.task
        is_raw = bool(self.task.files)
        number = 0
        names = chunks.RAW.names if is_raw else [*chunks.RAW.names, "stayed"]
        table = chunks.read_chunk(task.chunk, names, chunks.RAW if is_raw else chunks.CLEAN)
        for row in table.to_pylist():
            reason = row["reason"]
            size = row["size"]
            if reason is None:
                meta = notes_of(row["meta"])
                record = judge(number, Document(row["text"], row["id"], task.source, meta), size)
                number += 1
            else:
                record = chunks.reject_of(row, task.source)
            record = self.add(record, row["meta"], row["file"], size)
            if is_raw:
                self.stats.read.update(records=1, bytes=size)
            if isinstance(record, Reject) and (is_raw or reason is None):
                name = task.files[row["file"] - task.first] if is_raw else ""
                self.stats.drop(record, size, name)
            advance(size)
        files = self.write()
        counts = self.stats.counts()
        return {"files": files, "documents": self.documents, "counts": counts}

    def add(
        self, record: Document | Reject, meta: str | None, file: int, size: int
    ) -> Document | Reject:
        """Add a record to the rows and return it; a reject of a document in which our code fails.

        meta: the notes of its reader, as JSON. size: its bytes as read.
        """
        if isinstance(record, Document):
            with passing_over() as faults:
                raw_columns = (record.text, record.id, meta, file, size, None, None)
                self.rows.append((*raw_columns, *self.cleaned_columns(record), None))
                self.documents += 1
                return record
            record = refusal(record, faults[0])
        why = (record.reason, record.detail, None, None, None, record.stayed or None)
        self.rows.append((record.text, record.id, None, file, size, *why))
        return record

    def cleaned_columns(self, document: Document) -> tuple[bytes, str | None, bytes | None]:
        """The digest of a document, its warnings as JSON, and the digest of its article, if any."""
        text = document.text
        article = document.meta.get(ARTICLE)
        seed = self.task.seed
        examples = text_warnings(text)
        warnings = document_files.json_text(examples) if examples else None
        of_article = None if article is None else digest(article.encode(), seed)
        return digest(text.encode(), seed), warnings, of_article

    def remove(self, document: Document, reason: str, part: str, detail: str = "") -> None:
        """Note a part that is taken out of a document."""
        reject = document.reject(reason, detail, part=part, raw_bytes=len(part.encode()))
        line = document_files.reject_line(reject).decode()
        self.removed.append(document_files.json_line({reason: line}))

    def write(self) -> list[document_files.Whole]:
        """Write the chunk, and a file of what was taken out of its documents."""
        texts, *raw, digests, warnings, articles, stayed = zip(*self.rows, strict=True)
        column = chunks.strings(texts)
        task = self.task
        columns = [column, *raw, digests, chunks.byte_lengths(column), chunks.char_lengths(column)]
        columns += [warnings, articles, stayed]
        return [
            chunks.write_chunk(task.folder, f"{task.name}.arrow", chunks.CLEAN, columns),
            document_files.write_file(task.folder, f"{task.name}.removed", b"".join(self.removed)),
        ]


def clean_chunk(task: ChunkTask, advance: Advance) -> Result:
    """Clean the documents of a raw chunk; the chunk of what is kept and dropped, and the counts.

    If a rule needs to know the whole corpus, documents are only normalized (see judge_chunk).
    """
    made = Cleaned(task)
    is_judged_later = rounds(task.clean) > 0
    cleaning = Cleaning(task.clean, made.remove, made.stats.tally)

    def cleaned(number: int, document: Document, size: int) -> Document | Reject:
        record = cleaning.normalized(document)
        if isinstance(record, Reject):
            return record
        made.stats.changed_documents += record is not document
        return record if is_judged_later else cleaning.judged(record, size)

    return {"source": task.source, **made.judge_all(cleaned, advance)}


def count_chunk(task: ChunkTask, advance: Advance) -> Result:
    """Count what the rules need to know of a chunk of normalized documents."""
    counts = Counts(task.clean, None if task.knowledge is None else Facts.load(task.knowledge))
    table = chunks.read_chunk(task.chunk, ["text", "size", "reason"])
    for text, size, reason in zip(*(column.to_pylist() for column in table.columns), strict=True):
        if reason is None:
            counts.add(text)
        advance(size)
    out = task.folder / task.name
    counts.counted().save(out)
    return {"files": document_files.seen_files(task.folder, out.rglob("*")), "counts": task.name}


def combine_counts(
    clean: Clean,
    counts: Sequence[Path],
    before: Path | None,
    contrast: Mapping[str, Sequence[str]],
    *,
    out: Path,
) -> Result:
    """Write the facts that follow from the counts of all chunks.

    before: the facts of an earlier round. contrast: texts in other languages, by language.
    """
    earlier_facts = None if before is None else Facts.load(before)
    combine(clean, map(Counted.load, counts), earlier_facts, contrast).save(out)
    return {"files": document_files.seen_files(out, out.rglob("*"))}


def judge_chunk(task: ChunkTask, advance: Advance) -> Result:
    """Judge the documents of a chunk by what is known of the whole corpus."""
    assert task.knowledge is not None, "facts are combined before chunks are judged"
    corpus = CorpusJudge(task.clean, Facts.load(task.knowledge))
    texts = task.texts()
    made = Cleaned(task)
    cleaning = Cleaning(task.clean, made.remove, made.stats.tally)

    def judged(number: int, document: Document, size: int) -> Document | Reject:
        if number % JUDGED_AT_ONCE == 0:
            with passing_over():
                corpus.prepare(texts[number : number + JUDGED_AT_ONCE])
        return cleaning.judged(document, size, corpus)

    return made.judge_all(judged, advance)


def contrast_texts(files: Sequence[Path]) -> dict[str, list[str]]:
    """The texts of each file, line by line, by the file's name up to its first dot.

    Each is in another language, from which a recipe tells its own (`[clean] contrast`). Raises
    SourceError for a file that holds no text that can be read.
    """
    languages: dict[str, list[str]] = {}
    for path in sorted(files, key=lambda each: each.name):
        texts = languages.setdefault(path.name.split(".")[0], [])
        left = CONTRAST_CHARS
        source = Source(name="contrast", path=str(path))
        for record in read_file(source, RawFile(path=path, name=path.name)):
            if left <= 0:
                break
            if isinstance(record, Document):
                texts += record.text[:left].split("\n")
                left -= len(record.text)
        if left == CONTRAST_CHARS:
            raise source_error("empty_contrast", f"clean.contrast: {path}")
    return languages
