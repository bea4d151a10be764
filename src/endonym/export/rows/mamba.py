"""Mamba and Mamba-2. Imports no torch."""

from endonym.export.row import (
    AnyFfn,
    HFArchitecture,
    Json,
    Misfits,
    state_space_misfits,
    with_parts,
)
from endonym.model.config import Mamba2Config, MambaConfig, ModelConfig

COMMON_NAMES = {
    "embedding.weight": "backbone.embeddings.weight",
    "norm.weight": "backbone.norm_f.weight",
    "head.weight": "lm_head.weight",
    "blocks.*.norm.weight": "backbone.layers.*.norm.weight",
    "blocks.*.mixer.A_log": "backbone.layers.*.mixer.A_log",
    "blocks.*.mixer.skip": "backbone.layers.*.mixer.D",
    **with_parts(
        {
            "blocks.*.mixer.input": "backbone.layers.*.mixer.in_proj",
            "blocks.*.mixer.convolution": "backbone.layers.*.mixer.conv1d",
            "blocks.*.mixer.output": "backbone.layers.*.mixer.out_proj",
        },
        "weight",
        "bias",
    ),
}
MAMBA_NAMES = COMMON_NAMES | {
    "blocks.*.mixer.select.weight": "backbone.layers.*.mixer.x_proj.weight",
    "blocks.*.mixer.step.weight": "backbone.layers.*.mixer.dt_proj.weight",
    "blocks.*.mixer.step.bias": "backbone.layers.*.mixer.dt_proj.bias",
}
MAMBA2_NAMES = COMMON_NAMES | {
    "blocks.*.mixer.step_bias": "backbone.layers.*.mixer.dt_bias",
    "blocks.*.mixer.norm.weight": "backbone.layers.*.mixer.norm.weight",
}
ASSUMED = {"max_position_embeddings": 2048}
"""The context length of the published models, for folders that do not state it."""


def _misfits(config: ModelConfig, _: object, ffn: AnyFfn) -> Misfits:
    learned = (config.position == "learned", 'position = "learned"')
    return [*state_space_misfits(config, ffn), learned]


def _common_json(config: ModelConfig, mixer: MambaConfig | Mamba2Config) -> Json:
    return {
        "hidden_size": config.dim,
        "num_hidden_layers": config.layers,
        "state_size": mixer.state,
        "expand": mixer.inner // config.dim,
        "conv_kernel": mixer.conv_width,
        "use_bias": mixer.bias,
        "use_conv_bias": True,
        "hidden_act": "silu",
        "layer_norm_epsilon": config.norm_epsilon,
    }


def _mamba_json(config: ModelConfig, mixer: MambaConfig, _: object) -> Json:
    sizes = {"intermediate_size": mixer.inner, "time_step_rank": mixer.step_rank}
    return _common_json(config, mixer) | sizes


def _mamba2_json(config: ModelConfig, mixer: Mamba2Config, _: object) -> Json:
    return _common_json(config, mixer) | {
        "num_heads": mixer.heads,
        "head_dim": mixer.head_width,
        "n_groups": mixer.groups,
        "chunk_size": 256,
    }


def _common_keys(theirs: Json, *, tied: bool) -> Json:
    return {
        "dim": theirs["hidden_size"],
        "layers": theirs["num_hidden_layers"],
        "mixer": {
            "state": theirs["state_size"],
            "expand": theirs["expand"],
            "conv_width": theirs["conv_kernel"],
            "bias": theirs.get("use_bias", False),
        },
        "tied": theirs.get("tie_word_embeddings", tied),
        "norm_epsilon": theirs["layer_norm_epsilon"],
    }


def _mamba_keys(theirs: Json) -> Json:
    keys = _common_keys(theirs, tied=True)
    rank = theirs.get("time_step_rank", "auto")
    keys["mixer"]["step_rank"] = None if rank == "auto" else rank
    return keys


def _mamba2_keys(theirs: Json) -> Json:
    keys = _common_keys(theirs, tied=False)
    keys["mixer"] |= {"head_width": theirs["head_dim"], "groups": theirs["n_groups"]}
    return keys


TRAINING = frozenset(
    {
        *("time_step_min", "time_step_max", "time_step_floor", "time_step_scale"),
        *("time_step_init_scheme", "rescale_prenorm_residual", "residual_in_fp32"),
        *("use_mambapy", "use_associative_scan", "fused_add_norm", "pad_vocab_size_multiple"),
        *("chunk_size", "max_position_embeddings"),
    }
)
"""Initialisation, and keys that do not change the results."""
REQUIRED = {"rms_norm": True, "ssm_cfg": {}, "norm_before_gate": False}
MAMBA = HFArchitecture(
    family="mamba",
    model_type="mamba",
    architecture="MambaForCausalLM",
    mixer=MambaConfig,
    ffn=AnyFfn,
    misfits=_misfits,
    to_json=_mamba_json,
    to_keys=_mamba_keys,
    names=lambda config: MAMBA_NAMES,
    required=REQUIRED,
    harmless=TRAINING,
    assumed=ASSUMED,
    aliases={
        "d_model": "hidden_size",
        "d_inner": "intermediate_size",
        "n_layer": "num_hidden_layers",
    },
)
MAMBA2 = HFArchitecture(
    family="mamba2",
    model_type="mamba2",
    architecture="Mamba2ForCausalLM",
    mixer=Mamba2Config,
    ffn=AnyFfn,
    misfits=_misfits,
    to_json=_mamba2_json,
    to_keys=_mamba2_keys,
    names=lambda config: MAMBA2_NAMES,
    required=REQUIRED | {"time_step_limit": [0.0, float("inf")]},
    harmless=TRAINING | {"time_step_rank"},
    assumed=ASSUMED,
)
