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
    """Some numbers, sorted, and how often each occurs."""

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

    tokens: counts as a target. contexts: counts as an input. followers: how many different targets
    each input has.
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
        occurrences = self.tokens[ids] - less.tokens.of(ids)
        unigram = (occurrences + 1.0) / (self.tokens.sum() - less.size + self.vocab)
        contexts = np.concatenate(([self.end_id], ids[:-1]))
        keys = contexts * self.vocab + ids
        pair_counts = self.pairs.of(keys) - less.pairs.of(keys)
        totals = np.maximum(self.contexts[contexts] - less.contexts.of(contexts), 1)
        types = self.followers[contexts] - less.followers.of(contexts)
        unigram_weight = np.where(types > 0, DISCOUNT * types / totals, 1.0)
        bigram = np.maximum(pair_counts - DISCOUNT, 0.0) / totals + unigram_weight * unigram
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
        none = np.zeros(0, dtype=np.int64)
        end = np.array([whole.end_id])
        inputs = np.concatenate([none, *(part for ids in documents for part in (end, ids))])
        targets = np.concatenate([none, *(part for ids in documents for part in (ids, end))])
        self.size = len(targets)
        self.tokens = counts_of(targets)
        self.contexts = counts_of(inputs)
        pairs, counts = counts_of(inputs * whole.vocab + targets)
        whole_counts = whole.pairs.of(pairs)
        self.pairs = NumberCounts(pairs, np.minimum(counts, whole_counts))
        is_only_here = (counts >= whole_counts) & (whole_counts > 0)
        self.followers = counts_of(pairs[is_only_here] // whole.vocab)


def count(shards: TokenShards, order: Order | None = None) -> Baselines:
    """Count a training split, in chunks of bounded memory.

    order: the order of the training, if documents are joined: line ends are counted where its first
    epoch has them.
    """
    vocab = shards.vocab
    line_ends = [] if order is None or order.line_end is None else order.line_ends(0)
    tokens = np.zeros(vocab, dtype=np.int64)
    contexts = np.zeros(vocab, dtype=np.int64)
    pairs = np.zeros(0, dtype=np.int64)
    counts = np.zeros(0, dtype=np.int64)
    for number, part in enumerate(shards.parts):
        for start in range(0, len(part) - 1, CHUNK_TOKENS):
            piece = part[start : start + CHUNK_TOKENS + 1].astype(np.int64)
            inputs = piece[:-1].copy()
            targets = piece[1:]
            if line_ends:
                for ids, offsets in zip((inputs, targets), line_ends[number], strict=True):
                    first, last = np.searchsorted(offsets, (start, start + len(ids)))
                    ids[offsets[first:last] - start] = shards.require_line_end()
            contexts += np.bincount(inputs, minlength=vocab)
            tokens += np.bincount(targets, minlength=vocab)
            new_pairs, new_counts = np.unique(inputs * vocab + targets, return_counts=True)
            pairs, inverse = np.unique(np.concatenate((pairs, new_pairs)), return_inverse=True)
            all_counts = np.concatenate((counts, new_counts)).astype(np.float64)
            counts = np.bincount(inverse, weights=all_counts).astype(np.int64)
    followers = np.bincount(pairs // vocab, minlength=vocab)
    pair_counts = NumberCounts(pairs, counts)
    return Baselines(vocab, shards.end_id, tokens, contexts, pairs=pair_counts, followers=followers)
