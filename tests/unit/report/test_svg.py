"""Charts and bars: labels never collide, lines stay inside, texts stay texts."""

import itertools
import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endonym.report.svg import (
    LONGEST_NAME,
    Bar,
    Bars,
    Chart,
    Mark,
    Series,
    draw_all,
    draw_bars,
    nice_ticks,
    smoothed,
    spread,
    text_width,
    thinned,
    tick_labels,
    written,
)

SVG = "{http://www.w3.org/2000/svg}"


def chart(**changes: object) -> Chart:
    given_ = {
        "title": "Loss",
        "description": "It falls.",
        "x_name": "tokens",
        "y_name": "bits",
        "series": [Series("held-out", [(0, 2.5), (50, 1.8), (100, 1.6)], "held", has_dots=True)],
        "levels": {"uniform": 3.2, "bigram": 1.62, "compressor": 1.58},
        "marks": [Mark(40, "epoch 1"), Mark(100, "best 1.60", 1.6, is_strong=True)],
        "low": 1.5,
        "high": 2.6,
    }
    return Chart(**{**given_, **changes})  # type: ignore[arg-type]


def draw(drawn: Chart, width: float) -> str:
    return draw_all([drawn], width)[0]


def parsed(svg: str) -> ElementTree.Element:
    named = str(svg).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return ElementTree.fromstring(named)


def texts(svg: str) -> list[ElementTree.Element]:
    return list(parsed(svg).iter(f"{SVG}text"))


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
        pairs = ((one[2], other[0]), (other[2], one[0]), (one[3], other[1]), (other[3], one[1]))
        assert any(end <= begin for end, begin in pairs), (one, other)


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


def test_names_in_charts_and_bars_are_escaped() -> None:
    hostile = '"><script>alert(1)</script>'
    drawn = chart(title=hostile, series=[Series(hostile, [(0, 1.6), (9, 1.7)], "held")])
    bars = draw_bars(Bars(hostile, [Bar(hostile, 1.0, None, None, hostile)]), 350)
    for svg in (draw(drawn, 760), bars):
        assert "<script" not in svg
        assert parsed(svg).findtext(f"{SVG}title") == hostile


def test_charts_below_one_another_have_common_edges() -> None:
    other = chart(low=0.0, high=0.001, levels={}, marks=[])
    axis = r'<line class="axis" x1="([\d.]+)" y1="[\d.]+" x2="([\d.]+)"'
    first, second = (re.search(axis, svg).groups() for svg in draw_all([chart(), other], 760))
    assert first == second


@pytest.mark.parametrize("points", [[], [(0.0, 1.0)], [(5.0, 1.0), (5.0, 1.0)]])
def test_a_series_of_one_point_or_none_is_drawn(points: list[tuple[float, float]]):
    empty = chart(series=[Series("x", points, "held")], levels={}, marks=[], low=None, high=None)
    parsed(draw(empty, 350))


def test_values_have_the_decimals_that_their_size_asks_for() -> None:
    found = [written(each) for each in (0.00123, 1.234, 27_912.0)]
    assert found == ["0.00123", "1.23", "27\u202f912"]


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


def test_an_axis_of_one_value_has_one_tick_and_one_of_none_no_labels() -> None:
    assert nice_ticks(3.0, 3.0, 5) == [3.0]
    assert nice_ticks(-0.5, 0.5, 4) == [-0.5, -0.25, 0.0, 0.25, 0.5]
    assert tick_labels([]) == []


def test_marks_take_no_width_and_full_width_letters_nearly_two() -> None:
    assert text_width("ab", 10) == pytest.approx(2 * 5.7)
    assert text_width("e\u0301", 10) == pytest.approx(5.7)
    assert text_width("日", 10) == pytest.approx(1.8 * 5.7)
    assert text_width("") == 0


def test_labels_stay_move_apart_or_share_what_there_is() -> None:
    assert spread([10, 100, 200], 15, 0, 300) == [10, 100, 200]
    assert spread([100, 100], 20, 0, 300) == [90, 110]
    assert spread([5, 5, 5], 100, 0, 10) == [0, 5, 10]
    assert spread([], 15, 0, 300) == []


