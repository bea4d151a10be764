"""GPT-2: queries, keys and values side by side, matrices transposed. Imports no torch."""

from endonym.export.hf_fields import ACTIVATIONS, our_activation
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
from endonym.model.config import AttentionConfig, FfnConfig, ModelConfig

NAMES = {
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


def _misfit(config: ModelConfig) -> str | None:
    parts = classic_of(config, "learned")
    if isinstance(parts, str):
        return parts
    mixer, ffn = parts
    return first_of(
        (config.parallel, "parallel = true"),
        (mixer.kv_heads != mixer.heads, "kv_heads"),
        (not (mixer.bias and ffn.bias), "bias = false"),
    )


def _to_json(config: ModelConfig) -> Json:
    mixer = sure(the_mixer(config), AttentionConfig)
    ffn = sure(the_ffn(config), FfnConfig)
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


def _to_keys(given: Json) -> Json:
    return {
        "dim": given["n_embd"],
        "layers": given["n_layer"],
        "mixer": {"heads": given["n_head"]},
        "ffn": {
            "hidden": given.get("n_inner"),
            "activation": our_activation(given.get("activation_function", "gelu_new")),
        },
        "tied": given.get("tie_word_embeddings", True),
        "dropout": given.get("resid_pdrop", 0.0),
        "embedding_dropout": given.get("embd_pdrop", 0.0),
        "attention_dropout": given.get("attn_pdrop", 0.0),
        "norm_epsilon": given["layer_norm_epsilon"],
    }


OTHER_WORDS = ("n_ctx", "n_special", "predict_special_tokens", "afn")
"""`afn`: an older name of the activation, which the class never read."""
OTHER_HEADS = ("type", "use_proj", "activation", "proj_to_labels", "first_dropout")
GPT2 = HFArchitecture(
    family="gpt2",
    model_type="gpt2",
    architecture="GPT2LMHeadModel",
    misfit=_misfit,
    to_json=_to_json,
    to_keys=_to_keys,
    names=lambda config: NAMES,
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
