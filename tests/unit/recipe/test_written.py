"""Values and recipes written as TOML are read again as they were."""

import tomllib
from typing import Any

import pytest

from endonym.recipe.layers import recipe_toml, toml


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        0,
        -3,
        12_345_678,
        0.1,
        1e-5,
        0.123456789012,
        -2.5e300,
        'Әбием мич янында\n"ипи" \\ \t\x7f',
        "ភាសាខ្មែរ",
        [],
        [1, 2.5, "три"],
        {"kind": "yarn", "factor": 2.5, "a b": {"ç": [True]}},
    ],
)
def test_a_value_is_read_as_it_was(value: Any) -> None:
    assert tomllib.loads(f"value = {toml(value)}") == {"value": value}


def test_a_recipe_is_read_as_it_was() -> None:
    data = {
        "name": "kechkena",
        "pack": {"context": 32, "join": ["tatar"]},
        "seed": 7,
        "source": [{"name": "tatar", "path": "a\\b.txt"}, {"name": "françaıs"}],
        "model": {"dim": 32, "mixer": [{"heads": 2}, {"heads": 1}], "ffn": {"hidden": 64}},
        "split": {},
        "clean": {"normalize": [], "note": {}},
    }
    written = recipe_toml(data)
    assert tomllib.loads(written) == data
    assert "ffn.hidden = 64" in written
    assert written.index("seed = 7") < written.index("[pack]")
