"""The rows of a cleaned chunk: documents that stay, and rejects with their reasons."""

import json
from pathlib import Path

from endonym.copies.held_out.split import digest
from endonym.corpus.text_warnings import example, text_warnings
from endonym.formats.chunks import CLEAN, byte_lengths, char_lengths, strings, write_chunk
from endonym.formats.document import ARTICLE, Document, Reject
from endonym.formats.document_files import Whole, json_line, json_text, reject_line, write_file
from endonym.formats.faults import refusal
from endonym.formats.io.content import SHOWN_CHARS

Row = tuple[str, str, str | None, int, int, str | None, str | None]
"""What stands in the columns of a raw chunk (formats/chunks.py)."""


class Cleaned:
    """The rows of a chunk of one source. documents: how many stay. seed: of the split."""

    def __init__(self, source: str, seed: int) -> None:
        self.source, self.seed = source, seed
        self.documents = 0
        self.rows: list[Row] = []
        self.digests: list[bytes | None] = []
        self.warnings: list[str | None] = []
        self.articles: list[bytes | None] = []
        self.stayed: list[str | None] = []
        self.meta, self.meta_text = dict[str, str](), "{}"
        self.removed: list[bytes] = []

    def noted(self, meta: str | None) -> dict[str, str]:
        """The notes of the reader; those of neighbours are mostly the same."""
        if meta is not None and meta != self.meta_text:
            self.meta, self.meta_text = json.loads(meta), meta
        return self.meta

    def add(
        self, record: Document | Reject, meta: str | None, file: int, size: int
    ) -> Document | Reject:
        """Add a record; what was added: in the place of a document its reject, if our code fails.

        meta: the notes of its reader, as JSON. size: its bytes as read.
        """
        if isinstance(record, Document):
            try:
                self._add(record, meta, file, size)
                return record
            except Exception as error:  # noqa: BLE001 - whatever it is, it costs one document
                record = refusal(record, error)
        self.rows.append((record.text, record.id, None, file, size, record.reason, record.detail))
        self.digests.append(None)
        self.warnings.append(None)
        self.articles.append(None)
        self.stayed.append(record.stayed or None)
        return record

    def _add(self, document: Document, meta: str | None, file: int, size: int) -> None:
        """Add a document; nothing is added of one in which our code fails."""
        text, article = document.text, document.meta.get(ARTICLE)
        found = {name: example(text, name) for name in text_warnings(text)}
        own = digest(text.encode(), self.seed)
        of_article = None if article is None else digest(article.encode(), self.seed)
        self.rows.append((text, document.id, meta, file, size, None, None))
        self.digests.append(own)
        self.warnings.append(json_text(found) if found else None)
        self.articles.append(of_article)
        self.stayed.append(None)
        self.documents += 1

    def remove(self, document: Document, reason: str, part: str, detail: str = "") -> None:
        """Note a part that is taken out of a document."""
        shown, size = part[:SHOWN_CHARS], len(part.encode())
        reject = Reject(reason, document.id, document.source, detail, shown, size)
        self.removed.append(json_line({reason: reject_line(reject).decode()}))

    def write(self, folder: Path, name: str) -> list[Whole]:
        """Write the chunk, and a file of what was taken out of its documents."""
        texts, places, metas, files, sizes, reasons, details = zip(*self.rows, strict=True)
        column = strings(texts)
        columns = [column, places, metas, files, sizes, reasons, details, self.digests]
        columns += [byte_lengths(column), char_lengths(column), self.warnings]
        columns += [self.articles, self.stayed]
        return [
            write_chunk(folder, f"{name}.arrow", CLEAN, columns),
            write_file(folder, f"{name}.removed", b"".join(self.removed)),
        ]
