"""A finished model goes on with another vocabulary, and so does one from elsewhere."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from foreign_folders import gemma_like, write_model, write_tokenizer
from journeys.test_going_on import artifacts, files_of, going_on, killed_at_step_8

from endonym.corpus.corpus import Corpus
from endonym.data.shards import TokenShards
from endonym.disk import read_json
from endonym.generate.language_model import LanguageModel
from endonym.model.decoder import Decoder
from endonym.tokenizer.tokenizer import Tokenizer

Say = Callable[..., Any]
EXTEND = "\n[tokenizer]\nextend = 40\nsources = { others = 1.0 }\n"
REPLACE = '\n[tokenizer]\nkind = "bpe"\nvocab = 500\n'
GGUF = '\n[[export]]\nformat = "gguf"\nquantize = ["F32"]\n'


def new_language(recipe: Path, folder: object, tokenizer: str, extra: str = "") -> Path:
    """The small recipe going on from a folder, with another tokenizer."""
    going_on(recipe, str(folder), extra)
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(text.replace("\n[pack]", f"{tokenizer}\n[pack]", 1), encoding="utf-8")
    return recipe


@pytest.fixture(scope="module")
def extended(
    finished: Path,
    tmp_path_factory: pytest.TempPathFactory,
    small_recipe: Callable[[Path], Path],
    command: Say,
) -> Path:
    """A folder in which a finished run was continued with forty pieces more."""
    folder = tmp_path_factory.mktemp("new-vocabulary")
    run = finished / "runs" / "kechkena"
    recipe = new_language(small_recipe(folder / "project"), run, EXTEND, GGUF)
    said = command("run", recipe, "--store", folder / "store")
    assert said.code == 0, said.err
    assert re.search(r"bytes a token on dev text · \d\.\d\d with the 400 before", said.err)
    assert "before" in said.out
    return folder


def test_the_old_ids_stay_and_texts_take_fewer_tokens(extended: Path, finished: Path) -> None:
    (made,), (given,) = (artifacts(each / "store", "tokenizer") for each in (extended, finished))
    old, new = (Tokenizer.load(each.folder / "tokenizer.json") for each in (given, made))
    assert new.vocab == old.vocab + 40
    assert [new.name_of(n) for n in range(old.vocab)] == [old.name_of(n) for n in range(old.vocab)]
    report = read_json(made.folder / "report.json")
    gain = report["sources"]["others"]["bytes_per_token"]
    assert gain > report["before"]["sources"]["others"]["bytes_per_token"]
    assert report["before"]["vocab"] == old.vocab


def test_the_model_has_rows_for_them_and_its_journal_begins_with_the_old_model(
    extended: Path, finished: Path
) -> None:
    (model,) = artifacts(extended / "store", "model")
    loaded = LanguageModel.load(model.folder)
    assert isinstance(loaded.decoder, Decoder)
    assert loaded.decoder.config.vocab == 440
    (shards,) = artifacts(extended / "store", "shards")
    assert TokenShards(shards.folder, "train").vocab == 440
    assert "folder" in model.manifest["inputs"]


def test_both_losses_stand_beside_those_before_training(extended: Path, finished: Path) -> None:
    """Before is the old model by its own tokenizer, on the same texts."""
    made = next(e for e in artifacts(extended / "store", "evaluation") if "split" in e.numbers)
    scores = json.loads((made.folder / "scores.json").read_text(encoding="utf-8"))
    bits = {
        (each["model"], each["source"]): each
        for each in scores
        if each["metric"] == "bits_per_byte"
        and each["text"] == "document"
        and each["weighting"] == "bytes"
    }
    after, before = (bits[name, "others"] for name in ("model", "before"))
    assert after["n_bytes"] == before["n_bytes"]
    assert after["n_tokens"] <= before["n_tokens"]
    (old,) = artifacts(finished / "store", "model")
    (corpus,) = artifacts(extended / "store", "corpus")
    texts = [e.text for e in Corpus(corpus.folder).documents("test") if e.source == "others"]
    model, sizes = LanguageModel.load(old.folder), [len(text.encode()) for text in texts]
    bits = sum(model.score(text) * size for text, size in zip(texts, sizes, strict=True))
    assert before["value"] == pytest.approx(bits / sum(sizes), rel=1e-5)
    page = (extended / "runs" / "kechkena" / "report.html").read_text(encoding="utf-8")
    assert "before" in page


def test_its_exports_are_proven_in_transformers_and_llama_cpp(extended: Path) -> None:
    """Law 20: an export that gave other ids or logits would not have been kept."""
    formats = {each.numbers["format"] for each in artifacts(extended / "store", "export")}
    assert formats == {"huggingface", "gguf"}


def test_a_kill_leaves_a_run_that_goes_on_to_the_same_bytes(
    extended: Path,
    finished: Path,
    small_recipe: Callable[[Path], Path],
    command: Say,
    tmp_path: Path,
) -> None:
    """Laws 13 and 19."""
    run = finished / "runs" / "kechkena"
    recipe = new_language(small_recipe(tmp_path / "project"), run, EXTEND, GGUF)
    args = ["run", str(recipe), "--store", str(tmp_path / "store"), "--until", "model"]
    killed_at_step_8(args, command)
    said = command(*args)
    assert said.code == 0, said.err
    assert "goes on from step 8" in said.err
    for kind in ("tokenizer", "model"):
        assert files_of(tmp_path / "store", kind) == files_of(extended / "store", kind)


def test_the_identity_is_that_of_the_content(
    extended: Path,
    finished: Path,
    small_recipe: Callable[[Path], Path],
    command: Say,
    tmp_path: Path,
) -> None:
    """The artefact's folder, copied elsewhere, is the same model as the run."""
    (model,) = artifacts(finished / "store", "model")
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    for path in model.folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    recipe = new_language(small_recipe(tmp_path / "project"), copy, EXTEND, GGUF)
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("kechkena", "koshma"), "utf-8")
    said = command("run", recipe, "--store", extended / "store", "--json")
    assert said.code == 0, said.err
    kinds = ("tokenizer", "shards", "model", "evaluation")
    stages = [each for each in said.json()["stages"] if each["name"].startswith(kinds)]
    assert len(stages) == 5
    assert not any(each["made"] for each in stages)


