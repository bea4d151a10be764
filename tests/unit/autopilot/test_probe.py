"""How fast this machine trains a shape."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from toys import train_config

from endonym import device
from endonym.autopilot import probe
from endonym.autopilot.machine import measured_pace
from endonym.autopilot.workload import Workload
from endonym.errors import OutOfMemory
from endonym.model.config import MixerKeys, ModelConfig, ModelKeys
from endonym.model.families import resolve
from endonym.train.compile import unsupported_reason

PHASE = train_config(number_format="fp32", batch_tokens=128, context=64)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "cores", lambda: 1)
    monkeypatch.setattr(probe, "SECONDS", 0.2)


def shape(dim: int) -> ModelConfig:
    return resolve(ModelKeys(dim=dim, layers=1, mixer=MixerKeys(heads=1)), vocab=300, context=64)


def steps_of(device: str = "cpu", **keys: object) -> probe.Steps:
    config = train_config(number_format="fp32", context=64, **keys)
    return probe.Steps(probe.fresh(shape(16)), config, device)


def test_a_small_shape_trains_faster_than_a_large_one_and_not_compiled_without_a_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "unsupported_reason", lambda shape, device: "not here")
    small, large = (probe.pace(Workload(shape(dim), PHASE))["plain"] for dim in (16, 512))
    assert small > large > 0
    assert probe.plain(probe.fresh(shape(16)), PHASE) > large
    found = measured_pace(Workload(shape(16), PHASE), tmp_path / "machine.json")
    assert found.plain > 0
    assert found.compiled is None


PROBED = """
from endonym.model.families import resolve
from endonym.model.config import MixerKeys, ModelKeys
from endonym.autopilot import probe
from endonym.autopilot.machine import usual_training
from endonym.autopilot.workload import Workload

probe.SECONDS = 0.05
keys = ModelKeys(dim=16, layers=1, mixer=MixerKeys(heads=1))
shape = resolve(keys, vocab=300, context=64)
phase = usual_training({"fp32": 2.0, "bf16": 1.0}).but(batch_tokens=128)
found = probe.pace(Workload(shape, phase))
assert found["plain"] > 0
assert "compiled" not in found
print(found["failure"])
"""


@pytest.mark.skipif(unsupported_reason(shape(16)) is not None, reason="no C++ compiler here")
def test_a_compiler_without_pythons_headers_is_told_in_a_line(
    broken_compiler: dict[str, str],
) -> None:
    command = [sys.executable, "-W", "ignore", "-c", PROBED]
    done = subprocess.run(command, env=broken_compiler, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "main.cpp:5: fatal error: Python.h: No such file or directory"


def test_of_a_large_batch_only_two_parts_are_made_and_one_is_held_at_once() -> None:
    steps = steps_of(batch_tokens=1 << 30, micro_tokens=200)
    assert steps.batch.tokens_BT.shape == (6, 64)
    seen: list[int] = []
    steps.decoder.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    steps.take()
    assert seen == [3, 3]
    assert steps_of(batch_tokens=128).batch.tokens_BT.shape == (2, 64)
    documents = probe.Steps(probe.fresh(shape(16)), PHASE, "cpu", 20).batch.documents_BT
    assert documents.tolist() == [[0] * 20 + [1] * 20 + [2] * 20 + [3] * 4] * 2


def test_the_end_of_memory_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError("std::bad_alloc")

    monkeypatch.setattr(probe, "take_step", full)
    measures = (
        lambda: probe.pace(Workload(shape(16), PHASE)),
        lambda: probe.plain(probe.fresh(shape(16)), PHASE),
    )
    for measure in measures:
        with pytest.raises(OutOfMemory, match="asked for") as caught:
            measure()
        assert "micro_tokens" in caught.value.do


def test_a_step_is_over_when_its_device_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def module(device: torch.device) -> SimpleNamespace:
        return SimpleNamespace(synchronize=lambda: said.append(f"waited for {device}"))

    steps = steps_of()
    steps.device = torch.device("cuda:1")
    monkeypatch.setattr(probe, "take_step", lambda *_, **__: said.append("step"))
    monkeypatch.setattr(torch, "get_device_module", module)
    steps.take()
    assert said == ["step", "waited for cuda:1"]


def test_weights_and_batch_stand_on_the_device_that_is_measured() -> None:
    steps = steps_of("meta", batch_tokens=128)
    there = [*steps.decoder.parameters(), *steps.optimizer.masters]
    there += [steps.batch.tokens_BT, steps.batch.targets_BT, steps.batch.documents_BT]
    assert {str(each.device) for each in there} == {"meta"}
