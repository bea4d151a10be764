"""FUTO Keyboard's rule to find the next words, with its slips, over any model.

Written anew from what `native/jni/org_futo_inputmethod_latin_xlm_LanguageModel.cpp` does. Three
rows of tokens are followed. A row ends as a word with a piece that ends in a blank, or with <XEC>.
The rule is no plain beam search; a comparison must repeat two slips of it:

1. A row that goes on is scored by the probability of its last token times that of the row with the
   number of this token among its likeliest, instead of times that of the row which it goes on from.
2. When a row takes over the place of another in the cache, the keys and values of the other row's
   tokens stay there, and are seen. `Ours` repeats this; `Rows` has no such cache.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from endonym.model.decoder import Decoder
from endonym.model.span import Span
from endonym.tokenizer.keyboard import CORRECTED, UNKNOWN, pieces_of
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.unigram import SPACE

ROWS, MOST_TOKENS = 3, 10
BARRED = '.!@#$%^&*()_=?/,\\][{};:"><+`~|\r\n\t\x0b\x0c'
"""A piece with one of these is no part of a word: what is probable of it goes to the blank."""
NEVER = -999.0
Logits = NDArray[np.float32]


class Row(NamedTuple):
    """Tokens of a word. place: its number in the cache."""

    score: float
    tokens: tuple[int, ...]
    place: int


class Engine(Protocol):
    """What computes. first: logits after a text; next: after each row, whose last token is new.

    copy: the row at `target` becomes that at `source`; of this `length` tokens are computed.
    """

    def first(self, ids: Sequence[int]) -> Logits: ...
    def next(self, rows: Sequence[Row]) -> Logits: ...
    def copy(self, source: int, target: int, length: int) -> None: ...


class Beam:
    """The rule, for the pieces of a tokenizer. corrects: the model has learnt typed keys."""

    def __init__(self, tokenizer: Tokenizer, *, corrects: bool) -> None:
        names = [piece.name for piece in pieces_of(tokenizer)]
        ids = {name: index for index, name in enumerate(names)}
        self.unknown = ids[UNKNOWN]
        self.end = ids[CORRECTED] if corrects else -1
        self.blank, self.dash = ids[SPACE], ids.get("-", self.unknown)
        self.dash_blank = ids.get(f"-{SPACE}", self.unknown)
        self.barred = [n for n, name in enumerate(names) if set(name) & set(BARRED)]
        self.starts = [n for n, name in enumerate(names) if name.startswith(("'", "-"))]
        self.ends_word = [name.endswith(SPACE) for name in names]
        self.names = names

    def words(
        self, engine: Engine, ids: Sequence[int], *, may_end: bool
    ) -> list[tuple[float, str]]:
        """The words after a text, with their scores, in the order in which they end.

        may_end: whether <XEC> is allowed, which it is where the last token alone was computed.
        """
        chances_V = self._chances(engine.first(ids), may_end=may_end)
        best = np.argsort(-chances_V, kind="stable")[:ROWS].tolist()
        rows = [Row(float(chances_V[token]), (token,), n) for n, token in enumerate(best)]
        for row in rows[1:]:
            engine.copy(0, row.place, 0)
        found: list[tuple[float, tuple[int, ...]]] = []
        for _ in range(MOST_TOKENS):
            going = list[Row]()
            for row in rows:
                if row.tokens[-1] == self.end:
                    found.append((row.score, row.tokens[:-1]))
                elif self.ends_word[row.tokens[-1]]:
                    found.append((row.score, row.tokens))
                else:
                    going.append(row)
            if not going:
                break
            rows = self._longer(engine, going, may_end=may_end)
        return [(score, self._word(tokens)) for score, tokens in found]

    def _longer(self, engine: Engine, rows: Sequence[Row], *, may_end: bool) -> list[Row]:
        """As many rows as before, each with one more token, the best first."""
        made = list[Row]()
        for row, logits_V in zip(rows, engine.next(rows), strict=True):
            chances_V = self._chances(logits_V, may_end=may_end, before=row.tokens[-1])
            best = np.argsort(-chances_V, kind="stable")[: len(rows)].tolist()
            for number, token in enumerate(best):
                score = float(np.float32(chances_V[token]) * np.float32(rows[number].score))
                made.append(Row(score, (*row.tokens, token), row.place))  # slip 1
        made = sorted(made, key=lambda row: -row.score)[: len(rows)]
        return _placed(engine, made)

    def _chances(self, logits_V: Logits, *, may_end: bool, before: int | None = None) -> Logits:
        """The probabilities of the next token; NEVER where it is not allowed.

        before: the last token of the word, None at its beginning.
        """
        chances_V = np.exp(logits_V - logits_V.max())
        chances_V /= chances_V.sum()
        barred = [each for each in self.barred if not (may_end and each == self.end)]
        chances_V[self.blank] += chances_V[barred].sum()
        chances_V[barred] = NEVER
        if before is None:
            chances_V[[self.blank, *self.starts]] = NEVER
        chances_V[self.dash_blank] = NEVER
        if before == self.dash:
            chances_V[self.dash] = NEVER
        return chances_V

    def _word(self, tokens: Sequence[int]) -> str:
        """The text of a word's tokens."""
        return "".join(self.names[each] for each in tokens).replace(SPACE, " ")


