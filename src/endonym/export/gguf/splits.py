"""Which split of llama.cpp a tokenizer has: by what both make of texts, not by any name.

llama.cpp cuts a text before it merges, by a rule that a file names. A tokenizer's own rule may be
written in many ways, and llama.cpp's may differ from the one that it is named after. So each rule
of llama.cpp is imitated in `tokenizers`, and compared with the tokenizer on texts that tell them
apart. Imports no torch.
"""

import functools
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import tokenizers
from tokenizers import normalizers, pre_tokenizers

from endonym.disk import packaged_tables
from endonym.tokenizer.tokenizer import Tokenizer

TABLES = packaged_tables("endonym.export.gguf", "splits.toml")
ORDINARY: list[str] = TABLES["probe"]["ordinary"]
RARE: dict[str, list[str]] = TABLES["probe"]["rare"]
SPACE_SIGN = "\u2581"
"""What stands for a space where bytes have no letters of their own."""

MADE = 300
"""Texts made of a tokenizer's own tokens."""

Ids = list[list[int]]


@dataclass(frozen=True, slots=True)
class Split:
    """A rule of llama.cpp. name: in `tokenizer.ggml.pre`. The others are as in `splits.toml`."""

    name: str
    patterns: tuple[str, ...]
    ignore_merges: bool = False
    is_raw: bool = False
    is_fallback: bool = False

    def pre_tokenizer(self) -> pre_tokenizers.PreTokenizer:
        """The rule in `tokenizers`."""
        cuts: list[pre_tokenizers.PreTokenizer] = [
            pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated") for pattern in self.patterns
        ]
        if not self.is_raw:
            cuts.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
        return pre_tokenizers.Sequence(cuts)


SPLITS = tuple(
    Split(
        row["names"][0],
        tuple(row["patterns"]),
        ignore_merges=row.get("ignore_merges", False),
        is_raw=row.get("is_raw", False),
        is_fallback=row.get("is_fallback", False),
    )
    for row in TABLES["split"]
)


