"""Overlap with evaluation texts: the runs of words that both have, and training text without them.

A paragraph of the corpus that shares thirteen words in a row with an evaluation text is removed; a
document is dropped where such paragraphs hold more than half of its letters. Evaluation texts of
eight to twelve words are compared by runs of eight, shorter ones are not compared. Of scripts that
put no space between words, runs of letters are taken. Texts are folded before (`script/fold.py`).
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import regex

from endonym.copies import letters
from endonym.copies.hashes import (
    Hashes,
    Indices,
    Postings,
    distinct,
    lengths_of,
    owners_of,
    spread,
    unmarked,
)
from endonym.disk import json_bytes, read_json
from endonym.formats.document_files import Whole, write_file
from endonym.script.scripts import SENTENCE_ENDS

WIDTHS = {letters.SPACED: (13, 8), letters.UNSPACED: (50, 30), letters.DENSE: (20, 12)}
"""Words, or letters of the other scripts, in a run: of long texts, and of short ones."""

LONG_PARAGRAPH_CHARS = 2_000
"""Of a longer paragraph only the lines or sentences that overlap are removed."""
KINDS = ("long", "brief", "short")
COUNTS = "counts.json"
"""Long runs, short runs of texts that have no long one, and all short runs."""
NO_HASHES: Hashes = np.zeros(0, dtype=np.uint64)
MOST_REMOVED = 0.5
"""A document that would lose more of its letters is dropped."""
SENTENCE_END = regex.compile(rf"[{SENTENCE_ENDS}]+[\s\p{{Pf}}\"']*|\n")


class Judged(NamedTuple):
    """A document after the comparison.

    text: what is left of it; None if it is dropped. files: the numbers of the evaluation files with
    which it overlaps. removed: the texts of the paragraphs that were taken out. detail: why.
    """

    text: str | None
    files: tuple[int, ...]
    removed: tuple[str, ...]
    detail: str = ""


@dataclass(slots=True)
class FileCounts:
    """What was compared with one evaluation file, and what was removed for it.

    too_short: texts that are not compared. runs, found: its distinct short runs, and those that
    what is left of the corpus has.
    """

    file: str
    texts: int = 0
    too_short: int = 0
    dropped_documents: int = 0
    cut_documents: int = 0
    runs: int = 0
    found: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The form of card.json. overlap: the share of its short runs that are still there."""
        counts = asdict(self)
        found = counts.pop("found")
        return {**counts, "overlap": round(found / self.runs, 6) if self.runs else 0.0}


