"""GPT-2: keys by hand, transposed matrices, and what it cannot say."""

from typing import Any

import pytest
import torch
from bare_configs import GPT2, Json, ffn_of, mixer_of, read, refusal
from laws.shapes import lively, shape

from endonym.export.names import to_theirs
from endonym.export.rows import classic
from endonym.export.shapes import config_json


def test_a_shape_is_written_key_by_key() -> None:
    config = shape("gpt2", dropout=0.1, attention_dropout=0.2, embedding_dropout=0.3)
    assert config_json(config, 3) == {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": 61,
        "bos_token_id": 3,
        "eos_token_id": 3,
        "tie_word_embeddings": True,
        "max_position_embeddings": 32,
        "dtype": "float32",
        "use_cache": True,
        "n_positions": 32,
        "n_ctx": 32,
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 4,
        "n_inner": 128,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "resid_pdrop": 0.1,
        "embd_pdrop": 0.3,
        "attn_pdrop": 0.2,
    }


MISFITS: dict[str, tuple[Json, str]] = {
    "an rms norm": ({"norm": "rms"}, 'norm = "rms"'),
    "rotary positions": ({"position": "rope"}, 'position = "rope"'),
    "no positions": ({"position": "none"}, 'position = "none"'),
    "parallel branches": ({"parallel": True}, "parallel = true"),
    "a cap": ({"logit_cap": 3.0}, "logit_cap"),
    "a gated feed-forward": ({"ffn": {"kind": "gated"}}, 'ffn.kind = "gated"'),
    "shared keys": ({"mixer": {"kv_heads": 2}}, "kv_heads"),
    "wide heads": ({"mixer": {"head_width": 12}}, "head_width"),
    "a norm of heads": ({"mixer": {"query_key_norm": True}}, "query_key_norm"),
    "a window": ({"mixer": {"window": 5}}, "a window"),
    "no bias of the mixer": ({"mixer": {"bias": False}}, "bias = false"),
    "no bias of the feed-forward": ({"ffn": {"bias": False}}, "bias = false"),
    "experts": (
        {"ffn": {"kind": "experts"}},
        "layers that are not alike, or of another kind",
    ),
}


@pytest.mark.parametrize("case", MISFITS)
def test_a_shape_that_it_cannot_say_names_the_key(case: str) -> None:
    keys, reason = MISFITS[case]
    assert classic.GPT2.misfit(shape("gpt2", **keys)) == reason


def test_what_is_left_out_is_what_transformers_assumes() -> None:
    config = read(GPT2, n_inner=None)
    assert config.tied
    assert ffn_of(config) == {
        **{"kind": "plain", "hidden": 128},
        **{"activation": "gelu_tanh", "bias": True},
    }
    assert mixer_of(config)["bias"]
    assert (config.dropout, config.embedding_dropout, mixer_of(config)["dropout"]) == (0, 0, 0)


def test_its_three_dropouts_are_read() -> None:
    config = read(GPT2, resid_pdrop=0.1, embd_pdrop=0.2, attn_pdrop=0.3)
    assert (config.dropout, config.embedding_dropout) == (0.1, 0.2)
    assert mixer_of(config)["dropout"] == 0.3


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("gelu_new", "gelu_tanh"),
        ("gelu_pytorch_tanh", "gelu_tanh"),
        ("gelu", "gelu"),
        ("relu", "relu"),
    ],
)
def test_every_spelling_of_an_activation_is_read(name: str, ours: str) -> None:
    assert ffn_of(read(GPT2, activation_function=name))["activation"] == ours


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("add_cross_attention", True),
        ("scale_attn_weights", False),
        ("scale_attn_by_inverse_layer_idx", True),
        ("reorder_and_upcast_attn", True),
        ("n_head_kv", 1),
        ("n_embed", 32),
        ("hidden_act", "gelu"),
    ],
)
def test_a_key_that_could_change_an_answer_is_refused_by_name(key: str, value: Any) -> None:
    assert refusal(GPT2, **{key: value}).startswith(f"{key} = {value!r}")


def test_keys_of_other_heads_and_of_nothing_are_no_obstacle() -> None:
    harmless = {
        "n_ctx": 1024,
        "summary_type": "cls_index",
        "summary_use_proj": True,
        "summary_first_dropout": 0.1,
        "add_cross_attention": False,
        "scale_attn_weights": True,
    }
    assert read(GPT2, **harmless) == read(GPT2)


def test_matrices_stand_with_inputs_first_and_three_of_them_side_by_side() -> None:
    ours = dict(lively(shape("gpt2", "odd-ffn")).state_dict())
    theirs = to_theirs(shape("gpt2", "odd-ffn"), ours)
    joined = theirs["transformer.h.1.attn.c_attn.weight"]
    assert joined.shape == (32, 96)
    for i, part in enumerate(("query", "key", "value")):
        cut = slice(32 * i, 32 * i + 32)
        assert torch.equal(joined[:, cut], ours[f"blocks.1.mixer.{part}.weight"].T)
        bias = theirs["transformer.h.1.attn.c_attn.bias"][cut]
        assert torch.equal(bias, ours[f"blocks.1.mixer.{part}.bias"])
    up, down = (theirs[f"transformer.h.0.mlp.{name}.weight"] for name in ("c_fc", "c_proj"))
    assert torch.equal(up, ours["blocks.0.ffn.up.weight"].T)
    assert torch.equal(down, ours["blocks.0.ffn.down.weight"].T)
    output = theirs["transformer.h.0.attn.c_proj.weight"]
    assert torch.equal(output, ours["blocks.0.mixer.output.weight"].T)
    assert torch.equal(theirs["transformer.wte.weight"], ours["embedding.weight"])
    assert torch.equal(theirs["transformer.wpe.weight"], ours["positions.weight"])
    assert torch.equal(theirs["transformer.h.1.ln_2.bias"], ours["blocks.1.ffn_norm.bias"])
