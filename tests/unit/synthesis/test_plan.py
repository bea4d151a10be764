"""Plans: their record, names, numbers and seeds, and which folder is theirs."""

import errno
import fcntl
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from endonym import disk
from endonym.errors import Busy, Damaged, EndonymError, RecipeError, StoreError
from endonym.formats.config import Source
from endonym.store import read_sealed, write_sealed
from endonym.synthesis import plan as plans
from endonym.synthesis.plan import ELSEWHERE, Plan, claimed, plan_name

PLAN = Plan(
    "әкият", "model", "ab" * 32, 5, 3, "cd" * 6, {"temperature": 0.5, "max_tokens": 7, "system": ""}
)


def names(folder: Path) -> list[str]:
    """The files in a folder."""
    return sorted(each.name for each in folder.iterdir())


def refused(folder: Path, plan: Plan, kind: type[EndonymError]) -> tuple[str, str, str]:
    """What is wrong, where, and what to do, when a folder is not free for a plan."""
    with pytest.raises(kind) as caught, claimed(folder, plan):
        pass
    return caught.value.message, caught.value.where, caught.value.do


def test_the_record_of_a_plan_has_all_that_makes_its_texts(tmp_path: Path) -> None:
    """`written.json` holds each field and the version; the lock names who writes."""
    with claimed(tmp_path / "a" / "out", PLAN):
        assert names(tmp_path / "a" / "out") == [".lock", "written.json"]
        lock = (tmp_path / "a" / "out" / ".lock").read_text(encoding="utf-8")
        assert lock == f"process {os.getpid()}\n"
    assert read_sealed(tmp_path / "a" / "out" / "written.json", "") == PLAN.as_dict() == {
        "name": "әкият", "writer": "model", "source": "ab" * 32, "count": 5, "seed": 3,
        "model": "cd" * 6, "sampling": {"temperature": 0.5, "max_tokens": 7, "system": ""},
        "version": 2,
    }  # fmt: skip


@pytest.mark.parametrize(("count", "spans"), [
    (1, [(0, 1)]), (9_999, [(0, 9_999)]), (10_000, [(0, 10_000)]),
    (10_001, [(0, 10_000), (10_000, 10_001)]), (20_000, [(0, 10_000), (10_000, 20_000)]),
])  # fmt: skip
def test_texts_stand_in_files_of_ten_thousand(count: int, spans: list[tuple[int, int]]) -> None:
    """Each text is in one file, and none is empty."""
    plan = replace(PLAN, count=count)
    assert [plan.span(shard) for shard in range(plan.shards)] == [range(*each) for each in spans]


SEEDS = [5777881, 1785355307, 1951949742]


def test_names_and_seeds_of_texts_are_the_same_in_every_version() -> None:
    """A folder goes on where an older endonym began it."""
    assert (PLAN.file(12), PLAN.text_id(10_304)) == ("әкият-00012.jsonl", "әкият-00010304")
    assert [PLAN.text_seed(index) for index in (0, 1, 10_304)] == SEEDS
    assert replace(PLAN, seed=4).text_seed(0) != SEEDS[0]


@pytest.mark.parametrize(("name", "called"), [
    ("Poveste nouă (2).v1.toml", "Poveste-nouă-2-.v1"), ("-.қ.-.toml", "қ"), ("a_b", "a_b"),
    (f"{'й' * 49}.toml", "й" * 48), ("(!).toml", "texts"),
    ("រឿងនិទាន.toml", "រឿងនិទាន"), ("x².toml", "x"), ("½.toml", "texts"), ("..", "texts"),
])  # fmt: skip
def test_a_plan_is_named_after_its_file(name: str, called: str) -> None:
    """What no file or source may be called is left out."""
    assert plan_name(Path("folder.d") / name) == called
    assert Source(name=called, path="a.txt").name == called


