"""Classes of `transformers` for causal models. Imports no torch.

What a class has and calls our sizes stands in `rows.toml`, its tensors in `tensor_names.toml`; here
is what takes more than a name. Mistral and Qwen3 have Llama's keys. GPT-2, GPT-NeoX and Falcon hold
queries, keys and values as one matrix: GPT-2 side by side, in transposed matrices; the others by
group of heads. Falcon has two forms. Old: parallel branches with one norm, or sequential ones; one
key/value head, or as many as heads. New: always parallel, one norm or two, any number of key/value
heads.
"""

from endonym.disk import packaged_tables
from endonym.errors import ShapeError
from endonym.export.row import HFArchitecture, Json, rope_json, share_of
from endonym.model.config import AttentionConfig, ExpertsConfig, ModelConfig


def _mistral_keys(theirs: Json, keys: Json) -> None:
    """Without a window, a Mistral is a Llama."""
    window = theirs["sliding_window"]
    if window is None:
        keys["family"] = "llama"
    else:
        keys["mixer"]["window"] = min(window, theirs["max_position_embeddings"])


def _moe_json(config: ModelConfig) -> Json:
    ffn = config.ffns[0]
    assert isinstance(ffn, ExpertsConfig)
    return {"norm_topk_prob": ffn.active > 1}


def _gpt2_json(config: ModelConfig) -> Json:
    is_own = config.ffns[0].activation == "gelu_tanh"
    return {"activation_function": "gelu_new"} if is_own else {}


def _neox_json(config: ModelConfig) -> Json:
    """Its share of rotated channels is written always, as it is a quarter by default."""
    mixer = config.mixers[0]
    assert isinstance(mixer, AttentionConfig)
    assert mixer.rope is not None
    rope = rope_json(mixer)
    share = share_of(mixer.rope.width, mixer.head_width)
    rope["rope_parameters"]["partial_rotary_factor"] = share
    return rope | {"rotary_pct": share, "rotary_emb_base": rope["rope_theta"]}


def _falcon_json(config: ModelConfig) -> Json:
    """Its form, old or new, its key/value heads, and in the new one its norms."""
    mixer = config.mixers[0]
    assert isinstance(mixer, AttentionConfig)
    is_grouped = mixer.kv_heads not in (1, mixer.heads)
    is_new = config.parallel and (not config.shared_norm or is_grouped)
    form = {"multi_query": mixer.kv_heads == 1, "new_decoder_architecture": is_new}
    return form | ({"num_ln_in_parallel_attn": 1 if config.shared_norm else 2} if is_new else {})


def _falcon_keys(theirs: Json, keys: Json) -> None:
    """Our keys for its form, with the defaults of its class."""
    is_new = theirs.get("new_decoder_architecture", False)
    heads = theirs["num_attention_heads"]
    kv_heads = theirs.get("num_kv_heads") or heads
    if not is_new:
        kv_heads = 1 if theirs.get("multi_query", True) else heads
    parallel = is_new or theirs.get("parallel_attn", True)
    norms = theirs.get("num_ln_in_parallel_attn", 2 if is_new else 1)
    if norms not in (1, 2):
        raise ShapeError(f"num_ln_in_parallel_attn = {norms!r} is neither 1 nor 2")
    keys |= {"parallel": parallel, "shared_norm": parallel and not (is_new and norms == 2)}
    keys["mixer"]["kv_heads"] = kv_heads
    keys["ffn"]["bias"] = theirs["bias"]


def _mamba_keys(theirs: Json, keys: Json) -> None:
    if theirs["time_step_rank"] == "auto":
        keys["mixer"]["step_rank"] = None


MORE_JSON = {"moe": _moe_json, "gpt2": _gpt2_json, "gptneox": _neox_json, "falcon": _falcon_json}
MORE_KEYS = {"mistral": _mistral_keys, "falcon": _falcon_keys, "mamba": _mamba_keys}
ROWS = tuple(
    HFArchitecture(
        family=family, more_json=MORE_JSON.get(family), more_keys=MORE_KEYS.get(family), **row
    )
    for family, row in packaged_tables("endonym.export", "rows.toml").items()
)
