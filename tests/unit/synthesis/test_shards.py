"""Files of texts: the same bytes however they came to be, and nothing lost or written twice."""

import json
import random
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from made_grammars import write_grammar

from endonym.synthesis.grammar import Grammar
from endonym.synthesis.grammar_texts import write_texts
from endonym.synthesis.plan import SHARD, Plan, claimed, plan_name
from endonym.synthesis.prompts import source_hash
from endonym.synthesis.shards import Answer, Ask, Shards, json_line

COUNT = SHARD + 500


@pytest.fixture
def grammar(tmp_path: Path) -> Path:
    return write_grammar(tmp_path / "әкиятләр.toml", "Борын-борын заманда")


def plan_of(path: Path, count: int = COUNT, **given: Any) -> Plan:
    return Plan(plan_name(path), "grammar", source_hash(path), count, **given)


def written(plan: Plan, path: Path, folder: Path, workers: int = 1) -> dict[str, bytes]:
    """Every file of the plan, made in a folder."""
    told: list[int] = []
    with claimed(folder, plan):
        write_texts(plan, path, folder, workers=workers, advance=told.append)
    found = {each.name: each.read_bytes() for each in sorted(folder.glob("*.jsonl"))}
    assert sorted(each.name for each in folder.iterdir()) == [".lock", "written.json", *found]
    return found


def test_a_grammar_gives_the_same_bytes_for_any_number_of_workers(grammar: Path, tmp_path: Path):
    one = written(plan_of(grammar), grammar, tmp_path / "one")
    two = written(plan_of(grammar), grammar, tmp_path / "two", workers=2)
    assert one == two
    assert [*one] == [f"әкиятләр-0000{n}.jsonl" for n in range(2)]
    lines = [json.loads(line) for data in one.values() for line in data.splitlines()]
    assert [each["index"] for each in lines] == [*range(COUNT)]
    last = lines[-1]
    assert last["text"] == Grammar.load(grammar).text(COUNT - 1)
    assert (last["id"], last["seed"]) == (f"әкиятләр-{COUNT - 1:08d}", 0)
    assert last["slots"] == Grammar.load(grammar).slots(COUNT - 1, 0)


def test_only_the_files_of_a_grammar_tell_it_from_others(tmp_path: Path) -> None:
    folder = tmp_path / "әкият"
    (folder / "plots").mkdir(parents=True)
    write_grammar(folder / "all.toml", "Борын")
    first = source_hash(folder)
    (folder / "old").mkdir()
    write_grammar(folder / "old" / "german.toml", "Es war")
    write_grammar(folder / ".all.toml.swp.toml", "Борын")
    assert source_hash(folder) == first
    write_grammar(folder / "plots" / "one.toml", "Кичә")
    assert source_hash(folder) != first


def test_each_answer_is_given_to_the_system_at_once(small: Any, tmp_path: Path) -> None:
    plan = small(23)
    with Shards(tmp_path, plan, "model") as made:
        for count, answer in enumerate(answers(plan), start=1):
            made.add(answer)
            lines = [path.read_bytes().count(b"\n") for path in tmp_path.glob("*.jsonl*")]
            assert sum(lines) == count


def test_half_a_character_is_written_as_its_escape() -> None:
    assert json_line({"text": "таң \ud83d"}) == '{"text": "таң \\ud83d"}\n'.encode()


def answers(plan: Plan) -> list[Answer]:
    """An answer to each prompt, in no order; each fifth one is cut, each seventh is nothing."""
    found: list[Answer] = []
    for index in range(plan.count):
        reason = "length" if index % 5 == 4 else "empty" if index % 7 == 6 else ""
        ask = Ask(index, f"Әкият яз, {index}", plan.text_seed(index))
        found.append(Answer(ask, f"Il était une fois {index}…", "stop", 10, reason))
    random.Random(3).shuffle(found)
    return found


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Plan]:
    """Plans of answers whose files have ten."""
    for module in ("plan", "shards"):
        monkeypatch.setattr(f"endonym.synthesis.{module}.SHARD", 10)
    sampling = {"max_tokens": 9}
    return lambda count: Plan("hikâye", "endpoint", "0" * 64, count, 0, "model", sampling)


def held(folder: Path) -> dict[str, list[Any]]:
    """The numbers in each file."""
    return {
        each.name: [json.loads(line)["index"] for line in each.read_bytes().splitlines()]
        for each in sorted(folder.glob("*.jsonl*"))
    }


def test_after_a_kill_at_any_byte_nothing_is_lost_but_the_torn_line(
    small: Any, tmp_path: Path
) -> None:
    plan, random_state = small(23), random.Random(7)
    everything = {each.ask.index: each for each in answers(plan)}
    order = [*everything.values()]
    for _ in range(40):
        made = Shards(tmp_path, plan, "model")
        assert {*made.todo()} == everything.keys() - made.done
        todo = [each for each in order if each.ask.index not in made.done]
        for answer in todo[: random_state.randrange(4)]:
            made.add(answer)
        open_files = [*made._files]
        made.__exit__()
        if open_files:  # the last line of a file is torn
            path = random_state.choice(open_files)
            with path.open("r+b") as file:
                size = path.stat().st_size
                file.truncate(max(0, size - random_state.randrange(0, 60)))
    with Shards(tmp_path, plan, "model") as made:
        for index in [*made.todo()]:
            made.add(everything[index])
    found = held(tmp_path)
    assert sorted(chain(*found.values())) == [*range(23)]
    assert not any(name.endswith(".part") for name in found)
    assert (made.texts, made.rejects.total(), made.tokens) == (16, 7, 230)
