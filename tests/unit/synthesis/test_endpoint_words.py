"""What a server says: fields that it does not take, refusals, answers and why they ended."""

import gzip
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from clocked_endpoint import ADDRESS, Clocked
from fake_endpoint import Reply, answer

from endonym.errors import EndpointError
from endonym.synthesis import endpoint
from endonym.synthesis.endpoint import Odd, cut_reason, read_reply, retry_after, words_of

Read = endpoint.Reply

RENAMED = "max_tokens goes to this server as max_completion_tokens"
DROPPED = "seed is not taken by this server"


def refuses(said: str, status: int = 400, name: str = "max_tokens", seconds: float = 0.0) -> Any:
    """A server that says this of each request with that field."""

    def behave(number: int, times: int, request: Mapping[str, Any]) -> Reply | None:
        return Reply({"detail": said}, status, seconds=seconds) if name in request else None

    return behave


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize("said", [
    "Unsupported parameter: max_tokens", "max_tokens is not supported", "Unknown field max_tokens",
    "max_tokens: unrecognized", "unexpected keyword 'max_tokens'", "EXTRA inputs: max_tokens",
    "max_tokens is not permitted", "max_tokens: Not Allowed here",
    "max_tokens: give max_completion_tokens",
])  # fmt: skip
def test_a_field_that_a_server_does_not_take_goes_under_its_other_name(
    said: str, status: int
) -> None:
    made = Clocked(refuses(said, status))
    assert len(made.write(2)) == 2
    assert [number for _, number in made.asked] == [0, 0, 1]
    sent = [{key: each[key] for key in each if key != "messages"} for each in made.fake.requests]
    renamed = {"model": "зур", "max_completion_tokens": 64}
    assert sent == [
        {"model": "зур", "max_tokens": 64, "seed": 70}, {**renamed, "seed": 70},
        {**renamed, "seed": 71},
    ]  # fmt: skip
    assert made.log.said == [RENAMED]


def test_a_seed_that_a_server_does_not_take_is_left_out() -> None:
    odd = Reply({"choices": []})
    refusing = refuses("seed is not supported", 422, "seed")
    made = Clocked(lambda number, *sent: refusing(number, *sent) or (odd if number == 1 else None))
    found = {each.ask.index: each for each in made.write(3)}
    assert {index: each.reason for index, each in found.items()} == {0: "", 1: "no_choices", 2: ""}
    assert not any(each.is_seeded for each in found.values()), "no seed is claimed"
    assert all(each.is_seeded for each in Clocked().write(2))
    assert ["seed" in each for each in made.fake.requests] == [True, *[False] * 5]
    assert all(each["max_tokens"] == 64 for each in made.fake.requests)
    assert made.log.said[0] == DROPPED


def test_a_temperature_that_a_server_does_not_take_is_left_out_if_it_is_0() -> None:
    refusal = refuses("'temperature' does not support 0", name="temperature")
    made = Clocked(refusal)
    assert len(made.write(2, fields={"model": "зур", "temperature": 0.0})) == 2
    assert ["temperature" in each for each in made.fake.requests] == [True, False, False]
    with pytest.raises(EndpointError, match="does not support"):
        Clocked(refusal).write(2, fields={"model": "зур", "temperature": 0.8})


def test_requests_that_are_refused_at_once_rename_a_field_once() -> None:
    def behave(number: int, times: int, request: Mapping[str, Any]) -> Reply | None:
        seconds = 1.0 + number
        if "max_tokens" in request:
            return Reply({"error": "max_tokens: use max_completion_tokens"}, 400, seconds=seconds)
        return Reply("seed is not allowed", 422, seconds=seconds) if "seed" in request else None

    made = Clocked(behave)
    assert len(made.write(6, concurrency=3)) == 6
    assert made.log.said == [RENAMED, DROPPED]
    for request in made.fake.requests[-3:]:
        assert {*request} == {"messages", "model", "max_completion_tokens"}
        assert request["max_completion_tokens"] == 64


REFUSED = [
    (400, "max_tokens must be at most 4096", "Nothing more was asked. What was finished is kept."),
    (422, "my_seed is not supported", "Nothing more was asked. What was finished is kept."),
    (413, "temperature is unknown", "Nothing more was asked. What was finished is kept."),
    (401, "max_tokens", "Put the right key into the environment variable ENDONYM_API_KEY."),
    (403, "seed is not allowed", "The key in ENDONYM_API_KEY does not allow this."),
    (404, "seed is unknown", "Is this the address up to /v1, and does the server have a "
     "model of this name?"),
    (307, "ailleurs", "Nothing more was asked. What was finished is kept."),
    (499, "Închis", "Nothing more was asked. What was finished is kept."),
]  # fmt: skip


