"""Curves: round ticks, labels that never collide, lines that stay inside, texts that stay texts."""

import itertools
import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endonym.report.svg.axes import nice_ticks, spread, text_width, tick_labels
from endonym.report.svg.bars import Bar, Bars, draw_bars
from endonym.report.svg.curves import Chart, Level, Mark, Series, draw_all
from endonym.report.svg.points import smoothed, thinned

SVG = "{http://www.w3.org/2000/svg}"
POSITIONS = st.floats(0, 300, allow_nan=False)


def chart(**changes: object) -> Chart:
    given_ = {
        "title": "Loss",
        "description": "It falls.",
        "x_name": "tokens",
        "y_name": "bits",
        "series": [Series("held-out", [(0, 2.5), (50, 1.8), (100, 1.6)], "held", has_dots=True)],
        "levels": [Level("uniform", 3.2), Level("bigram", 1.62), Level("compressor", 1.58)],
        "marks": [Mark(40, "epoch 1"), Mark(100, "best 1.60", 1.6, is_strong=True)],
        "low": 1.5,
        "high": 2.6,
    }
    return Chart(**{**given_, **changes})  # type: ignore[arg-type]


def draw(drawn: Chart, width: float) -> str:
    return draw_all([drawn], width)[0]


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(
        svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    )


def texts(svg: str) -> list[ElementTree.Element]:
    return list(parsed(svg).iter(f"{SVG}text"))


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


@pytest.mark.parametrize("width", [350.0, 760.0])
def test_no_two_texts_of_a_chart_overlap(width: float) -> None:
    boxes: list[tuple[float, float, float, float]] = []
    for text in texts(draw(chart(), width)):
        size = 11 if {"tick", "name"} & set(text.get("class", "").split()) else 12
        wide = text_width(text.text or "", size)
        shift = {"start": 0.0, "middle": wide / 2, "end": wide}[text.get("text-anchor", "start")]
        x, y = float(text.get("x", "0")) - shift, float(text.get("y", "0"))
        boxes.append((x, y - size * 0.72, x + wide, y + 1))
    for one, other in itertools.combinations(boxes, 2):
        is_apart = (
            one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        )
        assert is_apart, (one, other)


@pytest.mark.parametrize("width", [350.0, 760.0])
def test_every_text_stays_inside_the_picture(width: float) -> None:
    for text in texts(draw(chart(), width)):
        wide = text_width(text.text or "", 11)
        shift = {"start": 0.0, "middle": wide / 2, "end": wide}[text.get("text-anchor", "start")]
        assert float(text.get("x", "0")) - shift >= -1
        assert float(text.get("x", "0")) - shift + wide <= width + 1


def test_a_baseline_off_the_scale_is_named_with_an_arrow_but_not_drawn() -> None:
    svg = draw(chart(), 760)
    assert "uniform 3.20 ↑" in svg
    assert not re.search(r'<line class="level uniform"', svg)
    assert re.search(r'<line class="level bigram"', svg)


def test_lines_are_cut_at_the_edges_of_the_plot() -> None:
    svg = parsed(draw(chart(series=[Series("x", [(0, 99.0), (100, 1.6)], "train")]), 760))
    (window,) = svg.findall(f"{SVG}svg")
    assert window.get("overflow") == "hidden"
    assert [path.get("class") for path in window.iter(f"{SVG}path")] == ["line train"]


def test_a_chart_says_what_it_shows_to_those_who_hear_it() -> None:
    svg = parsed(draw(chart(), 760))
    assert svg.get("role") == "img"
    assert svg.findtext(f"{SVG}title") == "Loss"
    assert svg.findtext(f"{SVG}desc") == "It falls."


def test_names_in_a_chart_are_escaped() -> None:
    hostile = '"><script>alert(1)</script>'
    svg = draw(chart(title=hostile, series=[Series(hostile, [(0, 1.6), (9, 1.7)], "held")]), 760)
    assert "<script" not in svg
    assert parsed(svg).findtext(f"{SVG}title") == hostile
    assert "<script" not in draw_bars(Bars(hostile, [Bar(hostile, 1.0, None, None, "model")]), 350)


def test_charts_below_one_another_have_common_edges() -> None:
    other = chart(low=0.0, high=0.001, levels=[], marks=[])
    axes = [
        re.search(r'<line class="axis" x1="([\d.]+)" y1="[\d.]+" x2="([\d.]+)"', svg)
        for svg in draw_all([chart(), other], 760)
    ]
    first, second = (found.groups() if found else None for found in axes)
    assert first == second


@pytest.mark.parametrize("points", [[], [(0.0, 1.0)], [(5.0, 1.0), (5.0, 1.0)]])
def test_a_series_of_one_point_or_none_is_drawn_without_dividing_by_zero(
    points: list[tuple[float, float]],
) -> None:
    empty = chart(series=[Series("x", points, "held")], levels=[], marks=[], low=None, high=None)
    parsed(draw(empty, 350))


def test_thinning_keeps_the_outline() -> None:
    points = [(float(x), 1.0) for x in range(10_000)]
    points[4321] = (4321.0, 9.0)
    points[77] = (77.0, -3.0)
    thin = thinned(points, 400)
    assert len(thin) <= 400
    assert {(4321.0, 9.0), (77.0, -3.0)} <= set(thin)
    assert thin == sorted(thin)


def test_smoothing_keeps_a_straight_line_and_calms_a_jagged_one() -> None:
    straight = [(float(x), 2.0 * x) for x in range(50)]
    assert all(
        math.isclose(a[1], b[1]) for a, b in zip(straight, smoothed(straight, 9), strict=True)
    )
    jagged = [(float(x), float(x % 2)) for x in range(50)]
    assert all(0.4 <= y <= 0.6 for _, y in smoothed(jagged, 21)[10:-10])


def test_bars_are_as_long_as_their_values_and_carry_their_intervals() -> None:
    pair = [Bar("a", 2.0, 1.5, 2.5, "model"), Bar("b", 1.0, None, None, "baseline")]
    svg = parsed(draw_bars(Bars("pair", pair), 760))
    first, second = (float(rect.get("width", "0")) for rect in svg.iter(f"{SVG}rect"))
    assert first == pytest.approx(2 * second, rel=0.01)
    assert len(list(svg.iter(f"{SVG}path"))) == 1
