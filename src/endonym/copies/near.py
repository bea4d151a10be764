"""Near copies: which documents go, and which one stays in the place of each.

Candidates share a band of their signatures; of each pair the Jaccard similarity of the shingles is
computed. From the best copy down, a document stays unless it is similar to one that stays already.
So each document that goes has a similar one that stays, which chains of similar texts (a to b, b to
c, but not a to c) would not give; and no two that stay are a pair that was found.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from endonym.copies.candidates import Candidates
from endonym.copies.hashes import Indices
from endonym.copies.keys import Asked
from endonym.copies.letters import Marks
from endonym.copies.repeated import Copies, gathered, no_copies
from endonym.copies.sets import Sets, Shares
from endonym.copies.tables import Tables

Texts = Callable[[Marks], Iterator[str]]
"""From chosen documents to their texts, in order."""


class Near(NamedTuple):
    """Near copies. crowded: documents that stay and share a key with so many others that they were
    compared with the best of them only."""

    copies: Copies
    crowded: int


class Chosen(NamedTuple):
    """By rank: whether a document stays; if not, the one that does, and their similarity."""

    kept: Marks
    stayed: Indices
    similarity: Shares


def near_copies(
    tables: Tables, files: Sequence[Path], asked: Asked, texts: Texts, *, count: int, gone: Indices
) -> Near:
    """The near copies among `count` documents, without those that are gone already.

    files: their `near` keys.
    """
    if not files:
        return Near(no_copies(), 0)
    candidates = Candidates(tables, files, asked.bands, gone)
    documents = candidates.documents()
    chosen = np.zeros(count, dtype=np.bool_)
    chosen[documents] = True
    sets = Sets(tables.folder / "sets.bin", texts(chosen))
    places = np.searchsorted(np.sort(documents), documents)
    found = Chosen(
        np.ones(len(documents), dtype=np.bool_), documents, np.zeros(0, dtype=np.float32)
    )
    tables.run("CREATE OR REPLACE TABLE edges (worse BIGINT, better BIGINT, similarity FLOAT)")
    for pairs in candidates.rounds(found.kept):
        for better, worse in pairs:
            similarity = sets.similarity(places[better], places[worse])
            near = similarity >= np.float32(asked.similarity)
            rows = {"worse": worse[near], "better": better[near], "similarity": similarity[near]}
            tables.insert("edges", rows)
        found = choose(tables, len(documents), found.kept)
    crowded = candidates.crowded(found.kept)
    return Near(with_equal(tables, documents, found), crowded)


def choose(tables: Tables, count: int, kept: Marks) -> Chosen:
    """From the best document down: it stays unless it is similar to one that stays.

    kept: is changed in place.
    """
    stays = bytearray(b"\1" * count)
    stayed, likeness = np.arange(count), np.ones(count, dtype=np.float32)
    for rows in tables.batches(
        "SELECT DISTINCT worse, better, similarity FROM edges "
        "ORDER BY worse, similarity DESC, better"
    ):
        columns = (rows[name].tolist() for name in ("worse", "better", "similarity"))
        for worse, better, similarity in zip(*columns, strict=True):
            if stays[worse] and stays[better]:
                stays[worse] = 0
                stayed[worse], likeness[worse] = better, similarity
    kept[:] = np.frombuffer(stays, dtype=np.bool_)
    return Chosen(kept, stayed, likeness)


def with_equal(tables: Tables, documents: Indices, found: Chosen) -> Copies:
    """The documents that go by their numbers, those of equal letters included."""
    ranks = np.flatnonzero(~found.kept)
    order = np.argsort(documents)
    same = gathered(tables, "SELECT worse, better FROM same", ("worse", "better"))
    worse, better = same["worse"], same["better"]
    similarity = np.ones(len(worse), dtype=np.float32)
    if len(documents):
        at = np.minimum(np.searchsorted(documents, better, sorter=order), len(documents) - 1)
        rank = order[at]
        also = documents[rank] == better
        better[also] = documents[found.stayed[rank[also]]]
        similarity[also] = found.similarity[rank[also]]
    gone = np.concatenate((documents[ranks], worse))
    stayed = np.concatenate((documents[found.stayed[ranks]], better))
    likeness = np.concatenate((found.similarity[ranks], similarity))
    order = np.argsort(gone)
    return Copies(gone[order], stayed[order], likeness[order])
