"""Texts that judge models, and which messages share text with them.

Three rules. A message shares a run of words with such a text, as in `[clean] decontaminate`
(copies/contamination.py). Or such a text, or one of its lines, of thirteen folded letters and
more, stands anywhere in the message between borders of words. Or a whole message, or lines or
sentences with more than half of its letters, are such lines changed in one place: another letter,
another word, a word more or less.

A line and what it is changed to begin and end alike, and what is alike has seven tenths of the
letters of the longer one. So of the other line the first third is whole, or the last third.
"""

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from endonym.copies import letters
from endonym.copies.contamination import MOST_REMOVED, SENTENCE_END, Contamination
from endonym.copies.hashes import Marks, Postings
from endonym.script.fold import Codes

LEAST_LETTERS = 13
"""Shorter lines are said by everybody: "Thank you", "Hello there"."""
MOST_LETTERS = 300
"""Of a longer line its first letters are compared."""

ALIKE = 0.7
"""As for near copies of held-out texts (copies/held_out/repeated.py)."""
END = 0.35
"""Share of a line that is whole at its beginning or its end: the change has 0.3 at most."""
LETTER_BYTES = 4
MOST_OF_ONE_END = 200
"""So many lines of one length are kept that begin alike, or end alike."""


class KeptOut:
    """The runs and the lines of texts that must not be learnt from.

    Lines are kept as hashes by their first letters, and as they are to find changed ones.
    files: name and texts of each. Texts are read once, and not kept.
    """

    def __init__(self, files: Iterable[tuple[str, Iterable[str]]]) -> None:
        self._whole = set[bytes]()
        self._changed = ChangedLines()
        self._lengths = defaultdict[int, set[int]](set)
        self._runs = Contamination.of_files((name, self._noted(texts)) for name, texts in files)
        heads = np.fromiter(self._lengths, dtype=np.uint64)
        self._heads = Postings.made(heads, np.zeros(len(heads), dtype=np.int64))

    def _noted(self, texts: Iterable[str]) -> Iterator[str]:
        """Yields these texts, and remembers them and their lines on the way."""
        for batch in letters.batches(texts):
            lines = dict.fromkeys(each for text in batch for each in (text, *text.splitlines()))
            folded = letters.folded_letters(list(lines))
            heads = _heads(folded)
            head_at = dict(zip(heads.firsts.tolist(), heads.hashes.tolist(), strict=True))
            for first, last in _spans(folded):
                length = min(last - first, MOST_LETTERS)
                if length >= LEAST_LETTERS:
                    self._whole.add(_mark(folded, first, first + length))
                    self._lengths[head_at[first]].add(length)
                if LEAST_LETTERS <= last - first <= MOST_LETTERS:
                    self._changed.add(folded.codes[first:last].copy())
            yield from batch

    def shared_by(self, messages: Sequence[str]) -> set[str]:
        """Those of the messages that share text with what is kept out."""
        judged = zip(messages, self._runs.judge(messages), strict=True)
        shared = {message for message, judgement in judged if judgement.files}
        for batch in letters.batches(message for message in messages if message not in shared):
            shared.update(self._holding(batch))
            shared.update(message for message in batch if self._is_changed(message))
        return shared

    def _is_changed(self, message: str) -> bool:
        """Whether a message, or most of its letters in lines or in sentences, are changed lines."""
        lines = message.splitlines()
        sentences = [part for line in lines for part in SENTENCE_END.split(line)]
        lengths = range(LEAST_LETTERS, 2 * MOST_LETTERS + 1)
        is_known = self._changed.has
        for parts in {(message,), tuple(lines), tuple(sentences)}:
            folded = letters.folded_letters(parts)
            spans = [(first, last) for first, last in _spans(folded) if last - first in lengths]
            known = [(first, last) for first, last in spans if is_known(folded.codes[first:last])]
            if sum(last - first for first, last in known) > MOST_REMOVED * len(folded.codes):
                return True
        return False

    def _holding(self, messages: Sequence[str]) -> Iterator[str]:
        """The messages in which a line that is kept out stands whole, between borders of words."""
        folded = letters.folded_letters(messages)
        heads = _heads(folded)
        is_border = _borders(folded)
        matches, _ = self._heads.matches(heads.hashes)
        matches = matches[is_border[heads.firsts[matches]]]
        owners = folded.owners(heads.firsts[matches])  # the message of each
        for number, owner in zip(matches.tolist(), owners.tolist(), strict=True):
            first = int(heads.firsts[number])
            end = int(folded.firsts[owner + 1])
            for length in self._lengths[int(heads.hashes[number])]:
                last = first + length
                if last > end or not (length == MOST_LETTERS or is_border[last]):
                    continue
                if _mark(folded, first, last) in self._whole:
                    yield messages[owner]
                    break


def _spans(folded: letters.Letters) -> Iterator[tuple[int, int]]:
    """Where each text begins and ends among the folded letters of all."""
    return itertools.pairwise(folded.firsts.tolist())


def _heads(folded: letters.Letters) -> letters.Runs:
    """The hash of every run of LEAST_LETTERS letters, and where it begins."""
    every_letter = letters.single_letters(folded, *range(letters.KINDS))
    return letters.runs(every_letter, folded, LEAST_LETTERS)


def _borders(folded: letters.Letters) -> Marks:
    """Whether a line may begin or end before each letter; one more for the end of all.

    Anywhere beside a letter of a script that does not divide words.
    """
    is_border = np.append(folded.begins, True)
    undivided = letters.kinds()[folded.codes] != letters.SPACED
    is_border[:-1] |= undivided
    is_border[1:] |= undivided
    return is_border


def _mark(folded: letters.Letters, first: int, last: int) -> bytes:
    """A hash of 64 bits of some letters."""
    return hashlib.blake2b(folded.codes[first:last].tobytes(), digest_size=8).digest()


class ChangedLines:
    """Folded lines, to be found again in another form."""

    def __init__(self) -> None:
        self._by_end = defaultdict[int, list[Codes]](list)
        self._lengths = set[int]()

    def add(self, line: Codes) -> None:
        """Note a line."""
        self._lengths.add(len(line))
        for key in _ends(line.tobytes(), len(line)):
            if len(lines := self._by_end[key]) < MOST_OF_ONE_END:
                lines.append(line)

    def has(self, line: Codes) -> bool:
        """Whether one of them is the same line, or the same but for one place."""
        data = line.tobytes()
        for length in range(int(ALIKE * len(line)), int(len(line) / ALIKE) + 2):
            for key in _ends(data, length) if length in self._lengths else ():
                if any(_is_alike(line, other) for other in self._by_end.get(key, ())):
                    return True
        return False


def _ends(data: bytes, length: int) -> tuple[int, int]:
    """Keys of the beginning and the end that a line has with another one of this length."""
    size = int(END * length) * LETTER_BYTES
    return hash((length, data[:size])), hash((data[len(data) - size :], length))


def _is_alike(one: Codes, other: Codes) -> bool:
    """Whether the common beginning and the common end of two lines have enough letters."""
    shorter, longer = sorted((len(one), len(other)))
    differing = np.flatnonzero(one[:shorter] != other[:shorter])
    begin = int(differing[0]) if len(differing) else shorter
    rest = shorter - begin
    differing = np.flatnonzero(one[::-1][:rest] != other[::-1][:rest])
    end = int(differing[0]) if len(differing) else rest
    return begin + end >= ALIKE * longer
