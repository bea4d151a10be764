"""The HTTP interface: what clients of OpenAI's API send, and what they get."""

import asyncio
import json
import math
from collections.abc import Generator, Sequence

import httpx
import numpy as np
import pytest
import regex
import torch
from prometheus_client.parser import text_string_to_metric_families
from serving import CHATML, Client, SlowEngine, client_of, events_of, toy_language_model
from toys import lively_decoder, toy_config, toy_tokenizer

from endonym.generate.language_model import LanguageModel
from endonym.serve import service
from endonym.serve.answers import ApiError, token_text
from endonym.serve.engine import Logits, Row
from endonym.serve.own_engine import OwnEngine
from endonym.tokenizer import template_process

PROMPT = "Әбием мич янында"


@pytest.fixture(scope="module")
def client() -> Generator[Client]:
    with client_of(SlowEngine(slots=4)) as (made, _):
        yield made


def test_a_text_is_continued_and_its_tokens_are_counted(client: Client) -> None:
    answer = client.post("/v1/completions", prompt=PROMPT, max_tokens=8, seed=1).json()
    (choice,) = answer["choices"]
    assert (answer["object"], choice["index"], choice["logprobs"]) == ("text_completion", 0, None)
    assert choice["finish_reason"] in ("stop", "length")
    prompt = len(toy_language_model().tokenizer.encode(PROMPT))
    usage = answer["usage"]
    assert usage["prompt_tokens"] == prompt
    assert 1 <= usage["completion_tokens"] <= 8
    assert usage["total_tokens"] == prompt + usage["completion_tokens"]
    again = client.post("/v1/completions", prompt=PROMPT, max_tokens=8, seed=1).json()
    assert again["choices"] == answer["choices"]
    other = client.post("/v1/completions", prompt=PROMPT, max_tokens=8, seed=2).json()
    assert other["choices"] != answer["choices"]


def test_a_prompt_is_spelled_as_the_training_text_unless_it_is_sent_back() -> None:
    engine = SlowEngine()
    engine.spelled = lambda text: text.replace("ѳ", "ө").replace("  ", " ")
    with client_of(engine) as (client, _):
        wrong, right = (
            {"prompt": text, "max_tokens": 4, "seed": 1} for text in ("Ѳй  ѳстенә", "Ѳй өстенә")
        )
        asked = [client.post("/v1/completions", **each).json() for each in (wrong, right)]
        assert asked[0]["choices"] == asked[1]["choices"]
        echo = client.post("/v1/completions", **wrong, echo=True).json()["choices"][0]["text"]
        assert echo.startswith(wrong["prompt"])
        asked = {**wrong, "echo": True, "spelled": True}
        whole = client.post("/v1/completions", **asked).json()
        assert whole["choices"][0]["text"].startswith(right["prompt"])
        first = events_of(client.post("/v1/completions", **asked, stream=True))[0]
        assert first["prompt"] == whole["prompt"] == [right["prompt"]]


def test_over_http_the_last_word_may_go_on_unless_the_request_says_otherwise(client: Client):
    asked = {"prompt": "Әбием миңа", "max_tokens": 1, "n": 8, "temperature": 3, "seed": 3}
    begun: list[str] = []
    for more in ({}, {"inside_word": False}, {"inside_word": False, "prompt": "Әбием миңа "}):
        answer = client.post("/v1/completions", **(asked | more)).json()
        begun.append("".join(choice["text"][:1] for choice in answer["choices"]))
    raw, apart, blank = begun
    of_words = regex.compile(r"[\p{Latin}\p{Cyrillic}0-9\p{M}]")
    assert of_words.search(raw)
    assert apart
    assert not of_words.search(apart)
    assert set(blank) == {" "}


def test_a_stream_has_the_text_of_the_whole_answer(client: Client) -> None:
    asked = {"prompt": PROMPT, "max_tokens": 16, "seed": 3, "n": 2}
    whole = client.post("/v1/completions", **asked).json()
    options = {"include_usage": True}
    streamed = client.post("/v1/completions", **asked, stream=True, stream_options=options)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    head = streamed.headers
    assert (head["cache-control"], head["x-accel-buffering"]) == ("no-store", "no")
    *chunks, last = events_of(streamed)
    assert (last["choices"], last["usage"]) == ([], whole["usage"])
    for index, choice in enumerate(whole["choices"]):
        mine = [c for each in chunks for c in each["choices"] if c["index"] == index]
        assert "".join(each["text"] for each in mine) == choice["text"]
        assert [each["finish_reason"] for each in mine if each["finish_reason"]] == [
            choice["finish_reason"]
        ]
    assert whole["choices"][0]["text"] != whole["choices"][1]["text"]


