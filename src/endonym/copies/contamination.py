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

from endonym.copies.hashes import Indices, Numbers, spread
from endonym.copies.keys import batches
from endonym.copies.letters import (
    DENSE,
    SPACED,
    UNSPACED,
    Marks,
    letters_of,
    runs,
    single_letters,
    words,
)
from endonym.copies.paragraphs import Span, paragraphs, without
from endonym.disk import json_bytes, read_json
from endonym.formats.chunks import write_array
from endonym.formats.document_files import Whole, write_file
from endonym.script.scripts import SENTENCE_ENDS

WIDTHS = {SPACED: (13, 8), UNSPACED: (50, 30), DENSE: (20, 12)}
"""Words, or letters of the other scripts, in a run: of long texts, and of short ones."""

LONG_PARAGRAPH_CHARS = 2_000
"""Of a longer paragraph only the lines or sentences that overlap are removed."""
KINDS, COUNTS = ("long", "brief", "short"), "counts.json"
MOST_REMOVED = 0.5
"""A document that would lose more of its letters is dropped."""
SENTENCE_END = regex.compile(rf"[{SENTENCE_ENDS}]+[\s\p{{Pf}}\"']*|\n")


class Judged(NamedTuple):
    """A document after the comparison.

    text: what is left of it; None if it is dropped. files: the numbers of the evaluation files with
    which it overlaps. removed: the texts of the paragraphs that were taken out.
    """

    text: str | None
    files: tuple[int, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """Distinct hashes, each with the files that hold it: `owners[firsts[i] : firsts[i + 1]]`.

    filter: says of the first bits of a hash whether a known one begins so.
    """

    hashes: Numbers
    owners: Indices
    firsts: Indices
    filter: Marks

    @classmethod
    def of_files(cls, of_files: Sequence[Numbers]) -> "Known":
        """The hashes of all files."""
        owners = np.repeat(np.arange(len(of_files)), [len(each) for each in of_files])
        hashes = np.concatenate([np.zeros(0, dtype=np.uint64), *of_files])
        order = np.lexsort((owners, hashes))
        distinct, firsts = np.unique(hashes[order], return_index=True)
        bits = min(27, max(16, (8 * len(distinct)).bit_length()))
        begins = np.zeros(1 << bits, dtype=np.bool_)
        begins[distinct >> np.uint64(64 - bits)] = True
        return cls(distinct, owners[order], np.append(firsts, len(hashes)), begins)

    @classmethod
    def load(cls, folder: Path, name: str) -> "Known":
        """What was saved, of which only what is used is read."""
        paths = [folder / f"{name}-{each}.npy" for each in cls.__slots__]
        return cls(*(np.load(path, mmap_mode="r", allow_pickle=False) for path in paths))

    def save(self, folder: Path, name: str) -> list[Whole]:
        """Write it to files that can be mapped."""
        names = self.__slots__
        return [write_array(folder, f"{name}-{n}.npy", getattr(self, n)) for n in names]

    def find(self, hashes: Numbers) -> tuple[Indices, Indices]:
        """Which of these hashes are known, and the number of each of them."""
        shift = np.uint64(64 - (len(self.filter).bit_length() - 1))
        likely = np.flatnonzero(self.filter[hashes >> shift])
        wanted = hashes[likely]
        numbers = np.minimum(np.searchsorted(self.hashes, wanted), len(self.hashes) - 1)
        same = self.hashes[numbers] == wanted if len(self.hashes) else np.zeros(0, dtype=np.bool_)
        return likely[same], numbers[same]

    def of(self, numbers: Indices) -> tuple[Indices, Indices]:
        """The files that hold each of these hashes, one after the other; and how many do."""
        counts = self.firsts[numbers + 1] - self.firsts[numbers]
        return self.owners[spread(self.firsts[numbers], counts)], counts


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
        counts = {name: getattr(self, name) for name in self.__slots__ if name != "found"}
        overlap = round(self.found / self.runs, 6) if self.runs else 0.0
        return {**counts, "overlap": overlap}


@dataclass(frozen=True, slots=True)
class Hits:
    """What a batch of documents shares with evaluation texts, paragraph by paragraph.

    documents: the document of each paragraph. letters: how many it has. files: of a paragraph that
    overlaps, the numbers of the evaluation files. short: paragraphs, and the short runs in them.
    """

    documents: Indices
    letters: Indices
    files: dict[int, set[int]]
    short: list[tuple[Indices, Indices]]

    @classmethod
    def empty(cls, documents: Indices) -> "Hits":
        """Nothing is shared yet."""
        return cls(documents, np.zeros(len(documents), dtype=np.int64), {}, [])

    def dropped(self, count: int) -> Marks:
        """Which of so many documents would lose too much."""
        lost = np.zeros(len(self.letters), dtype=np.bool_)
        lost[list(self.files)] = True
        letters = np.bincount(self.documents, weights=self.letters, minlength=count)
        gone = np.bincount(self.documents[lost], weights=self.letters[lost], minlength=count)
        return gone > MOST_REMOVED * letters


class Contamination:
    """The runs of evaluation files, and how many documents of a corpus have some of them.

    counts: of each file. known: the runs of each kind (KINDS).
    """

    def __init__(self, counts: list[FileCounts], known: Sequence[Known]) -> None:
        self.counts = counts
        self.long, self.brief, self.short = known
        self.seen = np.zeros(len(self.short.hashes), dtype=np.bool_)

    @classmethod
    def of_files(cls, files: Iterable[tuple[str, Iterable[str]]]) -> "Contamination":
        """From the name and the texts of each file. Takes as long as to judge these texts."""
        every: list[FileCounts] = []
        found: list[list[Numbers]] = [[], [], []]
        for name, texts in files:
            counts = FileCounts(name)
            for kept, hashes in zip(found, evaluation_runs(texts, counts), strict=True):
                kept.append(hashes)
            counts.runs = len(found[2][-1])
            every.append(counts)
        return cls(every, [Known.of_files(each) for each in found])

    @classmethod
    def load(cls, folder: Path) -> "Contamination":
        """What was saved, with nothing compared yet."""
        counts = [FileCounts(**each) for each in read_json(folder / COUNTS)]
        return cls(counts, [Known.load(folder, kind) for kind in KINDS])

    def save(self, folder: Path) -> list[Whole]:
        """Write the runs to files that can be mapped, before anything is compared."""
        known = zip((self.long, self.brief, self.short), KINDS, strict=True)
        written = [file for each, kind in known for file in each.save(folder, kind)]
        counts = json_bytes([asdict(each) for each in self.counts])
        return [*written, write_file(folder, COUNTS, counts)]

    def judge(self, texts: Iterable[str]) -> Iterator[Judged]:
        """What is left of each document."""
        for batch in batches(texts):
            spans = [pieces(text) for text in batch]
            counts = np.array([len(found) for found in spans], dtype=np.int64)
            hits = Hits.empty(np.repeat(np.arange(len(batch)), counts))
            every = (text[a:b] for text, found in zip(batch, spans, strict=True) for a, b in found)
            first = 0
            for some in batches(every):
                self._compare(some, first, hits)
                first += len(some)
            dropped = hits.dropped(len(batch))
            self._mark_seen(hits, dropped)
            ends = np.cumsum(counts)
            for number, (text, found) in enumerate(zip(batch, spans, strict=True)):
                start = int(ends[number] - counts[number])
                files = {
                    n - start: hits.files[n]
                    for n in range(start, int(ends[number]))
                    if n in hits.files
                }
                yield self._judged(text, found, files, is_dropped=bool(dropped[number]))

    def _judged(
        self, text: str, spans: list[Span], files: dict[int, set[int]], *, is_dropped: bool
    ) -> Judged:
        """One document, by the files that its paragraphs overlap with; counts it for each."""
        numbers = tuple(sorted(set[int]().union(*files.values())))
        for number in numbers:
            self.counts[number].dropped_documents += is_dropped
            self.counts[number].cut_documents += not is_dropped
        removed = tuple(text[slice(*spans[number])] for number in sorted(files))
        if is_dropped:
            return Judged(None, numbers, removed)
        return Judged(without(text, spans, files) if files else text, numbers, removed)

    def _compare(self, texts: Sequence[str], first: int, hits: "Hits") -> None:
        """Note which of these paragraphs overlap; the first has this number in the batch."""
        folded = letters_of(texts)
        owners = hits.documents[first : first + len(texts)]
        starts = np.flatnonzero(np.diff(owners, prepend=-1))
        whole = folded._replace(firsts=np.append(folded.firsts[starts], folded.firsts[-1]))
        hits.letters[first : first + len(texts)] = np.diff(folded.firsts)
        for kind, (long, short) in WIDTHS.items():
            items = words(whole) if kind == SPACED else single_letters(whole, kind)
            brief = runs(items, whole, short)
            for known, found in ((self.long, runs(items, whole, long)), (self.brief, brief)):
                which, numbers = known.find(found.hashes)
                ends = (found.firsts[which], found.lasts[which])
                a, b = (np.searchsorted(folded.firsts, end, side="right") - 1 for end in ends)
                # Each paragraph that the run touches, with each file that has the run.
                touched, of_run = spread(a, b - a + 1), np.repeat(numbers, b - a + 1)
                files, counts = known.of(of_run)
                pairs = np.unique(np.repeat(first + touched, counts) * len(self.counts) + files)
                for paragraph, file in zip(*np.divmod(pairs, len(self.counts)), strict=True):
                    hits.files.setdefault(int(paragraph), set()).add(int(file))
            which, numbers = self.short.find(brief.hashes)
            at = np.searchsorted(folded.firsts, brief.firsts[which], side="right") - 1
            hits.short.append((first + at, numbers))

    def _mark_seen(self, hits: "Hits", dropped: Marks) -> None:
        """Remember the short runs of the paragraphs that stay."""
        stays = ~dropped[hits.documents]
        stays[list(hits.files)] = False
        for paragraphs_of, numbers in hits.short:
            self.seen[numbers[stays[paragraphs_of]]] = True

    def count_remaining(self) -> None:
        """Count, for each file, its short runs that were seen in what is left of the corpus."""
        owners, _ = self.short.of(np.flatnonzero(self.seen))
        for number, found in enumerate(np.bincount(owners, minlength=len(self.counts)).tolist()):
            self.counts[number].found = found


def pieces(text: str) -> list[Span]:
    """The paragraphs of a text, long ones cut after their sentences and lines."""
    found: list[Span] = []
    for first, last in paragraphs(text):
        if last - first > LONG_PARAGRAPH_CHARS:
            ends = [each.end() for each in SENTENCE_END.finditer(text, first, last)]
            cuts = [first, *(end for end in ends if end < last), last]
            found += itertools.pairwise(cuts)
        else:
            found.append((first, last))
    return found


def evaluation_runs(texts: Iterable[str], counts: FileCounts) -> tuple[Numbers, Numbers, Numbers]:
    """The distinct runs of an evaluation file: long ones, short ones of texts without a long one,
    and all short ones."""
    found: list[list[Numbers]] = [[], [], []]
    for batch in batches(texts):
        folded = letters_of(batch)
        has_long, has_short = (np.zeros(len(batch), dtype=np.bool_) for _ in range(2))
        for kind, widths in WIDTHS.items():
            items = words(folded) if kind == SPACED else single_letters(folded, kind)
            long, short = (runs(items, folded, width) for width in widths)
            owners = [
                np.searchsorted(folded.firsts, each.firsts, side="right") - 1
                for each in (long, short)
            ]
            has_long[owners[0]] = True
            has_short[owners[1]] = True
            found[0].append(long.hashes)
            found[1].append(short.hashes[~has_long[owners[1]]])
            found[2].append(short.hashes)
        counts.texts += len(batch)
        counts.too_short += int((~has_short).sum())
    none = np.zeros(0, dtype=np.uint64)
    long, brief, short = (np.unique(np.concatenate([none, *each])) for each in found)
    return long, brief, short
