"""What a report of a step says of its problems."""

import math
from dataclasses import replace

from endonym.train.loop import Report, as_metrics, journal_lines, read_tokens
from endonym.train.loss_guard import TrainingEvent
from endonym.train.validate import ValidationResult


def report(*events: str) -> Report:
    """A step in which such things happened."""
    return Report(
        step=6,
        steps=12,
        tokens=192,
        epoch=1.8,
        nats=math.nan,
        bits_per_byte=math.nan,
        lr=1e-2,
        gradient_norm=math.nan,
        seconds=0.5,
        events=tuple(TrainingEvent(event, 6, "", 0) for event in events),
    )


def test_a_step_is_skipped_or_taken_back_only_where_an_event_says_so() -> None:
    found = {
        events: (report(*events).is_skipped, report(*events).is_rolled_back)
        for events in [(), ("smaller_micro_batch",), ("lost",), ("skipped",), ("rolled_back",)]
    }
    assert list(found.values()) == [(False, False)] * 3 + [(True, False), (False, True)]
    assert report("smaller_micro_batch", "skipped").is_skipped
    assert report("lost", "rolled_back").is_rolled_back


def test_the_lines_of_a_step_are_its_problems_and_then_its_figures() -> None:
    pairs = ValidationResult(0.6, 1.5, {}, 9, {"accuracy": 0.75, "margin": 0.25})
    seen = replace(report("rolled_on"), events=report("skipped").events, validation=pairs)
    problem, line = journal_lines(seen)
    assert (problem["event"], problem["step"]) == ("skipped", line["step"])
    assert line | {"seconds": 0.5} == as_metrics(seen)
    assert (line["dev_nats"], line["dev_accuracy"], line["dev_margin"]) == (0.6, 0.75, 0.25)
    assert "train_nats" not in line


def test_a_report_without_a_step_has_no_figures_of_one() -> None:
    """Such as that of the validation before the first step."""
    before = as_metrics(replace(report(), nats=2.0, bits_per_byte=3.0, seconds=0.0))
    after = as_metrics(replace(report(), nats=2.0, bits_per_byte=3.0))
    assert after.keys() - before.keys() == {"train_nats", "train_bits_per_byte", "gradient_norm"}
    assert "train_bits_per_byte" not in as_metrics(replace(report(), bits_per_byte=0.0))


def test_the_tokens_read_are_told_of_several_sources_only() -> None:
    assert read_tokens({"tatar": 96}) == {}
    both = {"read_tokens/tatar": 64, "read_tokens/khmer": 32}
    assert read_tokens({"tatar": 64, "khmer": 32}) == both
    assert both.items() <= as_metrics(replace(report(), read={"tatar": 64, "khmer": 32})).items()
