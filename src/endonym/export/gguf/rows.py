"""Architectures of llama.cpp as data: what each can compute, its keys and its tensors' names.

Imports no torch. Source: llama.cpp's `src/models/*.cpp`, one file for each architecture.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from endonym.errors import ExportError
from endonym.export.row import (
    AnyFfn,
    Architecture,
    Json,
    Misfits,
    classic_misfits,
    llama_misfits,
    state_space_misfits,
    tensor_names,
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
ATTENTION = NAMES["attention"] | NAMES["dense"]
GELU = (
    "llama.cpp computes GELU by its tanh form; this model was trained with the exact one "
    '(activation = "gelu"), so its logits differ slightly'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GGUFArchitecture(Architecture):
    """An architecture of llama.cpp.

    metadata: its keys, without the architecture's name before them, of a config, its mixer and its
    feed-forward. joined: queries, keys and values are one tensor. paired: rotary channels are
    neighbours (2i, 2i + 1), where ours are (i, i + half). has_head: the head is stored also where
    it is tied.
    """

    name: str
    metadata: Callable[[ModelConfig, Any, Any], Json]
    joined: bool = False
    paired: bool = False
    has_head: bool = False


def architecture_of(config: ModelConfig) -> GGUFArchitecture:
    """The architecture of llama.cpp that computes this model.

    Raises ExportError if there is none, with what the nearest ones do not support.
    """
    misfits = {row.name: row.misfit(config) for row in ROWS}
    for row in ROWS:
        if misfits[row.name] is None:
            return row
    nearest, mixer = FAMILIES.get(config.family, "llama"), config.mixers[0]
    reason = str(misfits[nearest])
    if reason.startswith("window") and isinstance(mixer, AttentionConfig) and mixer.query_key_norm:
        reason = "window together with query_key_norm"
    raise ExportError(
        f"llama.cpp cannot compute this model: its {nearest} does not support {reason}, "
        "and no other architecture of its has this shape",
        where="export gguf",
        do='Remove format = "gguf" from the recipe, or keep the family\'s value of that key.',
    )


def limits_of(config: ModelConfig) -> list[str]:
    """What llama.cpp computes otherwise than the model was trained, in sentences."""
    ffn = config.ffns[0]
    return [GELU] if ffn.kind == "plain" and ffn.activation == "gelu" else []


def _scaling_misfit(mixer: AttentionConfig, *kinds: str) -> tuple[bool, str]:
    """Whether rotary positions are scaled in another way than these."""
    kind = mixer.rope.scaling.kind if mixer.rope and mixer.rope.scaling else None
    return (kind not in (None, *kinds), f'rope_scaling.kind = "{kind}"')


def _llama_misfits(
    config: ModelConfig,
    mixer: AttentionConfig,
    ffn: AnyFfn,
    *,
    query_key_norm: bool = False,
    **parts: Any,
) -> Misfits:
    """What llama.cpp's relatives of Llama do not support."""
    has_bias = mixer.bias or (isinstance(ffn, FfnConfig) and ffn.bias)
    kinds = ("linear",) if query_key_norm else ("linear", "llama3", "yarn")
    return [
        *llama_misfits(config, mixer, ffn, query_key_norm=query_key_norm, **parts),
        (ffn.activation != "silu", f'activation = "{ffn.activation}"'),
        (query_key_norm and has_bias, "bias beside query_key_norm"),
        (isinstance(ffn, ExpertsConfig) and ffn.active == 1, "single active expert"),
        _scaling_misfit(mixer, *kinds),
    ]


def _classic_misfits(
    config: ModelConfig, mixer: AttentionConfig, ffn: FfnConfig, position: str
) -> Misfits:
    """What GPT-2, GPT-NeoX and Falcon do not support."""
    return [
        *classic_misfits(config, mixer, ffn, position),
        (ffn.activation not in ("gelu", "gelu_tanh"), f'activation = "{ffn.activation}"'),
        _scaling_misfit(mixer, "linear"),
    ]


def _gpt_misfits(
    config: ModelConfig, mixer: AttentionConfig, ffn: FfnConfig, *, position: str
) -> Misfits:
    """What GPT-2 and GPT-NeoX do not support."""
    return [
        *_classic_misfits(config, mixer, ffn, position),
        (config.parallel and position == "learned", "parallel residual"),
        (config.parallel and config.shared_norm, "shared_norm"),
        (mixer.kv_heads != mixer.heads, "kv_heads below heads"),
        (not (mixer.bias and ffn.bias), "bias = false"),
    ]


def _falcon_misfits(config: ModelConfig, mixer: AttentionConfig, ffn: FfnConfig) -> Misfits:
    return [
        *_classic_misfits(config, mixer, ffn, "rope"),
        (mixer.rope is not None and mixer.rope.width != mixer.head_width, "rotary_share"),
        (not config.parallel, "serial residual"),
        (mixer.bias or ffn.bias, "bias"),
    ]


