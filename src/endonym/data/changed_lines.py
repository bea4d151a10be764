"""Lines that are changed in one place: another letter, another word, a word more or less.

Such a line begins and ends as the other one, and what is alike has seven tenths of the letters of
the longer one. So of the other line the first third is whole, or the last third.
"""

from collections import defaultdict

import numpy as np

from endonym.copies.letters import Codes

ALIKE = 0.7
"""As for near copies of held-out texts (copies/held_out/near.py)."""
END = 0.35
"""Share of a line that is whole at its beginning or its end: the change has 0.3 at most."""
LETTER_BYTES = 4
MOST_OF_ONE_END = 200
"""So many lines of one length are kept that begin alike, or end alike."""


class ChangedLines:
    """Folded lines, to be found again in another form."""

    def __init__(self) -> None:
        self._by_end = defaultdict[int, list[Codes]](list)
        self._lengths = set[int]()

    def add(self, line: Codes) -> None:
        """Note a line."""
        self._lengths.add(len(line))
        for key in _ends(line.tobytes(), len(line)):
            if len(known := self._by_end[key]) < MOST_OF_ONE_END:
                known.append(line)

    def has(self, line: Codes) -> bool:
        """Whether one of them is the same line, or the same but for one place."""
        letters = line.tobytes()
        for length in range(int(ALIKE * len(line)), int(len(line) / ALIKE) + 2):
            for key in _ends(letters, length) if length in self._lengths else ():
                if any(_is_alike(line, other) for other in self._by_end.get(key, ())):
                    return True
        return False


def _ends(letters: bytes, length: int) -> tuple[int, int]:
    """Keys of the beginning and the end that a line has with another one of this length."""
    size = int(END * length) * LETTER_BYTES
    return hash((length, letters[:size])), hash((letters[len(letters) - size :], length))


def _is_alike(one: Codes, other: Codes) -> bool:
    """Whether the common beginning and the common end have enough letters."""
    shorter, longer = sorted((len(one), len(other)))
    differ = np.flatnonzero(one[:shorter] != other[:shorter])
    first = int(differ[0]) if len(differ) else shorter
    differ = np.flatnonzero(one[::-1][: shorter - first] != other[::-1][: shorter - first])
    last = int(differ[0]) if len(differ) else shorter - first
    return first + last >= ALIKE * longer