@dataclass(frozen=True, slots=True)
class Imitation:
    """A tokenizer as llama.cpp reads texts with it.

    limits: the kinds of text that it reads otherwise than the tokenizer, as `splits.toml` names
    them.
    """

    split: Split
    engine: tokenizers.Tokenizer
    limits: tuple[str, ...]

    def encode_many(self, texts: Sequence[str]) -> Ids:
        """The ids that llama.cpp gives to each text."""
        return _ids(self.engine, texts)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A tokenizer that no split of llama.cpp agrees with.

    nearest: the split with the fewest differences; text: the first text that it reads otherwise.
    """

    nearest: str
    text: str


@functools.lru_cache(maxsize=2)
def imitation_of(tokenizer: Tokenizer) -> Imitation | Mismatch:
    """The split of llama.cpp that reads texts as a tokenizer of merges does.

    It must give the same ids for all ordinary texts, and for MADE texts of the tokenizer's own
    tokens; of several, the one that differs on the fewest other texts. Where its pieces differ
    although the ids are the same, or where whole pieces are merged in only one of both, it must
    also give the same ids for every token's own text.
    """
    engine = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    engine.encode_special_tokens = True
    tokens = _token_texts(tokenizer)
    usual = [*ORDINARY, *_made_texts(tokens)]
    texts = [*usual, *(text for group in RARE.values() for text in group)]
    wanted, pieces = _own_ids(tokenizer, texts), _pieces(engine, texts)
    takes_whole_pieces, is_raw = engine.model.ignore_merges, engine.model.byte_fallback
    candidates: list[_Candidate] = []
    for split in SPLITS:
        if split.is_raw == is_raw:
            _imitate(engine, split)
            candidates.append(
                _Candidate(
                    split,
                    other_ids=_differing(texts, wanted, _ids(engine, texts)),
                    other_pieces=_differing(texts, pieces, _pieces(engine, texts)),
                    is_merged_otherwise=split.ignore_merges != takes_whole_pieces,
                )
            )
    candidates.sort(key=lambda candidate: candidate.differences(usual))
    for candidate in candidates:
        first = next((text for text in usual if text in candidate.other_ids), None)
        is_doubtful = candidate.is_doubtful(usual)
        if first is None and is_doubtful:
            _imitate(engine, candidate.split)
            other = _differing(tokens, _own_ids(tokenizer, tokens), _ids(engine, tokens))
            first = min(other, default=None)
        if first is None:
            _imitate(engine, candidate.split)
            # Of a doubtful one, no token reaches over what is cut otherwise.
            other = candidate.other_ids | (set() if is_doubtful else candidate.other_pieces)
            limits = [name for name in RARE if not other.isdisjoint(RARE[name])]
            return Imitation(candidate.split, engine, tuple(limits))
        candidate.first = first
    return Mismatch(candidates[0].split.name, candidates[0].first)


@dataclass(slots=True)
class _Candidate:
    """A split with the texts for which it gives other ids, and those that it cuts otherwise.

    first: the first text that excludes it.
    """

    split: Split
    other_ids: set[str]
    other_pieces: set[str]
    is_merged_otherwise: bool
    first: str = ""

    def differences(self, usual: list[str]) -> tuple[int, ...]:
        """By what candidates are ordered, the best one first."""
        ids = len(self.other_ids.intersection(usual)), len(self.other_ids)
        pieces = len(self.other_pieces.intersection(usual)), len(self.other_pieces)
        return *ids, self.split.is_fallback, *pieces, self.is_merged_otherwise

    def is_doubtful(self, usual: list[str]) -> bool:
        """Whether the same ids for the usual texts may be chance."""
        return self.is_merged_otherwise or not self.other_pieces.isdisjoint(usual)


def _made_texts(tokens: list[str]) -> list[str]:
    """Texts of tokens in any order, many with an apostrophe: English letters, signs and spaces."""
    plain = [token for token in tokens if re.fullmatch(r"[ -/:-~\n]+", token)]
    plain += ["'"] * (len(plain) // 4)
    generator = random.Random(0)
    return ["".join(generator.choices(plain, k=6)) for _ in range(MADE if plain else 0)]


def _differing(texts: Iterable[str], ours: Iterable[Any], theirs: Iterable[Any]) -> set[str]:
    """The texts of which both made something else."""
    return {text for text, a, b in zip(texts, ours, theirs, strict=True) if a != b}


def _own_ids(tokenizer: Tokenizer, texts: Sequence[str]) -> Ids:
    return [ids.tolist() for ids in tokenizer.encode_many(texts)]


def _imitate(engine: Any, split: Split) -> None:
    """Let a tokenizer read texts as llama.cpp does with this split."""
    engine.normalizer = normalizers.Replace(" ", SPACE_SIGN) if split.is_raw else None
    engine.pre_tokenizer = split.pre_tokenizer()
    engine.model.ignore_merges = split.ignore_merges
    engine.model.unk_token = None  # llama.cpp leaves out what no token stands for


def _ids(engine: tokenizers.Tokenizer, texts: Sequence[str]) -> Ids:
    return [row.ids for row in engine.encode_batch_fast(list(texts), add_special_tokens=False)]


def _pieces(engine: Any, texts: Iterable[str]) -> list[list[str]]:
    """What is merged by itself, of each text."""
    found: list[list[str]] = []
    for text in texts:
        normal = text if engine.normalizer is None else engine.normalizer.normalize_str(text)
        rule = engine.pre_tokenizer
        found.append([normal] if rule is None else [p for p, _ in rule.pre_tokenize_str(normal)])
    return found


def _token_texts(tokenizer: Tokenizer) -> list[str]:
    """The texts of all tokens that are whole characters."""
    found: list[str] = []
    for index in range(tokenizer.vocab):
        try:
            text = tokenizer.bytes_of(index).decode("utf-8")
        except UnicodeDecodeError:
            continue
        if text:
            found.append(text)
    return found
