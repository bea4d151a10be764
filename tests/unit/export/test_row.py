"""Rows of the table of classes: what they hold, and what they ask of a shape."""

import subprocess
import sys
from typing import Any

import pytest
from bare_configs import PLACE, Json, mixer_of
from laws.shapes import SHAPES, shape

from endonym.errors import ExportError
from endonym.export.gguf import rows as gguf_rows
from endonym.export.row import (
    ACTIVATIONS,
    forms_of,
    our_activation,
    read_rope,
    rope_json,
    share_of,
    sizes_of,
    with_parts,
)
from endonym.export.shapes import ROWS
from endonym.model.config import AttentionConfig
from endonym.model.families import FAMILIES


def test_every_family_has_one_row_in_the_families_order() -> None:
    assert [row.family for row in ROWS] == list(FAMILIES)
    assert len({row.model_type for row in ROWS}) == len({row.architecture for row in ROWS}) == 9


def test_every_row_fits_its_own_family() -> None:
    for row in ROWS:
        assert row.misfit(shape(row.family)) is None, row.family


def test_a_part_counts_only_if_all_layers_have_it() -> None:
    for config in (shape("qwen3", "two-windows"), shape("qwen3", "some-experts"), shape("mamba")):
        assert ROWS[0].misfit(config) == "layers that are not alike, or of another kind"
    assert ROWS[1].misfit(shape("llama", mixer=[{"heads": 4}, {"heads": 4}])) is None


def test_every_limit_of_a_row_is_a_size_or_a_form_of_models() -> None:
    """A limit with another name would be no limit; one with other values would refuse all."""
    known: dict[str, list[Any]] = {}
    for config in SHAPES.values():
        for name, value in (sizes_of(config) | forms_of(config)).items():
            known.setdefault(name, []).append(value)
    for row in (*ROWS, *gguf_rows.ROWS):
        for name, allowed in row.limits.items():
            assert any(value in allowed for value in known[name]), (row.family, name)


def test_names_of_layers_become_names_of_their_tensors() -> None:
    assert with_parts({"norm": "ln_f"}, "weight", "bias") == {
        "norm.weight": "ln_f.weight",
        "norm.bias": "ln_f.bias",
    }


def test_rows_are_read_without_torch() -> None:
    code = "import sys, endonym.export.shapes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


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


CONTEXT = {"original_context": 16}
THEIR_CONTEXT = {"original_max_position_embeddings": 16}
LLAMA3 = {"rope_type": "llama3", "low_freq_factor": 2.0, "high_freq_factor": 4.0} | THEIR_CONTEXT
YARN = {"rope_type": "yarn", "beta_slow": 1.0, "beta_fast": 32.0} | THEIR_CONTEXT
SHARP = {"beta_fast": 8.0, "attention_factor": 1.5}
SCALINGS = [
    ({"kind": "linear"}, {"rope_type": "linear"}),
    ({"kind": "llama3", "low_turns": 2.0} | CONTEXT, LLAMA3),
    ({"kind": "yarn"} | CONTEXT, YARN),
    ({"kind": "yarn", "high_turns": 8.0, "sharpness": 1.5} | CONTEXT, YARN | SHARP),
]


@pytest.mark.parametrize(("scaling", "theirs"), SCALINGS)
def test_every_scaling_is_written_and_read_back(scaling: dict[str, Any], theirs: dict[str, Any]):
    found = written(rope_scaling=scaling | {"factor": 8.0})
    assert found["rope_parameters"] == theirs | {"factor": 8.0, "rope_theta": 10_000.0}
    keys = read_rope(found)
    config = shape("llama", mixer=keys)
    assert mixer_of(config) == mixer_of(
        shape("llama", mixer={"rope_scaling": scaling | {"factor": 8.0}})
    )


def test_the_base_stands_in_the_table_or_beside_it() -> None:
    """Where both say something the table wins, as in transformers 5."""
    table = {"rope_parameters": {"rope_theta": 700.0}}
    assert read_rope({}) == {"rope_base": 10_000.0}
    assert read_rope({"rope_theta": 500.0}) == {"rope_base": 500.0}
    assert read_rope(table) == read_rope(table | {"rope_theta": 500.0}) == {"rope_base": 700.0}
    assert read_rope({"rope_scaling": None, "rope_theta": 500.0}) == {"rope_base": 500.0}


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


REFUSED: list[tuple[Json, str]] = [
    ({"rope_type": "dynamic", "factor": 2.0}, "rope_type 'dynamic'"),
    ({"rope_type": "longrope", "long_factor": [1.0], "short_factor": [1.0]}, "long_factor"),
    ({"rope_type": ["linear"], "factor": 2.0}, "rope_type ['linear']"),
    ({"rope_type": "default", "factor": 4.0}, "factor"),
    ({"factor": 4.0}, "factor"),
    ({"rope_type": "yarn", "factor": 2.0, "mscale": 0.7}, "mscale"),
    ({"full_attention": {"rope_type": "default", "rope_theta": 10_000.0}}, "full_attention"),
]


@pytest.mark.parametrize("table", ["rope_parameters", "rope_scaling"])
def test_rotary_positions_that_we_cannot_compute_are_refused_by_name(table: str) -> None:
    for parameters, name in REFUSED:
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
