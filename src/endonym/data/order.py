"""Which tokens stand in which row: a pure function of seed and row number, so nothing is saved.

Every epoch the documents are put in a new order and read as one stream; the streams of all epochs
follow one another and are cut into rows of equal length, so that no token is lost and none is
padding. The rows of an epoch are then put in a new order too, so that the pages of a long book do
not follow each other. A row may cut a document; the next row goes on with it from position 0.
"""

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from endonym.data.shards import TokenShards
from endonym.seed import named_seed

Integers = NDArray[np.int64]


class Rows(NamedTuple):
    """Rows of a batch: inputs, what follows each, and the document each belongs to, (B, T)."""

    tokens_BT: Integers
    targets_BT: Integers
    documents_BT: Integers


class Epoch(NamedTuple):
    """One pass: documents in their order, where each ends in the stream, and the rows' order."""

    documents: Integers
    ends: Integers
    rows: Integers


class Order:
    """The order in which a split is read."""

    def __init__(self, shards: TokenShards, *, context: int, seed: int) -> None:
        self.shards, self.context, self.seed = shards, context, seed
        self.lengths = shards.positions()
        self.positions_per_epoch = int(self.lengths.sum())
        self.epoch = functools.lru_cache(maxsize=2)(self._epoch)

    def first_row(self, epoch: int) -> int:
        """The first row that starts in this epoch."""
        return -(-epoch * self.positions_per_epoch // self.context)

    def epoch_of(self, row: int) -> int:
        """The epoch in which a row starts."""
        return row * self.context // self.positions_per_epoch

    def rows(self, first: int, count: int) -> Rows:
        """Rows `first` to `first + count`, filled."""
        starts = np.array([self._start(row) for row in range(first, first + count)], dtype=np.int64)
        places_BT = starts[:, None] + np.arange(self.context)
        tokens, targets, documents = (np.empty(places_BT.shape, dtype=np.int64) for _ in range(3))
        epochs_BT = places_BT // self.positions_per_epoch
        for number in np.unique(epochs_BT):
            here = epochs_BT == number
            found = self._read(int(number), places_BT[here] - number * self.positions_per_epoch)
            tokens[here], targets[here], documents[here] = found
        return Rows(tokens, targets, documents)

    def originals(self, numbers: Integers) -> Integers:
        """Which document of the split each of a row's document numbers stands for."""
        epochs, ranks = np.divmod(numbers, len(self.lengths))
        found = np.empty_like(numbers)
        for number in np.unique(epochs):
            here = epochs == number
            found[here] = self.epoch(int(number)).documents[ranks[here]]
        return found

    def _start(self, row: int) -> int:
        """Where a row starts in the stream of all epochs, after the epoch's rows are shuffled."""
        number = self.epoch_of(row)
        first = self.first_row(number)
        return (first + int(self.epoch(number).rows[row - first])) * self.context

    def _read(self, number: int, places: Integers) -> tuple[Integers, Integers, Integers]:
        """Inputs, targets and document numbers at places of one epoch's stream."""
        epoch, index = self.epoch(number), self.shards.index
        ranks = np.searchsorted(epoch.ends, places, side="right")
        documents = epoch.documents[ranks]
        inside = places - (epoch.ends[ranks] - self.lengths[documents])
        stored, shard = index["start"][documents] + inside, index["shard"][documents]
        tokens, targets = self.shards.at(shard, stored), self.shards.at(shard, stored + 1)
        return tokens, targets, ranks + number * len(epoch.documents)

    def _epoch(self, number: int) -> Epoch:
        """The order of one pass."""
        documents = shuffled(len(self.lengths), named_seed(self.seed, "order", number))
        count = self.first_row(number + 1) - self.first_row(number)
        rows = shuffled(count, named_seed(self.seed, "rows", number))
        return Epoch(documents, np.cumsum(self.lengths[documents]), rows)


def shuffled(count: int, seed: int) -> Integers:
    """The numbers below `count` in an order that depends on the seed alone.

    Sorted by raw Philox output (Salmon et al. 2011), which no version of numpy may change.
    """
    keys = np.random.Philox(key=seed).random_raw(count)
    return np.argsort(keys, kind="stable").astype(np.int64)
