"""The Python API: what a program gets that makes and loads models."""

import shutil
from pathlib import Path

import pytest

from endonym.commands.api import load, make
from endonym.errors import MissingSource, RecipeError
from endonym.recipe.recipe import Recipe

SENTENCE = "Таң атканда авыл өстендә."


def test_a_made_recipe_is_found(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    project = tmp_path / "project"
    shutil.copytree(finished, project)
    report = project / "runs" / "kechkena" / "report.html"
    report.unlink()
    capsys.readouterr()
    run = make(Recipe.load(project / "recipe.toml"), store=str(project / "store"), quiet=True)
    assert run.folder == project / "runs" / "kechkena"
    assert not any(made.is_new for made in run.made)
    assert report.is_file()
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "", "its corpus was made, with its warnings, before"
    model = run.language_model()
    assert model.score(SENTENCE) == load(run.folder, store=project / "store").score(SENTENCE)


def test_a_model_has_three_names(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)  # Where nothing is called "store".
    (artefact,) = (finished / "store" / "model").iterdir()
    (exported,) = (finished / "store" / "export").iterdir()
    store = finished / "store"
    models = [load("kechkena", store=str(store)), load(artefact, store=store), load(exported)]
    first, *others = [model.score(SENTENCE) for model in models]
    assert others == pytest.approx([first] * 2)


def test_what_is_not_there_is_refused_as_on_the_command_line(finished: Path, tmp_path: Path):
    with pytest.raises(RecipeError, match="no model is called kechken"):
        load("kechken", store=finished / "store")
    shutil.copytree(finished, tmp_path / "project", ignore=shutil.ignore_patterns("store", "runs"))
    (tmp_path / "project" / "texts" / "tatar.txt").unlink()
    recipe = Recipe.load(tmp_path / "project" / "recipe.toml")
    with pytest.raises(MissingSource, match='"tatar"'):
        make(recipe, store=tmp_path / "project" / "store", quiet=True)
    assert not (tmp_path / "project" / "store").exists()
