"""The table of architectures, and what keys over the whole model say."""

from typing import Any

import pytest

from endonym.errors import ShapeError
from endonym.model.config import ModelConfig, ModelKeys
from endonym.model.families import FAMILIES, is_half_blocks, resolve, without_heads


def resolved(family: str, **keys: Any) -> ModelConfig:
    """A shape of dim 64 and two layers with these keys over it; attention gets four heads."""
    mixer = {"mixer": {"heads": 4}} if FAMILIES[family].mixer == "attention" else {}
    wanted = {"family": family, "dim": 64, "layers": 2} | mixer | keys
    return resolve(ModelKeys.model_validate(wanted), vocab=100, context=32)


TABLE = {
    "qwen3": ("rms", "rope", "serial", "attention", "4 of 4", "normed", "gated silu", "", None),
    "llama": ("rms", "rope", "serial", "attention", "4 of 4", "", "gated silu", "", None),
    "mistral": ("rms", "rope", "serial", "attention", "4 of 4", "", "gated silu", "", 16),
    "gpt2": (
        *("layer", "learned", "serial", "attention", "4 of 4", "", "plain gelu_tanh"),
        *("biased", None),
    ),
    "gptneox": ("layer", "rope", "serial", "attention", "4 of 4", "", "plain gelu", "biased", None),
    "falcon": ("layer", "rope", "parallel", "attention", "1 of 4", "", "plain gelu", "", None),
    "mamba": ("rms", "none", "serial", "mamba", "", "", "none silu", "", None),
    "mamba2": ("rms", "none", "serial", "mamba2", "", "", "none silu", "", None),
    "moe": ("rms", "rope", "serial", "attention", "4 of 4", "normed", "experts silu", "", None),
}
"""docs/architectures.md: norm, position, branches, mixer, heads, norm of heads, feed-forward …"""


@pytest.mark.parametrize("family", FAMILIES)
def test_the_rows_are_the_architectures_they_name(family: str) -> None:
    config = resolved(family)
    mixer, ffn = config.mixers[0].model_dump(), config.ffns[0].model_dump()
    is_attention = mixer["kind"] == "attention"
    assert TABLE[family] == (
        config.norm,
        config.position,
        "parallel" if config.parallel else "serial",
        mixer["kind"],
        f"{mixer['kv_heads']} of {mixer['heads']}" if is_attention else "",
        "normed" if mixer.get("query_key_norm") else "",
        f"{ffn['kind']} {ffn['activation']}",
        "biased" if mixer["bias"] and ffn["bias"] else "",
        mixer.get("window"),
    )
    assert mixer["bias"] == ffn.get("bias", False)
    assert not config.shared_norm


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_fills_in_what_a_recipe_leaves_out(family: str) -> None:
    config = resolved(family)
    assert (config.vocab, config.context, config.dim, config.layers) == (100, 32, 64, 2)
    assert config.tied
    assert (config.dropout, config.embedding_dropout) == (0, 0)
    assert config.logit_cap is None
    assert config.residual_init == "zero"
    assert config.family == family
    assert len(config.mixers) == len(config.ffns) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_recipes_keys_win_over_the_row(family: str) -> None:
    given = {"dropout": 0.2, "norm_epsilon": 1e-3, "tied": False, "logit_cap": 30.0}
    given |= {"norm": "layer", "position": "none"}
    if FAMILIES[family].ffn != "none":
        given |= {"parallel": True, "shared_norm": True}
    given |= {"residual_init": "scaled", "embedding_dropout": 0.0}
    config = resolved(family, **given)
    assert {key: getattr(config, key) for key in given} == given


def test_dropout_holds_for_the_embedding_unless_it_has_its_own() -> None:
    assert resolved("llama", dropout=0.2).embedding_dropout == 0.2
    assert resolved("llama", dropout=0.2, embedding_dropout=0.0).embedding_dropout == 0.0
    assert resolved("llama", embedding_dropout=0.3).dropout == 0.0


