"""Words as they are typed on a keyboard, behind the running text before them.

A phase with `objective = "autocorrect"` reads its text in this order. A quarter of the rows stay
running text, so that the next word is not forgotten. The others are cut into stretches, and each
stretch ends with a word that somebody types: first its keys, in which most often a slip was made
(lexicon/typing_errors.py), then the word that was meant:

    context <XBU><CHAR_T><CHAR_E><CHAR_H><XBC>the <XEC>

Only the word, its blank and `<XEC>` are learnt there. Half of the stretches have no context: where
the text tells much, a small model learns late to look at the keys. A stretch is a document of its
own, since a keyboard, too, shows the model nothing but the text and the keys. The text of a row
that no longer fits is left out in this epoch. Which rows, words and slips are drawn depends on the
seed and the number of the row alone, so that every epoch has others, and a training that goes on
has the same.

The form is that of FUTO Keyboard, which has a token for each key from A to Z: accents are dropped,
and a word that needs other keys is not typed.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from random import Random
from typing import NamedTuple

import numpy as np
import regex

from endonym.data.order import Integers, Mixture, Numbers, Order, Rows
from endonym.errors import RecipeError
from endonym.lexicon.typing_errors import WEIGHTS, any_error, layout_of, typed_keys
from endonym.seed import named_seed
from endonym.tokenizer.keyboard import CORRECTED, KEYS, TYPED, WRITTEN
from endonym.tokenizer.tokenizer import Tokenizer

TYPED_SHARE = 0.75
"""Of the rows. Of such a row a seventh of the tokens are learnt: with a half of the rows nearly all
that is learnt would be running text."""
SLIPS = {kind: WEIGHTS[kind] for kind in ("neighbour", "swap", "double", "drop", "add")}
"""Kinds of slips with their weights: those of a finger. The others are of letters that no key from
A to Z has."""
SLIP_SHARE = 0.8
"""Of the typed words; the others have no slip, only their accents are dropped."""
ALONE_SHARE = 0.5
"""Of the typed words, without any context: then nothing but the keys can tell the word."""
LONGEST_CONTEXT = 64
"""Tokens before the other typed words, about; their number is drawn log-uniformly."""
SHORTEST_WORD = 2
SHORT_SHARE = 1 / 3
"""Letters: of a single one any slip makes another word. Of two letters there are few words, which
stand everywhere and are learnt soon: so this share of them is typed."""
LAYOUT = layout_of("", "latin")
"""The plain QWERTY layout, the only one on which FUTO Keyboard asks a model while one types."""
LETTER = r"[\p{L}\p{M}\p{N}'’ʼ-]"
WORD = regex.compile(rf"(?<!{LETTER})[\p{{L}}\p{{M}}]+(?!{LETTER}|\Z)")
"""A word between other signs than those that stand in words."""
MEASURED_ROWS = 64
CACHED_WORDS = 1 << 16


class Place(NamedTuple):
    """A word in a row: the number of its first token, and its letters."""

    token: int
    word: str


Stretch = tuple[int, list[int], int]
"""Of a stretch its document, its ids, and how many are learnt."""


class Keyboard:
    """The tokens of typed words.

    Raises RecipeError for a tokenizer that has none. pieces: the bytes of each id; the end of a
    text is a line end, which stands in no word.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        found = [tokenizer.id_of(name) for name in (TYPED, WRITTEN, CORRECTED, *KEYS)]
        ids = [each for each in found if each is not None]
        if len(ids) < len(found):
            raise RecipeError(
                f"the tokenizer has no tokens of typed keys, such as {TYPED}",
                where="tokenizer",
                do='Write kind = "keyboard" in [tokenizer], and train the model from scratch.',
            )
        self.typed_id, self.written_id, self.corrected_id = ids[:3]
        self.key_ids = {name[-2].lower(): each for name, each in zip(KEYS, ids[3:], strict=True)}
        self.pieces = [tokenizer.bytes_of(index) for index in range(tokenizer.vocab)]
        self.pieces[tokenizer.end_id] = b"\n"
        self.answer = lru_cache(maxsize=CACHED_WORDS)(self._answer)

    def question(self, keys: str) -> list[int]:
        """What stands behind a context when these keys, from a to z, have been typed."""
        return [self.typed_id, *(self.key_ids[key] for key in keys), self.written_id]

    def _answer(self, word: str) -> list[int]:
        """What the model writes then: the word, its blank, and `<XEC>`."""
        return [*self.tokenizer.encode(f"{word} "), self.corrected_id]

    def places(self, before: int, ids: Integers) -> list[Place]:
        """The words in these ids of one document that can be typed, in order.

        before: the id that stands before them. Words that are cut at the edges are left out, and
        those that do not begin with a token.
        """
        pieces = [self.pieces[each] for each in (before, *ids.tolist())]
        ends = np.cumsum([len(piece) for piece in pieces])
        first_bytes = {int(end): index for index, end in enumerate(ends[:-1])}
        text = b"".join(pieces).decode("utf-8", "surrogateescape")
        found = list[Place]()
        characters = 0
        n_bytes = 0
        for match in WORD.finditer(text):
            between = text[characters : match.start()]
            n_bytes += len(between.encode("utf-8", "surrogateescape"))
            characters = match.start()
            if n_bytes in first_bytes and keys_of(match[0]) is not None:
                found.append(Place(first_bytes[n_bytes], match[0]))
        return found


