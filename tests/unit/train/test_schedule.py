"""Schedules by hand."""

import math

import pytest
from toys import train_config

from endonym.train.schedule import SCHEDULES, kept_steps, lr_scale, saves_at, validates_at


def shares(schedule: str, *, steps: int, **keys: object) -> list[float]:
    """Also of the step after the last."""
    config = train_config(schedule=schedule, steps=steps, **keys)
    return [lr_scale(config, step) for step in range(steps + 1)]


def test_a_linear_schedule_rises_and_falls_in_straight_lines() -> None:
    expected = [0.25, 0.5, 0.75, 1.0, 0.8, 0.6, 0.4, 0.2]
    assert shares("linear", steps=8, warmup_steps=3)[:-1] == pytest.approx(expected)


def test_kept_steps_are_each_by_the_same_factor_after_the_one_before() -> None:
    assert kept_steps(train_config(steps=1000, keep_steps=4)) == [1, 10, 100, 1000]
    assert kept_steps(train_config(steps=7, keep_steps=6)) == [1, 2, 3, 5, 7], "each once"
    assert kept_steps(train_config(steps=1, keep_steps=2)) == [1]
    assert kept_steps(train_config(steps=1000)) == []


def test_a_cosine_falls_to_a_tenth() -> None:
    found = shares("cosine", steps=9, warmup_steps=1)
    assert found[0] == pytest.approx(0.5)
    assert found[1] == pytest.approx(1.0)
    assert found[5] == pytest.approx(0.55)
    assert found[3] == pytest.approx(0.1 + 0.9 * (1 + math.sqrt(0.5)) / 2)
    assert found[9] == pytest.approx(0.1)


def test_a_plateau_ends_in_a_straight_line_over_the_last_share_of_all_steps() -> None:
    found = shares("wsd", steps=20, warmup_steps=5)
    assert found[5:17] == [1.0] * 12
    assert found[16:] == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.0])
    longer = shares("wsd", steps=20, warmup_steps=5, cooldown=0.5)
    assert longer[5:11] == [1.0] * 6
    assert longer[10:] == pytest.approx([1 - n / 10 for n in range(11)])
    whole = shares("wsd", steps=20, warmup_steps=5, cooldown=1.0)
    assert whole == shares("linear", steps=20, warmup_steps=5)


@pytest.mark.parametrize("schedule", ["linear", "wsd", "cosine"])
def test_a_phase_may_end_above_zero(schedule: str) -> None:
    found, plain, level = (
        shares(schedule, steps=100, warmup_steps=10, final_lr=final) for final in (0.3, 0.0, 1.0)
    )
    assert found[100] == 0.3
    assert found[:10] == plain[:10]
    assert found[10:] == pytest.approx([0.3 + 0.7 * share for share in plain[10:]])
    assert level[100] == 1.0


def test_a_constant_is_level_after_its_warmup() -> None:
    assert shares("constant", steps=4, warmup_steps=1)[:-1] == [0.5, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_no_step_is_wasted_and_none_exceeds_the_peak(schedule: str) -> None:
    for warmup_steps in (0, 1, 7):
        found = shares(schedule, steps=20, warmup_steps=warmup_steps)[:-1]
        assert all(0 < share <= 1 for share in found)
        assert max(found) == 1.0
        assert found[warmup_steps] == 1.0
        assert found[warmup_steps:] == sorted(found[warmup_steps:], reverse=True)


def test_a_phase_that_does_not_say_validates_twenty_times_and_falls_straight() -> None:
    config = train_config(steps=400)
    assert [step for step in range(401) if validates_at(config, step)] == list(range(0, 401, 20))
    assert [step for step in range(401) if saves_at(config, step)] == list(range(0, 401, 20))
    assert [lr_scale(config, step) for step in (0, 100, 399)] == pytest.approx([1.0, 0.75, 1 / 400])
    assert train_config(steps=7).eval_every_steps == 1


def test_the_last_step_is_validated_wherever_it_falls() -> None:
    config = train_config(steps=50, eval_every_steps=20)
    assert [step for step in range(51) if validates_at(config, step)] == [0, 20, 40, 50]
