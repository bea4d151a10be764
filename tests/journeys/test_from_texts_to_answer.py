"""The whole path on real text: from a folder of files to a measured model that answers."""

import gzip
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from endonym import device
from endonym.recipe.recipe import Recipe

Say = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path, language_sentences: Callable[[str], list[str]]) -> Path:
    """A folder as people have it: a text, and lines of JSON in gzip."""
    texts = tmp_path / "мәтеннәр"
    texts.mkdir()
    tatar = language_sentences("tatar")
    (texts / "китап.txt").write_text("\n".join(tatar[:12]) + "\n", encoding="utf-8")
    lines = [json.dumps({"text": text}, ensure_ascii=False) for text in tatar[12:]]
    (texts / "web.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    return texts


@pytest.mark.filterwarnings("ignore")  # torch's compiler, which is measured, warns of itself
def test_new_check_run_and_generate_work_without_an_edit(
    folder: Path, tmp_path: Path, command: Say
) -> None:
    project, store = tmp_path / "tatar", ["--store", tmp_path / "store"]
    made = command(
        "new", project, "--language", "tt", "--text", folder, "--hours", "0.0005", *store
    )
    assert made.code == 0, made.err
    assert made.out.strip() == str(project / "recipe.toml")
    assert "next: endonym check" in made.err
    recipe = (project / "recipe.toml").read_text(encoding="utf-8")
    assert re.search(r'script = "cyrillic" +# the script of most letters', recipe)
    assert all("#" in line for line in recipe.splitlines() if line.startswith(("dim", "tokens")))

    checked = command("check", project / "recipe.toml", *store, "--json").json()
    little, few = checked["warnings"]
    assert "a compressor may be ahead of this model" in little
    assert "too few for an interval of the score" in few
    assert checked["seconds"] > 0
    ran = command("run", project / "recipe.toml", *store, "--json")
    assert ran.code == 0, ran.err
    found = ran.json()
    assert [each["made"] for each in found["stages"]] == [True] * len(found["stages"])
    assert {each["name"].split()[0] for each in found["stages"]} == {
        "source", "corpus", "tokenizer", "shards", "model", "evaluation", "export",
    }  # fmt: skip
    bits = {
        each["model"]: each["value"]
        for each in found["scores"]
        if each["metric"] == "bits_per_byte" and each["source"] is None
    }
    assert {"model", "uniform", "unigram", "bigram", "compressor"} <= set(bits)
    assert bits["unigram"] < bits["uniform"]
    assert all(math.isfinite(value) and value > 0 for value in bits.values())

    again = command("run", project / "recipe.toml", *store, "--json").json()
    assert not any(each["made"] for each in again["stages"])
    assert again["scores"] == found["scores"]
    said = command("generate", "tatar", "Әбием", "--max-tokens", "8", *store)
    assert said.code == 0
    assert said.out.startswith("Әбием")
    assert said.out.endswith("\n")


@pytest.mark.parametrize("demo", ["english", "french"])
def test_a_demo_writes_files_that_check_passes(demo: str, tmp_path: Path, command: Say) -> None:
    made = command("new", tmp_path / demo, "--demo", demo)
    assert made.code == 0
    checked = command("check", tmp_path / demo / "recipe.toml", "--store", tmp_path / "store")
    assert checked.code == 0
    assert f"demo-{demo}" in checked.out
    assert Recipe.load(tmp_path / demo / "recipe.toml").language == demo[:2]
    again = command("new", tmp_path / demo, "--demo", demo)
    assert again.code == 2
    assert "a recipe is there already" in again.err


def test_a_run_that_moved_with_its_store_goes_on_where_it_was(
    tmp_path: Path, small_recipe: Callable[[Path], Path], command: Say
) -> None:
    recipe = small_recipe(tmp_path / "here")
    given = ["--set", "phase.0.steps=2", "-q"]
    assert command("run", recipe, "--store", tmp_path / "here" / "store", *given).code == 0
    there = tmp_path / "бүтән җирдә"
    (tmp_path / "here").rename(there)
    store = ["--store", there / "store"]
    name = "kechkena+phase.0.steps=2"
    assert command("generate", name, "Таң", "--max-tokens", "2", *store).code == 0
    assert command("prune", *store, "--json").json()["artefacts"] == []
    again = command("run", there / "recipe.toml", *store, *given, "--json").json()
    assert not any(each["made"] for each in again["stages"])


def test_from_python_it_is_the_same(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import endonym

    monkeypatch.setattr(device, "cores", lambda: 1)
    recipe = endonym.Recipe.load(finished / "recipe.toml")
    run = endonym.make(recipe, store=finished / "store", quiet=True)
    assert not any(each.is_new for each in run.made)
    model = run.language_model()
    assert model.spelled("и\u0306") == "й"
    text = model.generate("Кояшлы көндә", max_tokens=6)
    assert text == run.language_model().generate("Кояшлы көндә", max_tokens=6)
    loaded = endonym.load("kechkena", store=finished / "store")
    assert loaded.generate("Кояшлы көндә", max_tokens=6) == text


@pytest.mark.parametrize("args", [["status"], ["look", "kechkena", "--dropped", "all"]])
def test_the_installed_program_is_the_same_command(finished: Path, args: list[str]) -> None:
    program = Path(sys.executable).with_name("endonym")
    done = subprocess.run(
        [program, *args, "--store", finished / "store", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)
    assert done.stderr == ""
