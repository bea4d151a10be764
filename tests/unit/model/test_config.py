"""What a recipe may say about the model, and a decoder's shape as data."""

import subprocess
import sys
from typing import Any

import pytest
from laws.shapes import SHAPES
from pydantic import ValidationError

from endonym.model.config import FfnKeys, MixerKeys, ModelConfig, ModelKeys
from endonym.model.families import FFN_KEYS, MIXER_KEYS
from endonym.model.foreign.folder import read_shape

TOP = {"family": "gpt5", "norm": "batch", "position": "alibi", "residual_init": "one", "dim": 1}
TOP |= {"layers": 0, "logit_cap": 0.0, "norm_epsilon": 0.0, "hidden": 64}
TOP |= {"dropout": 1.0, "attention_dropout": -0.1, "embedding_dropout": 1.0}
MIXER = {"kind": "rwkv", "heads": 0, "window": 0, "head_width": 1, "rope_base": 1.0}
MIXER |= {"rotary_share": 0.0, "conv_width": 1}
FFN = {"hidden": 0, "activation": "tanh", "balance_weight": -1.0}


OUT_OF_BOUNDS = [
    *(({key: value}, key) for key, value in TOP.items()),
    *(({"mixer": {key: value}}, key) for key, value in MIXER.items()),
    *(({"ffn": {key: value}}, key) for key, value in FFN.items()),
    ({"mixer": {"rotary_share": 1.1}}, "rotary_share"),
    ({"mixer": {"rope_scaling": {"kind": "dynamic", "factor": 2}}}, "kind"),
    ({"mixer": {"rope_scaling": {"kind": "linear", "factor": 0.5}}}, "factor"),
    ({"mixer": {"rope_scaling": {"kind": "linear"}}}, "factor"),
    ({"mixer": [{"heads": 4}, {"state": 0}]}, "state"),
    ({"ffn": [{"experts": 0}]}, "experts"),
    ({"mixer": [{"heads": 4}, {"head": 4}]}, "head"),
]


@pytest.mark.parametrize(("keys", "name"), OUT_OF_BOUNDS)
def test_a_key_out_of_bounds_is_refused_by_name(keys: dict[str, Any], name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ModelKeys.model_validate(keys)
    assert caught.value.errors()[0]["loc"][-1] == name


@pytest.mark.parametrize("active", [0, "most"])
def test_active_experts_are_a_number_or_all(active: object) -> None:
    with pytest.raises(ValidationError, match="active"):
        FfnKeys.model_validate({"active": active})
    assert FfnKeys.model_validate({"active": "all"}).active == "all"


@pytest.mark.parametrize(("name", "key"), [("mixer", "heads"), ("ffn", "hidden")])
def test_one_table_and_a_list_of_some_are_read_as_a_list(name: str, key: str) -> None:
    table = ModelKeys.model_validate({name: {key: 4}})
    listed = ModelKeys.model_validate({name: [{key: 4}, {key: 8}]})
    found = [[getattr(part, key) for part in getattr(keys, f"{name}s")] for keys in (table, listed)]
    assert found == [[4], [4, 8]]
    assert len(getattr(ModelKeys(), f"{name}s")) == 1
    assert ModelKeys.model_validate_json(listed.model_dump_json()) == listed
    with pytest.raises(ValidationError, match="at least 1"):
        ModelKeys.model_validate({name: []})


@pytest.mark.parametrize(("config", "kinds"), [(MixerKeys, MIXER_KEYS), (FfnKeys, FFN_KEYS)])
def test_every_key_of_a_part_belongs_to_some_kind(config: Any, kinds: dict[str, set[str]]) -> None:
    assert set().union(*kinds.values()) == config.model_fields.keys() - {"kind"}


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES.keys())
def test_a_shape_comes_back_from_its_json(config: ModelConfig) -> None:
    assert read_shape(config.model_dump(mode="json")) == config


@pytest.mark.parametrize("change", ["windows", "vocab", "context", "mixers", "tied", "inside"])
def test_a_shape_with_a_wrong_or_missing_key_is_refused_by_name(change: str) -> None:
    data = SHAPES["llama-plain"].model_dump()
    if change in ("mixers", "tied"):
        del data[change]
    elif change == "inside":
        data["mixers"][0][change] = 4
    else:
        data[change] = 0
    with pytest.raises(ValidationError, match=change):
        read_shape(data)


def test_shapes_are_read_and_counted_without_torch() -> None:
    lines = "import sys, endonym.model.config, endonym.model.families, endonym.model.count"
    code = f"{lines}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
