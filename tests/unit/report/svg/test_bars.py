"""Bars: as long as their values, with their intervals, names and texts."""

from xml.etree import ElementTree

import pytest

from endonym.report.svg import LONGEST_NAME, Bar, Bars, draw_bars

SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(
        svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    )


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


def test_names_of_bars_are_escaped() -> None:
    hostile = '"><script>alert(1)</script>'
    svg = draw_bars(Bars(hostile, [Bar(hostile, 1.0, None, None, hostile)]), 350)
    assert "<script" not in svg
    assert parsed(svg).findtext(f"{SVG}title") == hostile
