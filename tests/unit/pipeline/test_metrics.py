"""The numbers of training while it goes on: in files, in TensorBoard, and at a service."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_project import Killed
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from endonym.log import Log, append_jsonl
from endonym.pipeline.metrics import Metrics
from endonym.recipe.recipe import Recipe, overrides_name
from endonym.train.loop import Report, as_metrics

Patch = pytest.MonkeyPatch

Say = Callable[..., Any]
FAKE = """
import json, pathlib
CALLS = pathlib.Path(__file__).with_suffix(".jsonl")
def note(*call):
    with CALLS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(call) + "\\n")
def init(**keys):
    print("a service that prints")
    note("init", keys)
def log(values, step):
    if step == FAILS:
        raise ConnectionError("no route to host")
    note("log", step, values)
def finish():
    note("finish")
"""


@pytest.fixture
def recipe(prepared: Path) -> Path:
    text = prepared.read_text(encoding="utf-8").replace("steps = 40", "steps = 20")
    prepared.write_text(text, encoding="utf-8")
    return prepared


@pytest.fixture
def service(tmp_path: Path, monkeypatch: Patch) -> Callable[..., Path]:
    """Installs a module that writes down how it is called, and gives the file."""

    def install(name: str, fails: int = -1) -> Path:
        folder = tmp_path / "packages"
        folder.mkdir()
        (folder / f"{name}.py").write_text(f"FAILS = {fails}\n{FAKE}", encoding="utf-8")
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return folder / f"{name}.jsonl"

    return install


def calls(file: Path) -> list[list[Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def run_of(recipe: Path, *sets: str) -> Path:
    """The folder of the run with these overrides."""
    return recipe.parent / "runs" / f"kechkena{overrides_name(sets)}"


def steps(run: Path) -> list[int]:
    """The steps in a run's metrics.jsonl."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [line["step"] for line in map(json.loads, lines) if line["event"] == "step"]


def shown(run: Path) -> list[int]:
    """The steps of one metric in a run's TensorBoard events."""
    (events,) = (run / "tensorboard").iterdir()
    return [
        event.step
        for event in EventFileLoader(str(events)).Load()
        if any(value.tag == "model pretrain/lr" for value in event.summary.value)
    ]


def test_each_step_is_told_while_training(recipe: Path, command: Say, service: Callable[..., Path]):
    told = service("trackio")
    run, seen = run_of(recipe, 'track.to=["trackio"]'), []

    def look(report: Report) -> dict[str, Any]:
        if report.step > 1:
            seen.append((report.step - 1, steps(run)[-1], shown(run)[-1], calls(told)[-1][1]))
        return as_metrics(report)

    given = ["run", recipe, "--store", recipe.parent / "store", "--set", 'track.to=["trackio"]']
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("endonym.pipeline.progress.as_metrics", look)
        killed = [*given, "--until", "model", "--json"]
        said = command(*killed)
    assert said.code == 0, said.err
    assert len(seen) == 19
    assert all(len(set(each)) == 1 for each in seen)
    assert steps(run) == shown(run) == list(range(21))
    init, *logs, finish = calls(told)
    told = {"project": "kechkena", "group": run.name, "resume": "allow"}
    assert told.items() <= init[1].items()
    assert init[1]["name"].startswith(f"{run.name} model pretrain ")
    assert [each[1] for each in logs] == list(range(21))
    assert all("train_bits_per_byte" in each[2] for each in logs[1:])
    assert finish == ["finish"]
    assert len(said.out.splitlines()) == 1, "what a service prints is no result"


def test_a_step_that_is_repeated_after_a_kill_is_told_once(
    recipe: Path, command: Say, service: Callable[..., Path], monkeypatch: Patch
) -> None:
    told = service("wandb")
    run = run_of(recipe, 'track.to=["wandb"]', "track.project=телләр")
    given = ["run", recipe, "--store", recipe.parent / "store", "--set", 'track.to=["wandb"]']
    given += ["--set", "track.project=телләр", "--until", "model"]

    def die(report: Report) -> dict[str, Any]:
        if report.step == 13:
            raise Killed
        return as_metrics(report)

    with monkeypatch.context() as patch:
        patch.setattr("endonym.pipeline.progress.as_metrics", die)
        with pytest.raises(Killed):
            command(*given)
    assert steps(run) == shown(run) == list(range(13))
    assert "goes on from step 8" in command(*given).err
    assert steps(run) == shown(run) == list(range(21))
    found = calls(told)
    assert [each[1] for each in found if each[0] == "log"] == list(range(21))
    assert [each[0] for each in found if each[0] != "log"] == ["init", "finish"] * 2
    one, two = (each[1] for each in found if each[0] == "init")
    assert one == two
    assert (one["project"], len(one["id"])) == ("телләр", 12)


