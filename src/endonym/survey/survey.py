"""Surveys raw texts before a recipe exists: sources, size of the text, a sample, what is odd.

Every file is opened once. Each file is a source, so that each gets its own score. Many files of one
kind in a folder (one poem per file) are one source. Unreadable files are listed with the reason,
and so are texts that are not in the language of the others.
"""

import os.path
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from glob import escape
from itertools import chain, count
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from endonym.autopilot import text_size
from endonym.autopilot.text_size import SourceSample
from endonym.errors import MissingSource, printable
from endonym.formats.config import Source
from endonym.formats.document import Document
from endonym.formats.faults import passing_over
from endonym.formats.files import glob_root, not_a_file, source_files
from endonym.formats.io.formats import file_format, is_no_text
from endonym.formats.readable import Reading
from endonym.formats.readers.plain import PART_BYTES
from endonym.log import QUIET, Log, counted, listed
from endonym.script.languages import usual_script
from endonym.script.letters import as_name
from endonym.survey import odd_sources, raw_files
from endonym.survey.chats import MAX_REJECTED, ChatFile, count_chats
from endonym.survey.look import Look, look, persons, read_pictures
from endonym.survey.odd_sources import Odd, Reference, Sketch, by_paragraphs, odd_ones, sketch

SAMPLE_CHARS = 400_000
"""Characters of the sample."""
LONGEST_TEXT = 100_000
TEXTS_CHARS = 1_500_000
"""Characters of a document in the sample of documents, and of all of them, about."""
SENTENCE_BYTES = 400
PARAGRAPH_BYTES = 2_000
"""Up to this median size, records are taken for sentences, and lines for a list."""
FEW_DOCUMENTS = 20
"""Fewer documents of a kind, such as PDFs, are divided: none could be held out."""
FEW = "they are few, so"
PARTS = {"part": "parts of about 2,000 bytes", "blank_lines": "paragraphs"}
FEW_PARTS = 8
"""Texts of fewer parts are divided into paragraphs if there are no others."""
LETTERS_DOCUMENTS = 100
LETTERS_CHARS = 500
"""Documents, and characters of each, by whose letters a pack of Tesseract is chosen."""
SHOWN_ODD = 5
ODD = "odd"
PERSONS = "persons"
"""Files in another language than the others, and lists of persons."""
NO_TEXT = "it holds no text: of the system or a program, sound, film or a page's script"
FOR_A_PHASE = 'no text to learn first, but for a phase with objective = "chat"'
NOT_YET = "not read yet"
"""Stands in a recipe's comment before files that are read once something is installed."""
MOST_NAMED = 20
"""Files that are named for one reason why they cannot be read."""


class Left(NamedTuple):
    """A file that is left out until a person takes it in, by the kind ODD or PERSONS.

    path: as the recipe writes it. source: None behind the first few of many files of one kind.
    """

    kind: str
    path: str
    reason: str
    text_bytes: float
    source: Source | None


