"""llama.cpp as an engine: sequences together have the logits that our model has for each alone."""

import copy
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
import torch
from serving import CHATML, client_of, toy_language_model, write_gguf

from endonym.errors import Damaged
from endonym.export.gguf.write import Provenance, export_gguf
from endonym.generate.llama_cpp import LlamaCpp
from endonym.serve import llama_engine
from endonym.serve.engine import Row, chat_ids
from endonym.serve.llama_engine import LlamaEngine, cache_bytes

pytest.importorskip("xllamacpp")
TEXTS = ("Әбием мич янында <|endoftext|>", "ភូមិស្ងាត់", "Le facteur")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf"))


def engine_of(path: Path, slots: int = 4, memory: int = 1 << 30) -> LlamaEngine:
    return LlamaEngine(path, most_slots=slots, memory=memory, threads=1)


@pytest.fixture(scope="module")
def engine(path: Path) -> Generator[LlamaEngine]:
    made = engine_of(path)
    yield made
    made.close()


def test_ids_bytes_and_ends_are_ours(engine: LlamaEngine) -> None:
    tokenizer = toy_language_model().tokenizer
    for text in TEXTS:
        assert engine.vocabulary.encode(text) == tokenizer.encode(text)
    ours = [tokenizer.bytes_of(index) for index in range(tokenizer.used_vocab)]
    assert [engine.vocabulary.bytes_of(index) for index in range(len(ours))] == ours
    # llama.cpp knows the end of a turn by its name, and stops there too.
    ends = {tokenizer.end_id, tokenizer.special_ids["turn_end"]}
    assert (engine.before, set(engine.ends)) == ((tokenizer.end_id,), ends)
    assert (engine.context, engine.template) == (64, None)


def test_sequences_in_one_batch_have_the_logits_of_each_alone(engine: LlamaEngine, path: Path):
    model = toy_language_model()
    rows = [[model.tokenizer.end_id, *model.tokenizer.encode(text)] for text in TEXTS]
    with LlamaCpp(path) as alone:
        expected = [alone.logits(ids) for ids in rows]
    first = [Row(slot, ids[:3], 0, 1) for slot, ids in enumerate(rows)]
    found = engine.compute(first)
    assert found == pytest.approx(np.stack([each[2] for each in expected]), abs=5e-4)
    rest = [Row(slot, ids[3:], 3, len(ids) - 3) for slot, ids in enumerate(rows)]
    found = engine.compute(rest[::-1])
    assert found == pytest.approx(np.concatenate([e[3:] for e in expected[::-1]]), abs=5e-4)
    assert len(engine.compute([Row(3, rows[0][:2], 0, 0)])) == 0
    for slot in range(4):
        engine.release(slot)
    assert engine.compute(first[:1])[0] == pytest.approx(expected[0][2], abs=5e-3)
    engine.release(0)


def test_slots_fit_into_the_memory_that_is_given(path: Path) -> None:
    from endonym.generate.llama_cpp import LlamaCpp

    with LlamaCpp(path, context=0) as described:
        token, state = cache_bytes(described)
    assert (token, state) == (2 * 2 * 2 * 16, 0)  # fp16, keys and values, layers, channels
    each = 64 * token
    for memory, slots in ((3 * each, 3), (0, 1), (1 << 40, 4)):
        engine = engine_of(path, memory=memory)
        assert engine.slots == slots
        engine.close()


def test_a_context_that_no_memory_holds_is_shortened(tmp_path: Path) -> None:
    path = write_gguf(tmp_path, context=64)
    key, claimed = b"context_length", 200_000_000
    data = path.read_bytes()
    at = data.index(key) + len(key) + 4  # the key, its type, its value
    path.write_bytes(data[:at] + claimed.to_bytes(4, "little") + data[at + 4 :])
    engine = engine_of(path, memory=1 << 20)
    assert (engine.whole_context, engine.slots) == (claimed, 1)
    assert engine.context == (1 << 20) // (2 * 2 * 2 * 16) // 256 * 256
    assert engine.compute([Row(0, [*engine.before], 0, 1)]).shape[0] == 1
    engine.close()


@pytest.mark.parametrize("family", ["mamba2"])
def test_slots_of_state_spaces_fit_into_the_memory_that_is_given(tmp_path: Path, family: str):
    model = toy_language_model(family)
    (made,) = export_gguf(model, tmp_path, ("F32",), Provenance("тел"))
    each = sum(layer.bytes() for layer in model.decoder.empty_cache(1, 64))
    with LlamaCpp(made, context=0) as described:
        assert cache_bytes(described) == (0, each)
    for memory, slots in ((3 * each, 3), (0, 1), (1 << 40, 4)):
        engine = engine_of(made, memory=memory)
        assert (engine.slots, engine.context) == (slots, 64)
        engine.close()


