"""What a request must keep before anything reads it."""

import asyncio
import json
import tracemalloc
from typing import Any

import pytest
from serving import LOOPBACK, client_of

from endonym.commands.serve import hosts_of, place_of
from endonym.serve import limits
from endonym.serve.answers import ApiError
from endonym.serve.limits import Access, read_body, require_few_values

KEY = "бик-озын-булмаган".encode().hex()


def scope(path: str = "/v1/models", **headers: str) -> dict[str, Any]:
    named = {"host": "127.0.0.1:8000"} | headers
    pairs = [(name.encode(), value.encode()) for name, value in named.items()]
    return {"type": "http", "path": path, "headers": pairs}


def refused(access: Access, **given: Any) -> int:
    """The status of a refusal; 0 if the request may pass."""
    try:
        access.check(scope(**given))
    except ApiError as error:
        return error.status
    return 0


@pytest.mark.parametrize(("host", "status"), [
    ("127.0.0.1:8000", 0), ("localhost", 0), ("LOCALHOST:1", 0), ("evil.example", 403),
    ("localhost.evil.example:8000", 403), ("10.0.0.7:8000", 403), ("", 403), ("[", 403),
])  # fmt: skip
def test_a_name_that_leads_here_from_elsewhere_is_refused(host: str, status: int) -> None:
    assert refused(LOOPBACK, host=host) == status


def test_off_loopback_addresses_and_own_names_are_answered() -> None:
    access = Access(frozenset({"localhost", "tatar.example"}), is_loopback=False)
    for host in ("10.0.0.7:8000", "[2001:db8::1]:80", "tatar.example", "localhost"):
        assert refused(access, host=host) == 0
    assert refused(access, host="evil.example") == 403


@pytest.mark.parametrize(("origin", "status"), [
    ("http://127.0.0.1:8000", 0), ("http://127.0.0.1:9000", 403), ("https://evil.example", 403),
    ("null", 403), ("http://[", 403), ("http://[::1", 403),
])  # fmt: skip
def test_pages_of_other_origins_may_not_ask(origin: str, status: int) -> None:
    assert refused(LOOPBACK, origin=origin) == status
    capitals = {"host": "LOCALHOST:8000", "origin": "http://localhost:8000"}
    assert refused(LOOPBACK, **capitals) == 0


THROUGH_A_PROXY = [
    ("lm.example.org", "https://lm.example.org", 0),  # the proxy passes the Host on
    ("127.0.0.1:8000", "https://lm.example.org", 0),  # or writes its own
    ("LM.example.org", "https://LM.example.org", 0),
    ("127.0.0.1:8000", "https://tel.example.org:8443", 0),
    ("127.0.0.1:8000", "https://tel.example.org", 403),
    ("127.0.0.1:8000", "https://lm.example.org.evil.example", 403),
    ("127.0.0.1:8000", "http://localhost:9000", 403),
    ("evil.example", "https://lm.example.org", 403),
]


@pytest.mark.parametrize(("host", "origin", "status"), THROUGH_A_PROXY)
def test_pages_that_came_through_a_named_proxy_may_ask(host: str, origin: str, status: int) -> None:
    place = place_of("127.0.0.1", 8000, None, ["lm.example.org", "tel.example.org:8443"])
    access = Access(hosts_of(place), True, proxies=frozenset(place.proxies))
    assert refused(access, host=host, origin=origin) == status


def test_a_key_is_needed_for_all_but_the_page_and_health() -> None:
    access = Access(LOOPBACK.hosts, True, KEY)
    for path in ("/v1/models", "/v1/completions", "/metrics", "/openapi.json", "/nowhere"):
        assert refused(access, path=path) == 401
        assert refused(access, path=path, authorization=f"Bearer {KEY}x") == 401
        assert refused(access, path=path, authorization=f"Basic {KEY}") == 401
        assert refused(access, path=path, authorization=f"bearer {KEY}") == 0
        assert refused(access, path=path, authorization=f"Bearer  {KEY} ") == 0
    for path in ("/", "/studio", "/health", "/docs", "/page/studio.js"):
        assert refused(access, path=path) == 0