OTHERS: list[tuple[dict[str, Any], str]] = [
    ({"name": "хикәя"}, 'name was "әкият" and is "хикәя"'),
    ({"writer": "endpoint"}, 'writer was "model" and is "endpoint"'),
    ({"source": "0123456789abcdef" * 4}, 'source was "abababababab…" and is "0123456789ab…"'),
    ({"seed": 0, "model": ""}, 'model was "cdcdcdcdcdcd" and is "" and seed was 3 and is 0'),
    (
        {"sampling": {"temperature": 0.8, "max_tokens": 7, "system": "Кыска яз."}},
        'system was "" and is "Кыска яз." and temperature was 0.5 and is 0.8',
    ),
    ({"sampling": {"temperature": 0.5, "system": ""}}, "max_tokens was 7 and is not given"),
    (
        {"sampling": {**PLAN.sampling, "top_p": 1}, "seed": 2, "name": "x"},
        'name was "әкият" and is "x", seed was 3 and is 2 and top_p was not given and is 1',
    ),
]


def begin(folder: Path) -> None:
    """As a writer leaves it whose first text is there."""
    (folder / f"{PLAN.file(0)}.part").touch()


@pytest.mark.parametrize("count", [4, 5, 6])
@pytest.mark.parametrize(("change", "said"), OTHERS)
def test_what_another_plan_changes_is_told_and_the_folder_stays(
    change: dict[str, Any], said: str, count: int, tmp_path: Path
) -> None:
    """What was given before, and what is given now, field by field, whatever the count."""
    with claimed(tmp_path, PLAN):
        begin(tmp_path)
    before = (tmp_path / "written.json").read_bytes()
    assert refused(tmp_path, replace(PLAN, count=count, **change), RecipeError) == (
        f"the folder holds texts of another plan: {said}",
        str(tmp_path),
        f"Give what was given before, or another folder: {ELSEWHERE}",
    )
    assert (tmp_path / "written.json").read_bytes() == before


