"""Surveys raw texts before a recipe exists: sources, size of the text, a sample, what is odd.

Every file is opened once. Each file is a source, so that each gets its own score. Many files of one
kind in a folder (one poem per file) are one source. Unreadable files are listed with the reason,
and so are texts that are not in the language of the others.
"""

import difflib
import os.path
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from glob import escape
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from endonym.autopilot.text_size import MOST_FILES, beginning, reading_of
from endonym.errors import MissingSource, printable
from endonym.formats.config import Source
from endonym.formats.document import Document, Reject
from endonym.formats.faults import failure, passing_over
from endonym.formats.files import RawFile, files_at, glob_root, not_a_file, source_files
from endonym.formats.io.formats import COMPRESSIONS, JOINED, PARSED, file_format
from endonym.formats.readable import Reading
from endonym.log import Log, counted
from endonym.script.languages import usual_script
from endonym.survey.format_guess import guess_source
from endonym.survey.globs import as_glob, globs, is_writable, pattern, pattern_below, relative
from endonym.survey.odd_sources import Sketch, odd_ones, sketch
from endonym.survey.scans import needs_ocr, pack_for

SAMPLE_CHARS = 400_000
"""Characters of the sample."""
LONGEST_TEXT, TEXTS_CHARS = 100_000, 1_500_000
"""Characters of a document in the sample of documents, and of all of them, about."""
READ_CHARS, LEAST_CHARS = 4_000_000, 3_000
"""Characters read from all files together, and from each one at least."""
SENTENCE_BYTES, PARAGRAPH_BYTES = 400, 2_000
"""Up to this median size, records are taken for sentences, and lines for a list."""
FEW_FILES = 24
"""Up to so many files of one kind in a folder, each is a source."""


FEW_DOCUMENTS = 20
"""Fewer documents of a kind, such as PDFs, are divided: none could be held out."""
PARTS = {"page": "page or chapter", "blank_lines": "paragraph"}
COLLECTIONS = frozenset({"warc", "wiki"})
"""Files of many documents."""
PROBE = Source(name="probe", path=".")
SEEN_FILES, SEEN_CHARS = 3, 3_000
"""Of files that Tesseract has to read, so many are, and so many characters of each."""

LETTERS_DOCUMENTS, LETTERS_CHARS = 100, 500
"""Documents, and characters of each, by whose letters a pack of Tesseract is chosen."""
SHOWN_ODD = 5


@dataclass(slots=True)
class Look:
    """One file that was opened: its guessed source, its first documents, or why there are none."""

    path: Path
    source: Source
    reason: str
    documents: list[Document] = field(default_factory=list[Document])
    total_documents: float = 0.0
    text_bytes: float = 0.0
    problem: str = ""
    is_foreign: bool = False
    """Whether it is of a kind that is not read, such as djvu."""
    rejects: list[Reject] = field(default_factory=list[Reject])
    reading: Reading = field(default_factory=partial(Reading, ""))
    is_assumed: bool = False
    """Whether it was not read, as reading takes long, and is taken to be as others of its kind."""

    @property
    def format(self) -> str:
        """How it is read."""
        return file_format(self.path.name, self.source).format

    @property
    def is_whole(self) -> bool:
        """Whether it is one document, of which parts were read."""
        return self.format in JOINED and self.source.document == "file"

    @property
    def encodings(self) -> set[str]:
        """The encodings of its documents."""
        return {each.meta.get("encoding", "utf-8") for each in self.documents}


