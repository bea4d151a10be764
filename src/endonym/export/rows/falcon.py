"""Falcon with its old and its new decoder architecture. Imports no torch.

Old: parallel branches with one norm, or sequential ones; one key/value head, or as many as heads.
New: always parallel, one norm or two, any number of key/value heads.
"""

from collections.abc import Mapping

from endonym.errors import ShapeError
from endonym.export.hf_fields import ACTIVATIONS, ROPE_KEYS, our_activation, read_rope, rope_json
from endonym.export.row import (
    HFArchitecture,
    Json,
    attention_of,
    classic_of,
    first_of,
    sure,
    the_ffn,
    the_mixer,
    with_parts,
)
from endonym.model.config import AttentionConfig, FfnConfig, ModelConfig

PLAIN_NAMES = {
    "embedding.weight": "transformer.word_embeddings.weight",
    "head.weight": "lm_head.weight",
    **with_parts(
        {
            "norm": "transformer.ln_f",
            "blocks.*.mixer.output": "transformer.h.*.self_attention.dense",
            "blocks.*.ffn.up": "transformer.h.*.mlp.dense_h_to_4h",
            "blocks.*.ffn.down": "transformer.h.*.mlp.dense_4h_to_h",
        },
        "weight",
        "bias",
    ),
}


def _is_new(config: ModelConfig) -> bool:
    """Whether only the new architecture supports this model."""
    mixer = attention_of(config)
    is_grouped = mixer is not None and mixer.kv_heads not in (1, mixer.heads)
    return config.parallel and (not config.shared_norm or is_grouped)


def _names(config: ModelConfig) -> Mapping[str, str]:
    norms = {"blocks.*.norm": "transformer.h.*.input_layernorm"}
    if not config.parallel:
        norms["blocks.*.ffn_norm"] = "transformer.h.*.post_attention_layernorm"
    elif not config.shared_norm:
        norms = {
            "blocks.*.norm": "transformer.h.*.ln_attn",
            "blocks.*.ffn_norm": "transformer.h.*.ln_mlp",
        }
    return PLAIN_NAMES | with_parts(norms, "weight", "bias")


def _misfit(config: ModelConfig) -> str | None:
    parts = classic_of(config, "rope")
    if isinstance(parts, str):
        return parts
    mixer, ffn = parts
    is_grouped = mixer.kv_heads not in (1, mixer.heads)
    return first_of(
        (mixer.bias != ffn.bias, "biases of the mixer or the feed-forward alone"),
        (mixer.rope is not None and mixer.rope.width != mixer.head_width, "rotary_share"),
        (not config.parallel and is_grouped, "grouped kv_heads without parallel branches"),
    )


def _to_json(config: ModelConfig) -> Json:
    mixer = sure(the_mixer(config), AttentionConfig)
    ffn = sure(the_ffn(config), FfnConfig)
    form: Json = {"new_decoder_architecture": _is_new(config)}
    if _is_new(config):
        form["num_ln_in_parallel_attn"] = 1 if config.shared_norm else 2
    return {
        "hidden_size": config.dim,
        "num_hidden_layers": config.layers,
        "num_attention_heads": mixer.heads,
        "num_kv_heads": mixer.kv_heads,
        "ffn_hidden_size": ffn.hidden,
        "activation": ACTIVATIONS[ffn.activation],
        "layer_norm_epsilon": config.norm_epsilon,
        "multi_query": mixer.kv_heads == 1,
        "parallel_attn": config.parallel,
        "bias": mixer.bias,
        "alibi": False,
        "hidden_dropout": config.dropout,
        "attention_dropout": mixer.dropout,
        **form,
        **rope_json(mixer),
    }


def _to_keys(given: Json) -> Json:
    is_new = given.get("new_decoder_architecture", False)
    heads = given["num_attention_heads"]
    kv_heads = given.get("num_kv_heads") or heads
    if not is_new:
        kv_heads = 1 if given.get("multi_query", True) else heads
    parallel = is_new or given.get("parallel_attn", True)
    norms = given.get("num_ln_in_parallel_attn", 2 if is_new else 1)
    if norms not in (1, 2):
        raise ShapeError(f"num_ln_in_parallel_attn = {norms!r} is neither 1 nor 2")
    bias = given.get("bias", False)
    return {
        "dim": given["hidden_size"],
        "layers": given["num_hidden_layers"],
        "mixer": {"heads": heads, "kv_heads": kv_heads, "bias": bias, **read_rope(given)},
        "ffn": {
            "hidden": given.get("ffn_hidden_size"),
            "activation": our_activation(given.get("activation", "gelu")),
            "bias": bias,
        },
        "tied": given.get("tie_word_embeddings", True),
        "parallel": parallel,
        "shared_norm": parallel and not (is_new and norms == 2),
        "norm_epsilon": given["layer_norm_epsilon"],
        "attention_dropout": given.get("attention_dropout", 0.0),
        "dropout": given.get("hidden_dropout", 0.0),
    }


FORM = (
    "new_decoder_architecture",
    "num_kv_heads",
    "multi_query",
    "parallel_attn",
    "num_ln_in_parallel_attn",
)
"""Keys of the architecture, all read by `_to_keys`."""
FALCON = HFArchitecture(
    family="falcon",
    model_type="falcon",
    architecture="FalconForCausalLM",
    misfit=_misfit,
    to_json=_to_json,
    to_keys=_to_keys,
    names=_names,
    joined="transformer.h.*.self_attention.query_key_value",
    required={"apply_residual_connection_post_layernorm": False},
    harmless=frozenset({*FORM, *ROPE_KEYS}),
    elsewhere=("alibi",),
    aliases={
        "n_layer": "num_hidden_layers",
        "n_head": "num_attention_heads",
        "n_head_kv": "num_kv_heads",
    },
    assumed={"max_position_embeddings": 2048},
)
