"""The config.json of each class with the fewest keys, for the tests of what is read and refused."""

from typing import Any

import pytest

from endonym.errors import ExportError
from endonym.export.shapes import read_config
from endonym.model.config import ModelConfig

Json = dict[str, Any]
PLACE = "somewhere/config.json"
SIZES: Json = {"vocab_size": 61, "hidden_size": 32, "num_hidden_layers": 2}
ATTENTION: Json = SIZES | {"num_attention_heads": 4, "max_position_embeddings": 32}
LLAMA: Json = ATTENTION | {"model_type": "llama", "intermediate_size": 45, "rms_norm_eps": 1e-5}
QWEN3: Json = LLAMA | {"model_type": "qwen3", "num_key_value_heads": 2, "head_dim": 8}
MISTRAL: Json = LLAMA | {"model_type": "mistral", "num_key_value_heads": 2, "sliding_window": 7}
EXPERTS: Json = {"num_experts": 5, "num_experts_per_tok": 2, "moe_intermediate_size": 24}
QWEN3_MOE: Json = QWEN3 | EXPERTS | {"model_type": "qwen3_moe", "norm_topk_prob": True}
del QWEN3_MOE["intermediate_size"]
GPT2: Json = {
    "model_type": "gpt2",
    "vocab_size": 61,
    "n_positions": 32,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "layer_norm_epsilon": 1e-5,
}
GPT_NEOX: Json = ATTENTION | {
    "model_type": "gpt_neox",
    "intermediate_size": 45,
    "layer_norm_eps": 1e-5,
}
FALCON: Json = ATTENTION | {"model_type": "falcon", "layer_norm_epsilon": 1e-5}
MAMBA: Json = SIZES | {
    "model_type": "mamba",
    "state_size": 4,
    "expand": 2,
    "conv_kernel": 4,
    "layer_norm_epsilon": 1e-5,
}
MAMBA2: Json = MAMBA | {"model_type": "mamba2", "head_dim": 16, "n_groups": 2}
ALL = (LLAMA, QWEN3, MISTRAL, QWEN3_MOE, GPT2, GPT_NEOX, FALCON, MAMBA, MAMBA2)
BARE: dict[str, Json] = {each["model_type"]: each for each in ALL}


def read(data: Json, **others: Any) -> ModelConfig:
    """The shape that a config.json with these other keys describes."""
    return read_config(data | others, PLACE)


def refusal(data: Json, **others: Any) -> str:
    """What is said against it, as of this file."""
    with pytest.raises(ExportError) as caught:
        read(data, **others)
    assert caught.value.where == PLACE
    return caught.value.message


def mixer_of(config: ModelConfig) -> Json:
    """The one mixer of a shape, as data."""
    (mixer,) = config.mixers
    return mixer.model_dump()


def ffn_of(config: ModelConfig) -> Json:
    """The one feed-forward of a shape, as data."""
    (ffn,) = config.ffns
    return ffn.model_dump()
