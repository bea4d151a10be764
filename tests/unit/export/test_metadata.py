"""Keys of config.json that endonym does not know: metadata is read past, computation is refused."""

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from bare_configs import BARE
from foreign_folders import quiet_transformers

from endonym.errors import ExportError
from endonym.export.shapes import NO_MODELS, is_harmless, is_metadata, read_config
from endonym.model.config import ModelConfig

METADATA: dict[str, Any] = {
    "_model_name_or_path": "Smollm2 135M 8k Lc100K Mix1 Ep2",  # transformers, from a GGUF file
    "_from_pipeline": "text-generation",
    "_is_converted": True,
    "auto_map": {},
    "_attn_implementation": "kernels-community/flash-attn",
    "loss_type": "ForCausalLMLoss",
    "max_new_tokens": 20,
    "num_parameters": 135_000_000,
    "base_name": "HuggingFaceTB/SmolLM2-135M",
    "model_name": "Tatar 135M",
    "license": "apache-2.0",
    "languages": ["tt", "ro"],
    "dataset": {"name": "FineWeb-2", "split": "train"},
    "description": "Уку өчен",
    "unsloth_tiled_mlp": True,
    "unsloth_version": "2026.1.2",
    "transformers.js_config": {"kv_cache_dtype": {"q4f16": "float16"}, "use_cache": 1},
    "mergekit_version": 0.1,
    "creation_date": 20260401,
    "trained_epochs": 3,
    "im_end_token_id": 2,
    "precision": "bf16",
    "training_precision": "bf16-mixed",
    "model_variant": "base",
    "prompt_style": "chatml",
    "dataset_order": "shuffled",
    "lr_schedule": "cosine",
}
COMPUTATION: dict[str, Any] = {
    "_layernorm_first": True,
    "_bidirectional": True,
    "nonlinearity": "relu",
    "relu": "squared",
    "text_config": {"hidden_act": "relu"},
    "overrides": {"model": {"hidden_act": "relu"}},
    "compression_config": {"quant_method": "compressed-tensors"},
    "unsloth_rope_scale": 2.0,
    "xpos_version": 2,
    "softcap_token_id": 50,
    "logit_scale": 0.0625,
    "logits_scaling": 8.0,
    "attn_logit_softcapping": 50.0,
    "final_logit_softcapping": 30.0,
    "residual_multiplier": 0.22,
    "embedding_multiplier": 12.0,
    "attention_multiplier": 0.0078125,
    "scale_emb": 12,
    "clip_qkv": 8.0,
    "use_qk_norm": True,
    "no_rope_layers": [0, 1],
    "use_moe_of_tomorrow": True,
    "a_number_of_tomorrow": 2.0,
    "a_switch_of_tomorrow": False,
    "a_table_of_tomorrow": {"strength": 2},
    "position_embedding_type": "relative_key",
    "layers_block_type": ["attention", "mamba"],
    "ffnActivationFn": "swish",
    "_sliding_window_pattern": "LLG",
    "quantization": {"bits": "4"},
    "rope_flavour": "yarn",
}


def read(model_type: str, **others: Any) -> ModelConfig:
    return read_config(BARE[model_type] | others, "config.json")


@pytest.mark.parametrize("key", METADATA)
def test_a_key_that_only_tells_where_a_model_comes_from_is_read_past(key: str) -> None:
    for model_type in BARE:
        assert read(model_type, **{key: METADATA[key]}) == read(model_type)


@pytest.mark.parametrize("key", COMPUTATION)
def test_a_key_that_may_change_the_computation_is_refused_by_name(key: str) -> None:
    for model_type in BARE:
        with pytest.raises(ExportError, match=key):
            read(model_type, **{key: COMPUTATION[key]})


def fields_of_transformers() -> Iterator[tuple[str, object]]:
    """The fields of all config classes of transformers, with their defaults."""
    quiet_transformers()
    mapping = importlib.import_module("transformers").CONFIG_MAPPING
    for name in mapping:
        for field in vars(mapping[name]).get("__dataclass_fields__", {}).values():
            yield field.name, field.default


READ_PAST = {
    *("base_config_key", "dataset", "dataset_split", "index_name", "init_device", "afn"),
    *("loss", "loss_reduction", "ctc_loss_reduction", "title_sep", "doc_sep"),  # of training, RAG
    *("distribution_output", "bins_strategy", "force_dequant", "resi_connection", "upsampler"),
    "attractor_kind",
}
"""Texts of other classes that no causal model of text computes with."""


def test_nothing_that_a_class_of_transformers_computes_with_would_be_read_past() -> None:
    """The law over the words in known_keys.toml: it fails when transformers has a new one."""
    pytest.importorskip("transformers")
    fields = dict(fields_of_transformers())
    assert len(fields) > 1500
    numbers = [
        name
        for name, default in fields.items()
        if isinstance(default, int | float)
        and not is_harmless(name, 17)
        and not name.endswith("_token_id")
    ]
    assert len(numbers) > 800
    assert [name for name in numbers if is_metadata(name, 17)] == []
    assert [name for name in numbers if not name.startswith("_") and is_metadata(name, True)] == []
    texts = {name for name, default in fields.items() if isinstance(default, str)}
    assert len(texts) > 100
    unknown = {name for name in texts if not is_harmless(name, "other")} - READ_PAST
    assert {name for name in unknown if is_metadata(name, "other")} == set()


def test_code_of_a_tokenizer_alone_is_no_obstacle_and_is_not_run() -> None:
    code = {"AutoTokenizer": ["tokenization.Own", None]}
    for names in (code, dict.fromkeys(NO_MODELS, "processing.Own")):
        assert read("llama", auto_map=names) == read("llama")
    with pytest.raises(ExportError, match="auto_map"):
        read("llama", auto_map=code | {"AutoConfig": "configuration.Own"})
