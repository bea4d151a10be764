"""The table of architectures; from keys and rows to parts; what does not fit is refused by key."""

from typing import Any, get_args

import pytest

from endonym.errors import ShapeError
from endonym.model.config import Family, ModelConfig, ModelKeys
from endonym.model.families import FAMILIES, is_half_blocks, resolve, without_heads


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


SERIAL = ("serial", "attention")
TABLE = {
    "qwen3": ("rms", "rope", "serial", "attention", "4 of 4", "normed", "gated silu", "", None),
    "llama": ("rms", "rope", "serial", "attention", "4 of 4", "", "gated silu", "", None),
    "mistral": ("rms", "rope", "serial", "attention", "4 of 4", "", "gated silu", "", 16),
    "gpt2": ("layer", "learned", *SERIAL, "4 of 4", "", "plain gelu_tanh", "biased", None),
    "gptneox": ("layer", "rope", *SERIAL, "4 of 4", "", "plain gelu", "biased", None),
    "falcon": ("layer", "rope", "parallel", "attention", "1 of 4", "", "plain gelu", "", None),
    "mamba": ("rms", "none", "serial", "mamba", "", "", "none silu", "", None),
    "mamba2": ("rms", "none", "serial", "mamba2", "", "", "none silu", "", None),
    "moe": ("rms", "rope", "serial", "attention", "4 of 4", "normed", "experts silu", "", None),
}
"""docs/architectures.md: norm, position, branches, mixer, heads, norm of heads, feed-forward …"""


@pytest.mark.parametrize("family", FAMILIES)
def test_the_rows_are_the_architectures_they_name_and_fill_in_what_is_left_out(family: str) -> None:
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
    assert (config.family, config.vocab, config.context, config.dim) == (family, 100, 32, 64)
    assert (config.layers, len(config.mixers), len(config.ffns)) == (2, 1, 1)
    assert (config.tied, config.shared_norm, config.logit_cap) == (True, False, None)
    assert (config.dropout, config.embedding_dropout, config.residual_init) == (0, 0, "zero")


def test_every_family_that_may_be_named_has_a_row() -> None:
    assert set(get_args(Family)) == FAMILIES.keys()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_recipes_keys_win_over_the_row(family: str) -> None:
    given = {"dropout": 0.2, "norm_epsilon": 1e-3, "tied": False, "logit_cap": 30.0}
    given |= {"norm": "layer", "position": "none"}
    if FAMILIES[family].ffn != "none":
        given |= {"parallel": True, "shared_norm": True}
    given |= {"residual_init": "scaled", "embedding_dropout": 0.0}
    config = resolved(family, **given)
    assert {key: getattr(config, key) for key in given} == given


def test_dropout_holds_for_the_embedding_and_attention_as_it_is_said() -> None:
    assert resolved("llama", dropout=0.2).embedding_dropout == 0.2
    assert resolved("llama", embedding_dropout=0.3).dropout == 0.0
    mixer = [{"heads": 4}, {"kind": "mamba"}]
    config = resolved("llama", attention_dropout=0.25, mixer=mixer)
    assert [each.model_dump().get("dropout") for each in config.mixers] == [0.25, None]


def test_parts_are_tiled_over_the_layers() -> None:
    mixer = [{"heads": 4}, {"heads": 2}, {"kind": "mamba"}]
    config = resolved("llama", layers=5, mixer=mixer, ffn=[{"hidden": 8}, {"kind": "plain"}])
    found = [mixer.model_dump().get("heads") for mixer, _ in config.blocks[:5]]
    assert found == [4, 2, None, 4, 2]
    assert [ffn.hidden for _, ffn in config.blocks[:5]] == [8, 256, 8, 256, 8]