def test_plans_and_records_of_another_version_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later endonym may write other records."""
    with claimed(tmp_path, PLAN):
        begin(tmp_path)
    monkeypatch.setattr(plans, "VERSION", 3)
    message, *_ = refused(tmp_path, PLAN, RecipeError)
    assert message.endswith("another plan: version was 2 and is 3")


def test_a_count_may_grow_and_stays_grown(tmp_path: Path) -> None:
    """The largest count that was given is what stands in the folder."""
    for count in (5, 1_009, 1_009):
        with claimed(tmp_path, replace(PLAN, count=count)):
            begin(tmp_path)
    assert refused(tmp_path, replace(PLAN, count=1_008), RecipeError) == (
        "the folder is one of 1\u202f009 texts already",
        "--count 1008",
        "Give this --count or a larger one, with which it goes on.",
    )


def test_a_folder_without_a_text_takes_another_plan(tmp_path: Path) -> None:
    """The first command may have named a model that the server does not have."""
    for plan in (PLAN, replace(PLAN, model="хикәяче"), replace(PLAN, count=2, name="хикәя")):
        with claimed(tmp_path, plan):
            pass
        assert read_sealed(tmp_path / "written.json", "") == plan.as_dict()
    with claimed(tmp_path, PLAN):
        (tmp_path / "rejects.jsonl").touch()
    refused(tmp_path, replace(PLAN, seed=9), RecipeError)


@pytest.mark.parametrize(("change", "stays"), [
    ({}, True), ({"count": 9}, True), ({"count": 2}, True), ({"model": "хикәяче"}, False),
    ({"sampling": {**PLAN.sampling, "system": "Кыска яз."}}, False),
])  # fmt: skip
def test_what_another_plan_paid_for_no_text_does_not_stay(
    change: dict[str, Any], stays: bool, tmp_path: Path
) -> None:
    with claimed(tmp_path, PLAN):
        (tmp_path / "spent.jsonl").write_bytes(b'{"index": 3, "tokens": 7}\n')
    with claimed(tmp_path, replace(PLAN, **change)):
        assert names(tmp_path) == [".lock", *["spent.jsonl"] * stays, "written.json"]


def test_a_person_s_file_of_that_name_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "spent.jsonl").write_text("{}", encoding="utf-8")
    refused(tmp_path, PLAN, RecipeError)
    assert names(tmp_path) == ["spent.jsonl"]


def test_a_folder_that_is_not_ours_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    """Files of others, or a file in the folder's place; hidden files are nobody's."""
    (tmp_path / ".DS_Store").write_text("", encoding="utf-8")
    (tmp_path / "a.txt").write_text("Таң.", encoding="utf-8")
    message = "the folder is not empty, and has no written.json of ours"
    assert refused(tmp_path, PLAN, RecipeError) == (message, str(tmp_path), ELSEWHERE)
    file = tmp_path / "a.txt"
    message = "this is a file, not a folder"
    assert refused(file, PLAN, RecipeError) == (message, str(file), ELSEWHERE)
    assert names(tmp_path) == [".DS_Store", "a.txt"]
    file.unlink()
    with claimed(tmp_path, PLAN):
        pass


def test_a_damaged_plan_is_told_with_what_to_do(tmp_path: Path) -> None:
    """A plan that was changed by hand is not gone on with."""
    (tmp_path / "written.json").write_text("{}", encoding="utf-8")
    message, where, do = refused(tmp_path, PLAN, Damaged)
    assert message.startswith("the file is not what was written")
    assert where == str(tmp_path / "written.json")
    assert do == f"Take a whole copy of the folder, or another one: {ELSEWHERE}"


@pytest.mark.parametrize(("content", "owner"), [
    (b" process 7\n", "process 7"), (b"", "another process"), (b"\xff\n", "\\xff"),
])  # fmt: skip
def test_a_busy_folder_is_told_with_who_writes_there(
    content: bytes, owner: str, tmp_path: Path
) -> None:
    """However often it is tried, the lock still names its owner."""
    with (tmp_path / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(content)
        lock.flush()
        for _ in range(2):
            assert refused(tmp_path, PLAN, Busy) == (
                f"{owner} writes here",
                str(tmp_path),
                "Wait until it has ended, or name another folder.",
            )
    assert names(tmp_path) == [".lock"]
    with claimed(tmp_path, PLAN):
        pass


def test_a_folder_that_became_another_s_while_it_was_waited_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan is looked at once more when the lock is held."""
    other = replace(PLAN, seed=9).as_dict()

    @contextmanager
    def locked(*_: Any) -> Generator[None]:
        write_sealed(tmp_path / "written.json", other)
        begin(tmp_path)
        yield

    monkeypatch.setattr(disk, "locked", locked)
    assert "seed was 9 and is 3" in refused(tmp_path, PLAN, RecipeError)[0]
    assert read_sealed(tmp_path / "written.json", "") == other


OPEN = Path.open


def fail(path: Path, mode: str = "", *_: Any, **__: Any) -> Any:
    """A disk that nobody may write."""
    if mode == "rb":
        return OPEN(path, mode)
    raise OSError(errno.EACCES, "Permission denied")


FAILING: list[Callable[[pytest.MonkeyPatch], None]] = [
    lambda patch: patch.setattr(Path, "mkdir", fail),
    lambda patch: patch.setattr(Path, "open", fail),
    lambda patch: patch.setattr(plans, "write_sealed", fail),
]


@pytest.mark.parametrize("break_it", FAILING)
def test_a_folder_that_cannot_be_written_is_told_by_its_flag(
    break_it: Callable[[pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the folder, its lock or its plan cannot be made."""
    folder = tmp_path / "out"
    break_it(monkeypatch)
    with pytest.raises(StoreError) as caught, claimed(folder, PLAN):
        pass
    assert (caught.value.message, caught.value.where, caught.value.do) == (
        "cannot write here (Permission denied)",
        str(folder),
        "Choose another folder with --out DIR.",
    )


def test_a_disk_that_is_full_while_texts_are_written_is_told(tmp_path: Path) -> None:
    """What fails below the claim is told as a fault of the folder, too."""
    with pytest.raises(StoreError, match="the disk is full") as caught, claimed(tmp_path, PLAN):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.where == str(tmp_path)
