"""Architectures of llama.cpp as data: what each can compute, its keys and its tensors' names.

Imports no torch. Source: llama.cpp's `src/models/*.cpp`, one file for each architecture.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from endonym.errors import ExportError
from endonym.export.row import (
    Json,
    attention_of,
    classic_of,
    first_of,
    sure,
    the_ffn,
    the_mixer,
    with_parts,
)
from endonym.model.config import (
    AttentionConfig,
    ExpertsConfig,
    FfnConfig,
    Mamba2Config,
    MambaConfig,
    ModelConfig,
    RopeConfig,
)

COMMON = {
    "embedding.weight": "token_embd.weight",
    "head.weight": "output.weight",
    **with_parts({"norm": "output_norm", "blocks.*.norm": "blk.*.attn_norm"}, "weight", "bias"),
}
ATTENTION = {
    **COMMON,
    "blocks.*.mixer.query_norm.weight": "blk.*.attn_q_norm.weight",
    "blocks.*.mixer.key_norm.weight": "blk.*.attn_k_norm.weight",
    **with_parts(
        {
            "blocks.*.ffn_norm": "blk.*.ffn_norm",
            "blocks.*.mixer.query": "blk.*.attn_q",
            "blocks.*.mixer.key": "blk.*.attn_k",
            "blocks.*.mixer.value": "blk.*.attn_v",
            "blocks.*.mixer.output": "blk.*.attn_output",
            "blocks.*.ffn.gate": "blk.*.ffn_gate",
            "blocks.*.ffn.up": "blk.*.ffn_up",
            "blocks.*.ffn.down": "blk.*.ffn_down",
        },
        "weight",
        "bias",
    ),
}
EXPERTS = {
    **{ours: theirs for ours, theirs in ATTENTION.items() if ".ffn." not in ours},
    "blocks.*.ffn.router.weight": "blk.*.ffn_gate_inp.weight",
    "blocks.*.ffn.gate.weight": "blk.*.ffn_gate_exps.weight",
    "blocks.*.ffn.up.weight": "blk.*.ffn_up_exps.weight",
    "blocks.*.ffn.down.weight": "blk.*.ffn_down_exps.weight",
}
FALCON_TWO_NORMS = {
    **with_parts({"blocks.*.norm": "blk.*.attn_norm_2"}, "weight", "bias"),
    **with_parts({"blocks.*.ffn_norm": "blk.*.attn_norm"}, "weight", "bias"),
}
"""With two norms, llama.cpp's first one is that of the feed-forward."""
STATE_SPACE = {
    **COMMON,
    "blocks.*.mixer.input.weight": "blk.*.ssm_in.weight",
    "blocks.*.mixer.convolution.weight": "blk.*.ssm_conv1d.weight",
    "blocks.*.mixer.convolution.bias": "blk.*.ssm_conv1d.bias",
    "blocks.*.mixer.A_log": "blk.*.ssm_a",
    "blocks.*.mixer.skip": "blk.*.ssm_d",
    "blocks.*.mixer.output.weight": "blk.*.ssm_out.weight",
}
MAMBA_NAMES = {
    **STATE_SPACE,
    "blocks.*.mixer.select.weight": "blk.*.ssm_x.weight",
    "blocks.*.mixer.step.weight": "blk.*.ssm_dt.weight",
    "blocks.*.mixer.step.bias": "blk.*.ssm_dt.bias",
}
MAMBA2_NAMES = {
    **STATE_SPACE,
    "blocks.*.mixer.step_bias": "blk.*.ssm_dt.bias",
    "blocks.*.mixer.norm.weight": "blk.*.ssm_norm.weight",
}
GELU = (
    "llama.cpp computes GELU by its tanh form; this model was trained with the exact one "
    '(activation = "gelu"), so its logits differ slightly'
)


@dataclass(frozen=True, slots=True)
class GGUFArchitecture:
    """An architecture of llama.cpp.

    misfit: why it does not support a model, or None. metadata: its keys, without the architecture's
    name before them. names: our tensor names to its, with `*` for the layer. joined: queries, keys
    and values are one tensor. paired: rotary channels are neighbours (2i, 2i + 1), where ours are
    (i, i + half). has_head: the head is stored also where it is tied.
    """

    name: str
    misfit: Callable[[ModelConfig], str | None]
    metadata: Callable[[ModelConfig], Json]
    names: Callable[[ModelConfig], Mapping[str, str]]
    joined: bool = False
    paired: bool = False
    has_head: bool = False


def architecture_of(config: ModelConfig) -> GGUFArchitecture:
    """The architecture of llama.cpp that computes this model.

    Raises ExportError if there is none, with what the nearest ones do not support.
    """
    misfits: dict[str, str] = {}
    for row in ROWS:
        misfit = row.misfit(config)
        if misfit is None:
            return row
        misfits[row.name] = misfit
    mixer = the_mixer(config)
    nearest = FAMILIES.get(config.family, "llama")
    has_norms = isinstance(mixer, AttentionConfig) and mixer.query_key_norm
    if misfits[nearest] == "window" and has_norms:
        misfits[nearest] = "window together with query_key_norm"
    raise ExportError(
        f"llama.cpp cannot compute this model: its {nearest} does not support {misfits[nearest]}, "
        "and no other architecture of its has this shape",
        where="export gguf",
        do='Remove format = "gguf" from the recipe, or keep the family\'s value of that key.',
    )