SCALING = {"factor": 4.0, "kind": "llama3"}
TURNS = SCALING | {"original_context": 8, "low_turns": 8.0}
LINEAR = {"kind": "linear", "factor": 2.0, "low_turns": 2.0}
OUT = "Leave the key out."
ROTARY = 'Leave the key out, or set model.position = "rope".'
EVEN = "Choose an even number of channels."
REFUSALS: list[tuple[str, dict[str, Any], str, str, str]] = [
    (
        *("llama", {"dim": 66}, "mixer.heads", "dim 66 is not divisible by 4 heads"),
        "Choose heads that divide dim, or give mixer.head_width.",
    ),
    (
        *("llama", {"mixer": {"kv_heads": 3}}, "mixer.kv_heads"),
        *("4 heads are not divisible by 3 kv_heads", "Choose kv_heads that divide heads."),
    ),
    (
        *("mistral", {"mixer": {"window": 33}}, "mixer.window"),
        "a window of 33 keys in a context of 32 tokens",
        "A window is at most the context; leave it out to see everything.",
    ),
    (
        *("llama", {"mixer": {"rope_scaling": TURNS}}, "mixer.rope_scaling.low_turns"),
        *("low_turns = 8 is not below high_turns = 4", "Choose low_turns below high_turns."),
    ),
    (
        *("llama", {"mixer": {"rope_scaling": LINEAR}}, "mixer.rope_scaling.low_turns"),
        *("linear scaling has a factor and no low_turns", OUT),
    ),
    (
        *("llama", {"mixer": {"rope_scaling": SCALING}}, "mixer.rope_scaling.original_context"),
        "llama3 needs the original context length",
        "Give the number of tokens the model was first trained with.",
    ),
    (
        *("moe", {"ffn": {"balance": "bias", "balance_weight": 0.5}}, "ffn.balance_weight"),
        'balance_weight has no effect with balance = "bias"',
        "Leave it out: the bias learns at the rate of the other vectors.",
    ),
    (
        *("mamba", {"attention_dropout": 0.5}, "attention_dropout"),
        *("there is no attention in this model", OUT),
    ),
    (
        *("mamba2", {"parallel": True}, "parallel", "there is no feed-forward beside the mixers"),
        "Leave the key out, or give the blocks a feed-forward.",
    ),
    (
        *("falcon", {"dim": 20}, "mixer.head_width"),
        *("rotary positions rotate pairs of channels, but 5 of 5 rotate", EVEN),
    ),
    (
        *("gptneox", {"mixer": {"rotary_share": 0.2}}, "mixer.rotary_share"),
        *("rotary positions rotate pairs of channels, but 3 of 16 rotate", EVEN),
    ),
    (
        *("gptneox", {"mixer": {"rotary_share": 0.01}}, "mixer.rotary_share"),
        *("rotary positions rotate pairs of channels, but 0 of 16 rotate", EVEN),
    ),
    (
        *("gpt2", {"mixer": {"rope_base": 500.0}}, "mixer.rope_base"),
        *("positions are learned, not rotary", ROTARY),
    ),
    (
        *("llama", {"position": "none", "mixer": {"rotary_share": 0.5}}, "mixer.rotary_share"),
        *("positions are none, not rotary", ROTARY),
    ),
    (
        *("mamba2", {"mixer": {"head_width": 48}}, "mixer.head_width"),
        "dim · expand = 128 is not divisible by heads of 48 channels",
        "Choose a head_width that divides dim · expand.",
    ),
    (
        *("mamba2", {"mixer": {"head_width": 32, "groups": 3}}, "mixer.groups"),
        *("4 heads are not divisible by 3 groups", "Choose groups that divide heads."),
    ),
    (
        *("moe", {"ffn": {"experts": 3, "active": 4}}, "ffn.active", "4 active experts of 3"),
        'Choose 1 to 3, or "all" for the dense mixture.',
    ),
    (
        *("llama", {"mixer": {"state": 16}}, "mixer.state"),
        'state has no effect with kind = "attention"',
        "Leave it out; it belongs to mamba, mamba2.",
    ),
    (
        *("mamba2", {"mixer": {"step_rank": 4}}, "mixer.step_rank"),
        'step_rank has no effect with kind = "mamba2"',
        "Leave it out; it belongs to mamba.",
    ),
    (
        *("mamba", {"ffn": {"hidden": 64}}, "ffn.hidden"),
        'hidden has no effect with kind = "none"',
        "Leave it out; it belongs to plain, gated, experts.",
    ),
    (
        *("llama", {"shared_norm": True}, "shared_norm"),
        "one norm can be shared only by branches that read the same stream",
        "Set parallel = true as well, or leave shared_norm out.",
    ),
    (
        *("llama", {"mixer": [{"heads": 4}] * 3}, "mixer", "3 kinds of mixer in 2 layers"),
        "Name at most 2, or set more layers.",
    ),
    (
        *("llama", {"ffn": [{"hidden": 8}] * 3}, "ffn", "3 kinds of ffn in 2 layers"),
        "Name at most 2, or set more layers.",
    ),
    (
        *("llama", {"mixer": [{"heads": 4}, {"heads": 4, "kv_heads": 3}]}, "mixer.1.kv_heads"),
        *("4 heads are not divisible by 3 kv_heads", "Choose kv_heads that divide heads."),
    ),
    ("llama", {"mixer": {"heads": None}}, "mixer.heads", "attention needs a number of heads", ""),
]


@pytest.mark.parametrize(("family", "keys", "where", "message", "do"), REFUSALS)
def test_a_misfit_is_refused(family: str, keys: dict[str, Any], where: str, message: str, do: str):
    with pytest.raises(ShapeError) as caught:
        resolved(family, **keys)
    found = caught.value
    assert (found.where, found.message, found.do) == (f"model.{where}", message, do)


@pytest.mark.parametrize("missing", ["dim", "layers"])
def test_a_shape_needs_its_sizes(missing: str) -> None:
    with pytest.raises(ShapeError, match="needs dim and layers") as caught:
        resolved("llama", **{missing: None})
    assert caught.value.where == "model"


def test_every_key_of_attention_wins_over_the_row() -> None:
    given = {"heads": 2, "kv_heads": 1, "head_width": 10, "query_key_norm": False, "window": 5}
    found = mixer_of("qwen3", mixer=given | {"bias": True, "rope_base": 500.0, "rotary_share": 0.4})
    rope = {"base": 500.0, "width": 4, "scaling": None}
    others = {"kind": "attention", "bias": True, "dropout": 0.0, "rope": rope}
    assert found == given | others
    assert mixer_of("gpt2", dim=20)["head_width"] == 5, "without rotation it may be odd"


