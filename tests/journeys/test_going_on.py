"""A model from elsewhere is continued on one's own sentences, judged, handed over, opened there."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_folders import (
    quiet_transformers,
    unigram_with_bytes,
    write_model,
    write_tokenizer,
)
from small_project import Killed

from endonym.disk import list_files
from endonym.generate.language_model import LanguageModel
from endonym.model.decoder import Decoder
from endonym.model.foreign.decoder import ForeignDecoder
from endonym.pipeline import tuning
from endonym.store import Artifact, open_artifact
from endonym.train import checkpoint

Say = Callable[..., Any]
SECOND = """
[[phase]]
name = "second"
steps = 4
batch_tokens = 256
number_format = "fp32"
"""


def going_on(recipe: Path, folder: str, extra: str = "") -> Path:
    """The small recipe, beginning from a folder instead of from nothing."""
    text = recipe.read_text(encoding="utf-8")
    text = re.sub(r"\[tokenizer\].*?(?=\[pack\])", "", text, flags=re.DOTALL)
    model = f'[model]\nfolder = "{folder}"\n\n'
    text = re.sub(r"\[model\].*?(?=\[\[phase\]\])", model, text, flags=re.DOTALL)
    recipe.write_text(text.replace("steps = 40", "steps = 12") + extra, encoding="utf-8")
    return recipe


def artifacts(store: Path, kind: str) -> list[Artifact]:
    return [open_artifact(path.parent) for path in sorted((store / kind).glob("*/manifest.json"))]


@pytest.fixture(scope="module")
def continued(
    tmp_path_factory: pytest.TempPathFactory, small_recipe: Callable[[Path], Path], command: Say
) -> Path:
    """A folder in which a Gemma 3 was continued in two phases."""
    folder = tmp_path_factory.mktemp("going-on")
    write_model("gemma3", folder / "gemma")
    recipe = going_on(small_recipe(folder / "project"), "../gemma", SECOND)
    said = command("run", recipe, "-v", "--store", folder / "store")
    assert said.code == 0, said.err
    assert "gemma3_text · 3 layers × 32" in said.err
    assert "bits/byte" in said.out
    return folder


def test_check_counts_it_before_anything_is_made(
    tmp_path: Path, small_recipe: Callable[[Path], Path], command: Say
) -> None:
    network = write_model("gemma3", tmp_path / "gemma")
    recipe = going_on(small_recipe(tmp_path / "project"), "../gemma", SECOND)
    found = command("check", recipe, "--store", tmp_path / "store", "--json").json()
    assert found["parameters"] == network.num_parameters()
    assert found["family"] == "gemma3_text"
    assert found["choices"]["phase.1.lr"]["value"] == 1e-3
    assert not [key for key in found["choices"] if key.startswith(("model.", "tokenizer."))]
    assert "computed by transformers" in command("check", recipe).out
    (tmp_path / "gemma" / "model.safetensors").write_bytes(b"")
    said = command("check", recipe)
    assert said.code == 1
    assert "is not a whole safetensors file" in said.err


@pytest.mark.parametrize("kind", ["huggingface", "adapter", "gguf", "gguf-adapter"])
def test_what_an_export_would_refuse_is_told_before_anything_is_made(
    kind: str, tmp_path: Path, small_recipe: Callable[[Path], Path], command: Say
) -> None:
    write_model("llama", tmp_path / "given")
    write_tokenizer(unigram_with_bytes(), tmp_path / "given")
    recipe = going_on(small_recipe(tmp_path / "project"), "../given")
    text = recipe.read_text(encoding="utf-8").replace('"huggingface"', f'"{kind}"')
    if "adapter" in kind:
        text = text.replace("steps = 12", "steps = 12\nadapt = { rank = 2 }")
    recipe.write_text(text, encoding="utf-8")
    for name in ("check", "run"):
        said = command(name, recipe, "--store", tmp_path / "store")
        assert said.code == 1
        expected = "no tokenizer with" if "gguf" in kind else "reads or writes texts otherwise"
        assert expected in said.err
    assert not (tmp_path / "store" / "corpus").exists()


def test_a_continued_model_has_learnt_and_is_opened_by_the_library(
    continued: Path, command: Say
) -> None:
    store = continued / "store"
    models = artifacts(store, "model")
    final = next(each for each in models if "start" in each.manifest["inputs"])
    first = next(each for each in models if "folder" in each.manifest["inputs"])
    assert first.numbers["best_nats"] > final.numbers["best_nats"]
    model = LanguageModel.load(final.folder)
    assert isinstance(model.decoder, ForeignDecoder)
    (export,) = artifacts(store, "export")
    theirs = quiet_transformers().AutoModelForCausalLM.from_pretrained(export.folder).eval()
    assert theirs.config.max_position_embeddings == 64, "rows of 32 tokens change no context"
    row = torch.tensor([[model.tokenizer.end_id, *model.tokenizer.encode("Әбием мич янында")]])
    with torch.no_grad():
        torch.testing.assert_close(theirs(row).logits, model.decoder.logits(row))
    text = continued / "project" / "texts" / "tatar.txt"
    args = ("--text", text, "--store", store, "--json")
    bits = [
        command("evaluate", name, *args).json()["scores"][0]["value"]
        for name in (continued / "gemma", final.folder, export.folder)
    ]
    assert bits[0] > bits[1] == pytest.approx(bits[2], rel=1e-6)
    assert (continued / "runs" / "kechkena" / "report.html").is_file()


def test_its_rate_is_tuned_as_that_of_our_own_models(
    tmp_path: Path,
    small_recipe: Callable[[Path], Path],
    command: Say,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tuning, "LEAST_STEPS", 2)  # A busy machine makes few in the time.
    write_model("gemma3", tmp_path / "gemma")
    recipe = going_on(small_recipe(tmp_path / "project"), "../gemma")
    args = ("run", recipe, "--store", tmp_path / "store", "--until", "model")
    said = command(*args, "--tune", "0.2")
    assert said.code == 0, said.err
    (line,) = (each for each in said.err.splitlines() if "  lr = " in each and "#" in each)
    assert "instead of 0.004, tried on" in line
    assert line.split("  # ")[0].strip() in command(*args).err


def test_the_folder_is_a_source_by_its_content(continued: Path, command: Say) -> None:
    recipe = continued / "project" / "recipe.toml"
    args = ("run", recipe, "--store", continued / "store", "--json")
    assert not any(stage["made"] for stage in command(*args).json()["stages"])
    sources = artifacts(continued / "store", "source")
    names = [[file["name"] for file in each.manifest["config"]["files"]] for each in sources]
    expected = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    expected.append("generation_config.json")
    assert expected in names
    made = command("run", recipe, "--store", continued / "store", "--dry-run", "--json").json()
    assert "source gemma" in [stage["name"] for stage in made["stages"]]


def test_a_folder_is_continued_by_name_and_generates(continued: Path, command: Say) -> None:
    args = ("generate", continued / "gemma", "Бакчада", "--max-tokens", "5", "--json")
    assert command(*args).json()["tokens"] <= 5
    said = command("generate", "kechkena", "Бакчада", "--store", continued / "store")
    assert said.code == 0
    assert said.out.startswith("Бакчада")


def killed_at_step_8(args: list[str], command: Say) -> None:
    """Run the command, which dies after its checkpoint of step 8."""
    save = checkpoint.save

    def save_and_die(work: Path, state: checkpoint.TrainState, *tensors: Any, **options: Any):
        save(work, state, *tensors, **options)
        if state.step == 8:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", save_and_die)
        with pytest.raises(Killed):
            command(*args)


def files_of(store: Path, kind: str) -> dict[str, list[Any]]:
    """The hashes of the files of each artefact of a kind."""
    return {each.id: list_files(each.folder) for each in artifacts(store, kind)}


def test_a_kill_leaves_a_run_that_goes_on_to_the_same_bytes(
    continued: Path, small_recipe: Callable[[Path], Path], command: Say, tmp_path: Path
) -> None:
    recipe = going_on(small_recipe(tmp_path / "project"), str(continued / "gemma"), SECOND)
    args = ["run", str(recipe), "--store", str(tmp_path / "store")]
    killed_at_step_8(args, command)
    assert list((tmp_path / "store" / "model").glob("*.part/step-000008"))
    said = command(*args)
    assert said.code == 0, said.err
    assert "goes on from step 8" in said.err
    for kind in ("model", "export"):
        assert files_of(tmp_path / "store", kind) == files_of(continued / "store", kind)


def test_a_model_of_ours_goes_on_from_its_own_export(
    finished: Path, small_recipe: Callable[[Path], Path], command: Say, tmp_path: Path
) -> None:
    (export,) = artifacts(finished / "store", "export")
    recipe = going_on(small_recipe(tmp_path / "project"), str(export.folder))
    said = command("run", recipe, "--store", tmp_path / "store")
    assert said.code == 0, said.err
    (model,) = artifacts(tmp_path / "store", "model")
    assert isinstance(LanguageModel.load(model.folder).decoder, Decoder)
    (before,) = artifacts(finished / "store", "model")
    assert model.numbers["best_nats"] < before.numbers["best_nats"] + 0.05
    (tokenizer,) = artifacts(tmp_path / "store", "tokenizer")
    given = (export.folder / "tokenizer.json").read_bytes()
    assert (tokenizer.folder / "tokenizer.json").read_bytes() == given


def test_a_model_that_cannot_be_trained_is_told_before_any_text_is_read(
    tmp_path: Path, small_recipe: Callable[[Path], Path], command: Say
) -> None:
    write_model("phi", tmp_path / "phi")
    recipe = going_on(small_recipe(tmp_path / "project"), "../phi")
    said = command("run", recipe, "--store", tmp_path / "store")
    assert said.code == 1
    assert "phi adds a bias to its logits" in said.err
    longer = ("run", recipe, "--store", tmp_path / "store", "--set", "pack.context=128")
    said = command(*longer)
    assert said.code == 2
    assert "pack.context: rows of 128 tokens for a model that reads 64" in said.err
    assert not (tmp_path / "store" / "corpus").exists()


def test_a_tokenizer_that_loses_a_text_is_refused_before_training(
    tmp_path: Path, small_recipe: Callable[[Path], Path], command: Say
) -> None:
    write_model("gemma3", tmp_path / "gemma")
    recipe = going_on(small_recipe(tmp_path / "project"), "../gemma")
    texts = tmp_path / "project" / "texts" / "tatar.txt"
    lost = "Бу җөмләдә ▁ билгесе бар, ә ул бушлыкка әйләнә һәм югала.\n"
    texts.write_text(texts.read_text(encoding="utf-8") + lost, encoding="utf-8")
    said = command("run", recipe, "--store", tmp_path / "store")
    assert said.code == 1
    assert "comes back as" in said.err
    data = json.loads((tmp_path / "gemma" / "config.json").read_text(encoding="utf-8"))
    data["auto_map"] = {"AutoModel": "modeling.Model"}
    (tmp_path / "gemma" / "config.json").write_text(json.dumps(data), encoding="utf-8")
    assert "auto_map asks for code" in command("check", recipe).err
    assert "auto_map asks for code" in command("generate", tmp_path / "gemma", "Ә").err
