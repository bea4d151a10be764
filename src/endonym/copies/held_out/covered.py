"""Candidates whose letters stand all over the training text, though in no single text of it.

A page of sentences that stand one by one in a list is a near copy of no line of that list. So a
candidate is also compared with all other texts together: **covered** is the share of its letters
that stand in a run of twenty letters which some other text has. Twenty letters are four or five
words: runs of that length that a language repeats by chance cover a few per cent of a text.

A sentence under twenty letters has no such run. From eight letters on it is covered if some other
text has it between the same borders: a sentence ends at a sign that ends sentences, at the end of a
line or of the text.

A text of more than LONGEST letters is judged by stretches of it, spread evenly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from endonym.copies.hashes import (
    Hashes,
    Indices,
    Marks,
    Postings,
    lengths_of,
    owners_of,
    places_within,
    unmarked,
)
from endonym.copies.letters import padded_runs, placed, run_hashes, sums
from endonym.script.fold import PORTION_CHARS, folding, portions
from endonym.script.scripts import SENTENCE_ENDS, table

WIDTH = 20
"""Letters in a run."""
LEAST = 8
"""Letters that a short sentence has at least; it has fewer than a run."""
BORDERS = rf"[\0\n\r\u2028\u2029{SENTENCE_ENDS}]"
SEED = 5
MOST_COVERED = 0.5
"""A candidate is trained on if more of its letters are covered. docs/log.md has the measurement."""
LONGEST = 4_000
STRETCHES = 8
"""Letters of a text by which it is judged, and in how many stretches if it is longer."""

Table = np.ndarray[tuple[int, int], np.dtype[np.int64]]


class Sentences(NamedTuple):
    """Short sentences in order: the text of each, its place among the letters there, its size."""

    hashes: Hashes
    texts: Indices
    places: Indices
    sizes: Indices

    def at(self, chosen: Indices | Marks) -> "Sentences":
        """Some of them."""
        return Sentences._make(each[chosen] for each in self)

    def within(self, text: int, first: int, size: int) -> "Sentences":
        """Those that stand wholly in a stretch of a text; places from its beginning."""
        begin, end = np.searchsorted(self.texts, [text, text + 1])
        places = self.places[begin:end]
        is_within = (places >= first) & (places + self.sizes[begin:end] <= first + size)
        stays = begin + np.flatnonzero(is_within)
        found = self.at(stays)
        return found._replace(places=found.places - first)


class Stretch(NamedTuple):
    """The letters of a stretch, the hashes of its runs in order, and its short sentences."""

    letters: int
    runs: Hashes
    sentences: Sentences


@dataclass(slots=True)
class Covered:
    """The runs and short sentences of the candidates, and which of them were seen.

    postings: of each distinct run, the places where it begins among the runs of all candidates; of
    each distinct sentence, its number among all sentences, counted on from the last run.
    ends: where each stretch ends among the runs. owners: the candidate of each stretch. sizes: its
    letters. spans: of each sentence its stretch, its place there and its letters. letters: of each
    candidate.
    """

    postings: Postings
    ends: Indices
    owners: Indices
    sizes: Indices
    spans: Table
    letters: Indices
    seen: Marks = field(init=False)

    def __post_init__(self) -> None:
        self.seen = unmarked(len(self.postings.hashes))

    @classmethod
    def made(cls, found: Sequence[Sequence[Stretch]], letters: Sequence[int]) -> "Covered":
        """From each candidate's stretches in order, and its letters."""
        stretches = [stretch for some in found for stretch in some]
        sentences = [stretch.sentences for stretch in stretches]
        runs = [stretch.runs for stretch in stretches]
        hashes = [sentence.hashes for sentence in sentences]
        every = np.concatenate([np.empty(0, dtype=np.uint64), *runs, *hashes])
        none = np.empty((3, 0), dtype=np.int64)
        spans = [
            np.stack([np.full(len(each.places), number), each.places, each.sizes])
            for number, each in enumerate(sentences)
        ]
        return cls(
            Postings.made(every, np.arange(len(every))),
            ends=np.cumsum([len(run) for run in runs], dtype=np.int64),
            owners=owners_of(lengths_of(found)),
            sizes=np.array([each.letters for each in stretches], dtype=np.int64),
            spans=np.concatenate([none, *spans], axis=1),
            letters=np.array(letters, dtype=np.int64),
        )

    def mark(self, texts: Sequence[str], folded: Sequence[str]) -> None:
        """See which runs and short sentences some texts have; folded: the same texts, folded."""
        if not len(self.seen):
            return
        for hashes, _ in padded_runs(folded, WIDTH):
            self.seen[self.postings.matches(hashes)[1]] = True
        if self.spans.shape[1]:
            self.seen[self.postings.matches(short_sentences(texts).hashes)[1]] = True

    def share(self, candidates: Indices) -> float:
        """The share of the letters of these candidates together that are covered."""
        letters = self.letters[candidates]
        return float((self.shares()[candidates] * letters).sum() / max(1, letters.sum()))

    def shares(self) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        """For each candidate the share of its letters that are covered."""
        count = len(self.letters)
        # Of each place among the runs, and after them of each sentence, whether it was seen.
        begins = unmarked(len(self.postings.owners))
        begins[self.postings.holders(np.flatnonzero(self.seen))[0]] = True
        runs = int(self.ends[-1]) if len(self.ends) else 0
        spans = self.spans[:, begins[runs:]]
        parts = np.searchsorted(spans[0], np.arange(len(self.ends) + 1))
        letters = np.zeros(count)
        covered = np.zeros(count)
        first = 0
        for number, owner in enumerate(self.owners.tolist()):
            end = int(self.ends[number])
            size = int(self.sizes[number])
            _, at, sizes = spans[:, parts[number] : parts[number + 1]]
            letters[owner] += size
            covered[owner] += covered_letters(size, np.flatnonzero(begins[first:end]), at, sizes)
            first = end
        return covered / np.maximum(letters, 1)


