"""Rows of whole examples: the order of a phase that reads conversations or preference pairs.

Examples are packed into rows by their lengths; none is cut, and a pair stands in one row. Which
rows there are depends on the lengths alone. In each epoch examples of equal length change places,
and the rows are shuffled: a pure function of seed, epoch and row number. What is left of a row is
end-of-text of which nothing is learnt, a document of its own.
"""

import functools
from typing import NamedTuple

import numpy as np

from endonym.data.example_tokens import ExampleTokens, Integers
from endonym.data.order import Numbers, Rows, runs, shuffled
from endonym.seed import named_seed

GAP = -1
"""The document number of what is left of a row."""


class Packing(NamedTuple):
    """Items in rows: the items of row n are `items[starts[n]:starts[n + 1]]`."""

    items: Integers
    starts: Integers


class ExampleOrder:
    """The order in which examples are read. See `AnyOrder` in data/batches.py.

    reference: the log-probability of each example under a reference model, if it is known.
    """

    def __init__(self, tokens: ExampleTokens, *, context: int, seed: int) -> None:
        self.tokens, self.context, self.seed = tokens, context, seed
        self.reference: Numbers | None = None
        self._bytes: float | None = None
        self.item_lengths = tokens.lengths.reshape(-1, tokens.together).sum(axis=1)
        self.packing = packed(self.item_lengths, context)
        self.rows_per_epoch = len(self.packing.starts) - 1
        self.positions_per_epoch = self.rows_per_epoch * context
        self._epoch = functools.lru_cache(maxsize=2)(self._made)

    @property
    def bytes_per_position(self) -> float:
        """Bytes per learnt token. The loss of pairs is not one of bytes: infinite."""
        if self._bytes is None:
            totals = self.tokens.totals()
            self._bytes = totals["bytes"] / max(1, totals["learnt"])
        return self._bytes if self.tokens.together == 1 else np.inf

    def rows(self, first: int, count: int) -> Rows:
        """Rows `first` to `first + count`."""
        size = count * self.context
        tokens, targets = np.full((2, size), self.tokens.end_id, dtype=np.int64)
        documents = np.full(size, GAP, dtype=np.int64)
        weights = np.zeros(size, dtype=np.float32)
        reference = None if self.reference is None else np.zeros(size, dtype=np.float32)
        for place, number in enumerate(range(first, first + count)):
            epoch, index = divmod(number, self.rows_per_epoch)
            examples = self.examples(epoch, index)
            lengths = self.tokens.lengths[examples]
            begins = place * self.context + np.cumsum(lengths) - lengths
            goals, stored = runs(begins, lengths), runs(self.tokens.starts[examples], lengths)
            targets[goals] = self.tokens.ids[stored]
            tokens[goals[1:]] = targets[goals[:-1]]
            tokens[begins] = self.tokens.opening_id
            weights[goals] = self.tokens.learnt[stored]
            documents[goals] = np.repeat(epoch * len(self.tokens) + examples, lengths)
            if reference is not None and self.reference is not None:
                reference[begins] = self.reference[examples]
        shape = (count, self.context)
        return Rows(
            tokens.reshape(shape),
            targets.reshape(shape),
            documents.reshape(shape),
            weights.reshape(shape),
            None if reference is None else reference.reshape(shape),
        )

    def tokens_by_source(self, rows: Rows) -> dict[str, int]:
        """Nothing: examples are of no source of the corpus."""
        return {}

    def examples(self, epoch: int, index: int) -> Integers:
        """The examples in a row of an epoch."""
        items, rows = self._epoch(epoch)
        start, stop = self.packing.starts[rows[index] : rows[index] + 2]
        together = self.tokens.together
        return (items[start:stop, None] * together + np.arange(together)).ravel()

    def _made(self, epoch: int) -> tuple[Integers, Integers]:
        """The items in their places, and the order of the rows."""
        seed = named_seed(self.seed, "examples", epoch)
        drawn = shuffled(len(self.item_lengths), seed)
        # By length, and within a length in the order drawn: the same places, other items.
        by_length = drawn[np.argsort(self.item_lengths[drawn], kind="stable")]
        places = np.argsort(self.item_lengths[self.packing.items], kind="stable")
        items = np.empty_like(by_length)
        items[places] = by_length
        rows = shuffled(self.rows_per_epoch, named_seed(self.seed, "example rows", epoch))
        return items, rows


def packed(lengths: Integers, size: int) -> Packing:
    """Pack items into rows: the longest first, then what fills the row exactly, else the longest
    that fits.

    One or two items that fill it are looked for: few such steps of minimum bin slack (Gupta and Ho
    1999) leave less empty than best fit alone. Equal lengths keep their order. No item may be
    longer than `size`.
    """
    by_length = np.argsort(lengths, kind="stable")
    sizes, firsts = np.unique(lengths[by_length], return_index=True)
    groups = np.split(by_length, firsts[1:])
    left = {n: group[::-1].tolist() for n, group in zip(sizes.tolist(), groups, strict=True)}
    has = sum(1 << length for length in left)  # bit n: some item of length n is left
    mirrored = sum(1 << (size - length) for length in left)  # bit size - n: the same
    assert has.bit_length() <= size + 1, "too long ones are rejected"
    items: list[int] = []
    starts = [0]
    while has:
        room = size
        while fitting := has & ((2 << room) - 1):
            length = fitting.bit_length() - 1
            if room < size and length < room and (pairs := has & (mirrored >> (size - room))):
                # Lengths n of which room - n is there, too; the same one only if there are two.
                longest = pairs.bit_length() - 1
                if 2 * longest != room or len(left[longest]) > 1:
                    length = longest
            items.append(left[length].pop())
            room -= length
            if not left[length]:
                has ^= 1 << length
                mirrored ^= 1 << (size - length)
        starts.append(len(items))
    return Packing(np.array(items, dtype=np.int64), np.array(starts, dtype=np.int64))
