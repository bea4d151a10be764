"""Candidates whose letters stand all over the training text, though in no single text of it.

A page of sentences that stand one by one in a list is a near copy of no line of that list. So a
candidate is also compared with all other texts together: **covered** is the share of its letters
that stand in a run of twenty letters which some other text has. Twenty letters are four or five
words: runs of that length that a language repeats by chance cover a few per cent of a text.

A text of more than LONGEST letters is judged by stretches of it, spread evenly. A text without
twenty letters has no run; measures of single texts (near.py) judge it.
"""

from collections.abc import Sequence

import numpy as np

from endonym.text.held_out.shingles import (
    Indices,
    Numbers,
    Postings,
    runs_of,
    shingle_hashes,
    spread,
)

WIDTH = 20
"""Letters in a run."""
MOST_COVERED = 0.5
"""A candidate is trained on if more of its letters are covered. docs/log.md has the measurement."""
LONGEST, STRETCHES = 4_000, 8
"""Letters of a text by which it is judged, and in how many stretches if it is longer."""

Marks = np.ndarray[tuple[int], np.dtype[np.bool_]]
Shares = np.ndarray[tuple[int], np.dtype[np.float64]]


class Covered:
    """The runs of the candidates in their order, and which of them were seen.

    postings: of each distinct run, the places where it begins among the runs of all candidates.
    ends: where each stretch ends among these. owners: the candidate of each stretch. letters: of
    each candidate.
    """

    def __init__(
        self, postings: Postings, ends: Indices, owners: Indices, letters: Indices
    ) -> None:
        self.postings, self.ends, self.owners, self.letters = postings, ends, owners, letters
        self.seen = np.zeros(len(postings.hashes), dtype=np.bool_)

    @classmethod
    def made(cls, runs: Sequence[Sequence[Numbers]], letters: Sequence[int]) -> "Covered":
        """From the runs of each candidate's stretches in order, and its letters."""
        stretches = [stretch for some in runs for stretch in some]
        every = np.concatenate([np.empty(0, dtype=np.uint64), *stretches])
        ends = np.cumsum([len(each) for each in stretches], dtype=np.int64)
        owners = np.repeat(np.arange(len(runs)), [len(some) for some in runs])
        postings = Postings.made(every, np.arange(len(every)))
        return cls(postings, ends, owners, np.array(letters, dtype=np.int64))

    def mark(self, texts: Sequence[str]) -> None:
        """See which runs some folded texts have."""
        if len(self.seen):
            for hashes, documents in runs_of(texts, WIDTH):
                found = self.postings.find(hashes, np.zeros_like(documents))
                self.seen[found] = True

    def share(self, candidates: Indices) -> float:
        """The share of the letters of these candidates together that are covered."""
        letters = self.letters[candidates]
        return float((self.shares()[candidates] * letters).sum() / max(1, letters.sum()))

    def shares(self) -> Shares:
        """For each candidate the share of its letters that are covered."""
        count = len(self.letters)
        firsts, seen = self.postings.firsts, np.flatnonzero(self.seen)
        places = spread(firsts[seen], firsts[seen + 1] - firsts[seen])
        begins = np.zeros(len(self.postings.owners), dtype=np.bool_)
        begins[self.postings.owners[places]] = True
        letters, covered, first = np.zeros(count), np.zeros(count), 0
        for owner, end in zip(self.owners.tolist(), self.ends.tolist(), strict=True):
            letters[owner] += end - first + WIDTH - 1
            covered[owner] += letters_of(np.flatnonzero(begins[first:end]))
            first = end
        return covered / np.maximum(letters, 1)


def letters_of(places: Indices) -> int:
    """How many letters runs cover that begin at these places, in order."""
    if not len(places):
        return 0
    return int(np.minimum(np.diff(places), WIDTH).sum()) + WIDTH


def stretches_of(text: str) -> list[Numbers]:
    """The hashes of the runs of a folded text, of each stretch by which it is judged, in order."""
    if len(text) < WIDTH:
        return []
    if len(text) <= LONGEST:
        return [shingle_hashes(text, WIDTH)]
    size = LONGEST // STRETCHES
    firsts = np.linspace(0, len(text) - size, STRETCHES).astype(np.int64)
    return [shingle_hashes(text[first : first + size], WIDTH) for first in firsts.tolist()]
