"""What the training loop reports of each step."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from endonym.train.loss_guard import TrainingEvent
from endonym.train.validate import ValidationResult


@dataclass(frozen=True, slots=True)
class Report:
    """One step, and its validation if there was one.

    step: optimizer steps done. tokens: training tokens read. read: the same by source of the
    corpus. seconds: spent on this step.
    events: problems in this step. A rollback's report has the checkpoint's step and no seconds.
    """

    step: int
    steps: int
    tokens: int
    epoch: float
    nats: float
    bits_per_byte: float
    lr: float
    gradient_norm: float
    seconds: float
    validation: ValidationResult | None = None
    is_best: bool = False
    events: tuple[TrainingEvent, ...] = ()
    read: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def is_skipped(self) -> bool:
        """Whether this step did not change the weights."""
        return any(each.event == "skipped" for each in self.events)

    @property
    def is_rolled_back(self) -> bool:
        """Whether training goes back to an earlier step."""
        return any(each.event == "rolled_back" for each in self.events)


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
        flat["train_nats"] = report.nats
        if report.bits_per_byte:  # the loss of pairs is not one of bytes
            flat["train_bits_per_byte"] = report.bits_per_byte
        flat["gradient_norm"] = report.gradient_norm
    if report.is_skipped:
        flat = {k: v for k, v in flat.items() if k == "event" or math.isfinite(v)}
    if report.validation is not None:
        flat |= {
            "dev_nats": report.validation.nats,
            "dev_bits_per_byte": report.validation.bits_per_byte,
        }
        flat |= {f"dev_bits_per_byte/{k}": v for k, v in report.validation.sources.items()}
        flat |= {f"dev_{k}": v for k, v in report.validation.figures.items()}
    return flat


def read_tokens(read: Mapping[str, int]) -> dict[str, int]:
    """The tokens read so far of each source, if there are several."""
    return {f"read_tokens/{name}": count for name, count in read.items() if len(read) > 1}


def journal_lines(report: Report) -> list[dict[str, Any]]:
    """The lines of a step in the journal, without its clock: its problems and its metrics."""
    metrics = {key: value for key, value in as_metrics(report).items() if key != "seconds"}
    return [*(event.as_dict() for event in report.events), metrics]
