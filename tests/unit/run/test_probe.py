"""How fast this machine trains a shape."""

from pathlib import Path

import pytest

from endonym import device
from endonym.model.config import ModelConfig
from endonym.model.families import resolve
from endonym.model.keys import MixerKeys, ModelKeys
from endonym.run import probe


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.05)
    monkeypatch.setattr(probe, "BATCH_TOKENS", 128)
    monkeypatch.setattr(device, "cores", lambda: 1)


def shape(dim: int) -> ModelConfig:
    return resolve(ModelKeys(dim=dim, layers=1, mixer=MixerKeys(heads=1)), vocab=300, context=64)


def test_a_small_shape_trains_faster_than_a_large_one() -> None:
    small, large = (probe.training_speed(shape(dim), "fp32") for dim in (16, 512))
    assert small > large > 0


def test_the_format_is_the_one_whose_products_are_faster_here(tmp_path: Path) -> None:
    file = tmp_path / "machine.json"
    device.machine(file, "matmul_per_second", lambda: {"fp32": 1.0, "bf16": 2.0})
    assert probe.best_number_format(file) == "bf16"
