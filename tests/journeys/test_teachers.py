"""A phase learns from members of its own, and from a finished model."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from endonym.disk import read_json
from endonym.export.card import Card, readme
from endonym.export.history import history_of
from endonym.generate.language_model import LanguageModel
from endonym.log import number
from endonym.store import Artifact, Store

Say = Callable[..., Any]
STEPS = ("--set", "phase.0.steps=12", "--set", "phase.0.warmup_steps=2")


def made(store: Path, stage: str) -> list[Artifact]:
    return [each for each in Store(store).artifacts() if each.stage == stage]


def card_of(model: Artifact) -> str:
    """The README of the model in an export."""
    known = Card("kechkena", "tt", {}, history_of(model))
    return readme(known, LanguageModel.load(model.folder), is_gguf=False, sizes={})


@pytest.fixture
def run(prepared: Path, command: Say) -> Callable[..., Any]:
    """Runs the small recipe with these keys; gives what `--json` prints."""

    def run(*sets: str, code: int = 0) -> Any:
        keys = [word for each in sets for word in ("--set", each)]
        recipe = prepared if prepared.is_file() else prepared / "recipe.toml"
        said = command("run", recipe, *STEPS, *keys, "--store", recipe.parent / "store", "--json")
        assert said.code == code, said.err
        return said.json() if code == 0 else said.err

    return run


def test_members_teach_a_student_and_are_scored_together(
    run: Say, prepared: Path, command: Say
) -> None:
    store = prepared.parent / "store"
    first = run("phase.0.members=2")
    names = [each["name"] for each in first["stages"]]
    parts = [*(f"member {n} of pretrain" for n in (1, 2)), "teacher of pretrain", "model pretrain"]
    assert [name for name in names if name in parts] == parts
    (student,), members = made(store, "model"), made(store, "member")
    files = [each.folder / "weights.safetensors" for each in (student, *members)]
    assert len({path.read_bytes() for path in files}) == 3
    (kept,) = made(store, "teacher")
    assert kept.numbers["teachers"] == 2
    told = card_of(student)
    assert "learned also from the probabilities of 2 models" in told
    assert "other model" not in told
    assert "made elsewhere" not in told
    scores = [row for each in first["scores"] for row in [each] if row["metric"] == "bits_per_byte"]
    models = {row["model"]: row["value"] for row in scores if row["source"] is None}
    assert models["ensemble"] != models["model"]
    given = ("--store", store)
    for each, figure in ((kept, "32 likely tokens"), (members[0], "dev bits/byte")):
        assert figure in command("look", each.folder, *given).out
    written = command("generate", members[0].id[:12], "Таң", "--max-tokens", "4", *given)
    assert written.code == 0, written.err
    judged = command("evaluate", student.folder, *given, "--json").json()["scores"]
    found = [row for row in judged if (row["model"], row["source"]) == ("ensemble", None)]
    values = [row["value"] for row in found if row["metric"] == "bits_per_byte"]
    assert models["ensemble"] in values
    again = run("phase.0.members=2")
    assert not any(each["made"] for each in again["stages"])
    live = run("phase.0.members=2", "phase.0.distill={ live = true, share = 0.9 }")
    new = [each["name"] for each in live["stages"] if each["made"]]
    assert new[0] == "model pretrain", "the members are there already"
    assert "teacher of pretrain" not in [each["name"] for each in live["stages"]]


def test_a_smaller_model_learns_from_a_finished_run(
    run: Say, prepared: Path, finished: Path
) -> None:
    named = os.path.relpath(finished / "runs" / "kechkena", prepared.parent)
    small = run(f'phase.0.distill={{ model = "{named}", top_k = 4 }}', "model.layers=1")
    (kept,) = made(prepared.parent / "store", "teacher")
    assert (kept.numbers["teachers"], kept.numbers["top_k"]) == (1, 4)
    (student,) = made(prepared.parent / "store", "model")
    told = card_of(student)
    assert "1 model made elsewhere" in told, "it is of another store"
    assert read_json(kept.folder / "teacher.json")["vocab"] > 4
    assert not any(row["model"] == "ensemble" for row in small["scores"])
    said = run(f'phase.0.distill={{ model = "{named}" }}', "tokenizer.vocab=300", code=2)
    assert "has another tokenizer" in said
    assert "nowhere is not there" in run('phase.0.distill={ model = "nowhere" }', code=2)


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("[model]", 'folder = "runs/kechkena"'),
        ("[[phase]]", 'distill = { model = "runs/kechkena" }'),
    ],
)
def test_a_run_does_not_replace_the_run_that_it_learns_from(
    finished: Path, tmp_path: Path, command: Say, table: str, line: str
) -> None:
    folder = tmp_path / "project"
    shutil.copytree(finished, folder)
    recipe = folder / "recipe.toml"
    text = recipe.read_text(encoding="utf-8")
    if table == "[model]":  # the shape and the tokenizer are those of the model
        text = text[: text.index("[tokenizer]")] + "[model]\n" + text[text.index("[[phase]]") :]
    recipe.write_text(text.replace(table, f"{table}\n{line}", 1), encoding="utf-8")
    plan = folder / "runs" / "kechkena" / "plan.json"
    before = plan.read_bytes()
    for name in ("run", "check"):
        said = command(name, recipe, "--store", folder / "store")
        assert said.code == 2
        assert "would learn from itself" in said.err
        assert "--set name=" in said.err
    assert plan.read_bytes() == before


def test_a_model_is_pruned_healed_and_proven_in_its_export(
    finished: Path, tmp_path: Path, small_recipe: Callable[[Path], Path], command: Say
) -> None:
    recipe = small_recipe(tmp_path / "project")
    text, heal = (
        recipe.read_text(encoding="utf-8"),
        "prune = { ffn = 0.3, heads = 0.5 }\nsteps = 12",
    )
    named = f'folder = "{finished / "runs" / "kechkena"}"'
    model = text.index("[model]"), text.index("[[phase]]")
    text = text[: model[0]] + f"[model]\n{named}\n\n" + text[model[1] :].replace("steps = 40", heal)
    tokenizer = text.index("[tokenizer]"), text.index("[pack]")
    recipe.write_text(text[: tokenizer[0]] + text[tokenizer[1] :], encoding="utf-8")
    said = command("run", recipe, "--store", tmp_path / "store")
    assert said.code == 0, said.err
    (small,), (whole,) = made(tmp_path / "store", "model"), made(finished / "store", "model")
    shape, before = (read_json(each.folder / "config.json") for each in (small, whole))
    hidden = before["ffns"][0]["hidden"]
    assert shape["ffns"][0]["hidden"] == hidden - round(0.3 * hidden)
    assert (before["mixers"][0]["heads"], shape["mixers"][0]["heads"]) == (2, 1)
    assert small.numbers["parameters"] < whole.numbers["parameters"]
    weights = [(each.folder / "weights.safetensors").stat().st_size for each in (small, whole)]
    assert weights[0] < weights[1]
    (export,) = made(tmp_path / "store", "export")
    assert export.numbers["checks"], "proven equal to the model"
    assert "pruned: " in said.err
    told = command("check", recipe, "--store", tmp_path / "store").out
    left = number(small.numbers["parameters"])
    assert f"phase pretrain leaves {left} of the parameters" in told
