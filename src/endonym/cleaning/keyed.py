"""Counts by hashed key, of any size, merged in bounded memory.

A set of counts is an array of two columns, sorted: 64-bit keys and values. Counts of parts of a
corpus are saved as .npy files and merged range by range of keys, so that memory depends on
PORTION_ROWS alone. Keys are hashes of texts: that two of a billion texts share one is a chance of
one in forty.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from endonym.formats.document_files import WholeFile

PORTION_ROWS = 4_000_000
"""Rows that are merged at once: 64 MB, and as much again to sort them."""
HASH_BYTES = 8


def key_of(text: str) -> int:
    """The key of a text."""
    return int.from_bytes(
        blake2b(text.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).digest(), "big"
    )


def keyed(rows: "Sequence[tuple[int, int]]") -> "np.ndarray":
    """Rows of key and value as a sorted array."""
    array = np.array(rows, dtype=np.uint64).reshape(-1, 2)
    return array[np.lexsort((array[:, 1], array[:, 0]))]


def save(counts: "np.ndarray", path: Path) -> None:
    """Write counts to a file, whole or not at all."""
    with WholeFile(path.parent, path.name) as file:
        np.save(cast(BinaryIO, file), counts, allow_pickle=False)


def memory_mapped_counts(path: Path) -> "np.ndarray":
    """Counts in a file, of which only what is used is read."""
    return np.load(path, mmap_mode="r", allow_pickle=False)


def merged(
    parts: "Sequence[np.ndarray]", reduce: "Callable[[np.ndarray], np.ndarray]"
) -> "np.ndarray":
    """All parts in one, reduced range by range; every key is whole within a range.

    reduce: from the sorted rows of some keys to those that stay. The result is the same for any
    order and division of the parts.
    """
    total = sum(len(each) for each in parts)
    pieces = max(1, -(-total // PORTION_ROWS))
    edges = [(number << 64) // pieces for number in range(pieces)]
    kept: list[np.ndarray] = []
    for number, edge in enumerate(edges):
        rows = [
            _range(each, edge, edges[number + 1] if number + 1 < pieces else None) for each in parts
        ]
        together = np.concatenate(rows) if rows else np.zeros((0, 2), dtype=np.uint64)
        kept.append(reduce(together[np.lexsort((together[:, 1], together[:, 0]))]))
    return np.concatenate(kept)


def _range(part: "np.ndarray", first: int, end: int | None) -> "np.ndarray":
    """The rows whose keys are from first to below end."""
    keys = part[:, 0]
    start = int(np.searchsorted(keys, np.uint64(first)))
    stop = len(keys) if end is None else int(np.searchsorted(keys, np.uint64(end)))
    return np.asarray(part[start:stop])


def groups(rows: "np.ndarray") -> "tuple[np.ndarray, np.ndarray]":
    """Where each key of sorted rows begins, and in how many rows it stands."""
    if not len(rows):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    keys = rows[:, 0]
    starts = np.append(0, np.nonzero(keys[1:] != keys[:-1])[0] + 1)
    return starts, np.diff(np.append(starts, len(rows)))


def summed(least: int) -> "Callable[[np.ndarray], np.ndarray]":
    """A reduction: each key once with the sum of its values, if that is at least so much."""

    def reduced(rows: "np.ndarray") -> "np.ndarray":
        starts, _ = groups(rows)
        if not len(starts):
            return rows
        sums = np.add.reduceat(rows[:, 1], starts)
        return np.column_stack([rows[starts, 0], sums])[sums >= np.uint64(least)]

    return reduced


def smallest(most: int) -> "Callable[[np.ndarray], np.ndarray]":
    """A reduction: keys with more values than `most`, each with the largest of its least values.

    A value that stands in several rows of a key counts once.
    """

    def reduced(rows: "np.ndarray") -> "np.ndarray":
        again = np.zeros(len(rows), dtype=np.bool_)
        again[1:] = (rows[1:] == rows[:-1]).all(axis=1)
        rows = rows[~again]
        starts, sizes = groups(rows)
        large = sizes > most
        places = starts[large]
        return (
            np.column_stack([rows[places, 0], rows[places + most - 1, 1]])
            if len(places)
            else rows[:0]
        )

    return reduced
