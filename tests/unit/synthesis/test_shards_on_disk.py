"""Answers on the disk: their whole records, what is flushed when, and what a kill leaves behind."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from disk_events import events_of, needs_handles, require_named_when_flushed

from endonym.errors import Damaged
from endonym.synthesis import shards as files
from endonym.synthesis.plan import SPENT, Plan
from endonym.synthesis.shards import REJECTS, Answer, Ask, Shards, whole_lines

NAMES = [f"хикәя-0000{n}.jsonl" for n in range(3)]


@pytest.fixture(autouse=True)
def ten_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files have ten texts."""
    for module in ("plan", "shards"):
        monkeypatch.setattr(f"endonym.synthesis.{module}.SHARD", 10)


def plan_of(count: int) -> Plan:
    return Plan("хикәя", "model", "0" * 64, count, 4, "ab" * 6, {"max_tokens": 9})


def answer(index: int, reason: str = "") -> Answer:
    """An answer whose every value is another than that of its neighbours."""
    ask = Ask(index, f"Әкият {index}", 1_000 + index)
    return Answer(ask, f"Il était {index}", f"stop {index}", 2 * index + 1, reason)


def record(index: int, reason: str = "") -> dict[str, Any]:
    """What stands in a file for that answer."""
    text = f"Il était {index}"
    head = {"reason": reason, "answer": text} if reason else {"id": f"хикәя-{index:08d}"}
    return {
        **head, **({} if reason else {"text": text}), "index": index, "seed": 1_000 + index,
        "prompt": f"Әкият {index}", "model": "кечкенә", "finish_reason": f"stop {index}",
        "tokens": 2 * index + 1,
    }  # fmt: skip


def lines(*indices: int, reason: str = "") -> bytes:
    """Those records as lines of a file."""
    made = [json.dumps(record(each, reason), ensure_ascii=False) + "\n" for each in indices]
    return "".join(made).encode()


def held(folder: Path) -> dict[str, bytes]:
    """The files in a folder."""
    return {each.name: each.read_bytes() for each in sorted(folder.iterdir())}


def opened(folder: Path, count: int = 23) -> Shards:
    return Shards(folder, plan_of(count), "кечкенә")


def counts(shards: Shards) -> tuple[list[int], int, int, dict[str, int]]:
    """What is done, and what is counted of it."""
    return sorted(shards.done), shards.texts, shards.tokens, dict(shards.rejects)


def test_texts_and_rejects_are_recorded_whole_and_counted(tmp_path: Path) -> None:
    """Each field of an answer, in the file of its number; the same is counted when it is read."""
    with opened(tmp_path) as made:
        for index, reason in ((12, ""), (21, "length"), (3, ""), (9, "empty"), (22, "length")):
            made.add(answer(index, reason))
        assert [*made.todo()] == [n for n in range(23) if n not in (3, 9, 12, 21, 22)]
    rejects = lines(21, reason="length") + lines(9, reason="empty") + lines(22, reason="length")
    assert held(tmp_path) == {
        f"{NAMES[0]}.part": lines(3), f"{NAMES[1]}.part": lines(12), REJECTS: rejects,
    }  # fmt: skip
    counted = ([3, 9, 12, 21, 22], 2, 7 + 25 + 43 + 19 + 45, {"length": 2, "empty": 1})
    assert counts(made) == counts(opened(tmp_path)) == counted


def test_a_seed_that_was_not_taken_is_not_claimed(tmp_path: Path) -> None:
    """Neither of a text nor of a reject; what was taken out of a text is told."""
    with opened(tmp_path) as made:
        made.add(replace(answer(3), is_seeded=False, thought=17))
        made.add(replace(answer(4, "length"), is_seeded=False))
    (text,) = whole_lines(tmp_path / f"{NAMES[0]}.part")
    (reject,) = whole_lines(tmp_path / REJECTS)
    assert text == {**record(3), "seed": None, "thought": 17}
    assert reject == {**record(4, "length"), "seed": None}


def test_what_was_paid_for_no_answer_counts_and_the_prompt_is_still_to_be_answered(
    tmp_path: Path,
) -> None:
    """Also when the folder is read again, and once the prompt is answered."""
    with opened(tmp_path) as made:
        made.add(replace(answer(3), is_last=False))
        made.add(replace(answer(3), is_last=False))
        assert counts(made) == ([], 0, 14, {})
    assert held(tmp_path) == {SPENT: b'{"index": 3, "tokens": 7}\n' * 2}
    with opened(tmp_path) as made:
        made.add(answer(3))
        assert counts(made) == ([3], 1, 21, {})
    assert counts(opened(tmp_path)) == ([3], 1, 21, {})


