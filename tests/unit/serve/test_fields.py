"""What clients send: fields that ask for nothing change no answer, others are refused by name."""

import gzip
import json
from collections.abc import Generator
from typing import Any

import pytest
from serving import CHATML, Client, SlowEngine, client_of, events_of
from text_samples import FRENCH, ROMANIAN, TATAR

from endonym.serve.requests import FIELDS, ChatRequest, CompletionRequest, EmbeddingRequest

Json = dict[str, Any]
NOT_SUPPORTED: tuple[tuple[str, Any], ...] = (
    ("audio", {"voice": "alloy", "format": "wav"}),
    ("frequency_penalty", 0.5),
    ("function_call", {"name": "weather"}),
    ("functions", [{"name": "weather", "parameters": {}}]),
    ("grammar", 'root ::= "yes"'),
    ("guided_choice", ["әйе", "юк"]),
    ("ignore_eos", True),
    ("json_schema", {}),
    ("min_p", 0.05),
    ("mirostat", 2),
    ("modalities", ["text", "audio"]),
    ("moderation", {"model": "omni-moderation-latest"}),
    ("n_predict", 20),
    ("options", {"num_ctx": 4096}),
    ("prediction", {"type": "content", "content": "Кояш"}),
    ("presence_penalty", -0.5),
    ("reasoning_effort", "high"),
    ("repeat_penalty", 1.1),
    ("response_format", {"type": "json_object"}),
    ("response_format", {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}),
    ("stop_token_ids", [2]),
    ("suffix", "җылы."),
    ("think", True),
    ("tool_choice", "required"),
    ("tool_choice", {"type": "function", "function": {"name": "weather"}}),
    ("tools", [{"type": "function", "function": {"name": "weather", "parameters": {}}}]),
    ("typical_p", 0.9),
    ("use_beam_search", True),
    ("verbosity", "low"),
    ("web_search_options", {}),
    ("tempreature", 0.5),
)
ASKS_FOR_NOTHING: tuple[tuple[str, Any], ...] = (
    *((name, value) for name, values in FIELDS["off"].items() for value in (None, *values)),
    *((name, None) for name in FIELDS["unused"]),
    ("frequency_penalty", 0),
    ("include_reasoning", False),
    ("min_p", 0),
    ("modalities", ["text"]),
    ("n_predict", -1),
    ("presence_penalty", 0.0),
    ("reasoning_effort", "none"),
    ("repeat_penalty", 1.0),
    ("response_format", {"type": "text"}),
    ("skip_special_tokens", True),
    ("tool_choice", "auto"),
    ("tool_choice", "none"),
    ("use_beam_search", False),
    *((name, empty) for name in ("tools", "suffix", "format", "a_new_field") for empty in ("", [])),
    ("chat_template_kwargs", {}),
    ("function_call", "none"),
    ("audio", {"voice": None}),
    ("chat_template_kwargs", {"enable_thinking": None}),
    ("reasoning", {"effort": None, "summary": None}),
    ("response_format", {"type": "text", "json_schema": None}),
    ("thinking", {"type": "disabled", "budget_tokens": None}),
    ("keep_alive", "5m"),
    ("logit_bias", {}),
    ("metadata", {"topic": "кояш"}),
    ("n", None),
    ("parallel_tool_calls", True),
    ("repetition_penalty", 1.0),
    ("service_tier", "auto"),
    ("stop", ""),
    ("stop", []),
    ("stop", [""]),
    ("store", True),
    ("stream", None),
    ("stream_options", {}),
    ("stream_options", {"include_usage": False, "include_obfuscation": False}),
    ("top_k", -1),
    ("top_k", 0),
    ("user", "әлфия"),
)


@pytest.fixture(scope="module")
def client() -> Generator[Client]:
    engine = SlowEngine(slots=4, context=256)
    engine.template = CHATML  # type: ignore[assignment]
    with client_of(engine) as (made, _):
        yield made


def asked(client: Client, messages: list[Json], **keys: object) -> Json:
    """The answer to a conversation."""
    settings = {"max_tokens": 4, "seed": 1} | keys
    answer = client.post("/v1/chat/completions", messages=messages, **settings)
    assert answer.status_code == 200, answer.text
    return answer.json()


QUESTION = {"role": "user", "content": TATAR[0]}


@pytest.fixture(scope="module")
def plain(client: Client) -> dict[str, Json]:
    """The answers to requests without another field."""
    chat = client.post("/v1/chat/completions", messages=[QUESTION], seed=1, max_tokens=4)
    text = client.post("/v1/completions", prompt=TATAR[0], seed=1, max_tokens=4)
    return {"chat/completions": chat.json(), "completions": text.json()}


