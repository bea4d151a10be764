"""Servers that fail in all ways: each prompt is answered once, or is a reject with its reason."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_endpoint import STALL, Fake, Reply, answer, fake_endpoint, good
from interrupts import heed_interrupts

from endonym.commands.write import Written, write_answers
from endonym.errors import EndpointError, RecipeError
from endonym.log import Log
from endonym.synthesis import endpoint
from endonym.synthesis.endpoint import Endpoint, address_of
from endonym.synthesis.plan import Plan
from endonym.synthesis.prompts import Prompts
from endonym.synthesis.shards import Answer

PROMPTS = Prompts([f"Хикәя яз, {number}" for number in range(1000)])


def write(
    folder: Path, address: str, count: int, budget: int | None = None, **given: Any
) -> Written:
    """Let a server write so many texts, with little patience."""
    sampling = {"temperature": 0.8, "max_tokens": 64, "system": given.get("system", "")}
    plan = Plan("хикәя", "endpoint", "0" * 64, count, 0, "зур", sampling)
    fields = {"model": "зур", "temperature": 0.8, "max_tokens": 64}
    patience = {"first_wait": 0.01, "seconds": STALL / 2, "log": Log(quiet=True)}

    def make(works: bool) -> Endpoint:
        return Endpoint(address, fields, **{**patience, **given}, works=works)

    return write_answers(
        plan, PROMPTS, folder, make, model="зур", budget=budget, log=Log(quiet=True)
    )


def records(folder: Path) -> tuple[dict[int, Any], dict[int, Any]]:
    """Texts and rejects by number; each number stands once in all files, in order in each."""
    texts: list[Any] = []
    for path in sorted(folder.glob("хикәя-*.jsonl")):
        lines = [json.loads(line) for line in path.read_bytes().splitlines()]
        assert lines == sorted(lines, key=lambda each: each["index"])
        texts += lines
    path = folder / "rejects.jsonl"
    rejects = [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
    times = Counter(each["index"] for each in [*texts, *rejects])
    assert {*times.values()} <= {1}, times
    return {each["index"]: each for each in texts}, {each["index"]: each for each in rejects}


def faulty(number: int, times: int, request: Mapping[str, Any]) -> Reply | None:
    """Of twelve prompts one is answered at once; five are never, and others the second time."""
    text = answer(good(number), total_tokens=20)
    passing = {
        1: Reply("", 429, {"Retry-After": "0.05"}),
        2: Reply("<h1>Internal</h1>", 500),
        3: Reply(text, seconds=STALL),
        4: Reply(text, cut=20),
        5: Reply(text, cut=0),
        6: Reply(json.dumps(text)[:30]),
    }
    lasting = {
        7: Reply("<html><body>Connexion au portail</body></html>"),
        8: Reply({"choices": []}),
        9: Reply(answer(None, total_tokens=5)),
        10: Reply(answer("Куян", "length", total_tokens=64)),
        11: Reply(answer("  \n")),
    }
    fault = number % 12
    return lasting.get(fault) or (passing.get(fault) if times == 1 else None)


def test_every_prompt_is_answered_once_or_rejected_for_its_reason(tmp_path: Path) -> None:
    with fake_endpoint(faulty) as fake:
        made = write(tmp_path / "out", fake.address, 48)
        texts, rejects = records(tmp_path / "out")
    assert {*texts} == {index for index in range(48) if index % 12 < 7}
    assert all(each["text"] == good(index) for index, each in texts.items())
    reasons = {7: "no_json", 8: "no_choices", 9: "no_text", 10: "length", 11: "empty"}
    assert {n: each["reason"] for n, each in rejects.items()} == {
        index: reasons[index % 12] for index in range(48) if index % 12 >= 7
    }
    assert made.rejects == dict.fromkeys(sorted(reasons.values()), 4)
    assert (made.texts, made.left, made.new) == (28, 0, 48)
    assert [fake.asked[index] for index in range(12)] == [1] + [2] * 6 + [3] * 3 + [1] * 2
    spent = (tmp_path / "out" / "spent.jsonl").read_text(encoding="utf-8").splitlines()
    assert spent.count('{"index": 9, "tokens": 5}') == 3, "three answers were paid"
    assert rejects[9]["tokens"] == 0, "once"
    assert texts[0]["tokens"] == 20
    assert 1 < fake.most_at_once <= 8


REFUSED = [
    (401, {"error": {"message": "Cheie greșită"}}, "Cheie greșită", "ENDONYM_API_KEY"),
    (403, {"error": "Interdit"}, "Interdit", "ENDONYM_API_KEY"),
    (404, {"message": "no model зур"}, "no model зур", "model of this name"),
    (307, "", "nothing", "kept"),
]


@pytest.mark.parametrize(("status", "body", "said", "do"), REFUSED)
def test_a_refusal_stops_at_once_in_the_servers_words(
    tmp_path: Path, status: int, body: Any, said: str, do: str
) -> None:
    with fake_endpoint(lambda number, *_: Reply(body, status) if number >= 10 else None) as fake:
        with pytest.raises(EndpointError) as caught:
            write(tmp_path / "out", fake.address, 60)
        assert str(status) in caught.value.message
        assert said in caught.value.message
        assert do in caught.value.do
        assert len(caught.value.message) < 400
        assert sum(fake.asked.values()) <= 10 + 2 * 8
        fake.behave = lambda *_: None
        write(tmp_path / "out", fake.address, 60)
    assert {*records(tmp_path / "out")[0]} == {*range(60)}


def test_a_server_that_is_away_or_broken_makes_no_rejects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "LONGEST_BACKOFF", 0.01)
    monkeypatch.setattr(Log, "warn", lambda log, text, once="": told.append(text))
    told: list[str] = []
    faults = [Reply("", 429), Reply("<html>", 200), Reply("", 500), Reply("", 503)]
    for fault in faults:
        with fake_endpoint(lambda number, times, _, fault=fault: fault) as fake:
            with pytest.raises(EndpointError, match=r"busy \(|in a row got no answer"):
                write(tmp_path / "out", fake.address, 30)
            with pytest.raises(EndpointError):
                write(tmp_path / "few", fake.address, 2)
    with pytest.raises(EndpointError, match="cannot be reached"):
        write(tmp_path / "out", "http://127.0.0.1:9/v1", 30)
    assert any("busy (429: nothing); it is asked again" in each for each in told)
    for name, count in (("out", 30), ("few", 2)):
        with fake_endpoint() as fake:
            made = write(tmp_path / name, fake.address, count if name == "few" else 30)
        assert (made.texts, made.rejects) == (count, {})


@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_fields_are_renamed_also_where_the_work_goes_on(tmp_path: Path, seconds: float) -> None:
    def behave(number: int, times: int, request: Mapping[str, Any]) -> Reply | None:
        if "max_tokens" not in request:
            return None
        said = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        return Reply({"error": {"message": said}}, 400, seconds=seconds * (number % 5 > 0))

    for count in (5, 10, 60):
        with fake_endpoint(behave) as fake:
            made = write(tmp_path / "out", fake.address, count)
        assert (made.texts, made.rejects) == (count, {})


def test_a_budget_of_tokens_stops_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    with fake_endpoint() as fake:
        made = write(tmp_path / "out", fake.address, 100, budget=400)
        assert 400 <= made.tokens < 400 + 20 * 8
        assert made.left == 100 - made.texts > 0
        assert {*records(tmp_path / "out")[0]} == {*range(made.texts)}, "what is there can be read"
        assert write(tmp_path / "out", fake.address, 100, budget=400).new == 0
        made = write(tmp_path / "out", fake.address, 100, budget=10_000)
        assert (made.texts, made.left, made.tokens) == (100, 0, 2_000)
        assert sum(fake.asked.values()) == 100
    with fake_endpoint(lambda number, *_: Reply(answer(good(number)))) as fake:
        made = write(tmp_path / "guessed", fake.address, 5)
    assert made.tokens == pytest.approx(5 * (len(good(0).encode()) + 22) / 3, abs=10)


def test_what_a_broken_server_cost_counts_for_the_budget(tmp_path: Path) -> None:
    """Also where the command is started again and again; the prompts are answered later."""
    odd = Reply(answer(None, total_tokens=5))
    with fake_endpoint(lambda *_: odd) as fake:
        for times in (1, 2):
            with pytest.raises(EndpointError, match="got no answer"):
                write(tmp_path / "out", fake.address, 5, budget=140)
            assert sum(fake.asked.values()) == 15 * times
        fake.behave = lambda *_: None
        assert write(tmp_path / "out", fake.address, 5, budget=140).tokens == 150
        assert sum(fake.asked.values()) == 30, "the budget is spent"
        made = write(tmp_path / "out", fake.address, 5)
    assert (made.texts, made.left, made.tokens) == (5, 0, 150 + 5 * 20)


def test_a_budget_stops_a_server_before_it_is_sure_to_be_broken(tmp_path: Path) -> None:
    odd = Reply(answer(None, total_tokens=5))
    with fake_endpoint(lambda *_: odd) as fake:
        with pytest.raises(EndpointError, match="4 prompts in a row got no answer"):
            write(tmp_path / "out", fake.address, 60, budget=50, concurrency=1)
        assert sum(fake.asked.values()) == 12
        fake.behave = lambda *_: None
        made = write(tmp_path / "out", fake.address, 5, system="Кыска яз.")
    assert (made.texts, made.tokens) == (5, 5 * 20), "another plan may begin, and pays for itself"


def test_without_rejects_their_prompts_are_asked_again(tmp_path: Path) -> None:
    """As docs/synthetic.md says."""
    cut = Reply(answer("Куян", "length", total_tokens=9))
    with fake_endpoint(lambda number, *_: cut if number % 2 else None) as fake:
        assert write(tmp_path / "out", fake.address, 7).rejects == {"length": 3}
    with fake_endpoint() as fake:
        assert write(tmp_path / "out", fake.address, 7).new == 0
        (tmp_path / "out" / "rejects.jsonl").unlink()
        made = write(tmp_path / "out", fake.address, 7)
        assert fake.asked == {1: 1, 3: 1, 5: 1}
    assert (made.texts, made.new, made.rejects, made.tokens) == (7, 3, {}, 7 * 20)
    assert {*records(tmp_path / "out")[0]} == {*range(7)}


def test_an_answer_that_is_far_too_long_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it fills no memory: the server cannot send the most of its 44 MB."""
    monkeypatch.setattr(endpoint, "MOST_BYTES", 1 << 20)
    long = Reply("яңгыр " * 1_000, times=4_000)
    with fake_endpoint(lambda number, *_: long if number == 1 else None) as fake:
        made = write(tmp_path / "out", fake.address, 3, seconds=60.0)
        assert fake.written < 3 * long.times / 2
    assert (made.texts, made.rejects) == (2, {"answer_too_long": 1})


