"""`endonym run --processes 2`: one of them killed, the run stopped by hand, and torchrun,
on one machine and as if on two."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from interrupts import heed_interrupts

from endonym.train import checkpoint

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
LONG = ("-v", "--set", "phase.0.steps=5000", "--set", "phase.0.shard=weights")
SHORT = ("-v", "--set", "phase.0.steps=8")
STEP_16 = r"step +16 of 5000\b"
"""The second validation, after which there is a checkpoint."""


def start(*arguments: object) -> "subprocess.Popen[str]":
    """A Python program in a session of its own, as from a terminal."""
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),  # Without it, readline's COLUMNS, which pytest brings, is passed on.
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )


def wait_for(process: "subprocess.Popen[str]", pattern: str) -> str:
    """What a process says up to the line in which this is found."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if re.search(pattern, line):
            return said
    raise AssertionError(said)


def children(process: "subprocess.Popen[str]") -> dict[int, int]:
    """The processes it started, by rank."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return {
        int(entry.removeprefix("RANK=")): int(pid)
        for pid in listed
        for entry in Path(f"/proc/{pid}/environ").read_text().split("\0")
        if entry.startswith("RANK=")
    }


def test_a_killed_process_ends_the_others_and_the_same_command_goes_on(
    prepared: Path,
) -> None:
    recipe, store = prepared, prepared.parent / "store"
    given = ("endonym", "run", recipe, "--store", store, "--processes", 2, *LONG)
    killed = start(*given)
    said = wait_for(killed, STEP_16)
    assert "2 processes, weights in shards" in said
    ranks = children(killed)
    assert sorted(ranks) == [0, 1]
    began = time.monotonic()
    os.kill(ranks[1], signal.SIGKILL)
    _, err = killed.communicate(timeout=300)
    assert time.monotonic() - began < 120
    assert killed.returncode == 1, err
    assert err.count("process 2 of 2: was killed") == 1
    assert "Traceback" not in err
    assert [line for line in err.splitlines() if "step" not in line][:1] == [
        "process 2 of 2: was killed (SIGKILL; if nobody did it, memory ran out)"
    ]
    assert not any(Path(f"/proc/{pid}").exists() for pid in ranks.values())
    (part,) = store.glob("model/*.part")
    kept = checkpoint.last(part)
    assert kept is not None
    assert kept.state.step >= 16
    again = start(*given)
    wait_for(again, rf"goes on from step {kept.state.step}\b")
    wait_for(again, "· dev ")
    os.kill(again.pid, signal.SIGINT)
    _, err = again.communicate(timeout=60)
    assert again.returncode == 130, err
    assert err.count("stopped after step") == err.count("interrupted") == 1
    assert "Traceback" not in err
    last = checkpoint.last(part)
    assert last is not None
    assert f"stopped after step {last.state.step}," in err


def test_processes_whose_launcher_was_killed_save_and_end(
    prepared: Path,
) -> None:
    recipe, store = prepared, prepared.parent / "store"
    launcher = start("endonym", "run", recipe, "--store", store, "--processes", 2, *LONG)
    wait_for(launcher, STEP_16)
    ranks = children(launcher)
    assert sorted(ranks) == [0, 1]
    try:
        launcher.kill()
        due = time.monotonic() + 30
        while any(map(is_running, ranks.values())) and time.monotonic() < due:
            time.sleep(0.05)
        assert not any(map(is_running, ranks.values()))
    finally:
        for pid in filter(is_running, ranks.values()):
            os.kill(pid, signal.SIGKILL)
    _, err = launcher.communicate(timeout=300)
    (part,) = store.glob("model/*.part")
    last = checkpoint.last(part)
    assert last is not None
    assert f"stopped after step {last.state.step}," in err


def is_running(pid: int) -> bool:
    """Whether a process has not ended; one that nobody has asked for its end is a zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_two_launchers_of_torchrun_that_meet_train_one_model(
    prepared: Path,
) -> None:
    recipe, store = prepared, prepared.parent / "store"
    with socket.create_server(("127.0.0.1", 0)) as free:
        endpoint = f"127.0.0.1:{free.getsockname()[1]}"
    meeting = ("--rdzv-backend", "c10d", "--rdzv-endpoint", endpoint, "--rdzv-id", "tatar")
    torchrun = ("torch.distributed.run", "--nnodes", 2, "--nproc-per-node", 1, *meeting)
    given = (*torchrun, "-m", "endonym", "run", recipe, "--store", store, *SHORT)
    machines = [start(*given) for _ in "ab"]
    outputs = [machine.communicate(timeout=120) for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], outputs
    assert sum(err.count("2 processes") for _, err in outputs) == 1, outputs
    assert sum(out.count("\ntest documents\n") for out, _ in outputs) == 1
    assert len(list(store.glob("model/*/weights.safetensors"))) == 1