def test_false_and_zero_are_given_values_too() -> None:
    assert not mixer_of("gpt2", mixer={"bias": False})["bias"]
    assert not ffn_of("gpt2", ffn={"bias": False})["bias"]
    assert ffn_of("moe", ffn={"balance_weight": 0.0})["balance_weight"] == 0.0
    assert not ffn_of("moe", ffn={"gated": False})["gated"]


def test_a_window_is_half_the_context_if_a_mistral_does_not_say() -> None:
    assert mixer_of("mistral", mixer={"window": 32})["window"] == 32
    keys = ModelKeys.model_validate({"family": "mistral", "dim": 8, "layers": 1})
    keys = keys.model_copy(update={"mixer": keys.mixers[0].model_copy(update={"heads": 2})})
    assert resolve(keys, vocab=9, context=1).mixers[0].model_dump()["window"] == 1


def test_a_state_space_follows_from_the_width() -> None:
    mamba = {"kind": "mamba", "inner": 128, "state": 16, "conv_width": 4, "step_rank": 4}
    assert mixer_of("mamba") == mamba | {"bias": False}
    assert mixer_of("mamba", dim=65)["step_rank"] == 5
    given = {"state": 3, "conv_width": 2, "step_rank": 7, "bias": True}
    assert mixer_of("mamba", mixer=given | {"expand": 3}) == mamba | given | {"inner": 192}
    mamba2 = {"kind": "mamba2", "heads": 2, "head_width": 64, "state": 128, "groups": 1}
    assert mixer_of("mamba2") == mamba2 | {"conv_width": 4, "bias": False}
    given = {"state": 8, "head_width": 32, "groups": 3, "conv_width": 2, "bias": True}
    assert mixer_of("mamba2", mixer=given | {"expand": 3}) == mamba2 | given | {"heads": 6}


@pytest.mark.parametrize(
    ("dim", "gated", "plain"), [(64, 256, 256), (192, 512, 768), (512, 1536, 2048)]
)
def test_the_inner_width_is_chosen_from_the_outer(dim: int, gated: int, plain: int) -> None:
    assert ffn_of("llama", dim=dim)["hidden"] == gated
    assert ffn_of("gpt2", dim=dim)["hidden"] == plain


def test_experts_are_eight_of_which_two_share_the_width_of_one_feed_forward() -> None:
    found = ffn_of("moe", dim=1536)
    assert (found["experts"], found["active"], found["hidden"]) == (8, 2, 2048)
    assert (found["balance"], found["balance_weight"]) == ("penalty", 0.01)
    assert ffn_of("moe", dim=1536, ffn={"active": 4})["hidden"] == 1024
    assert ffn_of("moe", dim=96)["hidden"] == 256, "a multiple, for each expert"
    assert ffn_of("moe", dim=96, ffn={"gated": False, "active": 5, "experts": 5})["hidden"] == 77
    assert ffn_of("moe", ffn={"hidden": 24, "experts": 1})["active"] == 1
    assert ffn_of("moe", ffn={"experts": 5, "active": "all"})["active"] == 5


@pytest.mark.parametrize(
    ("kind", "given", "high"),
    [("linear", None, None), ("llama3", None, 4.0), ("yarn", None, 32.0), ("yarn", 8.0, 8.0)],
)
def test_a_scaling_gets_the_turns_of_its_kind(kind: str, given: float | None, high: float | None):
    scaling = {"kind": kind, "factor": 2.0, "high_turns": given}
    scaling |= {} if kind == "linear" else {"original_context": 16}
    found = mixer_of("llama", mixer={"rope_scaling": scaling})
    assert found["rope"]["scaling"]["high_turns"] == high


WITHOUT_HEADS = [
    ({}, ["mixer.heads"]),
    ({"mixer": {"heads": 2}}, []),
    ({"family": "mamba"}, []),
    ({"family": "mamba", "mixer": {"kind": "attention"}}, ["mixer.heads"]),
    ({"mixer": [{"kind": "mamba"}, {}, {"heads": 3}]}, ["mixer.1.heads"]),
]


@pytest.mark.parametrize(("keys", "missing"), WITHOUT_HEADS)
def test_the_heads_that_a_recipe_leaves_out_are_named(keys: dict[str, Any], missing: list) -> None:
    assert without_heads(ModelKeys.model_validate(keys)) == missing


HALF_BLOCKS = [
    ({}, False),
    ({"family": "mamba"}, True),
    ({"family": "mamba2", "ffn": [{}, {"kind": "gated"}]}, False),
    ({"family": "llama", "ffn": {"kind": "none"}}, True),
]


@pytest.mark.parametrize(("keys", "is_half"), HALF_BLOCKS)
def test_blocks_without_a_feed_forward_are_half_blocks(keys: dict[str, Any], is_half: bool) -> None:
    assert is_half_blocks(ModelKeys.model_validate(keys)) is is_half
