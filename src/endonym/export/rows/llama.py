"""Llama and classes with its keys: Mistral, Qwen3, Qwen3 with experts. Imports no torch."""

from functools import partial

from endonym.export.row import (
    ACTIVATIONS,
    ROPE_KEYS,
    AnyFfn,
    HFArchitecture,
    Json,
    Misfits,
    llama_misfits,
    our_activation,
    read_rope,
    rope_json,
    with_parts,
)
from endonym.model.config import AttentionConfig, ExpertsConfig, FfnConfig, ModelConfig

NAMES = {
    "embedding.weight": "model.embed_tokens.weight",
    "norm.weight": "model.norm.weight",
    "head.weight": "lm_head.weight",
    "blocks.*.norm.weight": "model.layers.*.input_layernorm.weight",
    "blocks.*.ffn_norm.weight": "model.layers.*.post_attention_layernorm.weight",
    "blocks.*.mixer.query_norm.weight": "model.layers.*.self_attn.q_norm.weight",
    "blocks.*.mixer.key_norm.weight": "model.layers.*.self_attn.k_norm.weight",
    **with_parts(
        {
            "blocks.*.mixer.query": "model.layers.*.self_attn.q_proj",
            "blocks.*.mixer.key": "model.layers.*.self_attn.k_proj",
            "blocks.*.mixer.value": "model.layers.*.self_attn.v_proj",
            "blocks.*.mixer.output": "model.layers.*.self_attn.o_proj",
            "blocks.*.ffn.gate": "model.layers.*.mlp.gate_proj",
            "blocks.*.ffn.up": "model.layers.*.mlp.up_proj",
            "blocks.*.ffn.down": "model.layers.*.mlp.down_proj",
        },
        "weight",
        "bias",
    ),
}
EXPERT_NAMES = {
    **{ours: theirs for ours, theirs in NAMES.items() if ".ffn." not in ours},
    "blocks.*.ffn.router.weight": "model.layers.*.mlp.gate.weight",
    "blocks.*.ffn.gate.weight": "model.layers.*.mlp.experts.+.gate_proj.weight",
    "blocks.*.ffn.up.weight": "model.layers.*.mlp.experts.+.up_proj.weight",
    "blocks.*.ffn.down.weight": "model.layers.*.mlp.experts.+.down_proj.weight",
}


QWEN_REQUIRED = {"use_sliding_window": False, "use_mrope": False}
QWEN_HARMLESS = frozenset({"sliding_window", "max_window_layers", *ROPE_KEYS})
"""`sliding_window` is used only if `use_sliding_window` is true."""


def _misfits(
    config: ModelConfig,
    mixer: AttentionConfig,
    ffn: AnyFfn,
    *,
    ffn_kind: str = "gated",
    query_key_norm: bool = False,
    has_window: bool = False,
    biases: tuple[str, ...] = ("mixer",),
) -> Misfits:
    """What a class with these parts, and biases at most on these, does not support."""
    parts: Json = {"ffn_kind": ffn_kind, "query_key_norm": query_key_norm, "has_window": has_window}
    ffn_bias = isinstance(ffn, FfnConfig) and ffn.bias
    is_uneven = isinstance(ffn, ExpertsConfig) and ffn.hidden % 8 > 0
    return [
        *llama_misfits(config, mixer, ffn, **parts),
        (mixer.bias and "mixer" not in biases, "mixer.bias"),
        (ffn_bias and "ffn" not in biases, "ffn.bias"),
        (is_uneven, "expert width not divisible by 8"),
    ]


def _common_json(config: ModelConfig, mixer: AttentionConfig, ffn: AnyFfn) -> Json:
    """The keys that all four classes share."""
    return {
        "hidden_size": config.dim,
        "num_hidden_layers": config.layers,
        "num_attention_heads": mixer.heads,
        "num_key_value_heads": mixer.kv_heads,
        "head_dim": mixer.head_width,
        "hidden_act": ACTIVATIONS[ffn.activation],
        "rms_norm_eps": config.norm_epsilon,
        "attention_dropout": mixer.dropout,
        "intermediate_size": ffn.hidden,
        **rope_json(mixer),
    }


def _llama_json(config: ModelConfig, mixer: AttentionConfig, ffn: FfnConfig) -> Json:
    biases = {"attention_bias": mixer.bias, "mlp_bias": ffn.bias}
    return _common_json(config, mixer, ffn) | biases


def _mistral_json(config: ModelConfig, mixer: AttentionConfig, ffn: FfnConfig) -> Json:
    return _common_json(config, mixer, ffn) | {"sliding_window": mixer.window}


def _qwen_json(config: ModelConfig, mixer: AttentionConfig, ffn: AnyFfn) -> Json:
    own = {"attention_bias": mixer.bias, "use_sliding_window": False}
    return _common_json(config, mixer, ffn) | own