def test_training_survives_a_service(recipe: Path, command: Say, service: Callable[..., Path]):
    told = service("wandb", fails=5)
    given = ["run", recipe, "--store", recipe.parent / "store", "--set", 'track.to=["wandb"]']
    said = command(*given, "--until", "model")
    assert said.code == 0
    assert said.err.count("tracking with wandb has stopped: ConnectionError: no route to host") == 1
    assert [each[1] for each in calls(told)[1:]] == list(range(5))
    assert steps(run_of(recipe, 'track.to=["wandb"]')) == list(range(21))


def test_a_missing_service_is_refused_at_once(recipe: Path, command: Say, monkeypatch: Patch):
    monkeypatch.setattr("endonym.pipeline.metrics.find_spec", lambda name: None)
    given = [recipe, "--store", recipe.parent / "other", "--set", 'track.to=["trackio"]']
    for name in ("check", "run"):
        said = command(name, *given, "--json")
        assert said.code == 2
        assert "names trackio, which is not installed" in said.json()["error"]["message"]
        assert "pip install trackio" in said.json()["error"]["do"]
    assert not (recipe.parent / "other").exists()


def test_a_journal_that_goes_back_makes_both_files_go_back(recipe: Path, tmp_path: Path) -> None:
    """As when the loss explodes: the steps after the checkpoint are trained again."""
    journal, run = tmp_path / "journal.jsonl", tmp_path / "run"
    metrics = Metrics(run, Recipe.load(recipe), Log(quiet=True))
    earlier = tmp_path / "earlier.jsonl"
    append_jsonl(earlier, {"event": "step", "step": 0, "lr": 0.5})
    metrics.add_finished("model pilot", earlier)
    with metrics.following("model pretrain", "5e2d7b90c1ff", journal):
        for step in range(4):
            append_jsonl(journal, {"event": "step", "step": step, "lr": 0.1})
            metrics.update()
        assert steps(run) == [0, 0, 1, 2, 3]
        lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
        (tmp_path / "new").write_text("".join(lines[:2]), encoding="utf-8")
        (tmp_path / "new").replace(journal)
        append_jsonl(journal, {"event": "step", "step": 2, "lr": 0.05})
        metrics.update()
    metrics.add_finished("model pretrain", journal)
    metrics.end(is_whole=True)
    assert steps(run) == [0, 0, 1, 2]
    assert shown(run) == [0, 1, 2]


def test_a_line_that_is_being_written_is_told_once_when_it_is_whole(recipe: Path, tmp_path: Path):
    journal, written, run = tmp_path / "journal.jsonl", tmp_path / "written.jsonl", tmp_path / "run"
    for step in range(3):
        append_jsonl(written, {"event": "step", "step": step, "note": "җылы көн", "lr": 0.1})
    data = written.read_bytes()
    ends = [at + 1 for at, byte in enumerate(data) if byte == ord("\n")]
    metrics = Metrics(run, Recipe.load(recipe), Log(quiet=True))
    journal.touch()
    with metrics.following("model pretrain", "5e2d7b90c1ff", journal):
        for size, told in ((20, 0), (ends[0] + 40, 1), (ends[1] - 1, 1), (len(data), 3)):
            with journal.open("ab") as file:
                file.write(data[journal.stat().st_size : size])
            metrics.update()
            assert steps(run) == shown(run) == [*range(told)]


def test_later_models_keep_their_lines(finished: Path, command: Say, tmp_path: Path):
    shutil.copytree(finished, tmp_path / "project")
    place = tmp_path / "project"
    file = place / "runs" / "kechkena" / "metrics.jsonl"
    before = file.read_bytes()
    assert before
    given = ["run", place / "recipe.toml", "--store", place / "store"]
    for until in ("corpus", "model"):
        assert command(*given, "--until", until).code == 0
        assert file.read_bytes() == before
    file.unlink()
    assert command(*given, "--until", "model").code == 0
    assert file.read_bytes() == before
