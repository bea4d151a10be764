"""Near copies: which candidates are nearly repeated by other texts.

Two measures of folded texts compare one text with another. **Contained**: one text has more than
half of the candidate's runs of thirteen letters. One changed letter breaks thirteen runs, so short
texts need another measure.
**Similar**: 1 - d / n is at least 0.7, where d is the edit distance (Levenshtein) of the two texts
and n the length of the longer one. Above 0.7, texts share whole phrases, below it only words.

Edit distance is computed for texts that share one of the candidate's rarest runs of six letters: of
these, as many as together occur 2,000 times in other texts. So the number of pairs grows linearly
with the number of candidates, and frequent runs cost nothing. The price: a near copy may be missed
if a text has only frequent runs. A fixed number of the rarest runs would not work, as every edit
makes rare runs.

The third measure compares a candidate with all other texts together: **covered** (covered.py).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cpdist

from endonym.copies.hashes import (
    Hashes,
    Indices,
    Marks,
    Postings,
    distinct,
    lengths_of,
    owners_of,
    ranges,
    spread,
    unmarked,
)
from endonym.copies.held_out.covered import MOST_COVERED, Covered, Stretch, stretches_of
from endonym.copies.letters import batches, overlapping_portions, padded_runs, run_hashes
from endonym.formats.chunks import read_arrays, read_chunk, write_arrays, write_chunk
from endonym.script.fold import folded

LONG = 13
SHORT = 6
"""Length of a run in letters, for each measure."""

KEPT_RUNS = 2_000
"""Approximate number of runs of thirteen that represent a long text."""

SIMILARITY = 0.7
MAX_LETTERS = 10_000
"""Longer texts are compared by containment only."""

MAX_COMPARED_TEXTS = 2_000
MAX_COMPARED_LETTERS = 200_000
"""Limits of the texts, and of their letters, that a candidate is compared with."""

COUNTER_BITS = 24

ARRAYS = {
    "contained": ("sizes", "runs"),
    "similar": ("lengths",),
    "covered": ("ends", "owners", "sizes", "spans", "letters"),
}
"""What of each part of an index is saved beside its postings."""
TEXTS = arrow.schema({"text": arrow.string()})

Texts = Callable[[Indices], list[str]]
Counters = np.ndarray[tuple[int], np.dtype[np.uint32]]


@dataclass
class Index:
    """Candidates, and which of them are nearly repeated by other texts.

    contaminated[c]: some text contains, or is similar to, candidate c; or all texts together cover
    it, which is known after `judge_covered`. The result does not depend on the order of texts. In
    memory are the candidates' runs, the candidates up to MAX_LETTERS themselves, and 64 MB of
    counters while the index is made.
    """

    contained: "Contained"
    similar: "Similar"
    covered: Covered

    def __post_init__(self) -> None:
        self.contaminated = unmarked(len(self.contained.sizes))

    @classmethod
    def made(cls, candidates: Iterable[str], every: "Iterable[str] | Counters") -> "Index":
        """An index of candidates.

        every: all texts of the comparison, with the candidates, to count how rare runs are; or
        these counts.
        """
        counters = every if isinstance(every, np.ndarray) else occurrences(every)
        kept: list[Hashes] = []
        rare: list[tuple[Hashes, Indices]] = []
        texts: list[str] = []
        stretches: list[list[Stretch]] = []
        letters: list[int] = []
        for batch in batches(candidates):
            gathered = folded(batch)
            stretches += stretches_of(batch, gathered)
            letters += map(len, gathered)
            kept += [kept_runs(text) for text in gathered]
            hashes, owners = runs_to_search_by(gathered, counters)
            rare.append((hashes, owners + len(texts)))
            texts += [text if len(text) <= MAX_LETTERS else "" for text in gathered]
        covered = Covered.made(stretches, letters)
        return cls(Contained.made(kept), Similar.made(texts, rare), covered)

    def save(self, folder: Path) -> None:
        """Write the index to files that can be mapped."""
        for part, names in ARRAYS.items():
            measure = getattr(self, part)
            measure.postings.save(folder, part)
            write_arrays(folder, {f"{part}-{name}": getattr(measure, name) for name in names})
        texts = self.similar.texts(np.arange(len(self.similar.lengths)))
        write_chunk(folder, "texts.arrow", TEXTS, [texts], compression=None)

    @classmethod
    def load(cls, folder: Path) -> "Index":
        """An index that was saved, and was not compared with anything yet."""
        texts = read_chunk(folder / "texts.arrow", schema=TEXTS)["text"]

        def chosen(numbers: Indices) -> list[str]:
            return texts.take(arrow.array(numbers)).to_pylist()

        parts = dict[str, list[Any]]()
        for part, names in ARRAYS.items():
            arrays = read_arrays(folder, [f"{part}-{name}" for name in names])
            parts[part] = [Postings.load(folder, part), *arrays]
        similar = Similar(*parts["similar"], texts=chosen)
        return cls(Contained(*parts["contained"]), similar, Covered(*parts["covered"]))

    def compare(self, texts: Iterable[str]) -> None:
        """Mark the candidates that these texts nearly repeat."""
        if not len(self.contaminated):
            return
        for batch in batches(texts):
            gathered = folded(batch)
            before = self.contaminated.sum()
            self.contained.mark(gathered, self.contaminated)
            self.similar.mark(gathered, self.contaminated)
            self.covered.mark(batch, gathered)
            if self.contaminated.sum() > before:
                self.forget_found()

    def judge_covered(self) -> None:
        """Mark the candidates that all texts compared so far cover together."""
        self.contaminated |= self.covered.shares() > MOST_COVERED
        self.forget_found()

    def found(self) -> list[np.ndarray]:
        """The candidates that are contaminated; runs seen of `contained`, of `covered`, as bits."""
        seen = (self.contained.seen, self.covered.seen)
        return [np.flatnonzero(self.contaminated), *map(np.packbits, seen)]

    def add(self, contaminated: Indices, contained: np.ndarray, covered: np.ndarray) -> None:
        """Add what a copy of this index has found, as `found` gives it."""
        self.contaminated[contaminated] = True
        for part, bits in ((self.contained, contained), (self.covered, covered)):
            part.seen |= np.unpackbits(bits, count=len(part.seen)).astype(np.bool_)
        self.forget_found()

    def forget_found(self) -> None:
        """Look no more for what is contaminated already."""
        for postings in (self.contained.postings, self.similar.postings):
            postings.keep(~self.contaminated[postings.owners])


@dataclass
class Contained:
    """The runs of thirteen letters of the candidates, and which were seen.

    is_in_text: of each run, whether the text that is compared has it: a look-up is far faster than
    a search.

    Of a long text those runs are kept whose hash is divisible by a power of two that depends on its
    length alone, so that the same two texts are always compared in the same way. Runs of candidate
    c: `runs[firsts[c] : firsts[c] + sizes[c]]`, the rarest first. A text with more than half of
    them has one of the first half: only these are used to find c.
    """

    postings: Postings
    sizes: Indices
    runs: Indices

    def __post_init__(self) -> None:
        self.firsts = np.cumsum(self.sizes) - self.sizes
        self.seen = unmarked(len(self.postings.hashes))
        self.is_in_text = np.zeros_like(self.seen)

    @classmethod
    def made(cls, kept: Sequence[Hashes]) -> "Contained":
        """From the runs of each candidate."""
        sizes = lengths_of(kept)
        firsts = np.cumsum(sizes) - sizes
        owners = owners_of(sizes)
        postings = Postings.made(np.concatenate([*kept, np.empty(0, dtype=np.uint64)]), owners)
        holders = np.diff(postings.firsts)
        runs = owners_of(holders)
        # Of each candidate the rarest runs first; its first half finds it.
        order = np.lexsort((runs, holders[runs], postings.owners))
        leads = unmarked(len(order))
        leads[order] = 2 * (np.arange(len(order)) - firsts[owners]) < sizes[owners]
        postings.keep(leads)
        return cls(postings, sizes, runs[order])

    def mark(self, texts: Sequence[str], contaminated: Marks) -> None:
        """Mark the candidates of which one of these folded texts has more than half of the runs."""
        parts = [self.postings.find(*runs) for runs in padded_runs(texts, LONG)]
        found = distinct(np.concatenate(parts))
        self.seen[found % len(self.seen)] = True
        for documents, owners in self.postings.pairs(found):
            is_open = ~contaminated[owners]
            pairs = distinct(documents[is_open] * len(self.sizes) + owners[is_open])
            documents = pairs // len(self.sizes)
            owners = pairs % len(self.sizes)
            for start, end in ranges(pairs, self.sizes[owners]):
                some = owners[start:end]
                shared = self.shared(found, documents[start:end], some)
                contaminated[some[shared * 2 > self.sizes[some]]] = True

    def shared(self, found: Indices, documents: Indices, owners: Indices) -> Indices:
        """How many runs of each candidate occur in the text paired with it."""
        counts = np.empty(len(owners), dtype=np.int64)
        holders = found // len(self.seen)
        starts = np.flatnonzero(np.diff(documents, prepend=-1))
        for start, end in zip(starts, np.append(starts[1:], len(documents)), strict=True):
            first, last = np.searchsorted(holders, documents[start] + np.arange(2))
            own = found[first:last] % len(self.seen)
            self.is_in_text[own] = True
            sizes = self.sizes[owners[start:end]]
            runs = self.runs[spread(self.firsts[owners[start:end]], sizes)]
            ends = np.cumsum(sizes)
            counts[start:end] = np.add.reduceat(self.is_in_text[runs], ends - sizes, dtype=np.int64)
            self.is_in_text[own] = False
        return counts

    def overlap(self, candidates: Indices) -> float:
        """The share of these candidates' runs of thirteen that occur in the compared texts."""
        runs = self.runs[spread(self.firsts[candidates], self.sizes[candidates])]
        return float(self.seen[runs].mean()) if len(runs) else 0.0


