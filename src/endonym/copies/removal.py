"""Everything that goes because it stands elsewhere in the corpus: texts and paragraphs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from endonym.copies.hashes import Indices
from endonym.copies.keys import (
    Asked,
    KeyFile,
    Kind,
    batches,
    key_files,
    text_keys,
)
from endonym.copies.letters import Marks
from endonym.copies.near import Near, near_copies
from endonym.copies.paragraphs import paragraphs, without
from endonym.copies.repeated import (
    Copies,
    Cuts,
    no_copies,
    no_cuts,
    repeated_paragraphs,
    repeated_rests,
    repeated_texts,
)
from endonym.copies.tables import Tables

Texts = Callable[[Marks | None], Iterator[str]]
"""From chosen documents, or from all, to their texts, in order."""
Sharing = Callable[[Sequence[Path], Kind], Sequence[Path]]
"""From files of one kind of keys to files of those rows that matter."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Which documents go as exact and as near copies, and which paragraphs of the others go.

    scraps: documents that go because what their paragraphs leave of them stands elsewhere, too.
    crowded: as in Near. asked: what was looked for.
    """

    asked: Asked
    exact: Copies = field(default_factory=no_copies)
    near: Copies = field(default_factory=no_copies)
    cuts: Cuts = field(default_factory=no_cuts)
    scraps: Indices = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    crowded: int = 0


def every_row(files: Sequence[Path], kind: Kind) -> Sequence[Path]:
    """All rows of keys: DuckDB groups them itself."""
    return files


def decided(
    tables: Tables,
    keys: Path,
    texts: Texts,
    asked: Asked,
    *,
    count: int,
    sharing: Sharing = every_row,
) -> Removal:
    """What goes, from the files of keys in a folder, which may be of several parts of the corpus.

    sharing: from files of keys to files of those rows that may share a key with another one.
    Equal texts go first, then near copies, then the repeated paragraphs of what is left: the other
    way round, near copies would be left as the scraps in which they differ.
    """
    exact, near, gone = no_copies(), Near(no_copies(), 0), np.zeros(0, dtype=np.int64)
    if files := sharing(key_files(keys, "exact"), "exact"):
        exact = repeated_texts(tables, files)
        gone = exact.documents
    if files := sharing(key_files(keys, "near"), "near"):
        near = near_copies(tables, files, asked, texts, count=count, gone=gone)
        gone = np.union1d(gone, near.copies.documents)
        exact = exact._replace(stayed=instead(exact.stayed, near.copies))
    cuts, scraps = no_cuts(), gone[:0]
    if files := sharing(key_files(keys, "paragraphs"), "paragraphs"):
        cuts = repeated_paragraphs(tables, files, gone)
        rests = tables.folder / "rests.parquet"
        write_rests(texts, cuts, count, rests)
        scraps = repeated_rests(tables, rests, key_files(keys, "exact"), gone)
    return Removal(asked, exact, near.copies, cuts, scraps, near.crowded)


def write_rests(texts: Texts, cuts: Cuts, count: int, out: Path) -> None:
    """Write the digests of what is left of the documents that lose paragraphs."""
    numbers, firsts = np.unique(cuts.documents, return_index=True)
    chosen = np.zeros(count, dtype=np.bool_)
    chosen[numbers] = True
    lost = np.split(cuts.paragraphs, firsts[1:])
    rests = (
        without(text, paragraphs(text), removed.tolist())
        for text, removed in zip(texts(chosen), lost, strict=False)
    )
    done = 0
    with KeyFile(out) as file:
        for batch in batches(rests):
            file.write(text_keys(batch, numbers[done : done + len(batch)]))
            done += len(batch)


def instead(documents: Indices, copies: Copies) -> Indices:
    """The same documents; for those that go themselves, the ones that stay in their place."""
    if not len(copies.documents):
        return documents
    at = np.minimum(np.searchsorted(copies.documents, documents), len(copies.documents) - 1)
    return np.where(copies.documents[at] == documents, copies.stayed[at], documents)
