"""Training says once that other programs take the processor from it."""

from endonym.run.crowding import WINDOW, Crowding


def told(seconds: list[float]) -> list[float]:
    crowding = Crowding()
    found = [crowding.slower(each) for each in seconds]
    return [times for times in found if times is not None]


def test_steps_that_become_many_times_as_slow_are_said_once() -> None:
    (times,) = told([0.1] * 50 + [3.0] * 100)
    assert 14 < times <= 30.1


def test_a_slow_start_single_slow_steps_and_twice_as_slow_are_no_reason() -> None:
    assert told([3.0] * 5 + [0.1] * 200) == []
    assert told(([0.1] * (WINDOW - 1) + [9.0]) * 10) == []
    assert told([0.1] * 50 + [0.2] * 200) == []
