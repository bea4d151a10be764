"""A shape as config.json, and what of a stranger's config.json is refused."""

from typing import Any

import pytest
from laws.shapes import SHAPES, shape

from endonym.errors import ExportError
from endonym.export.shapes import config_json, read_config
from endonym.model.config import ModelConfig

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 61,
    "max_position_embeddings": 32,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 45,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
}
"""The fewest keys a llama's folder may have."""
QWEN3 = LLAMA | {"model_type": "qwen3", "num_key_value_heads": 2, "head_dim": 8}
GPT2 = {
    "model_type": "gpt2",
    "vocab_size": 61,
    "n_positions": 32,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
}
BARE = {"llama": LLAMA, "qwen3": QWEN3, "gpt2": GPT2}


def refusal(data: dict[str, Any]) -> str:
    """What is said against a config.json."""
    with pytest.raises(ExportError) as caught:
        read_config(data, "somewhere/config.json")
    assert caught.value.where == "somewhere/config.json"
    return caught.value.message


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES.keys())
def test_a_shape_comes_back_from_its_config_json(config: ModelConfig) -> None:
    assert read_config(config_json(config, 3), "here") == config


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES.keys())
def test_the_context_is_written_as_it_was_trained(config: ModelConfig) -> None:
    written = config_json(config, 3)
    key = "n_positions" if config.family == "gpt2" else "max_position_embeddings"
    assert written[key] == 32
    assert written["eos_token_id"] == written["bos_token_id"] == 3
    assert written["vocab_size"] == 61
    assert not any(key.startswith(("auto", "trust")) for key in written)


def test_a_gpt2_keeps_its_dropout() -> None:
    config = shape("gpt2").model_copy(update={"dropout": 0.1})
    assert read_config(config_json(config, 0), "here").dropout == 0.1


def test_what_a_llama_leaves_out_is_what_transformers_assumes() -> None:
    config = read_config(LLAMA, "here")
    assert (config.mixer.kv_heads, config.mixer.head_width) == (4, 8)
    assert config.mixer.rope_base == 10_000
    assert not config.tied
    assert config.ffn.hidden == 45


def test_what_a_gpt2_leaves_out_is_what_transformers_assumes() -> None:
    config = read_config(GPT2 | {"n_inner": None}, "here")
    assert config.ffn.hidden == 128
    assert config.tied
    assert config.bias


def test_the_older_place_of_the_rotary_base_is_read() -> None:
    assert read_config(LLAMA | {"rope_theta": 500.0}, "here").mixer.rope_base == 500
    newer = {"rope_parameters": {"rope_type": "default", "rope_theta": 700.0}}
    assert read_config(LLAMA | newer, "here").mixer.rope_base == 700


@pytest.mark.parametrize("family", BARE)
def test_keys_that_change_no_logit_are_no_obstacle(family: str) -> None:
    harmless = {
        "torch_dtype": "bfloat16",
        "transformers_version": "4.51.0",
        "_name_or_path": "somebody/something",
        "eos_token_id": [1, 2],
        "pad_token_id": None,
        "initializer_range": 0.02,
        "rope_scaling": None,
        "sliding_window": None,
    }
    assert read_config(BARE[family] | harmless, "here") == read_config(BARE[family], "here")


@pytest.mark.parametrize("family", BARE)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("auto_map", {"AutoModelForCausalLM": "modeling.Model"}),
        ("trust_remote_code", True),
        ("quantization_config", {"bits": 4}),
        ("a_key_of_tomorrow", 1),
        ("rope_scaling", {"type": "linear", "factor": 2.0}),
        ("use_sliding_window", True),
        ("layer_types", ["full_attention", "sliding_attention"]),
        ("layer_types", ["full_attention"]),
        ("mlp_bias", True),
        ("attention_bias", True),
        ("add_cross_attention", True),
        ("scale_attn_weights", False),
        ("scale_attn_by_inverse_layer_idx", True),
        ("reorder_and_upcast_attn", True),
        ("hidden_act", "gelu"),
        ("activation_function", "gelu"),
        ("partial_rotary_factor", 0.5),
    ],
)
def test_a_key_that_could_change_an_answer_is_refused_by_name(
    family: str, key: str, value: object
) -> None:
    assert refusal(BARE[family] | {key: value}).startswith(f"{key} = {value!r}")


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_type": "yarn", "rope_theta": 10_000.0},
        {"rope_type": "default", "rope_theta": 10_000.0, "factor": 4.0},
        {"type": "linear"},
    ],
)
@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_rotary_positions_of_another_kind_are_refused(family: str, rope: dict[str, Any]) -> None:
    assert "rope_parameters" in refusal(BARE[family] | {"rope_parameters": rope})


def test_rotary_bases_that_contradict_one_another_are_refused() -> None:
    rope = {"rope_type": "default", "rope_theta": 700.0}
    assert "rope_theta = 500.0" in refusal(LLAMA | {"rope_parameters": rope, "rope_theta": 500.0})
    assert "rope_parameters" in refusal(LLAMA | {"rope_parameters": ["default"]})


@pytest.mark.parametrize(
    ("family", "key"),
    [(family, key) for family in BARE for key in BARE[family] if key not in ("architectures",)],
)
def test_a_missing_key_is_named_or_assumed_in_writing(family: str, key: str) -> None:
    rest = {name: value for name, value in BARE[family].items() if name != key}
    if key in ("hidden_act", "activation_function"):
        assert read_config(rest, "here") == read_config(BARE[family], "here")
    else:
        assert key in refusal(rest)


@pytest.mark.parametrize(
    ("family", "key", "value", "word"),
    [
        ("llama", "model_type", "mamba", "mamba"),
        ("llama", "model_type", ["llama"], "model_type"),
        ("llama", "num_attention_heads", 5, "5 heads"),
        ("llama", "num_attention_heads", 0, "0"),
        ("llama", "num_attention_heads", "vier", "'vier'"),
        ("llama", "num_key_value_heads", 3, "3 kv_heads"),
        ("llama", "hidden_size", -32, "-32"),
        ("llama", "vocab_size", 0, "vocab"),
        ("llama", "max_position_embeddings", -1, "context"),
        ("qwen3", "head_dim", 7, "7"),
        ("qwen3", "rms_norm_eps", float("nan"), "nan"),
        ("qwen3", "num_hidden_layers", 0, "layers"),
        ("qwen3", "hidden_size", "32", "hidden_size = '32'"),
        ("gpt2", "n_head", 5, "5 heads"),
        ("gpt2", "tie_word_embeddings", False, "untied"),
        ("gpt2", "n_inner", 1.5, "1.5"),
    ],
)
def test_a_size_that_makes_no_sense_is_refused(
    family: str, key: str, value: object, word: str
) -> None:
    assert word in refusal(BARE[family] | {key: value})
