"""`endonym judge`: biased judges are found out, failures count nowhere, nothing is paid twice."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from fake_endpoint import STALL, Fake, Reply, answer, fake_endpoint

from endonym.commands import judge_texts

Command = Callable[..., Any]
Say = Callable[[str], str]
GOOD_GRADES = "grammar: 4\ncoherence: 3\nfit: 5"


def part(question: str, tag: str) -> str:
    """What stands between two tags of a question."""
    found = re.search(rf"<{tag}>\n(.*)\n</{tag}>", question, re.DOTALL)
    assert found is not None
    return found[1]


def longer(question: str) -> str:
    """The longer text is better, whichever place it has; it is grammatical, too."""
    if "<text_A>" not in question:
        return f"grammar: {min(5, 1 + len(part(question, 'text')) // 40)}\ncoherence: 2\nfit: 1"
    first, second = (len(part(question, tag)) for tag in ("text_A", "text_B"))
    return "Verdict: " + ("tie" if first == second else "A" if first > second else "B")


def always_first(question: str) -> str:
    return "Verdict: A" if "<text_A>" in question else GOOD_GRADES


@contextmanager
def judge_that(says: Say) -> Generator[Fake]:
    """A server that answers each question so, for 10 tokens."""

    def behave(number: int, times: int, request: Mapping[str, Any]) -> Reply:
        return Reply(answer(says(request["messages"][-1]["content"]), total_tokens=10))

    with fake_endpoint(behave, lambda question: crc32(question.encode())) as fake:
        yield fake


def of(fake: Fake, name: str = "зур") -> list[Any]:
    return ["--endpoint", fake.address, "--judge", name]


def kept(folder: Path) -> list[Any]:
    """The answers in a folder."""
    lines = (folder / "answers-00000.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_a_judge_that_always_prefers_the_first_text_is_found_out(
    given: list[Any], command: Command, tmp_path: Path
) -> None:
    with judge_that(always_first) as fake:
        said = command(*given, *of(fake))
        assert said.code == 0, said.err
        found = command(*given, *of(fake), "--json").json()
        assert set(fake.asked.values()) == {1}
    n = found["prompts"]
    assert n >= 4
    assert "no verdict, this judge is biased" in said.out
    assert "100%" in said.out
    preferences = found["judges"]["зур"]["preferences"]
    assert preferences["is_biased"] is True
    assert preferences["win_rate"] is None
    assert preferences["n_disagreeing"] == preferences["ties"] == n
    assert preferences["first_place"]["value"] == 1.0
    answers = kept(tmp_path / "judged" / "judge-зур")
    assert len(answers) == 4 * n
    assert {"prompt", "model", "seed", "finish_reason", "tokens", "text"} <= answers[0].keys()
    texts = tmp_path / "judged" / "texts-1" / "texts-00000.jsonl"
    record = json.loads(texts.read_text(encoding="utf-8").splitlines()[0])
    assert {"prompt", "model", "seed", "finish_reason"} <= record.keys()


def test_it_is_said_what_was_judged_and_how(
    given: list[Any], finished: Path, command: Command, tmp_path: Path
) -> None:
    with judge_that(longer) as fake:
        said = command(*given, *of(fake))
        found = command(*given, *of(fake), "--json").json()
    store = finished / "store"
    (model,), (corpus,) = ([*(store / kind).iterdir()] for kind in ("model", "corpus"))
    assert found["models"] == [
        {"model": str(given[1]), "identity": model.name, "adapter": None, "corpus": corpus.name}
    ]
    assert found["machine"]["processor"]
    assert "torch" in found["versions"]
    sampling = found["sampling"]
    assert (sampling["temperature"], sampling["top_p"], sampling["seed"]) == (0.8, 0.95, 0)
    assert (sampling["max_tokens"], found["split"], found["prompts_file"]) == (24, "dev", None)
    assert "{text}" in found["rubric"]["grades"]
    assert {*found["rubric"]["criteria"]} == {"grammar", "coherence", "fit"}
    (judge,) = found["judges"].values()
    n_questions = 4 * found["prompts"]
    assert (judge["endpoint"], judge["n_answers"]) == (fake.address, n_questions)
    assert f"зур: {n_questions} answers from {fake.address}" in said.out
    assert "beginnings of dev documents; temperature 0.8" in said.out
    kept = (tmp_path / "judged" / "judged.json").read_text(encoding="utf-8")
    assert json.loads(kept) == found


def test_a_judge_of_one_mind_gives_the_win_rate_of_the_texts(
    given: list[Any], command: Command
) -> None:
    questions = list[str]()

    def says(question: str) -> str:
        questions.append(question)
        return longer(question)

    with judge_that(says) as fake:
        found = command(*given, *of(fake), "--json").json()
    pairs = {
        (len(part(each, "text_A")), len(part(each, "text_B")), part(each, "prompt"))
        for each in questions
        if "<text_A>" in each
    }
    n, preferences = found["prompts"], found["judges"]["зур"]["preferences"]
    assert len(pairs) >= n, "each in both orders"
    assert all((b, a, prompt) in pairs for a, b, prompt in pairs)
    assert preferences["n_disagreeing"] == preferences["n_missing"] == 0
    assert preferences["is_biased"] is False
    assert preferences["wins"] + preferences["losses"] + preferences["ties"] == n
    value = (preferences["wins"] + preferences["ties"] / 2) / n
    assert preferences["win_rate"]["value"] == pytest.approx(value)
    grades = found["judges"]["зур"]["grades"]
    assert {*grades} == {"grammar", "coherence", "fit"}
    assert {each["mean"]["value"] for each in grades["coherence"].values()} == {2.0}
    assert {each["n_texts"] for each in grades["fit"].values()} == {n}
    assert {*grades["fit"]} == {*found["texts"]}
    assert "held-out text" in found["texts"]


def test_answers_that_are_none_are_counted_and_not_scored(
    given: list[Any], command: Command
) -> None:
    """Nonsense, a cut answer, a web page: each is left out, with all of its pair."""

    def behave(number: int, times: int, request: Mapping[str, Any]) -> Reply:
        question = request["messages"][-1]["content"]
        good = Reply(answer(longer(question), total_tokens=10))
        return {
            0: Reply(answer("Икесе дә яхшы!")), 1: Reply(answer("Verdict: A", "length")),
            2: Reply("<html>Connexion au portail</html>"), 3: Reply("", 500),
        }.get(number % 8, good)  # fmt: skip

    numbers = dict[str, int]()
    with fake_endpoint(behave, lambda each: numbers.setdefault(each, len(numbers))) as fake:
        more = ("--concurrency", 1)
        said = command(*given, *of(fake), *more)
        found = command(*given, *of(fake), *more, "--json").json()
    assert said.code == 0, said.err
    judges, n = found["judges"], found["prompts"]
    failed, preferences = judges["зур"]["failed"], judges["зур"]["preferences"]
    assert {*failed} == {"unreadable", "length", "no_json", "server_error"}
    assert sum(failed.values()) == n // 2 * 4 + n % 2 * 4
    assert judges["зур"]["n_answers"] == 4 * n - sum(failed.values())
    assert (preferences["n_missing"], preferences["n_pairs"]) == ((n + 1) // 2, n // 2)
    assert preferences["wins"] + preferences["losses"] + preferences["ties"] == n // 2
    assert "left out:" in said.out
    for each in judges["зур"]["grades"]["grammar"].values():
        assert each["n_texts"] + each["n_missing"] == n


def test_a_judge_that_answers_nonsense_alone_leaves_all_undefined(
    given: list[Any], command: Command
) -> None:
    with judge_that(lambda question: "Бик яхшы сорау!") as fake:
        said = command(*given, *of(fake))
        judges = command(*given, *of(fake), "--json").json()["judges"]
    assert said.code == 0
    assert "no verdict: it answered no pair in both orders" in said.out
    assert "undefined" in said.out
    assert judges["зур"]["preferences"]["win_rate"] is None
    assert {each["mean"] for each in judges["зур"]["grades"]["fit"].values()} == {None}


FAULTS = [
    (Reply("<html>Connexion</html>"), "got no answer"), (Reply("", 500), "got no answer"),
    (Reply({"error": "no such key"}, 401), "no such key"), (Reply("", seconds=STALL), "no whole"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "words"), FAULTS)
def test_a_server_that_is_broken_is_an_error_and_no_score(
    fault: Reply, words: str, given: list[Any], command: Command
) -> None:
    with fake_endpoint(lambda *_: fault, lambda question: crc32(question.encode())) as fake:
        said = command(*given, *of(fake), "--timeout", 1, "--json")
    assert said.code == 1
    assert words in said.json()["error"]["message"]
    assert "Traceback" not in said.err
    assert command(*given, "--json").json()["judges"] == {}, "it is no judge without an answer"


def test_several_judges_are_compared_and_a_budget_stops_one(
    given: list[Any], command: Command
) -> None:
    with judge_that(longer) as fake:
        command(*given, *of(fake, "беренче"))
        found = command(*given, *of(fake, "икенче"), "--json").json()
    agreement = found["agreement"]
    assert agreement["pairs"] == agreement["grammar"] == 1.0
    assert agreement["coherence"] is None, "all grades are equal"
    with judge_that(always_first) as fake:
        budget = ("--budget-tokens", 100, "--concurrency", 1)
        said = command(*given, *of(fake, "өченче"), *budget)
        assert sum(fake.asked.values()) == 10
        assert f"өченче: {4 * found['prompts'] - 10} questions not asked yet" in said.out
        found = command(*given, *of(fake, "өченче"), "--json").json()
        assert {*fake.asked.values()} == {1}
    assert found["agreement"]["pairs"] < 1.0
    assert {each["n_left"] for each in found["judges"].values()} == {0}
    shown = command(*given, "--json").json()
    assert {**shown, "versions": 0} == {**found, "versions": 0}, (
        "without a server what is there is shown"
    )
    assert "questions for each judge: about" in command(*given).err


def test_a_larger_count_adds_prompts_and_asks_of_these_alone(
    given: list[Any], command: Command, tmp_path: Path
) -> None:
    texts = tmp_path / "judged" / "texts-1" / "texts-00000.jsonl"
    with judge_that(longer) as fake:
        few = command(*given, *of(fake), "--count", 2, "--json").json()
        written = texts.read_text(encoding="utf-8")
        more = command(*given, *of(fake), "--json").json()
        assert set(fake.asked.values()) == {1}
    assert texts.read_text(encoding="utf-8").startswith(written)
    assert (few["prompts"], few["judges"]["зур"]["preferences"]["n_pairs"]) == (2, 2)
    assert more["judges"]["зур"]["preferences"]["n_pairs"] == more["prompts"] > 2
    command(*given, "--max-tokens", 200, "--out", tmp_path / "long")
    held_out = tmp_path / "long" / "texts-held-out" / "texts-00000.jsonl"
    assert "\\n" in held_out.read_text(encoding="utf-8"), "lists of sentences are joined"


def test_another_rubric_is_another_question(
    given: list[Any], command: Command, tmp_path: Path
) -> None:
    own = tmp_path / "rubric.toml"
    own.write_text(
        "[criteria.'теле']\n" + "\n".join(f'{n} = "дәрәҗә {n}"' for n in range(1, 6)), "utf-8"
    )
    with judge_that(longer) as fake:
        command(*given, *of(fake))
        said = command(*given, *of(fake), "--rubric", own, "--json")
        assert said.code == 2
        assert "another plan" in said.json()["error"]["message"]
    with judge_that(lambda question: "теле: 2\nVerdict: tie") as fake:
        said = command(*given, *of(fake, "башка"), "--rubric", own, "--json")
    assert "judge-зур was asked other questions" in said.err
    assert {*said.json()["judges"]["башка"]["grades"]} == {"теле"}


def test_two_models_and_prompts_of_ones_own(
    given: list[Any], finished: Path, command: Command, tmp_path: Path
) -> None:
    prompts = tmp_path / "сораулар.txt"
    prompts.write_text("Кояшлы көндә\nUn pod vechi\nЯңгырдан соң\n", encoding="utf-8")
    with judge_that(longer) as fake:
        own = (*given, "--prompts", prompts, "--out", tmp_path / "own")
        said = command(*own, *of(fake), "--json")
    assert "compared with none" in said.err
    assert "there are 3 prompts" in said.err
    assert said.json()["judges"]["зур"]["preferences"] is None
    (export,) = (finished / "store" / "export").rglob("config.json")
    two = ["judge", given[1], export.parent, *given[2:], "--prompts", prompts]
    with judge_that(longer) as fake:
        said = command(*two, *of(fake), "--json")
    assert said.code == 0, said.err
    found = said.json()
    assert found["prompts"] == 3
    assert len(found["texts"]) == 2
    assert found["judges"]["зур"]["preferences"]["n_pairs"] == 3
    alone = command(*two[:2], *two[3:], "--json").json()
    assert (alone["judges"], alone["agreement"]) == ({}, {})


def test_wrong_arguments_are_told(given: list[Any], command: Command, tmp_path: Path) -> None:
    for more, words in (
        (["--endpoint", "http://x/v1"], "belong together"),
        (["--judge", "зур"], "belong together"),
        (["--endpoint", "x", "--judge", "зур"], "no address of a server"),
        (["--languagetool", "x"], "no address of a server"),
        (["--prompts", tmp_path / "юк.txt"], "юк.txt"),
        (["--rubric", tmp_path / "юк.toml"], "юк.toml"),
    ):
        said = command(*given, *more)
        assert said.code != 0
        assert words in said.err
        assert "Traceback" not in said.err
    assert "two different ones" in command(*given[:2], *given[1:]).err
    again = given[1].parent / ".." / "runs" / given[1].name
    assert "two different ones" in command(*given[:2], again, *given[2:]).err
    long = tmp_path / "озын.txt"
    long.write_text("Кояшлы көндә " * 200, encoding="utf-8")
    said = command(*given[:-1], "dev", "--prompts", long, "--out", tmp_path / "long")
    assert said.code != 0
    assert "no prompt is left" in said.err
    assert "MODEL" in command("judge", "юк", *given[2:]).err
    assert not (tmp_path / "judged" / "texts-1").exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_it_goes_on_and_asks_nothing_twice(
    given: list[Any], number: int, command: Command
) -> None:
    is_killed = threading.Event()

    def says(question: str) -> str:
        if sum(fake.asked.values()) > 9:
            is_killed.wait(3)  # So that it hears the signal before all are asked.
        return longer(question)

    def start(fake: Fake) -> subprocess.Popen[str]:
        words = [*given, *of(fake), "--concurrency", 2, "--json"]
        line = [sys.executable, "-m", "endonym", *map(str, words)]
        pipe = subprocess.PIPE
        # A shell in the background ignores SIGINT, and its children do so, too.
        heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        return subprocess.Popen(line, stdout=pipe, stderr=pipe, text=True, preexec_fn=heard)

    with judge_that(says) as fake:
        with start(fake) as process:
            while sum(fake.asked.values()) < 9 and process.poll() is None:
                time.sleep(0.005)
            process.send_signal(number)
            process.communicate()
            is_killed.set()
        asked = sum(fake.asked.values())
        (shown,) = json.loads(command(*given, "--json").out)["judges"].values()
        with start(fake) as process:
            out, err = process.communicate()
        assert process.returncode == 0, err
        found = json.loads(out.splitlines()[-1])
        n_questions = 4 * found["prompts"]
        assert asked < n_questions
        assert asked - 2 <= n_questions - shown["n_left"] <= asked, "what is paid is shown"
        assert sum(fake.asked.values()) <= n_questions + 2, "only those under way"
    assert found["judges"]["зур"]["n_left"] == 0
    assert found["judges"]["зур"]["preferences"]["n_missing"] == 0


def test_no_judge_is_taken_for_another_one(given: list[Any], command: Command) -> None:
    names = [f"hf.co/unsloth/Qwen3-30B-A3B-Instruct-2507-GGUF:{of}" for of in ("Q4_K_M", "Q8_0")]
    with judge_that(longer) as fake:
        found = [command(*given, *of(fake, name), "--json").json() for name in names]
    assert {*found[-1]["judges"]} == {*names}
    with judge_that(always_first) as fake:
        said = command(*given, *of(fake, names[0]))
        assert not fake.asked
    assert said.code == 2
    assert "endpoint was" in said.err


def test_answers_that_were_cut_are_asked_for_again_with_more_tokens(
    given: list[Any], command: Command, tmp_path: Path
) -> None:
    def behave(number: int, times: int, request: Mapping[str, Any]) -> Reply:
        is_short = request["max_tokens"] < 2048 and number % 2
        question = request["messages"][-1]["content"]
        return Reply(answer(longer(question), "length" if is_short else "stop", total_tokens=10))

    with fake_endpoint(behave, lambda question: crc32(question.encode())) as fake:
        said = command(*given, *of(fake))
        assert "more --answer-tokens, after you delete its rejects.jsonl" in said.out
        (tmp_path / "judged" / "judge-зур" / "rejects.jsonl").unlink()
        judges = command(*given, *of(fake), "--answer-tokens", 2048, "--json").json()["judges"]
    assert (judges["зур"]["failed"], judges["зур"]["n_left"]) == ({}, 0)


def test_where_a_text_is_cut_none_of_its_prompt_is_longer(
    given: list[Any], command: Command, tmp_path: Path
) -> None:
    questions = list[str]()
    with judge_that(lambda question: questions.append(question) or longer(question)) as fake:
        command(*given, *of(fake))
    cut = dict[str, int]()
    for path in (tmp_path / "judged").glob("texts-*/texts-00000.jsonl"):
        for each in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
            if each["finish_reason"] == "length":
                shortest = cut.get(each["prompt"], len(each["text"]))
                cut[each["prompt"]] = min(shortest, len(each["text"]))
    assert cut
    for each in (each for each in questions if "<text_A>" in each):
        most = cut.get(part(each, "prompt"))
        assert most is None or max(len(part(each, f"text_{side}")) for side in "AB") <= most


def test_prompts_of_ones_own_are_questions_and_held_out_texts_are_not(
    given: list[Any], command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model with a chat template continues held-out text as it stands."""
    asked, made_by = list[str](), judge_texts.model_writer

    def chatting(*args: Any, **options: Any) -> Any:
        made = made_by(*args, **options)

        def as_ids(question: str) -> list[int]:
            asked.append(question)
            return made.model.tokenizer.encode(question)

        return replace(made, as_ids=as_ids)

    monkeypatch.setattr(judge_texts, "model_writer", chatting)
    assert command(*given).code == 0
    assert asked == []
    prompts = tmp_path / "сораулар.txt"
    prompts.write_text("Кояшлы көндә\n", encoding="utf-8")
    assert command(*given, "--prompts", prompts, "--out", tmp_path / "own").code == 0
    assert asked == ["Кояшлы көндә"]


