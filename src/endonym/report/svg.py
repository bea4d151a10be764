"""Line charts and bars as inline SVG: axes with round ticks, and labels that do not overlap.

Colours are classes of the page's style sheet, so one drawing serves light and dark mode.
"""

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from endonym.disk import packaged_tables
from endonym.log import number as whole_number
from endonym.report.formatting import templates

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
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """The powers of ten inside [low, high], above 0; with 2 and 5 times these if they are few."""
    powers = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)
    times = (1, 2, 5) if math.log10(high / low) < 2 else (1,)
    return [tick for n in powers for each in times if low <= (tick := each * 10.0**n) <= high]


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
        mean = wanted[index] - rank * gap
        size = 1
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
class Mark:
    """A vertical line. is_strong: the best validation, with a ring at `y`."""

    x: float
    name: str
    y: float | None = None
    is_strong: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A line chart. low and high bound the y axis; lines are clipped there, labels get an arrow.

    levels: horizontal lines across the chart, such as baselines. left: where the x axis begins, if
    not at the first point. names_at_dots: series are single points, named beside themselves instead
    of at the right edge. has_log_x: the x axis is logarithmic; its values are above 0.
    """

    title: str
    description: str
    y_name: str
    series: Sequence[Series]
    x_name: str = "tokens seen"
    levels: Mapping[str, float] = field(default_factory=dict)
    marks: Sequence[Mark] = ()
    low: float | None = None
    high: float | None = None
    height: float = 320.0
    left: float | None = None
    names_at_dots: bool = False
    has_log_x: bool = False


CHARTS = packaged_tables("endonym.report", "charts.toml")
"""What charts of each kind have alike, as fields of Chart."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The plot's edges, and the positions of values in it."""

    left: float
    right: float
    top: float
    bottom: float
    xs: Range
    ys: Range
    has_log_x: bool = False

    def x(self, value: float) -> float:
        """The position of an x value."""
        low, high = self.xs
        if self.has_log_x:
            low = math.log(low)
            high = math.log(high)
            value = math.log(value)
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def y(self, value: float) -> float:
        """The position of a y value, even beyond the axis."""
        low, high = self.ys
        return self.bottom - (value - low) / (high - low) * (self.bottom - self.top)

    def y_inside(self, value: float) -> float:
        """The position of a y value; beyond the axis, its end."""
        return min(max(self.y(value), self.top), self.bottom)


def draw_all(charts: Sequence[Chart], width: float) -> list[Markup]:
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
    drawn: list[Markup] = []
    for chart, both in pairs:
        # Above the plot: space for the names of the marks, one strip for each kind.
        top = 22.0 + STRIP * len({mark.is_strong for mark in chart.marks})
        frame = Frame(left, right, top, chart.height - 38, *both, has_log_x=chart.has_log_x)
        drawn.append(_draw(chart, frame, width))
    return drawn


def _macros() -> Any:
    """What writes the drawings."""
    return templates().get_template("svg.html").module


def _draw(chart: Chart, frame: Frame, width: float) -> Markup:
    """All parts of a chart, the lines clipped at the plot's edges."""
    is_narrow = width < NARROW
    down = nice_ticks(*frame.ys, max(3, int(chart.height / 60)))
    across = nice_ticks(*frame.xs, 3 if is_narrow else 6)
    labels = tick_labels(across)
    if chart.has_log_x:
        across = log_ticks(*frame.xs)
        labels = [tick_labels([tick])[0] for tick in across]
    x_ticks: list[tuple[float, str, str]] = []
    for tick, label in zip(across, labels, strict=True):
        x = frame.x(tick)
        is_last = x + text_width(label) / 2 > frame.right + 12
        x_ticks.append((x, label, "end" if is_last else "middle"))
    named = _dot_names if chart.names_at_dots else _names
    return _macros().chart(
        chart,
        frame,
        width,
        y_ticks=zip(map(frame.y, down), tick_labels(down), strict=True),
        x_ticks=x_ticks,
        marks=_marks(chart, frame),
        labels=named(chart, frame, is_narrow=is_narrow),
    )


def _ranges(chart: Chart) -> tuple[Range, Range]:
    """The ranges of both axes, each longer than zero."""
    points = [point for series in chart.series for point in series.points]
    xs = [x for x, _ in points] or [0.0, 1.0]
    values = [y for _, y in points] + [*chart.levels.values()]
    low = chart.low if chart.low is not None else min(values, default=0.0)
    high = chart.high if chart.high is not None else max(values, default=1.0)
    if not high > low:
        low = low - 0.5
        high = high + 0.5
    first = min(xs) if chart.left is None else chart.left
    return (first, max(xs) if max(xs) > first else first + 1), (low, high)


