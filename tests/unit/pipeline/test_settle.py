"""What is settled once the tokens are counted, and for which device."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from endonym import device
from endonym.autopilot import probe
from endonym.autopilot.model_size import Choice, Choices
from endonym.autopilot.resolve import ResolvedTraining
from endonym.log import Log
from endonym.pipeline import execute, sources, tuning
from endonym.pipeline import settle as settling
from endonym.pipeline.execute import run_recipe
from endonym.pipeline.settle import Lockfile, settle
from endonym.recipe.recipe import Recipe
from endonym.store import Artifact, Store

Captured = pytest.CaptureFixture[str]

Patch = pytest.MonkeyPatch


@dataclass
class Counted:
    """The small recipe with its shards, to be settled anew."""

    recipe: Recipe
    shards: Artifact
    folder: Path

    def settle(self, target: str, tune_minutes: float | None = None) -> ResolvedTraining:
        store, log = Store(self.folder / "store"), Log(quiet=True)
        raw = sources.hash_all(sources.find(self.recipe), store, log)
        lock = Lockfile(self.folder, self.recipe, raw, replan=False)
        given: dict[str, Any] = {
            "examples": {},
            "tune_minutes": tune_minutes,
            "target": target,
            "log": log,
        }
        given["machine_file"] = self.folder / "machine.json"
        return settle(self.recipe, lock, self.shards, lambda _: "this training", **given)


@pytest.fixture
def counted(finished: Path, tmp_path: Path, monkeypatch: Patch) -> Counted:
    plan = json.loads((finished / "runs" / "kechkena" / "plan.json").read_text(encoding="utf-8"))
    (made,) = (each["id"] for each in plan["stages"] if each["stage"] == "shards")
    shards = Store(finished / "store").find("shards", made)
    assert shards is not None
    monkeypatch.setattr(device, "probe_number_formats", lambda: {"fp32": 1e9, "bf16": 1e9})
    return Counted(Recipe.load(finished / "recipe.toml"), shards, tmp_path)


def test_a_year_is_said_on_a_machine_where_nothing_was_measured_before(
    counted: Counted, capsys: Captured
) -> None:
    assert counted.recipe.phase[0].number_format == "fp32"
    counted.recipe = counted.recipe.with_values({"phase.0.steps": 10**9, "phase.0.compile": "off"})
    counted.settle("cpu")
    said = capsys.readouterr().err
    assert "years" in said
    assert "steps = " in said


def test_a_year_is_said_of_a_gpu_too_by_a_few_steps_there(
    counted: Counted, capsys: Captured, monkeypatch: Patch
) -> None:
    def plain(decoder: object, config: object, device: str, document: int) -> float:
        assert device == "cuda:3"
        return 1000.0

    monkeypatch.setattr(probe, "plain", plain)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda name: "a GPU")
    monkeypatch.setattr(settling.resolve, "free_memory_bytes", lambda target: 1 << 40)
    keys = {"phase.0.steps": None, "phase.0.tokens": 10**12, "phase.0.compile": "off"}
    counted.recipe = counted.recipe.with_values(keys)
    counted.settle("cuda:3")
    assert "(31.7 years)" in capsys.readouterr().err


def test_another_device_reaches_all_that_is_decided_for_it(
    counted: Counted, monkeypatch: Patch
) -> None:
    reached: list[str] = []

    def formats(recipe: Recipe, machine_file: Path, target: str) -> Choices:
        reached.append(f"formats {target}")
        return {}

    def tuned(training: object, shards: object, minutes: float, log: Log, target: str) -> Choices:
        reached.append(f"tune {target}")
        return {"phase.0.lr": Choice(7e-3, "tried")}

    def compiling(
        recipe: Recipe,
        training: ResolvedTraining,
        facts: object,
        *,
        machine_file: Path,
        target: str,
    ) -> Choices:
        reached.append(f"compile {target} at {training.phases[0].lr}")
        return {}

    def free(target: str) -> int:
        reached.append(f"memory {target}")
        return 1 << 40

    monkeypatch.setattr(settling.resolve, "number_formats", formats)
    monkeypatch.setattr(settling.resolve, "free_memory_bytes", free)
    monkeypatch.setattr(settling.resolve, "compile_choices", compiling)
    monkeypatch.setattr(tuning, "tune", tuned)
    monkeypatch.setattr(device, "probe_number_formats", lambda: pytest.fail("asked the processor"))
    monkeypatch.setattr(
        settling, "seconds_a_token", lambda *_, target, **__: reached.append(target)
    )
    training = counted.settle("cuda:3", tune_minutes=1.0)
    calls = ["formats cuda:3", "memory cuda:3", "cuda:3", "tune cuda:3", "compile cuda:3 at 0.007"]
    assert reached == calls
    assert training.phases[0].lr == 7e-3


def test_a_run_settles_for_the_device_that_was_picked(
    finished: Path, tmp_path: Path, monkeypatch: Patch
) -> None:
    def stop(*_: object, target: str, **__: object) -> Recipe:
        raise KeyboardInterrupt(target)

    monkeypatch.setattr(execute, "pick", lambda name: f"{name}:1")
    monkeypatch.setattr(execute, "settle", stop)
    recipe, log = Recipe.load(finished / "recipe.toml"), Log(quiet=True)
    for asked, target in ((None, "cpu"), ("cuda", "cuda:1")):
        with pytest.raises(KeyboardInterrupt, match=target):
            run_recipe(recipe, Store(tmp_path / "store"), log, device=asked)
