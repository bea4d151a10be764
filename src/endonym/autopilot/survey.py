"""Looking at texts before a recipe exists: which sources they are, how much there is, a sample.

A file is a source of its own, so that each gets its score; where a folder holds many files of one
kind (a poem a file), they are one source together. What cannot be read is named with its reason.
"""

import os.path
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from endonym.autopilot.formats import guess_source
from endonym.autopilot.text_size import file_text_bytes, first_records
from endonym.errors import MissingSource
from endonym.text.config import Source
from endonym.text.document import Document, Reject
from endonym.text.files import printable, source_files

SAMPLE_CHARS = 400_000
SENTENCE_BYTES, PARAGRAPH_BYTES = 400, 2_000
"""Up to this size, in the middle one, records are taken for sentences, and lines for a list."""
FEW_FILES = 24
"""Up to so many files of one kind in a folder are a source each."""
TRIED_FILES = 8
"""Of a source of many files, so many are read for the sample."""


@dataclass(slots=True)
class Found:
    """The texts behind a new recipe, and the files that nothing can be read from, with reasons.

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
        """Bytes of a document, on average over the sample."""
        return self.document_bytes / max(1, self.documents)


def look_at(texts: Sequence[Path], folder: Path) -> Found:
    """Name files as sources, guess how each is written, and read a sample.

    Raises MissingSource if a path has no file, or nothing in them can be read.
    """
    groups = [group for text in texts for group in grouped(files_below(text))]
    found, taken = Found(), set[str]()
    for group in groups:
        _look_at_group(group, folder, found, taken, sample_chars=SAMPLE_CHARS // len(groups) + 1)
    if not found.sources:
        reasons = "\n".join(f"    {name}: {reason}" for name, reason in found.skipped[:10])
        raise MissingSource(
            f"no text that can be read\n{reasons}",
            where=", ".join(str(text) for text in texts),
            do="Give txt, jsonl, csv, tsv or parquet files, plain or compressed.",
        )
    return found


def files_below(text: Path) -> list[Path]:
    """The files below a path. Raises MissingSource if there are none."""
    probe = Source(name="texts", path=str(text.absolute()))
    return [file.path for file in source_files(probe, Path("/"))]


def grouped(files: Sequence[Path]) -> list[list[Path]]:
    """Files in their order, each alone; by folder and kind where there are many of a kind."""
    kinds: dict[tuple[Path, str], list[Path]] = {}
    for path in files:
        kinds.setdefault((path.parent, "".join(path.suffixes[-2:])), []).append(path)
    groups: list[list[Path]] = []
    for alike in kinds.values():
        groups += [alike] if len(alike) > FEW_FILES else [[path] for path in alike]
    return sorted(groups, key=lambda group: files.index(group[0]))


def _look_at_group(
    group: list[Path], folder: Path, found: Found, taken: set[str], *, sample_chars: int
) -> None:
    """Add one file, or many of one kind, to what was found."""
    first = group[0]
    if not _is_writable(first):
        found.skipped.append((printable(str(first)), "its name is not UTF-8; rename it"))
        return
    source, reason = guess_source(first, _unique(first if len(group) == 1 else first.parent, taken))
    records = [each for path in group[:TRIED_FILES] for each in _some_records(source, path)]
    readable = [each for each in records if isinstance(each, Document)]
    if not readable:
        why = next((each.detail or each.reason for each in records if isinstance(each, Reject)), "")
        found.skipped.append((printable(str(first)), why or "no text in it"))
        return
    taken.add(source.name)
    path = _relative(first, folder)
    if len(group) > 1:
        path = _relative(first.parent, folder) + "/*" + "".join(first.suffixes[-2:])
        reason = f"{len(group)} files of one kind; the first: {reason}"
    found.sources.append((source.model_copy(update={"path": path}), reason))
    if is_list(source, readable):
        found.lists.append(source.name)
    found.text_bytes += sum(map(file_text_bytes, group))
    found.documents += len(readable)
    found.document_bytes += sum(len(each.text.encode("utf-8")) for each in readable)
    found.sample += "\n".join(each.text for each in readable)[:sample_chars] + "\n"


def is_list(source: Source, documents: Sequence[Document]) -> bool:
    """Whether documents are lines, or records as short as sentences, one after another in a file.

    What a file or a block between empty lines holds is a whole text, however short it is.
    """
    if len(documents) < 2 or source.document == "blank_lines":
        return False
    middle = median(len(each.text.encode("utf-8")) for each in documents)
    if source.document == "line":
        return middle <= PARAGRAPH_BYTES
    files = {each.id.rpartition("#")[0] for each in documents}
    return len(files) < len(documents) and middle <= SENTENCE_BYTES


def _is_writable(path: Path) -> bool:
    """Whether a recipe, which is UTF-8, can say this path."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _some_records(source: Source, path: Path) -> Iterator[Document | Reject]:
    """The first records of a file, up to a sample's size."""
    here = source.model_copy(update={"path": str(path.absolute())})
    (file,) = source_files(here, Path("/"))
    return first_records(here, file, SAMPLE_CHARS)


def _unique(path: Path, taken: set[str]) -> str:
    """A source name from a file's name that no other source has."""
    stem = re.sub(r"[^\w.-]", "_", path.name.split(".")[0])[:60] or "texts"
    candidate, number = stem, 2
    while candidate in taken:
        candidate, number = f"{stem}-{number}", number + 1
    return candidate


def _relative(path: Path, folder: Path) -> str:
    """The path as the recipe will say it: relative to the recipe's folder."""
    return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()