def _marks(chart: Chart, frame: Frame) -> list[tuple[str, float, float, float, str, str]]:
    """Vertical lines with names above the plot: strong ones in a strip of their own, on top.

    Each as its class, where it stands and begins, where its name stands, the name (empty if it
    would lie over another one) and the name's class.
    """
    marks: list[tuple[str, float, float, float, str, str]] = []
    free = -math.inf
    for mark in sorted((each for each in chart.marks if not each.is_strong), key=lambda m: m.x):
        x = frame.x(mark.x)
        half = text_width(mark.name, 11) / 2
        is_named = x - half > free and x + half < frame.right + 12
        free = x + half + 6 if is_named else free
        marks.append(("epoch", x, frame.top, x, mark.name if is_named else "", "tick"))
    top = frame.top - (STRIP if marks else 0)
    for mark in (mark for mark in chart.marks if mark.is_strong):
        x = frame.x(mark.x)
        half = text_width(mark.name) / 2
        name_x = min(max(x, frame.left + half), frame.right - half)
        marks.append(("best", x, top, name_x, mark.name, "label strong"))
    return marks


def _labels(chart: Chart, ys: Range, *, is_narrow: bool) -> list[tuple[str, float, str]]:
    """Text, value and class of each label beside the plot; an arrow points to values outside."""
    ends = [
        (each.name, each.points[-1][1], f"label {each.style}")
        for each in chart.series
        if each.is_named and each.points
    ]
    ends += [(name, value, f"label level {name}") for name, value in chart.levels.items()]
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


class Label(NamedTuple):
    """A name that a short line joins to what it names: from (x1, y1) to (x2, y2)."""

    x1: float
    y1: float
    x2: float
    y2: float
    text_x: float
    text: str
    style: str
    anchor: str = "start"


def _names(chart: Chart, frame: Frame, *, is_narrow: bool) -> list[Label]:
    """The labels at the right edge, spread so that none overlap, each joined to its line."""
    labels = _labels(chart, frame.ys, is_narrow=is_narrow)
    right = frame.right
    wanted = [frame.y_inside(value) for _, value, _ in labels]
    label_ys = spread(wanted, GAP, frame.top, frame.bottom)
    return [
        Label(right + 1, y, right + 8, label_y, right + 11, text, style)
        for (text, _, style), y, label_y in zip(labels, wanted, label_ys, strict=True)
    ]


def _dot_names(chart: Chart, frame: Frame, *, is_narrow: bool) -> list[Label]:
    """A name beside each dot, on the side that has space, spread so that none overlap."""
    middle = (frame.left + frame.right) / 2
    out = 6.0 if is_narrow else 14.0
    dots = [(frame.x(x), frame.y_inside(y)) for each in chart.series for x, y in each.points]
    label_ys = spread([y for _, y in dots], GAP, frame.top, frame.bottom)
    labels: list[Label] = []
    for each, (x, y), label_y in zip(chart.series, dots, label_ys, strict=True):
        side, anchor = (1, "start") if x < middle else (-1, "end")
        end = x + side * out
        style = f"label {each.style}"
        text_x = end + side * 2
        labels.append(Label(x + side * 3, y, end, label_y, text_x, each.name, style, anchor))
    return labels


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
    are noisy, is shown alone. Values that are not finite are left out.
    """
    points = [point for point in points if math.isfinite(point[1])]
    if not points:
        return []
    half = max(0, window // 2)
    xs, ys = np.array(points, dtype=np.float64).T
    place = np.arange(len(ys))
    sums = np.append(0.0, ys.cumsum())
    reach = np.minimum(half, np.minimum(place, place[::-1]))
    means = (sums[place + reach + 1] - sums[place - reach]) / (2 * reach + 1)
    first = max(half, len(ys) - half)
    near = place[-2 * half - 1 :]
    if first < len(ys):
        means[first:] = np.polyval(np.polyfit(near, ys[near], 1), place[first:])
    return list(zip(xs.tolist(), means.tolist(), strict=True))


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

    @property
    def end(self) -> float:
        """Where it ends with its whisker."""
        return self.value if self.high is None else max(self.value, self.high)


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars that are compared with one another."""

    title: str
    bars: Sequence[Bar]

    @property
    def description(self) -> str:
        """What they show, for those who cannot see them."""
        return ", ".join(f"{bar.name} {bar.value:.2f}" for bar in self.bars)


def draw_bars(bars: Bars, width: float) -> Markup:
    """The chart as one <svg>, `width` wide."""
    names = [
        each.name if len(each.name) <= LONGEST_NAME else each.name[: LONGEST_NAME - 1] + "…"
        for each in bars.bars
    ]
    return _macros().bars(
        bars,
        names,
        width,
        left=max((text_width(name, BAR_FONT) for name in names), default=0.0) + 12,
        right=width - 52,
        largest=max((bar.end for bar in bars.bars), default=0.0) or 1.0,
    )
