"""From the logits of several sequences to the next token of each, in a few calls of numpy."""

import functools
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import regex
from numpy.typing import NDArray

from endonym.errors import RecipeError
from endonym.mappings import without_none
from endonym.script.scripts import CODE_POINTS, DENSE_SCRIPTS, UNSPACED_SCRIPTS
from endonym.store import fingerprint

Ids = NDArray[np.int64]
Logits = NDArray[np.float32]

MAX_TOKENS = 200
"""Of a continuation."""
STATED = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
"""The keys of a `generation_config.json` that are fields of `Sampling`."""
COLDEST = 1e-4
"""A lower temperature is greedy: logits that are divided by it are no longer finite in float32."""
LEAST_PENALTY = 0.01
MOST_PENALTY = 100.0
FAINT = (1e-2, 1e-4, 0.0)
"""Tokens so much less likely than the likeliest are sorted only if top-k or top-p need them."""
LONGEST_CHARACTER = 4
"""Bytes of UTF-8."""
MARK = r"[\p{M}\u00ad\u200c\u200d\u2060]"
ALL_BUT_A_BLANK = "[^ ]"
"""Marks, and unseen signs inside a word, such as that between the parts of a Persian one."""
_UNSPACED = "".join(rf"\p{{{script}}}" for script in (*UNSPACED_SCRIPTS, *DENSE_SCRIPTS))
OF_WORDS = rf"(?![{_UNSPACED}])[\p{{L}}\p{{N}}]|{MARK}"
"""MARK, and the letters and digits of scripts that put blanks between words."""
_ENDS_IN_A_WORD = regex.compile(rf"(?![{_UNSPACED}])[\p{{L}}\p{{N}}\p{{M}}]\Z")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen.

    The defaults suit small models, whose unlikely tokens are mostly wrong ones.
    temperature: 0 is greedy, and so is less than COLDEST. top_k, top_p: keep the k most probable
    tokens, or the fewest whose probabilities reach p (arXiv:1904.09751, section 3.1); 0 and 1 keep
    all. min_p: keep tokens at least p times as probable as the likeliest (arXiv:2407.01082); 0
    keeps all.
    repetition_penalty: divides positive logits of tokens in the text and multiplies negative ones
    (arXiv:1909.05858, section 4.1); 1 does nothing.
    inside_word: the text may go on inside the prompt's last word (`beginning`).
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 0.95
    repetition_penalty: float = 1.0
    seed: int = 0
    inside_word: bool = False
    min_p: float = 0.0

    def __post_init__(self) -> None:
        bounds = {
            "temperature": 0 <= self.temperature <= 100,
            "top_k": self.top_k >= 0,
            "top_p": 0 < self.top_p <= 1,
            "repetition_penalty": LEAST_PENALTY <= self.repetition_penalty <= MOST_PENALTY,
            "min_p": 0 <= self.min_p <= 1,
        }
        for name, fits in bounds.items():
            if not fits:
                raise RecipeError(
                    f"{getattr(self, name)} is out of bounds",
                    where=f"--{name.replace('_', '-')}",
                    do="temperature and top-k start at 0, top-p lies in (0, 1], min-p in [0, 1], "
                    f"repetition-penalty in [{LEAST_PENALTY}, {MOST_PENALTY:.0f}].",
                )

    @property
    def is_greedy(self) -> bool:
        """Whether the likeliest token is taken."""
        return self.temperature < COLDEST


