"""A mixture of sources by shares of tokens: which source each row is from, as a pure function.

Each source is read in its own order (data/order.py), row by row. The rows of the sources are
interleaved evenly: after any number of rows, each source has had its share to within two rows.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from endonym.data.order import Integers, Order, Rows
from endonym.data.shards import TokenShards

PARTS = 1_000_000
"""Shares are whole numbers of these parts, so that counting rows is exact."""


class Share(NamedTuple):
    """A source's share of the tokens, and the row of its own stream that is read first."""

    source: str
    share: float
    first_row: int = 0


class Mixture:
    """The order in which sources are read together; the sources of one row are never mixed.

    join: as in Order. positions_per_epoch: the tokens in which `main_source` is read once.
    """

    def __init__(
        self,
        shards: TokenShards,
        shares: Sequence[Share],
        *,
        context: int,
        seed: int,
        join: Collection[str] = (),
    ) -> None:
        self.shards, self.context = shards, context
        self.shares = sorted(shares, key=lambda each: (-each.share, each.source))
        self.parts = parts_of([each.share for each in self.shares])
        self.orders = [
            Order(shards, context=context, seed=seed, join=join, source=each.source)
            for each in self.shares
        ]
        sizes = {share.source: order.positions_per_epoch for share, order in self._pairs()}
        main = main_source({each.source: each.share for each in self.shares}, sizes)
        part = self.parts[[each.source for each in self.shares].index(main)]
        self.positions_per_epoch = sizes[main] * PARTS // part

    def _pairs(self) -> Iterator[tuple[Share, Order]]:
        return zip(self.shares, self.orders, strict=True)

    @property
    def bytes_per_position(self) -> float:
        """Bytes per position, of each source by its share."""
        pairs = zip(self.orders, self.parts, strict=True)
        return sum(order.bytes_per_position * part for order, part in pairs) / PARTS

    def rows(self, first: int, count: int) -> Rows:
        """Rows `first` to `first + count`."""
        numbers_B, indices_B = self.chosen(np.arange(first, first + count))
        shape = (count, self.context)
        tokens_BT, targets_BT, documents_BT = (np.empty(shape, dtype=np.int64) for _ in range(3))
        for number, (share, order) in enumerate(self._pairs()):
            here = numbers_B == number
            if not here.any():
                continue
            start, many = share.first_row + int(indices_B[here][0]), int(here.sum())
            read = order.rows(start, many)
            tokens_BT[here], targets_BT[here] = read.tokens_BT, read.targets_BT
            documents_BT[here] = read.documents_BT * len(self.orders) + number
        return Rows(tokens_BT, targets_BT, documents_BT)

    def chosen(self, rows_B: Integers) -> tuple[Integers, Integers]:
        """For each row the number of its source, and which row it is of that source here, from 0.

        Of the rows that no earlier source has, source k has every one at which
        round(row × part / parts left) grows by one.
        """
        numbers_B, indices_B = np.zeros_like(rows_B), np.zeros_like(rows_B)
        left_B, waiting, parts = rows_B.copy(), np.ones(len(rows_B), dtype=np.bool_), PARTS
        for number, part in enumerate(self.parts):
            before_B = (left_B * part + parts // 2) // parts
            after_B = ((left_B + 1) * part + parts // 2) // parts
            takes = waiting & (after_B > before_B)
            numbers_B[takes], indices_B[takes] = number, before_B[takes]
            waiting &= ~takes
            left_B, parts = left_B - before_B, parts - part
        return numbers_B, indices_B

    def tokens_by_source(self, rows: Rows) -> dict[str, int]:
        """As Order.tokens_by_source: looked up by the documents."""
        if len(self.shards.sources) == 1:
            return {}
        found = dict.fromkeys(self.shards.sources, 0)
        numbers_BT = rows.documents_BT % len(self.orders)
        for number, order in enumerate(self.orders):
            documents_P = rows.documents_BT[numbers_BT == number] // len(self.orders)
            sources_P = order.index["source"][order.originals(documents_P)]
            for source, count in zip(*np.unique(sources_P, return_counts=True), strict=True):
                found[self.shards.sources[source]] += int(count)
        return found


def main_source(shares: Mapping[str, float], sizes: Mapping[str, int]) -> str:
    """The source that says when an epoch ends: that with the largest share, of equal shares the
    largest one. sizes: in positions."""
    return max(sorted(shares), key=lambda name: (shares[name], sizes[name]))


def rows_by_source(shares: Sequence[Share], rows: int) -> dict[str, int]:
    """How many of the first rows of a mixture are of each source."""
    ordered = sorted(shares, key=lambda each: (-each.share, each.source))
    left, parts, found = rows, PARTS, dict[str, int]()
    for each, part in zip(ordered, parts_of([each.share for each in ordered]), strict=True):
        found[each.source] = (left * part + parts // 2) // parts
        left, parts = left - found[each.source], parts - part
    return found


def largest_gap(shares: Sequence[Share], ends: Sequence[int]) -> float:
    """How far a source's share is off, at most, within the rows between two of these numbers.

    Rows are of one source each, so that few rows cannot have any share.
    """
    gap, before, first = 0.0, dict.fromkeys((each.source for each in shares), 0), 0
    for end in ends:
        counts = rows_by_source(shares, end)
        for name, share, _ in shares if end > first else ():
            gap = max(gap, abs((counts[name] - before[name]) / (end - first) - share))
        before, first = counts, end
    return gap


def parts_of(shares: Sequence[float]) -> list[int]:
    """Shares as whole parts of PARTS; the largest, which is the first, takes what rounding left."""
    parts = [max(1, round(each * PARTS)) for each in shares]
    return [parts[0] + PARTS - sum(parts), *parts[1:]]
