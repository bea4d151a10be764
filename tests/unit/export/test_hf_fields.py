"""Keys that several classes share: activations, rotary positions."""

from typing import Any

import pytest
from bare_configs import PLACE, Json, mixer_of
from laws.shapes import shape

from endonym.errors import ExportError
from endonym.export.row import ACTIVATIONS, our_activation, read_rope, rope_json, share_of
from endonym.model.config import AttentionConfig


def written(**keys: Any) -> Json:
    """The rotary keys of a llama with these keys of its mixer."""
    (mixer,) = shape("llama", mixer=keys).mixers
    assert isinstance(mixer, AttentionConfig)
    return rope_json(mixer)


def test_activations_go_over_and_come_back() -> None:
    for ours, theirs in ACTIVATIONS.items():
        assert our_activation(theirs) == ours
    other = {"swish": "silu", "gelu_new": "gelu_tanh", "gelu_fast": "gelu_tanh"}
    assert {name: our_activation(name) for name in other} == other
    assert our_activation("quick_gelu") == "quick_gelu"


def test_plain_rotary_positions_are_written_twice() -> None:
    assert written(rope_base=500.0) == {
        "rope_theta": 500.0,
        "rope_parameters": {"rope_type": "default", "rope_theta": 500.0},
    }


def test_a_share_of_the_channels_is_written_as_a_share() -> None:
    (mixer,) = shape("qwen3", "part-rotary").mixers
    assert isinstance(mixer, AttentionConfig)
    assert rope_json(mixer)["rope_parameters"]["partial_rotary_factor"] == 0.5


@pytest.mark.parametrize(
    ("scaling", "theirs"),
    [
        ({"kind": "linear"}, {"rope_type": "linear"}),
        (
            {"kind": "llama3", "original_context": 16, "low_turns": 2.0},
            {
                "rope_type": "llama3",
                "original_max_position_embeddings": 16,
                "low_freq_factor": 2.0,
                "high_freq_factor": 4.0,
            },
        ),
        (
            {"kind": "yarn", "original_context": 16},
            {
                "rope_type": "yarn",
                "original_max_position_embeddings": 16,
                "beta_slow": 1.0,
                "beta_fast": 32.0,
            },
        ),
        (
            {"kind": "yarn", "original_context": 16, "high_turns": 8.0, "sharpness": 1.5},
            {
                "rope_type": "yarn",
                "original_max_position_embeddings": 16,
                "beta_slow": 1.0,
                "beta_fast": 8.0,
                "attention_factor": 1.5,
            },
        ),
    ],
)
def test_every_scaling_is_written_in_their_keys_and_read_back(
    scaling: dict[str, Any], theirs: dict[str, Any]
) -> None:
    found = written(rope_scaling=scaling | {"factor": 8.0})
    assert found["rope_parameters"] == theirs | {"factor": 8.0, "rope_theta": 10_000.0}
    keys = read_rope(found)
    config = shape("llama", mixer=keys)
    assert mixer_of(config) == mixer_of(
        shape("llama", mixer={"rope_scaling": scaling | {"factor": 8.0}})
    )


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ({}, 10_000.0),
        ({"rope_theta": 500.0}, 500.0),
        ({"rope_parameters": {"rope_theta": 700.0}}, 700.0),
        ({"rope_parameters": {"rope_theta": 700.0}, "rope_theta": 500.0}, 700.0),
        ({"rope_scaling": None, "rope_theta": 500.0}, 500.0),
    ],
)
def test_the_base_stands_in_the_table_or_beside_it(given: Json, base: float) -> None:
    """Where both say something the table wins, as in transformers 5."""
    assert read_rope(given) == {"rope_base": base}


def test_the_share_is_that_of_the_table_or_of_the_class() -> None:
    found = [
        read_rope({"rope_parameters": {"partial_rotary_factor": 0.5}}, share=0.25),
        read_rope({}, share=0.25),
        read_rope({}),
    ]
    assert [keys.get("rotary_share") for keys in found] == [0.5, 0.25, None]


@pytest.mark.parametrize("name", ["type", "rope_type"])
@pytest.mark.parametrize("table", ["rope_scaling", "rope_parameters"])
def test_either_spelling_of_a_scaling_is_read(table: str, name: str) -> None:
    keys = read_rope({table: {name: "linear", "factor": 2.0}})
    assert keys == {"rope_base": 10_000.0, "rope_scaling": {"kind": "linear", "factor": 2.0}}


REFUSED = {
    "dynamic": ({"rope_type": "dynamic", "factor": 2.0}, "rope_type 'dynamic'"),
    "longrope": ({"rope_type": "longrope", "factor": 2.0}, "rope_type 'longrope'"),
    "longrope by its factors": (
        {"rope_type": "longrope", "long_factor": [1.0], "short_factor": [1.0]},
        "long_factor",
    ),
    "no kind at all": ({"rope_type": ["linear"], "factor": 2.0}, "rope_type ['linear']"),
    "a factor that does nothing": ({"rope_type": "default", "factor": 4.0}, "factor"),
    "a factor without a kind": ({"factor": 4.0}, "factor"),
    "an unknown key of yarn": (
        {"rope_type": "yarn", "factor": 2.0, "mscale": 0.7},
        "mscale",
    ),
    "a base for each kind of layer": (
        {"full_attention": {"rope_type": "default", "rope_theta": 10_000.0}},
        "full_attention",
    ),
}


@pytest.mark.parametrize("table", ["rope_parameters", "rope_scaling"])
@pytest.mark.parametrize("case", REFUSED)
def test_rotary_positions_that_we_cannot_compute_are_refused_by_name(case: str, table: str) -> None:
    parameters, name = REFUSED[case]
    with pytest.raises(ExportError) as caught:
        read_rope({table: parameters})
    assert caught.value.message.startswith(f"{name} of the rotary positions is not something")
    assert "default, linear, llama3, yarn" in caught.value.do


@pytest.mark.parametrize("value", [["default"], "linear", 4])
def test_rotary_positions_that_are_no_table_are_refused(value: object) -> None:
    with pytest.raises(ExportError, match="is not a table") as caught:
        read_rope({"rope_parameters": value})
    assert caught.value.where in PLACE


def test_every_number_of_turning_channels_survives_its_share() -> None:
    """Both sides cut the product to a whole number; 30 of 52 would become 29."""
    for head_width in range(2, 513, 2):
        for width in range(2, head_width + 1, 2):
            assert int(head_width * share_of(width, head_width)) == width
