"""Schedules by hand."""

import math

import pytest

from endonym.train.schedule import SCHEDULES, multiplier


def shares(schedule: str, *, steps: int, warmup_steps: int) -> list[float]:
    return [
        multiplier(schedule, step=step, steps=steps, warmup_steps=warmup_steps)
        for step in range(steps)
    ]


def test_a_linear_schedule_rises_and_falls_in_straight_lines() -> None:
    expected = [0.25, 0.5, 0.75, 1.0, 0.8, 0.6, 0.4, 0.2]
    assert shares("linear", steps=8, warmup_steps=3) == pytest.approx(expected)


def test_a_cosine_falls_to_a_tenth() -> None:
    found = shares("cosine", steps=9, warmup_steps=1)
    assert found[0] == pytest.approx(0.5)
    assert found[1] == pytest.approx(1.0)
    assert found[5] == pytest.approx(0.55)
    assert found[3] == pytest.approx(0.1 + 0.9 * (1 + math.sqrt(0.5)) / 2)
    assert multiplier("cosine", step=9, steps=9, warmup_steps=1) == pytest.approx(0.1)


def test_a_constant_is_level_after_its_warmup() -> None:
    assert shares("constant", steps=4, warmup_steps=1) == [0.5, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_no_step_is_wasted_and_none_exceeds_the_peak(schedule: str) -> None:
    for warmup_steps in (0, 1, 7):
        found = shares(schedule, steps=20, warmup_steps=warmup_steps)
        assert all(0 < share <= 1 for share in found)
        assert max(found) == 1.0
        assert found[warmup_steps] == 1.0
        assert found[warmup_steps:] == sorted(found[warmup_steps:], reverse=True)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_schedule_stays_at_its_end_after_the_last_step(schedule: str) -> None:
    end = multiplier(schedule, step=10, steps=10, warmup_steps=2)
    assert multiplier(schedule, step=15, steps=10, warmup_steps=2) == end
    assert multiplier(schedule, step=0, steps=1, warmup_steps=0) == 1.0
