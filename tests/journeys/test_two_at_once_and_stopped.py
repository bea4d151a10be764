"""Two runs on one store, and a run that is stopped by hand: real processes, real signals."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from interrupts import heed_interrupts

PROGRAM = """
import os, random, sys
core = random.Random(os.getpid()).choice(sorted(os.sched_getaffinity(0)))
os.sched_setaffinity(0, {core})
from endonym import device
from endonym.cli.main import main
from endonym.pipeline import progress
device.PROBE_SECONDS, progress.SAMPLE_TOKENS = 0.05, 8
main(sys.argv[1:])
"""
"""The command on one core: two torch threads on a busy machine wait for one another.

The machine is measured in an instant, and the samples of a training are short.
"""


def start(recipe: Path, store: Path, *flags: str) -> subprocess.Popen[str]:
    """`endonym run` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "run", str(recipe), "--store", str(store), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )


@pytest.fixture
def recipe(small_recipe: Callable[[Path], Path], tmp_path: Path) -> Path:
    """The small recipe without its export, whose library takes each process seconds to import."""
    found = small_recipe(tmp_path / "project")
    text = found.read_text(encoding="utf-8").partition("[[export]]")[0]
    found.write_text(text, encoding="utf-8")
    return found


def artefacts(store: Path) -> dict[str, str]:
    """SHA-256 of every file of every artefact but exports."""
    return {
        path.relative_to(store).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for manifest in store.glob("*/*/manifest.json")
        for path in manifest.parent.rglob("*")
        if path.is_file() and manifest.parts[-3] != "export"
    }


def journal(store: Path) -> list[int]:
    """The steps that the model's journal tells."""
    (path,) = (store / "journal").glob("model-*.jsonl")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [line["step"] for line in lines if line.get("event") == "step"]


def test_two_runs_of_one_recipe_both_end_well_with_the_same_artefacts(
    finished: Path, recipe: Path, tmp_path: Path
) -> None:
    store = tmp_path / "project" / "store"
    both = [start(recipe, store, "--json") for _ in range(2)]
    ends = [each.communicate() for each in both]
    assert [each.returncode for each in both] == [0, 0], ends
    assert "Traceback" not in "".join(err for _, err in ends)
    assert artefacts(store) == artefacts(finished / "store")
    assert not list(store.glob("*/*.part"))
    stages = [json.loads(out.splitlines()[-1])["stages"] for out, _ in ends]
    assert [each["id"] for each in stages[0]] == [each["id"] for each in stages[1]]
    makers = [sum(each["made"] for each in pair) for pair in zip(*stages, strict=True)]
    assert makers == [1] * len(makers)
    metrics = (tmp_path / "project" / "runs" / "kechkena" / "metrics.jsonl").read_text()
    steps = [json.loads(line)["step"] for line in metrics.splitlines() if '"event": "step"' in line]
    assert steps == list(range(41))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_training_is_saved_and_the_same_command_goes_on(
    finished: Path, prepared: Path, command: Callable[..., Any], number: signal.Signals
) -> None:
    recipe, store = prepared, prepared.parent / "store"
    stopped = start(recipe, store, "--json", "-v")
    assert stopped.stderr is not None
    for line in stopped.stderr:
        if re.search(r"step +8 of 40", line):
            os.kill(stopped.pid, number)
            break
    out, err = stopped.communicate()
    assert stopped.returncode == 130, err
    assert "Traceback" not in out + err
    assert "saved in" in err
    assert json.loads(out.splitlines()[-1])["error"]["kind"] == "Interrupted"
    before = journal(store)
    assert before == list(range(before[-1] + 1))
    assert 8 <= before[-1] < 40
    assert f" and model pretrain up to step {before[-1]}." in err
    again = command("run", recipe, "-v", "--store", store)
    assert again.code == 0, again.err
    assert f"goes on from step {before[-1]}" in again.err
    assert artefacts(store) == artefacts(finished / "store")
    assert journal(store) == list(range(41))


def test_a_run_stopped_before_training_is_interrupted_too(recipe: Path) -> None:
    stopped = start(recipe, recipe.parent / "store", "-v")
    assert stopped.stderr is not None
    for line in stopped.stderr:
        if line.startswith("source"):
            os.kill(stopped.pid, signal.SIGINT)
            break
    out, err = stopped.communicate()
    assert stopped.returncode == 130, err
    assert "Traceback" not in out + err
    assert "interrupted" in err
