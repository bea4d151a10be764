"""A model's shape as the `config.json` of `transformers`, and back.

Reading is strict: whatever our own writer would not have written for that shape is refused by
name, so that nothing which changes the answers is dropped in silence. Nothing is executed.
"""

from typing import Any

from pydantic import ValidationError

from endonym.errors import ExportError, ShapeError
from endonym.export.names import NAMES, row_of
from endonym.model.config import ModelConfig, ModelKeys
from endonym.model.families import resolve

CLASSES = {"llama": "LlamaForCausalLM", "qwen3": "Qwen3ForCausalLM", "gpt2": "GPT2LMHeadModel"}
BOOKKEEPING = ("architectures", "dtype", "torch_dtype", "transformers_version", "_name_or_path")
SPECIALS = ("bos_token_id", "eos_token_id", "pad_token_id")
TRAINING = ("initializer_range", "attention_dropout", "attn_pdrop", "pretraining_tp")
UNUSED = ("use_cache", "n_ctx", "sliding_window", "max_window_layers")
OTHER_HEADS = ("type", "use_proj", "activation", "proj_to_labels", "first_dropout")
HARMLESS = {*BOOKKEEPING, *SPECIALS, *TRAINING, *UNUSED, *(f"summary_{x}" for x in OTHER_HEADS)}
"""Keys that change no logit. (`sliding_window` acts only where `use_sliding_window` is true.)"""
REQUIRED = {
    "use_sliding_window": False,
    "add_cross_attention": False,
    "mlp_bias": False,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False,
}
"""Keys we never write, and the one value of each that we can compute."""
ROPE_BASE = 10_000.0
"""What `transformers` assumes where a folder does not say."""


def config_json(config: ModelConfig, end_id: int) -> dict[str, Any]:
    """The `config.json` of a model. The context is written as it was trained."""
    row = row_of(config)
    common = {
        "architectures": [CLASSES[row]],
        "model_type": row,
        "vocab_size": config.vocab,
        "bos_token_id": end_id,
        "eos_token_id": end_id,
        "tie_word_embeddings": config.tied,
        "dtype": "float32",
        "use_cache": True,
    }
    return common | (_gpt2_json(config) if row == "gpt2" else _rope_json(config, row))


def _gpt2_json(config: ModelConfig) -> dict[str, Any]:
    """The sizes in GPT-2's words."""
    return {
        "n_positions": config.context,
        "n_ctx": config.context,
        "n_embd": config.dim,
        "n_layer": config.layers,
        "n_head": config.mixer.heads,
        "n_inner": config.ffn.hidden,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": config.norm_epsilon,
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "attn_pdrop": 0.0,
    }


def _rope_json(config: ModelConfig, row: str) -> dict[str, Any]:
    """The sizes in the words that Llama and Qwen3 share."""
    return {
        "max_position_embeddings": config.context,
        "hidden_size": config.dim,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.mixer.heads,
        "num_key_value_heads": config.mixer.kv_heads,
        "head_dim": config.mixer.head_width,
        "intermediate_size": config.ffn.hidden,
        "hidden_act": "silu",
        "rms_norm_eps": config.norm_epsilon,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.mixer.rope_base},
        "rope_theta": config.mixer.rope_base,
        "attention_bias": False,
        "attention_dropout": 0.0,
        **({"mlp_bias": False} if row == "llama" else {}),
    }


def read_config(data: dict[str, Any], where: str) -> ModelConfig:
    """The shape that a `config.json` describes, if it is one that we can say exactly.

    Raises ExportError naming the key that is missing, unknown, or has a value we cannot build.
    """
    given = {key: value for key, value in data.items() if value is not None}
    config = _read_shape(given, where)
    expected = REQUIRED | config_json(config, 0)
    for key, value in _plain(given, config).items():
        if key not in HARMLESS and (key not in expected or expected[key] != value):
            raise ExportError(
                f"{key} = {value!r} is not something endonym can build",
                where=where,
                do="Only plain qwen3, llama and gpt2 folders can be read.",
            )
    return config


def _plain(given: dict[str, Any], config: ModelConfig) -> dict[str, Any]:
    """The keys as given, with what `transformers` would assume inside two of them written out."""
    plain = dict(given)
    if plain.get("layer_types") == ["full_attention"] * config.layers:
        del plain["layer_types"]
    if "rope_parameters" in plain:
        assumed = {"rope_type": "default", "rope_theta": config.mixer.rope_base}
        plain["rope_parameters"] = assumed | plain["rope_parameters"]
    return plain


def _read_shape(given: dict[str, Any], where: str) -> ModelConfig:
    """The sizes in a `config.json`, laid over our row of that family."""
    row = given.get("model_type")
    if not isinstance(row, str) or row not in NAMES:
        raise ExportError(
            f"model_type {row!r} is not one of {', '.join(NAMES)}",
            where=where,
            do="Other architectures cannot be read yet.",
        )
    context_key = "n_positions" if row == "gpt2" else "max_position_embeddings"
    try:
        keys = _gpt2_keys(given) if row == "gpt2" else _rope_keys(given, row)
        return resolve(
            ModelKeys.model_validate({"family": row} | keys),
            vocab=given["vocab_size"],
            context=given[context_key],
        )
    except KeyError as error:
        raise ExportError(f"config.json lacks {error}", where=where) from error
    except ShapeError as error:
        raise ExportError(f"config.json does not fit: {error.message}", where=where) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ExportError(
            f"config.json gives {first['input']!r} for {key}: {first['msg']}", where=where
        ) from error


def _gpt2_keys(given: dict[str, Any]) -> dict[str, Any]:
    """Our keys from GPT-2's words."""
    return {
        "dim": given["n_embd"],
        "layers": given["n_layer"],
        "mixer": {"heads": given["n_head"]},
        "ffn": {"hidden": given.get("n_inner")},
        "tied": given.get("tie_word_embeddings", True),
        "dropout": given.get("resid_pdrop", 0.0),
        "norm_epsilon": given["layer_norm_epsilon"],
    }


def _rope_keys(given: dict[str, Any], row: str) -> dict[str, Any]:
    """Our keys from the words that Llama and Qwen3 share.

    Where they are left out, Llama derives its heads' number and width from other keys; Qwen3
    assumes fixed numbers instead, so there they must be given.
    """
    find = given.get if row == "llama" else given.__getitem__
    rope = given.get("rope_parameters", {})
    if not isinstance(rope, dict):
        raise ShapeError(f"rope_parameters = {rope!r} is not a table")
    return {
        "dim": given["hidden_size"],
        "layers": given["num_hidden_layers"],
        "mixer": {
            "heads": given["num_attention_heads"],
            "kv_heads": find("num_key_value_heads"),
            "head_width": find("head_dim"),
            "rope_base": rope.get("rope_theta", given.get("rope_theta", ROPE_BASE)),
        },
        "ffn": {"hidden": given["intermediate_size"]},
        "tied": given.get("tie_word_embeddings", False),
        "norm_epsilon": given["rms_norm_eps"],
    }
