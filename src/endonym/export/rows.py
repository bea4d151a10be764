"""Classes of `transformers` for causal models. Imports no torch.

What a class calls our sizes stands in `rows.toml`, and its tensors in `tensor_names.toml`; here is
what takes more than a name. Mistral and Qwen3 have Llama's keys. GPT-2, GPT-NeoX and Falcon hold
queries, keys and values as one matrix: GPT-2 side by side, in transposed matrices; the others by
group of heads. Falcon has two forms. Old: parallel branches with one norm, or sequential ones; one
key/value head, or as many as heads. New: always parallel, one norm or two, any number of key/value
heads.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from endonym.errors import ShapeError
from endonym.export.row import (
    DATA,
    ROPE_BASE,
    AnyFfn,
    HFArchitecture,
    Json,
    Misfits,
    classic_misfits,
    llama_misfits,
    read_rope,
    rope_json,
    share_of,
    state_space_misfits,
    tensor_names,
    with_parts,
)
from endonym.model.config import (
    AttentionConfig,
    ExpertsConfig,
    FfnConfig,
    Mamba2Config,
    MambaConfig,
    ModelConfig,
)

NAMES = tensor_names(Path(__file__).with_name("tensor_names.toml"))
NEOX_SHARE = 0.25
"""Default share of rotated channels."""


def _rope_json(config: ModelConfig, mixer: AttentionConfig, ffn: AnyFfn) -> Json:
    return rope_json(mixer)


def _rope_keys(theirs: Json, keys: Json) -> None:
    keys["mixer"] |= read_rope(theirs)


def _llama_misfits(
    config: ModelConfig,
    mixer: AttentionConfig,
    ffn: AnyFfn,
    biases: tuple[str, ...] = ("mixer",),
    **parts: Any,
) -> Misfits:
    """What a class with these parts, and biases at most on these, does not support."""
    ffn_bias = isinstance(ffn, FfnConfig) and ffn.bias
    is_uneven = isinstance(ffn, ExpertsConfig) and ffn.hidden % 8 > 0
    return [
        *llama_misfits(config, mixer, ffn, **parts),
        (mixer.bias and "mixer" not in biases, "mixer.bias"),
        (ffn_bias and "ffn" not in biases, "ffn.bias"),
        (is_uneven, "expert width not divisible by 8"),
    ]


def _mistral_keys(theirs: Json, keys: Json) -> None:
    """Without a window, a Mistral is a Llama. It has no biases: they are required to be false."""
    window = theirs["sliding_window"]
    if window is None:
        keys["family"] = "llama"
    else:
        keys["mixer"]["window"] = min(window, theirs["max_position_embeddings"])
    keys["mixer"] |= {"bias": False, **read_rope(theirs)}


def _moe_json(config: ModelConfig, mixer: AttentionConfig, ffn: ExpertsConfig) -> Json:
    sizes = {"intermediate_size": ffn.hidden * ffn.active, "norm_topk_prob": ffn.active > 1}
    return sizes | rope_json(mixer)


def _gpt2_misfits(config: ModelConfig, mixer: AttentionConfig, ffn: FfnConfig) -> Misfits:
    return [
        *classic_misfits(config, mixer, ffn, "learned"),
        (config.parallel, "parallel = true"),
        (mixer.kv_heads != mixer.heads, "kv_heads"),
        (not (mixer.bias and ffn.bias), "bias = false"),
    ]


def _gpt2_json(config: ModelConfig, mixer: AttentionConfig, ffn: FfnConfig) -> Json:
    own_name = {"activation_function": "gelu_new"} if ffn.activation == "gelu_tanh" else {}
    return {"n_positions": config.context, "n_ctx": config.context, **own_name}


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
    return rope | {"rotary_pct": share, "rotary_emb_base": rope["rope_theta"]}


def _neox_keys(theirs: Json, keys: Json) -> None:
    rope = {"rope_theta": theirs.get("rotary_emb_base", ROPE_BASE)} | theirs
    keys["mixer"] |= read_rope(rope, share=theirs.get("rotary_pct", NEOX_SHARE))


def _falcon_names(config: ModelConfig) -> Mapping[str, str]:
    before, between = "input_layernorm", "post_attention_layernorm"
    if config.parallel and not config.shared_norm:
        before, between = "ln_attn", "ln_mlp"
    norms = {"blocks.*.norm": f"transformer.h.*.{before}"}
    if not config.shared_norm:
        norms["blocks.*.ffn_norm"] = f"transformer.h.*.{between}"
    return NAMES["falcon"] | with_parts(norms, "weight", "bias")


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
        "num_kv_heads": mixer.kv_heads,
        "multi_query": mixer.kv_heads == 1,
        "parallel_attn": config.parallel,
        "new_decoder_architecture": is_new,
        **(norms if is_new else {}),
        **rope_json(mixer),
    }


def _falcon_keys(theirs: Json, keys: Json) -> None:
    is_new, heads = theirs.get("new_decoder_architecture", False), theirs["num_attention_heads"]
    kv_heads = theirs.get("num_kv_heads") or heads
    if not is_new:
        kv_heads = 1 if theirs.get("multi_query", True) else heads
    parallel = is_new or theirs.get("parallel_attn", True)
    norms = theirs.get("num_ln_in_parallel_attn", 2 if is_new else 1)
    if norms not in (1, 2):
        raise ShapeError(f"num_ln_in_parallel_attn = {norms!r} is neither 1 nor 2")
    keys |= {"parallel": parallel, "shared_norm": parallel and not (is_new and norms == 2)}
    keys["mixer"] |= {"kv_heads": kv_heads, **read_rope(theirs)}
    keys["ffn"]["bias"] = theirs["bias"]


def _mamba_misfits(config: ModelConfig, _: object, ffn: AnyFfn) -> Misfits:
    learned = (config.position == "learned", 'position = "learned"')
    return [*state_space_misfits(config, ffn), learned]


def _mamba_json(config: ModelConfig, mixer: MambaConfig, _: object) -> Json:
    return {"intermediate_size": mixer.inner}


def _mamba_keys(theirs: Json, keys: Json) -> None:
    if theirs["time_step_rank"] == "auto":
        keys["mixer"]["step_rank"] = None


def _mamba2_json(config: ModelConfig, mixer: Mamba2Config, _: object) -> Json:
    return {"num_heads": mixer.heads}


_row = partial(HFArchitecture, more_json=_rope_json, more_keys=_rope_keys)
_llama = partial(_row, ffn=AnyFfn, names=lambda config: NAMES["llama"] | NAMES["llama_dense"])
_mamba = partial(_row, ffn=AnyFfn, misfits=_mamba_misfits)
ROWS = (
    _llama(family="qwen3", misfits=partial(_llama_misfits, query_key_norm=True), **DATA["qwen3"]),
    _llama(
        family="llama", misfits=partial(_llama_misfits, biases=("mixer", "ffn")), **DATA["llama"]
    ),
    _llama(
        family="mistral",
        misfits=partial(_llama_misfits, has_window=True, biases=()),
        more_keys=_mistral_keys,
        **DATA["mistral"],
    ),
    _row(
        family="gpt2",
        misfits=_gpt2_misfits,
        more_json=_gpt2_json,
        more_keys=lambda theirs, keys: None,
        names=lambda config: NAMES["gpt2"],
        **DATA["gpt2"],
    ),
    _row(
        family="gptneox",
        misfits=_neox_misfits,
        more_json=_neox_json,
        more_keys=_neox_keys,
        names=lambda config: NAMES["gptneox"],
        **DATA["gptneox"],
    ),
    _row(
        family="falcon",
        misfits=_falcon_misfits,
        more_json=_falcon_json,
        more_keys=_falcon_keys,
        names=_falcon_names,
        **DATA["falcon"],
    ),
    _mamba(
        family="mamba",
        mixer=MambaConfig,
        more_json=_mamba_json,
        more_keys=_mamba_keys,
        names=lambda config: NAMES["state_space"] | NAMES["mamba"],
        **DATA["mamba"],
    ),
    _mamba(
        family="mamba2",
        mixer=Mamba2Config,
        more_json=_mamba2_json,
        more_keys=lambda theirs, keys: None,
        names=lambda config: NAMES["state_space"] | NAMES["mamba2"],
        **DATA["mamba2"],
    ),
    _llama(
        family="moe",
        misfits=partial(_llama_misfits, ffn_kind="experts", query_key_norm=True),
        more_json=_moe_json,
        names=lambda config: NAMES["llama"] | NAMES["llama_experts"],
        **DATA["moe"],
    ),
)