def _moe_json(config: ModelConfig, mixer: AttentionConfig, ffn: ExpertsConfig) -> Json:
    return _qwen_json(config, mixer, ffn) | {
        "intermediate_size": ffn.hidden * ffn.active,
        "moe_intermediate_size": ffn.hidden,
        "num_experts": ffn.experts,
        "num_experts_per_tok": ffn.active,
        "norm_topk_prob": ffn.active > 1,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "router_aux_loss_coef": ffn.balance_weight,
    }


def _common_keys(theirs: Json, *, is_derived: bool) -> Json:
    """Our keys. is_derived: the class derives kv_heads and head_dim from other keys if missing;
    otherwise it has fixed defaults, so they must be given.
    """
    value_of = theirs.get if is_derived else theirs.__getitem__
    return {
        "dim": theirs["hidden_size"],
        "layers": theirs["num_hidden_layers"],
        "mixer": {
            "heads": theirs["num_attention_heads"],
            "kv_heads": value_of("num_key_value_heads"),
            "head_width": value_of("head_dim"),
            "bias": theirs.get("attention_bias", False),
            **read_rope(theirs),
        },
        "ffn": {"activation": our_activation(theirs.get("hidden_act", "silu"))},
        "tied": theirs.get("tie_word_embeddings", False),
        "norm_epsilon": theirs["rms_norm_eps"],
        "attention_dropout": theirs.get("attention_dropout", 0.0),
    }


def _dense_keys(theirs: Json, *, is_derived: bool) -> Json:
    keys = _common_keys(theirs, is_derived=is_derived)
    keys["ffn"]["hidden"] = theirs["intermediate_size"]
    return keys


def _llama_keys(theirs: Json) -> Json:
    keys = _dense_keys(theirs, is_derived=True)
    keys["ffn"]["bias"] = theirs.get("mlp_bias", False)
    return keys


def _mistral_keys(theirs: Json) -> Json:
    """Without a window, a Mistral is a Llama. It has no biases: they are required to be false."""
    keys = _dense_keys(theirs, is_derived=True)
    keys["mixer"]["bias"] = False
    window = theirs["sliding_window"]
    if window is None:
        return keys | {"family": "llama"}
    keys["mixer"]["window"] = min(window, theirs["max_position_embeddings"])
    return keys


def _moe_keys(theirs: Json) -> Json:
    keys = _common_keys(theirs, is_derived=False)
    keys["ffn"] |= {
        "hidden": theirs["moe_intermediate_size"],
        "experts": theirs["num_experts"],
        "active": theirs["num_experts_per_tok"],
        "balance_weight": theirs.get("router_aux_loss_coef", 0.001),
    }
    return keys


LLAMA = HFArchitecture(
    family="llama",
    model_type="llama",
    architecture="LlamaForCausalLM",
    ffn=AnyFfn,
    misfits=partial(_misfits, biases=("mixer", "ffn")),
    to_json=_llama_json,
    to_keys=_llama_keys,
    names=lambda config: NAMES,
    required={"rope_interleaved": False},
    harmless=frozenset({"max_sequence_length", "is_llama_config", *ROPE_KEYS}),
    aliases={"max_sequence_length": "max_position_embeddings"},
)
MISTRAL = HFArchitecture(
    family="mistral",
    model_type="mistral",
    architecture="MistralForCausalLM",
    ffn=AnyFfn,
    misfits=partial(_misfits, has_window=True, biases=()),
    to_json=_mistral_json,
    to_keys=_mistral_keys,
    names=lambda config: NAMES,
    required={"attention_bias": False, "mlp_bias": False},
    harmless=frozenset(ROPE_KEYS),
    may_be_null=("sliding_window",),
)
QWEN3 = HFArchitecture(
    family="qwen3",
    model_type="qwen3",
    architecture="Qwen3ForCausalLM",
    ffn=AnyFfn,
    misfits=partial(_misfits, query_key_norm=True),
    to_json=_qwen_json,
    to_keys=partial(_dense_keys, is_derived=False),
    names=lambda config: NAMES,
    required=QWEN_REQUIRED,
    harmless=QWEN_HARMLESS,
)
QWEN3_MOE = HFArchitecture(
    family="moe",
    model_type="qwen3_moe",
    architecture="Qwen3MoeForCausalLM",
    ffn=AnyFfn,
    misfits=partial(_misfits, ffn_kind="experts", query_key_norm=True),
    to_json=_moe_json,
    to_keys=_moe_keys,
    names=lambda config: EXPERT_NAMES,
    required=QWEN_REQUIRED,
    harmless=QWEN_HARMLESS | {"intermediate_size", "output_router_logits"},
    aliases={"num_local_experts": "num_experts"},
    assumed={"norm_topk_prob": False},
)
