"""A decoder's shape as data."""

import subprocess
import sys

import pytest
from laws.shapes import SHAPES
from pydantic import ValidationError

from endonym.model.config import ModelConfig
from endonym.model.foreign.folder import read_shape


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES.keys())
def test_a_shape_comes_back_from_its_json(config: ModelConfig) -> None:
    assert read_shape(config.model_dump(mode="json")) == config


def test_an_unknown_key_of_a_shape_is_refused_by_name() -> None:
    data = SHAPES["llama-plain"].model_dump() | {"windows": 4}
    with pytest.raises(ValidationError, match="windows"):
        read_shape(data)


@pytest.mark.parametrize("key", ["vocab", "context"])
def test_a_shape_of_nothing_is_refused(key: str) -> None:
    data = SHAPES["llama-plain"].model_dump() | {key: 0}
    with pytest.raises(ValidationError, match=key):
        read_shape(data)


def test_an_unknown_key_of_a_part_is_refused_by_name() -> None:
    data = SHAPES["llama-plain"].model_dump()
    data["mixers"][0]["windows"] = 4
    with pytest.raises(ValidationError, match="windows"):
        read_shape(data)


@pytest.mark.parametrize("key", ["mixers", "ffns", "norm", "layers", "tied"])
def test_a_shape_without_one_of_its_keys_is_refused_by_name(key: str) -> None:
    data = SHAPES["llama-plain"].model_dump()
    del data[key]
    with pytest.raises(ValidationError, match=key):
        read_shape(data)


def test_the_channels_of_a_mamba2_are_those_of_its_heads() -> None:
    mixer = SHAPES["mamba2-groups"].mixer_at(0)
    assert mixer.kind == "mamba2"
    assert mixer.inner == mixer.heads * mixer.head_width == 64


def test_shapes_are_read_and_counted_without_torch() -> None:
    lines = "import sys, endonym.model.config, endonym.model.families, endonym.model.count"
    code = f"{lines}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
