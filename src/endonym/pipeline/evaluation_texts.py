"""Texts to score that are not of the corpus, and which of them a model was trained on."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import regex
from numpy.typing import NDArray

from endonym.copies.held_out.repeated import Index
from endonym.data.example_tokens import ExampleTokens
from endonym.data.shards import TokenShards
from endonym.disk import packaged_tables
from endonym.errors import RecipeError, SourceError
from endonym.evaluate.bits import Texts
from endonym.evaluate.items import read_items
from endonym.evaluate.neighbours import joined_texts, taken
from endonym.evaluate.score import JUDGED_BYTES
from endonym.export.history import phases_of_lineage, reads_texts, shares_read
from endonym.formats.config import BLOCK_BYTES, Source
from endonym.formats.document import Document, Reject
from endonym.formats.files import RawFile, source_files
from endonym.formats.io.formats import file_format
from endonym.formats.reader import read_file
from endonym.formats.readers.arrow import text_columns
from endonym.formats.reasons import in_words
from endonym.formats.source_errors import source_error
from endonym.log import Log, counted, listed, number
from endonym.store import TRAINED, Artifact, Store
from endonym.survey.format_guess import Look, guess_source
from endonym.tokenizer.tokenizer import Tokenizer

Integers = NDArray[np.int64]

RECORDS = ("jsonl", "csv", "tsv", "parquet", "arrow")
"""Formats whose records are documents."""
LOOK = Look(most_lines=1_000_000, n_bytes=1 << 28)
"""A text that judges a model is rarely a list: its empty lines divide documents, however long."""
WORDS = packaged_tables("endonym.pipeline", "evaluation_texts.toml")
LETTER = regex.compile(r"[\p{L}\p{N}]")
NO_LETTER = "no letter and no digit"
SHOWN_FILES = 10
"""Files of a folder whose cutting is said one by one."""

IS_A_PATH = "Check the path of the file or folder. A text itself must be written into a file first."
DocumentIs = Literal["file", "page", "line", "blank_lines"]


@dataclass(frozen=True, slots=True)
class Cutting:
    """How files are cut into documents, where a person says so: as the keys of a [[source]]."""

    document: DocumentIs | None = None
    column: int | str | None = None

    @classmethod
    def of(cls, document: DocumentIs | None, column: str | None) -> "Cutting":
        """From the words of a command line; a column of digits is a number.

        Raises RecipeError for column 0.
        """
        numbered = int(column) if column is not None and column.isdecimal() else column
        if numbered == 0:
            raise RecipeError("columns are counted from 1", where="--column 0", do="Give 1 for it.")
        return cls(document, numbered)

    def keys_for(self, kind: str) -> dict[str, Any]:
        """The keys of a [[source]] that say so, for a file of the format `kind`.

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
    ids = tokenizer.encode_documents(texts)
    sizes = Counter[str]()
    for text, source in zip(texts, sources, strict=True):
        sizes[source] += len(text.encode("utf-8", "surrogatepass"))
    large = frozenset(name for name, size in sizes.items() if size >= JUDGED_BYTES)
    return Texts(ids, sources, tokenizer, averaged=large, groups=neighbours_of(texts, sources))


def neighbours_of(texts: Sequence[str], sources: Sequence[str]) -> Integers:
    """The group of each document: neighbours in a file are drawn together in intervals.

    As in a corpus: about BLOCK_BYTES, and a longer document is a group of its own.
    """
    begins_group = list[bool]()
    group_bytes = 0
    last_source = ""
    for text, source in zip(texts, sources, strict=True):
        n_bytes = len(text.encode("utf-8", "surrogatepass"))
        is_full = group_bytes >= BLOCK_BYTES or n_bytes >= BLOCK_BYTES
        begins_group.append(source != last_source or is_full)
        group_bytes = n_bytes if begins_group[-1] else group_bytes + n_bytes
        last_source = source
    return np.cumsum(begins_group, dtype=np.int64) - 1


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
        missing = SourceError("no such file", where=path, do=IS_A_PATH)
        missing.exit_code = 2
        raise missing
    texts = list[str]()
    sources = list[str]()
    rejects = list[Reject]()
    n_blank = 0
    files = source_files(Source(name="texts", path=str(path.absolute())), Path("/"))
    for index, file in enumerate(files):
        source, reason, _ = guess_source(file.path, "texts", is_plain=path.is_file(), look=LOOK)
        if keys := cutting.keys_for(file_format(file.path.name, source).format):
            source = source.model_copy(update=keys)
            reason = AS_ASKED
        records = list(read_file(source, file))
        documents = [e for e in records if isinstance(e, Document) and LETTER.search(e.text)]
        file_rejects = [each for each in records if isinstance(each, Reject)]
        n_blank += len(records) - len(documents) - len(file_rejects)
        texts += [document.text for document in documents]
        sources += [file.name] * len(documents)
        rejects += file_rejects
        say = log.line if index < SHOWN_FILES else log.detail
        if documents:
            say(f"{file.name}: {how_cut(source, file, documents, reason)}")
        elif len(files) > 1:
            say(f"{file.name}: not read: {why_not(file_rejects)}")
    if len(files) > SHOWN_FILES:
        count = counted(len(texts), "document")
        log.line(f"{path.name}: {count} in {len(files)} files; -v lists them all")
    if not texts:
        reason = rejects[0].reason if rejects else ""
        do = WORDS["advice"].get(reason, WORDS["advice"]["others"])
        raise source_error("no_text", str(path), why=why_not(rejects), advice=do)
    if rejects:
        reasons = Counter(reject.reason for reject in rejects).most_common()
        counts = ", ".join(f"{number(n)} {in_words(reason)}" for reason, n in reasons)
        log.warn(f"{path.name}: not read: {counts}")
    if n_blank:
        log.warn(f"{path.name}: not scored: {counted(n_blank, 'document')} without a letter")
    return texts, sources