def covered_letters(size: int, runs: Indices, places: Indices, sizes: Indices) -> int:
    """How many of so many letters are covered by runs and sentences that begin at these places."""
    if not len(runs) + len(places):
        return 0
    # One more where something begins, one less behind its end: the sum is how many cover a letter.
    change = np.zeros(size + 1, dtype=np.int64)
    change[runs] += 1
    change[runs + WIDTH] -= 1
    change[places] += 1
    change[places + sizes] -= 1
    return int(np.count_nonzero(np.cumsum(change)))


def stretches_of(texts: Sequence[str], folded: Sequence[str]) -> Iterator[list[Stretch]]:
    """The stretches by which each text is judged, in order; folded: the same texts, folded."""
    sentences = short_sentences(texts)
    for number, text in enumerate(folded):
        size = len(text)
        firsts = [0]
        if size > LONGEST:
            size = LONGEST // STRETCHES
            firsts = np.linspace(0, len(text) - size, STRETCHES).astype(np.int64).tolist()
        yield [
            Stretch(
                size, run_hashes(text[at : at + size], WIDTH), sentences.within(number, at, size)
            )
            for at in (firsts if size >= LEAST else ())
        ]


def short_sentences(texts: Sequence[str]) -> Sentences:
    """The short sentences of texts. A sentence of a text of a million letters may be cut in two."""
    found = [
        _sentences_and_letters([text if len(text) <= PORTION_CHARS else "" for text in texts])[0]
    ]
    for number, text in enumerate(texts):
        before = 0
        for portion in portions(text) if len(text) > PORTION_CHARS else ():
            some, letters = _sentences_and_letters([portion])
            found.append(some._replace(texts=some.texts + number, places=some.places + before))
            before += letters
    every = Sentences(*(np.concatenate(each) for each in zip(*found, strict=True)))
    return every.at(np.argsort(every.texts, kind="stable"))


def _sentences_and_letters(texts: Sequence[str]) -> tuple[Sentences, int]:
    """The short sentences of texts that are folded at once, and how many letters all texts have."""
    codes, kept, letters, firsts = folding([text.replace("፡፡", "።") for text in texts])
    numbers = np.cumsum(table(BORDERS)[codes], dtype=np.int64)[kept]
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    sizes = np.diff(starts, append=len(kept))
    hashes = sums(placed(letters, places_within(sizes), seed=SEED), np.append(starts, len(kept)))
    owners = np.searchsorted(firsts, starts, side="right") - 1
    every = Sentences(hashes, owners, starts - firsts[owners], sizes)
    return every.at((sizes >= LEAST) & (sizes < WIDTH)), len(kept)
