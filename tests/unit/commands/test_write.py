"""The command that makes synthetic text: a grammar, a model of ours, a server, a full disk."""

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_endpoint import Reply, answer, fake_endpoint, good
from made_grammars import write_grammar

from endonym.commands.load import load_model
from endonym.generate.sample import Sampling
from endonym.store import Store
from endonym.synthesis.grammar import Grammar
from endonym.synthesis.plan import Plan
from endonym.synthesis.shards import Shards

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