def test_a_damaged_line_of_what_was_paid_is_told_by_what_it_counts_for(tmp_path: Path) -> None:
    (tmp_path / SPENT).write_bytes(b'{"index": 3, "tokens": 7}\n{"tokens": 7}\n')
    with pytest.raises(Damaged) as caught:
        opened(tmp_path)
    assert (caught.value.message, caught.value.where, caught.value.do) == (
        "line 2 is not what was written there",
        str(tmp_path / SPENT),
        "Repair or remove this line: its tokens then no longer count.",
    )


THOUGHTS = [
    ("<think>Куян кая?</think>\n\nКуян елга буена барды.", "Куян елга буена барды.", ""),
    ("Куян\nкая? </think> Куян барды. ", "Куян барды.", ""),
    ("\n<think>а</think>Куян <think>б\nв</think>барды.", "Куян барды.", ""),
    ("<think>\n\n</think>\n", "<think>\n\n</think>\n", "only_thought"),
    ("<think>Куян кая?", "<think>Куян кая?", "only_thought"),
    ("Куян</think>", "Куян</think>", "only_thought"),
    ("Куян барды.\n", "Куян барды.\n", ""),
    ("I think> Un pod <thinking>", "I think> Un pod <thinking>", ""),
]


@pytest.mark.parametrize(("said", "text", "reason"), THOUGHTS)
def test_what_a_model_thinks_is_no_part_of_its_text(said: str, text: str, reason: str) -> None:
    """How much it was is told; an answer that is nothing else is none, and a reject stays whole."""
    given = replace(answer(3), text=said)
    found = given.without_thoughts()
    assert (found.text, found.reason, found.thought) == (text, reason, len(said) - len(text))
    assert replace(found, text=said, reason="", thought=0) == given
    cut = replace(given, reason="length")
    assert cut.without_thoughts() == cut


def test_a_number_is_answered_once(tmp_path: Path) -> None:
    """A second answer is a fault of the program, and is not written."""
    with opened(tmp_path) as made:
        made.add(answer(3))
        with pytest.raises(AssertionError, match="each number is answered once"):
            made.add(answer(3, "empty"))
    assert held(tmp_path) == {f"{NAMES[0]}.part": lines(3)}