def kept_runs(text: str) -> Hashes:
    """The distinct runs of thirteen that represent a folded text: of a long one every `step`th."""
    step = 1 << (len(text) // KEPT_RUNS).bit_length()
    hashes = [run_hashes(portion, LONG) for portion in overlapping_portions(text, LONG)]
    kept = np.concatenate([some[some % np.uint64(step) == 0] for some in hashes])
    return distinct(kept) if len(kept) else distinct(hashes[0])[:1]


@dataclass(slots=True)
class Similar:
    """The candidates by their rarest runs of six letters, for edit distance.

    texts: gives chosen candidates, folded.
    """

    postings: Postings
    lengths: Indices
    texts: Texts

    @classmethod
    def made(cls, texts: list[str], rare: Sequence[tuple[Hashes, Indices]]) -> "Similar":
        """From folded candidates, and their rarest runs with the numbers of their candidates."""
        lengths = lengths_of(texts)
        hashes = [np.empty(0, dtype=np.uint64), *(hashes for hashes, _ in rare)]
        owners = [np.empty(0, dtype=np.int64), *(owners for _, owners in rare)]
        postings = Postings.made(np.concatenate(hashes), np.concatenate(owners))
        return cls(postings, lengths, lambda chosen: [texts[i] for i in chosen.tolist()])

    def mark(self, texts: Sequence[str], contaminated: Marks) -> None:
        """Mark the candidates to which one of these folded texts is similar."""
        lengths = lengths_of(texts)
        found = self.postings.find(*short_runs(texts))
        for documents, owners in self.postings.pairs(found):
            theirs = lengths[documents]
            ours = self.lengths[owners]
            # Texts of lengths too far apart cannot be similar.
            near = np.minimum(theirs, ours) + 1 > SIMILARITY * np.maximum(theirs, ours)
            near &= ~contaminated[owners]
            pairs = distinct(documents[near] * len(self.lengths) + owners[near])
            documents, owners = np.divmod(pairs, len(self.lengths))
            similarity = cpdist(
                [texts[i] for i in documents.tolist()],
                self.texts(owners),
                scorer=Levenshtein.normalized_similarity,
                score_cutoff=SIMILARITY,
            )
            contaminated[owners[similarity > 0]] = True


def short_runs(texts: Sequence[str]) -> tuple[Hashes, Indices]:
    """The runs of six of folded texts, and the indices of their texts; none of a long one.

    Texts are padded at both ends, so that their first and last letters are in runs of their own.
    """
    kept = [i for i, text in enumerate(texts) if 0 < len(text) <= MAX_LETTERS]
    filling = "\0" * (SHORT - 1)
    hashes = run_hashes(filling + "".join(texts[i] + filling for i in kept), SHORT)
    lengths = lengths_of(texts[i] for i in kept)
    return hashes, np.repeat(np.array(kept, dtype=np.int64), lengths + SHORT - 1)


def occurrences(texts: Iterable[str]) -> Counters:
    """Counts of each run of six, by the first bits of its hash; never too low."""
    counters = np.zeros(1 << COUNTER_BITS, dtype=np.uint32)
    for batch in batches(texts):
        hashes, _ = short_runs(folded(batch))
        np.add.at(counters, counter_of(hashes), np.uint32(1))
    return counters


def counter_of(hashes: Hashes) -> Indices:
    """The index of each run's counter."""
    return (hashes >> np.uint64(64 - COUNTER_BITS)).astype(np.int64)


def runs_to_search_by(texts: Sequence[str], counters: Counters) -> tuple[Hashes, Indices]:
    """The runs of six by which folded texts are found, and the indices of their texts.

    From the rarest on, as many as together stay within the limits of comparisons. Runs that occur
    in no other text are left out.
    """
    hashes, owners = short_runs(texts)
    order = np.lexsort((hashes, owners))
    hashes = hashes[order]
    owners = owners[order]
    is_new = np.ones(len(hashes), dtype=np.bool_)
    is_new[1:] = (np.diff(hashes) != 0) | (np.diff(owners) != 0)
    starts = np.nonzero(is_new)[0]
    hashes = hashes[starts]
    owners = owners[starts]
    own = np.diff(starts, append=len(is_new))  # how often a run stands in its own text
    elsewhere = counters[counter_of(hashes)].astype(np.int64) - own
    order = np.lexsort((hashes, elsewhere, owners))
    order = order[elsewhere[order] > 0]
    hashes = hashes[order]
    owners = owners[order]
    elsewhere = elsewhere[order]
    lengths = lengths_of(texts)
    limits = np.minimum(MAX_COMPARED_TEXTS, MAX_COMPARED_LETTERS // np.maximum(lengths, 1))
    total = np.cumsum(elsewhere)
    before = np.append(0, total)[np.searchsorted(owners, owners)]  # in runs of earlier texts
    is_within = total - before <= limits[owners]
    return hashes[is_within], owners[is_within]
