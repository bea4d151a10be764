"""The split: dev, for choices during development, test, for final scores, and train.

Whole blocks of neighbouring documents are held out, so that a paragraph of a text that is stored
line by line is not divided between training and evaluation, and held-out lines can also be read as
longer texts. Where a block begins is decided by each document's own text (content-defined
chunking): with a probability of its size / 2,000 bytes (`block_bytes`), after a document of that
size, and with every raw file. So blocks have about 2,000 bytes, and a longer document is a block of
its own. Where a source says which article a sentence is from (`article` in its notes), all
sentences of an article have one key, wherever they stand: they are held out together or not at all.

The hash of a block is that of its first document, and depends on the seed and on the text alone:
texts added at the end of a file, or in other files, move nothing into the held-out sets. A block is
held out if its hash is below a share of all hashes, or among the smallest, and more documents can
only push it out. The share is lower where it would be more of a source than split.val_bytes. There
are exceptions for small sources: one of fewer than twenty blocks is split by documents (so its sets
change when it grows beyond), one without a hash below the share gives its smallest one, and no more
than half of a source is held out.

A held-out document that some training text nearly repeats, or that all training texts together
cover, goes to training, and one of test that dev text so repeats goes to dev. With
split.keep_near_copies both stay.
"""

import functools
import hmac
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from endonym.copies.hashes import Hashes, Indices, Marks, unmarked
from endonym.copies.held_out.repeated import Index
from endonym.errors import CorpusError
from endonym.formats.config import BLOCK_BYTES, Split

Side = Literal["train", "dev", "test"]
SIDES: tuple[Side, ...] = ("train", "dev", "test")
FEW_BLOCKS = 20
"""Sources of fewer blocks are split by documents: a block would be too large a part of them."""

Digests = np.ndarray[tuple[int, int], np.dtype[np.uint64]]
"""The digests of documents, each as two numbers."""
Sides = np.ndarray[tuple[int], np.dtype[np.int8]]
Texts = Callable[[Marks], Iterator[str]]
"""From chosen documents to their texts, in order."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Which documents are held out, which near copies were moved, and the remaining overlap.

    overlap: the share of the runs of 13 letters of dev and test that occur in training text.
    covered: the share of the letters of dev and test that training text covers (covered.py).
    covered_of: the same of each source.
    """

    dev: Marks
    test: Marks
    near_copies: Marks
    overlap: float
    covered: float
    covered_of: Sequence[float]

    def sides(self) -> Sides:
        """The split of each document, as an index into SIDES."""
        return (self.dev + 2 * self.test).astype(np.int8)


