"""From the logits of several sequences to the next token of each, in a few calls of numpy.

The tokens that are kept are those of `generate/sample.py`; one uniform number draws among them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from endonym.generate.sample import Sampling
from endonym.generate.whole_characters import unfinished
from endonym.serve.engine import Logits, Vocabulary

FAINT = (1e-2, 1e-4, 0.0)
"""Tokens so much less likely than the likeliest are sorted only if top-k or top-p need them."""


@dataclass(slots=True)
class Chooser:
    """How the tokens of one sequence are chosen, and what was chosen so far.

    min_tokens: the text may end only after so many. bias: is added to the logits of ids.
    """

    sampling: Sampling
    min_tokens: int = 0
    bias: dict[int, float] = field(default_factory=dict[int, float])
    seen: set[int] = field(default_factory=set[int])
    made: int = 0
    pending: bytes = b""
    """An unfinished character."""
    random: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.random = np.random.Generator(np.random.Philox(key=self.sampling.seed))


class Draw:
    """Draws the next tokens. No token is drawn that would break a character."""

    def __init__(self, vocabulary: Vocabulary, ends: Collection[int]) -> None:
        self.vocabulary, self._ends = vocabulary, np.array(sorted(ends), dtype=np.int64)
        self._pieces = [vocabulary.bytes_of(index) for index in range(vocabulary.vocab)]
        tails = [unfinished(piece) for piece in self._pieces]
        self._inside = np.array([n for n, tail in enumerate(tails) if tail is None], dtype=np.int64)
        """Ids that begin inside a character, or are no UTF-8 at all."""
        empty = [n for n, piece in enumerate(self._pieces) if not piece]
        self._never = np.array([n for n in empty if n not in ends], dtype=np.int64)
        """Ids that stand for no text: other special tokens, and unused ones."""
        self._allowed: dict[bytes, NDArray[np.int64]] = {}

    def next(self, logits_BV: Logits, choosers: Sequence[Chooser]) -> list[int]:
        """The next token of each row. The logits are overwritten."""
        logits_BV[:, self._never] = logits_BV[:, self.vocabulary.vocab :] = -np.inf
        for logits_V, chooser in zip(logits_BV, choosers, strict=True):
            self._restrict(logits_V, chooser)
        found = logits_BV.argmax(axis=1)
        drawn = [n for n, each in enumerate(choosers) if not each.sampling.is_greedy]
        if drawn:
            whole = len(drawn) == len(choosers)
            rows_BV = logits_BV if whole else logits_BV[drawn]
            found[drawn] = _drawn(rows_BV, [choosers[n] for n in drawn])
        chosen: list[int] = found.tolist()
        for index, chooser in zip(chosen, choosers, strict=True):
            chooser.made += 1
            chooser.seen.add(index)
            chooser.pending = unfinished(chooser.pending + self.vocabulary.bytes_of(index)) or b""
        return chosen

    def _restrict(self, logits_V: Logits, chooser: Chooser) -> None:
        """Bias, the repetition penalty, and tokens that may not come next."""
        for index, bias in chooser.bias.items():
            logits_V[index] += bias
        penalty = chooser.sampling.repetition_penalty
        if penalty != 1.0:
            ids = np.fromiter(chooser.seen.difference(self._ends.tolist()), dtype=np.int64)
            old = logits_V[ids]
            logits_V[ids] = np.where(old > 0, old / penalty, old * penalty)
        if chooser.made < chooser.min_tokens:
            logits_V[self._ends] = -np.inf
        if chooser.sampling.is_greedy:
            return
        if not chooser.pending:
            logits_V[self._inside] = -np.inf
            return
        allowed = self._following(chooser.pending)
        kept = logits_V[allowed]
        logits_V[:] = -np.inf
        logits_V[allowed] = kept

    def _following(self, pending: bytes) -> NDArray[np.int64]:
        """The ids that may follow an unfinished character; the end may always."""
        if pending not in self._allowed:
            ids = [
                index
                for index in self._inside.tolist()
                if unfinished(pending + self._pieces[index]) is not None
            ]
            self._allowed[pending] = np.array([*self._ends.tolist(), *ids], dtype=np.int64)
        return self._allowed[pending]


def _drawn(logits_BV: Logits, choosers: Sequence[Chooser]) -> list[int]:
    """A token of each row, by its probability among those that top-k and top-p keep.

    Of a row that is no distribution (all tokens ruled out, or logits that are not numbers) it is
    the likeliest one.
    """
    likeliest_B = np.nan_to_num(logits_BV, nan=-np.inf).argmax(axis=1)
    samplings = [each.sampling for each in choosers]
    heat_B1 = np.array([[each.temperature] for each in samplings], dtype=np.float32)
    with np.errstate(invalid="ignore"):
        mass_BV = logits_BV - logits_BV.max(axis=1, keepdims=True)
        np.exp(np.divide(mass_BV, heat_B1, out=mass_BV), out=mass_BV)
    sums_B = mass_BV.sum(axis=1, dtype=np.float64)
    rows = zip(mass_BV, sums_B.tolist(), choosers, strict=True)
    return [
        _drawn_one(mass_V, total, chooser) if np.isfinite(total) else int(likeliest_B[number])
        for number, (mass_V, total, chooser) in enumerate(rows)
    ]


def _drawn_one(mass_V: Logits, total: float, chooser: Chooser) -> int:
    """Draw from masses whose highest is 1; they need not add up to it."""
    top_k, top_p = chooser.sampling.top_k, chooser.sampling.top_p
    if top_p == 1 and not 0 < top_k < len(mass_V):
        ids, sums = None, mass_V.cumsum(dtype=np.float64)
    else:
        ids = np.empty(0, dtype=np.int64)
        for faint in FAINT:
            ids = np.flatnonzero(mass_V > faint)
            if len(ids) >= top_k if top_k else mass_V[ids].sum() >= top_p * total:
                break
        ids, sums = _ranked(mass_V, ids)
        if top_k:
            sums = sums[:top_k]
            total = sums[-1]
        sums = sums[: int(np.searchsorted(sums, top_p * total)) + 1]
    place = int(np.searchsorted(sums, chooser.random.random() * sums[-1], side="right"))
    place = min(place, len(sums) - 1)
    return place if ids is None else int(ids[place])


def _ranked(
    mass_V: Logits, ids: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """These ids, the likeliest first, and the sums of their masses."""
    masses = mass_V[ids]
    order = np.argsort(-masses)
    return ids[order], masses[order].cumsum(dtype=np.float64)


def log_probabilities(logits_BV: Logits) -> Logits:
    """Natural logarithms of the model's own probabilities."""
    top_B1 = logits_BV.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # of logits that are no numbers
        sums_B1 = np.exp(logits_BV - top_B1).sum(axis=1, keepdims=True, dtype=np.float64)
        return logits_BV - (top_B1 + np.log(sums_B1)).astype(np.float32)


def likeliest(log_V: Logits, count: int) -> list[tuple[int, float]]:
    """The likeliest ids with their log-probabilities, in order; none without a finite one."""
    if not count:
        return []
    count = min(count, len(log_V))
    ids = np.argpartition(-log_V, count - 1)[:count]
    ids = ids[np.argsort(-log_V[ids], kind="stable")]
    return [(int(index), float(log_V[index])) for index in ids if np.isfinite(log_V[index])]
