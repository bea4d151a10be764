"""Mamba and Mamba-2: keys by hand, older spellings, and what they cannot say."""

from typing import Any

import pytest
import torch
from bare_configs import MAMBA, MAMBA2, Json, mixer_of, read, refusal
from laws.shapes import lively, shape

from endonym.export.names import to_theirs
from endonym.export.rows import mamba
from endonym.export.shapes import config_json

INFINITY = float("inf")
COMMON: Json = {
    "vocab_size": 61,
    "bos_token_id": 3,
    "eos_token_id": 3,
    "tie_word_embeddings": True,
    "max_position_embeddings": 32,
    "dtype": "float32",
    "use_cache": True,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "state_size": 4,
    "expand": 2,
    "use_bias": True,
    "use_conv_bias": True,
    "hidden_act": "silu",
    "layer_norm_epsilon": 1e-5,
}
WRITTEN: dict[str, tuple[str, Json]] = {
    "mamba": (
        "biases",
        {
            "architectures": ["MambaForCausalLM"],
            "model_type": "mamba",
            "conv_kernel": 2,
            "intermediate_size": 64,
            "time_step_rank": 5,
        },
    ),
    "mamba2": (
        "groups",
        {
            "architectures": ["Mamba2ForCausalLM"],
            "model_type": "mamba2",
            "conv_kernel": 3,
            "num_heads": 4,
            "head_dim": 16,
            "n_groups": 2,
            "chunk_size": 256,
        },
    ),
}


@pytest.mark.parametrize("family", WRITTEN)
def test_a_shape_is_written_key_by_key(family: str) -> None:
    variant, own = WRITTEN[family]
    assert config_json(shape(family, variant), 3) == COMMON | own


MISFITS: dict[str, tuple[str, str, Json, str]] = {
    "heads for Mamba": ("MAMBA", "mamba2", {}, "layers that are not alike, or of another kind"),
    "channels for Mamba-2": (
        "MAMBA2",
        "mamba",
        {},
        "layers that are not alike, or of another kind",
    ),
    "two states": (
        *("MAMBA", "mamba", {"mixer": [{"state": 4}, {"state": 5}]}),
        "layers that are not alike, or of another kind",
    ),
    "a feed-forward": ("MAMBA", "mamba", {"ffn": {"kind": "gated"}}, "a feed-forward"),
    "a plain feed-forward": ("MAMBA2", "mamba2", {"ffn": {"kind": "plain"}}, "a feed-forward"),
    "a layer norm": ("MAMBA", "mamba", {"norm": "layer"}, 'norm = "layer"'),
    "learned positions": ("MAMBA2", "mamba2", {"position": "learned"}, 'position = "learned"'),
    "a cap": ("MAMBA2", "mamba2", {"logit_cap": 3.0}, "logit_cap"),
}


@pytest.mark.parametrize("case", MISFITS)
def test_a_shape_that_a_class_cannot_say_names_the_key(case: str) -> None:
    row, family, keys, reason = MISFITS[case]
    assert getattr(mamba, row).misfit(shape(family, **keys)) == reason


def test_what_is_left_out_is_what_transformers_assumes() -> None:
    first, second = read(MAMBA), read(MAMBA2)
    assert mixer_of(first) == {
        **{"kind": "mamba", "inner": 64, "state": 4, "conv_width": 4},
        **{"step_rank": 2, "bias": False},
    }
    assert mixer_of(second) == {
        **{"kind": "mamba2", "heads": 4, "head_width": 16, "state": 4},
        **{"groups": 2, "conv_width": 4, "bias": False},
    }
    assert (first.tied, second.tied) == (True, False)
    assert first.context == second.context == 2048
    assert read(MAMBA, max_position_embeddings=77).context == 77


PUBLISHED: Json = {
    "architectures": ["MambaForCausalLM"],
    "bos_token_id": 0,
    "conv_kernel": 4,
    "d_inner": 1536,
    "d_model": 768,
    "eos_token_id": 0,
    "expand": 2,
    "fused_add_norm": True,
    "hidden_act": "silu",
    "hidden_size": 768,
    "initializer_range": 0.1,
    "intermediate_size": 1536,
    "layer_norm_epsilon": 1e-05,
    "model_type": "mamba",
    "n_layer": 24,
    "num_hidden_layers": 24,
    "pad_token_id": 0,
    "pad_vocab_size_multiple": 8,
    "rescale_prenorm_residual": False,
    "residual_in_fp32": True,
    "rms_norm": True,
    "ssm_cfg": {},
    "state_size": 16,
    "time_step_floor": 0.0001,
    "time_step_init_scheme": "random",
    "time_step_max": 0.1,
    "time_step_min": 0.001,
    "time_step_rank": 48,
    "time_step_scale": 1.0,
    "torch_dtype": "float32",
    "transformers_version": "4.39.0.dev0",
    "use_bias": False,
    "use_cache": True,
    "use_conv_bias": True,
    "vocab_size": 50280,
}
"""As state-spaces/mamba-130m-hf writes it."""


