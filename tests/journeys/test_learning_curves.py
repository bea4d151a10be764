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
    assert data["overlap"]["парлар.jsonl"] | {"lost": []} == {
        "texts": 2,
        "found": 0,
        "lost": [],
        "has_answers": False,
    }
    assert "None of its 2 texts stands in the training text" in said
    assert "None of its 2 texts stands in the training text" in html


def test_probes_and_second_halves_have_curves_too(
    run: Path, command: Command, language_sentences: Callable[[str], list[str]]
) -> None:
    parts = {"train": slice(0, 8), "dev": slice(8, 11), "test": slice(11, None)}
    records = [
        {"text": text, "label": language, "split": split}
        for language in ("tatar", "romanian")
        for split, part in parts.items()
        for text in language_sentences(language)[part]
    ]
    probe, flores = run.parent / "телләр.jsonl", run.parent / "җөмләләр.jsonl"
    probe.write_text("\n".join(map(json.dumps, records)) + "\n", encoding="utf-8")
    texts = [{"tt": each, "ro": "x"} for each in language_sentences("tatar")[:3]]
    flores.write_text("\n".join(map(json.dumps, texts)) + "\n", encoding="utf-8")
    name = run.parent / "runs" / "kechkena+phase.0.keep_steps=4"
    asked = ("evaluate", name, "--steps", "--flores", flores, "--probe", probe)
    asked += ("--store", run.parent / "store")
    wrong = command(*asked)
    assert wrong.code == 2
    assert "texts in several columns: tt and ro" in wrong.err
    data = command(*asked, "--column", "tt", "--json").json()
    last = {
        (each["metric"], each["split"], each.get("model"))
        for each in data["points"][-1]["scores"]
        if each["split"] != "test"
    }
    assert {("accuracy", probe.name, "frozen"), ("macro_f1", probe.name, "frozen")} <= last
    assert ("bits_per_text", flores.name, "model") in last
    assert not any(model == "tf-idf" for _, _, model in last), "it is the same at every step"
    assert set(data["overlap"]) == {probe.name, flores.name}
    assert data["overlap"][flores.name]["found"], "these are training texts"
    html = Path(data["page"]).read_text(encoding="utf-8")
    titles = ("Bits/byte", "Accuracy", "Macro-F1", "Bits a text")
    assert all(f"<title>{each} by tokens read</title>" in html for each in titles)
    alone = command("evaluate", name, "--probe", probe, "--store", run.parent / "store", "--json")
    (of_model,) = [
        each["value"]
        for each in alone.json()["scores"]
        if (each["metric"], each["model"]) == ("accuracy", "frozen")
    ]
    (of_step,) = [
        each["value"]
        for each in data["points"][-1]["scores"]
        if (each["metric"], each["split"]) == ("accuracy", probe.name)
    ]
    assert of_model == of_step


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


def test_too_little_text_for_pairs_is_said_before_anything_is_judged(
    run: Path, command: Command, tmp_path: Path
) -> None:
    where = ("--store", run.parent / "store")
    name = run.parent / "runs" / "kechkena+phase.0.keep_steps=4"
    said = command("evaluate", name, "--steps", "--minimal-pairs", tmp_path / "p.jsonl", *where)
    assert said.code == 2
    assert "no minimal pairs could be made" in said.err
    assert "bits/byte" not in said.err
