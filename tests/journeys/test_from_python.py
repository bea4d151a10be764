"""The page about Python and the notebook, run as they stand, with a model made small."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from toys import SMALL_SETS

import endonym

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "python.md"
NOTEBOOKS = sorted((PROJECT / "examples").glob("*.ipynb"))


def cells(notebook: Path) -> Iterator[dict[str, Any]]:
    """The cells of a notebook."""
    data = json.loads(notebook.read_text(encoding="utf-8"))
    assert (data["nbformat"], data["metadata"]["language_info"]["name"]) == (4, "python")
    yield from data["cells"]


def test_there_is_a_notebook_to_run() -> None:
    assert NOTEBOOKS


@pytest.mark.usefixtures("fables", "no_compiler")
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_goes_from_texts_to_a_continued_sentence(
    notebook: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, Any] = {}
    for cell in cells(notebook):
        assert cell["id"]
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], "no output is kept in the repository"
            exec(compile("".join(cell["source"]), f"{notebook.name} {cell['id']}", "exec"), names)
        if "parameters" in cell["metadata"].get("tags", ()):
            names |= {"sets": list(SMALL_SETS), "hours": 0.01}
    said = capsys.readouterr().out
    assert "[[phase]]" in said
    assert re.search(r"^bigram +\d\.\d{3}$", said, re.MULTILINE)
    written = said.rpartition("\n" + names["prompt"])[2].rpartition("\n")[0]
    assert len(written) > 40
    assert said.count(" nats  ") == 2


@pytest.mark.usefixtures("fables", "no_compiler")
def test_the_examples_of_the_page_run_one_after_the_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 10
    whole = endonym.Recipe.load

    def small(path: Path) -> endonym.Recipe:
        return whole(path, sets=SMALL_SETS)

    monkeypatch.setattr(endonym.Recipe, "load", small)
    names: dict[str, Any] = {}
    for number, example in enumerate(examples):
        exec(compile(example, f"python.md, example {number}", "exec"), names)
        if number == 0:  # The page finds the run by its name: overrides are no part of it there.
            folder = names["run"].folder
            folder.rename(folder.with_name("my-tatar"))
            names["run"].folder = folder.with_name("my-tatar")
    assert 0 < names["score"] < 8
    assert names["likelier"].endswith(".")
    assert names["features"] == pytest.approx(names["model"].embed(["Кояш чыкты.", "Авыл уянды."]))
    said = capsys.readouterr().out
    assert "no model is called my-ttar" in said
    assert "my-tatar" in said


def test_the_public_names_are_what_dir_shows() -> None:
    assert dir(endonym) == sorted(endonym.__all__)
    assert {"load", "make", "new", "Recipe"} <= set(dir(endonym))
