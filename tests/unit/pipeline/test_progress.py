"""The journal of a training with problems, and how a training is asked to stop."""

import math
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_project import Killed, Project, journal_of

from endonym.device import ProcessInfo
from endonym.log import Log
from endonym.pipeline import progress
from endonym.pipeline.progress import stop_requests
from endonym.train import loop, step
from endonym.train.loop import Training
from endonym.train.step import Stepped

Patch = pytest.MonkeyPatch

SPOILT = range(19, 22)
"""Steps 20 to 22 fail at the full rate; checkpoints are those of every eighth step."""

SAVED = (31,)
"""Numbers of the report of step 24, whose checkpoint is written before its line."""


@pytest.fixture(scope="module")
def bad_losses() -> Iterator[None]:
    """Let some steps show a loss that is no number, until training has gone back once."""
    current: list[Training] = []
    begin = Training.__init__

    def noted(self: Training, *given: Any, **keys: Any) -> None:
        begin(self, *given, **keys)
        current.append(self)

    def take_step(*given: Any, refuses: Callable[[Stepped], str], **keys: Any) -> Stepped:
        state, bad = current[-1].state, Stepped(math.nan, 1.0)
        if state.step != 2 and (state.step not in SPOILT or state.rollbacks):
            return step.take_step(*given, refuses=refuses, **keys)
        found = step.take_step(*given, refuses=lambda _: refuses(bad), **keys)
        return replace(bad, rows=found.rows, refused=found.refused)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "__init__", noted)
        patch.setattr(loop, "take_step", take_step)
        yield


def lines_of(project: Path) -> list[dict[str, Any]]:
    """The journal without clocks and without what tells of the process."""
    kept = [line for line in journal_of(project) if line["event"] not in ("started", "finished")]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in kept]


@pytest.fixture(scope="module")
def whole(
    finished: Path,
    command: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
    bad_losses: None,
) -> tuple[Path, Any]:
    """The folder of a run that nothing kills, and what it said."""
    folder = tmp_path_factory.mktemp("whole") / "project"
    later = shutil.ignore_patterns("model", "evaluation", "export", "journal", "runs")
    shutil.copytree(finished, folder, ignore=later)
    said = Project(folder / "recipe.toml", command).run(sets=("phase.0.steps=26",))
    assert said.code == 0, said.err
    return folder, said


def test_what_went_wrong_stays_and_what_is_done_again_does_not(whole: tuple[Path, Any]) -> None:
    folder, said = whole
    assert "step     20  skipped: the loss is not a finite number (nan)" in said.err
    assert "step     22  rolled back: back to step 16, at 0.5 of the learning rate" in said.err
    lines = lines_of(folder)
    steps = [line for line in lines if line["event"] == "step"]
    assert [line["step"] for line in steps] == list(range(27))
    assert "train_nats" not in steps[3]
    assert all("train_nats" in line for line in steps[1:3] + steps[4:])
    assert steps[20]["lr"] < 0.6 * steps[16]["lr"]
    wrong = [(x["event"], x["step"], x["rollbacks"]) for x in lines if "rollbacks" in x]
    skips = [("skipped", number, 0) for number in (3, 20, 21, 22)]
    assert wrong == [*skips, ("rolled_back", 22, 0)]
    (path,) = (folder / "store" / "journal").glob("model-*.jsonl")
    assert "NaN" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("stop", [21, 30, *SAVED])
def test_a_killed_run_ends_with_the_same_journal(
    stop: int, project: Project, whole: tuple[Path, Any], monkeypatch: Patch
) -> None:
    """Killed amid skipped steps, after the rollback, and between a checkpoint and its line."""
    seen: list[int] = []
    flat = progress.as_metrics

    def as_metrics(report: loop.Report) -> dict[str, Any]:
        seen.append(report.step)
        if len(seen) == stop:
            raise Killed
        return flat(report)

    monkeypatch.setattr(progress, "as_metrics", as_metrics)
    with pytest.raises(Killed):
        project.run(sets=("phase.0.steps=26",))
    assert project.run(sets=("phase.0.steps=26",)).code == 0
    # Between a checkpoint and its line, no samples are written yet.
    left_out = "sample" if stop in SAVED else ""
    mended, expected = (
        [line for line in lines_of(folder) if line["event"] != left_out]
        for folder in (project.recipe.parent, whole[0])
    )
    assert mended == expected


STOPS = (signal.SIGINT, signal.SIGTERM)


def test_a_first_signal_asks_and_a_second_does_not_wait() -> None:
    before, seen = [signal.getsignal(each) for each in STOPS], list[str]()

    def ask_twice() -> None:
        with stop_requests() as asked:
            assert not asked.is_set()
            os.kill(os.getpid(), signal.SIGTERM)
            assert asked.wait(5)
            seen.append("asked")
            os.kill(os.getpid(), signal.SIGINT)
            asked.wait(5)
            seen.append("not heeded")

    with pytest.raises(KeyboardInterrupt):
        ask_twice()
    assert seen == ["asked"]
    assert [signal.getsignal(each) for each in STOPS] == before


def test_who_asks_for_a_stop_is_told_that_a_step_is_finished_first(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def ask() -> None:
        with stop_requests(Log()) as asked:
            os.kill(os.getpid(), signal.SIGINT)
            assert asked.wait(5)

    with pytest.raises(KeyboardInterrupt):
        ask()
    said = ""
    while "\n" not in said:
        said += capfd.readouterr().err
    assert "this step is finished and saved first; Ctrl-C again stops at once" in said


@pytest.mark.parametrize("times", [1, 2])
def test_a_late_signal_stops_the_run_and_its_echo_is_none(times: int, monkeypatch: Patch):
    """What a launcher of several processes hands on at once is no second request."""
    for name, value in ProcessInfo(1, 2, 1, 2).variables().items() if times == 2 else ():
        monkeypatch.setenv(name, value)
    seen: list[bool] = []

    def ask_at_the_end() -> None:
        with stop_requests() as asked:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
                seen.append(asked.wait(5))

    with pytest.raises(KeyboardInterrupt):
        ask_at_the_end()
    assert seen == [True] * times


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def run() -> None:
        with stop_requests() as asked:
            seen.append((asked.is_set(), signal.getsignal(signal.SIGINT) is before))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [(False, True)]