def test_a_published_mamba_is_read() -> None:
    config = read(PUBLISHED)
    assert (config.dim, config.layers, config.vocab, config.tied) == (768, 24, 50280, True)
    assert mixer_of(config) == {
        **{"kind": "mamba", "inner": 1536, "state": 16, "conv_width": 4},
        **{"step_rank": 48, "bias": False},
    }


def test_older_keys_stand_for_the_newer_ones() -> None:
    older = {name: value for name, value in MAMBA.items() if name not in mamba.MAMBA.aliases}
    for old, new in (("d_model", "hidden_size"), ("n_layer", "num_hidden_layers")):
        del older[new]
        older[old] = MAMBA[new]
    assert read(older) == read(MAMBA)


@pytest.mark.parametrize(("key", "value"), [("d_model", 64), ("d_inner", 65), ("n_layer", 3)])
def test_an_older_key_that_contradicts_the_newer_is_refused(key: str, value: int) -> None:
    assert refusal(MAMBA, **{key: value}).startswith(f"{key} = {value}")


@pytest.mark.parametrize("data", [MAMBA, MAMBA2], ids=["mamba", "mamba2"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rms_norm", False),
        ("ssm_cfg", {"layer": "Mamba2"}),
        ("use_conv_bias", False),
        ("hidden_act", "gelu"),
        ("attn_layer_idx", [3]),
    ],
)
def test_a_key_that_could_change_an_answer_is_refused_by_name(
    data: Json, key: str, value: Any
) -> None:
    assert refusal(data, **{key: value}).startswith(f"{key} = {value!r}")


@pytest.mark.parametrize(
    ("data", "key", "value"),
    [
        (MAMBA, "intermediate_size", 65),
        (MAMBA2, "num_heads", 8),
        (MAMBA2, "norm_before_gate", True),
    ],
)
def test_sizes_that_contradict_one_another_are_refused(data: Json, key: str, value: Any) -> None:
    assert refusal(data, **{key: value}).startswith(f"{key} = {value!r}")


@pytest.mark.parametrize(
    "limit", [[0.0, INFINITY], [0, INFINITY], [0.0, {"__float__": "Infinity"}]]
)
def test_steps_without_a_limit_are_read_however_infinity_is_spelt(limit: Any) -> None:
    assert read(MAMBA2, time_step_limit=limit) == read(MAMBA2)


@pytest.mark.parametrize(
    "limit", [[0.001, 0.1], [0.001, INFINITY], [0.0], "x", [0.0, None], [0.0, {}], 0.0]
)
def test_steps_that_are_limited_are_refused(limit: Any) -> None:
    assert refusal(MAMBA2, time_step_limit=limit).startswith("time_step_limit = ")


def test_ways_to_compute_the_same_and_first_values_are_no_obstacle() -> None:
    harmless = {
        "chunk_size": 64,
        "residual_in_fp32": False,
        "rescale_prenorm_residual": True,
        "time_step_min": 0.01,
        "time_step_floor": 0.5,
    }
    for data in (MAMBA, MAMBA2):
        assert read(data, **harmless) == read(data)
    assert read(MAMBA2, time_step_rank=128) == read(MAMBA2)


@pytest.mark.parametrize("family", ["mamba", "mamba2"])
def test_names_are_theirs_letter_by_letter(family: str) -> None:
    config = shape(family, "untied", mixer={"bias": True})
    ours = dict(lively(config).state_dict())
    theirs = to_theirs(config, ours)
    pairs = {
        "backbone.embeddings.weight": "embedding.weight",
        "backbone.norm_f.weight": "norm.weight",
        "lm_head.weight": "head.weight",
        "backbone.layers.1.norm.weight": "blocks.1.norm.weight",
        "backbone.layers.1.mixer.A_log": "blocks.1.mixer.A_log",
        "backbone.layers.0.mixer.D": "blocks.0.mixer.skip",
        "backbone.layers.0.mixer.in_proj.bias": "blocks.0.mixer.input.bias",
        "backbone.layers.0.mixer.out_proj.weight": "blocks.0.mixer.output.weight",
        "backbone.layers.0.mixer.conv1d.bias": "blocks.0.mixer.convolution.bias",
    }
    own = {
        "mamba": {"x_proj.weight": "select.weight", "dt_proj.bias": "step.bias"},
        "mamba2": {"dt_bias": "step_bias", "norm.weight": "norm.weight"},
    }[family]
    pairs |= {f"backbone.layers.1.mixer.{t}": f"blocks.1.mixer.{o}" for t, o in own.items()}
    for their, our in pairs.items():
        assert torch.equal(theirs[their], ours[our]), their
    assert len(theirs) == len(ours)


def test_the_rank_of_steps_may_be_left_to_the_class() -> None:
    assert read(MAMBA, time_step_rank="auto") == read(MAMBA)
