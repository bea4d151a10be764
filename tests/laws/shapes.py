"""A small decoder of every family in every variant that it can say: what the laws run over."""

from typing import Any

import torch
from torch import Tensor
from toys import lively_decoder

from endonym.model.config import ModelConfig, ModelKeys
from endonym.model.decoder import Decoder
from endonym.model.families import FAMILIES, resolve

BASE: dict[str, dict[str, Any]] = {
    "attention": {"mixer": {"heads": 4}},
    "mamba": {"mixer": {"state": 4}},
    "mamba2": {"mixer": {"state": 4, "head_width": 16}},
}
"""What a shape of each kind of mixer needs to be small."""
MINE: dict[str, dict[str, Any]] = {
    "mistral": {"mixer": {"window": 7}},
    "moe": {"ffn": {"experts": 5, "hidden": 24}},
}
OF_ANY: dict[str, dict[str, Any]] = {"plain": {}, "untied": {"tied": False}}
OF_ATTENTION: dict[str, dict[str, Any]] = {
    "grouped": {"mixer": {"kv_heads": 2}},
    "one-kv-head": {"mixer": {"kv_heads": 1}},
    "wide-heads": {"mixer": {"head_width": 12}},
    "odd-ffn": {"ffn": {"hidden": 37}},
}
OF_FAMILY: dict[str, dict[str, dict[str, Any]]] = {
    "qwen3": {
        "part-rotary": {"mixer": {"rotary_share": 0.5}},
        "windowed": {"mixer": {"window": 5}},
        "capped": {"logit_cap": 3.0},
        "layer-norm": {"norm": "layer", "norm_epsilon": 1e-5},
        "parallel": {"parallel": True, "shared_norm": True},
        "scaled": {"residual_init": "scaled", "mixer": {"bias": True}},
        "two-windows": {"mixer": [{"heads": 4, "window": 3}, {"heads": 2, "rope_base": 1e6}]},
        "some-experts": {"ffn": [{}, {"kind": "experts", "experts": 3, "hidden": 12}]},
    },
    "llama": {
        "biases": {"mixer": {"bias": True}, "ffn": {"bias": True}},
        "linear": {"mixer": {"rope_scaling": {"kind": "linear", "factor": 2.0}}},
        "stretched": {
            "mixer": {"rope_scaling": {"kind": "llama3", "factor": 8, "original_context": 16}}
        },
        "yarn": {"mixer": {"rope_scaling": {"kind": "yarn", "factor": 4, "original_context": 16}}},
    },
    "mistral": {"whole-window": {"mixer": {"window": 32}}, "self": {"mixer": {"window": 1}}},
    "gptneox": {
        "parallel": {"parallel": True, "mixer": {"rotary_share": 0.25}},
        "few-biases": {"mixer": {"bias": False}},
    },
    "falcon": {
        "one-norm": {"shared_norm": True},
        "one-norm-grouped": {"shared_norm": True, "mixer": {"kv_heads": 2}},
        "one-norm-full": {"shared_norm": True, "mixer": {"kv_heads": 4}},
        "serial": {"parallel": False, "mixer": {"bias": True}, "ffn": {"bias": True}},
    },
    "mamba": {"biases": {"mixer": {"bias": True, "step_rank": 5, "conv_width": 2}}},
    "mamba2": {
        "groups": {"mixer": {"groups": 2, "conv_width": 3, "bias": True}},
        "hybrid": {
            "layers": 3,
            "position": "rope",
            "mixer": [
                {"kind": "mamba2", "state": 4, "head_width": 16},
                {"kind": "mamba", "state": 4},
                {"kind": "attention", "heads": 4, "window": 6},
            ],
            "ffn": [{}, {"kind": "gated", "hidden": 48}, {"kind": "plain", "hidden": 40}],
        },
    },
    "moe": {
        "all-active": {"ffn": {"active": "all"}},
        "one-active": {"ffn": {"active": 1}},
        "plain-experts": {"ffn": {"gated": False, "activation": "relu"}},
        "biased-choice": {"ffn": {"balance": "bias"}},
    },
}


def _named() -> dict[str, tuple[str, str]]:
    """Every family with every variant that it can say."""
    found: dict[str, tuple[str, str]] = {}
    for family, row in FAMILIES.items():
        variants = OF_ANY | (OF_ATTENTION if row.mixer == "attention" else {})
        for variant in variants | OF_FAMILY.get(family, {}):
            found[f"{family}-{variant}"] = (family, variant)
    return found


def keys_of(family: str, variant: str = "plain", **others: Any) -> dict[str, Any]:
    """The keys of [model]: of the kind of mixer, of the family, of the variant, and others."""
    said = OF_ANY | OF_ATTENTION | OF_FAMILY.get(family, {})
    keys: dict[str, Any] = {"family": family, "dim": 32, "layers": 2}
    for layer in (BASE[FAMILIES[family].mixer], MINE.get(family, {}), said[variant], others):
        for key, value in layer.items():
            is_table = isinstance(value, dict) and isinstance(keys.get(key), dict)
            keys[key] = {**keys[key], **value} if is_table else value
    return keys


def shape(
    family: str, variant: str = "plain", *, vocab: int = 61, context: int = 32, **others: Any
) -> ModelConfig:
    """A shape of two layers of 32 channels, small enough to be run a hundred times a second."""
    keys = ModelKeys.model_validate(keys_of(family, variant, **others))
    return resolve(keys, vocab=vocab, context=context)


NAMED = _named()
SHAPES = {name: shape(*which) for name, which in NAMED.items()}


def lively(config: ModelConfig) -> Decoder:
    """A decoder in which every weight counts, in float64."""
    return lively_decoder(config, seed=1).double()


def some_tokens(rows: int, length: int, *, vocab: int = 61, seed: int = 2) -> Tensor:
    """Random ids."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(vocab, (rows, length), generator=generator)
