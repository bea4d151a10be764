"""Learning curves: weights of single steps are kept on request, and judged in one command."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_project import Killed, Project

from endonym.store import Artifact, Store
from endonym.train import checkpoint

Command = Callable[..., Any]
KEPT = ("--set", "phase.0.keep_steps=4")
PAIRS = [
    {"good": "Балалар мәктәпкә баралар.", "bad": "Балалар мәктәпкә бара идем."},
    {"good": "Мин китап укыйм.", "bad": "Мин китап укый."},
]
STEPS = [1, 3, 12, 40]
"""Of 40 steps four, each about 3.4 times the one before."""


def model_of(recipe: Path) -> Artifact:
    (model,) = [
        each for each in Store(recipe.parent / "store").artifacts() if each.stage == "model"
    ]
    return model


def kept_files(recipe: Path) -> dict[str, str]:
    """The SHA-256 of the weights that were kept, by file."""
    files = model_of(recipe).manifest["files"]
    return {name: each["sha256"] for name, each in files.items() if name.startswith("steps/")}


@pytest.fixture(scope="module")
def run(
    small_recipe: Callable[[Path], Path],
    command: Command,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The recipe of a run that has kept the weights of four steps."""
    recipe = small_recipe(tmp_path_factory.mktemp("curves") / "project")
    ran = command("run", recipe, "-v", *KEPT, "--store", recipe.parent / "store")
    assert ran.code == 0, ran.err
    assert "keeps the weights after 4 steps for learning curves" in ran.err
    assert ": 1, 3, 12, 40" in ran.err
    return recipe


def test_training_is_the_same_to_the_byte_and_has_the_weights_of_steps_beside(
    run: Path, finished: Path
) -> None:
    model = model_of(run)
    (without,) = (finished / "store" / "model").iterdir()
    found = checkpoint.kept_weights(model.folder)
    assert [*found] == STEPS
    weights = (without / "weights.safetensors").read_bytes()
    assert (model.folder / "weights.safetensors").read_bytes() == weights
    assert model.id != without.name, "it holds other files"
    sizes = {file.stat().st_size for file in found.values()}
    assert sizes == {len(weights)}
    assert len({file.read_bytes() for file in found.values()}) == len(STEPS)


def test_the_plan_says_how_much_disk_they_take(run: Path, command: Command) -> None:
    said = command("check", run, *KEPT, "--store", run.parent / "store", "-v").out
    (line,) = [each for each in said.splitlines() if each.startswith("learning curves")]
    assert "keeps the weights of 4 steps" in line
    assert line.endswith("1.1 MB in the store")
    without = command("check", run, "--store", run.parent / "store", "-v").out
    assert "learning curves" not in without


def test_every_step_is_judged_on_documents_tasks_and_pairs(run: Path, command: Command) -> None:
    where = ("--store", run.parent / "store")
    name = "kechkena+phase.0.keep_steps=4"
    task = run.parent / "парлар.jsonl"
    task.write_text("\n".join(map(json.dumps, PAIRS)) + "\n", encoding="utf-8")
    asked = ("evaluate", run.parent / "runs" / name, "--steps", "--tasks", task, *where)
    data = command(*asked, "--json").json()
    assert [point["step"] for point in data["points"]] == STEPS
    tokens = [point["tokens"] for point in data["points"]]
    assert tokens == sorted(set(tokens))
    bits = {
        point["step"]: score["value"]
        for point in data["points"]
        for score in point["scores"]
        if (score["metric"], score["split"], score["weighting"], score["source"])
        == ("bits_per_byte", "test", "bytes", None)
    }
    assert [*bits] == STEPS
    assert bits[40] < bits[12] < bits[1]
    pairs = [s for s in data["points"][-1]["scores"] if s["metric"] == "accuracy"]
    assert {score["split"] for score in pairs} == {"парлар.jsonl"}
    assert all(0.0 <= score["value"] <= 1.0 for score in pairs)
    said = command(*asked).out
    heads = [each for each in said.splitlines() if each.split()[:2] == ["step", "tokens"]]
    assert "bits/byte of test" in heads[0]
    assert "accuracy of парлар.jsonl" in heads[0]
    page = Path(data["page"])
    assert page.parent.name == name
    html = page.read_text(encoding="utf-8")
    assert html.count('<svg class="chart"') == 4, "two charts, for a screen and for a phone"
    assert f"{bits[40]:.4f}" in html


def test_the_scores_of_the_last_step_are_those_of_the_model_if_it_is_kept(
    prepared: Path, command: Command
) -> None:
    where = ("--store", prepared.parent / "store")
    sets = (*KEPT, "--set", "phase.0.keep=last")
    assert command("run", prepared, *sets, *where, "--until", "model").code == 0
    (run,) = [each for each in (prepared.parent / "runs").iterdir() if "keep_steps" in each.name]
    last = command("evaluate", run, "--steps", *where, "--json").json()["points"][-1]["scores"]
    model = command("evaluate", run, *where, "--json").json()["scores"]
    of_model = {
        (each["metric"], each["source"], each["weighting"]): each["value"]
        for each in model
        if each["model"] == "model" and each["text"] == "document"
    }
    of_step = {(e["metric"], e["source"], e["weighting"]): e["value"] for e in last}
    shared = of_step.keys() & of_model.keys()
    assert ("bits_per_byte", None, "bytes") in shared
    assert {key: of_step[key] for key in shared} == {key: of_model[key] for key in shared}


@pytest.mark.parametrize("dies_at", [12, 40])
def test_a_kill_loses_no_kept_weights(
    small_recipe: Callable[[Path], Path],
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: Path,
    *,
    dies_at: int,
) -> None:
    """At a step between two checkpoints, and at one that has one."""
    project = Project(small_recipe(tmp_path / "project"), command)
    keep = checkpoint.keep_weights

    def keep_and_die(work: Path, step: int, weights: Any) -> None:
        if step == dies_at:
            raise Killed
        keep(work, step, weights)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "keep_weights", keep_and_die)
        with pytest.raises(Killed):
            project.run(*KEPT)
    assert project.run(*KEPT).code == 0
    assert kept_files(project.recipe) == kept_files(run)


def test_a_model_without_kept_steps_says_what_to_do(finished: Path, command: Command) -> None:
    where = ("--store", finished / "store")
    said = command("evaluate", finished / "runs" / "kechkena", "--steps", *where)
    assert said.code == 2
    assert "keep_steps = 12" in said.err
    wrong = command("evaluate", "kechkena", "--steps", "--text", "a.txt", *where)
    assert wrong.code == 2
    assert "--steps goes with" in wrong.err


def test_pairs_are_made_once_and_judged_at_every_step(
    run: Path, command: Command, tmp_path: Path
) -> None:
    """The small corpus has too little text for pairs; that is said before anything is judged."""
    where = ("--store", run.parent / "store")
    name = run.parent / "runs" / "kechkena+phase.0.keep_steps=4"
    said = command("evaluate", name, "--steps", "--minimal-pairs", tmp_path / "p.jsonl", *where)
    if said.code:
        assert "--tasks FILE" in said.err
        return
    lines = (tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()
    assert all({"good", "bad"} <= json.loads(line).keys() for line in lines)
    assert "accuracy of p.jsonl" in said.out
