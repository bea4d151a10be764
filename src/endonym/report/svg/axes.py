"""Axes and labels of a chart: round ticks, widths of texts, positions that do not overlap."""

import math
import unicodedata
from collections.abc import Sequence

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
