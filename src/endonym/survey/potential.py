"""How many tokens a text is, and what size of model these can feed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from endonym.autopilot.model_size import (
    BYTES_PER_TOKEN,
    TOKENS_PER_PARAMETER,
    block_weights,
    choose_context,
    choose_shape,
    choose_vocab,
    useful,
)
from endonym.autopilot.pace import usual_shape
from endonym.autopilot.phase import budget_of
from endonym.autopilot.text_size import TextSize, bytes_per_token
from endonym.formats.config import Split
from endonym.model.count import parameters
from endonym.model.keys import ModelKeys
from endonym.tokenizer.config import TokenizerConfig
from endonym.train.config import Phase

LEAST_CHARS = 2_000
"""Characters of a sample on which a tokenizer is tried."""


@dataclass(frozen=True, slots=True)
class Potential:
    """bytes: of the text. tokens: of a tokenizer with `vocab` ids that is trained on a sample.

    parameters: of the shape that `endonym check` chooses for a recipe that leaves it open, by the
    tokens that are not held out; dim, layers: this shape. is_enough: whether they suffice for it,
    which is not so for the smallest shape of too little text.
    """

    bytes: int
    tokens: int
    vocab: int
    parameters: int
    dim: int
    layers: int
    is_enough: bool

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
    size = TextSize(text_bytes, chars, 1.0, text_bytes / max(1, documents), tuple(sample))
    facts = size.facts(Split(), ratio)
    budget = budget_of([Phase(name="pretrain")], facts)
    shape = choose_shape(ModelKeys(), facts, lambda dim, layers: budget)
    dim, layers = shape["model.dim"].value, shape["model.layers"].value
    context = choose_context(facts, ModelKeys()).value
    total = parameters(usual_shape(dim, layers, vocab, context)).total
    is_enough = TOKENS_PER_PARAMETER * block_weights(dim, layers) <= useful(budget, facts)
    return Potential(text_bytes, tokens, vocab, total, dim, layers, is_enough)