def test_what_needs_no_key_tells_no_name_of_a_model() -> None:
    with client_of(access=Access(LOOPBACK.hosts, True, KEY)) as (client, _):
        scripts = ("/page/write.js", "/page/studio.js", "/page/docs.js")
        for path in ("/", "/studio", "/health", "/docs", *scripts):
            answer = client.request("GET", path)
            assert answer.status_code == 200
            assert "тел" not in answer.text
        assert client.request("GET", "/openapi.json").status_code == 401


def test_refusals_are_in_openais_form_and_carry_no_cors_headers() -> None:
    with client_of(access=Access(LOOPBACK.hosts, True, KEY)) as (client, _):
        answer = client.request("GET", "/v1/models")
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert answer.headers["www-authenticate"] == "Bearer"
        given = {"Authorization": f"Bearer {KEY}", "Origin": "http://127.0.0.1:8000"}
        answer = client.request("GET", "/v1/models", headers=given)
        assert answer.status_code == 200
        assert not [name for name in answer.headers if name.startswith("access-control")]
        preflight = client.request("OPTIONS", "/v1/completions", headers=given)
        assert preflight.status_code == 405


class Sender:
    """Sends a body in parts, each after a while."""

    def __init__(self, parts: list[bytes], seconds: float = 0.0) -> None:
        self.parts, self.seconds = parts, seconds

    async def __call__(self) -> dict[str, Any]:
        await asyncio.sleep(self.seconds)
        if not self.parts:
            return {"type": "http.disconnect"}
        part = self.parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(self.parts)}


def status_of(sender: Sender, **headers: str) -> int:
    try:
        asyncio.run(read_body(scope(**headers), sender))
    except ApiError as error:
        return error.status
    return 0


def test_a_body_is_read_whole_or_the_client_has_gone() -> None:
    assert asyncio.run(read_body(scope(), Sender([b"a", b"b"]))) == b"ab"
    assert asyncio.run(read_body(scope(), Sender([]))) is None


def test_a_body_that_is_too_large_is_dropped_and_refused() -> None:
    part = b" " * 600_000
    assert status_of(Sender([part] * 3)) == 413
    assert status_of(Sender([b"x"]), **{"content-length": "-1"}) == 413
    most = (part, b" " * (limits.BODY_BYTES - len(part)))
    assert status_of(Sender([*most])) == 0
    assert status_of(Sender([*most, b" "])) == 413


def test_a_body_that_is_too_slow_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.05)
    assert status_of(Sender([b"a"] * 100, seconds=0.02)) == 408
    monkeypatch.setattr(limits, "DRAIN_SECONDS", 0.05)
    monkeypatch.setattr(limits, "BODY_BYTES", 1)
    assert status_of(Sender([b"aa"] * 100, seconds=0.02)) == 413


def test_a_body_that_is_too_large_is_not_held() -> None:
    left = 64

    async def receive() -> dict[str, Any]:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": bytes(1 << 20), "more_body": left > 0}

    tracemalloc.start()
    with pytest.raises(ApiError):
        asyncio.run(read_body(scope(), receive))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (left, peak < 8 << 20) == (0, True)


@pytest.mark.parametrize(("seconds", "drain"), [(30.0, 0.1), (0.3, 30.0)])
def test_a_large_body_has_its_time(monkeypatch: pytest.MonkeyPatch, seconds: float, drain: float):
    """It is not read for long, and its sender hears why even if the time of others is over."""
    monkeypatch.setattr(limits, "BODY_SECONDS", seconds)
    monkeypatch.setattr(limits, "DRAIN_SECONDS", drain)
    monkeypatch.setattr(limits, "BODY_BYTES", 1)
    sender = Sender([b"aa"] * 40, seconds=0.02)
    assert status_of(sender) == 413
    assert bool(sender.parts) == (drain < 1)


