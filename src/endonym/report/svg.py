"""Line charts and bars as inline SVG: axes with round ticks, and labels that do not overlap.

Colours are classes of the page's style sheet, so one drawing serves light and dark mode.
"""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from endonym.log import number as whole_number

ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
LETTER_WIDTH = 0.57
"""Mean width of a letter of a system font, in font sizes."""

FONT = 12.0


def nice_ticks(low: float, high: float, count: int) -> list[float]:
    """Round values inside [low, high], about `count` of them, at steps of 1, 2, 2.5 or 5."""
    if not high > low:
        return [low]
    rough = (high - low) / max(1, count)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(each * power for each in ROUND if each * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """Ticks with as many decimals as they need together; thousands as k, M, G."""
    largest = max((abs(tick) for tick in ticks), default=0.0)
    units = ((1e9, "\u202fG"), (1e6, "\u202fM"), (1e3, "\u202fk"), (1.0, ""))
    scale, unit = next((each for each in units if largest >= each[0]), (1.0, ""))
    scaled = [tick / scale for tick in ticks]
    decimals = next((n for n in range(9) if all(abs(v - round(v, n)) < 1e-9 for v in scaled)), 9)
    return [f"{value:.{decimals}f}{unit}" if value else "0" for value in scaled]


def text_width(text: str, size: float = FONT) -> float:
    """About how wide a text is drawn: marks take no width, full-width letters two."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    marks = sum(unicodedata.combining(letter) > 0 for letter in text)
    return (len(text) + wide * 0.8 - marks) * LETTER_WIDTH * size


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions at least `gap` apart inside [low, high], as near as possible to those wanted.

    Isotonic least-squares regression of wanted[i] - i · gap by pooling neighbours, clipped to the
    range. If the gaps do not fit, they shrink.
    """
    if not wanted:
        return []
    gap = min(gap, (high - low) / max(1, len(wanted) - 1))
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    pools: list[tuple[float, int]] = []
    for rank, index in enumerate(order):
        mean, size = wanted[index] - rank * gap, 1
        while pools and pools[-1][0] > mean:
            before, members = pools.pop()
            mean = (before * members + mean * size) / (members + size)
            size += members
        pools.append((mean, size))
    free = [mean for mean, size in pools for _ in range(size)]
    positions = [0.0] * len(wanted)
    for rank, index in enumerate(order):
        positions[index] = min(max(free[rank], low), high - (len(order) - 1) * gap) + rank * gap
    return positions


Points = Sequence[tuple[float, float]]
Range = tuple[float, float]

GAP = 15.0
STRIP = 17.0
NARROW = 480.0
WHOLE = 1_000.0
"""From here on decimals say nothing."""


@dataclass(frozen=True, slots=True)
class Series:
    """A line. style: its class in the page; has_dots: each point was measured on its own."""

    name: str
    points: Points
    style: str
    has_dots: bool = False
    is_named: bool = True


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line across the chart, such as a baseline."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line. is_strong: the best validation, with a ring at `y`."""

    x: float
    name: str
    y: float | None = None
    is_strong: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A line chart. low and high bound the y axis; lines are clipped there, labels get an arrow.

    left: where the x axis begins, if not at the first point. names_at_dots: series are single
    points, named beside themselves instead of at the right edge.
    """

    title: str
    description: str
    y_name: str
    series: Sequence[Series]
    x_name: str = "tokens seen"
    levels: Sequence[Level] = ()
    marks: Sequence[Mark] = ()
    low: float | None = None
    high: float | None = None
    height: float = 320.0
    left: float | None = None
    names_at_dots: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """The plot's edges, and the positions of values in it."""

    left: float
    right: float
    top: float
    bottom: float
    xs: Range
    ys: Range

    def x(self, value: float) -> float:
        """The position of an x value."""
        low, high = self.xs
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def y(self, value: float) -> float:
        """The position of a y value, even beyond the axis."""
        low, high = self.ys
        return self.bottom - (value - low) / (high - low) * (self.bottom - self.top)

    def y_inside(self, value: float) -> float:
        """The position of a y value; beyond the axis, its end."""
        return min(max(self.y(value), self.top), self.bottom)


def draw_all(charts: Sequence[Chart], width: float) -> list[str]:
    """Charts one below another, each as one <svg>; left and right edges of the plots align.

    Labels are short if the width is below NARROW.
    """
    is_narrow = width < NARROW
    ranges = [_ranges(chart) for chart in charts]
    ticks = [tick for _, ys in ranges for tick in tick_labels(nice_ticks(*ys, 5))]
    left = max(map(text_width, ticks), default=0.0) + 10
    pairs = list(zip(charts, ranges, strict=True))
    beside = [(chart, ys) for chart, (_, ys) in pairs if not chart.names_at_dots]
    labels = [label for chart, ys in beside for label in _labels(chart, ys, is_narrow=is_narrow)]
    right = width - max((text_width(name) + 14 for name, _, _ in labels), default=12.0)
    drawn: list[str] = []
    for chart, both in pairs:
        # Above the plot: space for the names of the marks, one strip for each kind.
        top = 22.0 + STRIP * len({mark.is_strong for mark in chart.marks})
        drawn.append(_draw(chart, Frame(left, right, top, chart.height - 38, *both), width))
    return drawn


def _draw(chart: Chart, frame: Frame, width: float) -> str:
    """All parts of a chart, the lines clipped at the plot's edges."""
    is_narrow = width < NARROW
    lines: list[str] = []
    for level in chart.levels:
        if frame.ys[0] <= level.value <= frame.ys[1]:
            y, style = frame.y(level.value), f"level {level.name}"
            lines.append(_stroke(style, x1=frame.left, y1=y, x2=frame.right, y2=y))
    lines += [_line(series, frame) for series in chart.series]
    # An inner <svg> clips; it is 4 wider than the plot, so that dots at the edges stay whole.
    x, y = frame.left - 4, frame.top - 1
    wide, high = frame.right - x + 4, frame.bottom - y + 1
    box = f"{x:.1f} {y:.1f} {wide:.1f} {high:.1f}"
    bounds = f'x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}"'
    parts = [
        *_axes(chart, frame, is_narrow=is_narrow),
        *_marks(chart, frame),
        f'<svg {bounds} viewBox="{box}" overflow="hidden">{"".join(lines)}</svg>',
    ]
    for mark in chart.marks:
        if mark.is_strong and mark.y is not None:
            x, y = frame.x(mark.x), frame.y_inside(mark.y)
            parts.append(f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="5.5"/>')
    named = _dot_names if chart.names_at_dots else _names
    parts += named(chart, frame, is_narrow=is_narrow)
    said = (chart.title, chart.description)
    return _svg("chart", said, parts, width=width, height=chart.height)


def _svg(
    kind: str, said: tuple[str, str], parts: Sequence[str], *, width: float, height: float
) -> str:
    """A whole drawing. said: its title, and its description for those who cannot see it."""
    title, description = map(escape, said)
    return (
        f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img"><title>{title}</title>'
        f"<desc>{description}</desc>{''.join(parts)}</svg>"
    )


def _ranges(chart: Chart) -> tuple[Range, Range]:
    """The ranges of both axes, each longer than zero."""
    points = [point for series in chart.series for point in series.points]
    xs = [x for x, _ in points] or [0.0, 1.0]
    values = [y for _, y in points] + [level.value for level in chart.levels]
    low = chart.low if chart.low is not None else min(values, default=0.0)
    high = chart.high if chart.high is not None else max(values, default=1.0)
    if not high > low:
        low, high = low - 0.5, high + 0.5
    first = min(xs) if chart.left is None else chart.left
    return (first, max(xs) if max(xs) > first else first + 1), (low, high)


def _axes(chart: Chart, frame: Frame, *, is_narrow: bool) -> list[str]:
    """Grid lines, ticks and the names of both axes."""
    ticks = nice_ticks(*frame.ys, max(3, int(chart.height / 60)))
    parts = [_text(0, 12, chart.y_name, style="name")]
    for tick, label in zip(ticks, tick_labels(ticks), strict=True):
        y = frame.y(tick)
        parts.append(_stroke("grid", x1=frame.left, y1=y, x2=frame.right, y2=y))
        parts.append(_text(frame.left - 8, y + 4, label, style="tick", anchor="end"))
    across = nice_ticks(*frame.xs, 3 if is_narrow else 6)
    parts.append(_stroke("axis", x1=frame.left, y1=frame.bottom, x2=frame.right, y2=frame.bottom))
    for tick, label in zip(across, tick_labels(across), strict=True):
        x = frame.x(tick)
        anchor = "end" if x + text_width(label) / 2 > frame.right + 12 else "middle"
        parts.append(_stroke("axis", x1=x, y1=frame.bottom, x2=x, y2=frame.bottom + 4))
        parts.append(_text(x, frame.bottom + 17, label, style="tick", anchor=anchor))
    middle = (frame.left + frame.right) / 2
    parts.append(_text(middle, chart.height - 4, chart.x_name, style="name", anchor="middle"))
    return parts


def _marks(chart: Chart, frame: Frame) -> list[str]:
    """Vertical lines with names above the plot: strong ones in a strip of their own, on top."""
    plain = [mark for mark in chart.marks if not mark.is_strong]
    parts: list[str] = []
    free = -math.inf
    for mark in sorted(plain, key=lambda mark: mark.x):
        x, half = frame.x(mark.x), text_width(mark.name, 11) / 2
        parts.append(_stroke("epoch", x1=x, y1=frame.top, x2=x, y2=frame.bottom))
        if x - half > free and x + half < frame.right + 12:
            parts.append(_text(x, frame.top - 5, mark.name, style="tick", anchor="middle"))
            free = x + half + 6
    for mark in (mark for mark in chart.marks if mark.is_strong):
        x, half = frame.x(mark.x), text_width(mark.name) / 2
        label_x = min(max(x, frame.left + half), frame.right - half)
        top = frame.top - (STRIP if plain else 0)
        parts.append(_stroke("best", x1=x, y1=top, x2=x, y2=frame.bottom))
        parts.append(_text(label_x, top - 5, mark.name, style="label strong", anchor="middle"))
    return parts


def _line(series: Series, frame: Frame) -> str:
    """A line and its dots."""
    points = [(frame.x(x), frame.y(y)) for x, y in series.points]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    style = escape(series.style)
    drawn = f'<path class="line {style}" d="{path}"/>' if len(points) > 1 else ""
    if not (series.has_dots or len(points) == 1):
        return drawn
    dots = (f'<circle class="dot {style}" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>' for x, y in points)
    return drawn + "".join(dots)


def _labels(chart: Chart, ys: Range, *, is_narrow: bool) -> list[tuple[str, float, str]]:
    """Text, value and class of each label beside the plot; an arrow points to values outside."""
    ends = [
        (each.name, each.points[-1][1], f"label {each.style}")
        for each in chart.series
        if each.is_named and each.points
    ]
    ends += [(level.name, level.value, f"label level {level.name}") for level in chart.levels]
    labels: list[tuple[str, float, str]] = []
    for name, value, style in ends:
        number = "" if is_narrow else f" {written(value)}"
        arrow = " ↑" if value > ys[1] else " ↓" if value < ys[0] else ""
        labels.append((name + number + arrow, value, style))
    return labels


def written(value: float) -> str:
    """A value with as many decimals as its size asks for."""
    if abs(value) >= WHOLE:
        return whole_number(value)
    return f"{value:.3g}" if value < 1e-2 else f"{value:.2f}"


def _names(chart: Chart, frame: Frame, *, is_narrow: bool) -> list[str]:
    """The labels at the right edge, spread so that none overlap, each joined to its line."""
    labels = _labels(chart, frame.ys, is_narrow=is_narrow)
    wanted = [frame.y_inside(value) for _, value, _ in labels]
    label_ys = spread(wanted, GAP, frame.top, frame.bottom)
    parts: list[str] = []
    for (text, _, style), y, label_y in zip(labels, wanted, label_ys, strict=True):
        parts.append(_stroke("lead", x1=frame.right + 1, y1=y, x2=frame.right + 8, y2=label_y))
        parts.append(_text(frame.right + 11, label_y + 4, text, style=style))
    return parts


def _dot_names(chart: Chart, frame: Frame, *, is_narrow: bool) -> list[str]:
    """A name beside each dot, on the side that has space, spread so that none overlap."""
    middle, out = (frame.left + frame.right) / 2, 6.0 if is_narrow else 14.0
    dots = [(frame.x(x), frame.y_inside(y)) for each in chart.series for x, y in each.points]
    label_ys = spread([y for _, y in dots], GAP, frame.top, frame.bottom)
    parts: list[str] = []
    for each, (x, y), label_y in zip(chart.series, dots, label_ys, strict=True):
        side, anchor = (1, "start") if x < middle else (-1, "end")
        end = x + side * out
        parts.append(_stroke("lead", x1=x + side * 3, y1=y, x2=end, y2=label_y))
        style = f"label {each.style}"
        parts.append(_text(end + side * 2, label_y + 4, each.name, style=style, anchor=anchor))
    return parts


def _stroke(style: str, *, x1: float, y1: float, x2: float, y2: float) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line class="{escape(style)}" {ends}/>'


def _text(x: float, y: float, text: str, *, style: str, anchor: str = "start") -> str:
    xy = f'x="{x:.1f}" y="{y:.1f}"'
    return f'<text class="{escape(style)}" {xy} text-anchor="{anchor}">{escape(text)}</text>'


def thinned(points: Points, limit: int) -> list[tuple[float, float]]:
    """At most `limit` points that keep the outline: the lowest and highest of each stretch."""
    if len(points) <= limit:
        return list(points)
    parts = max(1, limit // 2)
    kept: list[tuple[float, float]] = []
    for part in range(parts):
        stretch = points[part * len(points) // parts : (part + 1) * len(points) // parts]
        by_value = sorted(stretch, key=lambda point: point[1])
        kept += sorted({by_value[0], by_value[-1]})
    return kept


def smoothed(points: Points, window: int) -> list[tuple[float, float]]:
    """Each value replaced by the mean of the `window` values around it.

    At the start, where a loss falls steeply, the mean is of fewer values, as many on each side. At
    the end it is the straight line through the last `window` values, so that none of them, which
    are noisy, is shown alone.
    """
    if not points:
        return []
    half = max(0, window // 2)
    xs, ys = np.array(points, dtype=np.float64).T
    place, sums = np.arange(len(ys)), np.append(0.0, ys.cumsum())
    reach = np.minimum(half, np.minimum(place, place[::-1]))
    means = (sums[place + reach + 1] - sums[place - reach]) / (2 * reach + 1)
    first, near = max(half, len(ys) - half), place[-2 * half - 1 :]
    if first < len(ys):
        means[first:] = np.polyval(np.polyfit(near, ys[near], 1), place[first:])
    return list(zip(xs.tolist(), means.tolist(), strict=True))


ROW = 27.0
THICK = 13.0
BAR_FONT = 13.0
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
    left = max((text_width(name, BAR_FONT) for name in names), default=0.0) + 12
    right = width - 52
    largest = max((_end(bar) for bar in bars.bars), default=0.0) or 1.0
    height = ROW * len(bars.bars) + 4
    parts: list[str] = []
    for row, (bar, name) in enumerate(zip(bars.bars, names, strict=True)):
        middle = ROW * row + ROW / 2 + 2
        parts += _bar(bar, name, (left, right, largest), middle)
    description = ", ".join(f"{bar.name} {bar.value:.2f}" for bar in bars.bars)
    return _svg("bars", (bars.title, description), parts, width=width, height=height)


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
        _text(left - 12, middle + 4, name, style="label", anchor="end"),
        f'<rect class="bar {escape(bar.style)}" x="{left:.1f}" y="{middle - THICK / 2:.1f}" '
        f'width="{long:.1f}" height="{THICK:g}" rx="1.5"/>',
        _text(edge + 8, middle + 4, f"{bar.value:.2f}", style=f"value {bar.style}"),
    ]
    if bar.low is not None and bar.high is not None:
        low, high = left + bar.low / largest * span, left + bar.high / largest * span
        path = (
            f"M{low:.1f} {middle - 4:.1f}V{middle + 4:.1f}M{low:.1f} {middle:.1f}H{high:.1f}"
            f"M{high:.1f} {middle - 4:.1f}V{middle + 4:.1f}"
        )
        parts.append(f'<path class="whisker" d="{path}"/>')
    return parts