@lru_cache(maxsize=CACHED_WORDS)
def keys_of(word: str) -> str | None:
    """The keys from a to z of a word without a slip; None if it needs others, or is too short."""
    return typed_keys(word) if len(word) >= SHORTEST_WORD else None


def slipped_keys(word: str, random: Random) -> str:
    """The keys from a to z with which a word is typed: with one slip, or with none.

    word: one that can be typed.
    """
    keys = keys_of(word)
    assert keys is not None, "only words that can be typed are typed"
    slip = any_error(keys, LAYOUT, random, SLIPS) if random.random() < SLIP_SHARE else None
    return keys if slip is None else slip[1]


@dataclass
class TypedOrder:
    """An order of running text in which a share of the rows are typed words.

    order: of the text; its rows are numbered as these. A document of a row has the number that it
    has there, times the context, plus that of its stretch, which is 0 for running text. What is
    left of a row is end-of-text of which nothing is learnt, a document of its own.
    """

    order: Order | Mixture
    keyboard: Keyboard
    seed: int

    def __post_init__(self) -> None:
        self.shards = self.order.shards
        self.context = self.order.context
        self.positions_per_epoch = self.order.positions_per_epoch

    @cached_property
    def bytes_per_position(self) -> float:
        """Bytes per learnt target, by the first rows."""
        rows = self.rows(0, MEASURED_ROWS)
        assert rows.weights_BT is not None, "they say what is learnt"
        learnt = rows.targets_BT[rows.weights_BT > 0]
        return float(self.shards.byte_counts[learnt].sum() / max(1, len(learnt)))

    def tokens_by_source(self, documents: Integers) -> dict[str, int]:
        """How many of the inputs of these document numbers are of each source."""
        return self.order.tokens_by_source(documents // self.context)

    def rows(self, first: int, count: int) -> Rows:
        """The rows from `first` up to `first + count`, whose end is not included."""
        tokens_BT, targets_BT, documents_BT, *_ = self.order.rows(first, count)
        documents_BT = documents_BT * self.context
        weights_BT = np.ones(tokens_BT.shape, dtype=np.float32)
        for index in range(count):
            random = Random(named_seed(self.seed, "typed words", first + index))
            if random.random() < TYPED_SHARE:
                row = (tokens_BT[index], targets_BT[index], documents_BT[index], weights_BT[index])
                self._type(*row, random=random)
        return Rows(tokens_BT, targets_BT, documents_BT, weights_BT)

    def _type(
        self,
        tokens_T: Integers,
        targets_T: Integers,
        documents_T: Integers,
        weights_T: Numbers,
        *,
        random: Random,
    ) -> None:
        """Make typed words of a row of running text, in place; one without words stays as it is."""
        stretches = self._stretches(tokens_T, targets_T, documents_T, random)
        if not stretches:
            return
        end_id = self.shards.end_id
        last = documents_T[-1] // self.context * self.context
        tokens_T[:], targets_T[:], weights_T[:] = end_id, end_id, 0.0
        documents_T[:] = last + self.context - 1
        start = 0
        for number, (document, ids, learnt) in enumerate(stretches):
            stop = start + len(ids)
            tokens_T[start + 1 : stop], targets_T[start:stop] = ids[:-1], ids
            documents_T[start:stop] = document + number + 1
            weights_T[stop - learnt : stop] = 1.0
            start = stop

    def _stretches(
        self, tokens_T: Integers, targets_T: Integers, documents_T: Integers, random: Random
    ) -> list[Stretch]:
        """Of each stretch that fits into the row: its document, its ids, and how many are learnt.

        The next one begins with the word that the one before it was to write.
        """
        found = list[Stretch]()
        room = len(targets_T)
        is_new = np.flatnonzero(np.diff(documents_T)) + 1
        for start, stop in pairwise([0, *is_new.tolist(), len(documents_T)]):
            ids = targets_T[start:stop]
            begin = 0
            wanted = drawn_length(random)
            for token, word in self.keyboard.places(int(tokens_T[start]), ids):
                is_passed = len(word) == SHORTEST_WORD and random.random() > SHORT_SHARE
                if token < begin + wanted or is_passed:
                    continue
                begin = begin if wanted else token
                answer = self.keyboard.answer(word)
                question = self.keyboard.question(slipped_keys(word, random))
                stretch = [*ids[begin:token].tolist(), *question, *answer]
                if len(stretch) > room:
                    return found
                found.append((int(documents_T[start]), stretch, len(answer)))
                room -= len(stretch)
                begin = token
                wanted = drawn_length(random)
        return found


def drawn_length(random: Random) -> int:
    """How many tokens stand before a typed word, at least; 0 if it stands alone."""
    is_alone = random.random() < ALONE_SHARE
    return 0 if is_alone else int((1 + LONGEST_CONTEXT) ** random.random())
