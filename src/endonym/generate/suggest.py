"""The likeliest words after a text whose last word is half typed.

A beam over tokens goes on from before the half typed word. Its first tokens are those that agree
with the letters typed, also inside a token. A word ends where the next token begins another one;
the probabilities of several rows of tokens that write one word are added.

Where blanks part words, a word is letters and digits, with an apostrophe or a hyphen between them.
Scripts without blanks get the rest of the last token, or the next one: a piece that ends with a
whole letter. Every suggestion adds a letter at least to what is typed.

Most tokenizers have the blank before a word in its first token. That of a keyboard has it in the
last token of the word before. There a comma, say, may become ", " by the blank that is yet to come:
so the last token before the word is looked for again, too.
"""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, cast

import numpy as np
import regex
import torch
from numpy.typing import NDArray
from torch import Tensor

from endonym.generate.reading import PREFILL_TOKENS
from endonym.generate.sample import (
    MARK,
    OF_WORDS,
    Logits,
    first,
    likeliest,
    log_probabilities,
    unfinished,
)
from endonym.lexicon.words import TOGETHER
from endonym.model.cache import Cache, KeysAndValues, RepeatableCache
from endonym.model.decoder import Decoder
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.span import Span
from endonym.script.letters import LETTER
from endonym.script.scripts import script_counts
from endonym.tokenizer.kinds import kind_of
from endonym.tokenizer.tokenizer import Tokenizer

BEAM = 8
"""Rows of tokens that are followed at a time."""
MOST_TOKENS = 16
"""Of a word; one that is longer is not suggested."""
MOST_KNOWN = 128
"""Rows of tokens behind one prefix, about, of which it is kept what follows them."""
INSIDE = "['’ʼ-]"
"""Signs between letters that do not part words."""
HALF_TYPED = regex.compile(rf"(?r)(?:(?:{OF_WORDS})+{INSIDE})*(?:{OF_WORDS})*\Z")
LONGEST_TYPED = 200
"""So many characters at the end of a text are searched for the half typed word."""
UNBROKEN_END = regex.compile(rf"(?!{OF_WORDS})\p{{L}}(?:{MARK})*\Z")
WORD = regex.compile(
    rf"(?=[\p{{L}}\p{{N}}])(?:{OF_WORDS})+(?:{INSIDE}(?:{OF_WORDS})+)*|(?:\p{{L}}(?:{MARK})*)+"
)
GOES_ON = regex.compile(rf"{OF_WORDS}|{INSIDE}(?:{OF_WORDS})")
PART = regex.compile(rf" ?(?:{OF_WORDS}|{INSIDE}|\p{{L}})*")
"""What stands of a word at the beginning of a text, maybe behind a blank."""


class Suggestion(NamedTuple):
    """A word, and how likely the text went on with it before a letter of it was typed.

    rest: what the word adds to the text, which may begin with a blank.
    """

    word: str
    rest: str
    probability: float


class Row(NamedTuple):
    """Tokens that are followed. typed: what they have to begin with, a blank before it included.

    before: what they have to write before that.
    """

    ids: tuple[int, ...]
    nats: float
    written: bytes
    typed: bytes
    before: bytes = b""

    @property
    def left(self) -> bytes:
        """What they have to write and have not written yet."""
        return (self.before + self.typed)[len(self.written) :]

    @property
    def letters(self) -> str | None:
        """What is written of the word; None if that is no UTF-8. A character that is not finished
        is left out."""
        own = self.written[len(self.before) :]
        tail = unfinished(own)
        return None if tail is None else own[: len(own) - len(tail)].decode()

    def followed_by(self, index: int, piece: bytes, nats: float) -> "Row":
        """The row with one more token."""
        ids = (*self.ids, index)
        written = self.written + piece
        return self._replace(ids=ids, nats=self.nats + nats, written=written)

    @property
    def is_between_letters(self) -> bool:
        """Whether all that was typed is written, and no character is unfinished."""
        return not self.left and not unfinished(self.written)


