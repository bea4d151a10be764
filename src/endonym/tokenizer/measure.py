"""Measures any tokenizer on texts: how long its tokens are, and what it does to letters."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import regex
from tokenizers import Tokenizer as Engine

from endonym.batching import in_batches
from endonym.disk import Json
from endonym.tokenizer.tokenizer import BYTE_TOKEN

WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
MARK = regex.compile(r"(?<=[\p{L}\p{M}\u25cc])\p{M}")
"""A mark behind its letter."""
BATCH_DOCUMENTS = 256
TIMED_BYTES = 4_000_000
TIMED_REPEATS = 3


@dataclass(slots=True)
class Fit:
    """Counts of the texts of one source.

    cut_letters: tokens that begin inside a letter: between it and its marks, or between the bytes
    of a character. changed: documents that do not come back from their tokens as they were.
    """

    documents: int = 0
    bytes: int = 0
    characters: int = 0
    words: int = 0
    tokens: int = 0
    cut_letters: int = 0
    changed: int = 0

    def as_dict(self) -> Json:
        """The counts and their ratios. A ratio without a divisor is None."""
        ratios = {
            "bytes_per_token": (self.bytes, self.tokens),
            "tokens_per_word": (self.tokens, self.words),
            "tokens_per_character": (self.tokens, self.characters),
            "cut_letters_per_token": (self.cut_letters, self.tokens),
        }
        shares = {name: round(a / b, 5) if b else None for name, (a, b) in ratios.items()}
        return asdict(self) | shares


@dataclass(slots=True)
class Measured:
    """What a tokenizer does with texts, by source. unused: ids that none of the texts needs."""

    vocab: int
    unused: int
    megabytes_per_second: float
    sources: dict[str, Fit] = field(default_factory=dict)

    @property
    def is_lossless(self) -> bool:
        """Whether every document came back as it was."""
        return not any(source.changed for source in self.sources.values())

    def total(self) -> Fit:
        """The sums over the sources."""
        rows = [asdict(source) for source in self.sources.values()]
        return Fit(**{key: sum(row[key] for row in rows) for key in asdict(Fit())})


def measure_tokenizer(engine: Engine, texts: Sequence[tuple[str, str]]) -> Measured:
    """Measure a tokenizer on pairs of source and text."""
    seen: set[int] = set()
    sources: dict[str, Fit] = {}
    for batch in in_batches(texts, lambda _: 1, BATCH_DOCUMENTS):
        encodings = engine.encode_batch([text for _, text in batch], add_special_tokens=False)
        for (source, text), encoding in zip(batch, encodings, strict=True):
            fit = sources.setdefault(source, Fit())
            fit.documents += 1
            fit.bytes += len(text.encode("utf-8"))
            fit.characters += len(text)
            fit.words += sum(1 for _ in WORD.finditer(text))
            fit.tokens += len(encoding.ids)
            fit.cut_letters += cut_letters(text, encoding.offsets, encoding.tokens)
            fit.changed += engine.decode(encoding.ids, skip_special_tokens=False) != text
            seen.update(encoding.ids)
    vocab = engine.get_vocab(with_added_tokens=True)
    specials = {each["id"] for each in json.loads(engine.to_str())["added_tokens"]}
    unused = len({*vocab.values()} - specials - seen)
    speed = megabytes_per_second(engine, [text for _, text in texts])
    return Measured(len(vocab), unused, speed, dict(sorted(sources.items())))


def cut_letters(text: str, offsets: Sequence[tuple[int, int]], tokens: Sequence[str]) -> int:
    """How many tokens begin between a letter and its marks, or inside a character.

    offsets: the characters where each token begins and ends. A token that begins before the end of
    the one before it shares a character with it. The bytes of several unknown characters have one
    span; of these the bytes count that continue a character.
    """
    spans = np.array(offsets, dtype=np.int64).reshape(-1, 2)
    shared = spans[1:, 0] < spans[:-1, 1]
    for number in np.flatnonzero(shared).tolist():
        if BYTE_TOKEN.fullmatch(token := tokens[number + 1]):
            shared[number] = 0x80 <= int(token[3:5], 16) < 0xC0  # it continues a character
    marks = [found.start() for found in MARK.finditer(text)]
    return int((shared | np.isin(spans[1:, 0], marks)).sum())


def megabytes_per_second(engine: Engine, texts: Iterable[str]) -> float:
    """Megabytes of text encoded in a second on all cores: the best of several times.

    Reads about TIMED_BYTES.
    """
    chosen = list[str]()
    total = 0
    for text in texts:
        if total >= TIMED_BYTES:
            break
        chosen.append(text)
        total += len(text.encode("utf-8"))
    best = float("inf")
    for _ in range(TIMED_REPEATS):
        started = time.perf_counter()
        engine.encode_batch_fast(chosen, add_special_tokens=False)
        best = min(best, time.perf_counter() - started)
    return total / 1e6 / max(best, 1e-9)
