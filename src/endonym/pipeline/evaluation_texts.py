"""Texts to score that are not of the corpus: a file or a folder, read as a source would be."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import regex
from numpy.typing import NDArray

from endonym.errors import RecipeError, SourceError
from endonym.evaluate.bits import Texts
from endonym.evaluate.score import JUDGED_BYTES
from endonym.formats.config import BLOCK_BYTES, Source
from endonym.formats.document import Document, Reject
from endonym.formats.files import RawFile, source_files
from endonym.formats.io.formats import file_format
from endonym.formats.reader import read_file
from endonym.formats.readers.arrow import is_text
from endonym.formats.reasons import in_words
from endonym.log import Log, counted, number
from endonym.survey.format_guess import Look, guess_source
from endonym.tokenizer.tokenizer import Tokenizer

Integers = NDArray[np.int64]

RECORDS = ("jsonl", "csv", "tsv", "parquet", "arrow")
"""Formats whose records are documents."""
LOOK = Look(most_lines=1_000_000, n_bytes=1 << 28)
"""A text that judges a model is rarely a list: its empty lines divide documents, however long."""
OTHER = {"line": "blank_lines", "blank_lines": "line", "file": "blank_lines"}
"""How else a plain text might be meant that has empty lines."""
LETTER, NO_LETTER = regex.compile(r"[\p{L}\p{N}]"), "no letter and no digit"
SHOWN_FILES = 10
"""Files of a folder whose cutting is said one by one."""

IS_A_PATH = "Check the path of the file or folder. A text itself must be written into a file first."
ADVICE = {
    "unsupported_format": "Give plain text in UTF-8, or one of the formats that are read.",
    "binary": "Give plain text in UTF-8, or one of the formats that are read.",
    "unknown_encoding": "Convert it first: iconv -f ENCODING -t UTF-8 FILE > NEW.txt",
    "invalid_utf8": "Convert it first: iconv -f ENCODING -t UTF-8 FILE > NEW.txt",
}
"""What to do about a text that cannot be read. A recipe's keys are of no use here."""


@dataclass(frozen=True, slots=True)
class Cutting:
    """How files are cut into documents, where a person says so: as the keys of a [[source]]."""

    document: Literal["file", "page", "line", "blank_lines"] | None = None
    column: int | str | None = None

    @classmethod
    def of(
        cls, document: Literal["file", "page", "line", "blank_lines"] | None, column: str | None
    ) -> "Cutting":
        """From the words of a command line; a column of digits is a number.

        Raises RecipeError for column 0.
        """
        is_number = column is not None and column.isdecimal()
        number_of = int(column or 0) if is_number else column
        if number_of == 0:
            raise RecipeError("columns are counted from 1", where="--column 0", do="Give 1 for it.")
        return cls(document, number_of)

    def keys_for(self, kind: str) -> dict[str, Any]:
        """The keys that are given, of those that a format of files has.

        Plain text is cut as `document` says: a column that was guessed would cut it by lines.
        Records of JSON and rows of tables are documents as they are.
        """
        keys = dict[str, Any]()
        if self.document is not None and kind not in RECORDS:
            keys |= {"document": self.document, "column": None}
        if self.column is not None and (kind in RECORDS or isinstance(self.column, int)):
            keys["column"] = self.column
        return keys


GUESSED = Cutting()
AS_ASKED = "as asked"


def texts_below(path: Path, tokenizer: Tokenizer, log: Log, cutting: Cutting = GUESSED) -> Texts:
    """The documents of a file or a folder (`documents_below`), as ids.

    Files of less than JUDGED_BYTES are no part of the mean over files: a title page must not weigh
    as much as a book.
    """
    texts, sources = documents_below(path, log, cutting)
    tokenizer.check_lossless(texts)
    ids = tokenizer.encode_many(texts)
    sizes = Counter[str]()
    for text, source in zip(texts, sources, strict=True):
        sizes[source] += len(text.encode("utf-8", "surrogatepass"))
    large = frozenset(name for name, size in sizes.items() if size >= JUDGED_BYTES)
    return Texts(ids, sources, tokenizer, averaged=large, groups=neighbours_of(texts, sources))


def neighbours_of(texts: Sequence[str], sources: Sequence[str]) -> Integers:
    """The group of each document: neighbours in a file are drawn together in intervals.

    As in a corpus: about BLOCK_BYTES, and a longer document is a group of its own.
    """
    groups, size, last = list[int](), 0, ""
    for text, source in zip(texts, sources, strict=True):
        n_bytes = len(text.encode("utf-8", "surrogatepass"))
        begins = source != last or size >= BLOCK_BYTES or n_bytes >= BLOCK_BYTES
        groups.append((groups[-1] if groups else -1) + begins)
        size, last = (0 if begins else size) + n_bytes, source
    return np.array(groups, dtype=np.int64)


