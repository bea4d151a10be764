"""Everything that goes because it stands elsewhere in the corpus: texts and paragraphs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from endonym.text.copies.keys import Asked, key_files, write_keys
from endonym.text.copies.letters import Marks
from endonym.text.copies.near import Near, near_copies
from endonym.text.copies.repeated import (
    Copies,
    Cuts,
    no_copies,
    repeated_paragraphs,
    repeated_texts,
)
from endonym.text.copies.tables import Tables
from endonym.text.shingles import Indices

Texts = Callable[[Marks | None], Iterator[str]]
"""From chosen documents, or from all, to their texts, in order."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Which documents go as exact and as near copies, and which paragraphs of the others go.

    crowded: as in Near. asked: what was looked for.
    """

    asked: Asked
    exact: Copies = field(default_factory=no_copies)
    near: Copies = field(default_factory=no_copies)
    cuts: Cuts = field(default_factory=lambda: Cuts(*[np.zeros(0, dtype=np.int64)] * 2))
    crowded: int = 0


def removal(tables: Tables, texts: Texts, asked: Asked, count: int) -> Removal:
    """What goes of `count` documents."""
    keys = tables.folder / "keys"
    keys.mkdir()
    write_keys(texts(None), asked, keys / "all")
    return decided(tables, keys, texts, asked, count)


def decided(tables: Tables, keys: Path, texts: Texts, asked: Asked, count: int) -> Removal:
    """What goes, from the files of keys in a folder, which may be of several parts of the corpus.

    Equal texts go first, then near copies, then the repeated paragraphs of what is left: the other
    way round, near copies would be left as the scraps in which they differ.
    """
    exact, near, gone = no_copies(), Near(no_copies(), 0), np.zeros(0, dtype=np.int64)
    if files := key_files(keys, "exact"):
        exact = repeated_texts(tables, files)
        gone = exact.documents
    if files := key_files(keys, "near"):
        near = near_copies(tables, files, asked, texts, count=count, gone=gone)
        gone = np.union1d(gone, near.copies.documents)
        exact = exact._replace(stayed=instead(exact.stayed, near.copies))
    found = Removal(asked, exact, near.copies, crowded=near.crowded)
    if files := key_files(keys, "paragraphs"):
        cuts = repeated_paragraphs(tables, files, gone)
        return Removal(asked, exact, near.copies, cuts, near.crowded)
    return found


def instead(documents: Indices, copies: Copies) -> Indices:
    """The same documents; for those that go themselves, the ones that stay in their place."""
    if not len(copies.documents):
        return documents
    at = np.minimum(np.searchsorted(copies.documents, documents), len(copies.documents) - 1)
    return np.where(copies.documents[at] == documents, copies.stayed[at], documents)