def how_cut(source: Source, file: RawFile, documents: Sequence[Document], reason: str) -> str:
    """How a file was cut into documents and why, and its encoding if that is not UTF-8.

    Of plain text that nobody said how to cut: how else it could be, if that gives other documents.
    """
    cut = counted(len(documents), "document") + WORDS["ends"][source.document]
    if encoding := documents[0].meta.get("encoding", ""):
        cut += f", read as {encoding}"
    is_plain = file_format(file.path.name, source).format == "txt" and source.column is None
    if reason != AS_ASKED and is_plain:
        other = WORDS["other"][source.document]
        records = read_file(source.model_copy(update={"document": other}), file)
        n_others = sum(isinstance(record, Document) for record in records)
        if n_others not in (1, len(documents)):
            reason += f"; --document {other} reads {number(n_others)}"
    return f"{cut} ({reason})"


def why_not(rejects: Sequence[Reject]) -> str:
    """Why nothing was read, by the first reject, without its advice about a recipe."""
    if not rejects:
        return NO_LETTER
    has_advice = rejects[0].reason in ("unsupported_format", "unknown_encoding")
    return rejects[0].detail.partition(";")[0] if has_advice else rejects[0].detail


def texts_to_keep_out(path: Path, *, are_items: bool = False) -> Iterator[str]:
    """All texts of an evaluation file, which must not stand in a corpus.

    Of JSON every string in every field: questions, answers, pairs. Of tables every line. Other
    files are read as `documents_below` reads them. are_items: then also each option of an item
    after its context. Raises SourceError if there is no text.
    """
    is_plain = path.is_file()
    kind = file_format(path.name, Source(name="texts", path="."))
    is_json = kind.format == "jsonl" or path.suffix == ".json"
    source, *_ = guess_source(path, "texts", is_plain=is_plain)
    if path.suffix == ".json":
        source = Source(name="texts", path=str(path), format="txt")
    elif kind.format in ("jsonl", "csv", "tsv"):
        source = Source(name="texts", path=str(path), format="txt", document="line")
    sources = [source]  # of a table one for each column of texts
    if kind.format == "parquet" and not kind.compression:
        with suppress(arrow.ArrowException, OSError, ValueError):  # A damaged file is a reject.
            schema = parquet.read_schema(path)
            names = text_columns(schema)
            sources = [source.model_copy(update={"column": name}) for name in names] or sources
    count = 0
    rejects = list[Reject]()
    for each in sources:
        for record in read_file(each, RawFile(path=path, name=path.name)):
            if isinstance(record, Reject):
                rejects.append(record)
                continue
            count += 1
            yield from strings(record.text) if is_json else (record.text,)
    if not count:
        do = "Name files with texts in [clean] decontaminate and in [[evaluate]]."
        raise source_error("no_text", str(path), why=why_not(rejects), advice=do)
    for item in read_items(path).items if are_items else ():
        yield from item.texts if item.context else ()


def strings(record: str) -> Iterator[str]:
    """Every string in a record of JSON, however deep; the record itself if it is no JSON."""
    try:
        stack: list[Any] = [json.loads(record)]
    except (ValueError, RecursionError):
        yield record
        return
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict | list):
            stack += reversed(list(value.values()) if isinstance(value, dict) else value)