@dataclass(slots=True)
class Survey:
    """The sources of a new recipe, and the unreadable files with reasons.

    odd: sources that are not in the language of the others, each with the reason; of many files of
    one kind the first few, all of which `exclude` names. doubt: why all of them may be in another
    language. foreign: files of kinds that are not read, by extension. pictures: why those are not.
    unreadable: patterns of `exclude` for other unreadable files, with reasons. texts: a sample of
    documents. lists: the names of sources that are lists of lines or sentences. all_documents:
    estimated. names: how many files have this name. readings: what cannot be read of each source.
    """

    sources: list[tuple[Source, str]] = field(default_factory=list)
    odd: list[tuple[Source, str]] = field(default_factory=list)
    odd_files: int = 0
    odd_bytes: float = 0.0
    doubt: str = ""
    skipped: list[tuple[str, str]] = field(default_factory=list)
    foreign: Counter[str] = field(default_factory=Counter[str])
    pictures: str = ""
    unreadable: dict[str, str] = field(default_factory=dict[str, str])
    encodings: Counter[str] = field(default_factory=Counter[str])
    files: int = 0
    text_bytes: float = 0.0
    sample: str = ""
    texts: list[str] = field(default_factory=list[str])
    lists: list[str] = field(default_factory=list)
    names: Counter[str] = field(default_factory=Counter[str])
    readings: list[Reading] = field(default_factory=list[Reading])
    documents: int = 0
    document_bytes: int = 0
    all_documents: float = 0.0

    @property
    def mean_document_bytes(self) -> float:
        """Mean document size in the sample."""
        return self.document_bytes / max(1, self.documents)

    def exclude(self) -> list[str]:
        """Globs for `exclude` that leave out all that cannot be read."""
        kinds = [f"*{kind}" for kind, _ in self.foreign.most_common() if kind.startswith(".")]
        return kinds + list(self.unreadable)

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints."""
        return {
            "left_out": [list(each) for each in self.skipped],
            "files": self.files,
            "bytes": int(self.text_bytes),
            "documents": round(self.all_documents),
            "encodings": dict(self.encodings),
            "not_read": dict(self.foreign),
            "unreadable": {each.source: each.share for each in self.readings if each.lost},
            "odd": [[source.path, reason] for source, reason in self.odd],
            "doubt": self.doubt,
        }


def survey_texts(
    texts: Sequence[Path], folder: Path, *, language: str = "", log: Log | None = None
) -> Survey:
    """Open every file once: name sources, guess their formats, find odd ones, read a sample.

    Raises MissingSource if a path has no file, or if no file can be read.
    """
    survey = look_through(texts, folder, language=language, log=log)
    if not survey.sources:
        reasons = "\n".join(f"    {name}: {reason}" for name, reason in survey.skipped[:10])
        raise MissingSource(
            f"no text that can be read\n{reasons}",
            where=", ".join(str(text) for text in texts),
            do="Give files of text: txt, jsonl, csv, parquet, html, pdf, epub, docx, odt, web "
            "archives, dumps of a wiki; plain, compressed, or in archives.",
        )
    return survey


def look_through(
    texts: Sequence[Path], folder: Path, *, language: str = "", log: Log | None = None
) -> Survey:
    """The same; without sources if no file can be read.

    Raises MissingSource if a path has no file.
    """
    listed = [files_below(text) for text in texts]
    refused = {path: why for paths in listed for path in paths if (why := not_a_file(path))}
    groups = [
        group for paths in listed for group in grouped([p for p in paths if p not in refused])
    ]
    survey = Survey(files=sum(map(len, groups)))
    survey.names.update(path.name for group in groups for path in group)
    survey.skipped += [(printable(str(path)), why) for path, why in refused.items()]
    survey.unreadable |= {pattern(path): why for path, why in refused.items()}
    chars = min(SAMPLE_CHARS, max(LEAST_CHARS, READ_CHARS // max(1, survey.files)))
    looks, script = list[list[Look]](), usual_script(language)
    with (log or Log(quiet=True)).progress("files", survey.files, "opened") as advance:
        for group in groups:
            looks.append([])
            for path in group:
                looks[-1].append(look(path, chars, survey.files, script=script))
                advance(1, printable(path.name)[:30])
        for found in looks:
            see(found, language, some_text(looks))
    read = [each for found in looks for each in found if each.documents]
    step = -(-len(read) // MOST_FILES) or 1
    others = _sketched(each for number, each in enumerate(read) if number % step)
    odd = odd_ones([*_sketched(read[::step])], language, others)
    survey.doubt = odd.doubt
    taken = set[str]()
    for found in looks:
        _add(survey, found, odd.reasons, taken=taken, folder=folder)
    survey.sample = _sample(survey, looks, odd.reasons)
    survey.texts = _texts(looks, odd.reasons)
    return survey


def look(path: Path, chars: int, files: int = 1, *, script: str | None = None) -> Look:
    """Open one file and read its first documents, up to so many characters.

    files: how many are opened.
    """
    source, reason = guess_source(path, "texts")
    found = Look(path, source, reason)
    if why := failure(partial(read_beginning, found, chars, files, script=script)):
        found.documents, found.problem = [], why
    return found


def read_beginning(found: Look, chars: int, files: int = 1, *, script: str | None = None) -> None:
    """Read the first documents of a file by its guessed source."""
    path = found.path
    here = found.source.model_copy(update={"path": str(path.absolute()), "script": script})
    file = RawFile(path=path, name=printable(path.name))
    begin = beginning(here, file, chars)
    found.rejects = [each for each in begin.records if isinstance(each, Reject)]
    found.reading = reading_of(here, file, begin, files)
    found.problem = begin.broken
    if found.problem:
        return
    found.documents = [each for each in begin.records if isinstance(each, Document)]
    found.text_bytes, found.total_documents = begin.text_bytes, begin.documents
    if not found.documents:
        first = found.rejects[0] if found.rejects else None
        found.problem = (first.detail or first.reason) if first else "no text in it"
        reason = first.reason if first else ""
        is_read = found.format != ""  # but not this file, such as a page saved as MHTML
        found.is_foreign = reason == "needs_ocr" or (reason == "unsupported_format" and not is_read)


def some_text(looks: Sequence[Sequence[Look]]) -> str:
    """The beginnings of what was read, to know the language's letters."""
    texts = (
        text.text[:LETTERS_CHARS] for found in looks for each in found for text in each.documents
    )
    return "\n".join(islice(texts, LETTERS_DOCUMENTS))


