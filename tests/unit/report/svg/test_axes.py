"""Axes: round ticks, their labels, widths of texts, and labels that keep their distance."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endonym.report.svg import nice_ticks, spread, text_width, tick_labels

POSITIONS = st.floats(0, 300, allow_nan=False)


def test_ticks_are_round_and_lie_inside() -> None:
    assert nice_ticks(1.42, 2.41, 5) == [1.6, 1.8, 2.0, 2.2, 2.4]
    assert nice_ticks(0, 310_000, 6) == [0, 100_000, 200_000, 300_000]
    assert nice_ticks(0, 0.003, 3) == [0, 0.001, 0.002, 0.003]


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 10))
def test_ticks_never_leave_the_axis_nor_crowd_it(low: float, span: float, count: int) -> None:
    high = low + span
    if not high > low:
        return
    ticks = nice_ticks(low, high, count)
    slack = 1e-6 * max(1.0, abs(low), abs(high))
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    assert len(ticks) <= count + 2


def test_tick_labels_have_as_many_decimals_as_they_need_together() -> None:
    assert tick_labels([1.5, 1.75, 2.0]) == ["1.50", "1.75", "2.00"]
    assert tick_labels([0, 50_000, 100_000]) == ["0", "50\u202fk", "100\u202fk"]
    assert tick_labels([0, 2_500_000]) == ["0", "2.5\u202fM"]
    assert tick_labels([0.0, 0.0005]) == ["0", "0.0005"]


@given(st.lists(POSITIONS, max_size=12), st.floats(1, 40))
def test_labels_keep_their_distance_and_their_order(wanted: list[float], gap: float) -> None:
    positions = spread(wanted, gap, 0, 300)
    distance = min(gap, 300 / max(1, len(wanted) - 1))
    assert len(positions) == len(wanted)
    assert all(-1e-6 <= position <= 300 + 1e-6 for position in positions)
    for one, other in itertools.pairwise(sorted(positions)):
        assert other - one >= distance - 1e-6
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    assert [positions[index] for index in order] == sorted(positions)


def test_labels_with_enough_space_stay_where_they_belong() -> None:
    assert spread([10, 100, 200], 15, 0, 300) == [10, 100, 200]


def test_two_labels_at_one_position_move_apart_evenly() -> None:
    assert spread([100, 100], 20, 0, 300) == [90, 110]


def test_an_axis_of_one_value_has_one_tick_and_one_of_none_no_labels() -> None:
    assert nice_ticks(3.0, 3.0, 5) == [3.0]
    assert nice_ticks(-0.5, 0.5, 4) == [-0.5, -0.25, 0.0, 0.25, 0.5]
    assert tick_labels([]) == []


def test_marks_take_no_width_and_full_width_letters_nearly_two() -> None:
    assert text_width("ab", 10) == pytest.approx(2 * 5.7)
    assert text_width("e\u0301", 10) == pytest.approx(5.7)
    assert text_width("日", 10) == pytest.approx(1.8 * 5.7)
    assert text_width("") == 0


def test_labels_that_do_not_fit_share_what_there_is() -> None:
    assert spread([5, 5, 5], 100, 0, 10) == [0, 5, 10]
    assert spread([], 15, 0, 300) == []
