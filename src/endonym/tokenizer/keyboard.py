"""The tokenizer of a phone's keyboard: a unigram one whose pieces carry the blank behind them.

FUTO Keyboard reads a SentencePiece model; all other programs read our `tokenizer.json`. Both give
the same ids:

* A word ends with a piece that ends in a blank. SentencePiece calls this
  `treat_whitespace_as_suffix`. It puts no blank before or behind a text, and removes none.
* SentencePiece adds scores as 32-bit numbers. So each score is a multiple of 1 / PARTS: sums are
  exact down to -1,000,000, which is a text of about 300,000 characters.
* Where two ways to cut a text are equally good, both programs take the longer last piece.
* All tokens of NAMES are control symbols, so that their names in a text are spelled as plain text.
  (Other makers of keyboard models have them as user-defined symbols. The keyboard only looks up
  their ids.)

Limits: SentencePiece reads U+2581, its sign for a blank, as a blank; and its library for C++ ends a
text at U+0000.

Source: `native/jni/src/ggml/LanguageModel.cpp` of FUTO Keyboard, and sentencepiece's documentation.
"""

import json
import struct
from collections.abc import Mapping
from string import ascii_uppercase
from typing import NamedTuple

from tokenizers import Tokenizer as Engine

from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.tokenizer import BYTE_TOKEN, Tokenizer
from endonym.tokenizer.unigram import (
    BYTE_TOKENS,
    SPACE,
    engine,
    single_pieces,
    trained_scores,
)
from endonym.tokenizer.words import Counts, Texts

START = "<s>"
"""The keyboard puts it before a text. So it stands between documents in training, too."""
UNKNOWN = "<unk>"
UNIGRAM = 1
"""SentencePiece's number of this type of model."""
NORMAL = 1
UNKNOWN_TYPE = 2
CONTROL = 3
BYTE = 6
"""Types of pieces; their numbers are the same in SentencePiece and llama.cpp."""
TYPED = "<XBU>"
WRITTEN = "<XBC>"
CORRECTED = "<XEC>"
"""Before the keys that were typed, before the word that was meant, and behind it."""
KEYS = [f"<CHAR_{letter}>" for letter in ascii_uppercase]
"""The typed keys; their ids are consecutive, which the keyboard relies on."""
NAMES = ["<pad>", START, "</s>", UNKNOWN, TYPED, WRITTEN, CORRECTED, *KEYS]
"""The first ids, in this order."""
SPELLING = sorted({" ", *"".join([*NAMES, *BYTE_TOKENS])})
"""Characters that are always pieces: the blank, and those by which the names can be spelled."""
NO_PIECES = f"{SPACE}\0"
"""Characters that SentencePiece, or llama.cpp, cannot have as pieces; they are written as bytes."""
PARTS = 16
"""A score is a whole number of so many parts of a nat."""


class Piece(NamedTuple):
    """A piece as SentencePiece writes it; its score is a log-probability."""

    name: str
    score: float
    type: int


def keyboard(config: TokenizerConfig, counts: Counts, texts: Texts) -> Engine:
    """Train on texts whose words are counted.

    texts: a function that iterates over them.
    """
    characters = {each: n for each, n in counts.characters.items() if each not in NO_PIECES}
    counts = Counts(counts.words, characters)
    single, room = single_pieces(config, counts, len(NAMES) + len(BYTE_TOKENS), SPELLING)
    scores, longer = trained_scores(texts, counts, single, room, blank_behind=True)
    scores |= dict(list(longer.items())[: room - len(scores)])
    rounded = {piece: min(-1, round(score * PARTS)) / PARTS for piece, score in scores.items()}
    return engine(rounded, NAMES, NAMES.index(UNKNOWN))


def pieces_of(tokenizer: Tokenizer) -> list[Piece]:
    """The pieces of a keyboard's tokenizer, in the order of their ids."""
    found = list[Piece]()
    for index, (name, score) in enumerate(json.loads(tokenizer.to_json())["model"]["vocab"]):
        if not tokenizer.bytes_of(index):
            found.append(Piece(name, 0.0, UNKNOWN_TYPE if name == UNKNOWN else CONTROL))
        elif BYTE_TOKEN.fullmatch(name):
            found.append(Piece(name, 0.0, BYTE))
        else:
            found.append(Piece(name.replace(" ", SPACE), score, NORMAL))
    return found


def sentencepiece_model(tokenizer: Tokenizer) -> bytes:
    """The SentencePiece model of a keyboard's tokenizer: the bytes of a ModelProto.

    Source: `src/sentencepiece_model.proto` of sentencepiece, which numbers the fields. What has its
    usual value is left out.
    """
    pieces = pieces_of(tokenizer)
    trainer = {
        3: UNIGRAM,  # model_type
        4: len(pieces),  # vocab_size
        24: True,  # treat_whitespace_as_suffix
        35: True,  # byte_fallback
        **{40: 3, 41: 1, 42: 2, 43: 0},  # the ids of unk, bos, eos and pad
        **{45: UNKNOWN, 46: START, 47: NAMES[2], 48: NAMES[0]},  # their names
    }
    normalizer = {
        1: "identity",  # name
        3: False,  # add_dummy_prefix
        4: False,  # remove_extra_whitespaces
        5: True,  # escape_whitespaces
    }
    parts = [_field(1, _message(dict(enumerate(piece, 1)))) for piece in pieces]
    return b"".join([*parts, _field(2, _message(trainer)), _field(3, _message(normalizer))])


def _message(fields: Mapping[int, int | float | str]) -> bytes:
    """Fields by their numbers, as Protocol Buffers write them."""
    return b"".join(_field(number, value) for number, value in fields.items())


def _field(number: int, value: float | str | bytes) -> bytes:
    """One field: a whole number or a truth, a 32-bit number, or text or a message."""
    if isinstance(value, float):
        return _varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode("utf-8") if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    """A whole number, seven bits a byte, the lowest first; the last byte is below 128."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
