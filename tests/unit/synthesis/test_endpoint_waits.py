"""When a server is asked, how often and how it is told: whole lists of requests on a clock."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from clocked_endpoint import ADDRESS, TRUSTED, Clocked
from fake_endpoint import Reply, answer, good

from endonym.errors import EndpointError, RecipeError
from endonym.synthesis.endpoint import HEADERS, Endpoint
from endonym.synthesis.shards import Answer, Ask

GOES_ON = "What was finished is kept: the same command goes on."
ODD = "warning: a prompt got no answer ({}); rejects are counted"
BUSY = "warning: the server is busy ({}); it is asked again, ever more rarely"
DATE = "Wed, 21 Oct 2026 07:28:30 GMT"


def ask(number: int) -> Ask:
    """The request for a text."""
    return Ask(number, f"Хикәя яз, {number}", 70 + number)


def text(number: int, tokens: int = 20) -> Answer:
    """A good answer."""
    return Answer(ask(number), good(number), "stop", tokens)


def paid(number: int, tokens: int) -> Answer:
    """What an odd answer cost."""
    return Answer(ask(number), tokens=tokens, is_last=False)


def first(times: int, fault: Reply, seconds: float = 0.0) -> Any:
    """A server that answers each prompt after so many faults."""

    def behave(number: int, time: int, _: Mapping[str, Any]) -> Reply | None:
        late = Reply(answer(good(number), total_tokens=20), seconds=seconds)
        return fault if time <= times else late

    return behave


@pytest.mark.parametrize(("share", "waits"), [
    (1.0, [0, 1, 3, 7, 15, 31, 63, 123]), (0.0, [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 61.5]),
])  # fmt: skip
def test_a_busy_server_is_asked_eight_times_at_most_once_a_minute(
    share: float, waits: list[float]
) -> None:
    made = Clocked(lambda *_: Reply("<p>көт</p>", 503), share)
    with pytest.raises(EndpointError) as caught:
        made.write(2)
    assert made.asked == [(each, 0) for each in waits]
    error = caught.value
    assert (error.message, error.where, error.do) == (
        "the server is busy (503: көт)", ADDRESS, GOES_ON,
    )  # fmt: skip
    assert made.log.said == [BUSY.format("503: көт")]


def test_the_first_wait_may_be_another() -> None:
    made = Clocked(first(3, Reply("", 429)))
    assert made.write(1, first_wait=0.25) == [text(0)]
    assert made.asked == [(each, 0) for each in (0, 0.25, 0.75, 1.75)]


@pytest.mark.parametrize(("share", "waits"), [(1.0, [0, 1, 3]), (0.0, [0, 0.5, 1.5])])
def test_an_odd_answer_is_asked_for_three_times(share: float, waits: list[float]) -> None:
    made = Clocked(lambda number, *_: None if number else Reply("<html>", 500), share)
    assert made.write(2) == [Answer(ask(0), reason="server_error"), text(1)]
    assert made.asked == [*((each, 0) for each in waits), (waits[-1], 1)]
    assert made.log.said == [ODD.format("server error")]


def test_odd_answers_and_busy_ones_are_counted_and_told_by_themselves() -> None:
    faults = [Reply("", 429), Reply("<p>", 200), Reply("", 429), Reply("", 502), Reply("", 500)]

    def behave(number: int, times: int, _: Mapping[str, Any]) -> Reply | None:
        return faults[times - 1] if times <= 5 else None

    made = Clocked(behave)
    assert made.write(1) == [text(0)]
    assert made.asked == [(each, 0) for each in (0, 1, 2, 4, 8, 10)]
    assert made.log.said == [BUSY.format("429: nothing"), ODD.format("no json")]


def test_odd_tries_are_paid_at_once() -> None:
    none = [Reply(answer(None, total_tokens=tokens)) for tokens in (5, 7)]
    made = Clocked(lambda _, times, __: none[times - 1] if times < 3 else None)
    assert made.write(1) == [paid(0, 5), paid(0, 7), text(0)]
    costs = [Reply(answer(None, total_tokens=tokens)) for tokens in (5, 7, 11)]
    made = Clocked(lambda number, times, _: None if number else costs[times - 1])
    costs_of_0 = [paid(0, tokens) for tokens in (5, 7, 11)]
    assert made.write(2) == [*costs_of_0, Answer(ask(0), reason="no_text"), text(1)]


def test_what_odd_answers_cost_is_told_when_the_work_stops() -> None:
    """Of prompts that are held back, and of those that are still asked."""
    odd = Reply(answer(None, total_tokens=5))
    made = Clocked(lambda *_: odd)
    with pytest.raises(EndpointError, match="20 prompts in a row"):
        made.write(60)
    assert made.taken == [paid(number, 5) for number in range(20) for _ in range(3)]
    made = Clocked(lambda *_: Reply(answer("", None, total_tokens=5)))  # type: ignore[arg-type]
    with pytest.raises(EndpointError, match="20 prompts in a row"):
        made.write(60)
    assert made.taken == [paid(number, 5) for number in range(20)]
    behaved = {0: None, 1: odd, 2: Reply("", 401, seconds=0.5)}
    made = Clocked(lambda number, *_: behaved[number])
    with pytest.raises(EndpointError, match="401"):
        made.write(3, concurrency=3)
    assert made.taken == [text(0), paid(1, 5)]


@pytest.mark.parametrize(("seconds", "waits"), [(None, [0, 601, 1203]), (50.0, [0, 51, 103])])
def test_an_answer_that_is_not_whole_in_time_is_given_up(
    seconds: float | None, waits: list[float]
) -> None:
    late = Reply(answer(good(0)), seconds=(seconds or 600) + 1)
    made = Clocked(lambda number, *_: None if number else late)
    given = {"seconds": seconds} if seconds else {}
    assert made.write(2, works=True, **given) == [Answer(ask(0), reason="timeout"), text(1)]
    assert made.asked[:3] == [(each, 0) for each in waits]
    assert [each["timeout"] for each in made.clients] == [httpx.Timeout(seconds or 600, connect=15)]


@pytest.mark.parametrize(("works", "concurrency", "most", "rounds"), [
    (False, 1, 1, 1), (False, 8, 1, 1), (True, 1, 6, 6), (True, 8, 16, 2), (True, 20, 40, 2),
])  # fmt: skip
def test_a_server_that_stalls_ends_the_work_after_few_rounds(
    works: bool, concurrency: int, most: int, rounds: int
) -> None:
    """After the first one if it has never answered. Only a prompt with all its tries is done."""
    made = Clocked(lambda *_: Reply(answer("Таң"), seconds=99.0))
    with pytest.raises(EndpointError) as caught:
        made.write(200, concurrency=concurrency, works=works, seconds=30.0)
    assert len(made.asked) == rounds * concurrency
    assert made.clock.now < 32.0 * rounds
    requests = "1 request" if most == 1 else f"{most} requests"
    assert caught.value.message == f"{requests} in a row got no whole answer within 30 s"
    assert caught.value.where == ADDRESS
    assert "--timeout" in caught.value.do
    assert caught.value.do.endswith(GOES_ON)
    assert made.taken == [Answer(ask(0), reason="timeout")] * (rounds > 3)


@pytest.mark.parametrize("concurrency", [1, 2])
def test_two_slow_prompts_do_not_stop_the_same_command_again_and_again(concurrency: int) -> None:
    slow = Reply(answer("Таң"), seconds=99.0)
    made = Clocked(lambda number, *_: slow if number < 2 else None)
    given: dict[str, Any] = {"concurrency": concurrency, "works": True, "seconds": 30.0}
    with pytest.raises(EndpointError, match="6 requests in a row"):
        made.write(4, **given)
    found = {each.ask.index: each.reason for each in made.write(4, **given)}
    assert found == {0: "timeout", 1: "timeout", 2: "", 3: ""}
    made = Clocked(lambda number, *_: slow if number else Reply("<html>"))
    with pytest.raises(EndpointError, match="6 requests in a row"):
        made.write(4, **given | {"concurrency": 1})
    assert made.taken == [Answer(ask(1), reason="timeout")], "a stall says nothing of the page"


def test_prompts_that_stall_beside_others_that_are_answered_are_rejects() -> None:
    """Each answer says that the server works."""
    slow = Reply(answer("Таң"), seconds=99.0)
    made = Clocked(lambda number, *_: slow if number % 2 else None)
    found = {each.ask.index: each.reason for each in made.write(20, seconds=30.0)}
    assert found == {number: "timeout" if number % 2 else "" for number in range(20)}


FAILURES = [
    (httpx.ReadTimeout("slow"), "timeout"),
    (httpx.ReadError("cut"), "broken_connection"),
    (httpx.RemoteProtocolError("half"), "broken_connection"),
]


@pytest.mark.parametrize(("failure", "reason"), FAILURES)
def test_a_connection_that_breaks_makes_an_odd_answer(failure: Exception, reason: str) -> None:
    made = Clocked(fails={1: failure})
    assert made.write(3) == [text(0), Answer(ask(1), reason=reason), text(2)]
    assert [number for _, number in made.asked] == [0, 1, 1, 1, 2]


@pytest.mark.parametrize("kind", [httpx.ConnectError, httpx.ConnectTimeout])
def test_a_server_that_cannot_be_reached_is_away(kind: type[httpx.TransportError]) -> None:
    made = Clocked(fails={0: kind("no route\nto it")})
    with pytest.raises(EndpointError) as caught:
        made.write(1)
    said = "the server cannot be reached: no route"
    assert (caught.value.message, caught.value.where) == (said, ADDRESS)
    assert caught.value.do == GOES_ON
    assert len(made.asked) == 8
    assert made.log.said == [f"warning: {said}; it is asked again, ever more rarely"]


@pytest.mark.parametrize(("header", "share", "wait", "said"), [
    ("", 1.0, 1, []), ("0", 1.0, 1, []), ("Wed, 21 Oct 2026 07:27:00 GMT", 1.0, 1, []),
    ("20", 0.0, 20, []), ("20", 1.0, 24, []), (DATE, 0.0, 30, []),
    ("60", 0.0, 60, []), ("61", 0.0, 61, ["the server asks to wait 61 s"]),
    ("3600", 0.0, 3600, ["the server asks to wait 60 min"]),
])  # fmt: skip
def test_the_wait_is_what_the_server_asks_for_or_by_chance(
    header: str, share: float, wait: float, said: list[str]
) -> None:
    made = Clocked(first(1, Reply("", 429, {"Retry-After": header})), share)
    assert made.write(1) == [text(0)]
    assert made.asked == [(0, 0), (wait, 0)]
    assert made.log.said == [BUSY.format("429: nothing"), *said]


def test_a_server_that_asks_for_more_than_an_hour_ends_the_work() -> None:
    made = Clocked(lambda *_: Reply("", 503, {"Retry-After": "3601"}))
    with pytest.raises(EndpointError) as caught:
        made.write(1)
    assert caught.value.message == "the server asks to come back in 60 min"
    assert caught.value.where == ADDRESS
    assert caught.value.do == "What was finished is kept: the same command goes on then."
    assert made.asked == [(0, 0)]


@pytest.mark.parametrize(("later", "end"), [("10", 50), ("100", 105)])
def test_all_requests_wait_for_the_longest_time_that_was_asked_for(later: str, end: float) -> None:
    def behave(number: int, times: int, _: Mapping[str, Any]) -> Reply | None:
        busy = [("50", 0.0), (later, 5.0)]
        if number > 1 or times > 1:
            return None
        header, seconds = busy[number]
        return Reply("", 429, {"Retry-After": header}, seconds)

    made = Clocked(behave, share=0.0)
    assert {each.ask.index for each in made.write(4, concurrency=2)} == {0, 1, 2, 3}
    assert sorted(made.asked[:2]) == [(0, 0), (0, 1)]
    assert {at for at, _ in made.asked[2:]} == {end}


@pytest.mark.parametrize(("share", "end"), [(0.0, 50), (1.0, 60)])
def test_a_prompt_that_others_begin_waits_as_well(share: float, end: float) -> None:
    def behave(number: int, times: int, _: Mapping[str, Any]) -> Reply | None:
        busy = Reply("", 429, {"Retry-After": "50"})
        slow = Reply(answer(good(1), total_tokens=20), seconds=7.0)
        return [busy, slow][number] if number < 2 and times == 1 else None

    made = Clocked(behave, share)
    made.write(3, concurrency=2)
    waits = {number: at for at, number in made.asked}
    assert waits == {1: 0, 0: end, 2: 7 + 43 * (1 + share / 5)}


def test_tries_begin_anew_only_when_another_prompt_was_answered() -> None:
    def behave(number: int, times: int, _: Mapping[str, Any]) -> Reply | None:
        if number == 1:
            return Reply(answer(good(1), total_tokens=20), seconds=40.0)
        return Reply("", 503)

    made = Clocked(behave)
    with pytest.raises(EndpointError, match="busy"):
        made.write(2, concurrency=2)
    tries = [at for at, number in made.asked if number == 0]
    anew = [63, 64, 66, 70, 78, 94, 126, 186]
    assert tries == [0, 1, 3, 7, 15, 31, *anew]


def test_odd_answers_are_let_go_by_a_good_one() -> None:
    made = Clocked(lambda number, *_: Reply("[]") if number % 3 else None)
    taken = made.write(63)
    costs = [each for each in taken if not each.is_last]
    assert costs == [
        paid(number, 6 if number < 10 else 7) for number in range(63) if number % 3 for _ in "123"
    ]
    found = [each for each in taken if each.is_last]
    assert sorted(found, key=lambda each: each.ask.index) == [
        Answer(ask(number), reason="no_choices") if number % 3 else text(number)
        for number in range(63)
    ]
    places = {each.ask.index: place for place, each in enumerate(found)}
    assert all(
        places[number] < places[number - number % 3 + 3] for number in range(60) if number % 3
    )


@pytest.mark.parametrize(("concurrency", "most"), [(1, 20), (10, 20), (16, 32)])
@pytest.mark.parametrize("works", [False, True])
def test_so_many_odd_answers_in_a_row_end_the_work(
    concurrency: int, most: int, works: bool
) -> None:
    made = Clocked(lambda *_: Reply("<html>"))
    with pytest.raises(EndpointError) as caught:
        made.write(200, concurrency=concurrency, works=works)
    error = caught.value
    assert error.message == f"{most} prompts in a row got no answer; the last one: no json"
    assert error.where == ADDRESS
    assert error.do == (
        "Try the server with one prompt. What was finished is kept: the same command goes on."
    )
    assert made.taken == []


@pytest.mark.parametrize("works", [False, True])
def test_few_odd_answers_are_rejects_only_of_a_server_that_works(works: bool) -> None:
    made = Clocked(lambda *_: Reply("<html>"))
    if works:
        found = made.write(19, works=True)
        assert {each.ask.index for each in found} == {*range(19)}
        assert {each.reason for each in found} == {"no_json"}
        return
    with pytest.raises(EndpointError, match=r"1 prompt in .* one: no json\n"):
        made.write(1, works=False)
    assert made.taken == []


def test_an_empty_text_without_a_reason_to_finish_says_nothing_of_the_server() -> None:
    made = Clocked(lambda *_: Reply(answer(" \n", None, total_tokens=3)))  # type: ignore[arg-type]
    with pytest.raises(EndpointError, match=r"20 prompts in .* one: empty\n"):
        made.write(30)
    assert len(made.asked) == 20, "it is not asked again"
    cut = Clocked(lambda *_: Reply(answer("", "max_tokens", total_tokens=3)))
    assert cut.write(1) == [Answer(ask(0), "", "max_tokens", 3, "length")]


@pytest.mark.parametrize(("finish", "reason"), [(None, ""), ("abort", "abort")])
def test_a_text_with_another_reason_to_finish_is_no_odd_answer(
    finish: str | None, reason: str
) -> None:
    made = Clocked(lambda *_: Reply(answer("Таң", finish, total_tokens=3)))  # type: ignore[arg-type]
    wanted = [Answer(ask(number), "Таң", finish, 3, reason) for number in range(2)]
    assert made.write(2) == wanted


def test_a_refusal_is_told_only_of_the_last_odd_answer() -> None:
    refused = Reply({"detail": "озын"}, 413)
    made = Clocked(lambda number, *_: Reply("<html>") if number == 19 else refused)
    with pytest.raises(EndpointError) as caught:
        made.write(20, works=True)
    assert caught.value.message.endswith("the last one: no json")
    made = Clocked(lambda *_: refused)
    with pytest.raises(EndpointError) as caught:
        made.write(20, works=True)
    assert caught.value.message.endswith("the last one: refused (413: озын)")
    assert [number for _, number in made.asked] == [*range(20)], "each once"
    assert made.log.said == [ODD.format("refused: 413: озын")]


def test_a_request_is_the_prompt_with_all_fields_that_have_a_value() -> None:
    fields = {"model": "зур", "temperature": 0, "max_tokens": 64, "top_p": None}
    made = Clocked()
    made.write(2, fields=fields, system="Кыска яз.", key="key-1")
    assert made.addresses == {f"POST {ADDRESS}/chat/completions application/json"}
    rest = {"model": "зур", "temperature": 0, "max_tokens": 64}
    system = {"role": "system", "content": "Кыска яз."}
    assert made.fake.requests == [
        {"messages": [system, {"role": "user", "content": f"Хикәя яз, {n}"}], "seed": 70 + n} | rest
        for n in range(2)
    ]
    keyed = {**HEADERS, "Authorization": "Bearer key-1"}
    assert [each["headers"] for each in made.clients] == [keyed]
    assert [each["verify"] for each in made.clients] == [TRUSTED]
    bare = Clocked()
    bare.write(1, fields={"seed": 0})
    messages = [{"role": "user", "content": "Хикәя яз, 0"}]
    assert bare.fake.requests == [{"messages": messages, "seed": 0}]
    assert [each["headers"] for each in bare.clients] == [HEADERS]


def test_a_prompt_may_hold_half_a_character() -> None:
    made = Clocked(lambda *_: Reply(answer("Таң")))
    (found,) = made.write(1, prompt="Таң \ud83d")
    assert found.ask.prompt == "Таң \ud83d 0"
    assert found.tokens == 6, "16 bytes are taken for six tokens"
    (request,) = made.fake.requests
    assert request["messages"] == [{"role": "user", "content": "Таң \ud83d 0"}]


@pytest.mark.parametrize("concurrency", [1, 3, None])
def test_so_many_prompts_are_asked_at_a_time(concurrency: int | None) -> None:
    made = Clocked(lambda number, *_: Reply(answer(good(number), total_tokens=20), seconds=5.0))
    many = concurrency or Endpoint(ADDRESS, {}).concurrency
    assert many == (concurrency or 8)
    made.write(2 * many, concurrency=many)
    assert [at for at, _ in made.asked] == [0.0] * many + [5.0] * many
    assert len(made.clients) == many, "each has its own"


@pytest.mark.parametrize("key", ["ачкыч", "two words"])
def test_a_key_that_no_header_can_hold_is_refused_before_anything_is_asked(key: str) -> None:
    made = Clocked()
    with pytest.raises(RecipeError) as caught:
        made.write(1, key=key)
    assert caught.value.message == "a key is one word of ASCII"
    assert caught.value.where == "ENDONYM_API_KEY"
    assert made.clients == []
