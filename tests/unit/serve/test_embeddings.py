"""`/v1/embeddings`: the features that the model gives here, from each runtime."""

import base64
import threading
from collections.abc import Generator, Sequence
from pathlib import Path

import numpy as np
import pytest
from foreign_folders import write_model
from serving import Client, SlowEngine, client_of, toy_language_model, write_gguf
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR
from toys import toy_tokenizer

from endonym.generate.language_model import LanguageModel
from endonym.model.foreign.weights import load_foreign
from endonym.serve.answers import ApiError
from endonym.serve.engine import Row, Vector
from endonym.serve.own_engine import OwnEngine
from endonym.serve.requests import MOST_TEXTS

TEXTS = [TATAR[0][:40], KHMER[1][:9], "Vrabia cântă.", FRENCH[1][:20]]


@pytest.fixture(scope="module")
def client() -> Generator[Client]:
    with client_of(SlowEngine(slots=2)) as (made, _):
        yield made


def vectors(answer: dict) -> np.ndarray:
    return np.array([each["embedding"] for each in answer["data"]])


def test_they_are_those_of_the_model_in_the_form_of_openai(client: Client) -> None:
    model = toy_language_model()
    answer = client.post("/v1/embeddings", input=TEXTS).json()
    assert answer.keys() == {"object", "data", "model", "usage"}
    assert [(e["object"], e["index"]) for e in answer["data"]] == [
        ("embedding", n) for n in range(4)
    ]
    assert vectors(answer) == pytest.approx(model.embed(TEXTS), abs=1e-6)
    assert np.linalg.norm(vectors(answer), axis=1) == pytest.approx(1, abs=1e-6)
    tokens = sum(len(model.tokenizer.encode(text)) for text in TEXTS)
    assert answer["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    alone = client.post("/v1/embeddings", input=TEXTS[1]).json()
    assert vectors(alone)[0] == pytest.approx(vectors(answer)[1], abs=1e-6)
    ids = client.post("/v1/embeddings", input=model.tokenizer.encode(TEXTS[2])).json()
    assert vectors(ids)[0] == pytest.approx(vectors(answer)[2], abs=1e-6)


def test_one_text_of_many_ids_is_one_text_and_what_opens_it_may_be_sent() -> None:
    model = toy_language_model()
    ids = (model.tokenizer.encode(" ".join(TATAR)) * 9)[: MOST_TEXTS + 5]
    assert len(ids) > MOST_TEXTS
    with client_of(SlowEngine()) as (client, service):
        opening = service.schedulers["тел"].engine.before[0]
        cut, opened = (
            client.post("/v1/embeddings", input=sent, truncate=True)
            for sent in (ids, [opening, *ids])
        )
        assert (cut.status_code, opened.status_code) == (200, 200)
        assert vectors(opened.json()) == pytest.approx(vectors(cut.json()), abs=1e-6)
        assert opened.json()["usage"] == cut.json()["usage"]


def test_base64_holds_the_same_numbers(client: Client) -> None:
    plain = client.post("/v1/embeddings", input=TEXTS).json()
    packed = client.post("/v1/embeddings", input=TEXTS, encoding_format="base64").json()
    found = [np.frombuffer(base64.b64decode(e["embedding"]), "<f4") for e in packed["data"]]
    assert np.stack(found) == pytest.approx(vectors(plain), abs=1e-7)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ("", "a text without a token"),
        (["Сәлам", ""], "a text without a token"),
        ([], "from 1 to 2048 texts, found 0"),
        (["а"] * (MOST_TEXTS + 1), "found 2049"),
        ([7, "а"], "a text, a list of texts"),
        ([[10**6]], "in a vocabulary of"),
        ([ROMANIAN[0] * 9], "but the model's context is 64 tokens"),
        ({"а": 1}, "a text, a list of texts"),
    ],
)
def test_what_has_no_embedding_is_refused_in_words(sent: object, words: str, client: Client):
    answer = client.post("/v1/embeddings", input=sent)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]
    assert (answer.json()["error"]["code"] == "no_token") == ("without a token" in words)


def test_a_text_longer_than_the_context_is_cut_there_if_that_is_asked(client: Client) -> None:
    texts = [ROMANIAN[0] * 9, ROMANIAN[0] * 9000, TEXTS[0]]
    answer = client.post("/v1/embeddings", input=texts, truncate=True).json()
    assert vectors(answer) == pytest.approx(toy_language_model().embed(texts), abs=1e-6)
    assert answer["usage"]["prompt_tokens"] < 3 * 64


def test_other_keys_and_models_are_refused(client: Client) -> None:
    for keys in ({"dimensions": 2}, {"encoding_format": "int8"}, {"temperature": 1}):
        assert client.post("/v1/embeddings", input="а", **keys).status_code == 400
    answer = client.request("POST", "/v1/embeddings", json={"model": "юк", "input": "а"})
    assert answer.json()["error"]["code"] == "model_not_found"


