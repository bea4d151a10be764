"""What a `tokenizer.json` is, for programs that have their own reader of a kind."""

import functools
import json
from collections.abc import Mapping
from typing import Any, Literal

from endonym.tokenizer import bpe, unigram
from endonym.tokenizer.tokenizer import Tokenizer

Kind = Literal["bpe", "unigram", "char", "byte"]
GGUF_SCALE = 10_000
"""llama.cpp's `plamo2` multiplies the scores of a file by this and rounds."""


def kind_of(tokenizer: Tokenizer) -> Kind | None:
    """The kind of the recipe that makes such a tokenizer; None for any other tokenizer.

    None is also a tokenizer of characters that was made before they were merges of bytes.
    """
    frame = _frame(json.loads(tokenizer.to_json()))
    if frame == _own_frame("unigram"):
        return "unigram"
    if frame != _own_frame("bpe"):
        return None
    is_pairs = (tokenizer.char_counts > 1).any()
    return "bpe" if is_pairs else "char" if merges_of(tokenizer) else "byte"


def is_own_frame(described: Mapping[str, Any]) -> bool:
    """Whether a `tokenizer.json` is one of these but for what training decides."""
    try:
        return _frame(described) in (_own_frame("bpe"), _own_frame("unigram"))
    except (LookupError, TypeError, AttributeError):
        return False


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


@functools.cache
def _own_frame(kind: Literal["bpe", "unigram"]) -> str:
    """What all tokenizers of a kind have in common."""
    made = bpe.byte_level([]) if kind == "bpe" else unigram.engine({})
    return _frame(json.loads(made.to_str()))


def _frame(described: Mapping[str, Any]) -> str:
    """A `tokenizer.json` without what training decides, and without the list of specials."""
    model = described["model"].items()
    kept = {key: value for key, value in model if key not in ("vocab", "merges", "unk_id")}
    rules = dict(described)
    del rules["added_tokens"]  # A file without the list was not written here.
    return json.dumps(rules | {"model": kept}, sort_keys=True)
