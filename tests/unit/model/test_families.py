"""The table of architectures, and the shapes it refuses."""

from typing import Any

import pytest
from laws.shapes import REFUSED, VARIANTS, shape

from endonym.errors import ShapeError
from endonym.model.config import ModelConfig
from endonym.model.families import FAMILIES, resolve
from endonym.model.keys import ModelKeys

ROPE_FAMILIES = [name for name, row in FAMILIES.items() if row["position"] == "rope"]


def resolved(family: str, **keys: Any) -> ModelConfig:
    """A shape of dim 64, two layers, four heads, with these keys over it."""
    mixer = {"heads": 4} | keys.pop("mixer", {})
    wanted = {"family": family, "dim": 64, "layers": 2, "mixer": mixer} | keys
    return resolve(ModelKeys.model_validate(wanted), vocab=100, context=32)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_fills_in_what_a_recipe_leaves_out(family: str) -> None:
    config = resolved(family)
    assert (config.vocab, config.context, config.dim, config.layers) == (100, 32, 64, 2)
    assert (config.mixer.heads, config.mixer.kv_heads, config.mixer.head_width) == (4, 4, 16)
    assert config.tied
    assert config.dropout == 0
    assert config.family == family


def test_the_rows_are_the_architectures_they_name() -> None:
    qwen3, llama, gpt2 = (resolved(family) for family in ("qwen3", "llama", "gpt2"))
    parts = [
        (c.norm, c.position, c.bias, c.mixer.query_key_norm, c.ffn.kind, c.ffn.activation)
        for c in (qwen3, llama, gpt2)
    ]
    assert parts == [
        ("rms", "rope", False, True, "gated", "silu"),
        ("rms", "rope", False, False, "gated", "silu"),
        ("layer", "learned", True, False, "plain", "gelu"),
    ]


@pytest.mark.parametrize(
    ("dim", "gated", "plain"),
    [(64, 256, 256), (96, 256, 384), (192, 512, 768), (256, 768, 1024), (512, 1536, 2048)],
)
def test_the_inner_width_is_chosen_from_the_outer(dim: int, gated: int, plain: int) -> None:
    assert resolved("llama", dim=dim).ffn.hidden == gated
    assert resolved("gpt2", dim=dim).ffn.hidden == plain


@pytest.mark.parametrize("family", FAMILIES)
def test_a_recipes_keys_win_over_the_row(family: str) -> None:
    config = resolved(family, ffn={"hidden": 37}, dropout=0.2, norm_epsilon=1e-3)
    assert (config.ffn.hidden, config.dropout, config.norm_epsilon) == (37, 0.2, 1e-3)


@pytest.mark.parametrize("family", ROPE_FAMILIES)
def test_a_recipes_mixer_keys_win_over_the_row(family: str) -> None:
    mixer = {"kv_heads": 2, "head_width": 10, "query_key_norm": False, "rope_base": 500.0}
    found = resolved(family, mixer=mixer, tied=False)
    assert found.mixer.model_dump() == {"kind": "attention", "heads": 4, **mixer}
    assert not found.tied


REFUSALS = {
    "heads that do not divide dim": ({"dim": 66}, "model.mixer.heads", "66"),
    "kv_heads that do not divide heads": ({"mixer": {"kv_heads": 3}}, "model.mixer.kv_heads", "3"),
    "more kv_heads than heads": ({"mixer": {"kv_heads": 8}}, "model.mixer.kv_heads", "8"),
    "an odd head width": ({"mixer": {"head_width": 7}}, "model.mixer.head_width", "7"),
    "an odd head width that follows": ({"dim": 20}, "model.mixer.head_width", "5"),
}


@pytest.mark.parametrize(("keys", "where", "number"), REFUSALS.values(), ids=REFUSALS.keys())
@pytest.mark.parametrize("family", ROPE_FAMILIES)
def test_sizes_that_do_not_fit_are_refused_by_key(
    family: str, keys: dict[str, Any], where: str, number: str
) -> None:
    with pytest.raises(ShapeError) as caught:
        resolved(family, **keys)
    assert caught.value.where == where
    assert number in caught.value.message
    assert caught.value.do


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        ({"tied": False}, "model.tied"),
        ({"mixer": {"kv_heads": 2}}, "model.mixer.kv_heads"),
        ({"mixer": {"head_width": 32}}, "model.mixer.head_width"),
        ({"mixer": {"query_key_norm": True}}, "model.mixer.query_key_norm"),
    ],
)
def test_what_gpt2_cannot_say_is_refused_by_key(keys: dict[str, Any], where: str) -> None:
    with pytest.raises(ShapeError) as caught:
        resolved("gpt2", **keys)
    assert caught.value.where == where


def test_gpt2_may_have_heads_of_odd_width_but_must_divide() -> None:
    assert resolved("gpt2", dim=20).mixer.head_width == 5
    with pytest.raises(ShapeError, match="66"):
        resolved("gpt2", dim=66)


@pytest.mark.parametrize("missing", ["dim", "layers", "heads"])
def test_a_shape_needs_its_three_sizes(missing: str) -> None:
    keys = {missing: None} if missing != "heads" else {"mixer": {"heads": None}}
    with pytest.raises(ShapeError, match=r"needs dim, layers and mixer\.heads"):
        resolved("llama", **keys)


@pytest.mark.parametrize(("family", "variant"), sorted(REFUSED))
def test_a_variant_that_no_law_runs_over_is_one_the_family_refuses(
    family: str, variant: str
) -> None:
    assert variant in VARIANTS
    with pytest.raises(ShapeError):
        shape(family, variant)