class Contamination:
    """The runs of evaluation files, and how many documents of a corpus have some of them.

    counts: of each file. indexes: the runs of each kind (KINDS).
    """

    def __init__(self, counts: list[FileCounts], indexes: Sequence[Postings]) -> None:
        self.counts = counts
        self.indexes = indexes
        self.long, self.of_short_texts, self.short = indexes
        self.seen = unmarked(len(self.short.hashes))

    @classmethod
    def of_files(cls, files: Iterable[tuple[str, Iterable[str]]]) -> "Contamination":
        """From the name and the texts of each file. Takes as long as to judge these texts."""
        counts: list[FileCounts] = []
        of_files: list[tuple[Hashes, Hashes, Hashes]] = []
        for name, texts in files:
            counts.append(FileCounts(name))
            of_files.append(evaluation_runs(texts, counts[-1]))
        indexes: list[Postings] = []
        for hashes in zip(*of_files, strict=True) if of_files else [()] * len(KINDS):
            owners = owners_of(lengths_of(hashes))
            indexes.append(Postings.made(np.concatenate([NO_HASHES, *hashes]), owners))
        return cls(counts, indexes)

    @classmethod
    def load(cls, folder: Path) -> "Contamination":
        """What was saved, with nothing compared yet."""
        counts = [FileCounts(**each) for each in read_json(folder / COUNTS)]
        return cls(counts, [Postings.load(folder, kind) for kind in KINDS])

    def save(self, folder: Path) -> list[Whole]:
        """Write the runs to files that can be mapped, before anything is compared."""
        pairs = zip(self.indexes, KINDS, strict=True)
        written = [file for index, kind in pairs for file in index.save(folder, kind)]
        counts = json_bytes([asdict(count) for count in self.counts])
        return [*written, write_file(folder, COUNTS, counts)]

    def judge(self, texts: Iterable[str]) -> Iterator[Judged]:
        """What is left of each document."""
        for batch in letters.batches(texts):
            spans = [pieces(text) for text in batch]
            sizes = lengths_of(spans)
            documents = owners_of(sizes)
            pairs = zip(batch, spans, strict=True)
            parts = (text[slice(*span)] for text, own in pairs for span in own)
            lengths, files, runs_in = self._overlaps(parts, documents)
            is_lost = unmarked(len(documents))  # of each paragraph of the batch
            is_lost[list(files)] = True
            lost_letters = np.bincount(documents, weights=lengths * is_lost, minlength=len(batch))
            letters_of = np.bincount(documents, weights=lengths, minlength=len(batch))
            dropped = lost_letters > MOST_REMOVED * letters_of
            for paragraphs_of, numbers in runs_in:  # The short runs of the paragraphs that stay.
                stays = ~(dropped[documents] | is_lost)[paragraphs_of]
                self.seen[numbers[stays]] = True
            for number, first in enumerate((np.cumsum(sizes) - sizes).tolist()):
                own = range(first, first + len(spans[number]))
                overlapping = {place - first: files[place] for place in own if place in files}
                is_dropped = bool(dropped[number])
                yield self._judged(batch[number], spans[number], overlapping, is_dropped=is_dropped)

    def _judged(
        self, text: str, spans: list[letters.Span], files: dict[int, set[int]], *, is_dropped: bool
    ) -> Judged:
        """One document, by the files that its paragraphs overlap with; counts it for each."""
        numbers = tuple(sorted(set[int]().union(*files.values())))
        for number in numbers:
            self.counts[number].dropped_documents += is_dropped
            self.counts[number].cut_documents += not is_dropped
        removed = tuple(text[slice(*spans[number])] for number in files)
        left = letters.without(text, spans, files) if files else text
        return Judged(None if is_dropped else left, numbers, removed)

    def _overlaps(
        self, paragraphs_of: Iterable[str], documents: Indices
    ) -> tuple[Indices, dict[int, set[int]], list[tuple[Indices, Indices]]]:
        """What paragraphs of these documents share with evaluation texts.

        The letters of each; for those that overlap, by number, the numbers of the evaluation files;
        and pairs of arrays: paragraphs, and the short runs that they have.
        """
        lengths = np.zeros(len(documents), dtype=np.int64)
        first = 0
        files = dict[int, set[int]]()
        runs_in = list[tuple[Indices, Indices]]()
        for texts in letters.batches(paragraphs_of):
            folded = letters.folded_letters(texts)
            batch = slice(first, first + len(texts))
            lengths[batch] = np.diff(folded.firsts)
            # Runs go across the paragraphs of a document.
            starts = np.flatnonzero(np.diff(documents[batch], prepend=-1))
            whole = folded._replace(firsts=np.append(folded.firsts[starts], folded.firsts[-1]))
            for long, short in compared_runs(whole):
                for index, runs in ((self.long, long), (self.of_short_texts, short)):
                    which, numbers = index.matches(runs.hashes)
                    begins = folded.owners(runs.firsts[which])
                    n_touched = folded.owners(runs.lasts[which]) - begins + 1
                    # Each paragraph that the run touches, with each file that has the run.
                    touched = spread(begins, n_touched)
                    owners, counts = index.holders(np.repeat(numbers, n_touched))
                    holding = np.repeat(first + touched, counts)
                    pairs = distinct(holding * len(self.counts) + owners)
                    for paragraph, file in zip(*np.divmod(pairs, len(self.counts)), strict=True):
                        files.setdefault(int(paragraph), set()).add(int(file))
                which, numbers = self.short.matches(short.hashes)
                runs_in.append((first + folded.owners(short.firsts[which]), numbers))
            first += len(texts)
        return lengths, files, runs_in

    def count_remaining(self) -> None:
        """Count, for each file, its short runs that were seen in what is left of the corpus."""
        owners, _ = self.short.holders(np.flatnonzero(self.seen))
        for number, found in enumerate(np.bincount(owners, minlength=len(self.counts)).tolist()):
            self.counts[number].found = found


def pieces(text: str) -> list[letters.Span]:
    """The paragraphs of a text, long ones cut after their sentences and lines."""
    found: list[letters.Span] = []
    for first, last in letters.paragraphs(text):
        cuts = [first, last]
        if last - first > LONG_PARAGRAPH_CHARS:
            ends = (each.end() for each in SENTENCE_END.finditer(text, first, last))
            cuts[1:1] = [end for end in ends if end < last]
        found += itertools.pairwise(cuts)
    return found


def compared_runs(texts: letters.Letters) -> Iterator[tuple[letters.Runs, letters.Runs]]:
    """For each kind of script the long and the short runs of texts, as in WIDTHS."""
    for kind, (long, short) in WIDTHS.items():
        is_spaced = kind == letters.SPACED
        items = letters.words(texts) if is_spaced else letters.single_letters(texts, kind)
        yield letters.runs(items, texts, long), letters.runs(items, texts, short)


def evaluation_runs(texts: Iterable[str], counts: FileCounts) -> tuple[Hashes, Hashes, Hashes]:
    """The distinct runs of an evaluation file, as in KINDS; its texts are added to `counts`."""
    every: list[tuple[Hashes, Hashes, Hashes]] = [(NO_HASHES, NO_HASHES, NO_HASHES)]
    for batch in letters.batches(texts):
        folded = letters.folded_letters(batch)
        has_long, has_short = (unmarked(len(batch)) for _ in range(2))
        for long, short in compared_runs(folded):
            owners = folded.owners(short.firsts)
            has_long[folded.owners(long.firsts)] = True
            has_short[owners] = True
            every.append((long.hashes, short.hashes[~has_long[owners]], short.hashes))
        counts.texts += len(batch)
        counts.too_short += int((~has_short).sum())
    together = map(np.concatenate, zip(*every, strict=True))
    long, of_short_texts, short = map(distinct, together)
    counts.runs = len(short)
    return long, of_short_texts, short