@pytest.mark.parametrize(("status", "said", "do"), REFUSED)
def test_what_a_server_refuses_ends_the_work_at_the_first_request(
    status: int, said: str, do: str
) -> None:
    made = Clocked(refuses(said, status, "model"))
    with pytest.raises(EndpointError) as caught:
        made.write(3, works=status not in (400, 413, 422))
    error = caught.value
    assert (error.message, error.where, error.do) == (
        f"the server refuses the request ({status}): {said}", ADDRESS, do,
    )  # fmt: skip
    assert len(made.asked) == 1
    assert made.log.said == []


@pytest.mark.parametrize("charset", ["hex", "base64", "utf-16", "none"])
def test_the_words_of_a_refusal_are_utf8_whatever_its_header_says(charset: str) -> None:
    headers = {"Content-Type": f"text/html; charset={charset}"}
    made = Clocked(lambda *_: Reply("<p>Închis", 401, headers))
    with pytest.raises(EndpointError, match=r"refuses the request \(401\): Închis"):
        made.write(1)


def test_a_field_that_is_not_sent_is_not_refused_again() -> None:
    made = Clocked(refuses("seed is unknown", name="model"))
    with pytest.raises(EndpointError, match="seed is unknown"):
        made.write(1)
    assert ["seed" in each for each in made.fake.requests] == [True, False]


def test_fields_that_were_answered_stay_as_they_are() -> None:
    def behave(number: int, times: int, _: Mapping[str, Any]) -> Reply | None:
        said = "max_tokens or seed is not supported for so long a prompt"
        return Reply({"message": said}, 400) if number == 1 else None

    made = Clocked(behave)
    assert {each.ask.index: each.reason for each in made.write(3)} == {0: "", 1: "refused", 2: ""}
    assert [(each["max_tokens"], each["seed"]) for each in made.fake.requests] == [
        (64, 70), (64, 71), (64, 72),
    ]  # fmt: skip


@pytest.mark.parametrize("status", [200, 201, 299])
def test_every_status_of_success_is_an_answer(status: int) -> None:
    made = Clocked(lambda *_: Reply(answer("Кар яуды.", total_tokens=9), status))
    (found,) = made.write(1)
    assert (found.text, found.tokens, found.reason) == ("Кар яуды.", 9, "")


@pytest.mark.parametrize("status", [500, 501, 505, 529])
def test_an_error_of_the_server_is_an_odd_answer(status: int) -> None:
    made = Clocked(lambda number, *_: None if number else Reply("", status))
    assert [each.reason for each in made.write(2)] == ["server_error", ""]


