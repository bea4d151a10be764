"""Rows of the table of classes: what they hold, and what they ask of a shape."""

import subprocess
import sys

import pytest
from laws.shapes import SHAPES, shape

from endonym.export.row import HFArchitecture, with_parts
from endonym.export.rows.llama import LLAMA
from endonym.export.shapes import ROWS
from endonym.model.decoder import on_meta
from endonym.model.families import FAMILIES


def test_every_family_has_one_row_in_the_families_order() -> None:
    assert [row.family for row in ROWS] == list(FAMILIES)
    assert len({row.model_type for row in ROWS}) == len({row.architecture for row in ROWS}) == 9


def test_every_row_fits_its_own_family() -> None:
    for row in ROWS:
        assert row.misfit(shape(row.family)) is None, row.family


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.family)
def test_a_row_names_every_tensor_of_the_shapes_that_it_fits(row: HFArchitecture) -> None:
    fitting = [config for config in SHAPES.values() if row.misfit(config) is None]
    assert fitting
    for config in fitting:
        for name in on_meta(config).state_dict():
            pattern = ".*.".join(name.split(f".{name.split('.')[1]}.", 1))
            pattern = pattern if name.startswith("blocks.") else name
            joined = row.joined and any(f".{part}." in name for part in ("query", "key", "value"))
            assert joined or pattern in row.names(config), name


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.family)
def test_no_two_tensors_have_one_name(row: HFArchitecture) -> None:
    names = row.names(shape(row.family))
    assert len(set(names.values())) == len(names)


def test_a_part_counts_only_if_all_layers_have_it() -> None:
    for config in (shape("qwen3", "two-windows"), shape("qwen3", "some-experts"), shape("mamba")):
        assert ROWS[0].misfit(config) == "layers that are not alike, or of another kind"
    assert LLAMA.misfit(shape("llama", mixer=[{"heads": 4}, {"heads": 4}])) is None


def test_names_of_layers_become_names_of_their_tensors() -> None:
    assert with_parts({"norm": "ln_f"}, "weight", "bias") == {
        "norm.weight": "ln_f.weight",
        "norm.bias": "ln_f.bias",
    }


def test_rows_are_read_without_torch() -> None:
    code = "import sys, endonym.export.shapes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
