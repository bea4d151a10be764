"""Texts to score that are not of the corpus: a file or a folder, read as a source would be."""

from collections import Counter
from pathlib import Path

from endonym.autopilot.format_guess import guess_source
from endonym.errors import SourceError
from endonym.evaluate.bits import Texts
from endonym.log import Log, counted, number
from endonym.text.config import Source
from endonym.text.document import Document
from endonym.text.files import source_files
from endonym.text.reader import read_file
from endonym.text.reasons import in_words
from endonym.tokenizer.tokenizer import Tokenizer

SHOWN_FILES = 10
"""Files of a folder whose cutting is said one by one."""


def texts_below(path: Path, tokenizer: Tokenizer, log: Log) -> Texts:
    """The documents of a file, or of all files below a folder, read as a source would be.

    Says how each file was cut into documents, and counts what could not be read. Raises SourceError
    if there is no text.
    """
    if not path.exists():
        missing = SourceError("no such file", where=str(path), do="Check its path.")
        missing.exit_code = 2
        raise missing
    texts, sources, rejects, first = list[str](), list[str](), Counter[str](), ""
    files = source_files(Source(name="texts", path=str(path.absolute())), Path("/"))
    for place, file in enumerate(files):
        source, reason = guess_source(file.path, "texts")
        before = len(texts)
        for each in read_file(source, file):
            if isinstance(each, Document):
                texts.append(each.text)
            else:
                rejects[each.reason] += 1
                first = first or each.detail
        sources += [file.name] * (len(texts) - before)
        say = log.line if place < SHOWN_FILES else log.detail
        say(f"{file.name}: {cut(source, len(texts) - before)} ({reason})")
    if len(files) > SHOWN_FILES:
        log.line(
            f"{path.name}: {counted(len(texts), 'document')} in {len(files)} files; "
            "-v lists them all"
        )
    if texts and rejects:
        counts = ", ".join(f"{number(n)} {in_words(why)}" for why, n in rejects.most_common())
        log.warn(f"{path.name}: not read: {counts}")
    if not texts:
        raise SourceError(
            f"no text that can be read: {first}", where=str(path), do="Give a text in UTF-8."
        )
    tokenizer.check_lossless(texts)
    return Texts(tokenizer.encode_many(texts), sources, tokenizer)


def cut(source: Source, count: int) -> str:
    """How a file was cut into documents."""
    ends = {"line": ", one a line", "blank_lines": ", which end at empty lines", "file": ""}
    return counted(count, "document") + ends[source.document]