def limits_of(config: ModelConfig) -> list[str]:
    """What llama.cpp computes otherwise than the model was trained, in sentences."""
    ffn = the_ffn(config)
    return [GELU] * (ffn is not None and ffn.kind == "plain" and ffn.activation == "gelu")


def _common(config: ModelConfig) -> Json:
    """Keys of every architecture."""
    return {
        "context_length": config.context,
        "embedding_length": config.dim,
        "block_count": config.layers,
        "vocab_size": config.vocab,
    }


def _attention(config: ModelConfig) -> Json:
    """Keys of attention and of a feed-forward."""
    mixer = sure(the_mixer(config), AttentionConfig)
    epsilon = "layer_norm_rms_epsilon" if config.norm == "rms" else "layer_norm_epsilon"
    return {
        **_common(config),
        "feed_forward_length": config.ffns[0].hidden,
        "attention.head_count": mixer.heads,
        "attention.head_count_kv": mixer.kv_heads,
        "attention.key_length": mixer.head_width,
        "attention.value_length": mixer.head_width,
        f"attention.{epsilon}": config.norm_epsilon,
        **(_rope(mixer.rope) if mixer.rope is not None else {}),
    }


def _rope(rope: RopeConfig) -> Json:
    """Rotary positions. Other scalings than linear are a tensor of factors (`tensors.py`)."""
    found: Json = {"rope.freq_base": rope.base, "rope.dimension_count": rope.width}
    if rope.scaling is not None and rope.scaling.kind == "linear":
        found |= {"rope.scaling.type": "linear", "rope.scaling.factor": rope.scaling.factor}
    return found


def _rope_misfit(mixer: AttentionConfig, kinds: tuple[str, ...], *, is_partial: bool) -> str | None:
    """What llama.cpp does not support of rotary positions."""
    rope = mixer.rope
    if rope is None:
        return None
    scaling = None if rope.scaling is None else rope.scaling.kind
    return first_of(
        (scaling is not None and scaling not in kinds, f'rope_scaling.kind = "{scaling}"'),
        (not is_partial and rope.width != mixer.head_width, "rotary_share"),
    )


def _gated(config: ModelConfig, *, has_norms: bool, ffn_kind: str, windowed: bool) -> str | None:
    """What llama.cpp's relatives of Llama do not support."""
    mixer, ffn = attention_of(config), the_ffn(config)
    if mixer is None or ffn is None:
        return "layers that are not alike (a hybrid)"
    scaling = ("linear",) if has_norms else ("linear", "llama3", "yarn")
    bias = isinstance(ffn, FfnConfig) and ffn.bias
    return first_of(
        (ffn.kind != ffn_kind, f'ffn.kind = "{ffn.kind}"'),
        (ffn.activation != "silu", f'activation = "{ffn.activation}"'),
        (config.norm != "rms", f'norm = "{config.norm}"'),
        (config.position != "rope", f'position = "{config.position}"'),
        (config.parallel, "parallel residual"),
        (config.logit_cap is not None, "logit_cap"),
        (mixer.query_key_norm != has_norms, f"query_key_norm = {str(not has_norms).lower()}"),
        ((mixer.window is not None) != windowed, "window" if mixer.window else "missing window"),
        (has_norms and (mixer.bias or bias), "bias beside query_key_norm"),
        (isinstance(ffn, ExpertsConfig) and not ffn.gated, "experts without a gate"),
        (isinstance(ffn, ExpertsConfig) and ffn.balance == "bias", 'experts with balance = "bias"'),
        (isinstance(ffn, ExpertsConfig) and ffn.active == 1, "single active expert"),
    ) or _rope_misfit(mixer, scaling, is_partial=False)


def _classic(config: ModelConfig, position: str, *, is_partial: bool) -> str | None:
    """What GPT-2, GPT-NeoX and Falcon have in common."""
    parts = classic_of(config, position)
    if isinstance(parts, str):
        return parts
    mixer, ffn = parts
    wrong = ffn.activation not in ("gelu", "gelu_tanh")
    return first_of((wrong, f'activation = "{ffn.activation}"')) or _rope_misfit(
        mixer, ("linear",), is_partial=is_partial
    )


def _gpt(config: ModelConfig, position: str) -> str | None:
    """What GPT-2 and GPT-NeoX do not support."""
    misfit = _classic(config, position, is_partial=True)
    if misfit:
        return misfit
    mixer = sure(the_mixer(config), AttentionConfig)
    return first_of(
        (config.parallel and position == "learned", "parallel residual"),
        (config.parallel and config.shared_norm, "shared_norm"),
        (mixer.kv_heads != mixer.heads, "kv_heads below heads"),
        (not (mixer.bias and sure(the_ffn(config), FfnConfig).bias), "bias = false"),
    )