def test_log_probabilities_are_those_of_the_model_for_the_prompt_as_well(client: Client) -> None:
    model = toy_language_model()
    asked = {"prompt": PROMPT, "max_tokens": 1, "logprobs": 2, "echo": True, "temperature": 0}
    (choice,) = client.post("/v1/completions", **asked).json()["choices"]
    told = choice["logprobs"]
    ids = model.tokenizer.encode(PROMPT)
    with torch.inference_mode():
        logits_TV = model.decoder.logits(torch.tensor([[model.tokenizer.end_id, *ids]]))[0]
    log_TV = logits_TV.log_softmax(-1)
    expected = [float(log_TV[at, index]) for at, index in enumerate(ids)]
    assert told["token_logprobs"][:-1] == pytest.approx(expected, abs=1e-4)
    assert told["token_logprobs"][-1] == pytest.approx(float(log_TV[-1].max()), abs=1e-4)
    assert len(told["tokens"]) == len(told["top_logprobs"]) == len(told["text_offset"])
    assert all(len(each) == 2 for each in told["top_logprobs"])
    assert choice["text"].startswith(PROMPT)


def test_a_model_wider_than_its_tokenizer_tells_no_id_that_stands_for_nothing() -> None:
    tokenizer = toy_tokenizer("bpe")
    config = toy_config("qwen3", vocab=tokenizer.vocab + 64, context=64)
    model = LanguageModel(lively_decoder(config, noise=0.1), tokenizer)
    text = "Таң атты"
    asked = {"prompt": text, "max_tokens": 0, "logprobs": 20, "echo": True}
    with client_of(OwnEngine(model, most_slots=2, memory=1 << 30)) as (client, _):
        (choice,) = client.post("/v1/completions", **asked).json()["choices"]
    told = choice["logprobs"]
    names = {token_text(tokenizer, index) for index in range(tokenizer.vocab)}
    assert all(0 < len(each) <= 20 and names.issuperset(each) for each in told["top_logprobs"])
    bits = -sum(told["token_logprobs"]) / math.log(2)
    assert bits / len(text.encode()) == pytest.approx(model.score(text), rel=1e-4)


@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_where_the_model_gives_no_number_null_is_told(value: float) -> None:
    engine = SlowEngine()
    engine.compute = lambda rows: np.full(  # type: ignore[method-assign]
        (sum(row.outputs for row in rows), engine.vocabulary.vocab), value, dtype=np.float32
    )
    asked = {"prompt": "Таң", "max_tokens": 4, "logprobs": 2, "echo": True}
    with client_of(engine) as (client, _):
        whole = client.post("/v1/completions", **asked)
        (choice,) = json.loads(whole.content, parse_constant=pytest.fail)["choices"]
        streamed = client.post("/v1/completions", **asked, stream=True).text
    assert set(choice["logprobs"]["token_logprobs"]) == {None}
    for part in streamed.split("\n\n")[:-2]:
        json.loads(part.removeprefix("data: "), parse_constant=pytest.fail)


def test_ids_that_open_a_text_themselves_are_told_without_a_probability(client: Client) -> None:
    model = toy_language_model()
    ids = [model.tokenizer.end_id, *model.tokenizer.encode("Таң")]
    asked = {"prompt": [ids, ids[1:]], "max_tokens": 0, "logprobs": 0, "echo": True}
    opened, alone = client.post("/v1/completions", **asked).json()["choices"]
    assert opened["logprobs"]["token_logprobs"][0] is None
    assert [each is None for each in opened["logprobs"]["top_logprobs"]][:2] == [True, False]
    assert opened["logprobs"]["token_logprobs"][1:] == alone["logprobs"]["token_logprobs"]
    assert len(alone["logprobs"]["tokens"]) == len(ids) - 1
    assert (opened["text"], alone["text"]) == ("Таң", "Таң")
    assert alone["finish_reason"] == "length"


