"""The journal of a model's training: metrics, problems and rollbacks.

Each line belongs to a step. Steps that are repeated, after a kill or a rollback to a checkpoint,
are deleted first; but what led to a rollback stays, with the number of rollbacks before it.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from endonym.disk import write_atomic
from endonym.log import Log, append_jsonl, read_jsonl
from endonym.train.checkpoint import TrainState
from endonym.train.loop import Training
from endonym.train.report import Report


def note_report(report: Report, state: TrainState, journal: Path, log: Log) -> None:
    """Write down a step; problems also go to the console."""
    if report.is_rolled_back:
        _write(journal, _still_true(journal, state))
    for event in report.events:
        append_jsonl(journal, event.as_dict())
        log.line(f"  step {event.step:>6}  {event.event.replace('_', ' ')}: {event.message}")
    if not report.is_rolled_back:
        append_jsonl(journal, as_metrics(report))


def as_metrics(report: Report) -> dict[str, Any]:
    """A report as one flat object, with units in the keys."""
    flat: dict[str, Any] = {
        "event": "step",
        "step": report.step,
        "tokens": report.tokens,
        "epoch": round(report.epoch, 5),
        "seconds": round(report.seconds, 5),
        "lr": report.lr,
        **read_tokens(report.read),
    }
    if report.seconds:
        flat |= {"train_nats": report.nats, "train_bits_per_byte": report.bits_per_byte}
        flat["gradient_norm"] = report.gradient_norm
    if report.is_skipped:
        flat = {k: v for k, v in flat.items() if k == "event" or math.isfinite(v)}
    if report.validation is not None:
        flat |= {
            "dev_nats": report.validation.nats,
            "dev_bits_per_byte": report.validation.bits_per_byte,
        }
        flat |= {f"dev_bits_per_byte/{k}": v for k, v in report.validation.sources.items()}
    return flat


def read_tokens(read: Mapping[str, int]) -> dict[str, int]:
    """The tokens read so far of each source, if there are several."""
    return {f"read_tokens/{name}": count for name, count in read.items() if len(read) > 1}


def cut_journal(journal: Path, training: Training) -> None:
    """Delete what will be repeated; add a validation that a kill left unwritten."""
    state = training.state
    kept = _still_true(journal, state) if state.step else []
    written = {line["step"] for line in kept if line["event"] == "step"}
    for seen in state.validations:
        step = seen["step"]
        if step == state.step and step not in written:
            tokens, epoch = step * training.batches.tokens, training.batches.epochs(step)
            line = {"event": "step", "step": step, "tokens": tokens, "epoch": round(epoch, 5)}
            line |= read_tokens(state.read)
            kept.append({**line, "dev_nats": seen["nats"], "dev_bits_per_byte": seen["bits"]})
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
    text = "".join(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n" for line in lines)
    write_atomic(journal, text.encode("utf-8"))
