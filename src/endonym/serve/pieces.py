"""From tokens, one after the other, to pieces of text that end at whole characters."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, field

SURPRISE_BITS = (1, 2, 4, 6, 9, 12)
"""Bits of a token at which the next colour of its surprise begins; shared.js has the same."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token with its log-probability, in nats, and the likeliest ones at its place.

    nats: None where it was not asked for, for the token that opens a document, and where the model
    gives no number.
    """

    index: int
    nats: float | None = None
    likeliest: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Some text, and the tokens that it was made of."""

    text: str
    tokens: tuple[Token, ...]


@dataclass(slots=True)
class Pieces:
    """Cuts tokens into pieces and looks for stop strings, which are left out with all that follows.

    What may be the beginning of a stop string waits until it is known.
    """

    stop: Sequence[str] = ()
    has_stopped: bool = False
    _tokens: list[Token] = field(default_factory=list)
    _waiting: list[TextPiece] = field(default_factory=list)
    _letters: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")(errors="ignore")
    )

    def add(self, token: Token, data: bytes) -> list[TextPiece]:
        """The pieces that are complete with one more token, whose bytes are `data`."""
        self._tokens.append(token)
        text = self._letters.decode(data)
        if not text and data:
            return []  # inside a character
        piece = TextPiece(text, tuple(self._tokens))
        self._tokens = []
        if not self.stop:
            return [piece]
        self._waiting.append(piece)
        return self._released()

    def end(self) -> list[TextPiece]:
        """What was waiting, at the end; an incomplete character is left out."""
        pieces = self._waiting
        self._waiting = []
        if self._tokens:
            pieces.append(TextPiece("", tuple(self._tokens)))
            self._tokens = []
        return pieces

    def _released(self) -> list[TextPiece]:
        """The waiting pieces that no stop string can reach any more."""
        text = "".join(each.text for each in self._waiting)
        starts = [at for each in self.stop if (at := text.find(each)) >= 0]
        if starts:
            self.has_stopped = True
            return self._before(min(starts))
        overlap = max(_overlap(text, each) for each in self.stop)
        pieces: list[TextPiece] = []
        free = len(text) - overlap
        while self._waiting and len(self._waiting[0].text) <= free:
            free -= len(self._waiting[0].text)
            pieces.append(self._waiting.pop(0))
        return pieces

    def _before(self, end: int) -> list[TextPiece]:
        """The pieces of the first `end` characters of what is waiting; the rest is dropped."""
        pieces: list[TextPiece] = []
        for piece in self._waiting:
            if end <= 0:
                break
            pieces.append(TextPiece(piece.text[:end], piece.tokens))
            end -= len(piece.text)
        self._waiting = []
        self._tokens = []
        return pieces


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of a text may begin a stop string."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
