"""Texts to score that are not of the corpus: a file or a folder, read as a source would be."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from endonym.autopilot.format_guess import guess_source
from endonym.data.shards import TokenShards
from endonym.errors import SourceError
from endonym.evaluate.bits import Texts
from endonym.log import Log, counted, number
from endonym.text.clean.rules import normalizer
from endonym.text.config import Clean, Source
from endonym.text.document import Document, Reject
from endonym.text.files import RawFile, source_files
from endonym.text.io.formats import file_format
from endonym.text.reader import read_file
from endonym.text.readers.columns import is_text
from endonym.text.reasons import in_words
from endonym.tokenizer.tokenizer import Tokenizer

Integers = NDArray[np.int64]

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


def texts_below(path: Path, tokenizer: Tokenizer, log: Log) -> Texts:
    """The documents of a file or a folder (`documents_below`), as ids."""
    texts, sources = documents_below(path, log)
    tokenizer.check_lossless(texts)
    return Texts(tokenizer.encode_many(texts), sources, tokenizer)


def documents_below(path: Path, log: Log) -> tuple[list[str], list[str]]:
    """The documents of a file, or of all files below a folder, read as a source would be.

    Returns texts, and for each the name of its file. Says how each file was cut into documents, and
    counts what could not be read. Raises SourceError if there is no text.
    """
    if not path.exists():
        missing = SourceError("no such file", where=str(path), do=IS_A_PATH)
        missing.exit_code = 2
        raise missing
    texts, sources, rejects = list[str](), list[str](), list[Reject]()
    files = source_files(Source(name="texts", path=str(path.absolute())), Path("/"))
    for place, file in enumerate(files):
        source, reason = guess_source(file.path, "texts", is_plain=path.is_file())
        read = list(read_file(source, file))
        here = [each for each in read if isinstance(each, Document)]
        refused = [each for each in read if isinstance(each, Reject)]
        texts += [each.text for each in here]
        sources += [file.name] * len(here)
        rejects += refused
        say = log.line if place < SHOWN_FILES else log.detail
        if here:
            say(f"{file.name}: {cut(source, here)} ({reason})")
        elif len(files) > 1:
            say(f"{file.name}: not read: {why(refused[0])}")
    if len(files) > SHOWN_FILES:
        log.line(
            f"{path.name}: {counted(len(texts), 'document')} in {len(files)} files; "
            "-v lists them all"
        )
    if not texts:
        raise SourceError(
            f"no text that can be read: {why(rejects[0])}",
            where=str(path),
            do=ADVICE.get(rejects[0].reason, "Give a file or a folder that holds text."),
        )
    if rejects:
        reasons = Counter(each.reason for each in rejects).most_common()
        counts = ", ".join(f"{number(n)} {in_words(reason)}" for reason, n in reasons)
        log.warn(f"{path.name}: not read: {counts}")
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
    ends = {"line": ", one a line", "blank_lines": ", which end at empty lines", "file": ""}
    encoding = documents[0].meta.get("encoding", "")
    read_as = f", read as {encoding}" if encoding else ""
    return counted(len(documents), "document") + ends[source.document] + read_as


def why(reject: Reject) -> str:
    """Why something was not read, without advice about a recipe."""
    advised = reject.reason in ("unsupported_format", "unknown_encoding")
    return reject.detail.partition(";")[0] if advised else reject.detail


def trained_on(texts: Texts, train: TokenShards) -> int:
    """How many of these documents stand in the training text, as they are or normalized.

    Only training documents of the same length, first and last token are read.
    """
    if not len(train):
        return 0
    normalized = normalizer(Clean(normalize=("nfc", "spaces", "zero_width")))
    cleaned = texts.tokenizer.encode_many([normalized(text) for text in texts.each()])
    forms = [each for each in (*texts.ids, *cleaned) if len(each)]
    vocab, index = train.vocab, train.index

    def keys(lengths: Integers, firsts: Integers, lasts: Integers) -> Integers:
        return (lengths * vocab + firsts) * vocab + lasts

    ends = (index["start"] + 1, index["start"] + index["length"])
    theirs = keys(index["length"], *(train.at(index["shard"], each) for each in ends))
    ours = np.array([(len(each), each[0], each[-1]) for each in forms], dtype=np.int64)
    alike = np.flatnonzero(np.isin(theirs, keys(*ours.reshape(-1, 3).T)))
    known = {train.document(int(each)).ids.tobytes() for each in alike}
    pairs = zip(texts.ids, cleaned, strict=True)
    return sum(any(form.tobytes() in known for form in pair) for pair in pairs)
