"""What a recipe's cleaning does to a sample of its texts, before the corpus is made."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from endonym.autopilot.text_size import beginning
from endonym.text.clean.cleaning import Cleaning
from endonym.text.clean.corpus_rules import CorpusJudge, facts_of, rounds
from endonym.text.clean.rules import in_order
from endonym.text.clean.tally import Tally
from endonym.text.config import Clean
from endonym.text.contrast import contrast_texts
from endonym.text.copies.notes import DETAILS
from endonym.text.document import Document, Reject
from endonym.text.files import RawSet

SAMPLE_CHARS, TRIED_FILES = 2_000_000, 64
"""Characters that are read of all sources, and files of each."""


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


def try_cleaning(raw: Sequence[RawSet], clean: Clean, contrast: Sequence[Path] = ()) -> Tried:
    """Clean a sample of every source as the corpus will be cleaned; writes nothing.

    Rules that need the whole corpus see the sample alone, so they find less in it than they will.
    """
    tried, cleaning = Tried(), Cleaning(clean)
    cleaning.tally = tried.tally
    waiting: list[tuple[Document, int]] = []
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
        corpus.prepare(texts)
    seen: dict[str, str] = {}
    for document, size in waiting:
        judged = cleaning.judged(document, size, corpus)
        if isinstance(judged, Reject):
            continue
        if "exact" in clean.dedup and judged.text in seen:
            detail = DETAILS["exact"].format(stayed=seen[judged.text])
            tried.tally.dropped("exact", judged.text, detail, size)
            continue
        seen[judged.text] = f"{judged.source}/{judged.id}"
        tried.kept += 1
    return tried


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
