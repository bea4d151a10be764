"""What is held out: whole documents, chosen by a keyed hash of their cleaned text.

A text's hash depends on the seed and on the text alone, so copies fall on the same side and added
texts move nothing into the held-out set: a document is held out if its hash is below a share of all
hashes, or among the N smallest, and more documents can only push it out. Two exceptions keep small
sources usable: a source without a hash below the share gives the smallest it has, and no more than
half of a source is held out. A document that some training text nearly repeats goes to training.
"""

import hmac
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from endonym.errors import CorpusError
from endonym.text.config import Split
from endonym.text.near import Index

DEFAULT_SHARE = 0.05

Keys = np.ndarray[tuple[int], np.dtype[np.uint64]]
Chosen = np.ndarray[tuple[int], np.dtype[np.bool_]]
Texts = Callable[[Chosen], Iterator[str]]
"""Gives the texts of the chosen documents, in order."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Which documents are held out, which nearly were, and what overlap remains."""

    chosen: Chosen
    near_copies: Chosen
    overlap: float


def digest(text: bytes, seed: int) -> bytes:
    """Sixteen bytes that name a text under a seed."""
    return hmac.digest(f"endonym split {seed}".encode(), text, "sha256")[:16]


def held_out(keys: Sequence[Keys], split: Split, texts: Texts) -> HeldOut:
    """The held-out documents of all sources, one after another.

    keys: the first eight bytes of each document's digest, source by source.
    """
    candidates = np.concatenate(candidates_of(keys, split))
    index = Index(texts(candidates), texts(np.ones_like(candidates)))
    numbers = np.nonzero(candidates)[0]
    training, moved = ~candidates, np.zeros(len(candidates), dtype=np.bool_)
    while training.any():
        before = index.contaminated.copy()
        index.compare(texts(training))
        training = np.zeros(len(candidates), dtype=np.bool_)
        training[numbers[index.contaminated & ~before]] = True
        moved |= training
    left = np.nonzero(~index.contaminated)[0]
    return HeldOut(candidates & ~moved, moved, index.overlap(left))


def candidates_of(keys: Sequence[Keys], split: Split) -> list[Chosen]:
    """For each source, which documents are held out unless training text repeats them."""
    if split.val_documents is not None:
        return smallest(keys, split.val_documents)
    share = split.val_share or DEFAULT_SHARE
    chosen = [below(source, share) for source in keys]
    if any(source.any() for source in chosen):
        return chosen
    pool = below(np.concatenate(list(keys)), share)
    return np.split(pool, np.cumsum([len(source) for source in keys])[:-1])


def smallest(keys: Sequence[Keys], count: int) -> list[Chosen]:
    """The documents with the N smallest hashes of all sources: in proportion to their sizes."""
    every = np.sort(np.concatenate(list(keys)))
    if count >= len(every):
        raise CorpusError(
            f"val_documents = {count:,}, but only {len(every):,} documents were kept",
            do="Hold out fewer, or give val_share, or add texts.",
        )
    return [source <= every[count - 1] for source in keys]


def below(keys: Keys, share: float) -> Chosen:
    """Hashes below a share of all; at least one, at most half of them, none of a single one."""
    if len(keys) < 2:
        return np.zeros(len(keys), dtype=np.bool_)
    chosen = keys < np.uint64(int(share * 2**64))
    ordered = np.sort(keys)
    if not chosen.any():
        chosen = keys <= ordered[0]
    if chosen.sum() * 2 > len(keys):
        chosen = keys <= ordered[max(0, len(keys) // 2 - 1)]
    return chosen


def of_source(chosen: Chosen, counts: Iterable[int]) -> list[Chosen]:
    """A choice over all documents, divided by source."""
    return np.split(chosen, np.cumsum(list(counts))[:-1])
