"""Opens one raw file: its guessed source, its first documents, or why it gives none."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from pyarrow.parquet import ParquetFile

from endonym.autopilot import text_size
from endonym.autopilot.text_size import Beginning
from endonym.cleaning.personal import HIDDEN, showable
from endonym.errors import MissingLibrary, printable
from endonym.formats.config import Source
from endonym.formats.document import Document
from endonym.formats.faults import failure
from endonym.formats.files import RawFile, size_on_disk
from endonym.formats.io.formats import file_format
from endonym.formats.readable import Reading
from endonym.formats.readers.other_kinds import TEXTS
from endonym.log import Log, counted
from endonym.script.languages import usual_script
from endonym.survey.format_guess import Look as LookAt
from endonym.survey.format_guess import guess_source, lines_of_json, pack_for
from endonym.survey.odd_sources import WORD
from endonym.survey.running import is_running

SEEN_FILES = 3
SEEN_CHARS = 3_000
"""Of files that Tesseract has to read, so many are, and so many characters of each."""


CELLS, ROW_CHARS, FEW_WORDS, LEAST_DIGITS, LEAST_ROWS, SEEN_LINES = 6, 160, 6, 7, 5, 1_000
"""Of a list of persons: lines and characters of a row, and words of a name or beside a number, at
most; digits of a number, and rows, at least; lines that are looked at."""
TABLE_CHARS = SEEN_LINES * ROW_CHARS
FEW_UNCASED = 4
NAME_LETTERS = 15
KIND_LETTERS = 6
"""In scripts without case: words of a row, and letters of each, at most; letters of a word, such as
`library`, that says what most rows are, at least."""
RUNNING = "they are the paragraphs of one text, or the speeches of a play"
NO_LIBRARY = "a library that reads such files is not installed. {do}"


@dataclass(slots=True)
class Look:
    """One file that was opened: its guessed source, its beginning, or why it gives no document.

    is_foreign: whether it is of a kind that is not read, such as djvu. lacks_library: whether
    nothing is installed here that reads it. chat: the keys of a chat phase that it needs, if it
    holds conversations. like: the files like which it is taken to be, if it was not read itself, as
    reading takes long.
    """

    path: Path
    source: Source
    reason: str
    problem: str = ""
    is_foreign: bool = False
    lacks_library: bool = False
    chat: dict[str, Any] | None = None
    begin: Beginning = field(default_factory=Beginning)
    reading: Reading = field(default_factory=partial(Reading, ""))
    like: list["Look"] = field(default_factory=list)

    @property
    def file(self) -> RawFile:
        """The file as readers take it."""
        return RawFile(path=self.path, name=printable(self.path.name))

    @property
    def documents(self) -> list[Document]:
        """Its first documents; none if they cannot be used."""
        return [] if self.problem or self.like else self.begin.documents_read

    @property
    def size(self) -> int:
        """Its bytes on disk, at least 1."""
        return max(1, size_on_disk(self.path))

    @property
    def text_bytes(self) -> float:
        """Bytes of text in the whole file, estimated."""
        like = self.like or [self]
        text = sum(each.begin.text_bytes for each in like)
        return text * self.size / sum(each.size for each in like)

    @property
    def n_documents(self) -> float:
        """Documents in the whole file, estimated."""
        looked_at = [] if self.problem else self.like or [self]
        return fmean(each.begin.documents for each in looked_at) if looked_at else 0.0


def look(path: Path, chars: int, files: int = 1, *, script: str | None = None) -> Look:
    """Open one file and read its first documents, up to so many characters.

    files: how many are opened.
    """
    source, reason, chat = guess_source(path, "texts", look=LookAt(script=script))
    opened = Look(path, source, reason, chat=chat)
    if chat is not None:
        opened.problem = opened.reason
        return opened
    try:
        if why := failure(partial(read_beginning, opened, chars, files, script=script)):
            opened.problem = why
    except MissingLibrary as error:
        opened.problem = NO_LIBRARY.format(do=error.do)
        opened.lacks_library = True
    return opened


def read_beginning(opened: Look, chars: int, files: int = 1, *, script: str | None = None) -> None:
    """Read the first documents of a file by its guessed source, and say what is wrong with it."""
    path = str(opened.path.absolute())
    source = opened.source.model_copy(update={"path": path, "script": script})
    opened.begin = text_size.beginning(source, opened.file, chars)
    opened.reading = text_size.reading_of(source, opened.file, opened.begin, files)
    opened.problem = opened.begin.damage
    if is_running(opened.source, [each.text for each in opened.documents]):
        opened.begin.is_one_document = True
        opened.reason = f"{opened.reason}; {RUNNING}"
        opened.source = opened.source.model_copy(update={"document": "file"})
    if opened.problem or opened.documents:
        return
    opened.problem = "no text in it"
    for first in sorted(opened.begin.rejects, key=lambda each: each.reason == "companion")[:1]:
        opened.problem = first.detail or first.reason
        # A kind that is read may have files that are not, such as a page saved as MHTML.
        is_read = file_format(opened.path.name, opened.source).format != ""
        has_advice = opened.problem.endswith((*TEXTS.values(),))
        is_unknown = first.reason == "unsupported_format"
        opened.is_foreign = is_unknown and not (is_read or has_advice)


def persons(opened: Look, language: str) -> str:
    """Why a file is a list of persons; empty if it is none.

    At least a sixth of its lines, as each cell of a table may be one, are short and hold personal
    data, with few words or mostly names; with lines of names alone they are more than half of it.
    Lines that most often share a long word, such as libraries, are none. Of a table all columns are
    looked at.
    """
    lines = [line for line in _lines_of(opened) if line.strip()][:SEEN_LINES]
    rows = list[tuple[str, list[str]]]()
    names = list[str]()
    shared = Counter[str]()
    for line in (each for each in lines if len(each) <= ROW_CHARS):
        words = WORD.findall(line)
        has_case = line.lower() != line.upper()
        uncased = [word for word in words if word[0] == word[0].lower()]
        others = [w for w in uncased if w[0] != w[0].title() or len(w) > NAME_LETTERS]
        n_names = len(words) - len(others)
        most = FEW_WORDS if has_case else FEW_UNCASED
        is_few = len(words) <= most and (has_case or n_names == len(words))
        has_number = "@" in line or sum(map(str.isdigit, line)) >= LEAST_DIGITS
        is_named = has_case and 2 * n_names >= len(words)
        if has_number and HIDDEN in showable(line, slice(0, len(line)), language):
            kinds = [word for word in uncased if len(word) >= KIND_LETTERS]
            kinds = [] if is_named and n_names > 1 else kinds
            rows += [(line, kinds)] if is_few or is_named else []
            shared.update({*kinds})
        elif is_few and n_names == len(words):
            names.append(line)
    kind = {word for word, n in shared.items() if 2 * n > len(rows)}
    listed = [line for line, kinds in rows if kind.isdisjoint(kinds)]
    is_most = 2 * sum(map(len, listed + names)) > sum(map(len, lines))
    if len(listed) < LEAST_ROWS or CELLS * len(listed) < len(lines) or not is_most:
        return ""
    return f"a list of persons: {len(listed)} of {counted(len(lines), 'line')} hold personal data"


def _lines_of(opened: Look) -> list[str]:
    """The first lines of a file; of a table whole rows, or the cells of each column."""
    (packed, _, kind, _), begun = file_format(opened.path.name, opened.source), [opened.begin]
    keys: list[dict[str, Any]] = []
    if kind in ("csv", "tsv", "jsonl"):
        encoding = opened.documents[0].meta.get("encoding", opened.source.encoding)
        keys = [{"format": "txt", "document": "line", "column": None, "encoding": encoding}]
    elif kind == "parquet" and not packed:
        with opened.path.open("rb") as file:  # pyarrow cannot encode every file's name
            keys = [{"column": name} for name in ParquetFile(file).schema_arrow.names]
    if keys:
        tables = [opened.source.model_copy(update=each) for each in keys]
        begun = [text_size.beginning(each, opened.file, TABLE_CHARS) for each in tables]
    text = "\n".join(text for each in begun for text in each.texts)
    if kind == "jsonl":
        rows = (each.values() for each in lines_of_json(text) if isinstance(each, dict))
        text = "\n".join(", ".join(map(str, each)) for each in rows)
    return (text.replace(",", ", ").replace(";", "; ") if keys else text).splitlines()


def read_pictures(group: list[Look], language: str, texts: str, log: Log) -> None:
    """Let Tesseract read what the files of a group have as pictures, and take it into the source.

    Only a few files are read, as a page takes seconds; others are taken to be like them.
    """
    blind = [each for each in group if each.begin.needs_ocr]
    if not blind:
        return
    unread = [each for each in blind if not each.documents]
    tried = [(each.path, each.begin.rejects) for each in blind[:: -(-len(blind) // SEEN_FILES)]]
    pack, reason = pack_for(tried, language, texts, log)
    for each in group if pack else ():
        each.source = each.source.model_copy(update={"ocr": (pack,)})
        each.reason += f"; {reason}"
    seen = list[Look]()
    failed = 0
    with log.progress(text_size.PICTURES, min(len(unread), SEEN_FILES) if pack else 0) as advance:
        for each in unread:
            if not pack:
                each.problem = reason
            elif len(seen) < SEEN_FILES and failed < SEEN_FILES:
                read_beginning(each, SEEN_CHARS, script=usual_script(language))
                seen += [each] if each.documents else []
                failed += not each.documents
                advance(1)
            elif not seen:
                each.problem = f"a picture, as {failed} others, in which OCR finds no text"
            else:
                each.problem = ""
                each.like = seen
    sizes = [sum(each.size for each in some if not each.problem) for some in (unread, seen)]
    for each in seen:
        each.begin.times = sizes[0] / sizes[1]