def test_texts_are_generated_meanwhile_and_are_what_they_are_alone() -> None:
    engine = SlowEngine(slots=1)
    with client_of(engine) as (client, service):
        asked = {"model": "тел", "prompt": "Әбием", "max_tokens": 20, "seed": 1}
        alone = client.post("/v1/completions", **asked).json()["choices"]
        both = client.all(
            [
                ("POST", "/v1/completions", {"json": asked}),
                ("POST", "/v1/embeddings", {"json": {"model": "тел", "input": TEXTS}}),
            ]
        )
        assert both[0].json()["choices"] == alone
        assert vectors(both[1].json()) == pytest.approx(toy_language_model().embed(TEXTS), abs=1e-6)
        assert service.schedulers["тел"].counts.failed == 0


class Failing(SlowEngine):
    """An engine that cannot compute."""

    def mean_state(self, ids: Sequence[int], slot: int) -> Vector:
        """Never."""
        raise MemoryError


def test_a_text_that_fails_ends_no_generation_and_no_other_text() -> None:
    class FailingOnce(Failing):
        def mean_state(self, ids: Sequence[int], slot: int) -> Vector:
            return (
                super().mean_state(ids, slot)
                if len(ids) == 2
                else SlowEngine.mean_state(self, ids, slot)
            )

    asked = {"model": "тел", "prompt": "Әбием", "max_tokens": 20, "seed": 1}
    with client_of(FailingOnce()) as (client, service):
        alone = client.post("/v1/completions", **asked).json()["choices"]
        scheduler = service.schedulers["тел"]
        futures = scheduler.mean_states([[0, 5], [0, 5, 6]])
        both = client.all(
            [
                ("POST", "/v1/completions", {"json": asked}),
                ("POST", "/v1/embeddings", {"json": {"model": "тел", "input": [5]}}),
            ]
        )
        assert isinstance(futures[0].exception(60), ApiError)
        assert len(futures[1].result(60)) == 16
        assert both[1].status_code == 500
        assert both[0].json()["choices"] == alone
        assert scheduler.counts.failed == 2


def test_a_failing_engine_and_the_end_of_the_server_are_told() -> None:
    with client_of(Failing()) as (client, service):
        answer = client.post("/v1/embeddings", input=TEXTS)
        assert answer.status_code == 500
        assert "could not be computed" in answer.json()["error"]["message"]
        service.end()
        assert client.post("/v1/embeddings", input="а").status_code == 503


class Held(SlowEngine):
    """An engine that waits for a word before it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.may = threading.Event()

    def mean_state(self, ids: Sequence[int], slot: int) -> Vector:
        """After the word."""
        self.may.wait(60)
        return super().mean_state(ids, slot)


def test_texts_that_do_not_fit_are_refused_with_429() -> None:
    engine = Held()
    with client_of(engine) as (client, service):
        scheduler = service.schedulers["тел"]
        waiting = scheduler.mean_states([[0, 5]] * MOST_TEXTS)
        refused = client.post("/v1/embeddings", input=["а", "б"])
        assert refused.status_code == 429
        assert "Retry-After" in refused.headers
        for future in waiting[2:]:
            future.cancel()  # as of a client that has gone
        engine.may.set()
        assert len(waiting[1].result(60)) == 16
        assert client.post("/v1/embeddings", input="а").status_code == 200


def test_texts_that_wait_when_the_server_ends_are_told() -> None:
    engine = Held()
    with client_of(engine) as (_, service):
        waiting = service.schedulers["тел"].mean_states([[0, 5]] * 3)
        service.end()
        engine.may.set()
        last = waiting[-1].exception(60)
        assert isinstance(last, ApiError)
        assert last.status == 503


@pytest.mark.parametrize("family", ["mistral", "mamba2", "gpt2"])
def test_every_mixer_gives_them(family: str) -> None:
    model = toy_language_model(family)
    engine = OwnEngine(model, most_slots=1, memory=1 << 30)
    for text, expected in zip(TEXTS, model.embed(TEXTS), strict=True):
        found = engine.mean_state([*engine.before, *model.tokenizer.encode(text)], 0)
        assert found / np.linalg.norm(found) == pytest.approx(expected, abs=1e-5)


def test_foreign_classes_give_them(tmp_path: Path) -> None:
    write_model("qwen2", tmp_path)
    model = LanguageModel(load_foreign(tmp_path), toy_tokenizer("bpe"))
    engine = OwnEngine(model, most_slots=1, memory=1 << 30)
    found = engine.mean_state([*engine.before, *model.tokenizer.encode(TEXTS[0])], 0)
    assert found / np.linalg.norm(found) == pytest.approx(model.embed(TEXTS)[0], abs=1e-5)


def test_llama_cpp_gives_them_and_its_logits_stay_what_they_were(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    from endonym.serve.llama_engine import LlamaEngine

    model = toy_language_model(context=1024)
    engine = LlamaEngine(
        write_gguf(tmp_path, context=1024), most_slots=2, memory=1 << 30, threads=1
    )
    row = Row(0, [*engine.before, *engine.vocabulary.encode(TEXTS[0])], 0, 1)
    before = engine.compute([row])
    long = " ".join([*TATAR, *ROMANIAN, *FRENCH])
    for text in (*TEXTS, long):
        ids = [*engine.before, *engine.vocabulary.encode(text)]
        found = engine.mean_state(ids, 1)
        assert found / np.linalg.norm(found) == pytest.approx(model.embed([text])[0], abs=2e-3)
    assert len(ids) > 512, "in parts"
    engine.release(0)
    assert np.array_equal(engine.compute([row]), before)
    engine.close()
