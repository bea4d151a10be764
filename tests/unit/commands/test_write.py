"""The command that makes synthetic text: a grammar, a model of ours, and wrong use."""

import copy
import errno
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_endpoint import Reply, answer, fake_endpoint, good
from made_grammars import write_grammar
from serving import CHATML, toy_language_model

from endonym.cli.write_commands import OF_WRITERS
from endonym.commands import write_model
from endonym.commands.load import load_model
from endonym.commands.write import (
    Written,
    describe,
    describe_foreseen,
    foreseen,
    source_table,
)
from endonym.commands.write_model import ModelWriter, model_writer
from endonym.errors import RecipeError
from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import Sampling
from endonym.log import QUIET
from endonym.store import Store
from endonym.synthesis.grammar import Grammar
from endonym.synthesis.plan import Plan
from endonym.synthesis.shards import Answer, Ask, Shards

Say = Callable[..., Any]
TEXTS = ["Әбием мич янында", "Un pod vechi", "Le facteur ", "Таң"]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "башлангычлар.txt"
    path.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    return path


def written(folder: Path) -> dict[int, dict[str, Any]]:
    """Texts and rejects by number, each once."""
    files = sorted(folder.glob("*.jsonl"))
    lines = [json.loads(line) for path in files for line in path.read_bytes().splitlines()]
    assert len({each["index"] for each in lines}) == len(lines)
    return {each["index"]: each for each in lines}


def test_a_base_model_continues_prompts_and_a_larger_count_goes_on(
    finished: Path, prompts: Path, tmp_path: Path, command: Say
) -> None:
    given = ("--by", "kechkena", "--store", finished / "store", "--max-tokens", 120, "--seed", 3)
    first = command("write", prompts, "--count", 5, "--out", tmp_path / "a", *given, "--json")
    assert first.code == 0, first.err
    assert first.json()["new"] == 5
    said = command("write", prompts, "--count", 12, "--out", tmp_path / "a", *given, "--json")
    assert said.json()["new"] == 7
    at_once = command("write", prompts, "--count", 12, "--out", tmp_path / "b", *given)
    assert at_once.code == 0, at_once.err
    found = written(tmp_path / "a")
    assert found == written(tmp_path / "b"), "no text depends on those beside it"
    assert {*found} == {*range(12)}
    model = load_model("kechkena", Store(finished / "store"))
    for index, each in found.items():
        prompt, sampling = TEXTS[index % 4], Sampling(0.8, seed=each["seed"])
        (alone,) = model.generate_many([prompt], max_tokens=120, samplings=[sampling])
        more = "".join(alone)
        lines = more.rpartition("\n")[0] if alone.finish_reason == "length" else ""
        text = model.spelled(prompt) + (lines if lines.strip() else more)
        assert each.get("text", each.get("answer")) == text
        assert each["model"] == "kechkena"
        assert each["prompt"] == prompt
        assert each["finish_reason"] == alone.finish_reason
        is_cut = alone.finish_reason == "length" and not lines.strip()
        assert each.get("reason", "") == ("length" if is_cut else "")
    assert len({each["seed"] for each in found.values()}) == 12
    counts = said.json()
    assert counts["texts"] + counts["rejects"].get("length", 0) == 12
    assert counts["texts"], "this model ends its documents"
    assert 'name = "башлангычлар"' in counts["source"]
    assert f"{counts['texts']} texts · " in at_once.out
    assert "synthetic = true" in at_once.err
    other = command("write", prompts, "--count", 12, "--out", tmp_path / "a", *given[:-1], 4)
    assert other.code == 2
    assert "seed was 3 and is 4" in other.err