def test_a_whole_new_tokenizer_replaces_the_old_one(
    finished: Path, small_recipe: Callable[[Path], Path], command: Say, tmp_path: Path
) -> None:
    run = finished / "runs" / "kechkena"
    recipe = new_language(small_recipe(tmp_path / "project"), run, REPLACE)
    said = command("run", recipe, "--store", tmp_path / "store")
    assert said.code == 0, said.err
    (model,) = artifacts(tmp_path / "store", "model")
    loaded = LanguageModel.load(model.folder)
    assert loaded.decoder.config.vocab == loaded.tokenizer.vocab <= 500
    assert "pieces added" not in said.err


def test_a_foreign_model_is_given_another_tokenizer(
    small_recipe: Callable[[Path], Path], command: Say, tmp_path: Path
) -> None:
    write_model("gemma3", tmp_path / "gemma")
    recipe = new_language(small_recipe(tmp_path / "project"), "../gemma", REPLACE)
    said = command("run", recipe, "--store", tmp_path / "store")
    assert said.code == 0, said.err
    (export,) = artifacts(tmp_path / "store", "export")
    config = read_json(export.folder / "config.json")
    (model,) = artifacts(tmp_path / "store", "model")
    assert config["vocab_size"] == LanguageModel.load(model.folder).tokenizer.vocab


def test_a_tokenizer_that_cannot_be_extended_is_told_and_so_is_a_run_without_a_model(
    small_recipe: Callable[[Path], Path], command: Say, tmp_path: Path
) -> None:
    write_model("gemma3", tmp_path / "gemma")
    parts = json.loads(gemma_like().to_str())
    parts["model"]["byte_fallback"] = False
    write_tokenizer(tokenizers.Tokenizer.from_str(json.dumps(parts)), tmp_path / "gemma")
    recipe = new_language(small_recipe(tmp_path / "project"), "../gemma", EXTEND)
    said = command("run", recipe, "--store", tmp_path / "store")
    assert said.code == 1
    assert "a BPE that does not read bytes" in " ".join(said.err.split())
    assert 'kind = "bpe"' in said.err
    own, until = small_recipe(tmp_path / "own"), ("--until", "tokenizer")
    assert command("run", own, "--store", tmp_path / "store", *until).code == 0
    run = tmp_path / "runs" / "kechkena"
    other = new_language(small_recipe(tmp_path / "other"), run, EXTEND)
    said = command("run", other, "--store", tmp_path / "store")
    assert said.code == 2
    assert "the run kechkena has no finished model yet" in said.err


def test_fewer_pieces_than_asked_for_are_said(
    finished: Path, small_recipe: Callable[[Path], Path], command: Say, tmp_path: Path
) -> None:
    run = finished / "runs" / "kechkena"
    recipe = new_language(small_recipe(tmp_path / "project"), run, EXTEND.replace("40", "9000"))
    said = command("run", recipe, "--store", tmp_path / "store", "--until", "tokenizer")
    assert said.code == 0, said.err
    assert re.search(r"only \d+ of 9\D?000 pieces added", said.err)