@pytest.mark.parametrize(("name", "value"), ASKS_FOR_NOTHING)
def test_a_value_that_asks_for_nothing_changes_no_answer(
    client: Client, plain: dict[str, Json], name: str, value: object
) -> None:
    for path, content in (("chat/completions", [QUESTION]), ("completions", TATAR[0])):
        given = {"messages" if "chat" in path else "prompt": content, "seed": 1, "max_tokens": 4}
        answer = client.post(f"/v1/{path}", **given, **{name: value})
        assert answer.status_code == 200, answer.text
        assert answer.json()["choices"] == plain[path]["choices"]


@pytest.mark.parametrize(("name", "value"), NOT_SUPPORTED)
def test_a_value_that_asks_for_what_is_not_supported_is_refused_by_name(
    client: Client, name: str, value: object
) -> None:
    contents: tuple[tuple[str, Json], ...] = (
        ("chat/completions", {"messages": [QUESTION]}),
        ("completions", {"prompt": TATAR[0]}),
    )
    for path, content in contents:
        answer = client.post(f"/v1/{path}", **content, **{name: value})
        error = answer.json()["error"]
        assert (answer.status_code, error["param"]) == (400, name)
        assert error["type"] == "invalid_request_error"
        assert error["message"].startswith(f"{name}: ")
        assert "Extra inputs" not in error["message"]


def test_tools_that_may_not_be_called_ask_for_nothing(client: Client, plain: dict[str, Json]):
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
    answer = asked(client, [QUESTION], tools=tools, tool_choice="none")
    assert answer["choices"] == plain["chat/completions"]["choices"]
    as_object = asked(client, [QUESTION], tools=tools, tool_choice={"type": "none"})
    assert as_object["choices"] == answer["choices"]
    old = asked(client, [QUESTION], functions=[{"name": "weather"}], function_call="none")
    assert old["choices"] == answer["choices"]
    automatic = client.post("/v1/chat/completions", messages=[QUESTION], tools=tools)
    assert automatic.json()["error"]["param"] == "tools"


def test_no_limit_is_that_of_the_context(client: Client) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        keys = {"min_tokens": 250, "max_tokens": None, name: -1}
        (choice,) = asked(client, [QUESTION], **keys)["choices"]
        assert choice["finish_reason"] == "length"
        assert asked(client, [QUESTION], **keys)["usage"]["total_tokens"] == 256
        refused = client.post("/v1/chat/completions", messages=[QUESTION], **{name: 0})
        assert refused.json()["error"]["param"] == name
    whole = client.post("/v1/completions", prompt="Таң", max_tokens=-1, min_tokens=250).json()
    assert whole["usage"]["total_tokens"] == 256


def test_a_seed_of_minus_one_is_another_one_each_time(client: Client) -> None:
    found = [
        asked(client, [QUESTION], seed=-1, max_tokens=40, temperature=2)["choices"][0]["message"]
        for _ in range(3)
    ]
    assert len({message["content"] for message in found}) > 1


MESSAGES = [
    *({"role": "assistant", "content": FRENCH[0], **{name: None}} for name in (
        *("refusal", "annotations", "audio", "function_call", "tool_calls", "name", "reasoning"),
        *("reasoning_content", "parsed", "provider_specific_fields", "tool_call_id"),
    )),
    {"role": "assistant", "content": FRENCH[0], "tool_calls": [], "annotations": []},
    {"role": "assistant", "content": FRENCH[0], "name": "endonym", "id": "msg_1"},
    {"role": "assistant", "content": FRENCH[0], "weight": 1, "status": "completed", "phase": None},
    {"type": "message", "role": "assistant", "content": FRENCH[0], "stop_reason": None},
    {"role": "assistant", "content": FRENCH[0], "annotations": [{"type": "url_citation"}]},
    {"role": "assistant", "content": FRENCH[0], "prefix": False, "images": []},
    {"role": "assistant", "content": [{"type": "text", "text": FRENCH[0]}]},
    {"role": "assistant", "content": [{"type": "output_text", "text": FRENCH[0]}]},
    {"role": "assistant", "content": None, "refusal": FRENCH[0]},
    {"role": "assistant", "content": [{"type": "refusal", "refusal": FRENCH[0]}]},
    {"role": "assistant", "content": [
        {"type": "text", "text": FRENCH[0][:9], "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": FRENCH[0][9:], "annotations": []},
    ]},
]  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_read_in_every_form_in_which_clients_send_it(client: Client, message: Json):
    history = [QUESTION, {"role": "assistant", "content": FRENCH[0]}, QUESTION]
    assert (
        asked(client, [QUESTION, message, QUESTION])["choices"] == asked(client, history)["choices"]
    )


