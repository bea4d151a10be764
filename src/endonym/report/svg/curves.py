"""Line charts as inline SVG: axes with round ticks, labels beside their lines that never collide.

Colours are classes of the page's style sheet, so one drawing serves light and dark; every line
also has dashes of its own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from endonym.report.svg.axes import nice_ticks, spread, text_width, tick_labels

Points = Sequence[tuple[float, float]]
Range = tuple[float, float]

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
        """The place of a y value, even beyond the axis."""
        low, high = self.ys
        return self.bottom - (value - low) / (high - low) * (self.bottom - self.top)

    def y_inside(self, value: float) -> float:
        """The place of a y value; beyond the axis, its end."""
        return min(max(self.y(value), self.top), self.bottom)


def draw_all(charts: Sequence[Chart], width: float) -> list[str]:
    """Charts that stand below one another, each as one <svg>; their plots have common edges."""
    is_narrow = width < NARROW
    ranges = [_ranges(chart) for chart in charts]
    left = max((_left(ys) for _, ys in ranges), default=0.0)
    pairs = zip(charts, ranges, strict=True)
    right = max((_right(chart, ys, is_narrow) for chart, (_, ys) in pairs), default=0.0)
    return [
        _draw(chart, Frame(left, width - right, _top(chart), chart.height - 38, *both), width)
        for chart, both in zip(charts, ranges, strict=True)
    ]


def draw(chart: Chart, width: float) -> str:
    """The chart as one <svg>, `width` wide; below 480 its labels are short."""
    return draw_all([chart], width)[0]


def _draw(chart: Chart, frame: Frame, width: float) -> str:
    """All parts of a chart, the lines cut at the plot's edges."""
    is_narrow = width < NARROW
    levels = (_level(each, frame) for each in chart.levels if _is_inside(each.value, frame))
    lines = "".join([*levels, *(_line(series, frame) for series in chart.series)])
    parts = [
        *_axes(chart, frame, is_narrow=is_narrow),
        *_marks(chart, frame),
        _clipped(lines, frame),
        *_ring(chart, frame),
        *_names(chart, frame, is_narrow=is_narrow),
    ]
    return (
        f'<svg class="chart" viewBox="0 0 {width:g} {chart.height:g}" width="{width:g}" '
        f'height="{chart.height:g}" role="img"><title>{escape(chart.title)}</title>'
        f"<desc>{escape(chart.description)}</desc>{''.join(parts)}</svg>"
    )


def _clipped(lines: str, frame: Frame) -> str:
    """An inner <svg> as the plot's window; dots at its edges stay whole."""
    x, y, slack = frame.left - 4, frame.top - 1, 4
    wide, high = frame.right - x + slack, frame.bottom - y + 1
    box = f"{x:.1f} {y:.1f} {wide:.1f} {high:.1f}"
    place = f'x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}"'
    return f'<svg {place} viewBox="{box}" overflow="hidden">{lines}</svg>'


def _ranges(chart: Chart) -> tuple[Range, Range]:
    """What both axes span; never nothing."""
    points = [point for series in chart.series for point in series.points]
    xs = [x for x, _ in points] or [0.0, 1.0]
    values = [y for _, y in points] + [level.value for level in chart.levels]
    low = chart.low if chart.low is not None else min(values, default=0.0)
    high = chart.high if chart.high is not None else max(values, default=1.0)
    if not high > low:
        low, high = low - 0.5, high + 0.5
    return (min(xs), max(xs) if max(xs) > min(xs) else min(xs) + 1), (low, high)


def _left(ys: Range) -> float:
    """Room for the labels of the y axis."""
    return max(text_width(tick) for tick in tick_labels(nice_ticks(*ys, 5))) + 10


def _right(chart: Chart, ys: Range, is_narrow: bool) -> float:
    """Room for the names of the lines."""
    names = [text for text, _, _ in _labels(chart, ys, is_narrow=is_narrow)]
    return max((text_width(name) + 14 for name in names), default=12.0)


def _top(chart: Chart) -> float:
    """Room for the names of the marks, one strip for each kind."""
    return 22.0 + STRIP * len({mark.is_strong for mark in chart.marks})


def _is_inside(value: float, frame: Frame) -> bool:
    return frame.ys[0] <= value <= frame.ys[1]


def _axes(chart: Chart, frame: Frame, *, is_narrow: bool) -> list[str]:
    """Faint lines at round values, and what they stand for."""
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
    """Vertical lines, named in strips above the plot: plain ones below, strong ones on top."""
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
        place = min(max(x, frame.left + half), frame.right - half)
        top = frame.top - (STRIP if plain else 0)
        parts.append(_stroke("best", x1=x, y1=top, x2=x, y2=frame.bottom))
        parts.append(_text(place, top - 5, mark.name, style="label strong", anchor="middle"))
    return parts


def _ring(chart: Chart, frame: Frame) -> list[str]:
    """A ring around the point of each strong mark."""
    rings = [(mark.x, mark.y) for mark in chart.marks if mark.is_strong and mark.y is not None]
    places = [(frame.x(x), frame.y_inside(y)) for x, y in rings]
    return [f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="5.5"/>' for x, y in places]


def _level(level: Level, frame: Frame) -> str:
    y = frame.y(level.value)
    return _stroke(f"level {level.name}", x1=frame.left, y1=y, x2=frame.right, y2=y)


def _line(series: Series, frame: Frame) -> str:
    """A line and its dots."""
    places = [(frame.x(x), frame.y(y)) for x, y in series.points]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    style = escape(series.style)
    drawn = f'<path class="line {style}" d="{path}"/>' if len(places) > 1 else ""
    if not (series.has_dots or len(places) == 1):
        return drawn
    dots = (f'<circle class="dot {style}" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>' for x, y in places)
    return drawn + "".join(dots)


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
        text = (
            name if is_narrow else f"{name} {value:.3g}" if value < 1e-2 else f"{name} {value:.2f}"
        )
        found.append((text + arrow, value, style))
    return found


def _names(chart: Chart, frame: Frame, *, is_narrow: bool) -> list[str]:
    """The lines' names at the right edge, pushed apart, each joined to its line."""
    labels = _labels(chart, frame.ys, is_narrow=is_narrow)
    wanted = [frame.y_inside(value) for _, value, _ in labels]
    places = spread(wanted, GAP, frame.top, frame.bottom)
    parts: list[str] = []
    for (text, _, style), y, place in zip(labels, wanted, places, strict=True):
        parts.append(_stroke("lead", x1=frame.right + 1, y1=y, x2=frame.right + 8, y2=place))
        parts.append(_text(frame.right + 11, place + 4, text, style=style))
    return parts


def _stroke(style: str, *, x1: float, y1: float, x2: float, y2: float) -> str:
    places = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line class="{escape(style)}" {places}/>'


def _text(x: float, y: float, text: str, *, style: str, anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}"'
    return f'<text class="{escape(style)}" {place} text-anchor="{anchor}">{escape(text)}</text>'