def _falcon(config: ModelConfig) -> str | None:
    misfit = _classic(config, "rope", is_partial=False)
    if misfit:
        return misfit
    mixer = sure(the_mixer(config), AttentionConfig)
    return first_of(
        (not config.parallel, "serial residual"),
        (mixer.bias or sure(the_ffn(config), FfnConfig).bias, "bias"),
    )


def _neox(config: ModelConfig) -> Json:
    return _attention(config) | {"use_parallel_residual": config.parallel}


def _mixture(config: ModelConfig) -> Json:
    ffn = sure(the_ffn(config), ExpertsConfig)
    return _attention(config) | {
        "feed_forward_length": ffn.hidden * ffn.active,
        "expert_feed_forward_length": ffn.hidden,
        "expert_count": ffn.experts,
        "expert_used_count": ffn.active,
    }


def _windowed(config: ModelConfig) -> Json:
    mixer = sure(the_mixer(config), AttentionConfig)
    return _attention(config) | {
        "attention.sliding_window": mixer.window,
        "attention.sliding_window_pattern": [True] * config.layers,
        "logit_scale": 1.0,
    }


def _state_space(config: ModelConfig, kind: type[MambaConfig | Mamba2Config]) -> str | None:
    """What llama.cpp's Mamba and Mamba-2 do not support."""
    mixer, ffn = the_mixer(config), the_ffn(config)
    if not isinstance(mixer, kind):
        return "layers that are not alike (a hybrid), or other mixers"
    return first_of(
        (ffn is None or ffn.kind != "none", "feed-forward"),
        (config.norm != "rms", f'norm = "{config.norm}"'),
        (config.position != "none", f'position = "{config.position}"'),
        (config.logit_cap is not None, "logit_cap"),
        (mixer.bias, "bias of the projections"),
        (isinstance(mixer, MambaConfig) and mixer.inner != 2 * config.dim, "expand other than 2"),
    )


def _ssm(config: ModelConfig) -> Json:
    mixer = the_mixer(config)
    assert isinstance(mixer, MambaConfig | Mamba2Config)
    own: Json = (
        {"ssm.time_step_rank": mixer.step_rank}
        if isinstance(mixer, MambaConfig)
        else {
            "ssm.time_step_rank": mixer.heads,
            "ssm.group_count": mixer.groups,
        }
    )
    return {
        **_common(config),
        "feed_forward_length": 0,
        "attention.head_count": 0,
        "attention.layer_norm_rms_epsilon": config.norm_epsilon,
        "ssm.conv_kernel": mixer.conv_width,
        "ssm.inner_size": mixer.inner,
        "ssm.state_size": mixer.state,
        **own,
    }


def _llama_names(config: ModelConfig) -> Mapping[str, str]:
    return ATTENTION


def _falcon_names(config: ModelConfig) -> Mapping[str, str]:
    return ATTENTION if config.shared_norm else ATTENTION | FALCON_TWO_NORMS


ROWS = (
    GGUFArchitecture(
        name="qwen3",
        misfit=lambda c: _gated(c, has_norms=True, ffn_kind="gated", windowed=False),
        metadata=_attention,
        names=_llama_names,
    ),
    GGUFArchitecture(
        name="llama",
        misfit=lambda c: _gated(c, has_norms=False, ffn_kind="gated", windowed=False),
        metadata=_attention,
        names=_llama_names,
        paired=True,
    ),
    GGUFArchitecture(
        name="granite_swa",
        misfit=lambda c: _gated(c, has_norms=False, ffn_kind="gated", windowed=True),
        metadata=_windowed,
        names=_llama_names,
        paired=True,
    ),
    GGUFArchitecture(
        name="gpt2",
        misfit=lambda c: _gpt(c, "learned"),
        metadata=_attention,
        names=lambda c: ATTENTION | {"positions.weight": "position_embd.weight"},
        joined=True,
    ),
    GGUFArchitecture(
        name="gptneox",
        misfit=lambda c: _gpt(c, "rope"),
        metadata=_neox,
        names=_llama_names,
        joined=True,
        has_head=True,
    ),
    GGUFArchitecture(
        name="falcon", misfit=_falcon, metadata=_attention, names=_falcon_names, joined=True
    ),
    GGUFArchitecture(
        name="mamba",
        misfit=lambda c: _state_space(c, MambaConfig),
        metadata=_ssm,
        names=lambda c: MAMBA_NAMES,
    ),
    GGUFArchitecture(
        name="mamba2",
        misfit=lambda c: _state_space(c, Mamba2Config),
        metadata=_ssm,
        names=lambda c: MAMBA2_NAMES,
    ),
    GGUFArchitecture(
        name="qwen3moe",
        misfit=lambda c: _gated(c, has_norms=True, ffn_kind="experts", windowed=False),
        metadata=_mixture,
        names=lambda c: EXPERTS,
    ),
)
FAMILIES = {"moe": "qwen3moe", "mistral": "granite_swa"} | {
    name: name for name in ("qwen3", "llama", "gpt2", "gptneox", "falcon", "mamba", "mamba2")
}
"""The architecture that errors speak of, by the recipe's family."""
