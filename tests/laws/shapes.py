"""A small decoder of every family in every variant that it can say: what the laws run over."""

import torch
from torch import Tensor
from toys import lively_decoder

from endonym.model.config import ModelConfig, ModelKeys
from endonym.model.decoder import Decoder
from endonym.model.families import FAMILIES, resolve

VARIANTS = {
    "plain": {},
    "untied": {"tied": False},
    "grouped": {"mixer": {"kv_heads": 2}},
    "one-kv-head": {"mixer": {"kv_heads": 1}},
    "wide-heads": {"mixer": {"head_width": 12}},
    "odd-ffn": {"ffn": {"hidden": 37}},
}
REFUSED = {(family, variant) for family in ("gpt2",) for variant in VARIANTS} - {
    ("gpt2", "plain"),
    ("gpt2", "odd-ffn"),
}
"""What a family's own format cannot say; the families' tests see each of them refused."""


def shape(
    family: str,
    variant: str = "plain",
    *,
    vocab: int = 61,
    context: int = 32,
    dim: int = 32,
    layers: int = 2,
) -> ModelConfig:
    """A shape of four heads, small enough to be run a hundred times a second."""
    keys = {"family": family, "dim": dim, "layers": layers, **VARIANTS[variant]}
    mixer = {"heads": 4} | dict(VARIANTS[variant].get("mixer", {}))
    return resolve(ModelKeys.model_validate(keys | {"mixer": mixer}), vocab=vocab, context=context)


NAMED = {
    f"{family}-{variant}": (family, variant)
    for family in FAMILIES
    for variant in VARIANTS
    if (family, variant) not in REFUSED
}
"""Every family with every variant that it can say."""
SHAPES = {name: shape(*which) for name, which in NAMED.items()}


def lively(config: ModelConfig) -> Decoder:
    """A decoder in which every weight counts, in float64."""
    return lively_decoder(config, seed=1).double()


def some_tokens(rows: int, length: int, *, vocab: int = 61, seed: int = 2) -> Tensor:
    """Random ids."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(vocab, (rows, length), generator=generator)
