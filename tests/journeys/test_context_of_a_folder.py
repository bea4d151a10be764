"""A pretrained folder keeps its own context, however short the rows of training are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_folders import quiet_transformers, write_model
from journeys.test_going_on import artifacts, going_on
from made_conversations import conversations, pairs, write_lines
from toys import lively_decoder, toy_config, toy_tokenizer

from endonym.disk import read_json
from endonym.export.huggingface import export_huggingface, load_pretrained
from endonym.generate.language_model import LanguageModel
from endonym.model.decoder import Decoder
from endonym.model.foreign.folder import CONTEXTS

Say = Callable[..., Any]
CONTEXT, ROW = 160, 96
CHAT = '[chat]\ntemplate = "chat.jinja"\nmax_rejected = 0.5\n\n'
TEMPLATE = "{% for message in messages %}{{ message.content }}{{ eos_token }}{% endfor %}"
"""Of two turns the second is the answer: it writes a token that every folder has."""
ANSWERS = """
[[phase]]
name = "answers"
objective = "chat"
data = "conversations.jsonl"
steps = 2
batch_tokens = 192
number_format = "fp32"
adapt = { rank = 2 }
"""
LIKED = """
[[phase]]
name = "liked"
objective = "preferences"
data = "pairs.jsonl"
steps = 2
batch_tokens = 192
number_format = "fp32"
"""
GGUF = '\n[[export]]\nformat = "gguf"\nquantize = ["F16"]\n'
ROPE = {
    "rope_theta": 10_000.0,
    "rope_type": "llama3",
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 40,
}
DYNAMIC = {"rope_theta": 10_000.0, "rope_type": "dynamic", "factor": 2.0}


def in_rows(recipe: Path, folder: str, extra: str, row: int = ROW) -> Path:
    """The small recipe in shorter rows, going on from a folder: two steps on texts, and more."""
    going_on(recipe, folder, extra)
    text = recipe.read_text(encoding="utf-8").replace("context = 32", f"context = {row}")
    text = text.replace("steps = 12", "steps = 2").replace("batch_tokens = 256", "batch_tokens=192")
    recipe.write_text(text.replace("[[phase]]", CHAT + "[[phase]]", 1), encoding="utf-8")
    write_lines(recipe.parent / "conversations.jsonl", conversations(40))
    write_lines(recipe.parent / "pairs.jsonl", pairs(40))
    (recipe.parent / "chat.jinja").write_text(TEMPLATE, encoding="utf-8")
    return recipe


@pytest.fixture(scope="module")
def from_gpt2(
    tmp_path_factory: pytest.TempPathFactory, small_recipe: Callable[[Path], Path], command: Say
) -> Path:
    """A GPT-2 with 160 learned positions, trained in rows of 96 on texts, answers and pairs."""
    pytest.importorskip("xllamacpp")
    home = tmp_path_factory.mktemp("gpt2")
    tokenizer = toy_tokenizer("bpe")
    config = toy_config("gpt2", vocab=tokenizer.vocab, context=CONTEXT)
    export_huggingface(LanguageModel(lively_decoder(config, noise=0.1), tokenizer), home / "gpt2")
    recipe = in_rows(small_recipe(home / "project"), "../gpt2", ANSWERS + LIKED + GGUF)
    said = command("run", recipe, "--store", home / "store")
    assert said.code == 0, said.err
    return home


def test_learned_positions_beyond_the_rows_stay_as_they_were(from_gpt2: Path) -> None:
    given = load_pretrained(from_gpt2 / "gpt2").decoder.state_dict()["positions.weight"]
    models = artifacts(from_gpt2 / "store", "model")
    assert len(models) == 3
    for model in models:
        decoder = LanguageModel.load(model.folder).decoder
        assert isinstance(decoder, Decoder)
        assert decoder.config.context == CONTEXT
        learnt = decoder.state_dict()["positions.weight"]
        assert learnt[ROW:].equal(given[ROW:])
        assert not learnt[:ROW].equal(given[:ROW])
    with torch.no_grad():  # learned positions say themselves that the row is not too long
        assert decoder.logits(torch.ones(1, CONTEXT, dtype=torch.long)).isfinite().all()


def test_exports_have_the_context_of_the_folder(from_gpt2: Path) -> None:
    from endonym.generate.llama_cpp import LlamaCpp

    exports = {each.numbers["format"]: each for each in artifacts(from_gpt2 / "store", "export")}
    folder = exports["huggingface"].folder
    assert read_json(folder / "config.json")["n_positions"] == CONTEXT
    assert read_json(folder / "tokenizer_config.json")["model_max_length"] == CONTEXT
    theirs = quiet_transformers().AutoModelForCausalLM.from_pretrained(folder)
    assert theirs.config.max_position_embeddings == CONTEXT
    (gguf,) = exports["gguf"].folder.glob("*.gguf")
    assert LlamaCpp(gguf).trained_context == CONTEXT
    (modelfile,) = exports["gguf"].folder.glob("Modelfile*")
    assert f"num_ctx {CONTEXT}" in modelfile.read_text(encoding="utf-8")


def test_a_run_that_starts_from_such_a_run_keeps_it_too_and_check_says_so(
    from_gpt2: Path, tmp_path: Path, small_recipe: Callable[[Path], Path], command: Say
) -> None:
    run = from_gpt2 / "runs" / "kechkena"
    recipe = in_rows(small_recipe(tmp_path / "again"), str(run), ANSWERS, row=112)
    store = ("--store", tmp_path / "store")
    checked = command("check", recipe, *store)
    assert f"{CONTEXT} tokens, in rows of 112 in training" in checked.out
    said = command("run", recipe, *store, "--until", "model answers")
    assert said.code == 0, said.err
    models = artifacts(tmp_path / "store", "model")
    assert [read_json(each.folder / "config.json")["context"] for each in models] == [CONTEXT] * 2
    too_long = command("check", recipe, *store, "--set", f"pack.context={CONTEXT + 8}")
    assert too_long.code == 2
    assert f"rows of {CONTEXT + 8} tokens for a model that reads {CONTEXT}" in too_long.err


@pytest.mark.parametrize(
    ("kind", "others"),
    [
        ("llama", {"rope_parameters": ROPE}),
        ("mistral", {"sliding_window": 128}),
        ("gemma3", {"sliding_window": 128}),
        ("mixtral", {"rope_parameters": DYNAMIC}),
    ],
)
def test_positions_windows_and_scaling_of_a_folder_come_out_as_they_went_in(
    kind: str,
    others: dict[str, Any],
    tmp_path: Path,
    small_recipe: Callable[[Path], Path],
    command: Say,
) -> None:
    write_model(kind, tmp_path / "given", max_position_embeddings=CONTEXT, **others)
    given = read_json(tmp_path / "given" / "config.json")
    recipe = in_rows(small_recipe(tmp_path / "project"), "../given", ANSWERS)
    store = ("--store", tmp_path / "store")
    said = command("run", recipe, *store, "--set", "phase.0.steps=1", "--set", "evaluate=")
    assert said.code == 0, said.err
    (export,) = artifacts(tmp_path / "store", "export")
    written = read_json(export.folder / "config.json")
    for key in (*CONTEXTS, "sliding_window", "rope_parameters", "rope_scaling", "layer_types"):
        assert written.get(key) == given.get(key), key
    settings = read_json(tmp_path / "given" / "tokenizer_config.json")
    assert read_json(export.folder / "tokenizer_config.json") == settings
    for model in artifacts(tmp_path / "store", "model"):
        assert LanguageModel.load(model.folder).decoder.config.context == CONTEXT
