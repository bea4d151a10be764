"""How many tokens a text is, and what size of model these can feed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from endonym.autopilot.model_size import (
    BYTES_PER_TOKEN,
    LONGEST_TRAINING,
    Facts,
    choose_context,
    choose_shape,
    choose_vocab,
)
from endonym.autopilot.pace import usual_shape
from endonym.autopilot.text_size import bytes_per_token
from endonym.model.count import parameters
from endonym.model.keys import ModelKeys
from endonym.tokenizer.config import TokenizerConfig

LEAST_CHARS = 2_000
"""Characters of a sample on which a tokenizer is tried."""


@dataclass(frozen=True, slots=True)
class Potential:
    """bytes: of the text. tokens: of a tokenizer with `vocab` ids that is trained on a sample.

    parameters: of the largest of the shapes that `endonym new` chooses from for which the tokens
    suffice, each read LONGEST_TRAINING times; dim, layers: its shape.
    """

    bytes: int
    tokens: int
    vocab: int
    parameters: int
    dim: int
    layers: int

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints."""
        return asdict(self)


def potential(text_bytes: int, chars: int, documents: int, sample: Sequence[str]) -> Potential:
    """What a text of this size can feed. sample: paragraphs of it."""
    vocab = choose_vocab(chars).value
    ratio = BYTES_PER_TOKEN
    if sum(map(len, sample)) >= LEAST_CHARS:
        ratio = bytes_per_token(TokenizerConfig(kind="bpe", vocab=vocab), sample)
    tokens = int(text_bytes / ratio)
    facts = Facts(text_bytes, tokens, tokens / max(1, documents))
    shape = choose_shape(ModelKeys(), facts, lambda dim, layers: LONGEST_TRAINING * tokens)
    dim, layers = shape["model.dim"].value, shape["model.layers"].value
    context = choose_context(facts, ModelKeys()).value
    total = parameters(usual_shape(dim, layers, vocab, context)).total
    return Potential(text_bytes, tokens, vocab, total, dim, layers)
