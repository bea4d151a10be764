"""The report's closer look at a text: by position and length, calibration, surprise of tokens."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from endonym.cleaning.personal import showable
from endonym.evaluate.breakdown import Bin, Surprise, calibration_error
from endonym.evaluate.tables import span
from endonym.log import number
from endonym.report.formatting import decimal, shown
from endonym.report.scores import text_title
from endonym.report.svg import CHARTS, Bar, Bars, Chart, Series
from endonym.serve.pieces import SURPRISE_BITS

PLACES = {"position": "By position", "length": "By length"}
PIECE = re.compile(r"([\s\u200b]*)(.*?)([\s\u200b]*)", re.DOTALL)
"""Blanks are not coloured: at the end of a line nobody sees what they are."""


@dataclass(frozen=True, slots=True)
class Part:
    """Bars and the lines of a table, heads first."""

    title: str
    bars: Bars
    rows: list[list[str]]


@dataclass(frozen=True, slots=True)
class Closely:
    """What the page shows of one text, read in one way.

    calibration: the chart, its figures (mean probability of the likeliest token, share of places
    where it stands, expected calibration error) and its table; None without tokens. texts: each
    with its source, and its pieces as the blanks before, the word, the blanks after, the number of
    its colour, and bits.
    """

    title: str
    unit: str
    parts: list[Part]
    calibration: dict[str, Any] | None
    texts: list[dict[str, Any]]


def closely(
    found: Sequence[Bin], surprises: Sequence[Surprise], language: str = ""
) -> list[Closely]:
    """A closer look at each text that was judged. language: of the texts, for personal data."""
    every = list[Closely]()
    for split, text in dict.fromkeys((each.split, each.text) for each in found):
        own = [each for each in found if (each.split, each.text) == (split, text)]
        by = {name: [each for each in own if each.by == name] for name in PLACES}
        parts = [_part(name, each) for name, each in by.items() if len(each) > 1]
        chances = [each for each in own if each.by == "confidence"]
        coloured = [
            _coloured(each, language)
            for each in surprises
            if (each.split, each.text) == (split, text)
        ]
        title = text_title(split, text)
        every.append(Closely(title, text, parts, _calibration(chances), coloured))
    return every


def _part(by: str, found: Sequence[Bin]) -> Part:
    """Bits per byte by position or by length."""
    rows = [["bytes", "bits/byte", "95 %", "of bytes", f"{found[0].text}s"]]
    total = sum(each.size for each in found)
    for each in found:
        sizes = [f"{100 * each.size / total:.1f} %", number(each.n_documents)]
        rows.append([_range(each), decimal(each.value, 3), span(each, ".3f"), *sizes])
    bars = [Bar(_range(each), each.value, each.low, each.high, "model") for each in found]
    return Part(PLACES[by], Bars(f"Bits per byte by {by}", bars), rows)


def _range(each: Bin) -> str:
    """The bytes of a bin."""
    if each.end is None:
        return f"from {number(int(each.begin))}"
    return f"{number(int(each.begin))}–{number(int(each.end))}"


def _calibration(found: Sequence[Bin]) -> dict[str, Any] | None:
    """The reliability curve, in per cent; None without tokens."""
    error = calibration_error(found)
    if error is None:
        return None
    points = [(100 * (each.expected or 0.0), 100 * each.value) for each in found]
    tokens = sum(each.size for each in found)
    mean, right = (
        sum(each.size * point[axis] for each, point in zip(found, points, strict=True)) / tokens
        for axis in (0, 1)
    )
    rows = [["probability", "on average", "right", "95 %", "tokens"]]
    for each, (expected, share) in zip(found, points, strict=True):
        name = f"{100 * each.begin:.0f}–{100 * (each.end or 1):.0f} %"
        ends = span(each, ".1%").replace("%", " %")
        rows.append([name, f"{expected:.1f} %", f"{share:.1f} %", ends, number(each.size)])
    chart = Chart(
        **CHARTS["calibration"],
        description=" ".join(f"At {x:.0f} %: {y:.0f} %." for x, y in points),
        series=[
            Series("calibrated", [(0.0, 0.0), (100.0, 100.0)], "rate", is_named=False),
            Series("model", points, "held", is_named=False, has_dots=True),
        ],
    )
    return {"error": error, "mean": mean, "right": right, "chart": chart, "rows": rows}


def _coloured(found: Surprise, language: str) -> dict[str, Any]:
    """A text as a page can show it, without personal data: see `Closely`."""
    whole = "".join(text for text, _ in found.pieces)
    public = shown(showable(whole, slice(0, len(whole)), language))
    done = 0
    pieces = list[tuple[str, str, str, int, float]]()
    for text, bits in found.pieces:
        piece = PIECE.fullmatch(public[done : done + len(text)])
        assert piece is not None, "it matches every text"
        done += len(text)
        before, word, after = piece.groups()
        pieces.append((before, word, after, bisect_right(SURPRISE_BITS, bits), bits))
    return {"source": found.source, "pieces": pieces, "is_cut": found.is_cut}
