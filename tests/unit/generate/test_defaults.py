"""How a model writes where nobody says how: by its folder's generation_config.json."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toys import lively_decoder, toy_config, toy_tokenizer

from endonym.export.gguf.write import Provenance, export_gguf
from endonym.export.huggingface import export_huggingface, import_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import Defaults, Sampling
from endonym.serve.own_engine import OwnEngine
from endonym.serve.requests import ChatRequest, CompletionRequest

SMOL = {"temperature": 0.2, "top_p": 0.9, "do_sample": True, "eos_token_id": 2}
QWEN = {"temperature": 0.6, "top_k": 20, "top_p": 0.95, "repetition_penalty": 1.05}
CASES: list[tuple[dict[str, Any], Sampling]] = [
    ({}, Sampling()),
    (SMOL, Sampling(temperature=0.2, top_p=0.9)),
    (QWEN, Sampling(temperature=0.6, top_k=20, repetition_penalty=1.05)),
    ({"min_p": 0.1, "temperature": 1}, Sampling(temperature=1.0, min_p=0.1)),
    ({"do_sample": False, "temperature": 0.7}, Sampling(temperature=0.0)),
    ({"top_k": -1, "top_p": None, "temperature": "hot"}, Sampling()),
    ({"temperature": -3, "top_p": 0, "min_p": True, "top_k": float("inf")}, Sampling()),
    ({"repetition_penalty": 1e9, "temperature": float("nan")}, Sampling()),
]


@pytest.mark.parametrize(("generation", "sampling"), CASES, ids=str)
def test_what_the_file_says_is_taken_and_what_it_does_not_say_is_endonyms_own(
    generation: dict[str, Any], sampling: Sampling
) -> None:
    assert Defaults.of(generation).sampling() == sampling


def test_what_a_person_says_wins_even_if_it_is_endonyms_own_default() -> None:
    defaults = Defaults.of(QWEN)
    given = defaults.sampling(temperature=0.8, top_k=0, top_p=None, seed=3)
    assert given == Sampling(top_p=0.95, repetition_penalty=1.05, seed=3)
    assert defaults.words() == "temperature 0.6, top_k 20, top_p 0.95, repetition_penalty 1.05"


@pytest.mark.parametrize(("most", "taken"), [(512, 512), (1, 1), (None, 200), (0, 200), (-1, 200)])
def test_the_length_is_that_of_the_file_if_it_is_one(most: object, taken: int) -> None:
    assert Defaults.of({"max_new_tokens": most}).max_tokens == taken


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose makers recommend greedy choice and seven tokens."""
    tokenizer = toy_tokenizer("bpe")
    config = toy_config("llama", vocab=tokenizer.vocab, context=64)
    model = LanguageModel(lively_decoder(config, seed=2), tokenizer)
    export_huggingface(model, tmp_path / "folder")
    said = {"do_sample": False, "max_new_tokens": 7, "top_k": 5}
    path = tmp_path / "folder" / "generation_config.json"
    path.write_text(json.dumps({"eos_token_id": tokenizer.end_id} | said), encoding="utf-8")
    return tmp_path / "folder"


def test_python_and_the_server_write_as_the_folder_says(folder: Path) -> None:
    model = import_huggingface(folder)
    greedy = model.generate("Әбием мич янында", temperature=0, max_tokens=7)
    assert model.generate("Әбием мич янында") == greedy
    (many,) = model.generate_many(["Әбием мич янында"])
    assert "".join(many) == greedy
    hot = model.generate("Әбием мич янында", temperature=3.0, top_k=0, max_tokens=40)
    assert hot != model.generate("Әбием мич янында", max_tokens=40)
    engine = OwnEngine(model, most_slots=1, memory=0)
    body = CompletionRequest(model="m", prompt="Әбием")
    assert body.sampling(1, engine.defaults) == Sampling(temperature=0.0, top_k=5, seed=1)
    assert body.length(engine.defaults) == 7
    messages: Any = [{"role": "user", "content": "Сәлам!"}]
    asked = ChatRequest(model="m", messages=messages, temperature=0.9, max_tokens=3)
    assert asked.sampling(1, engine.defaults) == Sampling(temperature=0.9, top_k=5, seed=1)
    assert asked.length(engine.defaults) == 3


def test_a_gguf_file_says_it_too(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    from endonym.generate.llama_cpp import LlamaCpp
    from endonym.serve.llama_engine import stated_defaults

    model = import_huggingface(folder)
    (file,) = export_gguf(model, tmp_path, ("F32",), Provenance())
    with LlamaCpp(file, context=0) as described:
        found = stated_defaults(described)
    assert found.sampling() == Sampling(temperature=0.0, top_k=5)
    plain = LanguageModel(model.decoder, model.tokenizer)
    (file,) = export_gguf(plain, tmp_path, ("F32",), Provenance(name="plain"))
    with LlamaCpp(file, context=0) as described:
        assert stated_defaults(described) == Defaults()


def test_the_commands_follow_the_folder_and_say_so(
    folder: Path, tmp_path: Path, command: Callable[..., Any]
) -> None:
    prompt, store = "Әбием мич янында", ("--store", tmp_path / "store")
    said = command("generate", folder, prompt, *store)
    assert "temperature 0, max_new_tokens 7" in said.err.replace("top_k 5, ", "")
    greedy = command("generate", folder, prompt, "--temperature", 0, "--max-tokens", 7, *store)
    assert said.out == greedy.out
    longer = command("generate", folder, prompt, "--max-tokens", 30, *store)
    assert len(longer.out) > len(said.out)
    own = command("generate", folder, prompt, "--temperature", "0.8", "--max-tokens", 30, *store)
    assert own.out != longer.out


def test_the_help_of_chat_states_the_minimum_for_base_models_only(
    command: Callable[..., Any],
) -> None:
    words = " ".join(command("chat", "--help").out.split())
    assert "[default: (0; of base models 40)" in words
    assert "[default: (the model's, else 0.8)]" in words
    assert "default: 40" not in words
