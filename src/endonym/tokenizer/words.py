"""Counts the words and characters of a stream of texts, in bounded memory."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import regex

from endonym.batching import in_batches

CONTRACTIONS = r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]"
"""As llama.cpp has them: with (?i:) a long s (\u017f) would be an s, too."""

SPLIT = (
    rf"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""The split of Qwen3.5: combining marks stay with their letters. llama.cpp calls it `qwen35`."""

TRAINING_SPLIT = (
    rf"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]{{1,24}}|\p{{N}}"
    r"| ?[^\s\p{L}\p{M}\p{N}]{1,24}|[\r\n]|[^\S\r\n]+(?!\S)|[^\S\r\n]+"
)
"""The same with pieces of at most 24 letters: in scripts without spaces a piece may be a page.

Line ends are pieces of their own and are never merged, so that lines that are joined in training
(data/order.py) have the same ids as their joined text.
"""

LINE_END = "\n"
MAX_WORDS = 1_500_000
"""Distinct words that are kept. In memory each takes about 0.2 kB here, 0.7 kB in a trainer."""
BATCH_CHARACTERS = 4_000_000
FED_CHARACTERS = 10_000
"""Of a text that is given to a trainer: the library holds 256 of them, with 20 bytes a letter."""

Texts = Callable[[], Iterator[str]]
"""Iterates over texts; it is called once for each time they are read."""
_CUT = regex.compile(TRAINING_SPLIT)


@dataclass(slots=True)
class Counts:
    """How often each word and each character stands in the texts.

    A word is a piece of TRAINING_SPLIT.
    """

    words: dict[str, int] = field(default_factory=dict)
    characters: dict[str, int] = field(default_factory=dict)

    def cut_at(self, others: Iterable[str]) -> Iterator[tuple[str, int]]:
        """The words with their counts, cut at these characters and line ends, which are left out.

        A part may come several times.
        """
        table = str.maketrans(dict.fromkeys([*others, "\r"], LINE_END))
        for word, count in self.words.items():
            for part in word.translate(table).split(LINE_END):
                if part:
                    yield part, count


def count_words(texts: Iterable[str], max_words: int = MAX_WORDS) -> Counts:
    """Count the words and characters of texts, which are read once.

    When there are more than `max_words` distinct words, the rarest half is dropped. So frequent
    words are counted exactly, or short of a few.
    """
    counts = Counts()
    words: Counter[str] = Counter()
    codes = np.zeros(0x110000, dtype=np.int64)
    # Long texts in parts that end at a line's end.
    parts = (part for text in texts for part in _parts(text))
    for batch in in_batches(parts, len, BATCH_CHARACTERS):
        data = np.frombuffer("".join(batch).encode("utf-32-le"), dtype="<u4")
        codes += np.bincount(data, minlength=len(codes))
        _count_batch(batch, words)
        if len(words) > max_words:
            _prune(words, max_words // 2)
    counts.words = dict(words)
    counts.characters = {chr(code): int(codes[code]) for code in np.flatnonzero(codes)}
    return counts


def repeated_lines(parts: Iterable[tuple[str, int]]) -> Iterator[str]:
    """Texts in which each part stands as often as its count, each time as a line of its own.

    For a trainer that takes only texts: one that splits them at line ends finds the same counts.
    """
    waiting = list[str]()
    length = 0
    for part, count in parts:
        line = part + LINE_END
        left = count
        while left > 0:
            many = min(left, 1 + (FED_CHARACTERS - length) // len(line))
            waiting.append(line * many)
            length += len(line) * many
            left -= many
            if length >= FED_CHARACTERS:
                yield "".join(waiting)
                waiting = []
                length = 0
    yield "".join(waiting)


def _parts(text: str) -> Iterator[str]:
    """A text in parts of about BATCH_CHARACTERS: cut behind line ends, at worst elsewhere."""
    start = 0
    while len(text) - start > BATCH_CHARACTERS:
        end = start + BATCH_CHARACTERS
        end = text.rfind(LINE_END, start, end) + 1 or end
        yield text[start:end]
        start = end
    yield text[start:]


def _count_batch(batch: list[str], words: Counter[str]) -> None:
    """Add the words of some texts.

    Words never reach over a line's end, or a space between two others. So what stands between
    spaces is counted first, and only what differs is split into words, which takes longer.
    """
    chunks: Counter[str] = Counter()
    for text in batch:
        lines = text.split(LINE_END)
        if len(lines) > 1:
            words[LINE_END] += len(lines) - 1
        for line in lines:
            parts = line.split(" ")
            if len(parts) > 1 and parts == line.split():
                chunks[parts[0]] += 1
                chunks.update([" " + part for part in parts[1:]])
            else:
                chunks[line] += 1
    once = list[str]()  # counted together at the end, which is faster
    for chunk, count in chunks.items():
        found = _CUT.findall(chunk)
        if count == 1:
            once += found
        else:
            for word in found:
                words[word] += count
    words.update(once)


def _prune(words: Counter[str], kept: int) -> None:
    """Drop the rarest words until `kept` are left.

    Of those at the limit every k-th stays, so that a script without spaces, where most words stand
    once, keeps a sample of them.
    """
    counts = np.fromiter(words.values(), dtype=np.int64, count=len(words))
    limit = int(np.partition(counts, len(counts) - kept)[len(counts) - kept])
    at_limit = np.flatnonzero(counts == limit)
    room = kept - int((counts > limit).sum())
    # Those that stay are lifted over the limit.
    counts[at_limit[np.arange(room) * len(at_limit) // room]] += 1
    for word, count in zip(list(words), counts.tolist(), strict=True):
        if count <= limit:
            del words[word]