def test_what_each_model_knows_of_the_held_out_text_is_looked_for_once_and_kept(
    given: list[Any], finished: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, overlaps = list[str](), judge_texts.overlaps

    def recorded(judged: Mapping[str, list[str]], *more: Any, **named: Any) -> Any:
        looked.extend(judged)
        return overlaps(judged, *more, **named)

    monkeypatch.setattr(judge_texts, "overlaps", recorded)
    (export,) = (finished / "store" / "export").rglob("config.json")
    both = (*given[:2], export.parent, *given[2:])
    first, again = (command(*both, "--json").json() for _ in range(2))
    assert len(looked) == len(set(looked)) == 2
    (name,) = {*first["overlap"]} - {"kechkena"}
    assert {*first["overlap"]} == {*first["texts"]} - {"held-out text"}
    own, other = first["overlap"]["kechkena"], first["overlap"][name]
    assert (own["found"], own["lost"]) == (0, []), "it is kept apart from what the model read"
    assert own["texts"] == other["texts"] > 0
    assert (other["found"], other["lost"]) == (None, ["what the model was trained on"])
    assert again["overlap"] == first["overlap"]
    said = command(*both).out
    assert f"held-out text, kechkena: None of its {own['texts']} texts stands in the" in said
    assert f"held-out text, {name}: Not compared with what the model was trained on" in said
