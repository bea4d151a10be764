"""Reasons of the reader why a record does not become a document.

The rules of cleaning have their own reasons, which are their keys in the recipe.
"""

from collections.abc import Iterable

from endonym.disk import packaged_tables

TABLES = packaged_tables("endonym.formats", "reasons.toml")
READER_REASONS: dict[str, str] = {
    reason: kind for kind, reasons in TABLES["reader"].items() for reason in reasons.split()
}
"""The kind of each reason."""


def in_words(reason: str) -> str:
    """A reason as it stands after a number: "203 too short"."""
    return TABLES["words"].get(reason, reason.replace("_", " "))


def is_unreadable(reason: str) -> bool:
    """Whether the raw file is bad: too large a share of such bytes is an error."""
    return READER_REASONS.get(reason) in ("record", "fault", "file")


def is_one_record(reason: str) -> bool:
    """Whether only one bad record is told by it: a few of them end nothing."""
    return READER_REASONS.get(reason) in ("record", "fault")


def is_unread(reason: str) -> bool:
    """Whether its bytes are left out of that share."""
    return READER_REASONS.get(reason) in ("unread", "passed")


def is_reported(reason: str) -> bool:
    """Whether it is reported file by file."""
    return READER_REASONS.get(reason) in ("fault", "file", "unread")


def needs_ocr(reasons: Iterable[str]) -> bool:
    """Whether one of them is that of a page that OCR may read."""
    return not {"needs_ocr", "bad_text_layer"}.isdisjoint(reasons)
