"""Files of a grammar's texts: their records, in what order they come to the disk, and progress."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from disk_events import events_of, needs_handles, require_named_when_flushed
from made_grammars import write_grammar

from endonym.errors import RecipeError
from endonym.synthesis import grammar_texts
from endonym.synthesis.grammar import Grammar
from endonym.synthesis.grammar_texts import count_lines, missing, write_texts
from endonym.synthesis.plan import Plan
from endonym.synthesis.prompts import source_hash


@pytest.fixture
def grammar(tmp_path: Path) -> Path:
    return write_grammar(tmp_path / "g.toml", "Борын-борын заманда")


@pytest.fixture
def plan(grammar: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """25 texts of a seed, in files of ten."""
    monkeypatch.setattr("endonym.synthesis.plan.SHARD", 10)
    return Plan("әкият", "grammar", source_hash(grammar), 25, 5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def files_of(plan: Plan, grammar: Path) -> dict[str, bytes]:
    """What the files of a plan must be."""
    loaded = Grammar.load(grammar)
    lines = [
        {
            "id": f"әкият-{index:08d}",
            "text": loaded.text(index, 5),
            "index": index,
            "seed": 5,
            "slots": loaded.slots(index, 5),
        }
        for index in range(plan.count)
    ]
    data = [(json.dumps(each, ensure_ascii=False) + "\n").encode() for each in lines]
    return {
        f"әкият-0000{first // 10}.jsonl": b"".join(data[first : first + 10])
        for first in range(0, plan.count, 10)
    }


def held(folder: Path) -> dict[str, bytes]:
    """The files in a folder, by name; of a folder in it, the name alone."""
    paths = sorted(folder.iterdir())
    return {each.name: each.read_bytes() if each.is_file() else b"" for each in paths}


def test_each_text_is_recorded_with_its_seed_and_slots(
    plan: Plan, grammar: Path, folder: Path
) -> None:
    """Whole records in order, each file with its own, and each text told once."""
    told: list[int] = []
    write_texts(plan, grammar, folder, workers=1, advance=told.append)
    assert held(folder) == files_of(plan, grammar)
    assert sum(told) == 25


def test_a_file_that_others_were_killed_in_goes_on(plan: Plan, grammar: Path, folder: Path) -> None:
    """What a kill left is in nobody's way; only what is missing is written, and told."""
    (folder / ".work").mkdir()
    for name in (".work/0.json", ".work/1.json", "әкият-00000.jsonl.part"):
        (folder / name).write_text("{}", encoding="utf-8")
    told: list[int] = []
    write_texts(replace(plan, count=12), grammar, folder, workers=1, advance=told.append)
    assert held(folder) == files_of(replace(plan, count=12), grammar)
    assert sum(told) == 12
    kept = (folder / "әкият-00000.jsonl").stat().st_ino
    write_texts(plan, grammar, folder, workers=1, advance=told.append)
    assert held(folder) == files_of(plan, grammar)
    assert sum(told) == 12 + 10 + 5, "the file that was shorter is written whole"
    assert (folder / "әкият-00000.jsonl").stat().st_ino == kept


def test_a_kill_leaves_a_shorter_file_as_it_was(plan: Plan, grammar: Path, folder: Path) -> None:
    """A file is whole or absent, or as short as before."""
    few = replace(plan, count=7)
    write_texts(few, grammar, folder, workers=1, advance=[].append)

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_texts(plan, grammar, folder, workers=1, advance=stop)
    whole = {name: data for name, data in held(folder).items() if name.endswith(".jsonl")}
    assert whole == files_of(few, grammar)
    write_texts(plan, grammar, folder, workers=1, advance=[].append)
    assert held(folder) == files_of(plan, grammar)


MOMENTS = [("text", 130), ("name", 12), ("text", 2_399), ("never", 0)]
"""In the midst of a file, before it has its name, and before its last text."""