def test_several_texts_of_a_prompt_each_echo_it_and_it_is_scored_once() -> None:
    encode = toy_language_model().tokenizer.encode
    texts = ["Таң атты", "ភូមិរបស់ខ្ញុំ"]
    asked = {"prompt": texts, "n": 3, "max_tokens": 2, "min_tokens": 2, "seed": 3, "echo": True}
    engine = SlowEngine(slots=4)
    compute, wanted = engine.compute, list[int]()

    def counted(rows: Sequence[Row]) -> Logits:
        wanted.extend(row.outputs for row in rows)
        return compute(rows)

    engine.compute = counted  # type: ignore[method-assign]
    with client_of(engine) as (client, _):
        plain = client.post("/v1/completions", **asked).json()
        wanted.clear()
        scored = client.post("/v1/completions", **asked, logprobs=1).json()
        streamed = events_of(client.post("/v1/completions", **asked, logprobs=1, stream=True))
    lengths = [len(encode(text)) for text in texts]
    assert lengths[0] != lengths[1]
    assert plain["usage"] == scored["usage"]
    assert plain["usage"]["prompt_tokens"] == sum(lengths)
    assert sum(wanted) == 2 * (sum(lengths) + 2 * 6)  # two answers of 6 texts in 2 steps
    for index, choice in enumerate(scored["choices"]):
        text, length = texts[index // 3], lengths[index // 3]
        assert choice["text"] == plain["choices"][index]["text"]
        assert choice["text"].startswith(text)
        told, first = choice["logprobs"], scored["choices"][index - index % 3]["logprobs"]
        assert len(told["tokens"]) == length + 2
        for key in ("tokens", "token_logprobs", "text_offset"):
            assert told[key][:length] == first[key][:length]
        mine = [c for each in streamed for c in each["choices"] if c["index"] == index]
        assert [n for each in mine for n in each["logprobs"]["token_logprobs"]] == pytest.approx(
            told["token_logprobs"], abs=1e-4
        )


def test_a_stop_string_ends_the_text_before_it(client: Client) -> None:
    asked = {"prompt": PROMPT, "max_tokens": 40, "temperature": 0}
    text = client.post("/v1/completions", **asked).json()["choices"][0]["text"]
    stop = text[5:8]
    (choice,) = client.post("/v1/completions", **asked, stop=stop).json()["choices"]
    assert choice["text"] == text[: text.index(stop)]
    assert choice["finish_reason"] == "stop"
    streamed = events_of(client.post("/v1/completions", **asked, stop=[stop], stream=True))
    assert "".join(c["text"] for e in streamed for c in e["choices"]) == choice["text"]


def test_a_base_model_says_that_it_continues_texts(client: Client) -> None:
    messages = [{"role": "user", "content": "Сәлам!"}]
    answer = client.post("/v1/chat/completions", messages=messages)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "no_chat_template")
    assert "/v1/completions" in error["message"]


LONE = '{"model": "тел", "prompt": "\\ud800"}'.encode()


WRONG_REQUESTS = [
    (b'{"model": ', 400, None),
    (b"[]", 400, None),
    (b"\xff", 400, None),
    (LONE, 400, "prompt"),
    ('{"model": "тел", "top_k": -2, "top_p": 9}'.encode(), 400, "top_p"),
    ('{"model": "башка"}'.encode(), 404, "model"),
    ('{"model": "тел", "prompt": [99999]}'.encode(), 400, "prompt"),
    ('{"model": "тел", "prompt": []}'.encode(), 400, "prompt"),
    ('{"model": "тел", "repetition_penalty": 1e-42}'.encode(), 400, "repetition_penalty"),
    ('{"model": "тел", "temperature": NaN}'.encode(), 400, "temperature"),
    ('{"model": "тел", "suffix": "x"}'.encode(), 400, "suffix"),
    ('{"model": "тел", "stream_options": {"include_usage": true}}'.encode(), 400, "stream_options"),
    ('{"model": "тел", "tempreature": 1}'.encode(), 400, "tempreature"),
    (f'{{"model": "тел", "logit_bias": {{"{"1" * 5000}": 1}}}}'.encode(), 400, "logit_bias"),
]


@pytest.mark.parametrize(("content", "status", "param"), WRONG_REQUESTS)
def test_a_wrong_request_is_told(client: Client, content: bytes, status: int, param: str | None):
    kind = {"Content-Type": "application/json"}
    answer = client.request("POST", "/v1/completions", content=content, headers=kind)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["param"] == param


REFUSALS = [
    *(("prompt", value, "prompt: expected a text, a list of texts") for value in (5, ["Т", 5])),
    ("prompt", [], "prompt: an empty list holds no prompt"),
    ("stop", 5, "stop: expected a text of 1 to 200 characters, or a list of at most 16 of"),
    ("stream_options", {"include_usage": True}, "stream_options: only with stream: true"),
    ("best_of", 3, "body: best_of must be n: texts are not ranked here"),
]


@pytest.mark.parametrize(("key", "value", "message"), REFUSALS)
def test_a_refusal_names_the_written_key(client: Client, key: str, value: object, message: str):
    error = client.post("/v1/completions", **{key: value}).json()["error"]
    assert error["message"].startswith(message)
    assert "Value error" not in error["message"]