def _placed(engine: Engine, rows: Sequence[Row]) -> list[Row]:
    """Rows with a place each: of several that go on from one row, the last one stays there."""
    used = [sum(row.place == place for row in rows) for place in range(ROWS)]
    placed = list[Row]()
    for row in rows:
        place = row.place
        if used[place] > 1:
            free = used.index(0)
            used[place], used[free] = used[place] - 1, 1
            engine.copy(place, free, len(row.tokens) - 1)
            place = free
        placed.append(row._replace(place=place))
    return placed


@dataclass(slots=True)
class Cells:
    """Keys and values of one layer for all tokens that were computed, whatever row they are of.

    mask_1TM: which of them each new token sees; shared by all layers.
    """

    seen: list[Tensor]
    keys_1GMK: Tensor | None = None
    values_1GMK: Tensor | None = None

    def extend(
        self, _: Span, keys_1GTK: Tensor, values_1GTK: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Add the keys and values of new tokens; return all, and the mask over them."""
        if self.keys_1GMK is not None and self.values_1GMK is not None:
            keys_1GTK = torch.cat((self.keys_1GMK, keys_1GTK), dim=2)
            values_1GTK = torch.cat((self.values_1GMK, values_1GTK), dim=2)
        self.keys_1GMK, self.values_1GMK = keys_1GTK, values_1GTK
        return keys_1GTK, values_1GTK, self.seen[0]


@dataclass(slots=True)
class Ours:
    """Our decoder with a cache that is shared by the rows as the keyboard's is.

    positions, places: of each token in the cache its position, and the rows that see it.
    """

    decoder: Decoder
    positions: list[int] = field(default_factory=list[int])
    places: list[set[int]] = field(default_factory=list[set[int]])
    cells: list[Cells] = field(default_factory=list[Cells])
    mask: list[Tensor] = field(default_factory=list[Tensor])
    past: int = 0

    def first(self, ids: Sequence[int]) -> Logits:
        """Logits after a text, which is seen by row 0."""
        self.positions, self.places, self.mask, self.past = [], [], [torch.empty(0)], len(ids)
        self.cells = [Cells(self.mask) for _ in range(self.decoder.config.layers)]
        return self._decode(ids, [*range(len(ids))], [0] * len(ids))[-1]

    def next(self, rows: Sequence[Row]) -> Logits:
        """Logits after each row."""
        tokens = [row.tokens[-1] for row in rows]
        positions = [self.past + len(row.tokens) - 1 for row in rows]
        return self._decode(tokens, positions, [row.place for row in rows])

    def copy(self, source: int, target: int, length: int) -> None:
        """Let `target` see what `source` sees; what it saw before, it still sees: slip 2."""
        for position, places in zip(self.positions, self.places, strict=True):
            if source in places and position < self.past + length:
                places.add(target)

    @torch.inference_mode()
    def _decode(self, ids: Sequence[int], positions: Sequence[int], rows: Sequence[int]) -> Logits:
        """Logits after new tokens of these rows, (T, V)."""
        past = len(self.positions)
        self.positions += positions
        self.places += [{row} for row in rows]
        self.mask[0] = torch.tensor(
            [
                [
                    row in places and theirs <= own
                    for places, theirs in zip(self.places, self.positions, strict=True)
                ]
                for row, own in zip(rows, positions, strict=True)
            ]
        )[None]
        tokens_1T = torch.tensor([list(ids)])
        memo = {"positions": torch.tensor([list(positions)])}
        span = Span(past, len(ids), tokens_1T.device, memo=memo)
        hidden_1TD, _ = self.decoder(tokens_1T, span, self.cells)
        return self.decoder.readout.logits(hidden_1TD[0]).float().numpy()


class Rows:
    """What computes each row as a whole text. after: logits behind ids."""

    def __init__(self, after: Callable[[Sequence[int]], Logits]) -> None:
        self.after, self.ids = after, list[int]()

    def first(self, ids: Sequence[int]) -> Logits:
        """Logits after a text."""
        self.ids = list(ids)
        return self.after(self.ids)

    def next(self, rows: Sequence[Row]) -> Logits:
        """Logits after each row."""
        return np.stack([self.after([*self.ids, *row.tokens]) for row in rows])

    def copy(self, source: int, target: int, length: int) -> None:
        """Nothing is kept."""
