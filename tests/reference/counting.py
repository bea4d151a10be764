"""Baselines counted with dictionaries, one probability at a time."""

from collections import Counter, defaultdict
from collections.abc import Sequence

DISCOUNT = 0.75


class SlowCounts:
    """Tokens, and which token followed which, of documents that begin with end-of-text.

    close: what follows a document; end-of-text if it is not given.
    """

    def __init__(
        self,
        documents: Sequence[Sequence[int]],
        *,
        vocab: int,
        end_id: int,
        close: int | None = None,
    ) -> None:
        self.vocab = vocab
        self.tokens: Counter[int] = Counter()
        self.followers: defaultdict[int, Counter[int]] = defaultdict(Counter)
        for ids in documents:
            before = end_id
            for token in [*ids, end_id if close is None else close]:
                self.tokens[token] += 1
                self.followers[before][token] += 1
                before = token

    def unigram(self, token: int) -> float:
        """(n(w) + 1) / (N + V)."""
        return (self.tokens[token] + 1) / (sum(self.tokens.values()) + self.vocab)

    def bigram(self, before: int, token: int) -> float:
        """Interpolated absolute discounting over the unigram; which alone guesses after the unseen.

        max(n(c,w) - d, 0) / n(c) + d · types(c) / n(c) · unigram(w)
        """
        counts = self.followers[before]
        total = sum(counts.values())
        if total == 0:
            return self.unigram(token)
        kept = max(counts[token] - DISCOUNT, 0) / total
        return kept + DISCOUNT * len(counts) / total * self.unigram(token)
