"""GPT-NeoX: queries, keys and values interleaved by head. Imports no torch."""

from endonym.export.hf_fields import (
    ACTIVATIONS,
    ROPE_BASE,
    ROPE_KEYS,
    our_activation,
    read_rope,
    rope_json,
    share_of,
)
from endonym.export.row import (
    HFArchitecture,
    Json,
    classic_of,
    first_of,
    sure,
    the_ffn,
    the_mixer,
    with_parts,
)
from endonym.model.config import AttentionConfig, FfnConfig, ModelConfig, RopeConfig

DEFAULT_SHARE = 0.25
"""Default share of rotated channels."""
NAMES = {
    "embedding.weight": "gpt_neox.embed_in.weight",
    "head.weight": "embed_out.weight",
    **with_parts(
        {
            "norm": "gpt_neox.final_layer_norm",
            "blocks.*.norm": "gpt_neox.layers.*.input_layernorm",
            "blocks.*.ffn_norm": "gpt_neox.layers.*.post_attention_layernorm",
            "blocks.*.mixer.output": "gpt_neox.layers.*.attention.dense",
            "blocks.*.ffn.up": "gpt_neox.layers.*.mlp.dense_h_to_4h",
            "blocks.*.ffn.down": "gpt_neox.layers.*.mlp.dense_4h_to_h",
        },
        "weight",
        "bias",
    ),
}


def _misfit(config: ModelConfig) -> str | None:
    parts = classic_of(config, "rope")
    if isinstance(parts, str):
        return parts
    mixer, ffn = parts
    return first_of(
        (config.shared_norm, "shared_norm"),
        (not ffn.bias, "ffn.bias = false"),
        (mixer.kv_heads != mixer.heads, "kv_heads"),
    )


def _to_json(config: ModelConfig) -> Json:
    mixer = sure(the_mixer(config), AttentionConfig)
    ffn = sure(the_ffn(config), FfnConfig)
    rope = rope_json(mixer)
    share = share_of(sure(mixer.rope, RopeConfig).width, mixer.head_width)
    rope["rope_parameters"]["partial_rotary_factor"] = share
    return rope | {
        "rotary_pct": share,
        "rotary_emb_base": rope["rope_theta"],
        "hidden_size": config.dim,
        "num_hidden_layers": config.layers,
        "num_attention_heads": mixer.heads,
        "intermediate_size": ffn.hidden,
        "hidden_act": ACTIVATIONS[ffn.activation],
        "layer_norm_eps": config.norm_epsilon,
        "use_parallel_residual": config.parallel,
        "attention_bias": mixer.bias,
        "attention_dropout": mixer.dropout,
        "hidden_dropout": config.dropout,
    }


def _to_keys(given: Json) -> Json:
    rope = {"rope_theta": given.get("rotary_emb_base", ROPE_BASE)} | given
    return {
        "dim": given["hidden_size"],
        "layers": given["num_hidden_layers"],
        "mixer": {
            "heads": given["num_attention_heads"],
            "bias": given.get("attention_bias", True),
            **read_rope(rope, share=given.get("rotary_pct", DEFAULT_SHARE)),
        },
        "ffn": {
            "hidden": given["intermediate_size"],
            "activation": our_activation(given.get("hidden_act", "gelu")),
        },
        "tied": given.get("tie_word_embeddings", False),
        "parallel": given.get("use_parallel_residual", True),
        "norm_epsilon": given["layer_norm_eps"],
        "attention_dropout": given.get("attention_dropout", 0.0),
        "dropout": given.get("hidden_dropout", 0.0),
    }


IGNORED = ("attention_probs_dropout_prob", "hidden_dropout_prob")
"""Words of the first NeoX, which no class reads."""
GPT_NEOX = HFArchitecture(
    family="gptneox",
    model_type="gpt_neox",
    architecture="GPTNeoXForCausalLM",
    misfit=_misfit,
    to_json=_to_json,
    to_keys=_to_keys,
    names=lambda config: NAMES,
    joined="gpt_neox.layers.*.attention.query_key_value",
    required={"is_decoder": False},
    harmless=frozenset({*ROPE_KEYS, "rotary_pct", "rotary_emb_base", *IGNORED}),
)