def promising(rows: Iterable[Row], found: Mapping[str, float], count: int, width: int) -> list[Row]:
    """The likeliest rows of a beam that may still lead to one of the `count` likeliest words."""
    least = sorted(found.values())[-count] if len(found) >= count else 0.0
    best = sorted(rows, key=lambda row: -row.nats)[:width]
    return [row for row in best if math.exp(row.nats) > least]


def best_words(found: Mapping[str, float], count: int) -> list[str]:
    """The likeliest words, the likeliest first."""
    return sorted(found, key=found.__getitem__, reverse=True)[:count]


class Suggester:
    """Suggests words after a text. It keeps the cache of the last one, so that a longer one is
    fast."""

    def __init__(self, decoder: AnyDecoder, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.prefix = Prefix(decoder)
        self.has_blanks_behind = kind_of(tokenizer) == "keyboard"
        vocab = min(tokenizer.vocab, decoder.config.vocab)
        self.pieces = [tokenizer.bytes_of(index) for index in range(vocab)]
        ordered = sorted((piece, n) for n, piece in enumerate(self.pieces) if piece)
        self.sorted = [piece for piece, _ in ordered]
        self.order = [n for _, n in ordered]
        may_begin = [first(piece[:4]) if piece else "" for piece in self.pieces]
        begins = np.array([*map(bool, may_begin)])
        begins[tokenizer.end_id] = True
        self.is_special = np.array([not piece for piece in self.pieces])

        def begin_with(kind: str) -> NDArray[np.bool_]:
            return np.array([regex.search(kind, letters) is not None for letters in may_begin])

        self.ends_word = begins & ~begin_with(rf"{OF_WORDS}|{INSIDE}")
        self.ends_piece = begins & ~begin_with(MARK)

    def suggest(self, text: str, count: int = 3) -> list[Suggestion]:
        """The likeliest words, the likeliest first; fewer if there are no more.

        A word of two scripts is none: behind letters that a model has never read it writes any.
        """
        if count < 1:
            return []
        begin = begin_of_last_word(text, self.tokenizer)
        before = ""
        if self.has_blanks_behind:
            begin += text.startswith(" ", begin)
            before = self._last_token(text[:begin])
        given = text[: begin - len(before)]
        self.prefix.read(self.tokenizer.begun_ids(given))
        found = defaultdict[str, float](float)
        rows = [Row((), 0.0, b"", each.encode(), before.encode()) for each in openings(text, begin)]
        for _ in range(MOST_TOKENS):
            logs_BV = self.prefix.after([row.ids for row in rows])[:, : len(self.pieces)]
            longer = [
                each
                for row, log_V in zip(rows, logs_BV, strict=True)
                for each in self._longer(row, log_V, found)
            ]
            if not (rows := promising(longer, found, count, BEAM)):
                break
        typed = len(text) - begin
        given_chance = self._chance_of(before.encode())
        return [
            Suggestion(each.removeprefix(" "), each[typed:], found[each] / given_chance)
            for each in best_words(found, count)
        ]

    def _last_token(self, text: str) -> str:
        """The last token of a text, to which the blank behind it may belong; empty behind a
        blank."""
        if not text or text[-1].isspace():
            return ""
        piece, _ = self.tokenizer.pieces(self.tokenizer.encode(text))[-1]
        return piece

    def _chance_of(self, before: bytes) -> float:
        """How likely the next tokens write these bytes, and maybe more."""
        if not before:
            return 1.0
        total = 0.0
        rows = [Row((), 0.0, b"", b"", before)]
        for _ in range(MOST_TOKENS):
            longer = list[Row]()
            logs_BV = self.prefix.after([row.ids for row in rows])
            for row, log_V in zip(rows, logs_BV, strict=True):
                ids = self._agreeing(row.left)
                longer += [row.followed_by(n, self.pieces[n], float(log_V[n])) for n in ids]
            total += sum(math.exp(row.nats) for row in longer if not row.left)
            rows = sorted((row for row in longer if row.left), key=lambda row: -row.nats)[:BEAM]
            if not rows:
                break
        return total

    def _longer(self, row: Row, log_V: Logits, found: dict[str, float]) -> Iterator[Row]:
        """The row with each likely next token. Words that end here are counted in `found`."""
        letters = row.letters or ""
        if row.is_between_letters and WORD.fullmatch(letters.removeprefix(" ")):
            is_longer = is_longer_word(letters, row.typed)
            is_piece = is_unbroken(letters)
            ends = self.ends_piece if is_piece else self.ends_word
            if is_longer:
                mass = float(np.exp(log_V[ends]).sum(dtype=np.float64))
                found[letters] += math.exp(row.nats) * mass
            if is_longer or not is_piece:  # else what ends the word would crowd out longer ones
                log_V = np.where(ends, -np.inf, log_V)
        log_V = np.where(self.is_special, -np.inf, log_V)  # no word goes on behind one
        for index, nats in self._likely(row.left, log_V):
            longer = row.followed_by(index, self.pieces[index], nats)
            letters = longer.letters
            word = None if letters is None else PART.match(letters)
            if letters is None or word is None or not is_of_one_script(word[0]):
                continue
            if letters.startswith(" ") and not row.typed.startswith(b" "):
                continue  # another row begins with the blank
            if word.end() == len(letters):
                yield longer
            elif not longer.left and is_longer_word(word[0], row.typed):
                found[word[0]] += math.exp(longer.nats)

    def _likely(self, left: bytes, log_V: Logits) -> list[tuple[int, float]]:
        """The likeliest tokens that agree with what is left of the letters typed."""
        if not left:
            return likeliest(log_V, 2 * BEAM)
        ids = self._agreeing(left)
        return [(ids[n], nats) for n, nats in likeliest(log_V[ids], 2 * BEAM)]

    def _agreeing(self, left: bytes) -> list[int]:
        """The tokens that begin with these bytes, or write the first of them alone."""
        ids = list[int]()
        for size in range(1, len(left) + 1):
            start = bisect_left(self.sorted, left[:size])
            while start < len(self.sorted) and (
                self.sorted[start].startswith(left)
                if size == len(left)
                else self.sorted[start] == left[:size]
            ):
                ids.append(self.order[start])
                start += 1
        return ids


def is_unbroken(text: str) -> bool:
    """Whether a text ends in a script without blanks between words."""
    return UNBROKEN_END.search(text) is not None


def is_longer_word(letters: str, typed: bytes) -> bool:
    """Whether letters, maybe behind a blank, are a word, and more than was typed."""
    is_word = WORD.fullmatch(letters.removeprefix(" ")) is not None
    return is_word and len(letters.encode()) > len(typed)


@lru_cache(maxsize=1 << 12)
def script_of(letter: str) -> str:
    """The script of a letter or mark; empty for what all scripts share."""
    return next(iter(script_counts(letter)), "")


def is_of_one_script(word: str) -> bool:
    """Whether all letters are of one script, or of those that are written together (Japanese)."""
    scripts = {script for letter in word if (script := script_of(letter))}
    return len(scripts) < 2 or scripts <= {*TOGETHER}


def ends_at(text: str, end: int) -> bool:
    """Whether no word goes on at this place of a text."""
    return GOES_ON.match(text, end) is None


def begin_of_last_word(text: str, tokenizer: Tokenizer) -> int:
    """Where the half typed word of a text begins, the blank before it included.

    In a script without blanks: where its last token begins, or the letter that this is a part of.
    """
    if is_unbroken(text):
        piece, _ = tokenizer.pieces(tokenizer.encode(text))[-1]
        begin = len(text) - len(piece)
        return max(each.start() for each in LETTER.finditer(text) if each.start() <= begin)
    half = HALF_TYPED.search(text, max(0, len(text) - LONGEST_TYPED))
    begin = len(text) if half is None else half.start()
    return begin - text[:begin].endswith(" ")


def openings(text: str, begin: int) -> list[str]:
    """What the tokens of a word may have to begin with: the letters typed, maybe behind a blank.

    Behind a sign such as a comma the blank may still be to come.
    """
    typed = text[begin:]
    return [typed] if typed or not text or text[-1].isspace() else ["", " "]


class Prefix:
    """The tokens before the rows of a beam, and their cache.

    What follows a row is kept while the prefix stays: the next letter of a word asks for most rows
    again.
    """

    def __init__(self, decoder: AnyDecoder) -> None:
        self.decoder = decoder
        self.device = decoder.readout.weight_VD.device
        self.longest = max(1, decoder.config.context - MOST_TOKENS)
        self.ids = list[int]()
        self.cache = decoder.empty_cache(1, self.longest)
        self.log_V = np.empty(0, dtype=np.float32)
        self._known = dict[tuple[int, ...], Logits]()

    @torch.inference_mode()
    def read(self, ids: Sequence[int]) -> None:
        """Take these tokens; those that the last ones began with are in the cache already."""
        if len(ids) > self.longest:  # By whole steps, so that the cache is of use to the next call.
            step = max(1, self.longest // 2)
            ids = ids[-(-(len(ids) - self.longest) // step) * step :]
        if ids == self.ids:
            return
        known = 0
        while known < min(len(ids) - 1, len(self.ids)) and ids[known] == self.ids[known]:
            known += 1
        can_go_back = all(isinstance(layer, KeysAndValues) for layer in self.cache)
        if known < len(self.ids) and not can_go_back:
            known = 0
            self.cache = self.decoder.empty_cache(1, self.longest)
        self.ids = list(ids)
        self._known.clear()
        if isinstance(self.decoder, Decoder):
            self.log_V = self._logs(torch.tensor([ids[known:]]), known, self.cache)[0]
        else:
            self.log_V = self._logs(torch.tensor([ids]), 0, None)[0]

    def after(self, rows: Sequence[tuple[int, ...]]) -> Logits:
        """Log-probabilities of the next token after the prefix and each row, (B, V).

        rows: of one length.
        """
        if not rows[0]:
            return np.repeat(self.log_V[None], len(rows), axis=0)
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        if new := [*dict.fromkeys(row for row in rows if row not in self._known)]:
            self._known.update(zip(new, self._computed(new), strict=True))
        return np.stack([self._known[row] for row in rows])

    @torch.inference_mode()
    def _computed(self, rows: Sequence[tuple[int, ...]]) -> Logits:
        """The same for rows that are not known."""
        if not isinstance(self.decoder, Decoder):
            return self._logs(torch.tensor([[*self.ids, *row] for row in rows]), 0, None)
        past = len(self.ids)
        length = past + len(rows[0])
        own = cast("Sequence[RepeatableCache]", self.cache)
        cache = [layer.repeated(len(rows), past, length) for layer in own]
        return self._logs(torch.tensor(rows), past, cache)

    def _logs(self, tokens_BT: Tensor, past: int, cache: Cache | None) -> Logits:
        """Log-probabilities of the next token behind tokens that follow those of a cache."""
        hidden_BTD = None
        for piece_BT in tokens_BT.to(self.device).split(PREFILL_TOKENS, dim=1):
            span = Span.after(past, piece_BT)
            hidden_BTD, _ = self.decoder(piece_BT, span, cache)
            past += piece_BT.shape[1]
        assert hidden_BTD is not None, "there is one token at least"
        logits_BV = self.decoder.readout.logits(hidden_BTD[:, -1]).float().cpu().numpy()
        return log_probabilities(logits_BV)
