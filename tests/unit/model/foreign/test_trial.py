"""Opening a stranger's model first in a process with limits."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from artefacts import DECLARED, ID
from foreign_folders import write_model
from tiny_families import write_tiny

from endonym.commands.load import load_model
from endonym.disk import list_files, write_json
from endonym.errors import Damaged, ExportError
from endonym.limited.process import LimitedProcess, Limits
from endonym.model.foreign import weights as trial
from endonym.model.foreign.weights import load_foreign, load_tried, open_there, weights_of
from endonym.model.weights import load_tensors, save_tensors
from endonym.store import Store, sealed


def rewrite(path: Path, **said: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | said), "utf-8")


@pytest.mark.parametrize(
    ("family", "said"),
    [
        ("xglm", {"max_position_embeddings": 10**8}),  # a table of 13 GB
        ("gpt_neo", {"attention_types": [[["global", "local"], 10**8]]}),  # a list
        ("gptj", {"n_positions": 10**8}),
    ],
)
def test_what_would_take_gigabytes_is_refused_before_this_process_builds_it(
    family: str, said: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_tiny(family, tmp_path)
    assert load_tried(tmp_path)
    rewrite(tmp_path / "config.json", **said)

    def build(*_: object) -> None:
        raise AssertionError("built here")

    monkeypatch.setattr(trial, "load_foreign", build)
    with pytest.raises(ExportError, match=r"more than [0-9]+ MiB of memory") as caught:
        load_tried(tmp_path)
    assert caught.value.where == str(tmp_path / "config.json")
    assert "config.json" in caught.value.do


def test_an_artefact_with_such_a_number_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Also by a path that is relative. The table of 1.3 GB would be built here otherwise."""
    write_tiny("xglm", tmp_path)
    decoder = load_foreign(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    save_tensors(weights_of(decoder), tmp_path / "weights.safetensors")
    theirs = decoder.config.transformers
    monkeypatch.chdir(tmp_path.parent)
    for positions in (64, 10**7):
        changed = theirs | {"max_position_embeddings": positions}
        config = decoder.config.model_copy(update={"transformers": changed})
        (tmp_path / "config.json").write_text(config.model_dump_json(), encoding="utf-8")
        declared = {**DECLARED, "stage": "model", "id": ID, "numbers": {}}
        manifest = sealed({**declared, "files": list_files(tmp_path)})
        write_json(tmp_path / "manifest.json", manifest)
        if positions == 64:
            assert load_model(tmp_path.name, Store(tmp_path / "store"))
    with pytest.raises(ExportError, match="MiB of memory"):
        load_model(tmp_path.name, Store(tmp_path / "store"))


def test_what_the_other_process_refuses_is_the_same_error_here(tmp_path: Path):
    folder = tmp_path / os.fsdecode("Әкият".encode() + b"\xff")
    write_model("gemma3", tmp_path / "written")
    (tmp_path / "written").rename(folder)
    path = folder / "model.safetensors"
    tensors = load_tensors(path)
    name = next(iter(tensors))
    save_tensors(tensors | {name: torch.full_like(tensors[name], torch.nan)}, path)
    found: list[dict[str, str]] = []
    for load in (load_foreign, load_tried):
        with pytest.raises(Damaged, match=rf"not finite in {name}") as caught:
            load(folder)
        found.append(caught.value.as_dict())
    assert found[0] == found[1]


def test_a_folder_is_tried_once_and_again_when_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[Mapping[str, Any]] = []

    def ask(
        _: object, question: Mapping[str, Any], limits: Limits, *, is_last: bool
    ) -> dict[str, Any]:
        asked.append(question)
        return open_there(question)

    monkeypatch.setattr(LimitedProcess, "ask", ask)
    write_model("gemma3", tmp_path)
    for _ in range(2):
        load_tried(tmp_path)
    assert len(asked) == 1
    os.utime(tmp_path / "model.safetensors", ns=(1, 1))
    load_tried(tmp_path)
    rewrite(tmp_path / "config.json", seen=3)
    load_tried(tmp_path)
    assert len(asked) == 3
    tensors = load_tensors(tmp_path / "model.safetensors")
    tensors["model.norm.weight"] *= torch.nan
    save_tensors(tensors, tmp_path / "model.safetensors")
    for _ in range(2):  # What was refused is not known to be harmless.
        with pytest.raises(Damaged):
            load_tried(tmp_path)
    assert len(asked) == 5


def test_after_a_large_model_the_process_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_model("gemma3", tmp_path)
    monkeypatch.setattr(trial, "KEPT", 0)
    load_tried(tmp_path)
    assert trial._process._process is None
