"""Steps whose finished jobs stay."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from text_samples import TATAR

from endonym.corpus import work as steps
from endonym.corpus.work import Work
from endonym.formats.document_files import write_file
from endonym.workers import Inline

DONE: list[int] = []


def count_words(task: tuple[Path, int], advance: Callable[[int], None]) -> dict[str, Any]:
    """Write how many words a sentence has."""
    folder, number = task
    DONE.append(number)
    if number == 2 and not (folder / "go").exists():
        raise OSError("the disk is full")
    advance(len(TATAR[number].encode()))
    said = write_file(folder, f"{number}.txt", str(len(TATAR[number].split())).encode())
    return {"files": [said], "words": len(TATAR[number].split())}


@pytest.fixture
def work(tmp_path: Path) -> Work:
    DONE.clear()
    return Work(tmp_path / "work", Inline())


def step(work: Work) -> list[dict[str, Any]]:
    tasks = [(work.place("words"), number) for number in range(4)]
    return work.step("words", count_words, tasks, [len(TATAR[n].encode()) for n in range(4)])


def test_what_was_done_before_a_failure_is_not_done_again(work: Work) -> None:
    with pytest.raises(OSError, match="full"):
        step(work)
    (work.place("words") / "go").touch()
    found = step(work)
    assert DONE == [0, 1, 2, 2, 3]
    assert [each["words"] for each in found] == [len(text.split()) for text in TATAR[:4]]


def test_a_finished_step_is_known_by_the_next_run(work: Work) -> None:
    assert work.finished("words") is None
    (work.place("words") / "go").touch()
    made = step(work)
    assert Work(work.folder, Inline()).finished("words") == made


def test_a_file_that_is_not_whole_is_made_again(work: Work) -> None:
    (work.place("words") / "go").touch()
    made = step(work)
    (work.place("words") / "1.txt").write_bytes(b"")
    assert work.finished("words") is None
    assert work.results("words") == made
    DONE.clear()
    assert step(work) == made
    assert DONE == [1]


def test_a_record_that_was_cut_off_counts_for_nothing(work: Work) -> None:
    (work.place("words") / "go").touch()
    made = step(work)
    (work.place("words") / "00003.json").write_text('{"files": [')
    DONE.clear()
    assert step(work) == made
    assert DONE == [3]


def test_what_is_made_once_is_kept(work: Work) -> None:
    assert work.once("split", lambda: {"overlap": 0.5}) == {"overlap": 0.5}
    assert work.once("split", lambda: {"overlap": 0.7}) == {"overlap": 0.5}


def test_files_of_a_step_can_be_forgotten_while_its_results_stay(work: Work) -> None:
    (work.place("words") / "go").touch()
    made = step(work)
    work.forget("words")
    assert not (work.folder / "words").exists()
    assert work.results("words") == made


def test_large_texts_have_as_many_workers_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "cores", lambda: 4)
    for size, places, count in ((-1, 9.0, 1), (0, 9.0, 4), (0, 3.9, 3), (0, 0.5, 1)):
        free = int(places * steps.WORKER_BYTES)
        monkeypatch.setattr(steps, "free_memory_bytes", lambda free=free: free)
        assert steps.suitable_workers(steps.LARGE_BYTES + size) == count