@functools.cache
def chances(block_bytes: int) -> Hashes:
    """A document of that size begins a block if the second half of its digest is below this."""
    limits = [-(-(size << 64) // block_bytes) for size in range(block_bytes)]
    return np.array(limits, dtype=np.uint64)


class Blocks:
    """Groups documents into blocks of about `size` bytes as they come. key: of the current one."""

    def __init__(self, size: int = BLOCK_BYTES) -> None:
        self.size = size
        self.key = np.uint64(0)
        self.number = -1
        self.is_over = True

    def add(self, digests: Digests, sizes: Indices, starts: Marks) -> tuple[Indices, Hashes]:
        """Of each document the number of its block, and the key of that.

        sizes: in bytes. starts: which documents begin a block whatever their digest is, as the
        first one of a raw file does.
        """
        if not len(digests):
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.uint64)
        is_long = sizes >= self.size
        begins = starts | is_long
        begins |= digests[:, 1] < chances(self.size)[np.minimum(sizes, self.size - 1)]
        begins[1:] |= is_long[:-1]
        begins[0] |= self.is_over
        numbers = self.number + np.cumsum(begins)
        keys = np.append(self.key, digests[begins, 0])[numbers - self.number]
        self.is_over = bool(is_long[-1])
        self.number = int(numbers[-1])
        self.key = keys[-1]
        return numbers, keys


def digest(text: bytes, seed: int) -> bytes:
    """A keyed hash of a text, 16 bytes."""
    return hmac.digest(f"endonym split {seed}".encode(), text, "sha256")[:16]


def split_keys(documents: Hashes, blocks: Hashes) -> Hashes:
    """The keys by which a source is split: those of its blocks, or of its documents if few."""
    return documents if len(np.unique(blocks)) < FEW_BLOCKS else blocks


@dataclass
class NearCopySearch:
    """Looks for near copies in texts, one after the other."""

    texts: Texts

    def index(self, candidates: Marks, every: Marks) -> Index:
        """The index of some documents; every: they and all that they are compared with."""
        return Index.made(self.texts(candidates), self.texts(every))

    def compare(self, index: Index, others: Marks) -> None:
        """Mark the candidates that some of these documents nearly repeat."""
        index.compare(self.texts(others))


def held_out(
    keys: Sequence[Hashes], split: Split, search: NearCopySearch, sizes: Sequence[int] | None = None
) -> HeldOut:
    """The held-out documents of all sources, concatenated.

    keys: the block key of each document, source by source. sizes: of the sources in bytes, for
    split.val_bytes.
    """
    chosen = candidates_of(keys, split, sizes)
    dev, test = (np.concatenate(each) for each in zip(*chosen, strict=True))
    candidates = dev | test
    to_train, index = nearly_repeated(candidates, ~candidates, search)
    if split.keep_near_copies:
        to_train = np.zeros_like(candidates)
    dev = dev & ~to_train
    test = test & ~to_train
    to_dev = np.zeros_like(candidates)
    if not split.keep_near_copies:
        to_dev, _ = nearly_repeated(test, dev, NearCopySearch(search.texts))
    # What training text still covers of the documents that stay, by their numbers in the index.
    staying = np.nonzero(~to_train[candidates])[0]
    sizes_of = [int(marks.sum()) for marks in of_source(candidates & ~to_train, map(len, keys))]
    of_sources = np.split(staying, np.cumsum(sizes_of)[:-1])
    overlap = index.contained.overlap(staying)
    covered = index.covered.share(staying)
    covered_of = [index.covered.share(numbers) for numbers in of_sources]
    dev = dev | to_dev
    test = test & ~to_dev
    near_copies = to_train | to_dev
    return HeldOut(dev, test, near_copies, overlap, covered, covered_of)


def nearly_repeated(
    candidates: Marks, others: Marks, search: NearCopySearch
) -> tuple[Marks, Index]:
    """The candidates that other texts, or other near copies, nearly repeat or cover."""
    index = search.index(candidates, candidates | others)
    numbers = np.nonzero(candidates)[0]
    found = unmarked(len(candidates))
    others = others.copy()
    while others.any():
        before = index.contaminated.copy()
        search.compare(index, others)
        index.judge_covered()
        others = unmarked(len(candidates))
        others[numbers[index.contaminated & ~before]] = True
        found |= others
    return found, index


def candidates_of(
    keys: Sequence[Hashes], split: Split, sizes: Sequence[int] | None = None
) -> list[tuple[Marks, Marks]]:
    """For each source the dev and test documents, before near copies are moved."""
    if split.val_documents is not None:
        return smallest(keys, split.val_documents)
    split = split.resolved()
    share = split.val_share
    assert share is not None
    shares = [share] * len(keys)
    if split.val_bytes is not None and sizes is not None:
        shares = [min(share, split.val_bytes / max(1, size)) for size in sizes]
    chosen = [below(source, limit) for source, limit in zip(keys, shares, strict=True)]
    if any(dev.any() for dev, _ in chosen) and any(test.any() for _, test in chosen):
        return chosen
    # Sources of a few documents each: split as if they were one.
    dev, test = below(np.concatenate(keys), share)
    counts = [len(source) for source in keys]
    return list(zip(of_source(dev, counts), of_source(test, counts), strict=True))


def smallest(keys: Sequence[Hashes], count: int) -> list[tuple[Marks, Marks]]:
    """The blocks with the smallest keys of all sources, until they have so many documents.

    So each source gives in proportion to its size. The block with the largest key always stays in
    train.
    """
    every = np.sort(np.concatenate(keys))
    if count >= len(every):
        raise CorpusError(
            f"val_documents = {count:,}, but only {len(every):,} documents were kept",
            do="Hold out fewer, or give val_share, or add texts.",
        )
    blocks = np.unique(every)
    if len(blocks) < len(SIDES):
        nothing = [unmarked(len(source)) for source in keys]
        return [(each, each) for each in nothing]
    # Test ends with a block, dev with a later one; at least one more stays in train.
    test_end, dev_end = (int(blocks.searchsorted(every[n - 1])) for n in (count // 2, count))
    test_end = min(test_end, len(blocks) - 3)
    dev_end = min(max(dev_end, test_end + 1), len(blocks) - 2)
    middle = blocks[test_end]
    last = blocks[dev_end]
    return [((source > middle) & (source <= last), source <= middle) for source in keys]


def below(keys: Hashes, share: float) -> tuple[Marks, Marks]:
    """Dev and test of a source: its blocks with keys below a share of all; the lower half is test.

    At least one of each, of four blocks or more, and at most half of the documents in all. A block
    that has more than half of them stays in train.
    """
    blocks, counts = np.unique(keys, return_counts=True)
    nothing = unmarked(len(keys))
    if len(blocks) < 2:
        return nothing, nothing
    half = len(keys) // 2
    blocks = blocks[counts <= half]
    counts = counts[counts <= half]
    allowed = blocks[np.cumsum(counts) <= half]
    middle, last = (int(allowed.searchsorted(int(part * 2**64))) for part in (share / 2, share))
    # At least two are held out, one for each, whatever their hashes are.
    last = max(last, min(2, len(allowed)))
    middle = min(max(1, middle), max(1, last - 1))
    return np.isin(keys, allowed[middle:last]), np.isin(keys, allowed[:middle])


def of_source(values: Marks | Sides, counts: Iterable[int]) -> list[np.ndarray]:
    """An array over all documents, split by source."""
    return np.split(values, np.cumsum(list(counts))[:-1])
