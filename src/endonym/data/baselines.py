"""Baselines without training: uniform, unigram and bigram models, counted on training tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from endonym.data.order import Integers, Order
from endonym.data.shards import CHUNK_TOKENS, TokenShards

DISCOUNT = 0.75


class NumberCounts(NamedTuple):
    """Counts of some numbers, which are sorted."""

    numbers: Integers
    counts: Integers

    def of(self, wanted: Integers) -> Integers:
        """How often each of these numbers occurs."""
        if not len(self.numbers):
            return np.zeros(len(wanted), dtype=np.int64)
        indices = np.minimum(np.searchsorted(self.numbers, wanted), len(self.numbers) - 1)
        return np.where(self.numbers[indices] == wanted, self.counts[indices], 0)


def counts_of(numbers: Integers) -> NumberCounts:
    """How often each of the numbers occurs."""
    return NumberCounts(*np.unique(numbers, return_counts=True))


@dataclass(frozen=True, slots=True)
class Baselines:
    """Counts of tokens and of pairs, which are `first * vocab + second`.

    tokens: counts as a target. contexts: counts as an input.
    """

    vocab: int
    end_id: int
    tokens: Integers
    contexts: Integers
    pairs: NumberCounts
    followers: Integers

    def nats(
        self, ids: Integers, less: "DocumentCounts | None" = None
    ) -> dict[str, NDArray[np.float64]]:
        """Nats of each id of a document under the three models, starting after end-of-text.

        less: documents of the training text to leave out of the counts.

        unigram: (n(w) + 1) / (N + V). bigram: max(n(c,w) - d, 0) / n(c) + d · types(c) / n(c) ·
        unigram(w), with d = 0.75; a context never seen leaves the unigram.
        Source: Ney, Essen and Kneser 1994, eq. 12 (absolute discounting, interpolated).
        """
        less = less or DocumentCounts(self, [])
        found = self.tokens[ids] - less.tokens.of(ids)
        unigram = (found + 1.0) / (self.tokens.sum() - less.size + self.vocab)
        contexts = np.concatenate(([self.end_id], ids[:-1]))
        keys = contexts * self.vocab + ids
        seen = self.pairs.of(keys) - less.pairs.of(keys)
        totals = np.maximum(self.contexts[contexts] - less.contexts.of(contexts), 1)
        types = self.followers[contexts] - less.followers.of(contexts)
        left = np.where(types > 0, DISCOUNT * types / totals, 1.0)
        bigram = np.maximum(seen - DISCOUNT, 0.0) / totals + left * unigram
        return {
            "uniform": np.full(len(ids), np.log(self.vocab)),
            "unigram": -np.log(unigram),
            "bigram": -np.log(bigram),
        }


class DocumentCounts:
    """What some training documents add to the counts: tokens, contexts, pairs, followers.

    Where documents are joined by line ends, their ends are counted as end-of-text here; no count
    falls below zero.
    """

    def __init__(self, whole: Baselines, documents: Sequence[Integers]) -> None:
        none, end = np.zeros(0, dtype=np.int64), np.array([whole.end_id])
        befores = np.concatenate([none, *(part for ids in documents for part in (end, ids))])
        afters = np.concatenate([none, *(part for ids in documents for part in (ids, end))])
        self.size = len(afters)
        self.tokens, self.contexts = counts_of(afters), counts_of(befores)
        pairs, times = counts_of(befores * whole.vocab + afters)
        known = whole.pairs.of(pairs)
        self.pairs = NumberCounts(pairs, np.minimum(times, known))
        self.followers = counts_of(pairs[(times >= known) & (known > 0)] // whole.vocab)


def count(shards: TokenShards, order: Order | None = None) -> Baselines:
    """Count a training split, in chunks of bounded memory.

    order: the order of the training, if documents are joined: line ends are counted where its first
    epoch has them.
    """
    vocab = shards.vocab
    line_ends = [] if order is None or order.line_end is None else order.line_ends(0)
    tokens, contexts = np.zeros(vocab, dtype=np.int64), np.zeros(vocab, dtype=np.int64)
    pairs, counts = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    for number, part in enumerate(shards.parts):
        for start in range(0, len(part) - 1, CHUNK_TOKENS):
            piece = part[start : start + CHUNK_TOKENS + 1].astype(np.int64)
            read = (piece[:-1].copy(), piece[1:])
            if line_ends:
                for ids, offsets in zip(read, line_ends[number], strict=True):
                    first, last = np.searchsorted(offsets, (start, start + len(ids)))
                    ids[offsets[first:last] - start] = shards.require_line_end()
            befores, afters = read
            contexts += np.bincount(befores, minlength=vocab)
            tokens += np.bincount(afters, minlength=vocab)
            found, times = np.unique(befores * vocab + afters, return_counts=True)
            merged, inverse = np.unique(np.concatenate((pairs, found)), return_inverse=True)
            together = np.concatenate((counts, times)).astype(np.float64)
            counts = np.bincount(inverse, weights=together).astype(np.int64)
            pairs = merged
    followers = np.bincount(pairs // vocab, minlength=vocab)
    known = NumberCounts(pairs, counts)
    return Baselines(vocab, shards.end_id, tokens, contexts, known, followers)