def test_a_message_without_content_is_an_empty_one(client: Client) -> None:
    empty = asked(client, [QUESTION, {"role": "assistant", "content": ""}, QUESTION])
    for message in ({"role": "assistant", "content": None}, {"role": "assistant"}):
        assert asked(client, [QUESTION, message, QUESTION])["choices"] == empty["choices"]


REFUSED_MESSAGES = [
    ({"role": "tool", "content": "17 °C", "tool_call_id": "call_1"}, "messages.1.role: "),
    ({"role": "function", "content": "17 °C", "name": "weather"}, "messages.1.role: "),
    ({"role": "assistant", "tool_calls": [{"id": "1"}]}, "messages.1.tool_calls: "),
    ({"role": "assistant", "audio": {"id": "audio_1"}}, "messages.1.audio: "),
    ({"role": "assistant", "content": "А", "reasoning_content": "Б"},
     "messages.1.reasoning_content: "),
    ({"role": "assistant", "content": "Кояш", "prefix": True}, "messages.1.prefix: "),
    ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
     "messages.1.content: part 0 is no text"),
    ({"role": "user", "contents": "Кояш"}, "messages.1.contents: "),
]  # fmt: skip


@pytest.mark.parametrize(("message", "reason"), REFUSED_MESSAGES)
def test_a_message_that_cannot_be_read_is_refused_by_its_place(
    client: Client, message: Json, reason: str
) -> None:
    answer = client.post("/v1/chat/completions", messages=[QUESTION, message])
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "messages")
    assert error["message"].startswith(reason)


def test_an_answer_is_read_when_it_is_sent_back_unchanged(client: Client) -> None:
    answer = asked(client, [QUESTION], n=2)["choices"]
    for choice in answer:
        asked(
            client, [QUESTION, choice["message"] | {"index": 0, "finish_reason": "stop"}, QUESTION]
        )
        asked(client, [QUESTION, choice["message"], {"role": "user", "content": ROMANIAN[0][:40]}])
    streamed = client.post(
        "/v1/chat/completions", messages=[QUESTION], seed=1, max_tokens=4, stream=True
    )
    deltas = [chunk["choices"][0]["delta"] for chunk in events_of(streamed)]
    joined = {name: "".join(delta.get(name) or "" for delta in deltas) for name in deltas[0]}
    assert joined["content"] == answer[0]["message"]["content"]
    asked(client, [QUESTION, joined, *deltas[:1], QUESTION])


def test_the_developers_role_is_the_systems_unless_the_template_knows_it() -> None:
    engine = SlowEngine(slots=2, context=256)
    knows_it = CHATML + "{# developer #}"
    with client_of(engine) as (client, _):
        found = dict[tuple[str, str], Json]()
        for template in (CHATML, knows_it):
            engine.template = template  # type: ignore[assignment]
            for role in ("system", "developer"):
                messages = [{"role": role, "content": FRENCH[1]}, QUESTION]
                found[template, role] = asked(client, messages)["usage"]
    (system, developer), (system_there, developer_there) = (
        [found[template, role] for role in ("system", "developer")]
        for template in (CHATML, knows_it)
    )
    assert system == developer
    assert system == system_there
    assert developer_there != system_there


def test_embeddings_take_what_asks_for_nothing(client: Client) -> None:
    one = client.post("/v1/embeddings", input=TATAR[1]).json()
    width = len(one["data"][0]["embedding"])
    fields = (
        *({"dimensions": width}, {"dimensions": None}, {"encoding_format": None}, {"user": ""}),
        *({"truncate": None}, {"input_type": None}, {"keep_alive": "5m"}, {"options": {}}),
    )
    for more in fields:
        assert client.post("/v1/embeddings", input=TATAR[1], **more).json() == one
    for name, value in (("dimensions", width - 1), ("input_type", "query")):
        answer = client.post("/v1/embeddings", input=TATAR[1], **{name: value})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, name)


