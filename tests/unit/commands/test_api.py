"""The Python API: what a program gets that makes and loads models."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from text_samples import TATAR

from endonym.autopilot import machine
from endonym.autopilot.machine import Pace
from endonym.commands.api import load, make, new, proofreader, with_adapter, words
from endonym.errors import MissingSource, RecipeError, SourceError
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


SENTENCES = [SENTENCE, "Dimineața devreme ceața plutea peste lac.", "ក្មេងៗលេងបាល់ក្នុងទីធ្លាសាលារៀន។"]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (SENTENCES, "Таң атканда"),
        ([SENTENCES[2]], SENTENCES[2]),
        (["Әни базарга китте\nӘти эшкә китте"], "Әни базарга китте"),
        (["алма " * 100], "алма алма"),
        (["алма " * 10_000], "алма алма"),
        ([" \n"], "there is no file or folder"),
        ("texts", "texts takes a list of paths, not str 'texts'"),
        (Path("texts"), "texts takes a list of paths"),
        (SENTENCE, "texts takes a list of paths"),
        ((each for each in SENTENCES), "Таң атканда"),
        ([{"text": SENTENCE}], "texts takes paths of files and folders, not dict"),
        ([], "texts is empty"),
        (None, "texts takes a list of paths, not NoneType"),
    ],
)
def test_sentences_are_not_taken_for_paths(texts: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises((RecipeError, MissingSource)) as caught:
        new(tmp_path / "new", language="tt", texts=texts, store=tmp_path / "store", quiet=True)
    assert said in str(caught.value)
    assert 'texts=["folder/of/texts"]' in caught.value.do
    assert not (tmp_path / "new").exists()


def test_globs_are_paths_as_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "measured_pace", lambda *_, **__: Pace(1e5))
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text(
        "".join(f"{sentence} {n}.\n" for n in range(300) for sentence in TATAR), encoding="utf-8"
    )
    store = tmp_path / "store"
    for glob in (f"{tmp_path}/texts/*.txt", tmp_path / "texts" / "*.txt"):
        folder = tmp_path / type(glob).__name__
        recipe = new(folder, language="tt", texts=[glob], store=store, quiet=True)
        assert "a.txt" in recipe.read_text(encoding="utf-8")


def test_a_path_that_is_not_there_gets_the_advice_of_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "tatar.txt").write_text(SENTENCE, encoding="utf-8")
    for text, advice in (
        (f"{tmp_path}/tatr.txt", f"Did you mean {tmp_path}/tatar.txt"),
        ("hub:org/name", "hub:"),
    ):
        with pytest.raises(SourceError) as caught:
            new(tmp_path / "new", language="tt", texts=[text], quiet=True)
        assert advice in str(caught.value)


def test_a_wrong_path_is_an_error_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[object] = []
    monkeypatch.setattr("endonym.commands.new.fetched_file", lambda *given: fetched.append(given))
    with pytest.raises(MissingSource) as caught:
        new(tmp_path / "new", language="tt", texts=["wikipedia:tt", "my-txts"], quiet=True)
    assert caught.value.where == "my-txts"
    assert fetched == []


def test_paths_that_lead_nowhere_are_still_missing_files(tmp_path: Path) -> None:
    for missing in ("texts/tatar.txt", "мәтеннәр", "my own texts.txt", Path("Айгөл китте.")):
        with pytest.raises(MissingSource, match=r"texts|мәтеннәр|китте"):
            new(tmp_path / "new", language="tt", texts=iter([missing]), quiet=True)


def test_other_arguments_of_another_type_are_errors_that_say_what_to_pass(
    finished: Path, tmp_path: Path
) -> None:
    recipe, store = finished / "recipe.toml", finished / "store"
    model = load("kechkena", store=store)
    calls: dict[str, Callable[[], object]] = {
        "endonym.Recipe.load(path)": lambda: make(cast("Any", recipe), store=store),
        'fresh=["model"]': lambda: make(Recipe.load(recipe), store=store, fresh="model"),
        "run.language_model()": lambda: load(cast("Any", Recipe.load(recipe)), store=store),
        "model.score(text) for text": lambda: model.score(cast("Any", SENTENCES)),
        "model.generate(text) for text": lambda: model.generate(cast("Any", SENTENCES)),
        "model.suggest(text) for text": lambda: model.suggest(cast("Any", SENTENCES)),
        "model.embed([text])": lambda: model.embed(SENTENCE),
        "model.generate_many([prompt])": lambda: model.generate_many(SENTENCE),
        "endonym.load(name)": lambda: with_adapter(cast("Any", "kechkena"), tmp_path),
        "endonym.words(run.folder)": lambda: words(cast("Any", model)),
        "Write the words into a file": lambda: proofreader("kechkena", words=cast("Any", ["су"])),
        'sets=["seed=3"]': lambda: Recipe.load(recipe, sets="seed=3"),
        "endonym.Recipe(**keys)": lambda: Recipe.load(cast("Any", {"name": "tatar"})),
    }
    for do, call in calls.items():
        with pytest.raises(RecipeError) as caught:
            call()
        assert do in caught.value.do, str(caught.value)


def test_a_recipe_of_keys_is_run_and_written(finished: Path, tmp_path: Path) -> None:
    """Its run holds it in a form that can be read again, although it was never a file."""
    texts = (finished / "texts").resolve()
    source = {"name": "tatar", "path": str(texts / "tatar.txt"), "document": "line"}
    phase = {"steps": 2, "batch_tokens": 64, "lr": 1e-3, "number_format": "fp32"}
    model = {"dim": 16, "layers": 1, "mixer": {"heads": 2}}
    keys: dict[str, Any] = {"name": "кечкенә", "language": "tt", "source": [source]}
    keys |= {"tokenizer": {"kind": "byte"}, "pack": {"context": 32}, "model": model}
    recipe = Recipe(**keys, phase=[phase])
    run = make(recipe, store=tmp_path / "store", quiet=True)
    kept = Recipe.load(run.folder / "recipe.toml")
    assert kept.model_dump(exclude_unset=True) == recipe.model_dump(exclude_unset=True)