def test_thoughts_are_taken_out_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Log, "warn", lambda log, text, once="": told.append((text, once)))
    told: list[tuple[str, str]] = []
    said = ["<think>Кем?</think>Куян барды.", "Куян барды.", "<think>Куян кая?"]
    with fake_endpoint(lambda number, *_: Reply(answer(said[number], total_tokens=9))) as fake:
        made = write(tmp_path / "out", fake.address, 3)
    texts, rejects = records(tmp_path / "out")
    assert {index: each["text"] for index, each in texts.items()} == dict.fromkeys((0, 1), said[1])
    assert [each.get("thought") for _, each in sorted(texts.items())] == [19, None]
    assert (rejects[2]["reason"], rejects[2]["answer"]) == ("only_thought", said[2])
    assert made.tokens == 27
    assert {once for text, once in told} == {"thought"}
    assert "`thought`" in told[0][0]


def test_without_the_library_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert address_of("--endpoint", "http://127.0.0.1:8000/v1/") == "http://127.0.0.1:8000/v1"
    monkeypatch.setattr(endpoint, "find_spec", lambda name: None)
    with pytest.raises(RecipeError, match="httpx") as caught:
        address_of("--endpoint", "http://127.0.0.1:8000/v1")
    assert "endonym[synthetic]" in caught.value.do


