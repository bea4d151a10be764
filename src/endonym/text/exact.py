"""Exact copies: documents whose cleaned text came before, in any source.

Documents are compared by their digests of 16 bytes. Each job takes the digests of one range of keys
from all chunks, so that no job holds more than a few million of them, and there is nothing to hand
from job to job. In memory are about 60 bytes for each document of a range.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from endonym.text.chunks import digests, read_chunk, write_array

RANGE_DOCUMENTS = 4_000_000
"""About how many documents have keys of one range."""

PLACE = np.dtype([("chunk", "<i4"), ("row", "<i4")])
DETAIL = "a text that reads the same came before"

Places = np.ndarray[tuple[int], np.dtype[np.void]]


@dataclass(frozen=True, slots=True)
class Range:
    """The documents of these chunks whose key, divided by `of`, leaves `number`."""

    folder: Path
    chunks: tuple[Path, ...]
    number: int
    of: int


def ranges(folder: Path, chunks: Sequence[Path], documents: int) -> list[Range]:
    """The ranges of so many documents; their jobs write to the folder."""
    of = -(-documents // RANGE_DOCUMENTS)
    return [Range(folder, tuple(chunks), number, of) for number in range(of)]


def find_copies(range_: Range, advance: Callable[[int], None]) -> dict[str, Any]:
    """Write where the copies of a range stand: all but the first of each digest."""
    keys: list[Any] = []
    places: list[Places] = []
    for number, path in enumerate(range_.chunks):
        rows, found = digests(read_chunk(path, ["digest"]))
        mine = found[:, 0] % np.uint64(range_.of) == range_.number
        keys.append(found[mine])
        place = np.empty(len(keys[-1]), dtype=PLACE)
        place["chunk"], place["row"] = number, rows[mine]
        places.append(place)
        advance(len(found))
    every, where = np.concatenate(keys), np.concatenate(places)
    order = np.lexsort((every[:, 1], every[:, 0]))  # stable: the first of equal ones comes first
    is_same = (np.diff(every[order], axis=0) == 0).all(axis=1)
    copies = np.sort(where[order[1:][is_same]])
    name = f"{range_.number:05d}.npy"
    return {"files": [write_array(range_.folder, name, copies)], "copies": len(copies)}