@needs_handles
def test_a_full_file_is_sorted_and_named_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill at any step leaves one whole file; of rejects alone there is none."""
    events = events_of(monkeypatch)
    with opened(tmp_path) as made:
        for index in (20, 22, 9, 8, 21, 0, 1, 2, 3, 4, 7, 6):
            made.add(answer(index, "empty" if index >= 20 else ""))
        made.add(answer(5))
        named = require_named_when_flushed(events, tmp_path / NAMES[0])
        assert ("removed", f"{NAMES[0]}.part") in events[named:]
        rejects = lines(20, 22, 21, reason="empty")
        assert held(tmp_path) == {NAMES[0]: lines(*range(10)), REJECTS: rejects}
        events.clear()
        made.settle()
    assert events == [("flushed", REJECTS)]


def test_a_file_whose_last_answer_is_a_reject_is_named_as_well(tmp_path: Path) -> None:
    """All of its numbers are answered, though it has fewer texts."""
    with opened(tmp_path) as made:
        for index in (12, 19, 11, 10, 13, 15, 14, 17, 18):
            made.add(answer(index))
        made.add(answer(16, "empty"))
        found = held(tmp_path)
        assert found[NAMES[1]] == lines(*(n for n in range(10, 20) if n != 16))
        assert [*found] == sorted([REJECTS, NAMES[1]])


def test_every_file_that_is_not_full_gets_its_name_in_the_end(tmp_path: Path) -> None:
    """Their texts can be read, in order, and grow again."""
    with opened(tmp_path) as made:
        for index in (22, 20, 12, 5, 11, 3):
            made.add(answer(index))
        made.settle()
        assert held(tmp_path) == {
            NAMES[0]: lines(3, 5), NAMES[1]: lines(11, 12), NAMES[2]: lines(20, 22),
        }  # fmt: skip
    with opened(tmp_path) as again:
        assert counts(again) == counts(made)
        again.add(answer(21))
        again.add(answer(2))
    assert held(tmp_path) == {
        f"{NAMES[0]}.part": lines(3, 5, 2), f"{NAMES[1]}.part": lines(11, 12),
        NAMES[2]: lines(20, 21, 22),
    }  # fmt: skip


@needs_handles
def test_what_was_added_is_flushed_to_the_disk_once_a_second_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files that grew, not the one alone that grew last."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(files, "time", SimpleNamespace(monotonic=lambda: clock.now))
    events, seen = events_of(monkeypatch), list[list[str]]()
    with opened(tmp_path) as made:
        for index, later in ((0, 100.9), (10, 101.0), (20, 101.9), (1, 102.1), (2, 102.2)):
            clock.now = later
            made.add(answer(index, "empty" if index == 20 else ""))
            seen.append([name for _, name in events])
            events.clear()
    parts = [f"{name}.part" for name in NAMES]
    assert seen == [[], parts[:2], [], [*parts[:2], REJECTS], []]
    assert [name for _, name in events] == [*parts[:2], REJECTS]


LEFT: list[tuple[dict[str, bytes], dict[str, bytes]]] = [
    # A kill before a full file had its name, and behind it.
    ({f"{NAMES[0]}.part": lines(*range(9, -1, -1))}, {NAMES[0]: lines(*range(10))}),
    (
        {NAMES[0]: lines(*range(10)), f"{NAMES[0]}.part": lines(3, 4), f"{NAMES[1]}.part": b""},
        {NAMES[0]: lines(*range(10)), f"{NAMES[1]}.part": b""},
    ),
    # A file that was full for a smaller count, beside its rejects, and one that was settled.
    ({NAMES[2]: lines(20, 21)}, {f"{NAMES[2]}.part": lines(20, 21)}),
    (
        {NAMES[2]: lines(20, 22), REJECTS: lines(21, reason="empty")},
        {NAMES[2]: lines(20, 22), REJECTS: lines(21, reason="empty")},
    ),
    ({NAMES[1]: lines(11), f"{NAMES[1]}.part": lines(10)}, {f"{NAMES[1]}.part": lines(11)}),
    # A last line that was torn, at its end and at its beginning.
    ({f"{NAMES[0]}.part": lines(4, 2)[:-1]}, {f"{NAMES[0]}.part": lines(4)}),
    ({REJECTS: lines(4, 2, reason="empty") + b"{"}, {REJECTS: lines(4, 2, reason="empty")}),
    ({f"{NAMES[1]}.part": b'{"id"'}, {f"{NAMES[1]}.part": b""}),
]


@pytest.mark.parametrize(("left", "then"), LEFT)
def test_what_a_kill_left_is_put_right(
    left: dict[str, bytes], then: dict[str, bytes], tmp_path: Path
) -> None:
    """Names, parts and torn lines are as if there had been no kill, and each text counts once."""
    for name, data in left.items():
        (tmp_path / name).write_bytes(data)
    with opened(tmp_path) as made:
        assert held(tmp_path) == then
        found = [json.loads(each) for data in then.values() for each in data.splitlines()]
        assert sorted(made.done) == sorted(each["index"] for each in found)
        assert made.tokens == sum(each["tokens"] for each in found)
        assert made.texts == sum("text" in each for each in found)


@pytest.mark.parametrize("name", [f"{NAMES[0]}.part", NAMES[2], REJECTS])
@pytest.mark.parametrize("index", [3, 23, -1])
def test_a_number_that_stands_twice_or_is_none_of_the_plan_is_told(
    index: int, name: str, tmp_path: Path
) -> None:
    """Files that were changed by others are not gone on with."""
    (tmp_path / f"{NAMES[0]}.part").write_bytes(lines(3))
    with (tmp_path / name).open("ab") as file:
        file.write(lines(index, reason="empty" if name == REJECTS else ""))
    with pytest.raises(Damaged) as caught:
        opened(tmp_path)
    assert (caught.value.message, caught.value.where, caught.value.do) == (
        f"text {index} stands there twice, or is none of the plan",
        str(tmp_path),
        "The files were changed. Take a whole copy of the folder, or begin in a new one.",
    )


@pytest.mark.parametrize("wrong", [
    b"\n", b"{}\n", b"3\n", b"[1]\n", b"null\n", b"[" * 100_000 + b"\n", b"\xff\n",
    b'{"index": 2}\n', b'{"tokens": 2}\n', b'{"index": "2", "tokens": 3}\n',
    b'{"index": 2, "tokens": "3"}\n', b'{"index": true, "tokens": 3}\n',
    b'{"index": 2, "tokens": 3.0}\n', b'{"index": 2, "tokens": null}\n',
])  # fmt: skip
@pytest.mark.parametrize("before", [0, 2])
def test_a_line_that_is_no_record_is_told_by_its_number(
    wrong: bytes, before: int, tmp_path: Path
) -> None:
    """Records before it are given, and nothing is cut off."""
    path = tmp_path / "a.jsonl"
    data = lines(*range(before)) + wrong + lines(7)[:-1]
    path.write_bytes(data)
    given: list[dict[str, Any]] = []
    with pytest.raises(Damaged) as caught:
        given.extend(whole_lines(path))
    assert given == [record(index) for index in range(before)]
    assert (caught.value.message, caught.value.where, caught.value.do) == (
        f"line {before + 1} is not what was written there",
        str(path),
        "Repair or remove this line: its text is then written again.",
    )
    assert path.read_bytes() == data
    assert [*whole_lines(tmp_path / "b.jsonl")] == []