def test_an_error_of_ours_ends_the_work_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="port") as caught:
        write(tmp_path / "out", "http://127.0.0.1:port/v1", 3)
    assert caught.value.where == "--endpoint"
    with pytest.raises(RecipeError, match="ASCII"):
        write(tmp_path / "out", "http://127.0.0.1:9/v1", 3, key="ачкыч")


@pytest.fixture
def started(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts the command in a process of its own."""
    path = tmp_path / "хикәя.txt"
    path.write_text("\n".join(PROMPTS.listed[:400]) + "\n", encoding="utf-8")

    def start(fake: Fake, count: int) -> subprocess.Popen[str]:
        words = ["write", path, "--out", tmp_path / "out", "--count", count, "--json"]
        words += ["--endpoint", fake.address, "--model", "зур"]
        command = [sys.executable, "-m", "endonym", *map(str, words)]
        pipe = subprocess.PIPE
        environment = {**os.environ, "ENDONYM_API_KEY": "key-1"}
        return subprocess.Popen(
            command, stdout=pipe, stderr=pipe, text=True, env=environment,
            preexec_fn=heed_interrupts,
        )  # fmt: skip

    return start


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_again_and_again_it_loses_and_repeats_nothing(
    started: Callable[..., subprocess.Popen[str]], tmp_path: Path, number: int
) -> None:
    def behave(number: int, times: int, _: Mapping[str, Any]) -> Reply | None:
        text = answer(good(number), "length" if number % 10 == 3 else "stop", total_tokens=20)
        return Reply(text, seconds=0.01)

    kills = 2 if number == signal.SIGKILL else 1
    with fake_endpoint(behave) as fake:
        for kill in range(kills):
            with started(fake, 400) as process:
                while sum(fake.asked.values()) < 90 * (kill + 1) and process.poll() is None:
                    time.sleep(0.005)
                process.send_signal(number)
                out, said = process.communicate()
            if number == signal.SIGINT:
                assert process.returncode == 130
                assert "The same command goes on" in said
                assert "Traceback" not in said
        with started(fake, 400) as process:
            out, said = process.communicate()
    assert process.returncode == 0, said
    told = json.loads(out.splitlines()[-1])
    texts, rejects = records(tmp_path / "out")
    assert {*texts, *rejects} == {*range(400)}
    assert {*rejects} == {*range(3, 400, 10)}
    assert all(each["text"] == good(index) for index, each in texts.items())
    assert (told["texts"], told["rejects"], told["tokens"]) == (360, {"length": 40}, 8_000)
    assert told["new"] < 400 - 60 * kills
    assert sum(fake.asked.values()) <= 400 + 8 * kills, "only those in flight are asked again"
    assert "synthetic = true" in told["source"]


def test_a_model_that_only_thought_was_cut(tmp_path: Path) -> None:
    def reply(number: int, times: int, request: Mapping[str, Any]) -> Reply:
        return Reply(answer(None, "length"))

    with fake_endpoint(reply) as fake:
        made = write(tmp_path / "out", fake.address, 3)
        assert fake.asked == dict.fromkeys(range(3), 1), "it is not asked again"
    assert made.rejects == {"length": 3}


def test_a_server_that_answers_some_and_is_busy_for_others_is_asked_on(tmp_path: Path) -> None:
    count = [0]

    def reply(number: int, times: int, request: Mapping[str, Any]) -> Reply | None:
        count[0] += 1
        return None if count[0] % 8 == 0 else Reply("", 429)

    with fake_endpoint(reply) as fake:
        made = write(tmp_path / "out", fake.address, 6, concurrency=3)
        assert max(fake.asked.values()) > 8
    assert (made.texts, made.left) == (6, 0)


@pytest.mark.parametrize("status", [408, 425, 429, 502, 503, 504])
def test_a_server_that_is_busy_is_asked_again(tmp_path: Path, status: int) -> None:
    with fake_endpoint(lambda _, times, __: Reply("", status) if times < 4 else None) as fake:
        made = write(tmp_path / "out", fake.address, 2)
        assert fake.asked == {0: 4, 1: 4}, "more often than a server that is wrong"
    assert (made.texts, made.rejects) == (2, {})


def test_a_server_that_stops_answering_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "LONGEST_BACKOFF", 0.01)

    def behave(number: int, times: int, _: Mapping[str, Any]) -> Reply | None:
        if number == 0:
            return Reply(answer(good(0)), seconds=0.02)
        return Reply("", 503) if times < 60 else None

    with fake_endpoint(behave) as fake:
        with pytest.raises(EndpointError, match="busy"):
            write(tmp_path / "out", fake.address, 2, concurrency=2)
        assert max(fake.asked.values()) <= 2 * endpoint.BUSY_TRIES


def test_many_requests_may_be_odd_at_a_time(tmp_path: Path) -> None:
    def behave(number: int, times: int, _: Mapping[str, Any]) -> Reply:
        return Reply("<html>") if number < 28 else Reply(answer(good(number)), seconds=1.5)

    with fake_endpoint(behave) as fake:
        made = write(tmp_path / "out", fake.address, 40, concurrency=16)
    assert (made.texts, made.rejects) == (12, {"no_json": 28})


def test_when_all_is_answered_no_writer_is_made(tmp_path: Path) -> None:
    plan = Plan("хикәя", "endpoint", "0" * 64, 2, 0, "зур", {"max_tokens": 64})
    makers: list[bool] = []

    def make(works: bool) -> Any:
        makers.append(works)
        return SimpleNamespace(answer_all=lambda asks, take: take(Answer(next(asks), "Таң.")))

    for count, done in ((1, 0), (2, 1), (2, 2), (2, 2)):
        assert len(makers) == done
        plan = replace(plan, count=count)
        made = write_answers(plan, PROMPTS, tmp_path, make, model="зур", log=Log(quiet=True))
    assert makers == [False, True], "whether it has written a text is told"
    assert (made.texts, made.left, made.new) == (2, 0, 0)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_one_prompt_that_a_server_refuses_is_a_reject(tmp_path: Path, status: int) -> None:
    said = {"error": {"message": "maximum context length is 64, max_tokens is 64"}}

    def reply(number: int, times: int, request: Mapping[str, Any]) -> Reply | None:
        assert "max_tokens" in request, "no field was refused"
        return Reply(said, status) if number == 5 else None

    with fake_endpoint(reply) as fake:
        made = write(tmp_path / "out", fake.address, 9, concurrency=1)
    assert (made.texts, made.left, made.rejects) == (8, 0, {"refused": 1})


def test_a_server_that_refuses_every_prompt_now_ends_it_in_its_words(tmp_path: Path) -> None:
    wrong = Reply("<p>ялгыш</p>" + "é" * 999, 400)
    with fake_endpoint(lambda number, *_: wrong if number >= 10 else None) as fake:
        with pytest.raises(EndpointError, match=r"got no answer.* refused \(400: ялгыш") as caught:
            write(tmp_path / "out", fake.address, 60, concurrency=1)
        assert len(caught.value.message) < 400
        assert sum(fake.asked.values()) <= 10 + endpoint.MOST_ODD + 2 * 8
        fake.behave = lambda *_: None
        write(tmp_path / "out", fake.address, 60, concurrency=1)
    assert {*records(tmp_path / "out")[0]} == {*range(60)}, "none of them is a reject"