def test_every_field_of_openais_client_is_known_by_name() -> None:
    """A new version of the client may bring a field that this server has not heard of."""
    pytest.importorskip("openai")
    from openai.types import chat, completion_create_params, embedding_create_params

    known = {*FIELDS["unused"], *FIELDS["off"]}
    pairs = (
        (chat.completion_create_params.CompletionCreateParamsBase, ChatRequest),
        (completion_create_params.CompletionCreateParamsBase, CompletionRequest),
        (embedding_create_params.EmbeddingCreateParams, EmbeddingRequest),
    )
    for theirs, ours in pairs:
        assert set(theirs.__annotations__) <= known | set(ours.model_fields)
    of_messages = {"role", "content", "refusal", *FIELDS["unused_in_message"], *FIELDS["off"]}
    assert set(chat.ChatCompletionAssistantMessageParam.__annotations__) <= of_messages
    assert set(chat.ChatCompletionMessage.model_fields) <= of_messages


KIND = {"Content-Type": "application/json"}
BODY = json.dumps({"model": "тел", "prompt": TATAR[2], "max_tokens": 2}).encode()
WRONG_BODIES = [
    ({}, BODY, 415, "no content type. Send the header Content-Type: application/json"),
    ({"Content-Type": "text/plain"}, BODY, 415, "is 'text/plain'. Send JSON, with the header"),
    ({"Content-Type": "application/x-www-form-urlencoded"}, BODY, 415, "urlencoded'. Send JSON"),
    ({"Content-Type": "multipart/form-data; boundary=x"}, BODY, 415, "form-data'. Send JSON"),
    ({"Content-Type": "json"}, BODY, 415, "the content type is 'json'"),
    ({}, b"", 400, "the request has no body: send a JSON object"),
    (KIND, b"", 400, "the request has no body: send a JSON object"),
    (KIND, b"null", 400, "body: "),
    (KIND, b"[]", 400, "body: "),
    (KIND, BODY[:-1], 400, "invalid JSON: "),
    (KIND, BODY.replace(b'"', b"'"), 400, "invalid JSON: "),
    (KIND, '{"model": "тел", "prompt": "Әбием"}'.encode("cp1251", "replace"), 400, "not UTF-8"),
    (KIND | {"Content-Encoding": "gzip"}, gzip.compress(BODY), 400, "compressed (gzip)"),
    (KIND, b"[" * 9000 + b"]" * 9000, 400, "nested too deeply"),
]


@pytest.mark.parametrize(("headers", "content", "status", "reason"), WRONG_BODIES)
def test_a_body_that_cannot_be_read_is_told_why(
    client: Client, headers: dict[str, str], content: bytes, status: int, reason: str
) -> None:
    for path in ("/v1/completions", "/v1/chat/completions", "/v1/embeddings"):
        answer = client.request("POST", path, content=content, headers=headers)
        error = answer.json()["error"]
        assert answer.status_code == status, error
        assert reason in error["message"]
        assert set(error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("kind", [
    "application/json", "application/json; charset=utf-8", "APPLICATION/JSON;charset=UTF-8",
    "application/vnd.api+json",
])  # fmt: skip
def test_json_is_read_by_each_of_its_names_and_in_pieces(client: Client, kind: str) -> None:
    async def pieces() -> Any:
        for start in range(0, len(BODY), 7):
            yield BODY[start : start + 7]

    for content in (BODY, pieces()):
        headers = {"Content-Type": kind}
        answer = client.request("POST", "/v1/completions", content=content, headers=headers)
        assert answer.status_code == 200, answer.text


def test_paths_may_end_in_a_slash_and_head_is_get_without_the_body(client: Client) -> None:
    models = client.request("GET", "/v1/models")
    assert client.request("GET", "/v1/models/").json() == models.json()
    assert client.post("/v1/completions/", prompt=TATAR[0], max_tokens=1).status_code == 200
    assert client.post("/v1/chat/completions//", messages=[QUESTION]).status_code == 200
    for path in ("/v1/models", "/", "/health/", "/v1/models/тел"):
        answer = client.request("HEAD", path)
        assert (answer.status_code, answer.content) == (200, b"")
    assert client.request("HEAD", "/v1/models").headers["content-length"] == str(
        len(models.content)
    )
    assert client.request("OPTIONS", "/v1/models").status_code == 405


def test_a_path_that_is_not_there_names_those_that_are(client: Client) -> None:
    for path in ("/v1/responses", "/chat/completions", "/api/chat", "/v1/audio/speech"):
        answer = client.post(path, input="Кояш")
        assert answer.status_code == 404
        assert "/v1/chat/completions" in answer.json()["error"]["message"]
