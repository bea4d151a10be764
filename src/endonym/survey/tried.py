"""What a recipe's cleaning does to a sample of its texts, before the corpus is made."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from endonym.autopilot.text_size import beginning
from endonym.cleaning.cleaning import Cleaning
from endonym.cleaning.corpus_rules import CorpusJudge, facts_of, rounds
from endonym.cleaning.rules import in_order
from endonym.cleaning.tally import Tally
from endonym.copies.contamination import Contamination
from endonym.copies.hashes import Marks
from endonym.copies.removal import removal
from endonym.copies.tables import Tables
from endonym.corpus.contrast import contrast_texts
from endonym.corpus.removing import (
    Decisions,
    EvaluationFile,
    Judge,
    copy_rules,
    decontaminating,
    left_of,
)
from endonym.formats.config import Clean
from endonym.formats.document import Document
from endonym.formats.faults import FAULT, passing_over
from endonym.formats.files import RawSet

SAMPLE_CHARS, TRIED_FILES = 2_000_000, 64
"""Characters that are read of all sources, and files of each."""

Sized = tuple[Document, int]
"""A document and its bytes as read."""


@dataclass(slots=True)
class Tried:
    """The sample and what the rules did to it. documents, bytes: read; kept: documents."""

    documents: int = 0
    bytes: int = 0
    kept: int = 0
    is_whole: bool = True
    tally: Tally = field(default_factory=Tally)

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints."""
        rules = {name: self.tally.rules[name].as_dict(self.documents) for name in self.names()}
        return {
            "documents": self.documents,
            "bytes": self.bytes,
            "kept": self.kept,
            "is_whole": self.is_whole,
            "rules": rules,
        }

    def names(self) -> list[str]:
        """The rules that did something, in the order in which they apply."""
        return in_order(self.tally.rules)


def try_cleaning(
    raw: Sequence[RawSet],
    clean: Clean,
    contrast: Sequence[Path] = (),
    evaluation: Iterable[EvaluationFile] = (),
) -> Tried:
    """Clean a sample of every source as the corpus will be cleaned; leaves nothing behind.

    Rules that need the whole corpus see the sample alone, so they find less in it than they will.
    evaluation: files whose texts must not stand in the corpus.
    """
    tried, cleaning = Tried(), Cleaning(clean)
    cleaning.tally = tried.tally
    waiting: list[Sized] = []
    for each in sampled_documents(raw, tried):
        size = len(each.text.encode("utf-8", "surrogatepass"))
        tried.documents += 1
        tried.bytes += size
        found = cleaning.normalized(each)
        if isinstance(found, Document):
            waiting.append((found, size))
        else:
            tried.tally.dropped(found.reason, found.text, found.detail, size)
    corpus = None
    if rounds(clean):
        texts = [document.text for document, _ in waiting]
        corpus = CorpusJudge(clean, facts_of(clean, texts, contrast_texts(contrast)))
        with passing_over():
            corpus.prepare(texts)
    left: list[Sized] = []
    for document, size in waiting:
        found = cleaning.judged(document, size, corpus)
        if isinstance(found, Document):
            left.append((found, size))
        elif found.reason == FAULT:  # Of the others the rules tell.
            tried.tally.dropped(FAULT, found.text, found.detail, size)
    tried.kept = len(sifted(left, clean, evaluation, tried.tally))
    return tried


def sifted(
    documents: list[Sized], clean: Clean, evaluation: Iterable[EvaluationFile], tally: Tally
) -> list[Sized]:
    """Documents without evaluation texts and without copies."""
    if files := list(evaluation):
        judge = decontaminating(Contamination.of_files(files), [each.text for each, _ in documents])
        documents = list(taken_out(documents, judge, clean, "decontaminate", tally=tally))
    if not clean.dedup:
        return documents

    def texts(chosen: Marks | None) -> Iterator[str]:
        return (each.text for n, (each, _) in enumerate(documents) if chosen is None or chosen[n])

    with TemporaryDirectory() as folder, Tables(Path(folder) / "tables") as tables:
        found = removal(tables, texts, copy_rules(clean), len(documents))
    names = [f"{each.source}/{each.id}" for each, _ in documents]
    judge = Decisions(found, names.__getitem__).judge
    return list(taken_out(documents, judge, clean, "paragraphs", tally=tally))


def taken_out(
    documents: Sequence[Sized], judge: Judge, clean: Clean, rule: str, *, tally: Tally
) -> Iterator[Sized]:
    """What is left of documents."""
    for number, (document, size) in enumerate(documents):
        judged = judge(number, document)
        found, _ = left_of(document, judged, rule, clean, size=size, tally=tally)
        if isinstance(found, Document):
            yield found, size


def sampled_documents(raw: Sequence[RawSet], tried: Tried) -> list[Document]:
    """The first documents of some files of each source."""
    found: list[Document] = []
    limit = SAMPLE_CHARS // max(1, len(raw))
    for each in raw:
        step = max(1, -(-len(each.files) // TRIED_FILES))
        chosen = each.files[::step]
        tried.is_whole &= step == 1
        for file in chosen:
            begin = beginning(each.source, file, limit // len(chosen))
            tried.is_whole &= begin.share >= 1
            found += [record for record in begin.records if isinstance(record, Document)]
    return found
