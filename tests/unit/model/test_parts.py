"""From keys and rows to parts: what is filled in, and what is refused by key."""

from typing import Any

import pytest

from endonym.errors import ShapeError
from endonym.model.config import ModelConfig, ModelKeys
from endonym.model.families import FAMILIES, resolve


def resolved(family: str, **keys: Any) -> ModelConfig:
    """A shape of dim 64, two layers, with these keys over it; attention gets four heads."""
    if FAMILIES[family].mixer == "attention" and isinstance(keys.get("mixer", {}), dict):
        keys["mixer"] = {"heads": 4} | keys.get("mixer", {})
    wanted = {"family": family, "dim": 64, "layers": 2} | keys
    return resolve(ModelKeys.model_validate(wanted), vocab=100, context=32)


def mixer_of(family: str, **keys: Any) -> dict[str, Any]:
    """The one mixer of a shape, as data."""
    (mixer,) = resolved(family, **keys).mixers
    return mixer.model_dump()


def ffn_of(family: str, **keys: Any) -> dict[str, Any]:
    """The one feed-forward of a shape, as data."""
    (ffn,) = resolved(family, **keys).ffns
    return ffn.model_dump()


SCALING = {"factor": 4.0, "kind": "llama3"}
REFUSALS: dict[str, tuple[str, dict[str, Any], str, str, str]] = {
    "heads that do not divide dim": (
        *("llama", {"dim": 66}, "mixer.heads"),
        "dim 66 is not divisible by 4 heads",
        "Choose heads that divide dim, or give mixer.head_width.",
    ),
    "kv_heads that do not divide heads": (
        *("llama", {"mixer": {"kv_heads": 3}}, "mixer.kv_heads"),
        "4 heads are not divisible by 3 kv_heads",
        "Choose kv_heads that divide heads.",
    ),
    "more kv_heads than heads": (
        *("qwen3", {"mixer": {"kv_heads": 8}}, "mixer.kv_heads"),
        "4 heads are not divisible by 8 kv_heads",
        "Choose kv_heads that divide heads.",
    ),
    "a window above the context": (
        *("mistral", {"mixer": {"window": 33}}, "mixer.window"),
        "a window of 33 keys in a context of 32 tokens",
        "A window is at most the context; leave it out to see everything.",
    ),
    "turns that do not rise": (
        "llama",
        {"mixer": {"rope_scaling": SCALING | {"original_context": 8, "low_turns": 8.0}}},
        "mixer.rope_scaling.low_turns",
        "low_turns = 8 is not below high_turns = 4",
        "Choose low_turns below high_turns.",
    ),
    "a linear scaling with turns": (
        *(
            "llama",
            {"mixer": {"rope_scaling": {"kind": "linear", "factor": 2.0, "low_turns": 2.0}}},
        ),
        "mixer.rope_scaling.low_turns",
        "linear scaling has a factor and no low_turns",
        "Leave the key out.",
    ),
    "a weight of what is no penalty": (
        *("moe", {"ffn": {"balance": "bias", "balance_weight": 0.5}}, "ffn.balance_weight"),
        'balance_weight has no effect with balance = "bias"',
        "Leave it out: the bias learns at the rate of the other vectors.",
    ),
    "dropout of no attention": (
        *("mamba", {"attention_dropout": 0.5}, "attention_dropout"),
        *("there is no attention in this model", "Leave the key out."),
    ),
    "branches beside nothing": (
        *("mamba2", {"parallel": True}, "parallel"),
        "there is no feed-forward beside the mixers",
        "Leave the key out, or give the blocks a feed-forward.",
    ),
    "an odd head width": (
        *("llama", {"mixer": {"head_width": 7}}, "mixer.head_width"),
        "rotary positions rotate pairs of channels, but 7 of 7 rotate",
        "Choose an even number of channels.",
    ),
    "an odd head width that follows": (
        *("falcon", {"dim": 20}, "mixer.head_width"),
        "rotary positions rotate pairs of channels, but 5 of 5 rotate",
        "Choose an even number of channels.",
    ),
    "a share of an odd number of channels": (
        *("gptneox", {"mixer": {"rotary_share": 0.2}}, "mixer.rotary_share"),
        "rotary positions rotate pairs of channels, but 3 of 16 rotate",
        "Choose an even number of channels.",
    ),
    "a share of no channel": (
        *("gptneox", {"mixer": {"rotary_share": 0.01}}, "mixer.rotary_share"),
        "rotary positions rotate pairs of channels, but 0 of 16 rotate",
        "Choose an even number of channels.",
    ),
    "a base without rotary positions": (
        *("gpt2", {"mixer": {"rope_base": 500.0}}, "mixer.rope_base"),
        "positions are learned, not rotary",
        'Leave the key out, or set model.position = "rope".',
    ),
    "a share without rotary positions": (
        *("llama", {"position": "none", "mixer": {"rotary_share": 0.5}}, "mixer.rotary_share"),
        "positions are none, not rotary",
        'Leave the key out, or set model.position = "rope".',
    ),
    "a scaling without rotary positions": (
        *("gpt2", {"mixer": {"rope_scaling": SCALING}}, "mixer.rope_scaling"),
        "positions are learned, not rotary",
        'Leave the key out, or set model.position = "rope".',
    ),
    "a llama3 scaling without the context before": (
        *("llama", {"mixer": {"rope_scaling": SCALING}}, "mixer.rope_scaling.original_context"),
        "llama3 needs the original context length",
        "Give the number of tokens the model was first trained with.",
    ),
    "a yarn scaling without the context before": (
        "llama",
        {"mixer": {"rope_scaling": SCALING | {"kind": "yarn"}}},
        "mixer.rope_scaling.original_context",
        "yarn needs the original context length",
        "Give the number of tokens the model was first trained with.",
    ),
    "heads of mamba2 that do not divide its channels": (
        *("mamba2", {"mixer": {"head_width": 48}}, "mixer.head_width"),
        "dim · expand = 128 is not divisible by heads of 48 channels",
        "Choose a head_width that divides dim · expand.",
    ),
    "groups that do not divide the heads of mamba2": (
        *("mamba2", {"mixer": {"head_width": 32, "groups": 3}}, "mixer.groups"),
        "4 heads are not divisible by 3 groups",
        "Choose groups that divide heads.",
    ),
    "more active experts than there are": (
        *("moe", {"ffn": {"experts": 3, "active": 4}}, "ffn.active"),
        "4 active experts of 3",
        'Choose 1 to 3, or "all" for the dense mixture.',
    ),
    "a state for attention": (
        *("llama", {"mixer": {"state": 16}}, "mixer.state"),
        'state has no effect with kind = "attention"',
        "Leave it out; it belongs to mamba, mamba2.",
    ),
    "heads for mamba": (
        *("mamba", {"mixer": {"heads": 4}}, "mixer.heads"),
        'heads has no effect with kind = "mamba"',
        "Leave it out; it belongs to attention.",
    ),
    "heads for mamba2": (
        *("mamba2", {"mixer": {"heads": 4}}, "mixer.heads"),
        'heads has no effect with kind = "mamba2"',
        "Leave it out; it belongs to attention.",
    ),
    "groups for mamba": (
        *("mamba", {"mixer": {"groups": 2}}, "mixer.groups"),
        'groups has no effect with kind = "mamba"',
        "Leave it out; it belongs to mamba2.",
    ),
    "the rank of a step for mamba2": (
        *("mamba2", {"mixer": {"step_rank": 4}}, "mixer.step_rank"),
        'step_rank has no effect with kind = "mamba2"',
        "Leave it out; it belongs to mamba.",
    ),
    "a bias of experts": (
        *("moe", {"ffn": {"bias": True}}, "ffn.bias"),
        'bias has no effect with kind = "experts"',
        "Leave it out; it belongs to plain, gated.",
    ),
    "experts of a dense feed-forward": (
        *("llama", {"ffn": {"experts": 4}}, "ffn.experts"),
        'experts has no effect with kind = "gated"',
        "Leave it out; it belongs to experts.",
    ),
    "a width of no feed-forward": (
        *("mamba", {"ffn": {"hidden": 64}}, "ffn.hidden"),
        'hidden has no effect with kind = "none"',
        "Leave it out; it belongs to plain, gated, experts.",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_does_not_fit_is_refused_by_key(case: str) -> None:
    family, keys, where, message, do = REFUSALS[case]
    with pytest.raises(ShapeError) as caught:
        resolved(family, **keys)
    assert caught.value.where == f"model.{where}"
    assert caught.value.message == message
    assert caught.value.do == do


@pytest.mark.parametrize("case", [c for c, each in REFUSALS.items() if "mixer" in each[1]])
def test_a_part_of_a_list_is_named_by_its_number(case: str) -> None:
    family, keys, where, message, _ = REFUSALS[case]
    kind = FAMILIES[family].mixer
    right = {"heads": 4} if kind == "attention" else {}
    listed = keys | {"layers": 3, "mixer": [right, right | keys["mixer"], right]}
    with pytest.raises(ShapeError) as caught:
        resolved(family, **listed)
    assert caught.value.where == f"model.{where.replace('mixer.', 'mixer.1.')}"
    assert caught.value.message == message


@pytest.mark.parametrize("mixer", [{"heads": None}, [{"heads": 4}, {}]])
def test_attention_without_heads_is_refused_by_key(mixer: Any) -> None:
    with pytest.raises(ShapeError, match="attention needs a number of heads") as caught:
        resolved("llama", mixer=mixer)
    key = "mixer.1.heads" if isinstance(mixer, list) else "mixer.heads"
    assert caught.value.where == f"model.{key}"


def test_every_key_of_attention_wins_over_the_row() -> None:
    given = {"heads": 2, "kv_heads": 1, "head_width": 10, "query_key_norm": False, "window": 5}
    found = mixer_of("qwen3", mixer=given | {"bias": True, "rope_base": 500.0, "rotary_share": 0.4})
    rope = {"base": 500.0, "width": 4, "scaling": None}
    others = {"kind": "attention", "bias": True, "dropout": 0.0, "rope": rope}
    assert found == given | others


def test_false_and_zero_are_given_values_too() -> None:
    assert not mixer_of("gpt2", mixer={"bias": False})["bias"]
    assert not ffn_of("gpt2", ffn={"bias": False})["bias"]
    assert ffn_of("moe", ffn={"balance_weight": 0.0})["balance_weight"] == 0.0
    assert not ffn_of("moe", ffn={"gated": False})["gated"]


def test_a_window_is_half_the_context_if_a_mistral_does_not_say() -> None:
    assert mixer_of("mistral")["window"] == 16
    assert mixer_of("mistral", mixer={"window": 32})["window"] == 32
    keys = ModelKeys.model_validate({"family": "mistral", "dim": 8, "layers": 1})
    keys = keys.model_copy(update={"mixer": keys.mixers[0].model_copy(update={"heads": 2})})
    assert resolve(keys, vocab=9, context=1).mixers[0].model_dump()["window"] == 1


def test_a_mamba_follows_from_the_width() -> None:
    assert mixer_of("mamba") == {
        **{"kind": "mamba", "inner": 128, "state": 16, "conv_width": 4},
        **{"step_rank": 4, "bias": False},
    }
    assert mixer_of("mamba", dim=65)["step_rank"] == 5
    given = {"state": 3, "expand": 3, "conv_width": 2, "step_rank": 7, "bias": True}
    assert mixer_of("mamba", mixer=given) == {
        **{"kind": "mamba", "inner": 192, "state": 3, "conv_width": 2},
        **{"step_rank": 7, "bias": True},
    }


def test_a_mamba2_follows_from_the_width() -> None:
    assert mixer_of("mamba2") == {
        **{"kind": "mamba2", "heads": 2, "head_width": 64, "state": 128},
        **{"groups": 1, "conv_width": 4, "bias": False},
    }
    given = {"state": 8, "expand": 3, "head_width": 32, "groups": 3, "conv_width": 2}
    assert mixer_of("mamba2", mixer=given | {"bias": True}) == {
        **{"kind": "mamba2", "heads": 6, "head_width": 32, "state": 8},
        **{"groups": 3, "conv_width": 2, "bias": True},
    }


@pytest.mark.parametrize(
    ("dim", "gated", "plain"),
    [(64, 256, 256), (96, 256, 384), (192, 512, 768), (256, 768, 1024), (512, 1536, 2048)],
)
def test_the_inner_width_is_chosen_from_the_outer(dim: int, gated: int, plain: int) -> None:
    assert ffn_of("llama", dim=dim)["hidden"] == gated
    assert ffn_of("gpt2", dim=dim)["hidden"] == plain


def test_experts_share_the_width_of_one_feed_forward() -> None:
    assert ffn_of("moe", dim=1536)["hidden"] == 2048
    assert ffn_of("moe", dim=1536, ffn={"active": 4})["hidden"] == 1024
    assert ffn_of("moe", dim=96, ffn={"gated": False, "active": 5, "experts": 5})["hidden"] == 77
    assert ffn_of("moe", ffn={"hidden": 24})["hidden"] == 24


def test_experts_that_nobody_counted_are_eight_and_two_of_them_active() -> None:
    found = ffn_of("moe")
    assert (found["experts"], found["active"]) == (8, 2)
    assert (found["balance"], found["balance_weight"]) == ("penalty", 0.01)
    assert ffn_of("moe", ffn={"experts": 1})["active"] == 1
    assert ffn_of("moe", ffn={"experts": 5, "active": "all"})["active"] == 5


def test_a_scaling_gets_the_turns_of_its_kind() -> None:
    def high_turns(**scaling: Any) -> float | None:
        context = {} if scaling["kind"] == "linear" else {"original_context": 16}
        given = {"factor": 2.0} | context | scaling
        return mixer_of("llama", mixer={"rope_scaling": given})["rope"]["scaling"]["high_turns"]

    found = [high_turns(kind=kind) for kind in ("linear", "llama3", "yarn")]
    assert found == [None, 4.0, 32.0]
    assert high_turns(kind="yarn", high_turns=8.0) == 8.0