def test_an_answer_may_be_as_long_as_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the byte, of texts and of errors."""
    assert endpoint.MOST_BYTES == 16 << 20
    size = len(json.dumps(answer("Кар")).encode())
    monkeypatch.setattr(endpoint, "MOST_BYTES", size)
    made = Clocked(lambda number, *_: Reply(answer("Кар!" if number else "Кар")))
    assert [(each.text, each.reason) for each in made.write(3)] == [
        ("Кар", ""), ("", "answer_too_long"), ("", "answer_too_long"),
    ]  # fmt: skip
    with pytest.raises(EndpointError, match="one: answer too long"):
        Clocked(lambda *_: Reply("x" * (size + 1), 401)).write(1)


BOMB = {
    "gzip": gzip.compress(json.dumps(answer(" " * endpoint.MOST_BYTES)).encode()),
    "br": b"\x1b\xff",
    "x\x1bz": b"",
}
"""Bodies by their Content-Encoding; the first one would be more than an answer may have."""


@pytest.mark.parametrize("encoding", BOMB)
def test_a_compressed_answer_ends_the_work_and_is_not_unpacked(encoding: str) -> None:
    made = Clocked(lambda *_: Reply(BOMB[encoding], headers={"Content-Encoding": encoding}))
    with pytest.raises(EndpointError) as caught:
        made.write(3, works=True)
    shown = encoding.replace("\x1b", "\\x1b")
    said = f"the server compresses its answers ({shown}), asked for plain ones"
    assert (caught.value.message, caught.value.where) == (said, ADDRESS)
    assert caught.value.do.endswith("What was finished is kept: the same command goes on.")
    assert len(made.asked) == 1
    assert made.fake.headers[0]["accept-encoding"] == "identity"


def test_an_error_that_is_compressed_counts_by_its_status_alone() -> None:
    headers = {"Content-Encoding": "GZIP", "Retry-After": "7"}
    made = Clocked(
        lambda *_, **__: Reply(BOMB["gzip"], 503, headers) if made.clock.now < 7 else None
    )
    assert [each.reason for each in made.write(1)] == [""]
    assert "the server is busy (503: nothing)" in made.log.said[0]
    with pytest.raises(EndpointError, match=r"refuses the request \(401\): nothing"):
        Clocked(lambda *_: Reply(BOMB["gzip"], 401, headers)).write(1)


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
def test_an_answer_may_say_that_it_is_not_compressed(encoding: str) -> None:
    good = Reply(answer("Кар яуды."), headers={"Content-Encoding": encoding})
    assert [each.text for each in Clocked(lambda *_: good).write(1)] == ["Кар яуды."]


def test_the_words_of_an_error_in_a_success_are_told_and_the_prompt_is_asked_again() -> None:
    out = Reply({"error": {"message": "Ai <b>rămas</b> fără credit.", "code": 402}})
    made = Clocked(lambda *_: out)
    with pytest.raises(EndpointError) as caught:
        made.write(1)
    last = "the last one: no choices (Ai rămas fără credit.)"
    assert caught.value.message == f"1 prompt in a row got no answer; {last}"
    assert len(made.asked) == 3
    told = "a prompt got no answer (no choices: Ai rămas fără credit.); rejects are counted"
    assert made.log.said == [f"warning: {told}"]


@pytest.mark.parametrize("body", ["<" * endpoint.MOST_BYTES, {"error": "<" * (1 << 20)}])
def test_the_words_of_a_long_error_are_read_at_once(body: Any) -> None:
    """A page of marks that never end is cut before they are looked for."""
    begun = time.process_time()
    assert words_of(body if isinstance(body, str) else json.dumps(body)) == "<" * 300 + "…"
    assert time.process_time() - begun < 5


SENT = {"messages": [{"content": "Кыска яз."}, {"content": "Таң"}]}
"""22 bytes, of which three are taken for a token."""
USAGE = {"prompt_tokens": 7, "completion_tokens": 13, "total_tokens": 20}
READ = [
    (answer("Таң", **USAGE), Read("Таң", "stop", 20)),
    (answer("Таң", total_tokens=0), Read("Таң", "stop", 0)),
    (answer("Таң"), Read("Таң", "stop", 10)),
    (answer("Таңы"), Read("Таңы", "stop", 10)),
    (answer("Таңнар"), Read("Таңнар", "stop", 12)),
    (answer("Таң\ud83d\ud83d\ud83d"), Read("Таң\ud83d\ud83d\ud83d", "stop", 11)),
    (answer("Таң", total_tokens=-1), Read("Таң", "stop", 10)),
    ({**answer("Таң"), "usage": {"total_tokens": True}}, Read("Таң", "stop", 10)),
    ({**answer("Таң"), "usage": {"total_tokens": "20"}}, Read("Таң", "stop", 10)),
    ({**answer("Таң"), "usage": None}, Read("Таң", "stop", 10)),
    (answer("", **USAGE), Read("", "stop", 20)),
    (answer(None, "length", **USAGE), Read("", "length", 20)),
    (answer(None, "content_filter"), Read("", "content_filter", 8)),
    ({"choices": [{"message": {"content": "Таң"}}]}, Read("Таң", None, 10)),
    ({"choices": [{"message": {"content": "Таң"}, "finish_reason": 3}]}, Read("Таң", None, 10)),
    ({"choices": [*answer("ай")["choices"], *answer("Таң")["choices"]]}, Read("ай", "stop", 9)),
    (answer(None, "stop", **USAGE), ("no_text", 20)),
    (answer(3, "eos"), ("no_text", 8)),
    ({"choices": [{"finish_reason": 3}]}, ("no_text", 8)),
    ({"choices": [{}]}, ("no_text", 8)),
    ({"choices": []}, ("no_choices", 8)),
    ({"choices": [None], "usage": USAGE}, ("no_choices", 20)),
    ({"error": "ялгыш"}, ("no_choices", 8, "ялгыш")),
    ([1], ("no_choices", 8)),
]


@pytest.mark.parametrize(("value", "wanted"), READ)
def test_an_answer_is_read_with_its_end_and_its_tokens(
    value: Any, wanted: Read | tuple[Any, ...]
) -> None:
    data = json.dumps(value).encode()
    if isinstance(wanted, Read):
        assert read_reply(data, SENT) == wanted
        return
    with pytest.raises(Odd) as caught:
        read_reply(data, SENT)
    error = caught.value
    assert (error.reason, error.tokens, error.said) == (*wanted, "")[:3]


@pytest.mark.parametrize("data", [b"", b"<html>", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_no_answer(data: bytes) -> None:
    with pytest.raises(Odd) as caught:
        read_reply(data, SENT)
    assert (caught.value.reason, caught.value.tokens) == ("no_json", 0)


@pytest.mark.parametrize(("finish", "reason"), [
    (None, ""), ("stop", ""), ("eos", ""), ("eos_token", ""), ("end_turn", ""),
    ("stop_sequence", ""), ("length", "length"), ("LENGTH", "length"), ("max_length", "length"),
    ("MAX_TOKENS", "length"), ("max_tokens", "length"), ("", ""), ("STOP", "STOP"),
    ("model_length", "length"), ("abort", "abort"), ("content_filter", "content_filter"),
    ("content filter: a/b", "content_filter_a_b"), ("ə" * 41, "ə" * 40),
])  # fmt: skip
def test_why_a_text_is_not_whole_is_a_short_word(finish: str | None, reason: str) -> None:
    assert cut_reason(finish) == reason


@pytest.mark.parametrize(("body", "said"), [
    ({"error": {"message": "гафу"}, "message": "b", "detail": "c"}, "гафу"),
    ({"error": "a", "message": "b", "detail": "c"}, "b"), ({"error": "a", "detail": "c"}, "c"),
    ({"error": "Lipsește"}, "Lipsește"), ({"error": {"message": ""}, "message": "b"}, "b"),
    ({"error": {"message": 3}}, '{"error": {"message": 3}}'), ([1], "[1]"), ("ə" * 300, "ə" * 300),
    ("ə" * 301, "ə" * 300 + "…"), ("<p\nid=3>Un</p>\n\n<b>pod</b>\t ", "Un pod"),
    (" \n", "nothing"), ("\x1b[31mқ", "\\x1b[31mқ"), ("[" * 99_999, "[" * 300 + "…"),
])  # fmt: skip
def test_the_words_of_an_error_are_its_message_or_its_page(body: Any, said: str) -> None:
    assert words_of(body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)) == said


@pytest.mark.parametrize(("value", "seconds"), [
    ("12", 12), (" 0.5 ", 0.5), ("0", 0), ("1e3", None), ("-5", None), ("1.", None), ("", None),
    ("9" * 12, 999_999_999_999), ("9" * 13, None), ("9" * 400, None), ("0." + "9" * 400, 1),
    (f"Wed, 21 Oct {'9' * 20} 07:28:09 GMT", None),
    ("Wed, 31 Feb 2026 07:28:09 GMT", None), ("Wed, 21 Oct 2026 07:28:09 GMT", 9.0),
    ("Wed, 21 Oct 2026 09:28:09 +0200", 9.0), ("Wed, 21 Oct 2026 07:27:00 GMT", 0.0),
])  # fmt: skip
def test_the_time_to_come_back_is_read_as_seconds_or_a_date(
    value: str, seconds: float | None
) -> None:
    assert retry_after(value, 1_792_567_680.0) == seconds


@pytest.mark.parametrize(("text", "wanted"), [
    ("http://127.0.0.1:8000/v1", True), ("https://каз.рф/v1", True), ("http://a:99999/v1", False),
    ("http:///v1", False), ("ftp://a/v1", False), ("x/v1", False), ("http://a:b/v1", False),
    ("http://a:0/v1", False), ("http://[a/v1", False), ("", False), ("http:a", False),
])  # fmt: skip
def test_an_address_has_a_scheme_a_host_and_a_port_that_may_be(text: str, wanted: bool) -> None:
    assert endpoint.is_address(text) == wanted
