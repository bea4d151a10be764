"""Features from a server: what it may answer, and what is told of it otherwise."""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from fake_web import Silent, served
from text_samples import KHMER, TATAR

from endonym.errors import EndonymError, EndpointError, RecipeError
from endonym.evaluate.probe_endpoint import BATCH, served_features

pytest.importorskip("httpx")


@contextmanager
def server_of(answer: Any, given_status: int = 200) -> Generator[tuple[str, list[Any]]]:
    """A server that answers requests by a function (status, body), or always the same; its address,
    and the requests."""
    asked = list[Any]()

    class Handler(Silent):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, body, dict(self.headers)))
            status, value = answer(body) if callable(answer) else (given_status, answer)
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.end_headers()
            self.wfile.write(data)

    with served(Handler) as address:
        yield f"{address}/v1", asked


def lengths_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """An answer whose embeddings tell the lengths of texts, the last one first."""
    found = [[1.0, float(len(text))] for text in body["input"]]
    return {"data": [{"index": n, "embedding": each} for n, each in enumerate(found)][::-1]}


def test_texts_are_asked_in_parts_and_come_back_in_their_order() -> None:
    texts, done = [f"җөмлә {'а' * n}" for n in range(BATCH + 3)], list[int]()

    with server_of(lambda body: (200, lengths_of(body))) as (address, asked):
        found, n_cut = served_features(f"{address}/", "тел", texts, done.append, key="key")
    assert n_cut == 0
    assert (found[:, 1] / found[:, 0]).tolist() == pytest.approx([len(text) for text in texts])
    assert np.linalg.norm(found, axis=1) == pytest.approx(1)
    assert done == [BATCH, 3]
    path, body, headers = asked[0]
    assert (path, body["model"], len(body["input"])) == ("/v1/embeddings", "тел", BATCH)
    assert headers["Authorization"] == "Bearer key"


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (b"<html>no</html>", 200, "no list of embeddings"),
        ({"data": "x"}, 200, "no list of embeddings"),
        ([1, 2], 200, "no list of embeddings"),
        ({"data": [{"index": 0, "embedding": "AAAA"}]}, 200, "no list of embeddings"),
        ({"data": [{"index": 0, "embedding": [1.0]}]}, 200, "1 embeddings, of 2 texts"),
        ({"data": [{"index": 1, "embedding": [1.0]}] * 2}, 200, r"at the places \[1, 1\], of 2"),
        ({"data": [{"index": n, "embedding": []} for n in (0, 1)]}, 200, "embeddings, of 2 texts"),
        ({"data": [{"index": n, "embedding": [0.0]} for n in (0, 1)]}, 200, "has no length"),
        (
            b'{"data": [{"index": 0, "embedding": [NaN]}, {"index": 1, "embedding": [1]}]}',
            200,
            "has no length",
        ),
        ({"error": {"message": "no such model"}}, 404, r"\(404\): no such model"),
        ({"error": {"message": "key"}}, 401, "refuses the request"),
        (b"", 500, r"\(500\)"),
    ],
)
def test_an_answer_that_is_none_is_told_in_words(answer: Any, status: int, words: str) -> None:
    with server_of(answer, status) as (address, _), pytest.raises(EndpointError, match=words):
        served_features(address, "тел", ["бер", "ике"], lambda n: None)


def test_a_server_that_is_down_and_what_is_no_address_are_told() -> None:
    with server_of({}) as (address, _):
        pass
    with pytest.raises(EndpointError, match="cannot be reached") as down:
        served_features(address, "тел", ["бер"], lambda n: None)
    assert "endonym serve" in str(down.value)
    with pytest.raises(RecipeError, match="no address"):
        served_features("127.0.0.1:8000", "тел", ["бер"], lambda n: None)


def test_a_server_that_refuses_long_texts_is_asked_to_cut_these_alone() -> None:
    texts = [KHMER[0] * 50 if n in (3, 40) else f"{TATAR[0]} {n}" for n in range(2 * BATCH)]
    texts[41] = "\u00a0"

    def long(body: Mapping[str, Any]) -> tuple[int, Any]:
        if "\u00a0" in body["input"]:
            return 400, {"error": {"message": "none", "code": "no_token"}}
        if max(map(len, body["input"])) > 500 and not body.get("truncate"):
            return 400, {"error": {"message": "long", "code": "context_length_exceeded"}}
        return 200, lengths_of(body)

    with server_of(long) as (address, asked):
        found, n_cut = served_features(address, "тел", texts, lambda n: None)
    assert n_cut == 2
    assert [body["input"] for _, body, _ in asked if body.get("truncate")] == [[texts[3]]] * 2
    assert np.flatnonzero(np.isnan(found[:, 0])).tolist() == [41]
    assert found[42, 1] / found[42, 0] == pytest.approx(len(texts[42]))
    refused = {"error": {"message": "no cut", "code": "context_length_exceeded"}}
    with server_of(refused, 400) as (address, asked), pytest.raises(EndpointError, match="no cut"):
        served_features(address, "тел", ["бер"], lambda n: None)
    assert len(asked) == 2


def test_long_texts_are_asked_in_requests_that_a_server_takes() -> None:
    from endonym.serve.limits import BODY_BYTES

    texts = [f"{n}\n{KHMER[0]}" * 900 for n in range(BATCH)]
    sizes = [len(text.encode()) for text in texts]
    assert sum(sizes) > 2 * BODY_BYTES
    with server_of(lambda body: (200, lengths_of(body))) as (address, asked):
        found, _ = served_features(address, "тел", texts, lambda n: None)
    assert len(found) == BATCH
    lengths = [int(headers["Content-Length"]) for *_, headers in asked]
    assert max(lengths) < BODY_BYTES
    assert len(lengths) < BATCH / 2, "several texts of a request"


def test_a_server_that_is_busy_is_asked_again_and_others_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited, tries = list[float](), list[int]()
    monkeypatch.setattr("endonym.evaluate.probe_endpoint.time.sleep", waited.append)

    def busy(body: Mapping[str, Any]) -> tuple[int, Any]:
        tries.append(len(tries))
        return (200, lengths_of(body)) if len(tries) > 2 else (429, {"message": "queue"})

    with server_of(busy) as (address, _):
        assert len(served_features(address, "тел", ["бер"], lambda n: None)[0]) == 1
    assert waited == [1, 2]
    for status, advice in ((503, "Try again later"), (400, "server's log"), (500, "server's log")):
        with server_of({}, status) as (address, asked), pytest.raises(EndpointError) as refused:
            served_features(address, "тел", ["бер"], lambda n: None)
        assert advice in str(refused.value)
        assert len(asked) == (5 if status == 503 else 1)


def test_a_key_that_no_header_holds_is_refused_by_its_name() -> None:
    for key in ("ачкыч", "two words"):
        with pytest.raises(RecipeError, match="one word of ASCII") as refused:
            served_features("http://127.0.0.1:1/v1", "тел", ["бер"], lambda n: None, key=key)
        assert refused.value.where == "ENDONYM_API_KEY"


def test_embeddings_of_two_widths_are_refused() -> None:
    texts = ["бер"] * (BATCH + 1)

    def widths(body: Mapping[str, Any]) -> tuple[int, Any]:
        count = len(body["input"])
        return 200, {"data": [{"index": n, "embedding": [1.0] * count} for n in range(count)]}

    with server_of(widths) as (address, _), pytest.raises(EndonymError, match="as many"):
        served_features(address, "тел", texts, lambda n: None)
