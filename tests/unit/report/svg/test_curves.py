"""Curves: labels that never collide, lines that stay inside, texts that stay texts."""

import itertools
import re
from xml.etree import ElementTree

import pytest

from endonym.report.svg import Chart, Level, Mark, Series, draw_all, text_width, written

SVG = "{http://www.w3.org/2000/svg}"


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


def test_values_have_the_decimals_that_their_size_asks_for() -> None:
    assert [written(each) for each in (0.00123, 1.234, 27_912.0)] == [
        "0.00123",
        "1.23",
        "27\u2009912",
    ]
