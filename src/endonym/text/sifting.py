"""The second pass: what stands elsewhere is dropped, the rest goes to the spool.

Elsewhere is in an evaluation text, or in the corpus itself: exact copies, near copies, paragraphs.
"""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from endonym.text.config import Clean
from endonym.text.copies.contamination import Contamination
from endonym.text.copies.keys import Asked
from endonym.text.copies.notes import CUT
from endonym.text.copies.paragraphs import paragraphs, without
from endonym.text.copies.reading import Involved
from endonym.text.copies.removal import Removal, removal
from endonym.text.copies.repeated import Copies
from endonym.text.copies.tables import Tables
from endonym.text.corpus_stats import SourceStats
from endonym.text.document import ARTICLE, Document, Reject
from endonym.text.document_files import Dropped, GzipLines, json_line
from endonym.text.gather import Spool
from endonym.text.io.origin import SHOWN_CHARS
from endonym.text.readers.plain import VISIBLE
from endonym.text.split import digest
from endonym.text.waiting import Waiting, WaitingDocument

EvaluationFile = tuple[str, Iterable[str]]
"""The name of a file, and its texts."""


class Sifting:
    """The state of the second pass. folder: of the corpus. seed: of the split."""

    def __init__(
        self,
        clean: Clean,
        seed: int,
        *,
        dropped: Dropped,
        all_stats: Sequence[SourceStats],
        folder: Path,
    ) -> None:
        self.clean, self.seed, self.folder = clean, seed, folder
        self.dropped, self.all_stats = dropped, all_stats
        self.cut_lines: GzipLines | None = None

    def close(self) -> None:
        """Finish the file of paragraphs that were taken out."""
        if self.cut_lines is not None:
            self.cut_lines.close()

    def decontaminate(self, waiting: Waiting, contamination: Contamination, left: Waiting) -> None:
        """Copy the documents without what evaluation texts hold."""
        judged = contamination.judge(waiting.texts())
        for each, verdict in zip(waiting.read(), judged, strict=True):
            document: Document | None = each.document
            if verdict.files:
                names = ", ".join(contamination.counts[number].file for number in verdict.files)
                detail = f"runs of words that stand in {names}"
                parts = (verdict.text, verdict.removed)
                document = self.shortened(each, *parts, reason="decontaminate", detail=detail)
            if document is not None:
                left.write(each._replace(document=document))
        contamination.count_remaining()

    def drop_copies(self, waiting: Waiting, found: Removal, tables: Tables, spool: Spool) -> Any:
        """Write what stays to the spool; returns the figures of the copies for the card."""
        involved = Involved(tables)
        goes = {"exact": found.exact, "near": found.near}
        reasons = np.full(waiting.count, "", dtype="<U5")
        stays = np.zeros(waiting.count, dtype=np.bool_)
        for reason, copies in goes.items():
            reasons[copies.documents] = reason
            stays[copies.stayed] = True
        for number, each in enumerate(waiting.read()):
            reason = str(reasons[number])
            if reason:
                self.copy(each, number, reason, goes[reason], involved=involved)
                continue
            if stays[number]:
                involved.add(each, number, number)
            document = self.without_repeated(each, number, found)
            if document is not None:
                self.take(each._replace(document=document), spool)
        while len(spool.names) < len(self.all_stats):
            spool.begin_source()
        for reject in involved.rejects():
            self.dropped.write(reject)
        return involved.write_clusters(self.folder) if "near" in found.asked.kinds else {}

    def copy(
        self, each: WaitingDocument, number: int, reason: str, copies: Copies, *, involved: Involved
    ) -> None:
        """Count a copy; it is written when the name of the one that stays is known."""
        at = int(np.searchsorted(copies.documents, number))
        stayed, similarity = int(copies.stayed[at]), float(copies.similarity[at])
        involved.add(each, number, stayed, similarity=similarity, reason=reason)
        reject = Reject(reason, each.document.id, each.document.source)
        self.all_stats[each.source].drop(reject, each.size, "")

    def without_repeated(
        self, each: WaitingDocument, number: int, found: Removal
    ) -> Document | None:
        """The document without the paragraphs that stood before; None if too little is left."""
        first, last = np.searchsorted(found.cuts.documents, (number, number + 1))
        if first == last:
            return each.document
        text, cut = each.document.text, found.cuts.paragraphs[first:last].tolist()
        spans = paragraphs(text)
        removed = [text[slice(*spans[paragraph])] for paragraph in cut]
        detail = f"{len(removed)} of its {len(spans)} paragraphs stood before"
        parts: tuple[str | None, Sequence[str]] = (without(text, spans, cut), removed)
        at = int(np.searchsorted(found.scraps, number))
        if at < len(found.scraps) and found.scraps[at] == number:
            parts, detail = (None, removed), f"{detail}; the rest stands elsewhere, too"
        return self.shortened(each, *parts, reason="paragraphs", detail=detail)

    def shortened(
        self,
        each: WaitingDocument,
        text: str | None,
        removed: Sequence[str],
        *,
        reason: str,
        detail: str,
    ) -> Document | None:
        """The document with a part of its text. None, and a reject, if too little is left of it."""
        document, stats = each.document, self.all_stats[each.source]
        shown = document.text[:SHOWN_CHARS]
        if text is not None and not VISIBLE.search(text):
            text = None
        if text is not None and len(text) < (self.clean.min_chars or 0):
            detail += f"; the rest has {len(text):,} characters, below {self.clean.min_chars:,}"
            text = None
        if text is None:
            reject = Reject(reason, document.id, document.source, detail, shown, each.size)
            stats.drop(reject, each.size, "")
            self.dropped.write(reject)
            return None
        stats.cut(reason, removed)
        if self.cut_lines is None:
            self.cut_lines = GzipLines(self.folder / CUT)
        for part in removed:
            record = {"id": document.id, "source": document.source, "reason": reason}
            record |= {"detail": detail, "text": part[:SHOWN_CHARS]}
            self.cut_lines.write(json_line(record))
        return replace(document, text=text)

    def take(self, each: WaitingDocument, spool: Spool) -> None:
        """Write a document that stays to the spool."""
        while len(spool.names) <= each.source:
            spool.begin_source()
        while spool.files <= each.file:
            spool.begin_file()
        text, article = each.document.text.encode(), each.document.meta.get(ARTICLE)
        stats = self.all_stats[each.source]
        stats.warn(each.document.text)
        stats.of_articles += article is not None
        key = None if article is None else digest(article.encode(), self.seed)
        spool.write(each.document, each.size, len(text), digest(text, self.seed), article=key)


def sift(
    sifting: Sifting, waiting: Waiting, spool: Spool, evaluation: Sequence[EvaluationFile]
) -> dict[str, Any]:
    """Drop what stands in evaluation texts or is a copy, write the rest to the spool.

    Returns what the card says of both.
    """
    clean, folder, said = sifting.clean, sifting.folder, dict[str, Any]()
    with ExitStack() as files:
        files.enter_context(closing(sifting))
        if evaluation:
            contamination = Contamination(evaluation)
            left = Waiting(folder / "decontaminated")
            files.callback(left.remove)
            sifting.decontaminate(waiting, contamination, left)
            waiting.remove()
            waiting = left
            said["decontamination"] = [each.as_dict() for each in contamination.counts]
        asked = Asked(frozenset(clean.dedup), clean.near_similarity)
        tables = files.enter_context(Tables(folder / "copies.work"))
        found = (
            removal(tables, waiting.texts, asked, waiting.count) if asked.kinds else Removal(asked)
        )
        figures = sifting.drop_copies(waiting, found, tables, spool)
        if "near" in asked.kinds:
            said["near"] = {"similarity": asked.similarity, "crowded": found.crowded, **figures}
    return said