def test_an_unknown_kind_of_memory_gets_one_slot(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(llama_engine, "cache_bytes", lambda described: (0, 0))
    engine = engine_of(path)
    assert (engine.slots, engine.context) == (1, 64)
    engine.close()


@pytest.mark.parametrize("family", ["mamba", "gpt2"])
def test_a_model_without_keys_of_attention_has_slots_too(tmp_path: Path, family: str) -> None:
    (made,) = export_gguf(toy_language_model(family), tmp_path, ("F32",), Provenance("тел"))
    engine = engine_of(made)
    assert engine.slots == 4
    ids = [*engine.before, *engine.vocabulary.encode("Таң")]
    with torch.inference_mode():
        expected = toy_language_model(family).decoder.logits(torch.tensor([ids]))[0, -1].numpy()
    found = engine.compute([Row(0, ids[:2], 0, 0), Row(3, ids, 0, 1)])
    assert found[0] == pytest.approx(expected, abs=2e-2)
    assert engine.compute([Row(0, ids[2:], 2, 1)])[0] == pytest.approx(expected, abs=2e-2)
    engine.close()


@pytest.mark.parametrize("ends", [False, True])
def test_a_model_nobody_asks_is_freed(path: Path, ends: bool):
    """Requests read the vocabulary in threads of their own; freed memory would kill the server."""
    engine, closed = engine_of(path), list[bool]()
    free, encode = engine.close, engine.vocabulary.encode
    engine.close = lambda: closed.append(True) or free()  # type: ignore[method-assign]
    with client_of(engine) as (client, service):
        if ends:
            service.end()
        else:
            engine.compute = engine.release = lambda given: [].pop()  # type: ignore[method-assign]
            assert client.post("/v1/completions", prompt="Таң").status_code == 500
        thread = service.schedulers["тел"]._thread
        thread.join(10)
        assert (thread.is_alive(), closed) == (False, [])
        assert encode("Әбием мич янында")
        engine.vocabulary.encode = lambda text: pytest.fail(text)  # type: ignore[method-assign]
        answer = client.post("/v1/completions", prompt="Әбием мич янында")
        assert answer.status_code == (503 if ends else 500)
        assert answer.json()["error"]["code"] == ("server_ending" if ends else None)
    assert closed == [True]


@pytest.mark.parametrize("share", [0.0, 0.9])
def test_a_truncated_file_is_told(path: Path, tmp_path: Path, share: float) -> None:
    data = path.read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(Damaged, match="cannot read"):
        engine_of(cut)


def test_a_chat_template_is_followed_and_names_in_messages_stay_text(tmp_path: Path) -> None:
    engine = engine_of(write_gguf(tmp_path, CHATML))
    assert engine.template == CHATML
    encode = engine.vocabulary.encode
    said = "Сәлам <|endoftext|><|im_end|>"
    ids = chat_ids(engine, [{"role": "user", "content": said}])
    expected = [*engine.before, *engine.encode_markup("<|im_start|>user\n"), *encode(said)]
    assert ids[: len(expected)] == expected
    assert set(engine.before).isdisjoint(ids[1:])
    with client_of(engine) as (client, _):
        messages = [{"role": "user", "content": "Таң"}]
        asked = {"messages": messages, "max_tokens": 5, "seed": 1, "logprobs": True}
        answer = client.post("/v1/chat/completions", **asked).json()
        (choice,) = answer["choices"]
        assert (answer["object"], choice["message"]["role"]) == ("chat.completion", "assistant")
        assert len(choice["logprobs"]["content"]) == answer["usage"]["completion_tokens"]
        asked["logprobs"] = False
        streamed = client.post("/v1/chat/completions", **asked, stream=True).text
        assert '"role": "assistant"' in streamed.split("\n\n")[0]
        assert '"logprobs": {' not in streamed


def test_the_template_and_the_ends_of_an_adapter_count_beside_the_files(tmp_path: Path) -> None:
    path, chat = write_gguf(tmp_path), copy.copy(toy_language_model().tokenizer)
    role_end = chat.special_ids["turn_start"]
    chat.chat_template, chat.turn_ends = CHATML, (chat.token(role_end),)
    engine = LlamaEngine(path, most_slots=1, memory=1 << 30, threads=1, chat=chat)
    plain = engine_of(path)
    assert (engine.template, plain.template) == (CHATML, None)
    assert set(engine.ends) - set(plain.ends) == {role_end}
    chat.chat_template = None
    assert LlamaEngine(path, most_slots=1, memory=1 << 30, threads=1, chat=chat).ends == plain.ends


def test_the_state_takes_its_part_of_memory(path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of a model with layers of both kinds."""
    monkeypatch.setattr(llama_engine, "cache_bytes", lambda described: (64, 1 << 19))
    monkeypatch.setattr(llama_engine, "claimed_context", lambda described: 10_000)
    for memory, context in ((1 << 20, 8_192), (1 << 19, 256), (0, 256)):
        engine = engine_of(path, memory=memory)
        assert (engine.context, engine.whole_context, engine.slots) == (context, 10_000, 1)
        engine.close()
    both = engine_of(path, memory=2 * (10_000 * 64 + (1 << 19)))
    assert (both.context, both.slots) == (10_000, 2)
    both.close()


def test_a_batch_has_a_token_of_each_sequence(path: Path, monkeypatch: pytest.MonkeyPatch):
    vocab = toy_language_model().tokenizer.vocab
    for numbers, batch in ((2 * vocab, 4), (7 * vocab, 7), (1 << 25, llama_engine.BATCH)):
        monkeypatch.setattr(llama_engine, "BATCH_LOGITS", numbers)
        engine = engine_of(path)
        assert (engine.slots, engine.batch) == (4, batch)
        engine.close()
