"""Texts to score that are not of the corpus: a file or a folder, read as a source would be."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from endonym.autopilot.format_guess import guess_source
from endonym.data.shards import TokenShards
from endonym.errors import SourceError
from endonym.evaluate.bits import Texts
from endonym.log import Log, counted, number
from endonym.text.clean.rules import normalizer
from endonym.text.config import Clean, Source
from endonym.text.document import Document, Reject
from endonym.text.files import source_files
from endonym.text.reader import read_file
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
