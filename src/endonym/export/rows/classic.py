"""GPT-2, GPT-NeoX and Falcon: queries, keys and values are one matrix. Imports no torch.

GPT-2 has them side by side, in transposed matrices; GPT-NeoX and Falcon by group of heads. Falcon
has two forms. Old: parallel branches with one norm, or sequential ones; one key/value head, or as
many as heads. New: always parallel, one norm or two, any number of key/value heads.
"""

from collections.abc import Mapping

from endonym.errors import ShapeError
from endonym.export.row import (
    ACTIVATIONS,
    ROPE_BASE,
    ROPE_KEYS,
    HFArchitecture,
    Json,
    Misfits,
    classic_misfits,
    our_activation,
    read_rope,
    rope_json,
    share_of,
    with_parts,
)
from endonym.model.config import AttentionConfig, FfnConfig, ModelConfig

GPT2_NAMES = {
    "embedding.weight": "transformer.wte.weight",
    "positions.weight": "transformer.wpe.weight",
    "head.weight": "lm_head.weight",
    **with_parts(
        {
            "norm": "transformer.ln_f",
            "blocks.*.norm": "transformer.h.*.ln_1",
            "blocks.*.ffn_norm": "transformer.h.*.ln_2",
            "blocks.*.mixer.output": "transformer.h.*.attn.c_proj",
            "blocks.*.ffn.up": "transformer.h.*.mlp.c_fc",
            "blocks.*.ffn.down": "transformer.h.*.mlp.c_proj",
        },
        "weight",
        "bias",
    ),
}
OTHER_WORDS = ("n_ctx", "n_special", "predict_special_tokens", "afn")
"""`afn`: an older name of GPT-2's activation, which the class never read."""
OTHER_HEADS = ("type", "use_proj", "activation", "proj_to_labels", "first_dropout")


def _gpt2_misfits(config: ModelConfig, mixer: AttentionConfig, ffn: FfnConfig) -> Misfits:
    return [
        *classic_misfits(config, mixer, ffn, "learned"),
        (config.parallel, "parallel = true"),
        (mixer.kv_heads != mixer.heads, "kv_heads"),
        (not (mixer.bias and ffn.bias), "bias = false"),
    ]


def _gpt2_json(config: ModelConfig, mixer: AttentionConfig, ffn: FfnConfig) -> Json:
    activation = "gelu_new" if ffn.activation == "gelu_tanh" else ACTIVATIONS[ffn.activation]
    return {
        "n_positions": config.context,
        "n_ctx": config.context,
        "n_embd": config.dim,
        "n_layer": config.layers,
        "n_head": mixer.heads,
        "n_inner": ffn.hidden,
        "activation_function": activation,
        "layer_norm_epsilon": config.norm_epsilon,
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.embedding_dropout,
        "attn_pdrop": mixer.dropout,
    }


def _gpt2_keys(theirs: Json) -> Json:
    activation = our_activation(theirs.get("activation_function", "gelu_new"))
    return {
        "dim": theirs["n_embd"],
        "layers": theirs["n_layer"],
        "mixer": {"heads": theirs["n_head"]},
        "ffn": {"hidden": theirs.get("n_inner"), "activation": activation},
        "tied": theirs.get("tie_word_embeddings", True),
        "dropout": theirs.get("resid_pdrop", 0.0),
        "embedding_dropout": theirs.get("embd_pdrop", 0.0),
        "attention_dropout": theirs.get("attn_pdrop", 0.0),
        "norm_epsilon": theirs["layer_norm_epsilon"],
    }


GPT2 = HFArchitecture(
    family="gpt2",
    model_type="gpt2",
    architecture="GPT2LMHeadModel",
    misfits=_gpt2_misfits,
    to_json=_gpt2_json,
    to_keys=_gpt2_keys,
    names=lambda config: GPT2_NAMES,
    joined="transformer.h.*.attn.c_attn",
    joined_how="side by side",
    transposed=r"(mixer\.(output|query|key|value)|ffn\.up|ffn\.down)\.weight$",
    context_key="n_positions",
    required={
        "add_cross_attention": False,
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "reorder_and_upcast_attn": False,
    },
    harmless=frozenset({*OTHER_WORDS, *(f"summary_{x}" for x in OTHER_HEADS)}),
    aliases={
        "hidden_size": "n_embd",
        "num_hidden_layers": "n_layer",
        "num_attention_heads": "n_head",
        "max_position_embeddings": "n_positions",
    },
)

