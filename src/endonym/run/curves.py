"""Line charts as inline SVG: axes with round ticks, labels beside their lines that never collide.

Colours are classes of the page's style sheet, so one drawing serves light and dark; every line
also has dashes of its own.
"""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

Points = Sequence[tuple[float, float]]

ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
LETTER_WIDTH = 0.57
"""Mean width of a letter of a system font, in font sizes."""

FONT = 12.0
GAP = 15.0
STRIP = 17.0
NARROW = 480.0


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
    """A vertical line. is_strong: the one moment that matters, with a ring at `y`."""

    x: float
    name: str
    y: float | None = None
    is_strong: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """What to draw. low and high bound the y axis; what lies outside is cut and said."""

    title: str
    description: str
    x_name: str
    y_name: str
    series: Sequence[Series]
    levels: Sequence[Level] = ()
    marks: Sequence[Mark] = ()
    low: float | None = None
    high: float | None = None
    height: float = 320.0


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the plot stands, and how values become places."""

    left: float
    right: float
    top: float
    bottom: float
    xs: tuple[float, float]
    ys: tuple[float, float]

    def x(self, value: float) -> float:
        """The place of an x value."""
        low, high = self.xs
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def y(self, value: float) -> float:
        """The place of a y value; beyond the axis, its end."""
        low, high = self.ys
        inside = min(max(value, low), high)
        return self.bottom - (inside - low) / (high - low) * (self.bottom - self.top)


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
    places = next((n for n in range(9) if all(_is_round(v, n) for v in scaled)), 9)
    return [f"{value:.{places}f}{unit if value else ''}" for value in scaled]


def _is_round(value: float, places: int) -> bool:
    return abs(value - round(value, places)) < 1e-9


def text_width(text: str, size: float = FONT) -> float:
    """About how wide a text is drawn: marks take no room, full-width letters two."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    marks = sum(unicodedata.combining(letter) > 0 for letter in text)
    return (len(text) + wide * 0.8 - marks) * LETTER_WIDTH * size


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places at least `gap` apart inside [low, high], as near as possible to those wanted.

    Least squares under the order: isotonic regression of wanted[i] - i · gap by pooling
    neighbours, then cut to the range. If there is no room for the gap, it shrinks.
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
    places = [0.0] * len(wanted)
    for rank, index in enumerate(order):
        places[index] = min(max(free[rank], low), high - (len(order) - 1) * gap) + rank * gap
    return places


def draw(chart: Chart, width: float) -> str:
    """The chart as one <svg>, `width` wide; below 480 its labels are short."""
    is_narrow = width < NARROW
    frame = _frame(chart, width, is_narrow=is_narrow)
    parts = [
        *_axes(chart, frame, is_narrow=is_narrow),
        *_marks(chart, frame),
        *(_level(level, frame) for level in chart.levels if _is_inside(level.value, frame)),
        *(_line(series, frame) for series in chart.series),
        *_ring(chart, frame),
        *_names(chart, frame, is_narrow=is_narrow),
    ]
    return (
        f'<svg class="chart" viewBox="0 0 {width:g} {chart.height:g}" width="{width:g}" '
        f'height="{chart.height:g}" role="img"><title>{escape(chart.title)}</title>'
        f"<desc>{escape(chart.description)}</desc>{''.join(parts)}</svg>"
    )


def _frame(chart: Chart, width: float, *, is_narrow: bool) -> Frame:
    """Margins as wide as the labels need, and the ranges of both axes."""
    points = [point for series in chart.series for point in series.points]
    xs = [x for x, _ in points] or [0.0, 1.0]
    values = [y for _, y in points] + [level.value for level in chart.levels]
    low = chart.low if chart.low is not None else min(values, default=0.0)
    high = chart.high if chart.high is not None else max(values, default=1.0)
    if not high > low:
        low, high = low - 0.5, high + 0.5
    ticks = tick_labels(nice_ticks(low, high, 5))
    names = [text for text, _, _ in _labels(chart, (low, high), is_narrow=is_narrow)]
    right = max((text_width(name) for name in names), default=0.0) + 14 if names else 12.0
    strips = sum(any(mark.is_strong is each for mark in chart.marks) for each in (True, False))
    return Frame(
        left=max(text_width(tick) for tick in ticks) + 10,
        right=width - right,
        top=22.0 + STRIP * strips,
        bottom=chart.height - 38,
        xs=(min(xs), max(xs) if max(xs) > min(xs) else min(xs) + 1),
        ys=(low, high),
    )


def _is_inside(value: float, frame: Frame) -> bool:
    return frame.ys[0] <= value <= frame.ys[1]


