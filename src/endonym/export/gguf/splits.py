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
from typing import Any, NamedTuple

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


class Split(NamedTuple):
    """A rule of llama.cpp, as `splits.toml` describes it."""

    names: Sequence[str]
    patterns: Sequence[str]
    ignore_merges: bool = False
    is_raw: bool = False
    is_fallback: bool = False

    @property
    def name(self) -> str:
        """What is written in `tokenizer.ggml.pre`."""
        return self.names[0]

    def pre_tokenizer(self) -> pre_tokenizers.PreTokenizer:
        """The rule in `tokenizers`."""
        cuts: list[pre_tokenizers.PreTokenizer] = [
            pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated") for pattern in self.patterns
        ]
        if not self.is_raw:
            cuts.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
        return pre_tokenizers.Sequence(cuts)


SPLITS = tuple(Split(**row) for row in TABLES["split"])


class Imitation(NamedTuple):
    """A tokenizer as llama.cpp reads texts with it.

    limits: the kinds of text that it reads otherwise than the tokenizer, as `splits.toml` names
    them.
    """

    split: Split
    engine: tokenizers.Tokenizer
    limits: Sequence[str]

    def encode_many(self, texts: Sequence[str]) -> Ids:
        """The ids that llama.cpp gives to each text."""
        return _ids(self.engine, texts)


class Mismatch(NamedTuple):
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
    engine: Any = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    engine.encode_special_tokens = True
    tokens = _token_texts(tokenizer)
    usual = dict.fromkeys([*ORDINARY, *_made_texts(tokens)]).keys()
    texts = [*usual, *(text for group in RARE.values() for text in group)]
    own_ids = _own_ids(tokenizer, texts)
    own_pieces = _pieces(engine, texts)
    takes_whole_pieces = engine.model.ignore_merges
    is_raw = engine.model.byte_fallback

    def differences(split: Split) -> tuple[set[str], set[str], bool]:
        """The texts with other ids, those with other pieces, and whether pieces merge otherwise."""
        _imitate(engine, split)
        other_ids = _differing(texts, own_ids, _ids(engine, texts))
        other_pieces = _differing(texts, own_pieces, _pieces(engine, texts))
        return other_ids, other_pieces, split.ignore_merges != takes_whole_pieces

    def order(candidate: tuple[Split, set[str], set[str], bool]) -> tuple[int, ...]:
        """By what candidates are ordered, the best one first."""
        split, ids, pieces, is_merged_otherwise = candidate
        by_ids = len(ids & usual), len(ids), split.is_fallback
        return *by_ids, len(pieces & usual), len(pieces), is_merged_otherwise

    candidates = [(split, *differences(split)) for split in SPLITS if split.is_raw == is_raw]
    mismatches: list[Mismatch] = []
    for split, ids, pieces, is_merged_otherwise in sorted(candidates, key=order):
        _imitate(engine, split)
        # The same ids for the usual texts may be chance.
        is_doubtful = bool(is_merged_otherwise or pieces & usual)
        wrong = ids & usual
        if is_doubtful and not wrong:
            wrong = _differing(tokens, _own_ids(tokenizer, tokens), _ids(engine, tokens))
        if not wrong:
            # Of a doubtful one, no token reaches over what is cut otherwise.
            other = ids if is_doubtful else ids | pieces
            return Imitation(
                split, engine, [name for name in RARE if not other.isdisjoint(RARE[name])]
            )
        first = next(text for text in (*usual, *tokens) if text in wrong)
        mismatches.append(Mismatch(split.name, first))
    return mismatches[0]


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
    normalize = (engine.normalizer or normalizers.Sequence([])).normalize_str
    cut = (engine.pre_tokenizer or pre_tokenizers.Sequence([])).pre_tokenize_str
    return [[piece for piece, _ in cut(normalize(text))] for text in texts]


def _token_texts(tokenizer: Tokenizer) -> list[str]:
    """The texts of all tokens that are whole characters."""
    pieces = (tokenizer.bytes_of(index) for index in range(tokenizer.vocab))
    texts = (piece.decode("utf-8", "replace") for piece in pieces)
    return [text for text in texts if text and "\ufffd" not in text]
