"""generate, evaluate and export, as they are typed."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from endonym.log import size

Say = Callable[..., Any]


@pytest.fixture
def store(finished: Path) -> list[Any]:
    return ["--store", finished / "store"]


def test_generate_writes_the_prompt_and_what_follows(command: Say, store: list[Any]) -> None:
    args = ["generate", "kechkena", "Әбием мич", "--max-tokens", "8", *store]
    said = command(*args)
    data = command(*args, "--json").json()
    assert set(data) == {"text", "finish_reason", "tokens", "seconds"}
    assert said.out == f"Әбием мич{data['text']}\n"
    assert data["tokens"] <= 8
    assert data["finish_reason"] in ("length", "end")
    assert command(*args).out == said.out


def test_another_seed_writes_another_text_and_n_writes_several(command: Say, store: list[Any]):
    args = ["generate", "kechkena", "Таң", "--max-tokens", "12", *store]
    first = command(*args, "--seed", "1").out
    second = command(*args, "--seed", "2").out
    assert first != second
    assert command(*args, "--seed", "1", "-n", "2").out == f"{first}\n{second}"
    cold = [command(*args, "--temperature", "0", "--seed", seed).out for seed in ("1", "2")]
    assert cold[0] == cold[1]


def test_a_setting_out_of_bounds_is_a_wrong_request(command: Say, store: list[Any]) -> None:
    flags = {
        **{"--temperature": "-1", "--top-p": "1.5", "--top-k": "-1"},
        **{"--repetition-penalty": "0", "--device": "abacus"},
    }
    for flag, value in flags.items():
        said = command("generate", "kechkena", "Таң", flag, value, *store, "--json")
        assert said.code == 2
        assert said.json()["error"]["where"] == flag


def test_a_model_is_found_four_ways(finished: Path, command: Say, store: list[Any], tmp_path: Path):
    (model,) = (finished / "store" / "model").iterdir()
    (handed,) = (finished / "store" / "export").iterdir()
    out = tmp_path / "out"
    said = command("export", "kechkena", "--out", out, *store)
    assert said.code == 0
    assert "pip install torch transformers, then AutoModelForCausalLM.from_pretrained" in said.err
    names = ["kechkena", finished / "runs" / "kechkena", model, model.name[:4], handed, out]
    texts = {command("generate", name, "Таң", "--max-tokens", "6", *store).out for name in names}
    assert len(texts) == 1
    assert {each.name for each in out.iterdir()} == {
        each.name for each in handed.iterdir() if each.name != "manifest.json"
    }
    for each in out.iterdir():
        written, kept = each.read_bytes(), (handed / each.name).read_bytes()
        if each.name == "README.md":
            # Out of the store a README also says how long training took.
            written = re.sub(rb"All steps took .+\n\n", b"", written)
        assert written == kept


def test_export_never_writes_over_other_files(command: Say, store: list[Any], tmp_path: Path):
    args = ["export", "kechkena", "--out", tmp_path / "out", *store, "--json"]
    files = command(*args).json()["files"]
    assert {each["format"] for each in files} == {"huggingface"}
    for each in files:
        assert Path(each["path"]).stat().st_size == each["bytes"]
    said = command(*args)
    assert said.code == 1
    assert said.json()["error"]["kind"] == "ExportError"
    assert "--out" in said.json()["error"]["do"]


def test_the_files_of_an_export_are_told_with_their_sizes_and_what_they_cost(
    command: Say, store: list[Any], tmp_path: Path
) -> None:
    pytest.importorskip("xllamacpp")
    out, cost = tmp_path / "out", r"bits per byte ([-+\d.]+) % \(model \d\.\d+, export \d\.\d+\)"
    args = ["export", "kechkena", "--to", "gguf", "--quantize", "F16,Q4_K_M", *store]
    rows = command(*args, "--out", out).out.splitlines()
    for path, row in zip(sorted(out.iterdir()), rows, strict=True):
        assert row.startswith(f"{path} ")
        assert f"  {size(path.stat().st_size)}" in row
    mixed = r"; \d+ of \d+ matrices are Q5_0 and Q8_0, as their width 32 is no multiple of 256"
    costs = [
        re.search(f"  F16      {cost}$", rows[3]),
        re.search(f"  Q4_K_M   {cost}{mixed}$", rows[4]),
    ]
    files = command(*args, "--out", tmp_path / "json", "--json").json()["files"]
    assert [each.get("quantization") for each in files] == [None, None, None, "F16", "Q4_K_M"]
    for each, found in zip(files[3:], costs, strict=True):
        assert float(found[1]) == pytest.approx(100 * each["bits_per_byte_change"], abs=6e-4)
    *_, last = command("export", "kechkena", "--out", tmp_path / "hf", *store).out.splitlines()
    assert re.fullmatch(rf"in transformers [\d.]+: {cost}", last)


def test_verify_finds_an_export_of_another_model(command: Say, store: list[Any], tmp_path: Path):
    out, other = tmp_path / "out", tmp_path / "other"
    assert command("export", "kechkena", "--out", out, *store).code == 0
    assert command("verify", out, "--against", "kechkena", *store).code == 0
    shutil.copytree(out, other, ignore=shutil.ignore_patterns("export.json"))
    weights = load_file(other / "model.safetensors")
    changed = {name: tensor * 1.1 for name, tensor in weights.items()}
    save_file(changed, other / "model.safetensors", {"format": "pt"})
    said = command("verify", out, "--against", other, *store, "--json")
    assert said.code == 1
    assert not said.json()["ok"]


def test_evaluate_gives_the_scores_of_the_run(finished: Path, command: Say, store: list[Any]):
    (path,) = (finished / "store" / "evaluation").glob("*/scores.json")
    recorded = json.loads(path.read_text(encoding="utf-8"))
    dev = command("evaluate", "kechkena", *store, "--json", "--split", "dev").json()["scores"]
    assert {each["split"] for each in dev} == {"dev"}
    assert command("evaluate", "kechkena", *store, "--json").json()["scores"] == recorded
    table = command("evaluate", "kechkena", *store).out
    for word in ("bits/byte", "bigram", "compressor", "all"):
        assert word in table
    # What it means comes first.
    assert table.index("the model needs") < table.index("\n\ntest\n  bits/byte ")


def test_evaluate_scores_given_files_and_says_which(command: Say, store: list[Any], tmp_path: Path):
    file = tmp_path / "яңа.txt"
    file.write_text("Мәктәп янында яңа китапханә.\n\nUn pod vechi de lemn.", encoding="utf-8")
    scores = command("evaluate", "kechkena", "--text", file, *store, "--json").json()["scores"]
    assert {each["split"] for each in scores} == {file.name}
    wanted = {"metric": "bits_per_byte", "model": "model", "source": None}.items()
    (bits,) = [each for each in scores if wanted <= each.items()]
    assert bits["n_documents"] == 2
    assert bits["n_bytes"] == len(file.read_bytes()) - len("\n\n")
    assert 0 < bits["value"] < 8
    twice = command("evaluate", "kechkena", "--text", file, "--text", file, *store, "--json")
    assert twice.json()["scores"] == scores * 2
    other = tmp_path / "икенче" / file.name
    other.parent.mkdir()
    other.write_text("Кояш чыкты.", encoding="utf-8")
    both = command("evaluate", "kechkena", "--text", file, "--text", other, *store, "--json")
    names = {f"{tmp_path.name}/{file.name}", f"икенче/{file.name}"}
    assert {each["split"] for each in both.json()["scores"]} == names


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [(None, 2, "no such file"), (b"\n \n", 1, "no text"), (b"d\xe9j\xe0", 1, "this is not UTF-8")],
)
def test_a_file_that_cannot_be_scored_is_told(
    command: Say, store: list[Any], tmp_path: Path, content: bytes | None, code: int, message: str
) -> None:
    file = tmp_path / "text.txt"
    if content is not None:
        file.write_bytes(content)
    said = command("evaluate", "kechkena", "--text", file, *store, "--json")
    error = said.json()["error"]
    assert (said.code, error["where"]) == (code, str(file))
    assert message in error["message"]


@pytest.mark.parametrize("name", ["generate", "export"])
def test_a_missing_model_names_the_runs(finished: Path, command: Say, store: list[Any], name: str):
    said = command(name, "kechken", *store, "--json")
    assert said.code == 2
    assert said.json()["error"]["do"] == "Did you mean kechkena? Runs here: kechkena."
    (corpus,) = (finished / "store" / "corpus").iterdir()
    said = command(name, corpus, *store, "--json")
    assert said.code == 2
    assert "is a corpus, not a model" in said.json()["error"]["message"]


@pytest.mark.parametrize("option", [("--document", "line"), ("--column", "2")])
def test_each_option_of_texts_needs_a_text(option: tuple[str, str], command: Say, store: list[Any]):
    said = command("evaluate", "kechkena", *option, *store)
    assert said.code == 2
    assert "--text and --flores" in said.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--flores", "{0}", "--flores", "{0}"), "--flores once"),
        (("--minimal-pairs", "{0}.new", "--minimal-pairs", "{0}.other"), "--minimal-pairs once"),
        (("--tasks", "{0}", "--split", "dev"), "--split is"),
        (("--flores", "{0}", "--split", "test"), "--split is"),
        (("--minimal-pairs", "{0}.new", "--split", "dev"), "--split is"),
        (("--text", "{0}", "--split", "dev"), "--split is"),
        (("--tasks", "{0}", "--text", "{0}"), "Give one of"),
        (("--tasks", "{0}", "--context", "16"), "--context is"),
        (("--steps", "--context", "16"), "--steps goes with"),
        (("--context", "1"), "'--context'"),
        (("--tasks", "{0}", "--column", "tt"), "--text and --flores"),
        (("--writing", "--tasks", "{0}"), "Give one of"),
        (("--writing", "--split", "dev"), "--split is"),
        (("--prompts", "{0}"), "--prompts goes with --writing"),
        (("--writing", "--prompts", "{0}.none"), "does not exist"),
    ],
)
def test_options_of_evaluate_that_would_not_be_read_are_refused(
    options: tuple[str, ...], words: str, command: Say, store: list[Any], tmp_path: Path
) -> None:
    (path := tmp_path / "a.jsonl").write_text('{"text": "Балалар уйный."}\n', encoding="utf-8")
    said = command("evaluate", "kechkena", *(each.format(path) for each in options), *store)
    assert said.code == 2
    assert words in said.err
