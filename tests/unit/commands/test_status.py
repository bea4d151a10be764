"""What status says of a run's recipe and of its texts, if these are others by now."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from artefacts import ID, a_run

from endonym.commands.status import status
from endonym.store import Store

SOURCE = '[[source]]\nname = "{name}"\npath = "texts/{name}.txt"\ndocument = "line"\n'
HEAD, REST = 'name = "a"\nlanguage = "tt"\n', "[tokenizer]\nvocab = 300\n[[phase]]\nsteps = 2\n"
TEXTS = {"tatar": "Таң атты.\n", "romanian": "Plouă de dimineață.\n"}


def write_project(home: Path, names: list[str]) -> str:
    """Texts, and a recipe of a source for each; returns the recipe."""
    (home / "texts").mkdir(parents=True)
    for name in names:
        (home / "texts" / f"{name}.txt").write_text(TEXTS[name], encoding="utf-8")
    text = HEAD + "".join(SOURCE.format(name=name) for name in names) + REST
    (home / "recipe.toml").write_text(text, encoding="utf-8")
    return text


@pytest.mark.parametrize("names", [["tatar"], ["tatar", "romanian"]])
def test_a_text_that_is_another_now_is_named_from_any_store_if_all_that_was_read_is_known(
    tmp_path: Path, command: Callable[..., Any], names: list[str]
) -> None:
    home = tmp_path / "project"
    recipe = write_project(home, names)
    given = ["--store", home / "store", "--until", "source"]
    assert command("run", home / "recipe.toml", *given).code == 0
    (run,) = (home / "runs").iterdir()

    def found() -> dict[str, Any]:
        return status(Store(tmp_path / "elsewhere"), str(run))[0]

    assert (found()["changed"], found()["is_changed"]) == ([], False)
    (home / "texts" / "tatar.txt").write_text("Кич җитте.\n", encoding="utf-8")
    assert (found()["changed"], found()["is_changed"]) == (["texts/tatar.txt"], False)
    (home / "recipe.toml").write_text(f"{recipe}steps = 3\n", encoding="utf-8")
    assert (found()["changed"], found()["is_changed"], bool(found()["fault"])) == ([], True, True)
    (home / "recipe.toml").write_text(recipe, encoding="utf-8")
    shutil.rmtree(min((home / "store" / "source").iterdir()))
    assert (found()["changed"], found()["fault"]) == ([], "")


def test_conversations_that_are_others_now_are_named_as_well(
    tmp_path: Path, command: Callable[..., Any]
) -> None:
    recipe = write_project(tmp_path, ["tatar"])
    chats = tmp_path / "сораулар.jsonl"
    chats.write_text('{"question": "Ничек?", "answer": "Әйбәт."}\n', encoding="utf-8")
    phase = f'[[phase]]\nname = "chat"\nobjective = "chat"\ndata = "{chats.name}"\n'
    (tmp_path / "recipe.toml").write_text(f"{recipe}{phase}", encoding="utf-8")
    store = tmp_path / "store"
    said = command("run", tmp_path / "recipe.toml", "--store", store, "--until", "source")
    assert said.code == 0, said.err
    (run,) = (tmp_path / "runs").iterdir()
    assert status(Store(store), str(run))[0]["changed"] == []
    chats.write_text('{"question": "Ничек?", "answer": "Бик әйбәт."}\n', encoding="utf-8")
    assert status(Store(store), str(run))[0]["changed"] == [chats.name]


def test_of_a_run_that_has_not_read_its_texts_none_is_called_new(tmp_path: Path) -> None:
    stages = [{"name": "corpus", "stage": "corpus", "id": ID}]
    a_run(tmp_path, "әкият", recipe="recipe.toml", stages=stages)
    text = write_project(tmp_path, ["tatar"]) + "[variant.wide.model]\ndim = 64\n"
    (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
    (found,) = status(Store(tmp_path / "store"), "әкият")
    assert (found["changed"], found["fault"]) == ([], "")