def _axes(chart: Chart, frame: Frame, *, is_narrow: bool) -> list[str]:
    """Faint lines at round values, and what they stand for."""
    ticks = nice_ticks(*frame.ys, max(2, int(chart.height / 60)))
    parts = [_text(0, 12, chart.y_name, "name")]
    for tick, label in zip(ticks, tick_labels(ticks), strict=True):
        y = frame.y(tick)
        parts.append(_stroke("grid", frame.left, y, frame.right, y))
        parts.append(_text(frame.left - 8, y + 4, label, "tick", "end"))
    across = nice_ticks(*frame.xs, 3 if is_narrow else 6)
    parts.append(_stroke("axis", frame.left, frame.bottom, frame.right, frame.bottom))
    for tick, label in zip(across, tick_labels(across), strict=True):
        x = frame.x(tick)
        anchor = "end" if x + text_width(label) / 2 > frame.right + 12 else "middle"
        parts.append(_stroke("axis", x, frame.bottom, x, frame.bottom + 4))
        parts.append(_text(x, frame.bottom + 17, label, "tick", anchor))
    middle = (frame.left + frame.right) / 2
    parts.append(_text(middle, chart.height - 4, chart.x_name, "name", "middle"))
    return parts


def _marks(chart: Chart, frame: Frame) -> list[str]:
    """Vertical lines, named in strips above the plot: plain ones below, strong ones on top."""
    plain = [mark for mark in chart.marks if not mark.is_strong]
    parts: list[str] = []
    free = -math.inf
    for mark in sorted(plain, key=lambda mark: mark.x):
        x, half = frame.x(mark.x), text_width(mark.name, 11) / 2
        parts.append(_stroke("epoch", x, frame.top, x, frame.bottom))
        if x - half > free and x + half < frame.right + 12:
            parts.append(_text(x, frame.top - 5, mark.name, "tick", "middle"))
            free = x + half + 6
    for mark in (mark for mark in chart.marks if mark.is_strong):
        x, half = frame.x(mark.x), text_width(mark.name) / 2
        place = min(max(x, frame.left + half), frame.right - half)
        top = frame.top - (STRIP if plain else 0)
        parts.append(_stroke("best", x, top, x, frame.bottom))
        parts.append(_text(place, top - 5, mark.name, "label strong", "middle"))
    return parts


def _ring(chart: Chart, frame: Frame) -> list[str]:
    """A ring around the point of each strong mark."""
    return [
        f'<circle class="ring" cx="{frame.x(mark.x):.1f}" cy="{frame.y(mark.y):.1f}" r="5.5"/>'
        for mark in chart.marks
        if mark.is_strong and mark.y is not None
    ]


def _level(level: Level, frame: Frame) -> str:
    y = frame.y(level.value)
    return _stroke(f"level {level.name}", frame.left, y, frame.right, y)


def _line(series: Series, frame: Frame) -> str:
    """A line, cut where it leaves the plot, and its dots."""
    places = [(frame.x(x), frame.y(y)) for x, y in series.points]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    drawn = f'<path class="line {escape(series.style)}" d="{path}"/>' if len(places) > 1 else ""
    if series.has_dots or len(places) == 1:
        inside = [frame.ys[0] <= y <= frame.ys[1] for _, y in series.points]
        dots = [
            f'<circle class="dot {escape(series.style)}" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>'
            for (x, y), is_in in zip(places, inside, strict=True)
            if is_in
        ]
        drawn += "".join(dots)
    return drawn


def _labels(
    chart: Chart, ys: tuple[float, float], *, is_narrow: bool
) -> list[tuple[str, float, str]]:
    """Text, value and class of each label beside the plot; what lies outside says so."""
    ends = [
        (each.name, each.points[-1][1], f"label {each.style}")
        for each in chart.series
        if each.is_named and each.points
    ]
    ends += [(each.name, each.value, f"label level {each.name}") for each in chart.levels]
    found: list[tuple[str, float, str]] = []
    for name, value, style in ends:
        arrow = " ↑" if value > ys[1] else " ↓" if value < ys[0] else ""
        text = name if is_narrow else f"{name} {value:.3g}" if value < 1e-2 else f"{name} {value:.2f}"
        found.append((text + arrow, value, style))
    return found


def _names(chart: Chart, frame: Frame, *, is_narrow: bool) -> list[str]:
    """The lines' names at the right edge, pushed apart, each joined to its line."""
    labels = _labels(chart, frame.ys, is_narrow=is_narrow)
    wanted = [frame.y(value) for _, value, _ in labels]
    places = spread(wanted, GAP, frame.top, frame.bottom)
    parts: list[str] = []
    for (text, _, style), y, place in zip(labels, wanted, places, strict=True):
        parts.append(_stroke("lead", frame.right + 1, y, frame.right + 8, place))
        parts.append(_text(frame.right + 11, place + 4, text, style))
    return parts


def _stroke(style: str, x1: float, y1: float, x2: float, y2: float) -> str:
    places = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line class="{escape(style)}" {places}/>'


def _text(x: float, y: float, text: str, style: str, anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}"'
    return f'<text class="{escape(style)}" {place} text-anchor="{anchor}">{escape(text)}</text>'
