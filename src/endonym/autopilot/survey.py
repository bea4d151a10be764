"""Surveys raw texts before a recipe exists: sources, size of the text, a sample.

Each file is a source, so that each gets its own score. Many files of one kind in a folder (one
poem per file) are one source. Unreadable files are listed with the reason.
"""

import os.path
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from endonym.autopilot.format_guess import guess_source
from endonym.autopilot.text_size import file_text_bytes, first_records
from endonym.errors import MissingSource, printable
from endonym.text.config import Source
from endonym.text.document import Document, Reject
from endonym.text.files import files_at, not_a_file, source_files

SAMPLE_CHARS = 400_000
SENTENCE_BYTES, PARAGRAPH_BYTES = 400, 2_000
"""Up to this median size, records are taken for sentences, and lines for a list."""
FEW_FILES = 24
"""Up to so many files of one kind in a folder, each is a source."""
TRIED_FILES = 8
"""Files of one source that are read for the sample."""


@dataclass(slots=True)
class Survey:
    """The sources of a new recipe, and the unreadable files with reasons.

    lists: the names of sources that are lists of lines or sentences.
    """

    sources: list[tuple[Source, str]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    text_bytes: float = 0.0
    sample: str = ""
    lists: list[str] = field(default_factory=list)
    documents: int = 0
    document_bytes: int = 0

    @property
    def mean_document_bytes(self) -> float:
        """Mean document size in the sample."""
        return self.document_bytes / max(1, self.documents)


def survey_texts(texts: Sequence[Path], folder: Path) -> Survey:
    """Name files as sources, guess their formats and read a sample.

    Raises MissingSource if a path has no file, or if no file can be read.
    """
    survey, taken = Survey(), set[str]()
    listed = [files_below(text) for text in texts]
    for path in (path for paths in listed for path in paths):
        if refusal := not_a_file(path):
            survey.skipped.append((printable(str(path)), refusal))
    files = ([path for path in paths if not not_a_file(path)] for paths in listed)
    groups = [group for paths in files for group in grouped(paths)]
    for group in groups:
        first, sample_chars = group[0], SAMPLE_CHARS // len(groups) + 1
        if not _is_writable(_relative(first, folder)):
            survey.skipped.append((printable(str(first)), "its name is not UTF-8; rename it"))
            continue
        name = _unique(first if len(group) == 1 else first.parent, taken)
        source, reason = guess_source(first, name)
        records = [each for path in group[:TRIED_FILES] for each in _some_records(source, path)]
        readable = [each for each in records if isinstance(each, Document)]
        if not readable:
            rejects = [each for each in records if isinstance(each, Reject)]
            why = rejects[0].detail or rejects[0].reason if rejects else ""
            survey.skipped.append((printable(str(first)), why or "no text in it"))
            continue
        taken.add(source.name)
        path = _relative(first, folder)
        if len(group) > 1:
            path = _relative(first.parent, folder) + "/*" + "".join(first.suffixes[-2:])
            reason = f"{len(group)} files of one kind; the first: {reason}"
        survey.sources.append((source.model_copy(update={"path": path}), reason))
        if is_list(source, readable):
            survey.lists.append(source.name)
        survey.text_bytes += sum(map(file_text_bytes, group))
        survey.documents += len(readable)
        survey.document_bytes += sum(len(each.text.encode("utf-8")) for each in readable)
        survey.sample += "\n".join(each.text for each in readable)[:sample_chars] + "\n"
    if not survey.sources:
        reasons = "\n".join(f"    {name}: {reason}" for name, reason in survey.skipped[:10])
        raise MissingSource(
            f"no text that can be read\n{reasons}",
            where=", ".join(str(text) for text in texts),
            do="Give txt, jsonl, csv, tsv or parquet files, plain or compressed.",
        )
    return survey


def files_below(text: Path) -> list[Path]:
    """The files below a path. Raises MissingSource if there are none."""
    return [file.path for file in files_at(text, Path.cwd(), name="texts")]


def grouped(files: Sequence[Path]) -> list[list[Path]]:
    """Groups of files in their order: single files, or many of one kind in one folder."""
    kinds: dict[tuple[Path, str], list[Path]] = {}
    for path in files:
        kinds.setdefault((path.parent, "".join(path.suffixes[-2:])), []).append(path)
    groups: list[list[Path]] = []
    for alike in kinds.values():
        groups += [alike] if len(alike) > FEW_FILES else [[path] for path in alike]
    order = {path: number for number, path in enumerate(files)}
    return sorted(groups, key=lambda group: order[group[0]])


def is_list(source: Source, documents: Sequence[Document]) -> bool:
    """Whether documents are lines, or records as short as sentences, in one file.

    A whole file or a block between empty lines is a whole text, however short.
    """
    if len(documents) < 2 or source.document == "blank_lines":
        return False
    middle = median(len(each.text.encode("utf-8")) for each in documents)
    if source.document == "line":
        return middle <= PARAGRAPH_BYTES
    files = {each.id.rpartition("#")[0] for each in documents}
    return len(files) < len(documents) and middle <= SENTENCE_BYTES


def _is_writable(path: str) -> bool:
    """Whether a recipe, which is UTF-8, can hold this path."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _some_records(source: Source, path: Path) -> Iterator[Document | Reject]:
    """The first records of a file, up to SAMPLE_CHARS."""
    here = source.model_copy(update={"path": str(path.absolute())})
    (file,) = source_files(here, Path("/"))
    return first_records(here, file, SAMPLE_CHARS)


def _unique(path: Path, taken: set[str]) -> str:
    """A source name from a file's name, different from those taken."""
    stem = re.sub(r"[^\w.-]", "_", path.name.split(".")[0])[:60] or "texts"
    candidate, number = stem, 2
    while candidate in taken:
        candidate, number = f"{stem}-{number}", number + 1
    return candidate


def _relative(path: Path, folder: Path) -> str:
    """The path as the recipe writes it: relative to the recipe's folder."""
    return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()
