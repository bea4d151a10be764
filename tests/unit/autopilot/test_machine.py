"""What was measured on this machine is remembered, and measured anew on another."""

from pathlib import Path

import pytest

from endonym import device
from endonym.autopilot import machine
from endonym.store import read_if_whole


def refuse() -> float:
    """A measurement that must not be made."""
    raise AssertionError("measured although it was known")


def test_a_measurement_is_made_once_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "store" / "machine.json"
    assert machine.known(file, "speed") is None
    assert machine.remembered(file, "speed", lambda: 5_400.0) == 5_400.0
    assert machine.remembered(file, "speed", refuse) == 5_400.0
    assert machine.known(file, "speed") == 5_400.0
    assert machine.known(file, "another key") is None


def test_a_second_key_keeps_the_first(tmp_path: Path) -> None:
    file = tmp_path / "machine.json"
    machine.remembered(file, "speed", lambda: 1.0)
    machine.remembered(file, "matmul", lambda: {"fp32": 2.0, "bf16": 3.0})
    assert machine.remembered(file, "speed", refuse) == 1.0
    assert machine.known(file, "matmul") == {"fp32": 2.0, "bf16": 3.0}


def test_a_store_carried_to_another_machine_is_measured_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "machine.json"
    monkeypatch.setattr(device, "processor", lambda: "Elbrus-8S")
    machine.remembered(file, "speed", lambda: 1.0)
    monkeypatch.setattr(device, "processor", lambda: "Apple M1 Pro")
    assert machine.known(file, "speed") is None
    assert machine.remembered(file, "speed", lambda: 2.0) == 2.0
    monkeypatch.setattr(device, "processor", lambda: "Elbrus-8S")
    assert machine.remembered(file, "speed", refuse) == 1.0
    assert len(read_if_whole(file)) == 2


def test_what_was_measured_here_can_be_forgotten_and_elsewhere_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "machine.json"
    machine.forget(file)
    assert not file.exists()
    monkeypatch.setattr(device, "processor", lambda: "Elbrus-8S")
    machine.remembered(file, "speed", lambda: 1.0)
    monkeypatch.setattr(device, "processor", lambda: "Apple M1 Pro")
    machine.remembered(file, "speed", lambda: 2.0)
    machine.forget(file)
    assert machine.remembered(file, "speed", lambda: 3.0) == 3.0
    monkeypatch.setattr(device, "processor", lambda: "Elbrus-8S")
    assert machine.remembered(file, "speed", refuse) == 1.0


def test_another_number_of_threads_is_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "machine.json"
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(device, "cores", lambda: 8)
    machine.remembered(file, "speed", lambda: 8.0)
    monkeypatch.setattr(device, "cores", lambda: 2)
    assert machine.known(file, "speed") is None
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert machine.known(file, "speed") == 8.0


def test_a_broken_memory_is_measured_again(tmp_path: Path) -> None:
    file = tmp_path / "machine.json"
    file.write_text('{"half', encoding="utf-8")
    assert machine.known(file, "speed") is None
    assert machine.remembered(file, "speed", lambda: 3.0) == 3.0


def test_guests_of_one_name_and_other_units_are_other_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, cores = tmp_path / "machine.json", tmp_path / "cpuinfo"
    monkeypatch.setattr(device, "CORES", cores)
    for units, found in (("avx2 amx_tile", 1.0), ("avx2", 2.0), ("avx2 amx_tile", 1.0)):
        lines = "processor : 0\nmodel name : Rented Processor\nflags : " + units
        cores.write_text(lines + "\n", encoding="utf-8")
        assert device.processor() == "Rented Processor"
        assert machine.remembered(file, "speed", lambda found=found: found) == found
    assert len(read_if_whole(file)) == 2
