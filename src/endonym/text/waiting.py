"""Cleaned documents in a temporary file, in order, until it is known which of them are copies."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from endonym.text.document import Document
from endonym.text.document_files import document_line
from endonym.text.split import Chosen


class WaitingDocument(NamedTuple):
    """A document, the numbers of its source and raw file, and its bytes as read."""

    source: int
    file: int
    size: int
    document: Document


class Waiting:
    """A temporary file of documents. Their order in it numbers them, from 0."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.open("wb")
        self.count = 0

    def write(self, waiting: WaitingDocument) -> None:
        """Add a document."""
        self.file.write(b"%d %d %d " % waiting[:3])
        self.file.write(document_line(waiting.document))
        self.count += 1

    def read(self) -> Iterator[WaitingDocument]:
        """All documents, in order."""
        for line in self._lines():
            source, file, size, record = line.split(b" ", 3)
            fields = json.loads(record)
            document = Document(fields["text"], fields["id"], fields["source"], fields["meta"])
            yield WaitingDocument(int(source), int(file), int(size), document)

    def texts(self, chosen: Chosen | None = None) -> Iterator[str]:
        """The texts of all documents, or of the chosen ones, in order."""
        for number, line in enumerate(self._lines()):
            if chosen is None or chosen[number]:
                yield json.loads(line.split(b" ", 3)[3])["text"]

    def remove(self) -> None:
        """Delete the temporary file."""
        self.file.close()
        self.path.unlink(missing_ok=True)

    def _lines(self) -> Iterator[bytes]:
        self.file.flush()
        with self.path.open("rb") as lines:
            yield from lines
