"""What a report of a step says of its problems."""

import math

from endonym.train.loss_guard import TrainingEvent
from endonym.train.report import Report


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
