"""Llama and classes with its keys: Mistral, Qwen3, Qwen3 with experts. Imports no torch."""

from functools import partial

from endonym.export.hf_fields import ACTIVATIONS, ROPE_KEYS, our_activation, read_rope, rope_json
from endonym.export.row import (
    HFArchitecture,
    Json,
    attention_of,
    first_of,
    sure,
    the_ffn,
    the_mixer,
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


def _misfit(
    config: ModelConfig, *, ffn_kind: str, query_key_norm: bool, has_window: bool, biases: set[str]
) -> str | None:
    """What a class with these parts, and biases at most on these, does not support."""
    mixer, ffn = attention_of(config), the_ffn(config)
    if mixer is None or ffn is None:
        return "layers that are not alike, or not all attention"
    ffn_bias = isinstance(ffn, FfnConfig) and ffn.bias
    return first_of(
        (config.norm != "rms", f'norm = "{config.norm}"'),
        (config.position != "rope", f'position = "{config.position}"'),
        (config.parallel, "parallel = true"),
        (config.logit_cap is not None, "logit_cap"),
        (mixer.rope is not None and mixer.rope.width != mixer.head_width, "rotary_share"),
        (ffn.kind != ffn_kind, f'ffn.kind = "{ffn.kind}"'),
        (mixer.query_key_norm != query_key_norm, f"query_key_norm = {mixer.query_key_norm}"),
        ((mixer.window is not None) != has_window, f"window = {mixer.window}"),
        (mixer.bias and "mixer" not in biases, "mixer.bias"),
        (ffn_bias and "ffn" not in biases, "ffn.bias"),
        (isinstance(ffn, ExpertsConfig) and not ffn.gated, "ffn.gated = false"),
        (isinstance(ffn, ExpertsConfig) and ffn.hidden % 8 > 0, "expert width not divisible by 8"),
        (isinstance(ffn, ExpertsConfig) and ffn.balance == "bias", 'ffn.balance = "bias"'),
    )


def _common_json(config: ModelConfig) -> Json:
    """The keys that all four classes share."""
    mixer = sure(the_mixer(config), AttentionConfig)
    return {
        "hidden_size": config.dim,
        "num_hidden_layers": config.layers,
        "num_attention_heads": mixer.heads,
        "num_key_value_heads": mixer.kv_heads,
        "head_dim": mixer.head_width,
        "hidden_act": ACTIVATIONS[config.ffns[0].activation],
        "rms_norm_eps": config.norm_epsilon,
        "attention_dropout": mixer.dropout,
        **rope_json(mixer),
    }


def _dense_json(config: ModelConfig) -> Json:
    return _common_json(config) | {"intermediate_size": config.ffns[0].hidden}


def _llama_json(config: ModelConfig) -> Json:
    mixer = sure(the_mixer(config), AttentionConfig)
    ffn = sure(the_ffn(config), FfnConfig)
    return _dense_json(config) | {"attention_bias": mixer.bias, "mlp_bias": ffn.bias}


def _mistral_json(config: ModelConfig) -> Json:
    mixer = sure(the_mixer(config), AttentionConfig)
    return _dense_json(config) | {"sliding_window": mixer.window}


def _qwen_json(config: ModelConfig) -> Json:
    mixer = sure(the_mixer(config), AttentionConfig)
    return _dense_json(config) | {"attention_bias": mixer.bias, "use_sliding_window": False}


def _moe_json(config: ModelConfig) -> Json:
    mixer = sure(the_mixer(config), AttentionConfig)
    ffn = sure(the_ffn(config), ExpertsConfig)
    return _common_json(config) | {
        "attention_bias": mixer.bias,
        "use_sliding_window": False,
        "intermediate_size": ffn.hidden * ffn.active,
        "moe_intermediate_size": ffn.hidden,
        "num_experts": ffn.experts,
        "num_experts_per_tok": ffn.active,
        "norm_topk_prob": ffn.active > 1,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "router_aux_loss_coef": ffn.balance_weight,
    }


def _common_keys(given: Json, *, is_derived: bool) -> Json:
    """Our keys. is_derived: the class derives kv_heads and head_dim from other keys if missing;
    otherwise it has fixed defaults, so they must be given.
    """
    find = given.get if is_derived else given.__getitem__
    return {
        "dim": given["hidden_size"],
        "layers": given["num_hidden_layers"],
        "mixer": {
            "heads": given["num_attention_heads"],
            "kv_heads": find("num_key_value_heads"),
            "head_width": find("head_dim"),
            **read_rope(given),
        },
        "ffn": {"activation": our_activation(given.get("hidden_act", "silu"))},
        "tied": given.get("tie_word_embeddings", False),
        "norm_epsilon": given["rms_norm_eps"],
        "attention_dropout": given.get("attention_dropout", 0.0),
    }


def _dense_keys(given: Json, *, is_derived: bool) -> Json:
    keys = _common_keys(given, is_derived=is_derived)
    keys["ffn"]["hidden"] = given["intermediate_size"]
    return keys


def _llama_keys(given: Json) -> Json:
    keys = _dense_keys(given, is_derived=True)
    keys["mixer"]["bias"] = given.get("attention_bias", False)
    keys["ffn"]["bias"] = given.get("mlp_bias", False)
    return keys


def _mistral_keys(given: Json) -> Json:
    """Without a window, a Mistral is a Llama."""
    keys = _dense_keys(given, is_derived=True)
    window = given["sliding_window"]
    if window is None:
        return keys | {"family": "llama"}
    keys["mixer"]["window"] = min(window, given["max_position_embeddings"])
    return keys


def _qwen_keys(given: Json) -> Json:
    keys = _dense_keys(given, is_derived=False)
    keys["mixer"]["bias"] = given.get("attention_bias", False)
    return keys


def _moe_keys(given: Json) -> Json:
    keys = _common_keys(given, is_derived=False)
    keys["mixer"]["bias"] = given.get("attention_bias", False)
    keys["ffn"] |= {
        "hidden": given["moe_intermediate_size"],
        "experts": given["num_experts"],
        "active": given["num_experts_per_tok"],
        "balance_weight": given.get("router_aux_loss_coef", 0.001),
    }
    return keys


QWEN_REQUIRED = {"use_sliding_window": False, "use_mrope": False}
QWEN_HARMLESS = frozenset({"sliding_window", "max_window_layers", *ROPE_KEYS})
"""`sliding_window` is used only if `use_sliding_window` is true."""
LLAMA = HFArchitecture(
    family="llama",
    model_type="llama",
    architecture="LlamaForCausalLM",
    misfit=partial(
        _misfit, ffn_kind="gated", query_key_norm=False, has_window=False, biases={"mixer", "ffn"}
    ),
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
    misfit=partial(_misfit, ffn_kind="gated", query_key_norm=False, has_window=True, biases=set()),
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
    misfit=partial(
        _misfit, ffn_kind="gated", query_key_norm=True, has_window=False, biases={"mixer"}
    ),
    to_json=_qwen_json,
    to_keys=_qwen_keys,
    names=lambda config: NAMES,
    required=QWEN_REQUIRED,
    harmless=QWEN_HARMLESS,
)
QWEN3_MOE = HFArchitecture(
    family="moe",
    model_type="qwen3_moe",
    architecture="Qwen3MoeForCausalLM",
    misfit=partial(
        _misfit, ffn_kind="experts", query_key_norm=True, has_window=False, biases={"mixer"}
    ),
    to_json=_moe_json,
    to_keys=_moe_keys,
    names=lambda config: EXPERT_NAMES,
    required=QWEN_REQUIRED,
    harmless=QWEN_HARMLESS | {"intermediate_size", "output_router_logits"},
    aliases={"num_local_experts": "num_experts"},
    assumed={"norm_topk_prob": False},
)
