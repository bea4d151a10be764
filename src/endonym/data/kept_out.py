"""Texts that judge models, and which messages share text with them.

Two rules. A message shares a run of words with such a text, as in `[clean] decontaminate`
(text/copies/contamination.py). Or a message, or one of its lines, is such a text or one of its
lines, however short: folded (text/fold.py), of thirteen letters and more.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from endonym.text.copies.contamination import Contamination
from endonym.text.fold import folded

LEAST_LETTERS = 13
"""Shorter lines are said by everybody: "Thank you", "Hello there"."""


class KeptOut:
    """The runs and the lines of texts that must not be learnt from.

    files: name and texts of each. Texts are read once, and not kept.
    """

    def __init__(self, files: Iterable[tuple[str, Iterable[str]]]) -> None:
        self._lines = set[bytes]()
        noted = ((name, self._noted(texts)) for name, texts in files)
        self._runs = Contamination.of_files(noted)

    def _noted(self, texts: Iterable[str]) -> Iterator[str]:
        for text in texts:
            self._lines.update(marks(text))
            yield text

    def shared_by(self, messages: Sequence[str]) -> set[str]:
        """Those of the messages that share text with what is kept out."""
        judged = zip(messages, self._runs.judge(messages), strict=True)
        return {
            message
            for message, found in judged
            if found.files or not self._lines.isdisjoint(marks(message))
        }


def marks(text: str) -> Iterator[bytes]:
    """Hashes of 64 bits: of the folded text, and of each of its lines."""
    for line in folded(list(dict.fromkeys((text, *text.splitlines())))):
        if len(line) >= LEAST_LETTERS:
            yield hashlib.blake2b(line.encode("utf-8", "surrogatepass"), digest_size=8).digest()
