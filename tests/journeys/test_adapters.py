"""A finished model is adapted beside its folder; the adapter is handed over alone and merged."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from journeys.test_going_on import artifacts, going_on

from endonym.export.adapter_folder import base_identity, read_adapter
from endonym.generate.language_model import LanguageModel

pytest.importorskip("peft")
pytest.importorskip("xllamacpp")
Say = Callable[..., Any]
EXPORTS = '\n[[export]]\nformat = "adapter"\n\n[[export]]\nformat = "gguf-adapter"\n'


@pytest.fixture(scope="module")
def adapted(
    finished: Path,
    tmp_path_factory: pytest.TempPathFactory,
    small_recipe: Callable[[Path], Path],
    command: Say,
) -> Path:
    """A folder in which a finished run was adapted to the same sentences."""
    folder = tmp_path_factory.mktemp("adapters")
    run = finished / "runs" / "kechkena"
    recipe = going_on(small_recipe(folder / "project"), str(run), EXPORTS)
    text = recipe.read_text(encoding="utf-8").replace('"kechkena"', '"yomshak"')
    recipe.write_text(text.replace("steps = 12", "adapt = { rank = 4 }\nsteps = 12"), "utf-8")
    said = command("run", recipe, "--store", folder / "store")
    assert said.code == 0, said.err
    return folder


def test_the_adapter_of_a_folder_is_exported_alone(adapted: Path, finished: Path) -> None:
    (model,) = artifacts(adapted / "store", "model")
    (given,) = artifacts(finished / "store", "model")
    made = {each.numbers["format"]: each for each in artifacts(adapted / "store", "export")}
    assert made.keys() == {"huggingface", "adapter", "gguf-adapter"}
    base = LanguageModel.load(given.folder).decoder
    assert base_identity(base) != base_identity(LanguageModel.load(model.folder).decoder)
    alone, inside = (
        read_adapter(each, base) for each in (made["adapter"].folder, model.folder / "adapter")
    )
    assert alone.keys() == inside.keys()
    assert len(alone) == 14