def test_a_prompt_longer_than_the_context_is_refused_with_both_numbers(client: Client) -> None:
    for prompt in (PROMPT * 40, "ы" * 500_000, [5] * 64):
        answer = client.post("/v1/completions", prompt=prompt)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (400, "context_length_exceeded")
        assert "64 tokens" in error["message"]
    for given, made in ((63, 1), (62, 2), (60, 4)):  # with the opening token: up to the last place
        asked = {"prompt": [5] * given, "max_tokens": 9, "min_tokens": 9}
        fits = client.post("/v1/completions", **asked).json()
        assert fits["usage"]["completion_tokens"] == made
        assert fits["choices"][0]["finish_reason"] == "length"


def test_the_figures_are_what_prometheus_reads_and_counts_add_up() -> None:
    with client_of() as (client, _):
        for _ in range(3):
            client.post("/v1/completions", prompt="Таң", max_tokens=4, min_tokens=4)
        client.request("GET", "/nowhere/at/all")
        text = client.request("GET", "/metrics").text
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["endonym_generated_tokens_total", "тел"] == 12
    assert found["endonym_ended_total", "тел"] == 3
    assert found["endonym_active_sequences", "тел"] == 0
    assert found["endonym_waiting_sequences", "тел"] == 0
    assert found["endonym_first_byte_seconds_bucket", "/v1/completions", "100.0"] == 3
    assert found["endonym_requests_total", "/v1/completions", "200"] == 3
    assert found["endonym_requests_total", "404", "other"] == 1


def test_models_and_health(client: Client) -> None:
    (model,) = client.request("GET", "/v1/models").json()["data"]
    assert model.pop("created") > 1_700_000_000
    assert model == {
        **{"id": "тел", "object": "model", "owned_by": "endonym", "engine": "endonym"},
        **{"context": 64, "turns": 0, "chat": False, "language": ""},
        **{"suggestions": True, "proofreading": False, "corrections": False},
    }
    assert client.request("GET", "/v1/models/тел").json().items() >= model.items()
    assert client.request("GET", "/v1/models/башка").status_code == 404
    assert client.request("GET", "/health").json() == {"status": "ok"}
    assert client.request("GET", "/nowhere").json()["error"]["message"]
    assert client.request("DELETE", "/v1/models").status_code == 405


def test_no_page_loads_anything_from_elsewhere(client: Client) -> None:
    pages = dict.fromkeys(("/", "/studio", "/docs"), "html")
    styles = {f"/page/{name}.css": "css" for name in ("style", "surprise", "write")}
    names = ("shared", "typed", "write", "studio", "docs")
    scripts = {f"/page/{name}.js": "javascript" for name in names}
    for path, kind in (pages | styles | scripts).items():
        page = client.request("GET", path)
        assert page.status_code == 200
        assert page.headers["content-type"] == f"text/{kind}; charset=utf-8"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "//" not in page.text.replace("http://www.w3.org", "").replace("; //", "")
    assert client.request("GET", "/page/../api.py").status_code == 404
    described = client.request("GET", "/openapi.json").json()
    assert "/v1/completions" in described["paths"]
    for name in ("CompletionRequest", "ChatRequest"):
        assert described["components"]["schemas"][name]["properties"]["model"]["enum"] == ["тел"]


def test_a_tiny_temperature_is_greedy(client: Client) -> None:
    cold = {"prompt": PROMPT, "max_tokens": 5}
    greedy = client.post("/v1/completions", temperature=0, **cold).json()["choices"]
    assert client.post("/v1/completions", temperature=1e-46, **cold).json()["choices"] == greedy


def test_a_biased_id_is_chosen_and_more_texts_than_the_queue_holds_are_refused(client: Client):
    (index,) = toy_language_model().tokenizer.encode("ә")
    asked = {"prompt": "Таң", "max_tokens": 2, "logit_bias": {str(index): 100}, "n": 16}
    choices = client.post("/v1/completions", **asked).json()["choices"]
    assert [each["text"] for each in choices] == ["әә"] * 16
    answer = client.post("/v1/completions", **asked | {"n": 17})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "too_many_texts")


def test_a_full_queue_is_told_with_the_time_to_come_again() -> None:
    with client_of(SlowEngine(slots=1, seconds=0.01)) as (client, service):
        service.schedulers["тел"].capacity = 4
        one = ("POST", "/v1/completions", {"json": {"model": "тел", "max_tokens": 30}})
        answers = client.all([one] * 12)
        codes = [each.status_code for each in answers]
        assert codes.count(200) >= 5
        refused = [each for each in answers if each.status_code == 429]
        assert len(refused) + codes.count(200) == 12
        assert refused
        for each in refused:
            assert int(each.headers["retry-after"]) >= 1
            assert each.json()["error"]["code"] == "queue_full"
        assert service.schedulers["тел"].counts.refused == len(refused)


