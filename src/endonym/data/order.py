"""Which tokens stand in which row: a pure function of seed and row number, so nothing is saved.

Every epoch the documents are put in a new order and read as one stream; the streams of all epochs
follow one another and are cut into rows of equal length, so that no token is lost and none is
padding. The rows of an epoch are then put in a new order too, so that the pages of a long book do
not follow each other. A row may cut a document; the next row goes on with it from position 0.

Documents of joined sources (lists of sentences) are read in stretches: neighbours in their own
order, with a line end where else an end-of-text would stand. Which documents are joined, and how
many, is drawn anew in every epoch. A line end takes the place of one end-of-text, so every epoch
is equally long. The last target of a stretch is a line end, too. With an end-of-text there, a model
would learn to stop after one sentence.
"""

import functools
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from endonym.data.config import ALONE_SHARE
from endonym.data.shards import TokenShards
from endonym.seed import named_seed

Integers = NDArray[np.int64]


class Rows(NamedTuple):
    """Rows of a batch: inputs, what follows each, and the document each belongs to, (B, T)."""

    tokens_BT: Integers
    targets_BT: Integers
    documents_BT: Integers


class Epoch(NamedTuple):
    """One pass over stretches: a document read alone, or several joined.

    documents: the first document of each stretch, in the order of reading. lengths: positions of
    each. ends: where each ends in the stream. rows: the order of the rows.
    """

    documents: Integers
    lengths: Integers
    ends: Integers
    rows: Integers