@dataclass(slots=True)
class Survey:
    """The sources of a new recipe, and the unreadable files with reasons.

    left: files that are left out until a person takes them in. doubt: why all of them may be in
    another language. foreign: files of kinds that are not read, by extension; convertible: the
    names of those that may hold text. pictures: the skipped files that are pictures of text, each
    with its pattern of `exclude`. libraryless: those that a library reads which is not installed,
    in the same form. unreadable: patterns for other unreadable files, with reasons.
    unknown_encodings: names of files whose encoding nobody can guess. samples: of the sources, as
    `samples_of` reads them. sample: the beginnings of all sources, in equal shares. texts: whole
    documents, evenly spread; of a long one the beginning. joined: the names of sources whose
    documents are read with their neighbours: lists of lines or sentences, and parts of texts that
    were divided. all_documents: estimated. taken: names that no source may have. names: how many
    files have this name. readings: what cannot be read of each source. no_texts: the skipped files
    that hold none, such as Thumbs.db and empty files, each with its pattern if its kind is not in
    `foreign`. chats: the skipped files of conversations, each with its pattern; chat_files: what
    they hold. used: files of the sources, of `files` that were opened.
    """

    sources: list[tuple[Source, str]] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    doubt: str = ""
    skipped: list[tuple[str, str]] = field(default_factory=list)
    foreign: Counter[str] = field(default_factory=Counter)
    convertible: list[str] = field(default_factory=list)
    pictures: dict[str, str] = field(default_factory=dict)
    libraryless: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    unknown_encodings: list[str] = field(default_factory=list)
    encodings: Counter[str] = field(default_factory=Counter)
    files: int = 0
    used: int = 0
    text_bytes: float = 0.0
    samples: list[SourceSample] = field(default_factory=list)
    sample: str = ""
    texts: list[str] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)
    taken: Collection[str] = ()
    names: Counter[str] = field(default_factory=Counter)
    readings: list[Reading] = field(default_factory=list)
    all_documents: float = 0.0
    no_texts: dict[str, str] = field(default_factory=dict)
    chats: dict[str, str] = field(default_factory=dict)
    chat_files: list[ChatFile] = field(default_factory=list)

    def left_as(self, kind: str) -> tuple[list[Left], float, float]:
        """The files of a kind of `left`, their bytes of text, and their share of all text."""
        some = [each for each in self.left if each.kind == kind]
        n_bytes = sum(each.text_bytes for each in some)
        return some, n_bytes, n_bytes / max(1, n_bytes + self.text_bytes)

    @property
    def awaited(self) -> dict[str, str]:
        """Files of `libraryless` and `pictures`: how many of which kinds, and what to install."""
        said = dict[str, str]()
        for name, paths in (("libraryless", self.libraryless), ("pictures", self.pictures)):
            if whys := [why for path, why in self.skipped if path in paths]:
                kinds = Counter(Path(path).suffix.lower() for path in paths).most_common()
                numbers = listed([f"{n} {kind}".rstrip() for kind, n in kinds])
                if len(paths) <= SHOWN_ODD:
                    numbers = listed([Path(path).name for path in paths])
                said[name] = f"{counted(len(paths), 'file')} ({numbers}): {whys[0]}"
        return said

    @property
    def by_reason(self) -> list[tuple[str, str, str]]:
        """What became of files, their names, and their common reason.

        First come those that can be read once something is installed, with all their names: `new
        --update` looks for them in the recipe. Of the others, the first are named.
        """
        paths_of = dict[str, list[str]]()
        chats = {printable(e.path): e.problem or FOR_A_PHASE for e in self.chat_files}
        for path, why in self.skipped:
            paths_of.setdefault(chats.get(path, why), []).append(path)
        waiting = list[tuple[str, str, str]]()
        left_out = list[tuple[str, str, str]]()
        for why, paths in paths_of.items():
            if paths[0] in self.pictures or paths[0] in self.libraryless:
                waiting.append((NOT_YET, ", ".join(map(printable, paths)), why))
                continue
            more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
            names = ", ".join(map(printable, paths[:MOST_NAMED])) + more
            fate = "conversations" if why == FOR_A_PHASE else "left out"
            left_out.append((fate, names, why))
        return waiting + left_out

    def exclude(self) -> list[str]:
        """Globs for `exclude` that leave out all that is no text of a source."""
        kinds = [f"*{kind}" for kind, _ in self.foreign.most_common() if kind.startswith(".")]
        others = (self.pictures, self.libraryless, self.no_texts, self.chats)
        patterns = [*self.unreadable, *(each for one in others for each in one.values())]
        patterns += [escape(printable(Path(each.path).name)) for each in self.left]
        return kinds + [each for each in patterns if each]

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
            **{key: [each[1:3] for each in self.left_as(key)[0]] for key in (ODD, PERSONS)},
            "doubt": self.doubt,
        }


def survey_texts(
    texts: Sequence[Path], folder: Path, *, language: str = "", log: Log = QUIET
) -> Survey:
    """Open every file once: name sources, guess their formats, find odd ones, read a sample.

    Raises MissingSource if a path has no file, or if no file can be read.
    """
    survey = look_through(texts, folder, language=language, log=log, option="--text ")
    if not survey.sources:
        reasons = "\n".join(f"    {name}: {reason}" for name, reason in survey.skipped[:10])
        raise MissingSource(
            f"no text that can be read\n{reasons}",
            where=", ".join(str(text) for text in texts),
            do="Give files of text: txt, jsonl, csv, parquet, html, pdf, epub, docx, odt, rtf, web "
            "archives, dumps of a wiki; plain, compressed, or in archives."
            + (" Conversations are learnt after them." if survey.chats else ""),
        )
    return survey


