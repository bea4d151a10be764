"""What a `tokenizer.json` is, for programs that have their own reader of a kind."""

import json
from typing import Literal

from endonym.tokenizer.keyboard import TYPED
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.untrusted import frame, own_frame

Kind = Literal["bpe", "unigram", "char", "byte", "keyboard"]
GGUF_SCALE = 10_000
"""llama.cpp's `plamo2` multiplies the scores of a file by this and rounds."""


def kind_of(tokenizer: Tokenizer) -> Kind | None:
    """The kind of the recipe that makes such a tokenizer; None for any other tokenizer.

    None is also a tokenizer of characters that was made before they were merges of bytes.
    """
    rules = frame(json.loads(tokenizer.to_json()))
    if rules == own_frame("unigram"):
        return "unigram" if tokenizer.id_of(TYPED) is None else "keyboard"
    if rules != own_frame("bpe"):
        return None
    has_longer_pieces = (tokenizer.char_counts > 1).any()
    return "bpe" if has_longer_pieces else "char" if merges_of(tokenizer) else "byte"


def merges_of(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    """The merges of a tokenizer that merges bytes, the first one first."""
    model = json.loads(tokenizer.to_json())["model"]
    return [(left, right) for left, right in model["merges"]]


def gguf_scores(tokenizer: Tokenizer) -> list[float]:
    """The scores of a unigram tokenizer in the order of the ids, as a file for `plamo2` has them.

    As 32-bit numbers they are still exact: times GGUF_SCALE they round to the whole numbers of
    unigram.py. Special tokens and bytes are so improbable that no text is cut into them.
    """
    model = json.loads(tokenizer.to_json())["model"]
    return [score / GGUF_SCALE for _, score in model["vocab"]]
