"""Bar charts as inline SVG: values from zero, with their intervals as whiskers."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from endonym.report.svg.axes import text_width

ROW = 27.0
THICK = 13.0
FONT = 13.0
LONGEST_NAME = 22


@dataclass(frozen=True, slots=True)
class Bar:
    """A value, its 95 % interval if there is one, and the class that colours it."""

    name: str
    value: float
    low: float | None
    high: float | None
    style: str


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars that are compared with one another."""

    title: str
    bars: Sequence[Bar]


def draw_bars(bars: Bars, width: float) -> str:
    """The chart as one <svg>, `width` wide."""
    names = [
        each.name if len(each.name) <= LONGEST_NAME else each.name[: LONGEST_NAME - 1] + "…"
        for each in bars.bars
    ]
    left = max((text_width(name, FONT) for name in names), default=0.0) + 12
    right = width - 52
    largest = max((_end(bar) for bar in bars.bars), default=0.0) or 1.0
    height = ROW * len(bars.bars) + 4
    parts: list[str] = []
    for row, (bar, name) in enumerate(zip(bars.bars, names, strict=True)):
        middle = ROW * row + ROW / 2 + 2
        parts += _bar(bar, name, (left, right, largest), middle)
    description = ", ".join(f"{bar.name} {bar.value:.2f}" for bar in bars.bars)
    return (
        f'<svg class="bars" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img"><title>{escape(bars.title)}</title>'
        f"<desc>{escape(description)}</desc>{''.join(parts)}</svg>"
    )


def _end(bar: Bar) -> float:
    """Where the bar with its whisker ends."""
    return bar.value if bar.high is None else max(bar.value, bar.high)


def _bar(bar: Bar, name: str, scale: tuple[float, float, float], middle: float) -> list[str]:
    """Name, bar, whisker and value of one row. scale: left edge, right edge, largest value."""
    left, right, largest = scale
    span = right - left
    long = max(1.0, bar.value / largest * span)
    edge = left + _end(bar) / largest * span
    parts = [
        f'<text class="label" x="{left - 12:.1f}" y="{middle + 4:.1f}" text-anchor="end">'
        f"{escape(name)}</text>",
        f'<rect class="bar {escape(bar.style)}" x="{left:.1f}" y="{middle - THICK / 2:.1f}" '
        f'width="{long:.1f}" height="{THICK:g}" rx="1.5"/>',
        f'<text class="value {escape(bar.style)}" x="{edge + 8:.1f}" y="{middle + 4:.1f}">'
        f"{bar.value:.2f}</text>",
    ]
    if bar.low is not None and bar.high is not None:
        low, high = left + bar.low / largest * span, left + bar.high / largest * span
        path = (
            f"M{low:.1f} {middle - 4:.1f}V{middle + 4:.1f}M{low:.1f} {middle:.1f}H{high:.1f}"
            f"M{high:.1f} {middle - 4:.1f}V{middle + 4:.1f}"
        )
        parts.append(f'<path class="whisker" d="{path}"/>')
    return parts
