"""A real pretrained model, SmolLM2-135M-Instruct, reads texts as `transformers` reads them.

Its makers put `<|endoftext|>` between documents, its eos is `<|im_end|>`, its bos `<|im_start|>`,
and its tokenizer puts nothing around a text.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from conftest import Answer
from serving import client_of

from endonym.export.huggingface import import_huggingface, write_tokenizer
from endonym.generate.language_model import LanguageModel
from endonym.serve.engine import chat_ids
from endonym.serve.own_engine import OwnEngine

SEPARATOR = 0
PROMPTS = ["The capital of France is", "La capitale de la France est"]
NEW_TOKENS = 8
SHORT = "The cat sat on the mat."
MESSAGES = [{"role": "user", "content": "Name three fruits."}]


@pytest.fixture(scope="module")
def ours(real_model: Path) -> LanguageModel:
    return import_huggingface(real_model)


@pytest.fixture(scope="module")
def reader(real_model: Path) -> Any:
    return pytest.importorskip("transformers").AutoTokenizer.from_pretrained(real_model)


@pytest.fixture(scope="module")
def theirs(real_model: Path) -> Any:
    loader = pytest.importorskip("transformers").AutoModelForCausalLM
    return loader.from_pretrained(real_model, dtype=torch.float32).eval()


def their_nats(theirs: Any, ids: list[int]) -> float:
    """The negative log-probability of ids, except the first, by one forward pass."""
    with torch.inference_mode():
        logits = theirs(torch.tensor([ids])).logits[0, :-1].double()
    return -float(logits.log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None]).sum())


def test_greedy_text_is_theirs_also_of_a_server(
    ours: LanguageModel, theirs: Any, reader: Any
) -> None:
    engine = OwnEngine(ours, most_slots=1, memory=1 << 30)
    with client_of(engine) as (client, _):
        for prompt in PROMPTS:
            given = reader(prompt, return_tensors="pt")
            made = theirs.generate(**given, do_sample=False, max_new_tokens=NEW_TOKENS)
            wanted = reader.decode(made[0, given["input_ids"].shape[1] :])
            assert ours.generate(prompt, temperature=0, max_tokens=NEW_TOKENS) == wanted
            asked = {"prompt": prompt, "temperature": 0, "max_tokens": NEW_TOKENS}
            answer = client.post("/v1/completions", **asked).json()
            assert answer["choices"][0]["text"] == wanted
            assert answer["usage"]["prompt_tokens"] == given["input_ids"].shape[1]
    ids = reader.apply_chat_template(MESSAGES, add_generation_prompt=True)["input_ids"]
    assert chat_ids(engine, MESSAGES) == ids


def test_bits_are_theirs_after_the_token_between_documents(
    ours: LanguageModel,
    theirs: Any,
    reader: Any,
    language_sentences: Callable[[str], list[str]],
) -> None:
    page = "\n".join(language_sentences("french")[:12])
    for text in (SHORT, page):
        ids = [SEPARATOR, *reader(text)["input_ids"]]
        bits = their_nats(theirs, ids) / math.log(2) / len(text.encode())
        assert float(ours.score(text)) == pytest.approx(bits, rel=1e-4)


def test_evaluate_names_the_start_and_can_leave_it_out(
    real_model: Path,
    theirs: Any,
    reader: Any,
    tmp_path: Path,
    command: Callable[..., Answer],
) -> None:
    texts = [SHORT, "A page of a book about the sea and its ships is open on the table."]
    (tmp_path / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
    options = ["--document", "line", "--text", str(tmp_path / "texts.txt")]

    def found(*more: str) -> tuple[dict[str, Any], dict[str, float]]:
        said = json.loads(command("--json", "evaluate", real_model, *options, *more).out)
        return said, {score["metric"]: score["value"] for score in said["scores"]}

    every = [reader(text)["input_ids"] for text in texts]
    said, values = found()
    nats = sum(their_nats(theirs, [SEPARATOR, *ids]) for ids in every)
    assert said["start"] == ["<|endoftext|>"]
    n_bytes = sum(len(text.encode()) for text in texts)
    assert values["bits_per_byte"] == pytest.approx(nats / math.log(2) / n_bytes, rel=1e-4)
    said, values = found("--no-start")
    nats = sum(their_nats(theirs, ids) for ids in every)
    assert said["start"] == []
    assert said["no_start"] is True
    scored = sum(len(ids) - 1 for ids in every)
    assert values["nats_per_token"] == pytest.approx(nats / scored, rel=1e-4)
    n_bytes -= sum(len(reader.decode(ids[:1]).encode()) for ids in every)
    assert values["bits_per_byte"] == pytest.approx(nats / math.log(2) / n_bytes, rel=1e-4)


def test_an_exported_tokenizer_is_the_folders_own(
    ours: LanguageModel, reader: Any, tmp_path: Path, transformers: ModuleType
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    write_tokenizer(ours.tokenizer, 8192, tmp_path)
    exported = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in [*PROMPTS, SHORT, "", "1 234,50 €\n\nÇa va ?"]:
        assert exported(text)["input_ids"] == reader(text)["input_ids"]
    for asks in (True, False):
        ids = [
            each.apply_chat_template(MESSAGES, add_generation_prompt=asks)["input_ids"]
            for each in (exported, reader)
        ]
        assert ids[0] == ids[1]
