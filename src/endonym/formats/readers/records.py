"""JSON lines: one object per line, with its text in a field.

A line that is not an object, or has no string in that field, is rejected with its number and a
reason. What it says of where it comes from goes into `meta` (formats/document.py), also its own
id: the document's id is its line number, as records may have equal ids.
"""

import json
from itertools import islice
from typing import Any

from endonym.formats.config import Source
from endonym.formats.document import Document, Notes, Records, Reject, noted
from endonym.formats.io.content import Content, Origin
from endonym.formats.readers.other_kinds import text_lines

DEFAULT_FIELD = "text"
CONVERSATIONS = {"messages", "conversations", "conversation"}
"""Fields that hold a conversation (data/conversations.py)."""
FOR_CHAT = (
    'conversations, for a phase: [[phase]] with objective = "chat" and data = "FILE" '
    "(docs/phases.md)"
)
COMMENTED = "take out the # of such a line to use it"
LARGE_BYTES = 1 << 20
MAX_PARTS = 500_000
MAX_COMMAS = 2_000_000
"""Large records with more objects and lists, or with more commas, and so with more values, are
rejected: they need 20 times their size in RAM. 64 MiB of text have a million commas."""


class LongInteger(str):
    """An integer of more digits than Python makes a number of (4,300), as it is written."""

    __slots__ = ()


def json_value(line: str) -> Any:
    """A value of JSON. Raises ValueError or RecursionError for what is none."""

    def integer(digits: str) -> int | LongInteger:
        try:
            return int(digits)
        except ValueError:
            return LongInteger(digits)

    try:
        return json.loads(line)
    except json.JSONDecodeError:
        raise  # A second look finds no more, and takes longer.
    except ValueError:  # an integer that is too long
        return json.loads(line, parse_int=integer)


def read_json_lines(content: Content, origin: Origin, source: Source) -> Records:
    """The documents of a JSON lines file."""
    lines, meta = text_lines(content, origin, source, "lines of JSON")
    for item in lines:
        if isinstance(item, Reject):
            yield item
            continue
        number, line = item
        if line.strip():
            yield record(number, line, origin, column=source.column, meta=meta)


def record(
    number: int, line: str, origin: Origin, *, column: str | int | None, meta: Notes
) -> Document | Reject:
    """One line as a document, or why it is rejected."""
    value = value_of(number, line, origin)
    raw = line.encode()
    if isinstance(value, Reject):
        return value
    text, reason, detail = text_of(value, column)
    if reason:
        return origin.reject(reason, f"line {number}: {detail}", record=number, raw=raw)
    notes = noted(value, text=field_of(value, column))
    return origin.document(number, text, raw_bytes=len(raw), meta=meta | notes)


def value_of(number: int, line: str, origin: Origin) -> Any | Reject:
    """The JSON value of one line, or why it is rejected."""
    raw = line.encode()
    if len(raw) > LARGE_BYTES and (what := too_many(line)):
        detail = f"line {number}: more than {what} in one record"
        return origin.reject("too_deep", detail, record=number, raw=raw)
    try:
        return json_value(line)
    except RecursionError:
        detail = f"line {number}: the JSON is too deep, objects within objects without end"
        return origin.reject("too_deep", detail, record=number, raw=raw)
    except ValueError as error:
        if line.lstrip().startswith("#"):
            return origin.reject("commented", COMMENTED, record=number, raw=raw)
        return origin.reject("bad_json", f"line {number}: {error}", record=number, raw=raw)


def too_many(line: str) -> str:
    """Which limit a line of JSON exceeds, as after "more than"; empty if it exceeds none."""
    if line.count("{") + line.count("[") > MAX_PARTS:
        return f"{MAX_PARTS:,} objects and lists"
    return f"{MAX_COMMAS:,} commas" if line.count(",") > MAX_COMMAS else ""


def field_of(value: dict[str, Any], column: str | int | None) -> str:
    """The name of the field that should hold the text."""
    if not isinstance(column, int):
        return column or DEFAULT_FIELD
    return next(islice(value, column - 1, None), f"number {column}")


def text_of(value: Any, column: str | int | None) -> tuple[str, str, str]:
    """The text of a record; if there is none, an empty text, a reason and a sentence."""
    if not isinstance(value, dict):
        return "", "not_object", f"this is a JSON {type(value).__name__}, not an object"
    name = field_of(value, column)
    if name not in value:
        fields = ", ".join(str(key)[:40] for key in list(value)[:8])
        detail = f'there is no field "{name}"; the fields are: {fields}'
        if CONVERSATIONS & value.keys():
            detail += f". These are {FOR_CHAT}"
        return "", "no_text_field", detail
    text = value[name]
    if text is None:
        return "", "", ""
    if not isinstance(text, str) or isinstance(text, LongInteger):
        return "", "text_not_string", f'"{name}" holds a {type(text).__name__}, not a string'
    try:
        text.encode()
    except UnicodeEncodeError:
        return "", "lone_surrogates", f'"{name}" holds escapes of half a character'
    return text, "", ""
