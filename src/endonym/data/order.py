"""Data order: the tokens of each row, a pure function of seed and row number without saved state.

In each epoch the documents are shuffled and read as one stream. The streams of all epochs are cut
into rows of equal length, without padding and without losing tokens. The rows of an epoch are then
shuffled too, so that parts of a long document do not follow each other. A row may cut a document;
the next row of the stream goes on with it from position 0.

Documents of joined sources (lists of sentences) are read in stretches: neighbouring documents, with
a line end instead of end-of-text between them. Stretches are drawn anew in every epoch; all epochs
have the same length. The last document of a stretch also ends with a line end: with end-of-text, a
model would learn to stop after one sentence. Parts of longer texts are one stretch each, as far as
no held-out part is missing.

P: pieces of the rows asked for, each within one epoch. S: stretches that a piece touches.
"""

import functools
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from endonym.data.config import ALONE_SHARE, PART_BYTES, PackConfig
from endonym.data.shards import TokenShards, follow
from endonym.mappings import largest_first
from endonym.seed import named_seed

Shares = Mapping[str, float]
"""The shares of sources in what is read."""
Integers = NDArray[np.int64]
Numbers = NDArray[np.float32]


class Rows(NamedTuple):
    """Rows of a batch: inputs, targets, and the document number of each input, (B, T).

    weights_BT: of each target in the loss, float32; all are 1 if None. reference_BT: at the first
    position of a document its log-probability under a reference model, else 0; float32. places_BT:
    where each target is stored in its split, the same in every epoch.
    """

    tokens_BT: Integers
    targets_BT: Integers
    documents_BT: Integers
    weights_BT: Numbers | None = None
    reference_BT: Numbers | None = None
    places_BT: Integers | None = None


class Epoch(NamedTuple):
    """One epoch of stretches: one document, or several joined ones.

    documents: the first document of each stretch, in reading order. lengths: positions of each.
    ends: where each ends in the stream. rows: the order of the rows.
    """

    documents: Integers
    lengths: Integers
    ends: Integers
    rows: Integers


