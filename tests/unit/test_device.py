"""What a machine is asked once and then remembered."""

import json
import os
from pathlib import Path

import pytest

from endonym import device
from endonym.errors import RecipeError


def refuse() -> float:
    """A measurement that must not be made."""
    raise AssertionError("measured although it was known")


def test_a_measurement_is_made_once_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "store" / "machine.json"
    assert device.known_here(file, "speed") is None
    assert device.machine(file, "speed", lambda: 5_400.0) == 5_400.0
    assert device.machine(file, "speed", refuse) == 5_400.0
    assert device.known_here(file, "speed") == 5_400.0
    assert device.known_here(file, "another key") is None


def test_a_second_key_keeps_the_first(tmp_path: Path) -> None:
    file = tmp_path / "machine.json"
    device.machine(file, "speed", lambda: 1.0)
    device.machine(file, "matmul", lambda: {"fp32": 2.0, "bf16": 3.0})
    assert device.machine(file, "speed", refuse) == 1.0
    assert device.known_here(file, "matmul") == {"fp32": 2.0, "bf16": 3.0}


def test_a_store_carried_to_another_machine_is_measured_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "machine.json"
    monkeypatch.setattr(device, "processor", lambda: "Elbrus-8S")
    device.machine(file, "speed", lambda: 1.0)
    monkeypatch.setattr(device, "processor", lambda: "Apple M1 Pro")
    assert device.known_here(file, "speed") is None
    assert device.machine(file, "speed", lambda: 2.0) == 2.0
    monkeypatch.setattr(device, "processor", lambda: "Elbrus-8S")
    assert device.machine(file, "speed", refuse) == 1.0
    assert len(json.loads(file.read_text(encoding="utf-8"))) == 2


def test_another_number_of_threads_is_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "machine.json"
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(device, "cores", lambda: 8)
    device.machine(file, "speed", lambda: 8.0)
    monkeypatch.setattr(device, "cores", lambda: 2)
    assert device.known_here(file, "speed") is None
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert device.known_here(file, "speed") == 8.0


@pytest.mark.parametrize(("asked", "threads"), [("3", 3), ("0", 5), ("many", 5), ("", 5)])
def test_threads_are_as_many_as_asked_for_else_one_a_core(
    monkeypatch: pytest.MonkeyPatch, asked: str, threads: int
) -> None:
    monkeypatch.setattr(device, "cores", lambda: 5)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert device.threads() == threads


def test_a_broken_memory_is_measured_again(tmp_path: Path) -> None:
    file = tmp_path / "machine.json"
    file.write_text('{"half', encoding="utf-8")
    assert device.known_here(file, "speed") is None
    assert device.machine(file, "speed", lambda: 3.0) == 3.0


def test_cores_are_those_this_process_may_use() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert device.cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert device.cores() == len(before)


def test_half_precision_must_be_clearly_faster_to_be_chosen() -> None:
    assert device.faster_format({"fp32": 100.0, "bf16": 129.0}) == "fp32"
    assert device.faster_format({"fp32": 100.0, "bf16": 131.0}) == "bf16"


def test_a_device_that_is_not_here_is_refused_with_those_that_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert device.pick(None) == "cpu"
    assert device.pick("cpu") == "cpu"
    with pytest.raises(RecipeError, match="no cuda here") as caught:
        device.pick("cuda")
    assert caught.value.exit_code == 2
    assert caught.value.do == "This machine has: cpu."


def test_a_gpu_is_taken_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert device.pick(None) == "cpu"
    assert device.pick("cuda") == "cuda"
    assert device.pick("cuda:1") == "cuda:1"
    assert device.pick("cpu") == "cpu"


def test_the_versions_that_explain_a_difference_are_all_named() -> None:
    found = device.versions()
    assert set(found) == {"endonym", "torch", "numpy", "tokenizers", "python", "platform"}
    assert found["endonym"] == "0.1.0"


def test_free_memory_is_some_and_no_more_than_there_is() -> None:
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 10_000_000 < device.free_memory_bytes() <= whole


def test_probing_measures_both_formats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "PROBE_SECONDS", 0.02)
    monkeypatch.setattr(device, "cores", lambda: 1)
    rates = device.probe_number_formats()
    assert set(rates) == {"fp32", "bf16"}
    assert all(rate > 1e6 for rate in rates.values())


def groups(folder: Path, limits: dict[str, str]) -> None:
    for name, text in limits.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("limits", "free"),
    [
        ({"memory.max": "1000\n", "memory.current": "700\n"}, 450),
        ({"memory.max": "max\n", "memory.current": "700\n"}, None),
        ({"memory/memory.limit_in_bytes": "900", "memory/memory.usage_in_bytes": "500"}, 550),
        ({}, None),
    ],
)
def test_what_is_free_is_what_a_container_may_still_take(
    limits: dict[str, str], free: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "CONTROL_GROUPS", tmp_path)
    for place in {Path(name).parent for name in limits}:
        limits = {**limits, str(place / "memory.stat"): "anon 400\ninactive_file 150\n"}
    groups(tmp_path, limits)
    found = device.free_memory_bytes()
    assert found == free if free is not None else found > 1 << 20
