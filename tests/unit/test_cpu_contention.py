"""Training says once that other programs take the processor from it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from endonym import cpu_contention, device
from endonym.cpu_contention import WINDOW, ContentionMonitor, OtherProcesses


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else computes on this machine of two cores, whatever runs beside the tests."""
    monkeypatch.setattr(OtherProcesses, "cores_used", lambda _: 0.0)
    monkeypatch.setattr(cpu_contention, "_own_cores", lambda: {0, 1})
    monkeypatch.setattr(device, "threads", lambda: 2)


def warnings_of(seconds: list[float], device_name: str = "cpu") -> list[str]:
    seen = ContentionMonitor(device_name)
    found = [seen.warning(each) for each in seconds]
    return [said for said in found if said is not None]


def test_steps_that_become_many_times_as_slow_are_said_once_with_what_helps() -> None:
    (said,) = warnings_of([0.1] * 50 + [3.0] * 100)
    assert said.startswith("steps take ")
    assert 14 < float(said.split()[2]) <= 30
    assert "OMP_NUM_THREADS=1" in said
    assert "not the same to the last bit" in said


@pytest.mark.parametrize(("name", "threads"), [("cuda:0", 2), ("cpu", 1)])
def test_fewer_threads_help_only_where_several_train(
    name: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "threads", lambda: threads)
    (said,) = warnings_of([0.1] * 50 + [3.0] * 100, name)
    assert "OMP_NUM_THREADS" not in said


def test_a_slow_start_single_odd_steps_and_twice_as_slow_are_no_reason() -> None:
    assert warnings_of([3.0] * 5 + [0.1] * 200) == []
    assert warnings_of(([0.1] * (WINDOW - 2) + [9.0, 0.001]) * 10) == []
    assert warnings_of([0.1] * 50 + [0.2] * 200) == []


def test_a_machine_that_is_busy_from_the_start_is_said_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(OtherProcesses, "cores_used", lambda _: 1.2)
    (said,) = warnings_of([0.1] * 100)
    assert said.startswith("other programs take 1.2 of the 2 cores of training. Stop them")
    assert warnings_of([0.1] * 100, "cuda:0") == []


def test_cores_that_training_leaves_free_may_be_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OtherProcesses, "cores_used", lambda _: 1.2)
    monkeypatch.setattr(device, "threads", lambda: 1)
    assert warnings_of([0.1] * 100) == []


def test_processes_of_one_training_are_not_in_each_others_way(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(OtherProcesses, "cores_used", lambda _: 1.2)
    monkeypatch.setattr(device, "process_info", lambda: device.ProcessInfo(size=2, local_size=2))
    assert warnings_of([0.1] * 100) == []


def test_a_silent_system_is_not_asked_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.undo()
    monkeypatch.setattr(cpu_contention, "STAT", tmp_path / "none")
    assert OtherProcesses().cores_used() is None
    assert warnings_of([0.1] * 100) == []


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="Linux counts the work of its cores")
def test_what_another_process_computes_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    busy = "print('begun', flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", busy], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"begun\n"
        with_other = OtherProcesses()
        time.sleep(1.0)
        beside = with_other.cores_used()
        other.kill()
    assert beside is not None
    assert beside > 0.3


def test_work_of_the_own_cores_counts_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    lines = [f"cpu{core} 1 2 4 1000 2000 8 16 32 4000 8000" for core in ("", 0, 1, 2)]
    (tmp_path / "stat").write_text("\n".join([*lines, "intr 7"]), encoding="utf-8")
    monkeypatch.setattr(cpu_contention, "STAT", tmp_path / "stat")
    monkeypatch.setattr(os, "sysconf", {"SC_CLK_TCK": 10}.get)
    assert OtherProcesses().all_seconds == pytest.approx(2 * 63 / 10)


def test_own_work_is_not_that_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """In two seconds the cores worked three, of which this process two and a half."""
    monkeypatch.undo()
    clocks = {"_cpu_seconds": [10.0, 13.0], "perf_counter": [0.0, 2.0], "process_time": [1.0, 3.5]}
    monkeypatch.setattr(cpu_contention, "_cpu_seconds", lambda: clocks["_cpu_seconds"].pop(0))
    for name in ("perf_counter", "process_time"):
        monkeypatch.setattr(cpu_contention.time, name, lambda name=name: clocks[name].pop(0))
    assert OtherProcesses().cores_used() == 0.25
