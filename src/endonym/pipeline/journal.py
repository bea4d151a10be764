"""The journal of a model's training: metrics, problems and rollbacks.

Each line belongs to a step. Steps that are repeated, after a kill or a rollback to a checkpoint,
are deleted first; but what led to a rollback stays, with the number of rollbacks before it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from endonym.disk import write_atomic
from endonym.log import Log, append_jsonl, journal_line, read_jsonl
from endonym.train.checkpoint import TrainState
from endonym.train.loop import Report, Training, as_metrics


def note_report(report: Report, state: TrainState, journal: Path, log: Log) -> None:
    """Write down a step; problems also go to the console."""
    if report.is_rolled_back:
        _write(journal, _still_true(journal, state))
    for event in report.events:
        append_jsonl(journal, event.as_dict())
        log.line(f"  step {event.step:>6}  {event.event.replace('_', ' ')}: {event.message}")
    if not report.is_rolled_back:
        append_jsonl(journal, as_metrics(report))


def cut_journal(journal: Path, training: Training) -> None:
    """Delete what will be repeated; add the lines of a saved step that a kill left unwritten."""
    state = training.state
    kept = _still_true(journal, state) if state.step else []
    lost = [line for line in state.lines if line["step"] == state.step and line not in kept]
    if not any(line["event"] == "step" and line["step"] == state.step for line in kept):
        kept.extend(lost)
    _write(journal, kept)


def _still_true(journal: Path, state: TrainState) -> list[dict[str, Any]]:
    """Lines up to the state's step, and those about problems before its last rollback."""
    return [
        line
        for line in read_jsonl(journal)
        if line.get("step", 0) <= state.step
        or line.get("rollbacks", state.rollbacks) < state.rollbacks
    ]


def _write(journal: Path, lines: Sequence[dict[str, Any]]) -> None:
    write_atomic(journal, b"".join(map(journal_line, lines)))