def look_through(
    texts: Sequence[Path],
    folder: Path,
    *,
    language: str = "",
    log: Log = QUIET,
    option: str = "",
    taken: Collection[str] = (),
    are_one: bool = False,
    max_rejected: float = MAX_REJECTED,
) -> Survey:
    """As `survey_texts`, but a survey without sources if no file can be read.

    option: what an error writes before a path. taken: names that no source may have; without any,
    lists of persons are sources if there is nothing else. are_one: files of one kind may be one
    source, though each is given by its path. max_rejected: as in `count_chats`. Raises
    MissingSource if a path has no file.
    """
    paths_of = [raw_files.files_below(text, option) for text in texts]
    paths_of = [[path for paths in paths_of for path in paths]] if are_one else paths_of
    refused = {path: why for paths in paths_of for path in paths if (why := not_a_file(path))}
    regular = ([path for path in paths if path not in refused] for paths in paths_of)
    groups = [group for paths in regular for group in raw_files.grouped(paths)]
    survey = Survey(
        files=sum(map(len, groups)),
        taken=taken,
        names=Counter(path.name for group in groups for path in group),
        skipped=[(printable(path), why) for path, why in refused.items()],
        unreadable={raw_files.pattern(path): why for path, why in refused.items()},
    )
    looks, guessed = _all_looked_at(groups, language, log)
    # Of many files, some are compared with each other first, and then the others with them.
    with_text = [each for group in looks for each in group if each.documents]
    lists = {str(each.path): why for each in with_text if (why := persons(each, language))}
    lists = lists if taken or len(lists) < len(with_text) else {}
    with_text = [each for each in with_text if str(each.path) not in lists]
    step = -(-len(with_text) // text_size.MOST_FILES) or 1
    rest = (each for number, each in enumerate(with_text) if number % step)
    others = _sketched(rest, guessed)
    odd = odd_ones([*_sketched(with_text[::step], guessed)], language, others)
    survey.doubt = odd.doubt
    if odd.reference is not None:
        _look_at_paragraphs(with_text, odd, odd.reference, language)
    left = {path: (PERSONS, why) for path, why in lists.items()}
    left |= {path: (ODD, why) for path, why in odd.reasons.items()}
    used = [[each for each in group if str(each.path) not in left] for group in looks]
    survey.all_documents = sum(each.n_documents for group in used for each in group)
    for group in looks:
        _add(survey, group, left, folder, log=log)
    count_chats(survey.chat_files, max_rejected)
    texts_of = [[each.documents for each in group if each.documents] for group in used]
    survey.sample = _sample(texts_of, SAMPLE_CHARS // max(1, len(survey.sources)) + 1)
    every = [each.text[:LONGEST_TEXT] for files in texts_of for some in files for each in some]
    survey.texts = every[:: max(1, -(-sum(map(len, every)) // TEXTS_CHARS))]
    return survey


def _look_at_paragraphs(looks: list[Look], odd: Odd, reference: Reference, language: str) -> None:
    """Change the reasons of odd files by their paragraphs, and add short foreign ones."""
    for each in looks:
        with passing_over():
            path = str(each.path)
            texts = (document.text for document in each.documents)
            why = by_paragraphs(texts, language, reference, odd.reasons.get(path, ""))
            odd.reasons.pop(path, None)
            odd.reasons.update({path: why} if why else {})


def _all_looked_at(
    groups: Sequence[Sequence[Path]], language: str, log: Log
) -> tuple[list[list[Look]], str]:
    """Open the files of all groups; and guess their language if it is not named.

    The guess spells texts by its steps, and names packs of OCR; no text is odd because of it.
    Pictures are read last, as what others say chooses the pack.
    """
    looks = list[list[Look]]()
    script = usual_script(language)
    files = sum(map(len, groups))
    with log.progress("opening files", files) as advance:
        for group in groups:
            looks.append([])
            chars = text_size.chars_a_file(len(groups), len(group))
            for path in group:
                looks[-1].append(look(path, chars, files, script=script))
                advance(1, printable(path.name)[:30])
    documents = [text for group in looks for each in group for text in each.documents]
    language = (
        language or odd_sources.guess_language([each.text[:LETTERS_CHARS] for each in documents])[0]
    )
    some = [document.text[:LETTERS_CHARS] for document in documents[:LETTERS_DOCUMENTS]]
    for group in looks:
        read_pictures(group, language, "\n".join(some), log)
    return looks, language


def _sample(groups: Sequence[Sequence[Sequence[Document]]], chars: int) -> str:
    """The beginnings of all files. chars: of each group, in equal shares of its files."""
    sample = ""
    for files in groups:
        share = chars // max(1, len(files)) + 1
        heads = ("\n".join(document.text for document in documents)[:share] for documents in files)
        sample += "".join(f"{head}\n" for head in heads)
    return sample


def is_list(source: Source, documents: Sequence[Document]) -> bool:
    """Whether documents are lines, or records as short as sentences, in one file.

    A whole file or a block between empty lines is a whole text, however short.
    """
    if len(documents) < 2 or source.document == "blank_lines":
        return False
    middle = median(len(document.text.encode("utf-8")) for document in documents)
    if source.document == "line":
        return middle <= PARAGRAPH_BYTES
    files = {document.id.rpartition("#")[0] for document in documents}
    return len(files) < len(documents) and middle <= SENTENCE_BYTES


def _sketched(found: Iterable[Look], language: str) -> Iterator[Sketch]:
    """The sketches of files; one in which our code fails is compared with none."""
    for each in found:
        with passing_over():
            texts = (text.text for text in each.documents)
            yield sketch(str(each.path), texts, each.text_bytes, language)


def _add(
    survey: Survey, group: list[Look], left: dict[str, tuple[str, str]], folder: Path, *, log: Log
) -> None:
    """Add the source of a file, or of many of one kind; name what is left out or unreadable.

    left: by path the kind of Left and the reason.
    """
    left_out = dict[Path, str]()
    numbers = Counter[str]()
    for each in group:
        if each.problem:
            _leave_out(survey, each, folder)
            left_out[each.path] = each.problem
        elif str(each.path) in left:
            kind, left_out[each.path] = left[str(each.path)]
            numbers[kind] += 1
            source = _source(survey, [each], {}, folder)[0] if numbers[kind] <= SHOWN_ODD else None
            path = raw_files.relative(each.path, folder)
            survey.left.append(Left(kind, path, left_out[each.path], each.text_bytes, source))
    good = [each for each in group if each.path not in left_out]
    if not good:
        return
    source, reason = _source(survey, good, left_out, folder)
    survey.sources.append((source, reason))
    is_divided = source.document != good[0].source.document
    documents = [each for one in good if not one.begin.is_one_document for each in one.documents]
    if is_divided or is_list(source, documents):
        survey.joined.append(source.name)
    survey.readings.append(Reading(source.name))
    survey.used += len(good)
    for each in good:
        survey.readings[-1].include(each.reading)
        names = {document.meta.get("encoding", "utf-8") for document in each.documents}
        survey.encodings.update(names)
        survey.text_bytes += each.text_bytes
    survey.samples.append(_sampled(source, good, log))
    if is_divided:
        survey.all_documents += survey.samples[-1].documents - sum(one.n_documents for one in good)


def _leave_out(survey: Survey, opened: Look, folder: Path) -> None:
    """Name a file that cannot be read."""
    path = printable(opened.path)
    reasons = {reject.reason for reject in opened.begin.rejects}
    is_of_program = is_no_text(opened.path.name)
    has_none = is_of_program or not reasons.isdisjoint(("empty_file", "no_text"))
    has_none = has_none or reasons == {"companion"}
    survey.skipped.append((path, NO_TEXT if is_of_program else opened.problem))
    if "unknown_encoding" in reasons:
        survey.unknown_encodings.append(opened.path.name)
    pattern = ""
    # The kind of an archive says nothing of what other archives hold.
    if opened.is_foreign and not file_format(opened.path.name, opened.source).archive:
        survey.foreign[printable(opened.path.suffix).lower() or "no extension"] += 1
        if not is_no_text(opened.path.name):
            survey.convertible.append(printable(opened.path.name))
    elif survey.names[opened.path.name] < 2:
        pattern = raw_files.pattern(opened.path)
    else:
        pattern = f"*{raw_files.pattern(opened.path, 2)}"
    if has_none:
        survey.no_texts[path] = pattern
    elif opened.begin.needs_ocr:
        survey.pictures[path] = pattern
    elif opened.lacks_library:
        survey.libraryless[path] = pattern
    elif opened.chat is not None:
        survey.chats[path] = pattern
        data = raw_files.relative(opened.path, folder)
        survey.chat_files.append(ChatFile(opened.path, data, opened.chat.get("columns")))
    elif pattern:
        survey.unreadable[pattern] = opened.problem


def _sampled(source: Source, good: list[Look], log: Log) -> SourceSample:
    """The sample of a source; files of a divided one are read again, as its recipe divides them."""
    step = -(-len(good) // text_size.MOST_FILES) or 1
    if source.document != good[0].source.document:
        divided = good[0].source.model_copy(update={"document": source.document})
        files = [each.file for each in good[::step]]
        beginnings = text_size.beginnings_of(divided, files, text_size.LEAST_CHARS, log)
    else:
        read = [each for each in good if not each.like]
        beginnings = [(each.file, each.begin) for each in read[::step]]
    size = sum(each.size for each in good)
    return SourceSample(source, size, beginnings, is_whole=len(beginnings) == len(good))


def _source(
    survey: Survey, group: list[Look], left_out: dict[Path, str], folder: Path
) -> tuple[Source, str]:
    """The source of these files, with a name that no other one has, and the reason for it."""
    homes = {each.path.parent.absolute() for each in group}
    first = group[0]
    home = Path(os.path.commonpath(homes))
    is_deep = len(homes) > 1
    # Files of this kind may lie elsewhere, where the path of this source does not lead.
    parents = {path: [*path.absolute().parents] for path in left_out}
    most = None if is_deep else 1  # parents of a file that the path of the source leads to
    left_out = {path: why for path, why in left_out.items() if home in parents[path][:most]}
    is_alone = len(group) == 1 and not left_out
    name = _unique(first.path, None if is_alone else home, survey)
    path = raw_files.relative(first.path, folder)
    reason = first.reason
    is_exact = is_alone and raw_files.is_writable(path)
    if not is_exact:
        path = raw_files.as_glob(path)
        if not is_alone:
            below = raw_files.as_glob(raw_files.relative(home, folder) + "/")
            kind = raw_files.as_glob(raw_files.kind(first.path))
            path = below + ("**/*" if is_deep else "*") + kind
        home = glob_root(Path(path), folder)[0]
        if len(group) > 1:
            reason = f"{len(group)} files of one kind; the first: {reason}"
    used = [each.path for each in group]
    keys: dict[str, Any] = {"name": name, "path": path}
    if divided := _divided(group, survey.all_documents):
        keys["document"] = divided
        reason += f"; {FEW} {PARTS[divided]} are documents"
    if left_out:
        why = next(iter(left_out.values()))
        out = counted(len(left_out), "file")
        reason += f"; excluded: {out}, the first because: {why}".replace("\n", " ")
    keys["exclude"] = tuple(raw_files.excluding(left_out, used, home))
    source = first.source.model_copy(update=keys)
    if not is_exact:
        exclude = (*source.exclude, *_others(source, used, folder, home))
        source = source.model_copy(update={"exclude": exclude})
    return source, reason


def _divided(group: list[Look], all_documents: float) -> str:
    """How the documents of a source are divided if they are too few to hold some out; or "".

    Short texts are divided only if there is hardly anything else. all_documents: of all sources.
    """
    first = group[0]
    kind_of = file_format(first.path.name, first.source).format
    is_short = kind_of == "txt" and first.source.document == "file"
    is_one = first.begin.is_one_document or kind_of in raw_files.DIVISIBLE
    if len(group) >= FEW_DOCUMENTS or not (is_short or is_one):
        return ""
    if sum(each.text_bytes for each in group) >= FEW_PARTS * PART_BYTES:
        return "part"
    others = all_documents - sum(each.n_documents for each in group)
    return "blank_lines" if is_one and others < FEW_DOCUMENTS else ""


def _others(source: Source, used: list[Path], folder: Path, home: Path) -> list[str]:
    """Globs that leave out what else the path of a source matches: other kinds, other sources."""
    used_paths = {each.absolute() for each in used}
    own = raw_files.kind(used[0])
    paths = [file.path for file in source_files(source, folder)]
    more = [path for path in paths if path.absolute() not in used_paths]
    kinds = [kind for path in more if (kind := raw_files.kind(path)) != own]
    alike = [path for path in more if raw_files.kind(path) == own]
    others = [f"*{escape(printable(kind))}" for kind in kinds]
    return list(dict.fromkeys([*others, *raw_files.excluding(alike, used, home)]))


def _unique(file: Path, home: Path | None, survey: Survey) -> str:
    """A name that no other source has: of a file, or of the folder `home` and the kind of files.

    The usual kind, .txt, is not named. Where a name is taken, the kind or the folder around is
    added, and then a number.
    """
    left = (each.source for each in survey.left if each.source)
    taken = {*survey.taken, *(each.name for each in (*(one for one, _ in survey.sources), *left))}
    path = home or file
    kind = raw_files.kind(file).lower().strip(".").split(".")[0]
    own = path.name.split(".")[0]
    parent = path.absolute().parent.name
    is_usual = kind in ("", "txt")
    parts = ((own, 60), (own, 28 if is_usual else 48), (parent, 28))  # a name may have 64 letters
    stem, short, around = (as_name(part, "_", most) or "texts" for part, most in parts)
    is_short = home is None or is_usual
    longer = f"{around}-{short}" if is_usual else as_name(f"{short}-{kind}", "_", 60)
    names = chain([stem] if is_short else [], [longer], (f"{longer}-{n}" for n in count(2)))
    return next(name for name in names if name not in taken)
