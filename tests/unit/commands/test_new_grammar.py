"""Recipes for the texts of a grammar: they are alike, and stay; and some of them are held out."""

import json
import tomllib
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from text_samples import FRENCH

from endonym.autopilot import machine
from endonym.commands.new import write_recipe
from endonym.corpus.corpus import Corpus, make_corpus
from endonym.demo.grammar import fables
from endonym.errors import CorpusError
from endonym.formats.config import Clean
from endonym.formats.files import source_files
from endonym.log import Log
from endonym.recipe.recipe import Recipe
from endonym.store import write_sealed
from endonym.survey.diagnosis import diagnose
from endonym.synthesis.plan import Plan
from endonym.workers import Inline

FABLES = list(fables(300))
GRAMMAR = Plan("fables", "grammar", "0" * 64, len(FABLES))
EVERY = ("exact", "near", "paragraphs")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with fables in it, as `endonym write` leaves them."""
    monkeypatch.setattr(machine, "measured_pace", lambda *_: machine.Pace(5_000.0))
    monkeypatch.setattr(machine, "matrix_rates", lambda _: {"fp32": 1e11, "bf16": 9e10})
    (made := tmp_path / "texts" / "made").mkdir(parents=True)
    lines = [json.dumps({"text": each}, ensure_ascii=False) for each in FABLES]
    (made / "fables-00000.jsonl").write_text("\n".join(lines), encoding="utf-8")
    write_sealed(made / "written.json", GRAMMAR.as_dict())
    return made


def new(texts: Path, store: Path) -> Recipe:
    """The recipe for these texts."""
    given: dict[str, Any] = {"language": "fr", "hours": 0.01, "log": Log(quiet=True)}
    path, _ = write_recipe(store / "project", texts=[texts], store=store, **given)
    return Recipe.load(path)


def doctor(path: Path) -> str:
    """The doctor's recipe for texts, or what it changes in a recipe."""
    given: dict[str, Any] = {"language": "fr", "log": Log(quiet=True)}
    return diagnose([path], runner_of=lambda size: nullcontext(Inline()), **given).recipe


def corpus(recipe: Recipe, out: Path, clean: Clean) -> dict[str, Any]:
    """What was counted of a recipe's texts under these rules."""
    out.mkdir()
    sources = [(each, source_files(each, recipe.folder)) for each in recipe.source]
    given: dict[str, Any] = {"out": out, "work": out / "work", "runner": Inline()}
    return make_corpus(sources, clean, recipe.split.resolved(), **given)["total"]


@pytest.mark.parametrize("command", ["new", "doctor"])
def test_alone_they_stay_as_they_are_and_some_are_held_out(
    command: str, folder: Path, tmp_path: Path
) -> None:
    if command == "new":
        recipe = new(folder, tmp_path)
    else:
        (tmp_path / "recipe.toml").write_text(doctor(folder), encoding="utf-8")
        recipe = Recipe.load(tmp_path / "recipe.toml")
    assert [each.synthetic for each in recipe.source] == [True]
    assert (recipe.clean.dedup, recipe.split.keep_near_copies) == (("exact",), True)
    made = corpus(recipe, tmp_path / "corpus", recipe.clean)
    assert made["dropped"] == {}
    kept = {side: {each.text for each in Corpus(tmp_path / "corpus").documents(side)}
            for side in ("train", "dev", "test")}  # fmt: skip
    assert all(kept.values())
    assert set.union(*kept.values()) == set(FABLES)


@pytest.mark.parametrize("is_split", [False, True])
def test_the_doctor_changes_the_split_of_a_recipe_that_does_not_keep_them(
    is_split: bool, folder: Path, tmp_path: Path
) -> None:
    split = {"keep_near_copies": True}
    path = tmp_path / "recipe.toml"
    path.write_text(
        f'name = "a"\nlanguage = "fr"\n[[source]]\nname = "a"\npath = "{folder}/*.jsonl"\n'
        + '[[phase]]\nname = "a"\n' + "[split]\nkeep_near_copies = true\n" * is_split,
        encoding="utf-8",
    )  # fmt: skip
    changed = tomllib.loads(doctor(path))
    assert changed["clean"]["dedup"] == ["exact"]
    assert changed.get("split") == (None if is_split else split)


@pytest.mark.parametrize("writer", [None, "endpoint", "model"])
def test_of_another_writer_they_are_copies_as_any(
    writer: Literal["endpoint", "model"] | None, folder: Path, tmp_path: Path
) -> None:
    (folder / "written.json").unlink()
    if writer is not None:
        write_sealed(folder / "written.json", replace(GRAMMAR, writer=writer).as_dict())
    recipe = new(folder, tmp_path)
    assert [each.synthetic for each in recipe.source] == [writer is not None]
    assert (recipe.clean.dedup, recipe.split.keep_near_copies) == (EVERY, None)
    assert "split" not in tomllib.loads(doctor(folder))
    if writer is not None:
        return
    with pytest.raises(CorpusError, match="too few documents could be held out"):
        corpus(recipe, tmp_path / "corpus", recipe.clean)


def test_beside_a_person_s_texts_the_rules_are_those_of_all(folder: Path, tmp_path: Path) -> None:
    (folder.parent / "a.txt").write_text("\n".join(FRENCH * 9), encoding="utf-8")
    recipe = new(folder.parent, tmp_path)
    assert {each.name: each.synthetic for each in recipe.source} == {
        "a": False, "fables-00000": True,
    }  # fmt: skip
    assert (recipe.clean.dedup, recipe.split.keep_near_copies) == (EVERY, None)
