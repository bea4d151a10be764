"""The journal of a training with problems: what went wrong stays, what is done again does not."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from endonym.log import read_jsonl
from endonym.pipeline import journal
from endonym.train import loop, step
from endonym.train.loop import Training
from endonym.train.step import Stepped

Say = Callable[..., Any]
SPOILT = range(19, 22)
"""Steps 20 to 22 fail at the full rate; checkpoints are those of every eighth step."""

SAVED = (17, 31)
"""Numbers of the reports of steps 16 and 24, whose checkpoints are written before their lines."""


class Killed(BaseException):
    """Stands for a kill: nothing after it runs."""


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
    (path,) = (project / "store" / "journal").glob("model-*.jsonl")
    kept = [line for line in read_jsonl(path) if line["event"] not in ("started", "finished")]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in kept]


@pytest.fixture(scope="module")
def whole(
    small_recipe: Callable[[Path], Path],
    command: Say,
    tmp_path_factory: pytest.TempPathFactory,
    bad_losses: None,
) -> tuple[Path, Any]:
    """The folder of a run that nothing kills, and what it said."""
    folder = tmp_path_factory.mktemp("whole")
    said = command("run", small_recipe(folder), "--store", folder / "store", "--until", "model")
    assert said.code == 0, said.err
    return folder, said


def test_what_went_wrong_stays_and_what_is_done_again_does_not(whole: tuple[Path, Any]) -> None:
    folder, said = whole
    assert "step     20  skipped: the loss is not a finite number (nan)" in said.err
    assert "step     22  rolled back: back to step 16, at 0.5 of the learning rate" in said.err
    lines = lines_of(folder)
    steps = [line for line in lines if line["event"] == "step"]
    assert [line["step"] for line in steps] == list(range(41))
    assert "train_nats" not in steps[3]
    assert all("train_nats" in line for line in steps[1:3] + steps[4:])
    assert steps[20]["lr"] < 0.6 * steps[16]["lr"]
    wrong = [(x["event"], x["step"], x["rollbacks"]) for x in lines if "rollbacks" in x]
    skips = [("skipped", number, 0) for number in (3, 20, 21, 22)]
    assert wrong == [*skips, ("rolled_back", 22, 0)]
    (path,) = (folder / "store" / "journal").glob("model-*.jsonl")
    assert "NaN" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("stop", [17, 21, 23, 30, 31])
def test_a_killed_run_ends_with_the_same_journal(
    stop: int,
    small_recipe: Callable[[Path], Path],
    command: Say,
    tmp_path: Path,
    whole: tuple[Path, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = ["run", small_recipe(tmp_path), "--store", tmp_path / "store", "--until", "model"]
    kill_after(stop, monkeypatch)
    with pytest.raises(Killed):
        command(*given)
    assert command(*given).code == 0
    # Between a checkpoint and its line, no samples are written yet.
    left_out = "sample" if stop in SAVED else ""
    journals = [
        [line for line in lines_of(folder) if line["event"] != left_out]
        for folder in (tmp_path, whole[0])
    ]
    assert journals[0] == journals[1]


def kill_after(reports: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill the next training after so many lines of the journal; later ones live."""
    seen: list[int] = []
    flat = journal.as_metrics

    def as_metrics(report: loop.Report) -> dict[str, Any]:
        seen.append(report.step)
        if len(seen) == reports:
            raise Killed
        return flat(report)

    monkeypatch.setattr(journal, "as_metrics", as_metrics)
