"""Falcon in its old and its new form: keys by hand, and what neither can say."""

from typing import Any

import pytest
import torch
from bare_configs import FALCON, Json, ffn_of, mixer_of, read, refusal
from laws.shapes import lively, shape

from endonym.export.names import to_theirs
from endonym.export.rows import classic
from endonym.export.shapes import config_json

COMMON: Json = {
    "architectures": ["FalconForCausalLM"],
    "model_type": "falcon",
    "vocab_size": 61,
    "bos_token_id": 3,
    "eos_token_id": 3,
    "tie_word_embeddings": True,
    "max_position_embeddings": 32,
    "dtype": "float32",
    "use_cache": True,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "ffn_hidden_size": 128,
    "activation": "gelu",
    "layer_norm_epsilon": 1e-5,
    "bias": False,
    "alibi": False,
    "hidden_dropout": 0.0,
    "attention_dropout": 0.0,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
    "rope_theta": 10_000.0,
}


def form(kv_heads: int, *, parallel: bool = True, norms: int | None = None) -> Json:
    """The keys that differ between the forms. norms: only the new form has them."""
    keys = {"num_kv_heads": kv_heads, "multi_query": kv_heads == 1, "parallel_attn": parallel}
    if norms is None:
        return keys | {"new_decoder_architecture": False}
    return keys | {"new_decoder_architecture": True, "num_ln_in_parallel_attn": norms}


FORMS: dict[str, Json] = {
    "plain": form(1, norms=2),
    "grouped": form(2, norms=2),
    "one-norm": form(1),
    "one-norm-full": form(4),
    "one-norm-grouped": form(2, norms=1),
    "serial": form(1, parallel=False) | {"bias": True},
}


@pytest.mark.parametrize("variant", FORMS)
def test_a_shape_is_written_key_by_key(variant: str) -> None:
    assert config_json(shape("falcon", variant), 3) == COMMON | FORMS[variant]


MISFITS: dict[str, tuple[Json, str]] = {
    "an rms norm": ({"norm": "rms"}, 'norm = "rms"'),
    "learned positions": ({"position": "learned"}, 'position = "learned"'),
    "a cap": ({"logit_cap": 3.0}, "logit_cap"),
    "a gated feed-forward": ({"ffn": {"kind": "gated"}}, 'ffn.kind = "gated"'),
    "one bias": ({"ffn": {"bias": True}}, "biases of the mixer or the feed-forward alone"),
    "wide heads": ({"mixer": {"head_width": 12}}, "head_width"),
    "a share that turns": ({"mixer": {"rotary_share": 0.5}}, "rotary_share"),
    "a norm of heads": ({"mixer": {"query_key_norm": True}}, "query_key_norm"),
    "a window": ({"mixer": {"window": 5}}, "a window"),
    "grouped keys in serial branches": (
        {"parallel": False, "mixer": {"kv_heads": 2}},
        "grouped kv_heads without parallel branches",
    ),
    "experts": (
        {"ffn": {"kind": "experts"}},
        "layers that are not alike, or of another kind",
    ),
}


@pytest.mark.parametrize("case", MISFITS)
def test_a_shape_that_it_cannot_say_names_the_key(case: str) -> None:
    keys, reason = MISFITS[case]
    assert classic.FALCON.misfit(shape("falcon", **keys)) == reason


def test_what_is_left_out_is_what_transformers_assumes() -> None:
    """The old form: one norm, one head of keys, branches side by side."""
    config = read(FALCON)
    assert (config.parallel, config.shared_norm, config.tied) == (True, True, True)
    assert (mixer_of(config)["kv_heads"], mixer_of(config)["bias"]) == (1, False)
    assert ffn_of(config) == {"kind": "plain", "hidden": 128, "activation": "gelu", "bias": False}


@pytest.mark.parametrize(
    ("keys", "shape_of"),
    [
        ({"multi_query": False}, (True, True, 4)),
        ({"multi_query": True, "num_kv_heads": 4}, (True, True, 1)),
        ({"parallel_attn": False}, (False, False, 1)),
        ({"new_decoder_architecture": True, "num_kv_heads": 2}, (True, False, 2)),
        ({"new_decoder_architecture": True}, (True, False, 4)),
        ({"new_decoder_architecture": True, "parallel_attn": False}, (True, False, 4)),
        (
            {
                "new_decoder_architecture": True,
                "num_kv_heads": 2,
                "num_ln_in_parallel_attn": 1,
            },
            (True, True, 2),
        ),
        ({"new_decoder_architecture": True, "num_ln_in_parallel_attn": 2}, (True, False, 4)),
    ],
)
def test_the_keys_of_either_form_are_read(keys: Json, shape_of: tuple[bool, bool, int]) -> None:
    config = read(FALCON, **keys)
    assert (config.parallel, config.shared_norm, mixer_of(config)["kv_heads"]) == shape_of


def test_biases_are_those_of_all_linear_maps() -> None:
    config = read(FALCON, bias=True)
    assert mixer_of(config)["bias"]
    assert ffn_of(config)["bias"]


@pytest.mark.parametrize(
    ("key", "value"),
    [("alibi", True), ("apply_residual_connection_post_layernorm", True), ("n_head_kv", 2)],
)
def test_a_key_that_could_change_an_answer_is_refused_by_name(key: str, value: Any) -> None:
    assert refusal(FALCON, **{key: value}).startswith(f"{key} = {value!r}")


NORMS = {
    "plain": {"norm": "ln_attn", "ffn_norm": "ln_mlp"},
    "one-norm": {"norm": "input_layernorm"},
    "serial": {"norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"},
}


@pytest.mark.parametrize("variant", NORMS)
def test_norms_are_named_after_the_form(variant: str) -> None:
    config = shape("falcon", variant)
    ours = dict(lively(config).state_dict())
    theirs = to_theirs(config, ours)
    norms = {name for name in theirs if name.startswith("transformer.h.1.") and "ln_" in name}
    norms |= {name for name in theirs if name.startswith("transformer.h.1.") and "norm" in name}
    for our, their in NORMS[variant].items():
        for kind in ("weight", "bias"):
            name = f"transformer.h.1.{their}.{kind}"
            assert torch.equal(theirs[name], ours[f"blocks.1.{our}.{kind}"])
            norms.remove(name)
    assert not norms
    pairs = {
        "transformer.word_embeddings.weight": "embedding.weight",
        "transformer.ln_f.bias": "norm.bias",
        "transformer.h.0.self_attention.dense.weight": "blocks.0.mixer.output.weight",
        "transformer.h.1.mlp.dense_h_to_4h.weight": "blocks.1.ffn.up.weight",
        "transformer.h.1.mlp.dense_4h_to_h.weight": "blocks.1.ffn.down.weight",
    }
    for their, our in pairs.items():
        assert torch.equal(theirs[their], ours[our]), their


def test_a_falcon_that_could_be_a_gpt_neox_is_read_as_the_falcon_it_is() -> None:
    keys = {"parallel_attn": False, "multi_query": False, "bias": True}
    config = read(FALCON, **keys)
    assert (config.parallel, mixer_of(config)["kv_heads"]) == (False, 4)


@pytest.mark.parametrize("kv_heads", [1, 4])
def test_the_new_form_with_one_norm_is_read_whatever_its_heads(kv_heads: int) -> None:
    keys = {"new_decoder_architecture": True, "num_ln_in_parallel_attn": 1}
    assert read(FALCON, num_kv_heads=kv_heads, **keys).shared_norm
