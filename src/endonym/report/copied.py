"""The longest span that samples share with training text, letter for letter.

Exact: a span of m letters holds, whole, one of the document's q-grams that start at multiples of
s, if m ≥ q + s - 1. So a document is probed at every s-th letter only, and s grows with the
longest span found so far. Memory depends on the samples, not on the corpus.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from endonym.copies.spans import common_span
from endonym.formats.document import Document

MOST_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Copied:
    """The longest span: its text, the document, and what was searched.

    is_whole: all of the training text was searched, not only what the time allowed.
    """

    text: str
    document: str
    source: str
    documents: int
    chars: int
    is_whole: bool


class Search:
    """The longest span so far, and the grams of the samples that a longer one must hold."""

    def __init__(self, samples: Sequence[str], most_seconds: float) -> None:
        self.samples = samples
        self.end = time.monotonic() + most_seconds
        self.text = ""
        self.longest = max((len(sample) for sample in samples), default=0)
        self._prepare()

    def _prepare(self) -> None:
        """Index the samples for spans longer than the longest so far."""
        wanted = len(self.text) + 1
        self.gram = (wanted + 1) // 2
        self.stride = wanted - self.gram + 1
        self.positions: dict[str, list[tuple[int, int]]] = {}
        for number, sample in enumerate(self.samples):
            if len(sample) < wanted:
                continue
            for start in range(len(sample) - self.gram + 1):
                gram = sample[start : start + self.gram]
                self.positions.setdefault(gram, []).append((number, start))

    def read(self, text: str) -> bool:
        """Search one document; returns whether it holds a longer span."""
        is_longer = False
        offset = 0
        while offset + self.gram <= len(text) and len(self.text) < self.longest:
            places = self.positions.get(text[offset : offset + self.gram])
            if places and self.is_late():
                break
            if places and self._extend(text, offset, places):
                is_longer = True
                offset = max(0, offset - self.stride)
                self._prepare()
            else:
                offset += self.stride
        return is_longer

    def is_late(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.end

    def _extend(self, text: str, offset: int, places: Sequence[tuple[int, int]]) -> bool:
        """Grow a shared gram both ways; returns whether it became the longest span.

        places: the samples that have the gram by their numbers, each with where it begins.
        """
        longest_before = len(self.text)
        for number, start in places:
            sample = self.samples[number]
            back, reach = common_span(sample, start, text, offset)
            if back + reach > len(self.text):
                self.text = sample[start - back : start + reach]
        return len(self.text) > longest_before


def longest_copied(
    samples: Sequence[str], documents: Iterable[Document], most_seconds: float = MOST_SECONDS
) -> Copied | None:
    """Search the documents in order until the time is up; None without samples or spans."""
    search = Search(samples, most_seconds)
    document_id = ""
    source = ""
    n_documents = 0
    n_chars = 0
    for document in documents if any(samples) else ():
        if search.is_late():
            break
        n_documents += 1
        n_chars += len(document.text)
        if search.read(document.text):
            document_id = document.id
            source = document.source
    if not search.text:
        return None
    is_whole = not search.is_late()
    return Copied(search.text, document_id, source, n_documents, n_chars, is_whole)