@dataclass(frozen=True, slots=True)
class Defaults:
    """How a model writes where nobody says how. A folder's `generation_config.json` may say it.

    stated: its fields of `Sampling`. max_tokens: of a continuation.
    """

    stated: Mapping[str, Any] = field(default_factory=dict)
    max_tokens: int = MAX_TOKENS

    @classmethod
    def of(cls, generation: Mapping[str, Any]) -> "Defaults":
        """What a `generation_config.json` says; numbers out of bounds say nothing.

        do_sample = false is greedy. top_k: all tokens for numbers below 0, as vLLM reads it.
        """
        stated = dict[str, Any]()
        for name in STATED:
            value: Any = generation.get(name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            with suppress(RecipeError, OverflowError, ValueError):
                value = max(0, int(value)) if name == "top_k" else float(value)
                Sampling(**{name: value})
                stated[name] = value
        if generation.get("do_sample") is False:
            stated["temperature"] = 0.0
        most: Any = generation.get("max_new_tokens")
        is_length = isinstance(most, int) and 0 < most < 1 << 31
        return cls(stated, most if is_length else MAX_TOKENS)

    def sampling(self, **given: Any) -> Sampling:
        """How the next token is chosen. given: fields of `Sampling`; None gives none."""
        known = without_none(given)
        return Sampling(**{**self.stated, **known})

    def words(self) -> str:
        """What the folder says, for a person; empty if it says nothing."""
        words = [f"{name} {value:g}" for name, value in self.stated.items()]
        if self.max_tokens != MAX_TOKENS:
            words.append(f"max_new_tokens {self.max_tokens}")
        return ", ".join(words)


def beginning(prompt: str, *, inside_word: bool = False) -> tuple[str, str]:
    """The text to encode for a prompt, and characters with which no
    continuation begins, as a class of regex.

    The last word of the prompt is left as it is. Where blanks part words, no letter, digit or MARK
    follows one of the prompt; a script without blanks goes on with anything but a MARK. A blank at
    the end is not encoded, as it is part of the next token in training text: the continuation
    begins with it. inside_word: the prompt as it is, and nothing is ruled out.
    """
    if inside_word or not prompt or (prompt[-1].isspace() and prompt[-1] != " "):
        return prompt, ""
    if prompt[-1] == " ":
        return prompt[:-1], ALL_BUT_A_BLANK
    return prompt, OF_WORDS if _ENDS_IN_A_WORD.search(prompt) else MARK


class SamplerState:
    """How the tokens of one sequence are chosen, and what was chosen so far.

    prompt: the ids before; they count as seen, and draws depend on them and on the seed. With the
    seed alone, the continuations of different prompts become the same text where they meet in a few
    tokens. min_tokens: the text may end only after so many. bias: is added to the logits of ids.
    not_first: a class of characters that the text begins with none of.
    """

    def __init__(
        self,
        sampling: Sampling,
        prompt: Sequence[int] = (),
        *,
        min_tokens: int = 0,
        bias: Mapping[int, float] | None = None,
        not_first: str = "",
    ) -> None:
        self.sampling = sampling
        self.min_tokens = min_tokens
        self.bias = bias or {}
        self.not_first = not_first
        self.seen = set(prompt)
        self.made = 0
        self.pending = b""
        """An unfinished character."""
        key = int(fingerprint([sampling.seed, *prompt])[:15], 16)  # 15 hexadecimal digits: 60 bits
        self.random = np.random.Generator(np.random.Philox(key=key))


class Sampler:
    """Chooses the next tokens of sequences of one vocabulary.

    The greedy choice is the likeliest token of all. None is drawn that would break a character in
    UTF-8, or that stands for no text, as those that are reserved for conversations.

    token_bytes: of each id; none of special tokens. ends: ids that end a text.
    """

    def __init__(self, token_bytes: Sequence[bytes], ends: Collection[int]) -> None:
        self.ends = frozenset(ends)
        self._token_bytes = token_bytes
        self._ends = np.array(sorted(ends), dtype=np.int64)
        tails = [unfinished(piece) for piece in token_bytes]
        self._inside = np.array([n for n, tail in enumerate(tails) if tail is None], dtype=np.int64)
        """Ids that begin inside a character, or are no UTF-8 at all."""
        empty = [n for n, piece in enumerate(token_bytes) if not piece and n not in ends]
        self._never_between_characters = np.array([*self._inside.tolist(), *empty], dtype=np.int64)
        self._allowed: dict[bytes, Ids] = {}
        self._unfit: dict[tuple[str, bytes], Ids] = {}

    def next_tokens(self, logits_BV: Logits, states: Sequence[SamplerState]) -> list[int]:
        """The next token of each row. The logits are overwritten."""
        logits_BV[:, len(self._token_bytes) :] = -np.inf
        for logits_V, state in zip(logits_BV, states, strict=True):
            self._restrict(logits_V, state)
        likeliest_B = logits_BV.argmax(axis=1)
        drawn = [n for n, state in enumerate(states) if not state.sampling.is_greedy]
        if drawn:
            rows_BV = logits_BV if len(drawn) == len(states) else logits_BV[drawn]
            likeliest_B[drawn] = _draw(rows_BV, [states[n] for n in drawn])
        chosen: list[int] = likeliest_B.tolist()
        for index, state in zip(chosen, states, strict=True):
            state.made += 1
            state.seen.add(index)
            written = state.pending + self._token_bytes[index]
            state.pending = unfinished(written) or b""
            if written != state.pending:
                state.not_first = ""  # its first character is complete
        return chosen

    def _restrict(self, logits_V: Logits, state: SamplerState) -> None:
        """Add the bias, penalize repetitions, and rule out tokens that may not come next."""
        for index, bias in state.bias.items():
            logits_V[index] += bias
        penalty = state.sampling.repetition_penalty
        if penalty != 1.0:  # not for the tokens that open a document or end a turn
            seen = np.fromiter(state.seen.difference(self.ends), dtype=np.int64)
            old = logits_V[seen]
            logits_V[seen] = np.where(old > 0, old / penalty, old * penalty)
        if state.made < state.min_tokens:
            logits_V[self._ends] = -np.inf
        if state.not_first:
            logits_V[self._beginning_with(state.not_first, state.pending)] = -np.inf
        if state.sampling.is_greedy:
            return
        if not state.pending:
            logits_V[self._never_between_characters] = -np.inf
            return
        allowed = self._following(state.pending)
        kept = logits_V[allowed]
        logits_V[:] = -np.inf
        logits_V[allowed] = kept

    def _beginning_with(self, characters: str, pending: bytes) -> Ids:
        """The ids with which a text begins with one of these characters, or with none at all.

        pending: of its unfinished first character. No ids if that would be all of them.
        """
        if (characters, pending) not in self._unfit:
            texts = [(n, pending + piece) for n, piece in enumerate(self._token_bytes) if piece]
            ids = [n for n, text in texts if begins_with(characters, text[:LONGEST_CHARACTER])]
            is_all = len(ids) == len(texts)
            self._unfit[characters, pending] = np.array([] if is_all else ids, dtype=np.int64)
        return self._unfit[characters, pending]

    def _following(self, pending: bytes) -> Ids:
        """The ids that may follow an unfinished character; the end may always."""
        if pending not in self._allowed:
            ids = [
                index
                for index in self._inside.tolist()
                if unfinished(pending + self._token_bytes[index]) is not None
            ]
            self._allowed[pending] = np.array([*self._ends.tolist(), *ids], dtype=np.int64)
        return self._allowed[pending]


def unfinished(data: bytes) -> bytes | None:
    """The bytes of an unfinished last character; None if the bytes before it are no UTF-8."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return data[error.start :] if error.reason == "unexpected end of data" else None
    return b""


@functools.lru_cache(maxsize=1 << 16)
def begins_with(characters: str, data: bytes) -> bool:
    """Whether the first character of these bytes, whatever it becomes, matches an expression.

    True also for bytes that are no UTF-8. The first byte of four may become any of 200 thousand
    characters, so answers are kept.
    """
    text = first(data)
    return not text or regex.fullmatch(f"(?:{characters})+", text) is not None


def first(data: bytes) -> str:
    """What the first character of these bytes is, or all that it may be; "" if it is no UTF-8."""
    lead = data[0]
    size = 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    code = lead if size == 1 else lead & (0x7F >> size)
    rest = data[1:size]
    if 0x80 <= lead < 0xC2 or lead > 0xF4 or any(not 0x80 <= byte < 0xC0 for byte in rest):
        return ""
    for byte in rest:
        code = code << 6 | byte & 0x3F
    bits = 6 * (size - 1 - len(rest))
    least = (0, 0x80, 0x800, 0x10000)[size - 1]
    codes = range(max(least, code << bits), min(CODE_POINTS, (code + 1) << bits))
    return "".join(map(chr, codes))


def _draw(logits_BV: Logits, states: Sequence[SamplerState]) -> list[int]:
    """Draw a token of each row, by its probability among those that top-k and top-p keep.

    Of a row that is no distribution (all tokens ruled out, or logits that are not numbers) it is
    the likeliest one.
    """
    likeliest_B = np.nan_to_num(logits_BV, nan=-np.inf).argmax(axis=1)
    temperatures = [[state.sampling.temperature] for state in states]
    temperature_B1 = np.array(temperatures, dtype=np.float32)
    with np.errstate(invalid="ignore"):
        mass_BV = logits_BV - logits_BV.max(axis=1, keepdims=True)
        np.exp(np.divide(mass_BV, temperature_B1, out=mass_BV), out=mass_BV)
    sums_B = mass_BV.sum(axis=1, dtype=np.float64)
    rows = zip(mass_BV, sums_B.tolist(), states, strict=True)
    return [
        _draw_one(mass_V, total, state) if np.isfinite(total) else int(likeliest_B[number])
        for number, (mass_V, total, state) in enumerate(rows)
    ]


def _draw_one(mass_V: Logits, total: float, state: SamplerState) -> int:
    """A token, drawn among those that top-k, top-p and min-p keep.

    mass_V: probabilities relative to the likeliest token's, which has 1. total: their sum.
    """
    top_k = state.sampling.top_k
    top_p = state.sampling.top_p
    min_p = state.sampling.min_p
    if top_p == 1 and not 0 < top_k < len(mass_V):
        ids = None  # all tokens in their own order
        sums = np.where(mass_V >= min_p, mass_V, 0).cumsum(dtype=np.float64)
    else:
        ids = np.empty(0, dtype=np.int64)
        for faint in FAINT:
            ids = np.flatnonzero(mass_V > faint)
            is_enough = len(ids) >= top_k if top_k else mass_V[ids].sum() >= top_p * total
            if is_enough:
                break
        ids = ids[np.argsort(-mass_V[ids])]  # the likeliest first
        sums = mass_V[ids].cumsum(dtype=np.float64)
        if top_k:
            sums = sums[:top_k]
            total = sums[-1]
        sums = sums[: int(np.searchsorted(sums, top_p * total)) + 1]
        sums = sums[: np.count_nonzero(mass_V[ids[: len(sums)]] >= min_p)]
    place = int(np.searchsorted(sums, state.random.random() * sums[-1], side="right"))
    place = min(place, len(sums) - 1)
    return place if ids is None else int(ids[place])


def log_probabilities(logits_BV: Logits) -> Logits:
    """Natural logarithms of the probabilities of each row, in float32."""
    top_B1 = logits_BV.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # of logits that are no numbers
        sums_B1 = np.exp(logits_BV - top_B1).sum(axis=1, keepdims=True, dtype=np.float64)
        return logits_BV - (top_B1 + np.log(sums_B1)).astype(np.float32)


def likeliest(log_V: Logits, count: int) -> list[tuple[int, float]]:
    """The `count` likeliest ids with their log-probabilities, in order.

    Fewer if others are not finite, as of ids that are ruled out.
    """
    if not count:
        return []
    count = min(count, len(log_V))
    ids = np.argpartition(-log_V, count - 1)[:count]
    ids = ids[np.argsort(-log_V[ids], kind="stable")]
    return [(int(index), float(log_V[index])) for index in ids if np.isfinite(log_V[index])]


def log_softmax(logits_TV: Logits) -> NDArray[np.float64]:
    """Natural logarithms of the probabilities of each row, in float64, for sums over a text."""
    logits = logits_TV.astype(np.float64)
    logits -= logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))
