"""Bars: as long as their values, with their intervals, names and texts."""

from xml.etree import ElementTree

import pytest

from endonym.report.svg.bars import Bar, Bars, draw_bars

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