def test_two_workers_whose_command_is_killed_again_and_again_write_the_same_bytes(
    grammar: Path, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file that has its name is lost, and none is half."""
    program = Path(__file__).parents[2] / "killed_write.py"
    words = ["write", grammar, "--count", 3_000, "--workers", 2, "--seed", 5, "--out", folder]
    names = set[str]()
    for kind, number in MOMENTS:
        command = [sys.executable, *map(str, (program, kind, number, *words))]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == (0 if kind == "never" else -signal.SIGKILL), done.stderr
        before, names = names, {each.name for each in folder.glob("*.jsonl")}
        assert before <= names
        assert len(names) < 30 or kind == "never"
    monkeypatch.setattr("endonym.synthesis.plan.SHARD", 100)
    calm = tmp_path / "calm"
    calm.mkdir()
    plan = Plan("g", "grammar", source_hash(grammar), 3_000, 5)
    write_texts(plan, grammar, calm, workers=1, advance=[].append)
    named = {name: data for name, data in held(folder).items() if name in names}
    assert named == held(calm)
    assert held(folder).keys() == {".lock", "written.json", *names}


@needs_handles
def test_a_file_has_its_name_after_it_is_on_the_disk(
    plan: Plan, grammar: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the bytes, then the name, then the folder that holds it."""
    events = events_of(monkeypatch)
    write_texts(replace(plan, count=10), grammar, folder, workers=1, advance=[].append)
    require_named_when_flushed(events, folder / "әкият-00000.jsonl")


@pytest.mark.parametrize(("change", "lacking"), [
    (lambda data: data[:-1], True), (lambda data: data + b"\n", True), (lambda data: b"", True),
    (lambda data: data, False),
])  # fmt: skip
def test_a_file_with_another_number_of_lines_is_missing(
    change: Callable[[bytes], bytes], lacking: bool, plan: Plan, grammar: Path, folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Fewer lines or more, in any file, however it is read."""
    write_texts(plan, grammar, folder, workers=1, advance=[].append)
    monkeypatch.setattr(grammar_texts, "READ_BYTES", 7)
    for shard, size in enumerate((10, 10, 5)):
        path = folder / plan.file(shard)
        data = path.read_bytes()
        assert count_lines(path) == size
        path.write_bytes(change(data))
        assert [*missing(plan, folder)] == ([shard] if lacking else [])
        path.write_bytes(data)


@pytest.mark.parametrize(("workers", "count", "used"), [
    (9, 25, 3), (2, 25, 2), (1, 25, 1), (4, 10, 1), (4, 20, 2), (3, 0, 1),
])  # fmt: skip
def test_no_more_processes_start_than_there_are_files(
    workers: int, count: int, used: int, plan: Plan, grammar: Path, folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """As many as are asked for, or as there are files to write."""
    asked: list[Any] = []
    real = grammar_texts.runner

    def runner(number: int) -> Any:
        asked.append(number)
        return real(1)

    monkeypatch.setattr(grammar_texts, "runner", runner)
    plan = replace(plan, count=count)
    write_texts(plan, grammar, folder, workers=workers, advance=[].append)
    assert asked == [used]
    assert held(folder) == files_of(plan, grammar)


def test_each_text_of_a_file_is_told_as_it_is_written(
    plan: Plan, grammar: Path, folder: Path
) -> None:
    """One by one, and how many there are in the end."""
    told: list[int] = []
    task = grammar_texts.Task(plan, grammar, folder, 2)
    assert grammar_texts.write_shard(task, told.append) == {"texts": 5}
    assert told == [1] * 5
    assert held(folder) == {plan.file(2): files_of(plan, grammar)[plan.file(2)]}


def test_a_grammar_that_is_no_longer_the_plan_s_is_refused(
    plan: Plan, grammar: Path, folder: Path
) -> None:
    """The message names it, and no file of the new one has a name."""
    write_grammar(grammar, "Кичә")
    with pytest.raises(RecipeError) as caught:
        write_texts(plan, grammar, folder, workers=1, advance=[].append)
    assert (caught.value.message, caught.value.where, caught.value.do) == (
        "the grammar was changed just now",
        str(grammar),
        "Put it back, or write the texts of the new one into another folder.",
    )
    assert [*held(folder)] == [".work"]