class Order:
    """The order in which a split, or one source of it, is read.

    source: the one; all of them together if None. Each has random streams of its own. join: sources
    whose documents are joined, unless they are sentences as long as a row on average. Raises
    RecipeError for unknown sources, or if the tokenizer has no token that is exactly a line end.

    is_joined: by document, whether a line end follows it instead of end-of-text. parts: the joined
    sources whose documents are parts of longer texts.
    """

    def __init__(
        self,
        shards: TokenShards,
        *,
        context: int,
        seed: int,
        join: Collection[str] = (),
        source: str | None = None,
    ) -> None:
        self.shards = shards
        self.context = context
        self.seed = seed
        self.index = shards.index
        self.streams = ()
        if source is not None:
            self.index = shards.index[shards.documents_of(source)]
            self.streams = (source,)
        self.lengths: Integers = self.index["length"] + 1
        self.positions_per_epoch = int(self.lengths.sum())
        self.joined: dict[str, Integers] = {}
        self.parts = set[str]()
        self.is_joined = np.zeros(len(self.index), dtype=np.bool_)
        names = sorted(join) if source is None else [source] * (source in join)
        for name in names:
            documents = np.arange(len(self.index)) if source else shards.documents_of(name)
            if len(documents) and shards.mean_bytes(name) >= PART_BYTES:
                self.parts.add(name)
            # Sentences that fill a row are read alone, and end-of-text follows them.
            is_shorter = len(documents) > 0 and self.lengths[documents].mean() < context
            if is_shorter or name in self.parts:
                self.joined[name] = documents
                self.is_joined[documents] = True
        self._bytes: int | None = None
        self.line_end = shards.require_line_end() if names else None
        self.epoch = functools.lru_cache(maxsize=2)(self._epoch)

    @property
    def bytes_per_position(self) -> float:
        """Bytes per position: none for end-of-text, one for the line ends of joined sources."""
        if self._bytes is None:
            of_source = self.shards.sums_by_source(self.shards.byte_counts)
            read = np.unique(self.index["source"])
            self._bytes = int(of_source[read].sum() + self.is_joined.sum())
        return self._bytes / max(1, self.positions_per_epoch)

    def first_row(self, epoch: int) -> int:
        """The first row that starts in this epoch."""
        return -(-epoch * self.positions_per_epoch // self.context)

    def rows(self, first: int, count: int) -> Rows:
        """The rows from `first` up to `first + count`, whose end is not included."""
        starts_B = self._starts(np.arange(first, first + count))
        length = self.positions_per_epoch
        shape = (count, self.context)
        arrays = tuple(np.empty(count * self.context, dtype=np.int64) for _ in range(4))
        # Rows are cut where an epoch ends, so that each piece is of one epoch.
        rows_P, epochs_P = _ranges(starts_B // length, (starts_B + self.context - 1) // length)
        begins_P = np.maximum(starts_B[rows_P], epochs_P * length)
        ends_P = np.minimum(starts_B[rows_P] + self.context, (epochs_P + 1) * length)
        firsts_P = rows_P * self.context + begins_P - starts_B[rows_P]  # in the flat rows
        for epoch in np.unique(epochs_P):
            is_of_epoch = epochs_P == epoch
            sizes = ends_P[is_of_epoch] - begins_P[is_of_epoch]
            positions = runs(firsts_P[is_of_epoch], sizes)
            parts = self._read(int(epoch), begins_P[is_of_epoch] - epoch * length, sizes)
            for array, part in zip(arrays, parts, strict=True):
                array[positions] = part
        tokens_BT, targets_BT, documents_BT, places_BT = (each.reshape(shape) for each in arrays)
        return Rows(tokens_BT, targets_BT, documents_BT, places_BT=places_BT)

    def originals(self, numbers: Integers) -> Integers:
        """The index, in `self.index`, of the document for each document number in rows."""
        epochs, ranks = np.divmod(numbers, len(self.lengths))
        documents = np.empty_like(numbers)
        for epoch in np.unique(epochs):
            is_of_epoch = epochs == epoch
            documents[is_of_epoch] = self.epoch(int(epoch)).documents[ranks[is_of_epoch]]
        return documents

    def tokens_by_source(self, documents: Integers) -> dict[str, int]:
        """How many of the inputs of these document numbers are of each source.

        The end-of-text before a document is of its source.
        Empty if there is one source alone.
        """
        if len(self.shards.sources) == 1:
            return {}
        sources = self.index["source"][self.originals(documents)]
        counts = np.bincount(sources.flatten(), minlength=len(self.shards.sources))
        return dict(zip(self.shards.sources, counts.tolist(), strict=True))

    def line_ends(self, number: int) -> list[tuple[Integers, Integers]]:
        """For each shard, which inputs and targets of an epoch are line ends, not end-of-text.

        number: of the epoch. Both are offsets of stored tokens: what precedes a document is stored
        at its start, what follows it at its end.
        """
        index = self.index
        starts = self.index["start"]
        is_inner = np.ones(len(index), dtype=np.bool_)  # not the first document of a stretch
        is_inner[self._stretches(number)] = False
        ends = starts + index["length"]
        is_of_shards = [index["shard"] == shard for shard in range(len(self.shards.parts))]
        return [(starts[each & is_inner], ends[each & self.is_joined]) for each in is_of_shards]

    def _starts(self, rows_B: Integers) -> Integers:
        """Where rows start in the stream of all epochs, after shuffling within each epoch."""
        epochs_B = rows_B * self.context // self.positions_per_epoch
        starts_B = rows_B.copy()
        for epoch in np.unique(epochs_B):
            is_of_epoch = epochs_B == epoch
            first = self.first_row(int(epoch))
            order = self.epoch(int(epoch)).rows
            starts_B[is_of_epoch] = first + order[rows_B[is_of_epoch] - first]
        return starts_B * self.context

    def _read(
        self, number: int, begins_P: Integers, sizes_P: Integers
    ) -> tuple[Integers, Integers, Integers, Integers]:
        """Inputs, targets, document numbers and places of pieces of an epoch's stream.

        number: of the epoch. begins_P, sizes_P: of the pieces, in positions of its stream. Pieces
        are split at documents, so that the search runs once per piece, not per token.
        """
        epoch = self.epoch(number)
        index = self.index
        stops_P = begins_P + sizes_P
        firsts_P, lasts_P = (
            np.searchsorted(epoch.ends, each, side="right") for each in (begins_P, stops_P - 1)
        )
        pieces_S, ranks_S = _ranges(firsts_P, lasts_P)
        documents_S = epoch.documents[ranks_S]
        ends_S = epoch.ends[ranks_S]
        starts_S = ends_S - epoch.lengths[ranks_S]
        begins_S = np.maximum(begins_P[pieces_S], starts_S)
        sizes_S = np.minimum(stops_P[pieces_S], ends_S) - begins_S
        stored = runs(index["start"][documents_S] + begins_S - starts_S, sizes_S)
        shard = np.repeat(index["shard"][documents_S], sizes_S)
        tokens = self.shards.at(shard, stored)
        targets = self.shards.at(shard, stored + 1)
        first_inputs = (np.cumsum(sizes_S) - sizes_S)[begins_S == starts_S]
        if self.line_end is not None:
            # An end-of-text that does not start a stretch is a line end.
            is_line_end, is_end = (each == self.shards.end_id for each in (tokens, targets))
            is_line_end[first_inputs] = False
            tokens[is_line_end] = self.line_end
            targets[is_end & np.repeat(self.is_joined[documents_S], sizes_S)] = self.line_end
        tokens[first_inputs] = self.shards.start_id
        numbers = np.repeat(ranks_S + number * len(self.lengths), sizes_S)
        return tokens, targets, numbers, self.shards.places(shard, stored + 1)

    def _epoch(self, number: int) -> Epoch:
        """The order of one pass."""
        firsts = self._stretches(number)
        lengths = np.add.reduceat(self.lengths, firsts)
        order = shuffled(len(firsts), named_seed(self.seed, "order", *self.streams, number))
        count = self.first_row(number + 1) - self.first_row(number)
        rows = shuffled(count, named_seed(self.seed, "rows", *self.streams, number))
        return Epoch(firsts[order], lengths[order], np.cumsum(lengths[order]), rows)

    def _stretches(self, number: int) -> Integers:
        """The first document of each stretch, in the order of the shards.

        The concatenated documents of a joined source are cut at random distances: log-uniform from
        the mean document length to the context. A stretch is the documents that start between two
        cuts; it ends earlier where a held-out document is missing. A random `ALONE_SHARE` of the
        stretches is split up: their documents are read alone. Parts of texts are not cut.
        """
        is_first = np.ones(len(self.lengths), dtype=np.bool_)
        for name, documents in self.joined.items():
            lengths = self.lengths[documents]
            follows = follow(self.index[documents])
            if name in self.parts:
                is_first[documents[1:]] = ~follows
                continue
            shortest = float(lengths.mean())
            longest = float(self.context)
            seed = named_seed(self.seed, "join", name, number)
            drawn, coins = np.split(uniform(2 * len(lengths), seed), 2)
            # No distance is below the mean length, so as many cuts as documents reach the end.
            cuts = np.cumsum(np.ceil(shortest * (longest / shortest) ** drawn).astype(np.int64))
            stretch = np.searchsorted(cuts, np.cumsum(lengths) - lengths, side="right")
            is_new = (np.diff(stretch) > 0) | (coins[stretch[1:]] < ALONE_SHARE)
            is_first[documents[1:]] = is_new | ~follows
        return np.nonzero(is_first)[0]


def uniform(count: int, seed: int) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1) that depend on the seed alone: 53 bits of raw Philox output."""
    raw = np.random.Philox(key=seed).random_raw(count) >> np.uint64(11)
    return raw.astype(np.float64) * 2.0**-53


def shuffled(count: int, seed: int) -> Integers:
    """A permutation of the numbers below `count` that depends on the seed alone.

    Sorted by raw Philox output (Salmon et al. 2011), which is the same in all versions of numpy.
    """
    keys = np.random.Philox(key=seed).random_raw(count)
    return np.argsort(keys, kind="stable").astype(np.int64)


def _ranges(firsts: Integers, lasts: Integers) -> tuple[Integers, Integers]:
    """For all numbers from each first to its last, included: the pair's index, and the number."""
    counts = lasts - firsts + 1
    return np.repeat(np.arange(len(firsts)), counts), runs(firsts, counts)


def runs(starts: Integers, counts: Integers) -> Integers:
    """Runs of `counts` consecutive numbers from each start, concatenated."""
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(int(counts.sum()))


def training_order(shards: Path, pack: PackConfig, seed: int) -> Order:
    """The order in which a model reads its training text."""
    return Order(TokenShards(shards, "train"), context=pack.context, seed=seed, join=pack.join)


PARTS = 1_000_000
"""Shares are whole numbers of these parts, so that counting rows is exact."""


class Mixture:
    """The order in which sources are read together; the sources of one row are never mixed.

    shares: of the tokens, by source. join: as in Order. first_rows: which row of its own stream a
    source begins with, if not 0. positions_per_epoch: the tokens in which `main_source` is read
    once. epochs_before: how often it was read before its first row here.
    """

    def __init__(
        self,
        shards: TokenShards,
        shares: Shares,
        *,
        context: int,
        seed: int,
        join: Collection[str] = (),
        first_rows: Mapping[str, int] | None = None,
    ) -> None:
        self.shards = shards
        self.context = context
        self.first_rows = first_rows or {}
        self.shares = largest_first(shares)
        self.parts = parts_of(self.shares)
        order_of = functools.partial(Order, shards, context=context, seed=seed, join=join)
        self.orders = [order_of(source=name) for name in self.shares]
        sizes = {name: order.positions_per_epoch for name, order in self._pairs()}
        main = main_source(self.shares, sizes)
        self.positions_per_epoch = sizes[main] * PARTS // self.parts[[*sizes].index(main)]
        self.epochs_before = self.first_rows.get(main, 0) * context / max(1, sizes[main])

    def _pairs(self) -> Iterator[tuple[str, Order]]:
        return zip(self.shares, self.orders, strict=True)

    @property
    def bytes_per_position(self) -> float:
        """Bytes per position, of each source by its share."""
        pairs = zip(self.orders, self.parts, strict=True)
        return sum(order.bytes_per_position * part for order, part in pairs) / PARTS

    def rows(self, first: int, count: int) -> Rows:
        """The rows from `first` up to `first + count`, whose end is not included.

        A document's number is that in its source's order, times the sources, plus the source's.
        """
        numbers_B, indices_B = self.chosen(np.arange(first, first + count))
        shape = (count, self.context)
        mixed = [np.empty(shape, dtype=np.int64) for _ in range(4)]
        for number, (name, order) in enumerate(self._pairs()):
            is_of_source = numbers_B == number
            if not is_of_source.any():
                continue
            start = self.first_rows.get(name, 0) + int(indices_B[is_of_source][0])
            own = order.rows(start, int(is_of_source.sum()))
            documents_BT = own.documents_BT * len(self.orders) + number
            assert own.places_BT is not None, "each order says where targets are stored"
            parts = (own.tokens_BT, own.targets_BT, documents_BT, own.places_BT)
            for array, part in zip(mixed, parts, strict=True):
                array[is_of_source] = part
        tokens_BT, targets_BT, documents_BT, places_BT = mixed
        return Rows(tokens_BT, targets_BT, documents_BT, places_BT=places_BT)

    def chosen(self, rows_B: Integers) -> tuple[Integers, Integers]:
        """For each row the number of its source, and which row it is of that source here, from 0.

        Of the rows that no earlier source has, source k has every one at which
        round(row × part / parts left) grows by one.
        """
        numbers_B = np.zeros_like(rows_B)
        indices_B = np.zeros_like(rows_B)
        left_B = rows_B.copy()
        is_open_B = np.ones(len(rows_B), dtype=np.bool_)
        parts = PARTS
        for number, part in enumerate(self.parts):
            before_B = (left_B * part + parts // 2) // parts
            after_B = ((left_B + 1) * part + parts // 2) // parts
            takes_B = is_open_B & (after_B > before_B)
            numbers_B[takes_B], indices_B[takes_B] = number, before_B[takes_B]
            is_open_B &= ~takes_B
            left_B = left_B - before_B
            parts = parts - part
        return numbers_B, indices_B

    def tokens_by_source(self, documents: Integers) -> dict[str, int]:
        """How many of the inputs of these document numbers are of each source."""
        counts = Counter[str]()
        numbers = documents % len(self.orders)
        for number, order in enumerate(self.orders):
            counts.update(order.tokens_by_source(documents[numbers == number] // len(self.orders)))
        return dict(counts)


def main_source(shares: Shares, sizes: Mapping[str, int]) -> str:
    """The source that says when an epoch ends: that with the largest share, of equal shares the
    largest one. sizes: in positions."""
    return max(sorted(shares), key=lambda name: (shares[name], sizes[name]))


def rows_by_source(shares: Shares, rows: int) -> dict[str, int]:
    """How many of the first rows of a mixture are of each source."""
    ordered = largest_first(shares)
    left = rows
    parts = PARTS
    counts = dict[str, int]()
    for name, part in zip(ordered, parts_of(ordered), strict=True):
        counts[name] = (left * part + parts // 2) // parts
        left = left - counts[name]
        parts = parts - part
    return counts


def largest_gap(shares: Shares, ends: Sequence[int]) -> float:
    """The largest error of a source's share in the rows from one of these row numbers to the next.

    Rows are of one source each, so that few rows cannot have any share.
    """
    gap = 0.0
    before = dict.fromkeys(shares, 0)
    first = 0
    for end in ends:
        counts = rows_by_source(shares, end)
        for name, share in shares.items() if end > first else ():
            gap = max(gap, abs((counts[name] - before[name]) / (end - first) - share))
        before = counts
        first = end
    return gap


def parts_of(shares: Shares) -> list[int]:
    """Shares as whole parts of PARTS; the largest, which is the first, takes what rounding left."""
    parts = [max(1, round(share * PARTS)) for share in shares.values()]
    return [parts[0] + PARTS - sum(parts), *parts[1:]]
