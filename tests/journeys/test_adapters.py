"""A finished model is adapted beside its folder; the adapter is handed over alone and merged."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from journeys.test_going_on import artifacts, going_on

import endonym
from endonym.commands.load import find_adapter
from endonym.disk import read_json, write_json
from endonym.errors import ExportError
from endonym.export.adapters import base_identity, read_adapter
from endonym.generate.language_model import LanguageModel
from endonym.store import Store

pytest.importorskip("peft")
pytest.importorskip("xllamacpp")
Say = Callable[..., Any]
WRITTEN = (
    r"It was trained on others, romanian, tatar\. \d+\.\d % of that text was written by a program "
    r"or a model \(sources romanian\)\."
)
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
    text = text.replace('name = "romanian"\n', 'name = "romanian"\nsynthetic = true\n')
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
    for name in ("adapter", "gguf-adapter"):
        card = (made[name].folder / "README.md").read_text(encoding="utf-8")
        assert re.search(WRITTEN, card)


def test_a_merged_export_names_its_adapter_and_is_verified_with_it(
    adapted: Path, finished: Path, command: Say
) -> None:
    store, out = ("--store", adapted / "store"), adapted / "merged"
    (base,) = artifacts(finished / "store", "model")
    (model,) = artifacts(adapted / "store", "model")
    told = command("export", base.folder, "--adapter", "yomshak", "--out", out, *store)
    assert told.code == 0, told.err
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "The adapter `yomshak` is merged into the weights." in card
    assert re.search(WRITTEN.replace(" ", r"\s"), card)
    assert "It was not scored on held-out documents." in card
    record = read_json(out / "export.json")
    assert (record["model"], record["adapter"]) == (base.id, model.id)
    told = command("verify", out, *store)  # which does not hold the base
    assert told.code == 2
    assert f"it was made of {base.id} with the adapter {model.id}" in told.err
    assert "--against BASE --adapter DIR" in told.err
    told = command("verify", out, "--against", base.folder, "--adapter", "yomshak", *store)
    assert told.code == 0, told.err
    record["model"] = str(base.folder)
    write_json(out / "export.json", record)
    assert command("verify", out, *store).code == 0
    write_json(out / "export.json", {**record, "adapter": "0123456789ab"})  # is nowhere
    assert command("verify", out, *store).code == 2
    assert command("verify", out, "--adapter", "yomshak", *store).code == 0


def test_an_adapter_alone_has_its_own_name_and_shares_in_per_cent(
    adapted: Path, finished: Path, command: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(adapted)
    (base,) = artifacts(finished / "store", "model")
    arguments = ("export", base.folder, "--adapter", "yomshak", "--to", "gguf-adapter")
    told = command(*arguments, "--store", adapted / "store")
    assert told.code == 0, told.err
    out = adapted / f"{base.folder.name}-yomshak-gguf-adapter"
    assert {each.name for each in out.iterdir()} == {
        *("yomshak-adapter.gguf", "README.md", "export.json")
    }
    card = (out / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# yomshak: an adapter\n")
    assert re.search(WRITTEN, card)
    assert "likeliest: 100.00 % of " in card


def test_python_finds_an_adapter_by_its_run_and_adds_it_to_a_base_alone(
    adapted: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = adapted / "store"
    (model,) = artifacts(store, "model")
    (given,) = artifacts(finished / "store", "model")
    base = endonym.load(given.folder)
    soft = endonym.with_adapter(base, "yomshak", store=store)
    merged = endonym.load(given.folder, adapter="yomshak", store=store)
    row = torch.tensor([[soft.tokenizer.end_id, *soft.tokenizer.encode("Әбием мич янында")]])
    with torch.no_grad():
        logits = [each.decoder.logits(row) for each in (base, soft, merged)]
    torch.testing.assert_close(logits[1], logits[2])
    assert not torch.allclose(logits[0], logits[1])
    # `new` writes a recipe's folder with the name of its run, and a run is a folder, too.
    (adapted / "yomshak").mkdir(exist_ok=True)
    monkeypatch.chdir(adapted)
    for name in ("yomshak", str(adapted / "runs" / "yomshak"), f"{model.folder}"):
        assert find_adapter(name, Store(store)) == model.folder / "adapter"
    (adapted / "peft").mkdir(exist_ok=True)
    assert find_adapter("peft", Store(store)) == Path("peft"), "reading it says what is missing"
    with pytest.raises(ExportError, match="has an adapter already") as caught:
        endonym.with_adapter(soft, "yomshak", store=store)
    assert "on the base" in caught.value.do
