"""Files of texts: the same bytes however they came to be, and nothing lost or written twice."""

import json
import random
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from made_grammars import write_grammar

from endonym.errors import Damaged, RecipeError
from endonym.synthesis import shards as files
from endonym.synthesis.grammar import Grammar
from endonym.synthesis.grammar_texts import write_texts
from endonym.synthesis.plan import SHARD, Plan, claimed, plan_name
from endonym.synthesis.prompts import read_prompts, source_hash
from endonym.synthesis.shards import REJECTS, Answer, Ask, Shards, json_line

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


def test_a_line_that_others_changed_is_told_and_nothing_is_cut(small: Any, tmp_path: Path) -> None:
    plan = small(23)
    with Shards(tmp_path, plan, "model") as made:
        for answer in answers(plan):
            made.add(answer)
        made.settle()
    (path, *_) = sorted(tmp_path.glob("*.jsonl"))
    lines = path.read_bytes().splitlines(keepends=True)
    for wrong in (
        b"\n",
        b"{}\n",
        b'{"index": "2", "tokens": 3}\n',
        b'{"index": 2, "tokens": "3"}\n',
        b"[1]\n",
        lines[1][:-9] + b"\n",
    ):
        path.write_bytes(b"".join([lines[0], wrong, *lines[2:]]))
        size = path.stat().st_size
        with pytest.raises(Damaged, match="line 2 is not what was written there"):
            Shards(tmp_path, plan, "model")
        assert path.stat().st_size == size


def test_each_answer_is_given_to_the_system_at_once(small: Any, tmp_path: Path) -> None:
    plan = small(23)
    with Shards(tmp_path, plan, "model") as made:
        for count, answer in enumerate(answers(plan), start=1):
            made.add(answer)
            lines = [path.read_bytes().count(b"\n") for path in tmp_path.glob("*.jsonl*")]
            assert sum(lines) == count


def test_half_a_character_is_written_as_its_escape() -> None:
    assert json_line({"text": "таң \ud83d"}) == '{"text": "таң \\ud83d"}\n'.encode()


WRONG_PROMPTS = [
    ("a.txt", "", "there is no prompt in it"),
    ("a.txt", "\n  \n", "there is no prompt in it"),
    ("a.jsonl", '{"prompt": "Scrie o poveste."}\n{"prompt": 3}\n', "line 2: there is no text"),
    ("a.jsonl", "Scrie o poveste.\n", "line 1: this is no JSON"),
    ("a.txt", b"\xd0\x90\n\xff\xfe\n", "line 2: this is not UTF-8"),
]


@pytest.mark.parametrize(("name", "content", "said"), WRONG_PROMPTS)
def test_wrong_prompts_are_told_with_their_line(
    tmp_path: Path, name: str, content: str | bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RecipeError) as caught:
        read_prompts(path)
    assert said in str(caught.value)
    assert "a field" in caught.value.do or "UTF-8" in caught.value.do


def test_prompts_are_lines_or_fields(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\ufeffӘкият яз.\r\n\nScrie.\n", encoding="utf-8")
    assert read_prompts(tmp_path / "a.txt") == ["Әкият яз.", "Scrie."]
    (tmp_path / "a.jsonl").write_text('{"prompt": "Écris\\nvite."}\n', encoding="utf-8")
    assert read_prompts(tmp_path / "a.jsonl") == ["Écris\nvite."]


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


def test_answers_are_sorted_counted_and_each_stands_in_one_file(small: Any, tmp_path: Path):
    plan = small(23)
    with Shards(tmp_path, plan, "model") as made:
        for answer in answers(plan):
            made.add(answer)
    found = held(tmp_path)
    rejects = sorted(found.pop(REJECTS))
    assert rejects == [index for index in range(23) if index % 5 == 4 or index % 7 == 6]
    assert [*found] == [f"hikâye-0000{n}.jsonl" for n in range(3)]
    assert [*chain(*found.values())] == [index for index in range(23) if index not in rejects]
    assert (made.texts, made.rejects, made.tokens) == (16, {"length": 4, "empty": 3}, 230)
    line = json.loads((tmp_path / "hikâye-00002.jsonl").read_bytes().splitlines()[0])
    assert line == {
        "id": "hikâye-00000021", "text": "Il était une fois 21…", "index": 21,
        "seed": plan.text_seed(21), "prompt": "Әкият яз, 21", "model": "model",
        "finish_reason": "stop", "tokens": 10,
    }  # fmt: skip


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


def test_a_kill_between_a_files_name_and_the_end_of_its_part_counts_nothing_twice(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = small(10)
    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: None)
    with Shards(tmp_path, plan, "model") as made:
        for answer in answers(plan):
            made.add(answer)
    monkeypatch.undo()
    assert (tmp_path / "hikâye-00000.jsonl.part").is_file()
    monkeypatch.setattr(files, "SHARD", 10)
    monkeypatch.setattr("endonym.synthesis.plan.SHARD", 10)
    with Shards(tmp_path, plan, "model") as again:
        assert (again.texts, [*again.todo()]) == (made.texts, [])
    assert not (tmp_path / "hikâye-00000.jsonl.part").exists()


def test_files_that_are_not_full_can_be_read_and_grow_again(small: Any, tmp_path: Path) -> None:
    everything = {each.ask.index: each for each in answers(small(23))}
    for count, at_once in ((3, 2), (14, 5), (23, 23)):
        while {*range(count)} - {*chain(*held(tmp_path).values())}:
            with Shards(tmp_path, small(count), "model") as made:
                for index in [*made.todo()][:at_once]:
                    made.add(everything[index])
                made.settle()
            assert not [*tmp_path.glob("*.part")]
    assert sorted(chain(*held(tmp_path).values())) == [*range(23)]
    with Shards(tmp_path, small(23), "model") as made:
        pass
    with (tmp_path / REJECTS).open("ab") as file:
        file.write((tmp_path / REJECTS).read_bytes())
    with pytest.raises(Damaged, match="twice"):
        Shards(tmp_path, small(23), "model")
