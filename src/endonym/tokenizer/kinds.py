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
_TRAINED = ("vocab", "merges", "unk_id")


def kind_of(tokenizer: Tokenizer) -> Kind | None:
    """The kind of the recipe that makes such a tokenizer; None for any other tokenizer.

    None is also a tokenizer of characters that was made before they were merges of bytes.
    """
    found = _without_training(tokenizer.to_json())
    if found == _frame("unigram"):
        return "unigram"
    if found != _frame("bpe"):
        return None
    counts = tokenizer.char_counts
    return "bpe" if (counts > 1).any() else "char" if merges_of(tokenizer) else "byte"


def is_own_frame(described: Mapping[str, Any]) -> bool:
    """Whether a `tokenizer.json` is one of these but for what training decides."""
    try:
        found = _trained_away(dict(described))
    except (LookupError, TypeError, AttributeError):
        return False
    return found in (_frame("bpe"), _frame("unigram"))


def tokens_of(tokenizer: Tokenizer) -> list[str]:
    """Every token as `tokenizer.json` writes it, in the order of the ids."""
    vocab = _model(tokenizer)["vocab"]
    if isinstance(vocab, list):
        return [token for token, _ in vocab]
    return sorted(vocab, key=vocab.__getitem__)


def merges_of(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    """The merges of a tokenizer that merges bytes, the first one first."""
    return [(left, right) for left, right in _model(tokenizer)["merges"]]


def gguf_scores(tokenizer: Tokenizer) -> list[float]:
    """The scores of a unigram tokenizer in the order of the ids, as a file for `plamo2` has them.

    As 32-bit numbers they are still exact: times GGUF_SCALE they round to the whole numbers of
    unigram.py. Special tokens and bytes are so improbable that no text is cut into them.
    """
    return [score / GGUF_SCALE for _, score in _model(tokenizer)["vocab"]]


def _model(tokenizer: Tokenizer) -> dict[str, Any]:
    return json.loads(tokenizer.to_json())["model"]


@functools.cache
def _frame(kind: Literal["bpe", "unigram"]) -> str:
    """What all tokenizers of a kind have in common."""
    made = bpe.byte_level([]) if kind == "bpe" else unigram.engine({})
    return _without_training(made.to_str())


def _without_training(text: str) -> str:
    """A `tokenizer.json` without what training decides, and without the list of specials."""
    return _trained_away(json.loads(text))


def _trained_away(described: dict[str, Any]) -> str:
    del described["added_tokens"]
    model = described["model"]
    described["model"] = {key: model[key] for key in model if key not in _TRAINED}
    return json.dumps(described, sort_keys=True)