MANY = 330_000
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
MESSAGE = {"role": "user", "content": "Сәлам"}


WIDE = [
    (CHAT, {"messages": [MESSAGE | {"content": [{}] * MANY}]}),
    (CHAT, {"messages": [MESSAGE | {f"{n}": 1 for n in range(80_000)}]}),
    (TEXT, {"prompt": [""] * (MANY // 2)}),
    (TEXT, {"logit_bias": {f"{n}": {} for n in range(60_000)}}),
]


@pytest.mark.parametrize(("path", "keys"), WIDE)
def test_a_wide_body_is_refused(path: str, keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    content = json.dumps({"model": "тел", **keys}, ensure_ascii=False, separators=(",", ":"))
    assert len(content.encode()) < limits.BODY_BYTES
    monkeypatch.setattr("endonym.serve.api.text_job", None)
    monkeypatch.setattr("endonym.serve.api.chat_job", None)
    with client_of() as (client, _):
        headers = {"Content-Type": "application/json"}
        answer = client.request("POST", path, content=content.encode(), headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "too_many_values"
    assert "20000 values" in answer.json()["error"]["message"]


@pytest.mark.parametrize("prompt", [["а", *[1] * 300_000], [1.5] * 200_000, [[1], [None] * 9_000]])
def test_a_prompt_of_mixed_kinds_is_one_error(prompt: list[Any]) -> None:
    with client_of() as (client, _):
        answer = client.post(TEXT, prompt=prompt)
    assert answer.status_code == 400
    assert "a list of such lists" in answer.json()["error"]["message"]
    assert len(answer.content) < 1_000


def test_ids_long_texts_and_what_is_no_json_are_not_counted() -> None:
    texts = json.dumps({"messages": [{"content": "{[,]}" * 9_000}] * 20}).encode()
    ids = json.dumps({"prompt": [1] * 400_000}).encode()
    for body in (texts, ids, b"{" * 200_000, b"[" * 200_000, b"\xff" * 99, b""):
        require_few_values(body)


@pytest.mark.parametrize("value", [b"[]", b"{}", b'{"a":"]"}', b'["\\""]'])
def test_many_lists_are_refused_unread(value: bytes, monkeypatch: pytest.MonkeyPatch):
    most = b'{"prompt":[' + b",".join([value] * limits.MOST_VALUES) + b"]}"
    monkeypatch.setattr(limits.json, "loads", pytest.fail)
    with pytest.raises(ApiError) as told:
        require_few_values(most)
    assert told.value.code == "too_many_values"


@pytest.mark.timeout(120)
def test_strings_without_an_end_are_looked_through_once() -> None:
    for body in (b'"' + b'\\"' * 500_000, b'"' * 999_999, b'"' + b"\\" * 999_999):
        require_few_values(body)


def test_values_are_counted_in_all_parts_of_a_body() -> None:
    """Of which no part alone has too many."""

    def body(*counts: int) -> bytes:
        parts = [{str(n): "" for n in range(each)} for each in counts]
        return json.dumps({"messages": parts}).encode()

    most = limits.MOST_VALUES
    require_few_values(body(most - 2))  # the list, its object, and what that holds
    for counts in ((most - 1,), (most // 2, most // 2), (10, most - 10), (most - 10, 10)):
        with pytest.raises(ApiError) as told:
            require_few_values(body(*counts))
        assert told.value.code == "too_many_values"


@pytest.mark.parametrize("expect", ["100-continue", "100-Continue"])
def test_a_large_body_that_waits_to_be_asked_for_is_not_asked_for(expect: str) -> None:
    sender = Sender([b"x"] * 3)
    announced = {"content-length": str(limits.BODY_BYTES + 1), "expect": expect}
    assert status_of(sender, **announced) == 413
    assert len(sender.parts) == 3
