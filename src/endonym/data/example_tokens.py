"""Examples on disk (data/examples.py), and the order in which a phase reads them.

Examples are packed into rows by their lengths; none is cut, and a pair stands in one row. Which
rows there are depends on the lengths alone. In each epoch examples of equal length change places,
and the rows are shuffled: a pure function of seed, epoch and row number. What is left of a row is
end-of-text of which nothing is learnt, a document of its own.
"""

import functools
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from endonym.data.order import Integers, Numbers, Rows, runs, shuffled
from endonym.data.shards import damaged, id_type
from endonym.disk import Json, read_json
from endonym.seed import named_seed

ExampleSplit = Literal["train", "dev"]
GROUP_TOKENS = 1 << 20
"""Tokens that are counted at once, about."""


class ExampleTokens:
    """The examples of a split. Those of a preference pair follow each other, the chosen one first.

    Where none is held out, those of dev are those of training: validations show that it learns.
    starts, lengths: of each example in the file of ids. openings: the first id of each, which is
    read and not predicted; it is not in that file. together: how many examples stand in one row, 2
    for pairs.
    """

    def __init__(self, folder: Path, split: ExampleSplit) -> None:
        described = read_json(folder / "examples.json")
        self.folder = folder
        self.split = split
        self.vocab: int = described["vocab"]
        self.end_id: int = described["end"]
        self.together = 2 if described["objective"] == "preferences" else 1
        kind = id_type(self.vocab)
        offsets = np.load(folder / "offsets.npy").astype(np.int64)
        for name, size in (("ids.bin", kind.itemsize), ("learnt.bin", 1)):
            if (folder / name).stat().st_size != offsets[-1] * size:
                raise damaged(
                    folder,
                    f"the index needs {offsets[-1]:,} tokens, the file has another size",
                    name,
                )
        is_dev = np.load(folder / "dev.npy")
        is_of_split = is_dev == (split == "dev" and is_dev.any())
        self.starts: Integers = offsets[:-1][is_of_split]
        if described["opening"] is None:  # Templates of other models may begin in several ways.
            openings = np.load(folder / "openings.npy")
        else:
            openings = np.full(len(is_dev), described["opening"], dtype=np.int64)
        self.openings: Integers = openings[is_of_split]
        self.lengths: Integers = np.diff(offsets)[is_of_split]
        self.ids = np.memmap(folder / "ids.bin", dtype=kind, mode="r")
        self.learnt = np.memmap(folder / "learnt.bin", dtype=np.uint8, mode="r")
        self.byte_counts: Integers = np.load(folder / "bytes.npy")

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def longest_document(self) -> int:
        """Tokens of the longest example."""
        return int(self.lengths.max(initial=0))

    def prompt(self, number: int) -> Integers:
        """The ids of an example before its first answer, as the model reads them."""
        ids, is_learnt = self._stored(number)
        return np.concatenate((self.openings[number : number + 1], ids[: is_learnt.argmax()]))

    def answers(self, number: int) -> list[Integers]:
        """The ids of each stretch of an example that is learnt."""
        ids, is_learnt = self._stored(number)
        stretches = np.split(ids, np.flatnonzero(is_learnt[1:] != is_learnt[:-1]) + 1)
        return stretches[0 if is_learnt[0] else 1 :: 2]  # in turn learnt and only read

    def _stored(self, number: int) -> tuple[Integers, Integers]:
        """The ids of an example but the first, and for each whether it is learnt, 0 or 1."""
        stored = runs(self.starts[number : number + 1], self.lengths[number : number + 1])
        return self.ids[stored].astype(np.int64), self.learnt[stored].astype(np.int64)

    def totals(self) -> dict[str, int]:
        """Examples, their tokens, the tokens that are learnt, and the bytes of these."""
        n_tokens = int(self.lengths.sum())
        n_learnt = 0
        n_bytes = 0
        for numbers in np.array_split(np.arange(len(self)), 1 + n_tokens // GROUP_TOKENS):
            stored = runs(self.starts[numbers], self.lengths[numbers])
            learnt = stored[self.learnt[stored] > 0]
            n_learnt += len(learnt)
            n_bytes += int(self.byte_counts[self.ids[learnt]].sum())
        return {"examples": len(self), "tokens": n_tokens, "learnt": n_learnt, "bytes": n_bytes}


def figures(tokens: ExampleTokens, rows: int, context: int) -> Json:
    """What a manifest says of a split: totals, rows, and the share of rows that is empty."""
    gap = 1 - float(tokens.lengths.sum()) / max(1, rows * context)
    return {**tokens.totals(), "rows": rows, "gap": round(gap, 6)}


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
        self.tokens = tokens
        self.context = context
        self.seed = seed
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
        """The rows from `first` up to `first + count`, whose end is not included."""
        size = count * self.context
        tokens, targets = np.full((2, size), self.tokens.end_id, dtype=np.int64)
        documents = np.full(size, GAP, dtype=np.int64)
        places = np.zeros(size, dtype=np.int64)
        weights = np.zeros(size, dtype=np.float32)
        reference = None if self.reference is None else np.zeros(size, dtype=np.float32)
        for index in range(count):
            epoch, row = divmod(first + index, self.rows_per_epoch)
            examples = self.examples(epoch, row)
            lengths = self.tokens.lengths[examples]
            starts = index * self.context + np.cumsum(lengths) - lengths
            positions = runs(starts, lengths)
            stored = runs(self.tokens.starts[examples], lengths)
            places[positions] = stored
            targets[positions] = self.tokens.ids[stored]
            tokens[positions[1:]] = targets[positions[:-1]]
            tokens[starts] = self.tokens.openings[examples]
            weights[positions] = self.tokens.learnt[stored]
            documents[positions] = np.repeat(epoch * len(self.tokens) + examples, lengths)
            if reference is not None and self.reference is not None:
                reference[starts] = self.reference[examples]
        flat = [tokens, targets, documents, weights, reference, places]
        shaped: list[Any] = [e if e is None else e.reshape(count, self.context) for e in flat]
        return Rows(*shaped)

    def tokens_by_source(self, documents: Integers) -> dict[str, int]:
        """Nothing: examples are of no source of the corpus."""
        return {}

    def examples(self, epoch: int, index: int) -> Integers:
        """The examples in a row of an epoch."""
        items, rows = self._epoch(epoch)
        start, stop = self.packing.starts[rows[index] : rows[index] + 2]
        together = self.tokens.together
        return (items[start:stop, None] * together + np.arange(together)).ravel()

    def _made(self, epoch: int) -> tuple[Integers, Integers]:
        """The items of an epoch in their places, and the order of the rows."""
        drawn = shuffled(len(self.item_lengths), named_seed(self.seed, "examples", epoch))
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
    longer than `size`. Which lengths are left is a number, of which bit n stands for length n, so
    that the longest one that fits is the highest bit below a mask.
    """
    by_length = np.argsort(lengths, kind="stable")
    sizes, firsts = np.unique(lengths[by_length], return_index=True)
    groups = np.split(by_length, firsts[1:])
    left = {n: group[::-1].tolist() for n, group in zip(sizes.tolist(), groups, strict=True)}
    lengths_left = sum(1 << length for length in left)  # bit n: some item of length n is left
    mirrored = sum(1 << (size - length) for length in left)  # bit size - n: the same
    assert lengths_left.bit_length() <= size + 1, "too long ones are rejected"
    items = list[int]()
    starts = [0]
    while lengths_left:
        room = size
        while fitting := lengths_left & ((2 << room) - 1):
            length = fitting.bit_length() - 1
            pairs = lengths_left & (mirrored >> (size - room))
            if room < size and length < room and pairs:
                # Lengths n of which room - n is there, too; the same one only if there are two.
                longest = pairs.bit_length() - 1
                if 2 * longest != room or len(left[longest]) > 1:
                    length = longest
            items.append(left[length].pop())
            room -= length
            if not left[length]:
                lengths_left ^= 1 << length
                mirrored ^= 1 << (size - length)
        starts.append(len(items))
    return Packing(np.array(items, dtype=np.int64), np.array(starts, dtype=np.int64))