def _ssm_misfits(config: ModelConfig, mixer: MambaConfig | Mamba2Config, ffn: AnyFfn) -> Misfits:
    """What Mamba and Mamba-2 do not support."""
    return [
        *state_space_misfits(config, ffn),
        (config.position != "none", f'position = "{config.position}"'),
        (mixer.bias, "bias of the projections"),
        (isinstance(mixer, MambaConfig) and mixer.inner != 2 * config.dim, "expand other than 2"),
    ]


def _common(config: ModelConfig) -> Json:
    """Keys of every architecture."""
    return {
        "context_length": config.context,
        "embedding_length": config.dim,
        "block_count": config.layers,
        "vocab_size": config.vocab,
    }


def _attention(config: ModelConfig, mixer: AttentionConfig, ffn: AnyFfn) -> Json:
    """Keys of attention and of a feed-forward.

    Other scalings of rotary positions than linear are a tensor of factors (`tensors.py`).
    """
    epsilon = "layer_norm_rms_epsilon" if config.norm == "rms" else "layer_norm_epsilon"
    keys = _common(config) | {
        "feed_forward_length": ffn.hidden,
        "attention.head_count": mixer.heads,
        "attention.head_count_kv": mixer.kv_heads,
        "attention.key_length": mixer.head_width,
        "attention.value_length": mixer.head_width,
        f"attention.{epsilon}": config.norm_epsilon,
    }
    if mixer.rope is not None:
        keys |= {"rope.freq_base": mixer.rope.base, "rope.dimension_count": mixer.rope.width}
        scaling = mixer.rope.scaling
        if scaling is not None and scaling.kind == "linear":
            keys |= {"rope.scaling.type": "linear", "rope.scaling.factor": scaling.factor}
    return keys


def _neox(config: ModelConfig, mixer: AttentionConfig, ffn: AnyFfn) -> Json:
    return _attention(config, mixer, ffn) | {"use_parallel_residual": config.parallel}


def _mixture(config: ModelConfig, mixer: AttentionConfig, ffn: ExpertsConfig) -> Json:
    return _attention(config, mixer, ffn) | {
        "feed_forward_length": ffn.hidden * ffn.active,
        "expert_feed_forward_length": ffn.hidden,
        "expert_count": ffn.experts,
        "expert_used_count": ffn.active,
    }


def _windowed(config: ModelConfig, mixer: AttentionConfig, ffn: AnyFfn) -> Json:
    return _attention(config, mixer, ffn) | {
        "attention.sliding_window": mixer.window,
        "attention.sliding_window_pattern": [True] * config.layers,
        "logit_scale": 1.0,
    }


def _ssm(config: ModelConfig, mixer: MambaConfig | Mamba2Config, _: object) -> Json:
    groups = {"ssm.group_count": mixer.groups} if isinstance(mixer, Mamba2Config) else {}
    return {
        **_common(config),
        "feed_forward_length": 0,
        "attention.head_count": 0,
        "attention.layer_norm_rms_epsilon": config.norm_epsilon,
        "ssm.conv_kernel": mixer.conv_width,
        "ssm.inner_size": mixer.inner,
        "ssm.state_size": mixer.state,
        "ssm.time_step_rank": mixer.step_rank if isinstance(mixer, MambaConfig) else mixer.heads,
        **groups,
    }


_row = partial(GGUFArchitecture, metadata=_attention, names=lambda config: ATTENTION)
_llama = partial(_row, ffn=AnyFfn, misfits=_llama_misfits)
_state_space = partial(_row, ffn=AnyFfn, misfits=_ssm_misfits, metadata=_ssm)
ROWS = (
    _llama(name="qwen3", misfits=partial(_llama_misfits, query_key_norm=True)),
    _llama(name="llama", paired=True),
    _llama(
        name="granite_swa",
        misfits=partial(_llama_misfits, has_window=True),
        metadata=_windowed,
        paired=True,
    ),
    _row(
        name="gpt2",
        misfits=partial(_gpt_misfits, position="learned"),
        names=lambda config: ATTENTION | NAMES["learned_positions"],
        joined=True,
    ),
    _row(
        name="gptneox",
        misfits=partial(_gpt_misfits, position="rope"),
        metadata=_neox,
        joined=True,
        has_head=True,
    ),
    _row(
        name="falcon",
        misfits=_falcon_misfits,
        names=lambda config: ATTENTION | ({} if config.shared_norm else NAMES["falcon_two_norms"]),
        joined=True,
    ),
    _state_space(
        name="mamba",
        mixer=MambaConfig,
        names=lambda config: NAMES["state_space"] | NAMES["mamba"],
    ),
    _state_space(
        name="mamba2",
        mixer=Mamba2Config,
        names=lambda config: NAMES["state_space"] | NAMES["mamba2"],
    ),
    _llama(
        name="qwen3moe",
        misfits=partial(_llama_misfits, ffn_kind="experts", query_key_norm=True),
        metadata=_mixture,
        names=lambda config: NAMES["attention"] | NAMES["experts"],
    ),
)
FAMILIES = {"moe": "qwen3moe", "mistral": "granite_swa"} | {
    name: name for name in ("qwen3", "llama", "gpt2", "gptneox", "falcon", "mamba", "mamba2")
}
"""The architecture that errors speak of, by the recipe's family."""