def test_bars_are_as_long_as_their_values_and_carry_their_intervals() -> None:
    pair = [Bar("a", 2.0, 1.5, 2.5, "model"), Bar("b", 1.0, None, None, "baseline")]
    svg = parsed(draw_bars(Bars("pair", pair), 760))
    first, second = (float(rect.get("width", "0")) for rect in svg.iter(f"{SVG}rect"))
    assert first == pytest.approx(2 * second, rel=0.01)
    assert len(list(svg.iter(f"{SVG}path"))) == 1


def test_the_longest_whisker_ends_at_the_edge_and_its_value_stands_behind_it() -> None:
    """One letter of 13 px is 7.41 wide: bars begin at 19.41 and end at 708, 52 from the edge."""
    svg = parsed(draw_bars(Bars("pair", [Bar("а", 2.0, 1.5, 2.5, "model")]), 760))
    (bar,), (whisker,) = list(svg.iter(f"{SVG}rect")), list(svg.iter(f"{SVG}path"))
    assert (bar.get("x"), bar.get("width")) == ("19.4", "550.9")
    assert "H708.0" in whisker.get("d", "")
    assert whisker.get("d", "").startswith("M432.6 ")
    assert [text.get("x") for text in svg.iter(f"{SVG}text")] == ["7.4", "716.0"]


def test_a_long_name_is_cut_and_those_who_hear_the_chart_get_it_whole() -> None:
    name = "шигырьләр һәм хикәяләр җыентыгы"
    svg = parsed(draw_bars(Bars("озын", [Bar(name, 1.236, None, None, "model")]), 350))
    label, value = (text.text for text in svg.iter(f"{SVG}text"))
    assert label == name[: LONGEST_NAME - 1] + "…"
    assert value == "1.24"
    assert svg.findtext(f"{SVG}desc") == f"{name} 1.24"


def test_no_bars_and_bars_of_nothing_are_drawn_without_dividing_by_zero() -> None:
    assert list(parsed(draw_bars(Bars("буш", []), 350)).iter(f"{SVG}rect")) == []
    svg = parsed(draw_bars(Bars("ноль", [Bar("а", 0.0, None, None, "model")]), 350))
    (bar,) = svg.iter(f"{SVG}rect")
    assert bar.get("width") == "1.0"


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
    for (_, y), (_, mean) in zip(straight, smoothed(straight, 9), strict=True):
        assert math.isclose(y, mean)
    jagged = [(float(x), float(x % 2)) for x in range(50)]
    assert all(0.4 <= y <= 0.6 for _, y in smoothed(jagged, 21)[10:-10])
    diverged = [(0.0, 1.0), (1.0, math.inf), (2.0, math.nan), (3.0, 1.0)]
    assert [x for x, _ in smoothed(diverged, 3)] == [0.0, 3.0]
    assert smoothed([], 3) == smoothed(diverged[1:3], 3) == []


def test_of_each_stretch_the_lowest_and_the_highest_are_kept_in_their_order() -> None:
    points = list(enumerate([3.0, 5.0, 1.0, 4.0, 2.0, 2.0, 9.0, 8.0]))
    assert thinned(points, 4) == [(1, 5.0), (2, 1.0), (4, 2.0), (6, 9.0)]
    assert thinned(points, 8) == points
    assert thinned(points[:3], 3) == points[:3]
    assert thinned([(0.0, 1.0), (1.0, 1.0), (2.0, 1.0)], 2) == [(0.0, 1.0), (2.0, 1.0)]


def test_the_mean_ends_as_calmly_as_it_goes() -> None:
    """The last values of a noisy, falling loss do not stand alone."""
    noise = (0.4 * (-1) ** n for n in range(400))
    points = [(float(n), 2.0 - n / 400 + each) for n, each in enumerate(noise)]
    points[-1] = (399.0, 3.0)
    ends = [abs(y - (2.0 - x / 400)) for x, y in smoothed(points, 41)[-25:]]
    assert max(ends) < 0.25


def test_means_reach_as_far_to_one_side_as_to_the_other() -> None:
    points = [(0.0, 0.0), (1.0, 3.0), (2.0, 6.0), (3.0, 0.0)]
    assert [x for x, _ in smoothed(points, 3)] == [0.0, 1.0, 2.0, 3.0]
    assert [y for _, y in smoothed(points, 3)] == pytest.approx([0.0, 3.0, 3.0, 1.5])
    assert smoothed(points, 1) == smoothed(points, 0) == points
    assert smoothed([], 5) == []