@pytest.fixture(params=[CHATML, "{{ bos_token }}" + CHATML])
def asked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The prompts of a model that chats, which answers each with its number."""
    model, seen = toy_language_model(), list[Any]()
    tokenizer = copy.copy(model.tokenizer)
    tokenizer.chat_template = request.param
    chatty = LanguageModel(model.decoder, tokenizer)
    real = chatty.generate_many

    def spied(prompts: Sequence[Any], **given: Any) -> Any:
        seen.extend(prompts)
        return real(prompts, **given)

    chatty.generate_many = spied  # type: ignore[method-assign]
    monkeypatch.setattr(write_model, "load_model", lambda *_: chatty)
    return seen


def writer(**given: Any) -> ModelWriter:
    settings = {"device_name": None, "system": "", "temperature": 0.8, "max_tokens": 4}
    return model_writer("бот", Store(Path("store")), QUIET, **{**settings, **given})


def test_a_chat_model_answers_and_what_is_too_long_is_a_reject(asked: list[Any]) -> None:
    made: list[Answer] = []
    asks = [Ask(0, "Таң.", 1), Ask(1, "озын " * 400, 2), Ask(2, "Un pod vechi", 3)]
    chatting = writer(system="Кыска яз.")
    chatting.answer_all(iter(asks), made.append)
    assert [each.ask.index for each in made if each.reason == "prompt_too_long"] == [1]
    assert {each.ask.index for each in made} == {0, 1, 2}
    tokenizer = chatting.model.tokenizer
    assert len(asked) == 2
    for ids, text in zip(asked, ("Таң.", "Un pod vechi"), strict=True):
        assert ids[0] != tokenizer.opening_id, "it is put there by the model"
        said = b"".join(tokenizer.bytes_of(each) for each in ids).decode()
        assert said.index("Кыска яз.") < said.index(text) < said.index("assistant")
    assert not any(each.text.startswith("Таң.") for each in made)


def test_a_base_model_takes_no_system_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_model, "load_model", lambda *_: toy_language_model())
    with pytest.raises(Exception, match="no chat template"):
        writer(system="Кыска яз.")


@pytest.fixture
def grammar(tmp_path: Path) -> Path:
    """A grammar of a hundred casts."""
    return write_grammar(tmp_path / "fables.toml", "Il était une fois")


def test_a_dry_run_says_how_much_it_would_be(grammar: Path, tmp_path: Path, command: Say):
    given = ("write", grammar, "--count", 25_000, "--out", tmp_path / "out")
    found = command(*given, "--dry-run", "--json").json()
    assert not (tmp_path / "out").exists()
    assert (found["texts"], found["files"], found["casts"]) == (25_000, 3, 100)
    said = command(*given, "--dry-run").out
    assert "25 000 in 3 files" in said.replace("\u202f", " ")
    assert "100 combinations of the slots" in said
    made = command(*given, "--workers", 1, "--json")
    assert made.code == 0, made.err
    size = sum(path.stat().st_size for path in (tmp_path / "out").glob("*.jsonl"))
    assert found["bytes"] == pytest.approx(size, rel=0.1)
    assert "100 combinations" in made.err
    again = command(*given, "--workers", 1)
    assert again.out.replace("\u202f", " ") == "25 000 texts · 3 files\n"
    pattern = json.dumps(str(tmp_path / "out" / "fables-*.jsonl"), ensure_ascii=False)
    assert f'[[source]]\nname = "fables"\npath = {pattern}\nsynthetic = true' in again.err


WRONG = [
    (["жок.txt", "--by", "x"], "there is no such file"),
    (["буш.txt", "--endpoint", "http://x/v1", "--model", "y"], "there is no prompt in it"),
    (["a.txt"], "who answers them, --endpoint or --by?"),
    (["a.txt", "--endpoint", "http://x/v1"], "--endpoint needs --model"),
    (["a.txt", "--endpoint", "http://x/v1", "--by", "y"], "one of the two"),
    (["a.txt", "--endpoint", "x/v1", "--model", "y"], "is no address of a server"),
    (["a.txt", "--by", "юк-модель"], "no model is called юк-модель"),
    (["a.txt", "--by", "x", "--concurrency", "3"], "--concurrency is for --endpoint"),
    (["g.toml", "--system", "x"], "--system is for --endpoint or --by"),
    (["g.toml", "--count", "0"], "0 is not in the range"),
]


@pytest.mark.parametrize("name", OF_WRITERS)
def test_a_flag_is_only_for_those_who_need_it(name: str, tmp_path: Path, command: Say) -> None:
    write_grammar(tmp_path / "g.toml", "Il")
    (tmp_path / "a.txt").write_text("Таң 1\n", encoding="utf-8")
    who = {
        "grammar": ["g.toml"],
        "endpoint": ["a.txt", "--endpoint", "http://x/v1", "--model", "y"],
        "model": ["a.txt", "--by", "юк-модель"],
    }
    flag = f"--{name.replace('_', '-')}"
    for kind, (prompts, *rest) in who.items():
        told = command(
            *(
                "write",
                tmp_path / prompts,
                "--count",
                1,
                "--out",
                tmp_path / kind,
                *rest,
                flag,
                "1",
            ),
            *("--store", tmp_path / "store", "--dry-run"),
        )
        assert (f"{flag} is for" in told.err) == (kind not in OF_WRITERS[name]), told.err


def test_a_server_is_asked_as_the_flags_say(
    tmp_path: Path, command: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENDONYM_API_KEY", " key-7 \n")
    (tmp_path / "a.txt").write_text("".join(f"Хикәя {n}\n" for n in range(4)), encoding="utf-8")
    with fake_endpoint(lambda n, *_: Reply(answer(good(n), total_tokens=20), seconds=0.05)) as fake:
        given = ["write", tmp_path / "a.txt", "--out", tmp_path / "out", "--model", "зур"]
        given += ["--endpoint", f"{fake.address}/", "--system", "Кыска яз.", "--temperature", 0.3]
        given += ["--max-tokens", 7, "--concurrency", 2, "--count", 9, "--seed", 5]
        few = command(*given, "--budget-tokens", 60)
        assert few.code == 0, few.err
        assert "5 are left: the same command with more than --budget-tokens 60 goes on" in few.err
        assert few.out.startswith("4 texts · 80 tokens · ")
        assert command(*given, "--json").json()["texts"] == 9
    assert fake.most_at_once == 2
    assert len(fake.requests) == 9
    first = fake.requests[0]
    assert {key: first[key] for key in ("model", "temperature", "max_tokens")} == {
        "model": "зур", "temperature": 0.3, "max_tokens": 7,
    }  # fmt: skip
    said = {tuple(each["content"] for each in asked["messages"]) for asked in fake.requests}
    assert said == {("Кыска яз.", f"Хикәя {n}") for n in range(4)}
    assert {each["Authorization"] for each in fake.headers} == {"Bearer key-7"}
    files = [each for each in (tmp_path / "out").iterdir() if each.is_file()]
    assert not any(b"key-7" in each.read_bytes() for each in files)
    lines = written(tmp_path / "out")
    assert {each["model"] for each in lines.values()} == {"зур"}
    assert [lines[index]["prompt"] for index in range(9)] == [f"Хикәя {n % 4}" for n in range(9)]


def test_a_plan_of_answers_is_foreseen_by_its_tokens() -> None:
    plan = Plan("хикәя", "endpoint", "0" * 64, 10_001, 0, "зур", {"max_tokens": 64})
    found = foreseen(plan, None, 4)
    assert found == {"texts": 10_001, "files": 2, "most_tokens": 640_064, "prompts": 4}
    assert describe_foreseen(found).replace("\u202f", " ") == (
        "texts     10 001 in 2 files\n"
        "tokens    at most 640 064, and those of the prompts\n"
        "prompts   4, again and again with other seeds"
    )


def test_a_pattern_of_files_names_no_others() -> None:
    plan = Plan("a[b]", "grammar", "0" * 64, 1)
    assert 'path = "/made[[]1]/a[[]b]-*.jsonl"' in source_table(plan, Path("/made[1]"))


def test_a_grammar_of_prompts_is_filled_in_with_the_seed(tmp_path: Path, command: Say) -> None:
    grammar = write_grammar(tmp_path / "g.toml", "Хикәя")
    texts = grammar.read_text(encoding="utf-8").replace("{sentence}\n{sentence}", "{sentence} 7")
    grammar.write_text(texts, encoding="utf-8")
    with fake_endpoint() as fake:
        given = ("--endpoint", fake.address, "--model", "зур", "--count", 3, "--seed", 5)
        said = command("write", grammar, *given, "--out", tmp_path / "out")
    assert said.code == 0, said.err
    found = {index: each["prompt"] for index, each in written(tmp_path / "out").items()}
    loaded = Grammar.load(grammar)
    assert found == {index: loaded.text(index, 5) for index in range(3)}
    assert found != {index: loaded.text(index) for index in range(3)}


def test_a_model_writes_on_the_device_that_is_asked_for(
    finished: Path, prompts: Path, tmp_path: Path, command: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    def made(*names: Any, **asked: Any) -> Any:
        given.append(asked)
        raise RecipeError("stop")

    monkeypatch.setattr(write_model, "model_writer", made)
    words = ("--by", "kechkena", "--store", finished / "store", "--device", "cpu:0")
    command("write", prompts, *words, "--system", "x", "--count", 1, "--out", tmp_path / "out")
    assert given == [{"device_name": "cpu:0", "system": "x", "temperature": 0.8, "max_tokens": 512}]


def test_a_prompt_leaves_room_for_an_answer() -> None:
    toy, found = toy_language_model(), list[Answer]()
    context = toy.decoder.config.context
    sizes = {"a": context - 2, "b": context - 1}
    made = ModelWriter(toy, 0.8, 1, 4, lambda name: [5] * sizes[name])
    made.answer_all(iter([Ask(0, "a", 1), Ask(1, "b", 1)]), found.append)
    assert {each.ask.prompt: each.reason == "prompt_too_long" for each in found} == {
        "a": False, "b": True,
    }  # fmt: skip


def test_what_was_written_is_told_in_a_line() -> None:
    files = [Path("a-00000.jsonl")]
    made = Written(7, 2, 4, 2.0, files, 1_500, {"empty": 1, "length": 2})
    said = describe(made).replace("\u202f", " ")
    assert said == (
        "7 texts · 3 rejects (empty 1, length 2) · 1 500 tokens · 2.0 texts/s in 2.0 s · 1 file"
    )
    assert describe(Written(7, 0, 0, 2.0, files)) == "7 texts · 1 file"
    assert made.as_dict() == {
        "texts": 7, "rejects": {"empty": 1, "length": 2}, "left": 2, "new": 4, "tokens": 1_500,
        "seconds": 2.0, "files": ["a-00000.jsonl"],
    }  # fmt: skip


@pytest.mark.parametrize(("words", "said"), WRONG)
def test_wrong_use_is_told(tmp_path: Path, command: Say, words: list[str], said: str) -> None:
    (tmp_path / "a.txt").write_text("Таң.\n", encoding="utf-8")
    (tmp_path / "буш.txt").write_text("\n", encoding="utf-8")
    (tmp_path / "g.toml").write_text("", encoding="utf-8")
    given = ["--count", "3", "--out", tmp_path / "out", "--store", tmp_path / "store"]
    told = command("write", tmp_path / words[0], *given, *words[1:])
    assert told.code == 2
    assert said in told.err


def test_a_full_disk_is_told_and_the_same_command_goes_on(
    finished: Path, prompts: Path, tmp_path: Path, command: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("--by", "kechkena", "--store", finished / "store", "--max-tokens", 50)
    real, calls = Shards._append, list[int]()

    def append(shards: Shards, path: Path, data: bytes) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(shards, path, data)

    monkeypatch.setattr(Shards, "_append", append)
    told = command("write", prompts, "--count", 6, "--out", tmp_path / "out", *given)
    assert told.code == 1
    assert "the disk is full" in told.err
    done = command("write", prompts, "--count", 6, "--out", tmp_path / "out", *given, "--json")
    assert done.json()["new"] == 4
    assert {*written(tmp_path / "out")} == {*range(6)}


def test_a_server_is_asked_without_torch() -> None:
    modules = "endonym.commands.write, endonym.synthesis.endpoint"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_no_two_texts_of_a_plan_share_a_seed_and_another_seed_gives_others() -> None:
    plan = Plan("текст", "model", "0" * 64, 1_000, 0, "m", {})
    seeds = {plan.text_seed(index) for index in range(1_000)}
    assert len(seeds) == 1_000
    assert max(seeds) < 2**31, "what all servers take"
    assert not seeds & {replace(plan, seed=1).text_seed(index) for index in range(1_000)}


class Said(list[str]):
    """What a model wrote, and why it stopped."""

    ids = (1, 2, 3)

    def __init__(self, text: str, finish_reason: str) -> None:
        super().__init__([text])
        self.finish_reason = finish_reason


@pytest.mark.parametrize(("written", "finish", "text", "reason"), [
    (" яуды.\nЖил исте.\nКояш чы", "length", "Кар яуды.\nЖил исте.", ""),
    (" яуды.\nЖил исте.\n", "end", "Кар яуды.\nЖил исте.\n", ""),
    (" яуды һәм жил ис", "length", "Кар яуды һәм жил ис", "length"),
    (" \n жил ис", "length", "Кар \n жил ис", "length"),
    (" ", "end", "Кар ", "empty"),
])  # fmt: skip
def test_of_a_cut_continuation_the_whole_lines_are_kept(
    written: str, finish: str, text: str, reason: str
) -> None:
    toy = toy_language_model()
    made = [Said(written, finish)]
    model = SimpleNamespace(
        tokenizer=toy.tokenizer,
        decoder=toy.decoder,
        spelled=str,
        generate_many=lambda *given, **keys: made,
    )
    found: list[Any] = []
    base = ModelWriter(model, 0.8, 8, 4, None)  # type: ignore[arg-type]
    base.answer_all(iter([Ask(0, "Кар", 1)]), found.append)
    assert [(each.text, each.reason, each.finish_reason) for each in found] == [
        (text, reason, finish)
    ]
