"""Records on disk: gzipped JSON lines with reproducible bytes.

Keys are sorted, non-ASCII characters are not escaped, and the gzip header has no time and no name,
so that the same inputs always give the same files.
"""

import gzip
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from endonym.text.document import Document, Reject

SHARD_BYTES = 64_000_000
"""Approximate size of the text in a file."""

LEVEL = 3
ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True)
BUFFER_BYTES = 1 << 20


def json_line(value: dict[str, Any]) -> bytes:
    """A record as a JSON line."""
    return ENCODER.encode(value).encode("utf-8", "backslashreplace") + b"\n"


def document_line(document: Document) -> bytes:
    """A document as a JSON line."""
    return json_line(
        {
            "block": document.block,
            "id": document.id,
            "meta": document.meta,
            "position": document.position,
            "source": document.source,
            "text": document.text,
        }
    )


class GzipLines:
    """A gzip file to write lines to."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")
        self.packed = gzip.GzipFile("", "wb", LEVEL, self.file, mtime=0)
        self.buffer = bytearray()

    def write(self, line: bytes) -> None:
        """Add a line."""
        self.buffer += line
        if len(self.buffer) >= BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Compress the buffer."""
        self.packed.write(bytes(self.buffer))
        self.buffer.clear()

    def close(self) -> None:
        """Finish and close the file; it is closed even if the disk is full."""
        try:
            self.flush()
            self.packed.close()
        finally:
            self.file.close()


class Shards:
    """The files `train-00000.jsonl.gz`, `train-00001.jsonl.gz` … of one split."""

    def __init__(self, folder: Path, split: str) -> None:
        self.folder, self.split = folder, split
        self.number, self.size = 0, 0
        self.lines = GzipLines(self.path())

    def path(self) -> Path:
        """The file that is being written."""
        return self.folder / f"{self.split}-{self.number:05d}.jsonl.gz"

    def write(self, line: bytes) -> None:
        """Add a line, in a new file if this one is full."""
        if self.size >= SHARD_BYTES:
            self.lines.close()
            self.number, self.size = self.number + 1, 0
            self.lines = GzipLines(self.path())
        self.lines.write(line)
        self.size += len(line)

    def close(self) -> None:
        """Finish the last file."""
        self.lines.close()


class Dropped:
    """The files `dropped/<reason>.jsonl.gz`, each created when its reason first occurs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, GzipLines] = {}

    def write(self, reject: Reject) -> None:
        """Add a reject; its reason is the file's name."""
        if reject.reason not in self.files:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.files[reject.reason] = GzipLines(self.folder / f"{reject.reason}.jsonl.gz")
        line = asdict(reject)
        del line["reason"]
        if not reject.stayed:
            del line["stayed"]
        self.files[reject.reason].write(json_line(line))

    def close(self) -> None:
        """Finish all files."""
        with ExitStack() as files:
            for file in self.files.values():
                files.callback(file.close)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The records of one file."""
    with gzip.open(path, "rb") as lines:
        for line in lines:
            yield json.loads(line)