def documents_below(
    path: Path, log: Log, cutting: Cutting = GUESSED
) -> tuple[list[str], list[str]]:
    """The documents of a file, or of all files below a folder, read as a source would be.

    Empty lines divide documents where they divide a text evenly or often, however long the
    documents are. One without a letter or a digit, such as a row of dashes, is none. Returns texts,
    and for each the name of its file. Says how each file was cut into documents and how else it
    could be, and counts what could not be read. Raises SourceError if there is no text.
    """
    if not path.exists():
        missing = SourceError("no such file", where=str(path), do=IS_A_PATH)
        missing.exit_code = 2
        raise missing
    texts, sources, rejects, blank = list[str](), list[str](), list[Reject](), 0
    files = source_files(Source(name="texts", path=str(path.absolute())), Path("/"))
    for place, file in enumerate(files):
        source, reason = guess_source(file.path, "texts", is_plain=path.is_file(), look=LOOK)
        if keys := cutting.keys_for(file_format(file.path.name, source).format):
            source, reason = source.model_copy(update=keys), AS_ASKED
        read = list(read_file(source, file))
        here = [e for e in read if isinstance(e, Document) and LETTER.search(e.text)]
        refused = [each for each in read if isinstance(each, Reject)]
        blank += len(read) - len(here) - len(refused)
        texts += [each.text for each in here]
        sources += [file.name] * len(here)
        rejects += refused
        say = log.line if place < SHOWN_FILES else log.detail
        if here:
            other = otherwise(source, file, len(here)) if reason != AS_ASKED else ""
            say(f"{file.name}: {cut(source, here)} ({reason}{other})")
        elif len(files) > 1:
            say(f"{file.name}: not read: {why(refused[0]) if refused else NO_LETTER}")
    if len(files) > SHOWN_FILES:
        log.line(
            f"{path.name}: {counted(len(texts), 'document')} in {len(files)} files; "
            "-v lists them all"
        )
    if not texts:
        raise SourceError(
            f"no text that can be read: {why(rejects[0]) if rejects else NO_LETTER}",
            where=str(path),
            do=ADVICE.get(rejects[0].reason if rejects else "", "Give a file that holds text."),
        )
    if rejects:
        reasons = Counter(each.reason for each in rejects).most_common()
        counts = ", ".join(f"{number(n)} {in_words(reason)}" for reason, n in reasons)
        log.warn(f"{path.name}: not read: {counts}")
    if blank:
        log.warn(f"{path.name}: not scored: {counted(blank, 'document')} without a letter")
    return texts, sources


def texts_to_keep_out(path: Path) -> Iterator[str]:
    """All texts of an evaluation file, which must not stand in a corpus.

    Of a task every string in every field: questions, answers, pairs. Of tables every line. Other
    files are read as `documents_below` reads them. Raises SourceError if there is no text.
    """
    is_plain, kind = path.is_file(), file_format(path.name, Source(name="texts", path="."))
    source, _ = guess_source(path, "texts", is_plain=is_plain)
    if path.suffix == ".json":
        source = Source(name="texts", path=str(path), format="txt")
    elif kind.format in ("jsonl", "csv", "tsv"):
        source = Source(name="texts", path=str(path), format="txt", document="line")
    columns = [source]
    if kind.format == "parquet" and not kind.compression:
        names = string_columns(path)
        columns = [source.model_copy(update={"column": name}) for name in names] or columns
    found, refused = 0, list[Reject]()
    for each in columns:
        for record in read_file(each, RawFile(path=path, name=path.name)):
            if isinstance(record, Reject):
                refused.append(record)
                continue
            found += 1
            is_json = kind.format == "jsonl" or path.suffix == ".json"
            yield from strings(record.text) if is_json else (record.text,)
    if not found:
        raise SourceError(
            f"no text that can be read: {why(refused[0])}",
            where=str(path),
            do="Name files with texts in [clean] decontaminate and in [[evaluate]].",
        )


def string_columns(path: Path) -> list[str]:
    """The names of the columns of strings in a file of parquet; none if it is damaged."""
    try:
        schema = parquet.read_schema(path)
    except (arrow.ArrowException, OSError, ValueError):
        return []
    return [field.name for field in schema if is_text(field.type)]


def strings(record: str) -> Iterator[str]:
    """Every string in a record of JSON, however deep; the record itself if it is none."""
    try:
        left: list[Any] = [json.loads(record)]
    except (ValueError, RecursionError):
        yield record
        return
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict | list):
            left += reversed(list(value.values()) if isinstance(value, dict) else value)


def cut(source: Source, documents: Sequence[Document]) -> str:
    """How a file was cut into documents, and its encoding if that is not UTF-8."""
    ends = {
        "line": ", one a line",
        "blank_lines": ", which end at empty lines",
        "page": ", one a page",
        "file": "",
    }
    encoding = documents[0].meta.get("encoding", "")
    read_as = f", read as {encoding}" if encoding else ""
    return counted(len(documents), "document") + ends[source.document] + read_as


def otherwise(source: Source, file: RawFile, count: int) -> str:
    """How else a plain text could be read, and how many documents that gives; empty if as many."""
    if file_format(file.path.name, source).format != "txt" or source.column is not None:
        return ""
    other = OTHER[source.document]
    read = read_file(source.model_copy(update={"document": other}), file)
    found = sum(isinstance(each, Document) for each in read)
    return f"; --document {other} reads {number(found)}" if found not in (1, count) else ""


def why(reject: Reject) -> str:
    """Why something was not read, without advice about a recipe."""
    advised = reject.reason in ("unsupported_format", "unknown_encoding")
    return reject.detail.partition(";")[0] if advised else reject.detail
