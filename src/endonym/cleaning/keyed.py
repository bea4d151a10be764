"""Counts by hashed key, of any size, merged in bounded memory.

A set of counts is an array of two columns, sorted: 64-bit keys and values. Counts of parts of a
corpus are saved as .npy files and merged range by range of keys, so that memory depends on
PORTION_ROWS alone. Keys are hashes of texts: that two of a billion texts share one is a chance of
one in forty.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b

import numpy as np

PORTION_ROWS = 4_000_000
"""Rows that are merged at once: 64 MB, and as much again to sort them."""
HASH_BYTES = 8


def key_of(text: str) -> int:
    """The key of a text."""
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=HASH_BYTES).digest(), "big")


def keyed(rows: "Sequence[tuple[int, int]]") -> "np.ndarray":
    """Rows of key and value as a sorted array."""
    array = np.array(rows, dtype=np.uint64).reshape(-1, 2)
    return array[np.lexsort((array[:, 1], array[:, 0]))]


def merged(
    parts: "Sequence[np.ndarray]", reduce: "Callable[[np.ndarray], np.ndarray]"
) -> "np.ndarray":
    """All parts in one, reduced range by range; every key is whole within a range.

    reduce: from the sorted rows of some keys to those that stay. The result is the same for any
    order and division of the parts.
    """
    pieces = max(1, -(-sum(map(len, parts)) // PORTION_ROWS))
    # Where the ranges of keys begin: they divide all keys of 64 bits evenly.
    edges = np.array([(number << 64) // pieces for number in range(1, pieces)], dtype=np.uint64)
    none = np.zeros((0, 2), dtype=np.uint64)
    divided = [np.split(part, np.searchsorted(part[:, 0], edges)) for part in (none, *parts)]
    kept: list[np.ndarray] = []
    for rows in map(np.concatenate, zip(*divided, strict=True)):
        kept.append(reduce(rows[np.lexsort((rows[:, 1], rows[:, 0]))]))
    return np.concatenate(kept)


def summed(least: int) -> "Callable[[np.ndarray], np.ndarray]":
    """A reduction: each key once with the sum of its values, if that is at least so much."""

    def reduced(rows: "np.ndarray") -> "np.ndarray":
        keys, starts = np.unique(rows[:, 0], return_index=True)
        sums = np.add.reduceat(rows[:, 1], starts) if len(rows) else rows[:, 1]
        return np.column_stack([keys, sums])[sums >= np.uint64(least)]

    return reduced


def smallest(most: int) -> "Callable[[np.ndarray], np.ndarray]":
    """A reduction: keys with more values than `most`, each with the last of its `most` smallest.

    A value that stands in several rows of a key counts once.
    """

    def reduced(rows: "np.ndarray") -> "np.ndarray":
        is_new = np.ones(len(rows), dtype=np.bool_)
        is_new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
        rows = rows[is_new]
        _, starts, sizes = np.unique(rows[:, 0], return_index=True, return_counts=True)
        places = starts[sizes > most]
        return np.column_stack([rows[places, 0], rows[places + most - 1, 1]])

    return reduced