def test_dropout_of_attention_goes_to_its_mixers() -> None:
    mixer = [{"heads": 4}, {"kind": "mamba"}]
    config = resolved("llama", attention_dropout=0.25, mixer=mixer)
    assert [each.model_dump().get("dropout") for each in config.mixers] == [0.25, None]


def test_parts_are_tiled_over_the_layers() -> None:
    mixer = [{"heads": 4}, {"heads": 2}, {"kind": "mamba"}]
    config = resolved("llama", layers=5, mixer=mixer, ffn=[{"hidden": 8}, {"kind": "plain"}])
    found = [config.mixer_at(layer).model_dump().get("heads") for layer in range(5)]
    assert found == [4, 2, None, 4, 2]
    assert [config.ffn_at(layer).hidden for layer in range(5)] == [8, 256, 8, 256, 8]


def test_one_norm_for_branches_that_are_not_parallel_is_refused() -> None:
    with pytest.raises(ShapeError, match="branches that read the same stream") as caught:
        resolved("llama", shared_norm=True)
    assert caught.value.where == "model.shared_norm"
    assert caught.value.do == "Set parallel = true as well, or leave shared_norm out."
    with pytest.raises(ShapeError):
        resolved("falcon", shared_norm=True, parallel=False)
    assert resolved("falcon", shared_norm=True).shared_norm


@pytest.mark.parametrize(("name", "part"), [("mixer", {"heads": 4}), ("ffn", {"hidden": 8})])
def test_more_parts_than_layers_are_refused(name: str, part: dict[str, int]) -> None:
    with pytest.raises(ShapeError, match=f"3 kinds of {name} in 2 layers") as caught:
        resolved("llama", **{name: [part] * 3})
    assert caught.value.where == f"model.{name}"
    assert caught.value.do == "Name at most 2, or set more layers."


@pytest.mark.parametrize("missing", ["dim", "layers"])
def test_a_shape_needs_its_sizes(missing: str) -> None:
    with pytest.raises(ShapeError, match="needs dim and layers") as caught:
        resolved("llama", **{missing: None})
    assert caught.value.where == "model"


def test_gpt2_may_have_heads_of_odd_width_but_must_divide() -> None:
    assert resolved("gpt2", dim=20).mixers[0].model_dump()["head_width"] == 5
    with pytest.raises(ShapeError, match="66"):
        resolved("gpt2", dim=66)


@pytest.mark.parametrize(
    ("keys", "missing"),
    [
        ({}, ["mixer.heads"]),
        ({"mixer": {"heads": 2}}, []),
        ({"family": "mamba"}, []),
        ({"mixer": {"kind": "mamba2"}}, []),
        ({"family": "mamba", "mixer": {"kind": "attention"}}, ["mixer.heads"]),
        ({"mixer": [{"kind": "mamba"}, {}, {"heads": 3}, {"window": 4}]}, [1, 3]),
        ({"mixer": [{}]}, [0]),
    ],
)
def test_the_heads_that_a_recipe_leaves_out_are_named(keys: dict[str, Any], missing: list) -> None:
    wanted = [each if isinstance(each, str) else f"mixer.{each}.heads" for each in missing]
    assert without_heads(ModelKeys.model_validate(keys)) == wanted


@pytest.mark.parametrize(
    ("keys", "is_half"),
    [
        ({}, False),
        ({"family": "mamba"}, True),
        ({"family": "mamba2", "ffn": {"kind": "gated"}}, False),
        ({"family": "mamba2", "ffn": [{}, {"kind": "gated"}]}, False),
        ({"family": "llama", "ffn": {"kind": "none"}}, True),
    ],
)
def test_blocks_without_a_feed_forward_are_half_blocks(keys: dict[str, Any], is_half: bool) -> None:
    assert is_half_blocks(ModelKeys.model_validate(keys)) is is_half
