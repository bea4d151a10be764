"""How fast this machine trains a shape."""

import pytest

from endonym import device
from endonym.model.config import ModelConfig
from endonym.model.families import resolve
from endonym.model.keys import MixerKeys, ModelKeys
from endonym.run import probe
from endonym.train.config import Phase


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.05)
    monkeypatch.setattr(device, "cores", lambda: 1)


def shape(dim: int) -> ModelConfig:
    return resolve(ModelKeys(dim=dim, layers=1, mixer=MixerKeys(heads=1)), vocab=300, context=64)


def test_a_small_shape_trains_faster_than_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "obstacle", lambda shape: "not here")
    phase = Phase(number_format="fp32", batch_tokens=128)
    small, large = (probe.pace(shape(dim), phase)["plain"] for dim in (16, 512))
    assert small is not None
    assert large is not None
    assert small > large > 0
