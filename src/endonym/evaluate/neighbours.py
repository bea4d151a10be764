"""How much easier held-out text is because training text stands right beside it.

Held-out blocks of a list or of a book by lines have their neighbours in training: names and words
come again. The measure is the bigram baseline (data/baselines.py). For each block it is counted
without the training text on both sides, and without as much text from elsewhere in the source; the
difference in bits per byte is what the neighbours save. Text that follows no order, such as a
shuffled list, shows none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from endonym.data.baselines import Baselines, DocumentCounts
from endonym.data.order import Integers
from endonym.data.shards import TokenShards
from endonym.evaluate.score import ratio

NEIGHBOURS = "neighbours.json"
"""The file of an evaluation that holds its gains."""
SIDE_BYTES = 20_000
"""How much training text on each side counts as beside: about a chapter."""
MOST_BLOCKS = 300
"""So many blocks of a source are measured, evenly spread."""
FEWEST_BLOCKS = 5
MEASURED_DOCUMENTS = 1_000
MOST_MISSING = 2
"""Documents that may be missing between two neighbours of a block."""


def neighbours(shards: TokenShards) -> Integers:
    """For each document the number of its group: neighbours within one block."""
    index = shards.index
    is_first = np.ones(len(index), dtype=np.bool_)
    is_first[1:] = (np.diff(index["source"]) != 0) | (np.diff(index["block"]) != 0)
    is_first[1:] |= np.diff(index["position"]) > MOST_MISSING + 1
    return np.cumsum(is_first) - 1


@dataclass(frozen=True, slots=True)
class Gain:
    """What neighbours save, in bits per byte of the held-out text of a source, with a 95 % interval
    over blocks; low and high are None for fewer than ten. side_bytes: text on each side."""

    split: str
    source: str
    bits_per_byte: float
    low: float | None
    high: float | None
    blocks: int
    side_bytes: int = SIDE_BYTES

    @property
    def is_certain(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low is not None and self.low > 0


class Beside(NamedTuple):
    """A block, as numbers of held-out documents, and ranges of training documents: those on both
    sides of it, and as many tokens elsewhere."""

    block: Integers
    near: range
    elsewhere: range


class Places:
    """Where the documents of one source stand: raw files, positions, tokens."""

    def __init__(self, train: TokenShards, held: TokenShards, every: Integers, source: int) -> None:
        self.train, self.held = train, held
        self.mine = np.flatnonzero(train.index["source"] == source)
        self.positions = train.index["position"][self.mine]
        # A raw file is a run of positions without a gap.
        self.every = every
        self.files = np.cumsum(np.diff(every, prepend=every[:1]) > 1, dtype=np.int64)
        self.of_train = self.file_of(self.positions)
        self.tokens = np.append(0, np.cumsum(train.index["length"][self.mine] + 1))
        groups = neighbours(held)
        here = np.flatnonzero(held.index["source"] == source)
        self.blocks = np.split(here, np.flatnonzero(np.diff(groups[here])) + 1) if len(here) else []

    def file_of(self, positions: Integers) -> Integers:
        """The numbers of the raw files of these positions."""
        return self.files[np.searchsorted(self.every, positions)]

    def beside(self) -> Iterator[Beside]:
        """Some blocks that have training text beside them in their file, evenly spread."""
        sample = self.mine[:: max(1, len(self.mine) // MEASURED_DOCUMENTS)]
        ids = np.concatenate([self.train.document(int(number)).ids for number in sample])
        bytes_per_token = float(self.train.byte_counts[ids].sum() / max(1, len(ids)))
        side = SIDE_BYTES / bytes_per_token
        for block in self.blocks[:: max(1, len(self.blocks) // MOST_BLOCKS)]:
            position = self.held.index["position"][block[:1]]
            at = int(np.searchsorted(self.positions, position[0]))
            file = self.file_of(position)[0]
            bounds = np.searchsorted(self.of_train, (file, file + 1))
            ends = np.searchsorted(self.tokens, (self.tokens[at] - side, self.tokens[at] + side))
            first = min(at, max(int(ends[0]), int(bounds[0])))
            last = max(at, min(int(ends[1]), int(bounds[1])))
            if first == last:
                continue
            # As many tokens of training text, half a source away.
            size = self.tokens[last] - self.tokens[first]
            start = (first + len(self.mine) // 2) % len(self.mine)
            if self.tokens[-1] - self.tokens[start] < size:
                start = 0
            end = int(np.searchsorted(self.tokens, self.tokens[start] + size))
            elsewhere = range(start, min(end, len(self.mine)))
            yield Beside(block, range(first, last), elsewhere)

    def documents(self, numbers: range) -> list[Integers]:
        """The ids of training documents of this source."""
        return [self.train.document(int(self.mine[number])).ids for number in numbers]


def gains(
    train: TokenShards, held: TokenShards, other: TokenShards, counts: Baselines
) -> list[Gain]:
    """What neighbours save in each source with several documents in a file.

    held: the split that is judged. other: the third split. counts: of the training text.
    """
    positions = [shards.index["position"] for shards in (train, held, other)]
    every = np.sort(np.concatenate(positions))
    found: list[Gain] = []
    for number, name in enumerate(held.sources):
        if not (train.index["source"] == number).any():
            continue
        places = Places(train, held, every, number)
        saved: list[float] = []
        sizes: list[int] = []
        for beside in places.beside():
            ids = [held.document(int(each)).ids for each in beside.block]
            without = [
                DocumentCounts(counts, places.documents(some))
                for some in (beside.near, beside.elsewhere)
            ]
            nats = [
                sum(counts.nats(each, less)["bigram"].sum() for each in ids) for less in without
            ]
            saved.append((nats[0] - nats[1]) / np.log(2))
            sizes.append(sum(int(held.byte_counts[each].sum()) for each in ids))
        if len(saved) >= FEWEST_BLOCKS:
            value, low, high = ratio(np.array(saved), np.array(sizes, dtype=np.int64))
            found.append(Gain(held.split, name, value, low, high, len(saved)))
    return found
