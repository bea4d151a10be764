"""GPT-NeoX: keys by hand, heads in turn, and what it cannot say."""

from typing import Any

import pytest
import torch
from bare_configs import GPT_NEOX, Json, ffn_of, mixer_of, read, refusal
from laws.shapes import lively, shape

from endonym.export.names import to_theirs
from endonym.export.rows import classic
from endonym.export.shapes import config_json


def test_a_shape_is_written_key_by_key() -> None:
    config = shape("gptneox", "parallel", dropout=0.1, attention_dropout=0.2)
    assert config_json(config, 3) == {
        "architectures": ["GPTNeoXForCausalLM"],
        "model_type": "gpt_neox",
        "vocab_size": 61,
        "bos_token_id": 3,
        "eos_token_id": 3,
        "tie_word_embeddings": True,
        "max_position_embeddings": 32,
        "dtype": "float32",
        "use_cache": True,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10_000.0,
            "partial_rotary_factor": 0.25,
        },
        "rope_theta": 10_000.0,
        "rotary_pct": 0.25,
        "rotary_emb_base": 10_000.0,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 128,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-5,
        "use_parallel_residual": True,
        "attention_bias": True,
        "attention_dropout": 0.2,
        "hidden_dropout": 0.1,
    }


def test_a_share_of_one_is_written_too_since_theirs_is_a_quarter() -> None:
    written = config_json(shape("gptneox"), 3)
    assert written["rotary_pct"] == 1.0
    assert written["rope_parameters"]["partial_rotary_factor"] == 1.0


MISFITS: dict[str, tuple[Json, str]] = {
    "an rms norm": ({"norm": "rms"}, 'norm = "rms"'),
    "learned positions": ({"position": "learned"}, 'position = "learned"'),
    "one norm": ({"parallel": True, "shared_norm": True}, "shared_norm"),
    "a cap": ({"logit_cap": 3.0}, "logit_cap"),
    "a gated feed-forward": ({"ffn": {"kind": "gated"}}, 'ffn.kind = "gated"'),
    "no bias of the feed-forward": ({"ffn": {"bias": False}}, "ffn.bias = false"),
    "shared keys": ({"mixer": {"kv_heads": 2}}, "kv_heads"),
    "wide heads": ({"mixer": {"head_width": 12}}, "head_width"),
    "a norm of heads": ({"mixer": {"query_key_norm": True}}, "query_key_norm"),
    "a window": ({"mixer": {"window": 5}}, "a window"),
    "experts": (
        {"ffn": {"kind": "experts"}},
        "layers that are not alike, or of another kind",
    ),
}


@pytest.mark.parametrize("case", MISFITS)
def test_a_shape_that_it_cannot_say_names_the_key(case: str) -> None:
    keys, reason = MISFITS[case]
    assert classic.GPT_NEOX.misfit(shape("gptneox", **keys)) == reason


def test_what_is_left_out_is_what_transformers_assumes() -> None:
    config = read(GPT_NEOX)
    mixer = mixer_of(config)
    assert mixer["rope"] == {"base": 10_000.0, "width": 2, "scaling": None}
    assert mixer["bias"]
    assert config.parallel
    assert not config.shared_norm
    assert not config.tied
    assert ffn_of(config)["activation"] == "gelu"


def test_what_is_said_is_read() -> None:
    said = {"use_parallel_residual": False, "attention_bias": False, "rotary_pct": 0.5}
    config = read(GPT_NEOX, rotary_emb_base=500, tie_word_embeddings=True, **said)
    assert (config.parallel, config.tied, mixer_of(config)["bias"]) == (False, True, False)
    assert mixer_of(config)["rope"] == {"base": 500.0, "width": 4, "scaling": None}


@pytest.mark.parametrize(
    ("key", "value"), [("is_decoder", True), ("partial_rotary_factor", 0.5), ("rotary_ndims", 4)]
)
def test_a_key_that_could_change_an_answer_is_refused_by_name(key: str, value: Any) -> None:
    assert refusal(GPT_NEOX, **{key: value}).startswith(f"{key} = {value!r}")


def test_keys_of_nothing_are_no_obstacle() -> None:
    assert read(GPT_NEOX, is_decoder=False, classifier_dropout=0.1) == read(GPT_NEOX)


def test_each_head_has_its_query_key_and_value_in_turn() -> None:
    ours = dict(lively(shape("gptneox", "untied")).state_dict())
    theirs = to_theirs(shape("gptneox", "untied"), ours)
    for kind in ("weight", "bias"):
        joined = theirs[f"gpt_neox.layers.1.attention.query_key_value.{kind}"]
        parts = [ours[f"blocks.1.mixer.{part}.{kind}"] for part in ("query", "key", "value")]
        heads = [part[8 * head : 8 * head + 8] for head in range(4) for part in parts]
        assert torch.equal(joined, torch.cat(heads))
    pairs = {
        "gpt_neox.embed_in.weight": "embedding.weight",
        "embed_out.weight": "head.weight",
        "gpt_neox.final_layer_norm.bias": "norm.bias",
        "gpt_neox.layers.0.input_layernorm.weight": "blocks.0.norm.weight",
        "gpt_neox.layers.0.post_attention_layernorm.weight": "blocks.0.ffn_norm.weight",
        "gpt_neox.layers.0.attention.dense.bias": "blocks.0.mixer.output.bias",
        "gpt_neox.layers.1.mlp.dense_h_to_4h.weight": "blocks.1.ffn.up.weight",
        "gpt_neox.layers.1.mlp.dense_4h_to_h.weight": "blocks.1.ffn.down.weight",
    }
    for their, our in pairs.items():
        assert torch.equal(theirs[their], ours[our]), their
