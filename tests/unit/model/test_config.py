"""A decoder's shape as data."""

import subprocess
import sys

import pytest
from laws.shapes import SHAPES
from pydantic import ValidationError

from endonym.model.config import ModelConfig
from endonym.model.keys import ModelKeys


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES.keys())
def test_a_shape_comes_back_from_its_json(config: ModelConfig) -> None:
    assert ModelConfig.from_json(config.model_dump(mode="json")) == config


def test_an_unknown_key_of_a_shape_is_refused_by_name() -> None:
    data = SHAPES["llama-plain"].model_dump() | {"windows": 4}
    with pytest.raises(ValidationError, match="windows"):
        ModelConfig.from_json(data)


@pytest.mark.parametrize("key", ["vocab", "context"])
def test_a_shape_of_nothing_is_refused(key: str) -> None:
    data = SHAPES["llama-plain"].model_dump() | {key: 0}
    with pytest.raises(ValidationError, match=key):
        ModelConfig.from_json(data)


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({"family": "gpt5"}, "family"),
        ({"dim": 1}, "dim"),
        ({"layers": 0}, "layers"),
        ({"dropout": 1.0}, "dropout"),
        ({"mixer": {"heads": 0}}, "heads"),
        ({"mixer": {"rope_base": 1.0}}, "rope_base"),
        ({"ffn": {"hidden": 0}}, "hidden"),
        ({"hidden": 64}, "hidden"),
    ],
)
def test_a_recipes_key_out_of_bounds_is_refused_by_name(keys: dict, name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ModelKeys.model_validate(keys)
    assert caught.value.errors()[0]["loc"][-1] == name


def test_shapes_are_read_and_counted_without_torch() -> None:
    lines = "import sys, endonym.model.config, endonym.model.families, endonym.model.count"
    code = f"{lines}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