def see(found: list[Look], language: str, texts: str) -> None:
    """Let Tesseract read what the files of a group have as pictures, and take it into the source.

    Only a few files are read, as a page takes seconds; others are taken to be like them.
    """
    blind = [each for each in found if needs_ocr(each.rejects)]
    if not blind:
        return
    step = -(-len(blind) // SEEN_FILES)
    tried = [(each.path, each.rejects) for each in blind[::step]]
    pack, reason = pack_for(tried, language, texts)
    for each in blind:
        each.problem = "" if pack or each.documents else reason
    if not pack:
        return
    for each in found:
        each.source = each.source.model_copy(update={"ocr": (pack,)})
        each.reason += f"; {reason}"
    seen: list[Look] = []
    unread = 0
    for each in blind:
        if each.documents:
            continue
        if len(seen) < SEEN_FILES and unread < SEEN_FILES:
            read_beginning(each, SEEN_CHARS, script=usual_script(language))
            seen += [each] if each.documents else []
            unread += not each.documents
        elif not seen:
            each.problem = f"a picture, as {unread} others, in which OCR finds no text"
        else:
            each.is_assumed, each.is_foreign = True, False
            each.text_bytes = sum(one.text_bytes for one in seen) / len(seen)
            each.total_documents = sum(one.total_documents for one in seen) / len(seen)


def files_below(text: Path) -> list[Path]:
    """The files below a path. Raises MissingSource if there are none."""
    try:
        return [file.path for file in files_at(text, Path.cwd(), name="texts")]
    except MissingSource as error:  # It speaks of a recipe, and there is none yet.
        raise MissingSource(
            error.message.removeprefix('source "texts": '),
            where=f"--text {printable(str(text))}",
            do=f"{_near_path(text)}Give a file or a folder of texts.",
        ) from error


def _near_path(text: Path) -> str:
    """A question whether another name beside this path is meant; empty if none is like it."""
    if text.exists():
        return ""
    try:
        beside = [each.name for each in text.absolute().parent.iterdir()]
    except OSError:
        return ""
    near = difflib.get_close_matches(text.name, beside, n=1)
    return f"Did you mean {printable(str(text.with_name(near[0])))}? " if near else ""


def grouped(files: Sequence[Path]) -> list[list[Path]]:
    """Groups of files in their order: single files, or many of one kind in one folder."""
    kinds: dict[tuple[Path | None, str], list[Path]] = {}
    for path in files:
        # Documents of one kind are one source, wherever they lie: each is a text of its own.
        folder = None if is_document(path) else path.parent
        kinds.setdefault((folder, kind(path)), []).append(path)
    groups: list[list[Path]] = []
    for (folder, _), alike in kinds.items():
        is_one = folder is None or len(alike) > FEW_FILES
        groups += [alike] if is_one else [[path] for path in alike]
    order = {path: number for number, path in enumerate(files)}
    return sorted(groups, key=lambda group: order[group[0]])


def is_document(path: Path) -> bool:
    """Whether a file is a document that a parser reads, and no collection of them."""
    return file_format(path.name, PROBE).format in PARSED - COLLECTIONS


def kind(path: Path) -> str:
    """How the names of a file's kind end: .txt, .txt.gz."""
    is_packed = path.suffix.lower() in COMPRESSIONS
    return Path(path.stem).suffix + path.suffix if is_packed else path.suffix


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


def _sketched(found: Iterable[Look]) -> Iterator[Sketch]:
    """The sketches of files; one in which our code fails is compared with none."""
    for each in found:
        with passing_over():
            yield sketch(str(each.path), (text.text for text in each.documents), each.text_bytes)


def _add(
    survey: Survey, found: list[Look], odd: dict[str, str], *, taken: set[str], folder: Path
) -> None:
    """Add the source of a file, or of many of one kind; what is odd or unreadable is named."""
    left_out: dict[Path, str] = {}
    for each in found:
        if each.problem:
            survey.skipped.append((printable(str(each.path)), each.problem))
            is_archive = file_format(each.path.name, each.source).archive != ""
            survey.pictures = each.problem if needs_ocr(each.rejects) else survey.pictures
            # The kind of an archive says nothing of what other archives hold.
            if each.is_foreign and not is_archive:
                survey.foreign[printable(each.path.suffix).lower() or "no extension"] += 1
            else:
                is_one = survey.names[each.path.name] < 2
                name = pattern(each.path) if is_one else f"*{pattern_below(each.path, 2)}"
                survey.unreadable[name] = each.problem
            left_out[each.path] = each.problem
        elif len(found) > 1 and str(each.path) in odd:
            left_out[each.path] = odd[str(each.path)]
    good = [
        each for each in found if (each.documents or each.is_assumed) and str(each.path) not in odd
    ]
    strange = [each for each in found if each.documents and str(each.path) in odd]
    for each in strange[:SHOWN_ODD]:
        _source(survey.odd, [each], {}, taken=taken, folder=folder)
        survey.odd[-1] = (survey.odd[-1][0], odd[str(each.path)])
    survey.odd_files += len(strange)
    survey.odd_bytes += sum(each.text_bytes for each in strange)
    if not good:
        return
    source = _source(survey.sources, good, left_out, taken=taken, folder=folder)
    if is_list(source, [document for each in good for document in each.documents]):
        survey.lists.append(source.name)
    survey.readings.append(Reading(source.name))
    for each in good:
        survey.readings[-1].include(each.reading)
        survey.encodings.update(each.encodings)
        survey.text_bytes += each.text_bytes
        survey.all_documents += each.total_documents
        if each.is_whole and source.document == "file":
            survey.documents += 1
            survey.document_bytes += int(each.text_bytes)
        else:
            survey.documents += len(each.documents)
            survey.document_bytes += sum(len(text.text.encode()) for text in each.documents)


def _source(
    sources: list[tuple[Source, str]],
    found: list[Look],
    left_out: dict[Path, str],
    *,
    taken: set[str],
    folder: Path,
) -> Source:
    """Append the source of these files, with a name of its own."""
    homes = {each.path.parent.absolute() for each in found}
    first, home, is_deep = found[0], Path(os.path.commonpath(homes)), len(homes) > 1
    # Files of this kind may lie elsewhere, where the path of this source does not lead.
    above = {path: [*path.absolute().parents] for path in left_out}
    left_out = {p: left_out[p] for p in left_out if home in above[p][: None if is_deep else 1]}
    is_alone = len(found) == 1 and not left_out
    name = _unique(first.path if is_alone else home, taken)
    taken.add(name)
    path, reason = relative(first.path, folder), first.reason
    is_exact = is_alone and is_writable(path)
    if not is_exact:
        below = relative(home, folder) + "/"
        path = as_glob(path)
        if not is_alone:
            path = as_glob(below) + ("**/*" if is_deep else "*") + as_glob(kind(first.path))
        home = glob_root(Path(path), folder)[0]
        if len(found) > 1:
            reason = f"{len(found)} files of one kind; the first: {reason}"
    if divided := _divided(found):
        reason += f"; they are few, so each {PARTS[divided]} is a document"
    if left_out:
        why = next(iter(left_out.values()))
        out = counted(len(left_out), "file")
        reason += f"; excluded: {out}, the first because: {why}".replace("\n", " ")
    given = [each.path for each in found]
    exclude = globs(left_out, given, home)
    update = {"name": name, "path": path, "exclude": tuple(exclude)}
    source = first.source.model_copy(update=update | ({"document": divided} if divided else {}))
    if not is_exact:
        more = _others(source, given, folder, home)
        source = source.model_copy(update={"exclude": (*exclude, *more)})
    sources.append((source, reason))
    return source


def _divided(found: list[Look]) -> str:
    """How the documents of a source are divided if they are too few to hold some out; or ""."""
    kind_of = found[0].format
    if len(found) >= FEW_DOCUMENTS or kind_of not in PARSED - COLLECTIONS:
        return ""
    return "page" if kind_of in ("pdf", "epub") else "blank_lines"


def _others(source: Source, given: list[Path], folder: Path, home: Path) -> list[str]:
    """Globs that leave out what else the path of a source matches: other kinds, other sources."""
    known, own = {each.absolute() for each in given}, kind(given[0])
    paths = [file.path for file in source_files(source, folder)]
    more = [path for path in paths if path.absolute() not in known]
    kinds = ["*" + escape(printable(kind(path))) for path in more if kind(path) != own]
    alike = [path for path in more if kind(path) == own]
    return list(dict.fromkeys([*kinds, *globs(alike, given, home)]))


def _sample(survey: Survey, looks: Sequence[Sequence[Look]], odd: dict[str, str]) -> str:
    """The beginnings of all sources, in equal shares."""
    parts: list[str] = []
    share = SAMPLE_CHARS // max(1, len(survey.sources)) + 1
    for found in looks:
        good = [each for each in found if each.documents and str(each.path) not in odd]
        for each in good:
            text = "\n".join(document.text for document in each.documents)
            parts.append(text[: share // max(1, len(good)) + 1])
    return "".join(part + "\n" for part in parts)


def _texts(looks: Sequence[Sequence[Look]], odd: dict[str, str]) -> list[str]:
    """A sample of whole documents, evenly spread; of a long one the beginning."""
    every = [
        document.text[:LONGEST_TEXT]
        for found in looks
        for each in found
        if str(each.path) not in odd
        for document in each.documents
    ]
    step = max(1, -(-sum(map(len, every)) // TEXTS_CHARS))
    return every[::step]


def _unique(path: Path, taken: set[str]) -> str:
    """A source name from a file's name, different from those taken."""
    stem = re.sub(r"[^\w.-]", "_", path.name.split(".")[0])[:60] or "texts"
    candidate, number = stem, 2
    while candidate in taken:
        candidate, number = f"{stem}-{number}", number + 1
    return candidate