class Order:
    """The order in which a split is read.

    join: names of the sources whose documents are read in stretches, unless they are as long as a
    row on average. Raises RecipeError if there is no such source, or if the tokenizer has no token
    that is a line end and nothing else.

    is_listed: by document, whether a line end follows it instead of end-of-text.
    """

    def __init__(
        self, shards: TokenShards, *, context: int, seed: int, join: Collection[str] = ()
    ) -> None:
        self.shards, self.context, self.seed = shards, context, seed
        self.lengths = shards.positions()
        self.positions_per_epoch = int(self.lengths.sum())
        self.joined: dict[str, Integers] = {}
        self.is_listed = np.zeros(len(shards), dtype=np.bool_)
        for name in sorted(join):
            documents = shards.documents_of(name)
            # Documents that fill a row are read alone, and end-of-text follows them.
            if len(documents) and self.lengths[documents].mean() < context:
                self.joined[name] = documents
                self.is_listed[documents] = True
        self.line_end = shards.require_line_end() if join else None
        self.epoch = functools.lru_cache(maxsize=2)(self._epoch)

    def first_row(self, epoch: int) -> int:
        """The first row that starts in this epoch."""
        return -(-epoch * self.positions_per_epoch // self.context)

    def rows(self, first: int, count: int) -> Rows:
        """Rows `first` to `first + count`, filled."""
        starts_B = self._starts(np.arange(first, first + count))
        length, shape = self.positions_per_epoch, (count, self.context)
        found = tuple(np.empty(count * self.context, dtype=np.int64) for _ in Rows._fields)
        # A row is cut where an epoch ends: pieces of one epoch each.
        rows_P, epochs_P = _ranges(starts_B // length, (starts_B + self.context - 1) // length)
        begins_P = np.maximum(starts_B[rows_P], epochs_P * length)
        ends_P = np.minimum(starts_B[rows_P] + self.context, (epochs_P + 1) * length)
        goals_P = rows_P * self.context + begins_P - starts_B[rows_P]
        for number in np.unique(epochs_P):
            here = epochs_P == number
            sizes = ends_P[here] - begins_P[here]
            filled = _runs(goals_P[here], sizes)
            read = self._read(int(number), begins_P[here] - number * length, sizes)
            for whole, part in zip(found, read, strict=True):
                whole[filled] = part
        return Rows(*(whole.reshape(shape) for whole in found))

    def originals(self, numbers: Integers) -> Integers:
        """Which document of the split each of a row's document numbers stands for."""
        epochs, ranks = np.divmod(numbers, len(self.lengths))
        found = np.empty_like(numbers)
        for number in np.unique(epochs):
            here = epochs == number
            found[here] = self.epoch(int(number)).documents[ranks[here]]
        return found

    def line_ends(self, number: int) -> list[tuple[Integers, Integers]]:
        """For each shard, where this pass has a line end in place of an end-of-text.

        First the places in its inputs, then those in its targets. Both count stored tokens: what
        precedes a document is stored at its start, what follows it at its end.
        """
        index, starts = self.shards.index, self.shards.index["start"]
        is_inner = np.ones(len(index), dtype=np.bool_)
        is_inner[self._stretches(number)] = False
        ends = starts + index["length"]
        shards = [index["shard"] == shard for shard in range(len(self.shards.parts))]
        return [(starts[here & is_inner], ends[here & self.is_listed]) for here in shards]

    def _starts(self, rows_B: Integers) -> Integers:
        """Where rows start in the stream of all epochs, after each epoch's rows are shuffled."""
        epochs_B, starts_B = rows_B * self.context // self.positions_per_epoch, rows_B.copy()
        for number in np.unique(epochs_B):
            here, first = epochs_B == number, self.first_row(int(number))
            starts_B[here] = first + self.epoch(int(number)).rows[rows_B[here] - first]
        return starts_B * self.context

    def _read(
        self, number: int, begins_P: Integers, sizes_P: Integers
    ) -> tuple[Integers, Integers, Integers]:
        """Inputs, targets and document numbers of pieces of one epoch's stream, one after another.

        A piece is read document by document, so that the search costs a piece, not a token.
        """
        epoch, index = self.epoch(number), self.shards.index
        stops_P = begins_P + sizes_P
        firsts_P, lasts_P = (
            np.searchsorted(epoch.ends, each, side="right") for each in (begins_P, stops_P - 1)
        )
        pieces_S, ranks_S = _ranges(firsts_P, lasts_P)
        documents_S, ends_S = epoch.documents[ranks_S], epoch.ends[ranks_S]
        starts_S = ends_S - epoch.lengths[ranks_S]
        begins_S = np.maximum(begins_P[pieces_S], starts_S)
        sizes_S = np.minimum(stops_P[pieces_S], ends_S) - begins_S
        stored_S = index["start"][documents_S] + begins_S - starts_S
        stored, shard = _runs(stored_S, sizes_S), np.repeat(index["shard"][documents_S], sizes_S)
        tokens, targets = self.shards.at(shard, stored), self.shards.at(shard, stored + 1)
        if self.line_end is not None:
            # In a list an end-of-text opens a stretch and nothing else; all others are line ends.
            is_line_end, is_end = (each == self.shards.end_id for each in (tokens, targets))
            is_line_end[(np.cumsum(sizes_S) - sizes_S)[begins_S == starts_S]] = False
            tokens[is_line_end] = self.line_end
            targets[is_end & np.repeat(self.is_listed[documents_S], sizes_S)] = self.line_end
        return tokens, targets, np.repeat(ranks_S + number * len(self.lengths), sizes_S)

    def _epoch(self, number: int) -> Epoch:
        """The order of one pass."""
        firsts = self._stretches(number)
        lengths = np.add.reduceat(self.lengths, firsts)
        order = shuffled(len(firsts), named_seed(self.seed, "order", number))
        count = self.first_row(number + 1) - self.first_row(number)
        rows = shuffled(count, named_seed(self.seed, "rows", number))
        return Epoch(firsts[order], lengths[order], np.cumsum(lengths[order]), rows)

    def _stretches(self, number: int) -> Integers:
        """The first document of each stretch, in the order of the shards.

        The documents of a joined source stand on a line in their own order, each as long as it is.
        The line is cut at random distances: log-uniform from the mean length of a document to the
        context. A stretch is the documents that begin between two cuts; it ends earlier where a
        document is missing in between, because it is held out. `ALONE_SHARE` of the stretches,
        drawn too, are taken apart: their documents are read alone.
        """
        is_first = np.ones(len(self.lengths), dtype=np.bool_)
        for name, documents in self.joined.items():
            lengths = self.lengths[documents]
            shortest, longest = float(lengths.mean()), float(self.context)
            seed = named_seed(self.seed, "join", name, number)
            drawn, coins = np.split(uniform(2 * len(lengths), seed), 2)
            # None is below the mean, so as many cuts as documents reach the end of the line.
            cuts = np.cumsum(np.ceil(shortest * (longest / shortest) ** drawn).astype(np.int64))
            stretch = np.searchsorted(cuts, np.cumsum(lengths) - lengths, side="right")
            is_new = (np.diff(stretch) > 0) | (coins[stretch[1:]] < ALONE_SHARE)
            is_first[documents[1:]] = is_new | ~self.shards.follow(documents)
        return np.nonzero(is_first)[0]


def uniform(count: int, seed: int) -> NDArray[np.float64]:
    """Numbers from 0 to 1 that depend on the seed alone: 53 bits of raw Philox output each."""
    words = np.random.Philox(key=seed).random_raw(count) >> np.uint64(11)
    return words.astype(np.float64) * 2.0**-53


def shuffled(count: int, seed: int) -> Integers:
    """The numbers below `count` in an order that depends on the seed alone.

    Sorted by raw Philox output (Salmon et al. 2011), which no version of numpy may change.
    """
    keys = np.random.Philox(key=seed).random_raw(count)
    return np.argsort(keys, kind="stable").astype(np.int64)


def _ranges(firsts: Integers, lasts: Integers) -> tuple[Integers, Integers]:
    """Every number from each first to its last, both included, and which pair it is of."""
    counts = lasts - firsts + 1
    return np.repeat(np.arange(len(firsts)), counts), _runs(firsts, counts)


def _runs(starts: Integers, counts: Integers) -> Integers:
    """So many numbers counted up from each start, one run after another."""
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(int(counts.sum()))