class Part(NamedTuple):
    """The training documents of shards, or the answers of examples, with the tokenizer of both.

    sources: of the shards that were read; all if None. join: those that are lists of sentences.
    """

    tokens: TokenShards | ExampleTokens
    tokenizer: Tokenizer
    sources: set[str] | None
    join: Collection[str]

    @property
    def n_bytes(self) -> int:
        """The size of these texts or answers."""
        if isinstance(self.tokens, ExampleTokens):
            return self.tokens.totals()["bytes"]
        sizes = zip(
            self.tokens.sources,
            self.tokens.sums_by_source(self.tokens.byte_counts).tolist(),
            strict=True,
        )
        return sum(size for name, size in sizes if self.sources is None or name in self.sources)

    def texts(self) -> Iterator[str]:
        """The text of each document, or of each answer."""
        return self._texts(1.0, ())

    def joined(self, share: float) -> Iterator[str]:
        """About this share of the texts, evenly spread. Lists of sentences are longer texts."""
        return self._texts(share, self.join)

    def _texts(self, share: float, join: Collection[str]) -> Iterator[str]:
        tokens = self.tokens
        decode = self.tokenizer.decode
        if isinstance(tokens, TokenShards):
            return joined_texts(tokens, self.tokenizer, join, share, sources=self.sources)
        examples = taken(range(len(tokens)), share)
        return (decode(ids.tolist()) for number in examples for ids in tokens.answers(number))


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a model was trained on. lost: what of it the store does not hold, in words."""

    parts: Sequence[Part]
    lost: Sequence[str]

    @property
    def has_answers(self) -> bool:
        """Whether there are conversations or pairs."""
        return any(isinstance(part.tokens, ExampleTokens) for part in self.parts)


def learnt_by(model: Artifact | None) -> Learnt:
    """The texts and answers that all phases of a model, of its bases and of its teachers read.

    model: its artefact; nothing is known of a model without one, or of its export.
    """
    if model is None or model.stage not in TRAINED:
        return Learnt([], ["what the model was trained on"])
    phases, unknown = phases_of_lineage(model)
    read = dict[tuple[str, str], list[Artifact]]()
    parts = list[Part]()
    lost = dict.fromkeys(f"what its {name} was trained on" for name in unknown)  # each once
    for phase in phases:
        kind = "shards" if reads_texts(phase) else "examples"
        read.setdefault((kind, phase.manifest["inputs"][kind]), []).append(phase)
    for (kind, identity), readers in read.items():
        artifact = Store.of(readers[0].folder).find(kind, identity)
        if artifact is None:
            lost[f"{'texts' if kind == 'shards' else 'answers'} that it was trained on"] = None
            continue
        tokens_class = TokenShards if kind == "shards" else ExampleTokens
        tokens = tokens_class(artifact.verify().folder, "train")
        named = [{*shares_read(phase)} for phase in readers]
        sources = set[str]().union(*named) if all(named) else None
        tokenizer = Tokenizer.load(readers[0].folder / "tokenizer.json")
        join = {n for phase in readers for n in phase.manifest["config"]["pack"].get("join", ())}
        parts.append(Part(tokens, tokenizer, sources, join))
    return Learnt(parts, [*lost])


class Overlap(NamedTuple):
    """How much of an evaluation set a model was trained on: whole, nearly, or in pieces.

    texts: of the set. found: those of them that stand in the training text or in answers; None if
    none of these could be compared. lost: what was not compared, in words. has_answers: whether
    answers were.
    """

    texts: int
    found: int | None
    lost: tuple[str, ...] = ()
    has_answers: bool = False

    def sentences(self, what: str = "document") -> list[str]:
        """What is said beside a score. what: each text is called so."""
        said = list[str]()
        if self.found is not None:
            where = f"in the training text{' or answers' * self.has_answers}"
            share = 100 * self.found / max(1, self.texts)
            of = counted(self.texts, what)
            part = f"{share:.1f} %" if share >= 0.05 else "Less than 0.1 %"
            some = f"{part} of its {of} stand" if self.found else f"None of its {of} stands"
            harder = ": new text of this kind is harder" * bool(self.found)
            said.append(f"{some} {where}, whole, nearly or in pieces{harder}.")
        if self.lost:
            said.append(f"Not compared with {listed(self.lost)}: not in this store.")
        return said


def overlaps(
    judged: Mapping[str, Sequence[str]],
    model: Artifact | None,
    log: Log,
    *,
    adapter: str | None = None,
    what: str = "document",
) -> dict[str, Overlap]:
    """The overlap of evaluation sets with what a model was trained on; warns where there is one.

    judged: the texts of each set, by its name. model: its artefact, if it has one. adapter: the one
    in its weights, whose training text is not known. what: as in `Overlap.sentences`.

    By the rules that keep held-out text apart from training text (copies/held_out/repeated.py): a
    part of a training line counts, and so does a page of training lines.
    """
    learnt = learnt_by(model) if judged else Learnt([], [])
    lost = (*learnt.lost, *["what the adapter was trained on"] * (adapter is not None))
    if not learnt.parts:
        return {name: Overlap(len(texts), None, lost) for name, texts in judged.items()}
    judged_texts = [text for texts in judged.values() for text in texts]
    total = 2 * sum(len(part.tokens) for part in learnt.parts)  # they are read twice
    with log.progress("comparing with the training text", total) as advance:

        def learnt_texts() -> Iterator[str]:
            for part in learnt.parts:
                for text in part.texts():
                    yield text
                    advance(1)

        index = Index.made(judged_texts, chain(judged_texts, learnt_texts()))
        index.compare(learnt_texts())
    index.judge_covered()
    found = dict[str, Overlap]()
    is_found = iter(index.contaminated.tolist())
    for name, texts in judged.items():
        count = sum(islice(is_found, len(texts)))
        found[name] = Overlap(len(texts), count, lost, learnt.has_answers)
        if count:
            log.warn(f"{name}: {' '.join(found[name].sentences(what))}")
    return found