def test_a_full_queue_is_told_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = SlowEngine(slots=1, seconds=0.01)
    engine.template = CHATML  # type: ignore[assignment]
    with client_of(engine) as (client, made):

        def full(count: int) -> None:
            raise ApiError(429, "full", headers={"Retry-After": "9"})

        monkeypatch.setattr(made.schedulers["тел"], "require_place", full)
        monkeypatch.setattr(engine.vocabulary, "encode", pytest.fail)
        monkeypatch.setattr(service, "chat_ids", pytest.fail)
        messages = [{"role": "user", "content": "Сәлам!"}]
        texts = ("completions", {"prompt": PROMPT})
        for path, keys in (texts, ("chat/completions", {"messages": messages})):
            answer = client.post(f"/v1/{path}", **keys)
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "9")


def test_a_template_that_hangs_holds_up_no_completion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_process, "SECONDS", 0.5)
    engine = SlowEngine()
    engine.template = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}"  # type: ignore[assignment]
    ended: list[str] = []
    with client_of(engine) as (client, _):

        async def ask(http: httpx.AsyncClient, path: str, **keys: object) -> None:
            await http.post(f"/v1/{path}", json={"model": "тел", **keys})
            ended.append(path)

        async def ask_all() -> None:
            transport = httpx.ASGITransport(client.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
                messages = [{"role": "user", "content": "Сәлам!"}]
                chats = [ask(http, "chat/completions", messages=messages) for _ in range(8)]
                await asyncio.gather(*chats, ask(http, "completions", prompt=PROMPT, max_tokens=2))

        client.loop.run_until_complete(ask_all())
    assert ended[0] == "completions"


def test_an_engine_that_fails_is_an_error_and_the_server_lives() -> None:
    engine = SlowEngine()
    with client_of(engine) as (client, _):
        engine.seconds = -1.0  # time.sleep refuses it
        whole = client.post("/v1/completions", prompt=PROMPT)
        assert (whole.status_code, whole.json()["error"]["type"]) == (500, "server_error")
        streamed = client.post("/v1/completions", prompt=PROMPT, stream=True)
        assert "could not be computed" in streamed.text
        engine.seconds = 0.0
        assert client.post("/v1/completions", prompt=PROMPT).status_code == 200


def test_a_fault_is_told_to_the_client_in_openais_form_and_to_the_log_with_its_place() -> None:
    with client_of() as (client, service):
        said: list[str] = []
        client.app.report = said.append
        service.schedulers["тел"].engine.vocabulary = None  # type: ignore[misc]
        answer = client.post("/v1/completions", prompt=PROMPT)
        assert (answer.status_code, answer.json()["error"]["type"]) == (500, "server_error")
        (line,) = said
        assert line.startswith("POST '/v1/completions': AttributeError(")
        assert line.rpartition(" in ")[2].startswith("service.py, line ")
        client.app.access = None
        answer = client.request("GET", "/health")
        assert (answer.status_code, answer.json()["error"]["type"]) == (500, "server_error")
        assert said[1].endswith("'check'\") in limits.py, line " + said[1].rpartition(" ")[2])


def test_a_model_that_is_no_longer_computed_is_told() -> None:
    engine = SlowEngine()
    with client_of(engine) as (client, service):
        engine.seconds = -1.0
        engine.release = lambda slot: [].pop()  # type: ignore[method-assign]
        assert client.post("/v1/completions", prompt=PROMPT).status_code == 500
        service.schedulers["тел"].close()
        assert client.post("/v1/completions", prompt=PROMPT).status_code == 500
        health = client.request("GET", "/health")
        assert (health.status_code, health.json()) == (503, {"status": "failed"})


def test_a_server_that_ends_tells_open_streams_and_takes_no_more() -> None:
    engine = SlowEngine(seconds=0.1)
    with client_of(engine) as (client, service):

        async def end() -> httpx.Response:
            transport = httpx.ASGITransport(client.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as one:
                body = {"model": "тел", "max_tokens": 60, "min_tokens": 60, "stream": True}
                asked = asyncio.create_task(one.post("/v1/completions", json=body))
                while not engine.steps:
                    await asyncio.sleep(0.01)
                service.end()
                return await asked

        last = client.loop.run_until_complete(end()).text.strip().split("\n\n")[-1]
        assert json.loads(last.removeprefix("data: "))["error"]["code"] == "server_ending"
        assert client.post("/v1/completions", prompt=PROMPT).status_code == 503
        assert client.request("GET", "/health").status_code == 503