NEOX_NAMES = {
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
NEOX_SHARE = 0.25
"""Default share of rotated channels."""
NEOX_IGNORED = ("attention_probs_dropout_prob", "hidden_dropout_prob")
"""Words of the first NeoX, which no class reads."""


def _neox_misfits(config: ModelConfig, mixer: AttentionConfig, ffn: FfnConfig) -> Misfits:
    return [
        *classic_misfits(config, mixer, ffn, "rope"),
        (config.shared_norm, "shared_norm"),
        (not ffn.bias, "ffn.bias = false"),
        (mixer.kv_heads != mixer.heads, "kv_heads"),
    ]


def _neox_json(config: ModelConfig, mixer: AttentionConfig, ffn: FfnConfig) -> Json:
    rope = rope_json(mixer)
    assert mixer.rope is not None, "rope_json has checked it"
    share = share_of(mixer.rope.width, mixer.head_width)
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


def _neox_keys(theirs: Json) -> Json:
    rope = {"rope_theta": theirs.get("rotary_emb_base", ROPE_BASE)} | theirs
    activation = our_activation(theirs.get("hidden_act", "gelu"))
    return {
        "dim": theirs["hidden_size"],
        "layers": theirs["num_hidden_layers"],
        "mixer": {
            "heads": theirs["num_attention_heads"],
            "bias": theirs.get("attention_bias", True),
            **read_rope(rope, share=theirs.get("rotary_pct", NEOX_SHARE)),
        },
        "ffn": {"hidden": theirs["intermediate_size"], "activation": activation},
        "tied": theirs.get("tie_word_embeddings", False),
        "parallel": theirs.get("use_parallel_residual", True),
        "norm_epsilon": theirs["layer_norm_eps"],
        "attention_dropout": theirs.get("attention_dropout", 0.0),
        "dropout": theirs.get("hidden_dropout", 0.0),
    }


GPT_NEOX = HFArchitecture(
    family="gptneox",
    model_type="gpt_neox",
    architecture="GPTNeoXForCausalLM",
    misfits=_neox_misfits,
    to_json=_neox_json,
    to_keys=_neox_keys,
    names=lambda config: NEOX_NAMES,
    joined="gpt_neox.layers.*.attention.query_key_value",
    required={"is_decoder": False},
    harmless=frozenset({*ROPE_KEYS, "rotary_pct", "rotary_emb_base", *NEOX_IGNORED}),
)

FALCON_NAMES = {
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
FALCON_FORM = {
    *("new_decoder_architecture", "num_kv_heads", "multi_query", "parallel_attn"),
    "num_ln_in_parallel_attn",
}
"""Keys of the architecture, all read by `_falcon_keys`."""


def _falcon_names(config: ModelConfig) -> Mapping[str, str]:
    before, between = "input_layernorm", "post_attention_layernorm"
    if config.parallel and not config.shared_norm:
        before, between = "ln_attn", "ln_mlp"
    norms = {"blocks.*.norm": f"transformer.h.*.{before}"}
    if not config.shared_norm:
        norms["blocks.*.ffn_norm"] = f"transformer.h.*.{between}"
    return FALCON_NAMES | with_parts(norms, "weight", "bias")


def _falcon_misfits(config: ModelConfig, mixer: AttentionConfig, ffn: FfnConfig) -> Misfits:
    is_grouped = mixer.kv_heads not in (1, mixer.heads)
    return [
        *classic_misfits(config, mixer, ffn, "rope"),
        (mixer.bias != ffn.bias, "biases of the mixer or the feed-forward alone"),
        (mixer.rope is not None and mixer.rope.width != mixer.head_width, "rotary_share"),
        (not config.parallel and is_grouped, "grouped kv_heads without parallel branches"),
    ]


def _falcon_json(config: ModelConfig, mixer: AttentionConfig, ffn: FfnConfig) -> Json:
    is_grouped = mixer.kv_heads not in (1, mixer.heads)
    is_new = config.parallel and (not config.shared_norm or is_grouped)
    norms = {"num_ln_in_parallel_attn": 1 if config.shared_norm else 2}
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
        "new_decoder_architecture": is_new,
        **(norms if is_new else {}),
        **rope_json(mixer),
    }


def _falcon_keys(theirs: Json) -> Json:
    is_new = theirs.get("new_decoder_architecture", False)
    heads = theirs["num_attention_heads"]
    kv_heads = theirs.get("num_kv_heads") or heads
    if not is_new:
        kv_heads = 1 if theirs.get("multi_query", True) else heads
    parallel = is_new or theirs.get("parallel_attn", True)
    norms = theirs.get("num_ln_in_parallel_attn", 2 if is_new else 1)
    if norms not in (1, 2):
        raise ShapeError(f"num_ln_in_parallel_attn = {norms!r} is neither 1 nor 2")
    bias, activation = theirs.get("bias", False), our_activation(theirs.get("activation", "gelu"))
    return {
        "dim": theirs["hidden_size"],
        "layers": theirs["num_hidden_layers"],
        "mixer": {"heads": heads, "kv_heads": kv_heads, "bias": bias, **read_rope(theirs)},
        "ffn": {"hidden": theirs.get("ffn_hidden_size"), "activation": activation, "bias": bias},
        "tied": theirs.get("tie_word_embeddings", True),
        "parallel": parallel,
        "shared_norm": parallel and not (is_new and norms == 2),
        "norm_epsilon": theirs["layer_norm_epsilon"],
        "attention_dropout": theirs.get("attention_dropout", 0.0),
        "dropout": theirs.get("hidden_dropout", 0.0),
    }


FALCON = HFArchitecture(
    family="falcon",
    model_type="falcon",
    architecture="FalconForCausalLM",
    misfits=_falcon_misfits,
    to_json=_falcon_json,
    to_keys=_falcon_keys,
    names=_falcon_names,
    joined="transformer.h.*.self_attention.query_key_value",
    required={"apply_residual_connection_post_layernorm": False},
    harmless=frozenset({*FALCON_FORM, *ROPE_KEYS}),
    elsewhere=("alibi",),
    aliases={
        "n_layer": "num_hidden_layers",
        "n_head": "num_attention_heads",
        "n_head_kv": "num_kv_heads",
    },
    assumed={"max_position_embeddings": 2048},
)
