"""A page as lines with their places."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

PARTS = 10
"""Of a point: whole numbers pass between processes much faster than others."""


class Line(NamedTuple):
    """A line of text and its box, in points from the page's lower left corner.

    size: of its letters, in points.
    """

    text: str
    left: float
    bottom: float
    right: float
    top: float
    size: float


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a document, in reading order. meta and raw_bytes: as in a Unit."""

    number: int
    height: float
    lines: Sequence[Line]
    meta: dict[str, str] = field(default_factory=dict)
    raw_bytes: int = 0
