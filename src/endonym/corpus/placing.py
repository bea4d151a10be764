"""Where each document stands in its corpus: its block of neighbours, its position, its key.

One pass over the digests of all chunks in their order, when it is known what is dropped. Eight
bytes for each document stay in memory, the key by which it is split; the rest is written to a file
for each chunk.
"""

from pathlib import Path

import numpy as np

from endonym.copies.hashes import Hashes
from endonym.copies.held_out.split import BLOCK_BYTES, Blocks
from endonym.formats.chunks import digests, read_chunk, write_array

NUMBERS = np.dtype([("row", "<i4"), ("bytes", "<i8"), ("block", "<i8"), ("position", "<i8")])
"""Of a kept document of a chunk: its row, its size in UTF-8, and where it stands in the corpus."""


class Placing:
    """Numbers the documents of chunks as they come."""

    def __init__(self, block_bytes: int = BLOCK_BYTES) -> None:
        self.blocks = Blocks(block_bytes)
        self.documents = self.files_before = 0
        self.file = -1

    def begin_source(self, files_before: int) -> None:
        """The next chunks are of another source; files_before: files of all earlier ones."""
        self.files_before, self.file = files_before, -1

    def add(self, chunk: Path, numbers: Path) -> tuple[Hashes, Hashes, int]:
        """Number the documents of a chunk, and write that to a file.

        Gives the keys of the documents, those of their blocks, and how many are from an article
        that is known: such a sentence is a block of its own, with the key of its article.
        """
        table = read_chunk(chunk, ["file", "digest", "bytes", "article"])
        rows, names = digests(table)
        of_article, articles = digests(table, "article")
        at = np.searchsorted(rows, of_article)
        names[at] = articles
        files, sizes = (table[each].to_numpy()[rows] for each in ("file", "bytes"))
        found = np.empty(len(rows), dtype=NUMBERS)
        found["row"], found["bytes"] = rows, sizes
        starts = np.diff(files, prepend=self.file) != 0
        sizes = sizes.copy()
        sizes[at] = np.maximum(sizes[at], self.blocks.size)  # so that nothing else is in its block
        found["block"], keys = self.blocks.add(names, sizes, starts)
        # One number is left out where a raw file begins.
        ordinals = self.documents + np.arange(len(rows))
        found["position"] = ordinals + self.files_before + files + 1
        self.documents += len(rows)
        self.file = int(files[-1]) if len(files) else self.file
        write_array(numbers.parent, numbers.name, found)
        return names[:, 0], keys, len(of_article)
