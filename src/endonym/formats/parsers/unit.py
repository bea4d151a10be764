"""A unit of a file as a parser gives it: a page, a chapter, a web page, an article."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Options = Mapping[str, Any]
"""What a reader tells a parser, in values of JSON."""


@dataclass(frozen=True, slots=True)
class Unit:
    """The text of one unit, or why it has none.

    number: its place in the file, from 1; 0 stands for the whole file, or for what is left of it.
    raw_bytes: about how many bytes of the file it takes. reason and detail: as in a Reject, if it
    is not text. data: what only its reader knows, such as the lines of a page.
    """

    number: int
    text: str = ""
    meta: dict[str, str] = field(default_factory=dict)
    raw_bytes: int = 0
    reason: str = ""
    detail: str = ""
    data: Any = None


class WithReason(Exception):
    """Why something cannot be read: a reason to count by, and a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(detail)


class Refused(WithReason):
    """The whole file, or all that is left of it, cannot be read."""
