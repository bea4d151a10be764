"""What bytes are, by how they begin, whatever the name of their file says."""

import codecs
import csv
import json

import regex

from endonym.disk import packaged_tables

SIGNS = packaged_tables("endonym.formats.io", "kinds.toml")
IN_ZIP: dict[str, str] = SIGNS["in_zip"]
"""What stands near the beginning of archives that are documents, and what these are."""
ZIP = b"PK\x03\x04"
ZIP_HEAD_BYTES = 4_096
SIGN_BYTES = 512
HTML = regex.compile(
    rb"(?i)\s*+(?:<\?xml[^>]*+>\s*+)?+(?:(?><!--.*?-->)\s*+)*+(?:<!doctype html|<html|<head|<body)",
    regex.S,
)
"""Nothing that was matched is tried again: of many comments there would be 2^n readings."""
XML = regex.compile(rb"\s*+<(?:\?xml|!DOCTYPE|[A-Za-z][\w:.-]*+[\s>/])")
ARRAY = regex.compile(
    rb"\s*+\[\s*+(?:[\{\"\]]|$|\[[\s\[]*+(?:[-\d\{\"\]]|(?:true|false|null)\b|$))"
)

OWN_PAGE = b'<meta name="generator" content="endonym">'
"""What the pages of `report/` say of themselves: they quote texts and are none."""

OBJECT = regex.compile(rb'\{[^\S\n]*+\n\s*+"[^"\n]*+"\s*+:')
NAMED = regex.compile(rb'\{\s*+"[^"\n]*+"\s*+:')
CONTROL = regex.compile(r"[\0-\x08\x0E-\x1F\uFFFD]")
MOST_OF_LINE = 1 << 16
TEXT_BYTES = 1 << 16
TABLE_LINES = 5


def binary_kind(head: bytes) -> str:
    """What a file is that is no text, in words; empty if it may be one."""
    if head.startswith(ZIP):
        near = head[:ZIP_HEAD_BYTES].decode("latin-1")
        return next((what for sign, what in IN_ZIP.items() if sign in near), "a zip archive")
    signs = head[:SIGN_BYTES].decode("latin-1")
    for what, begins in SIGNS["begin"].items():
        if signs.startswith(tuple(begins)):
            return what
    for each in SIGNS["at"]:
        if signs.startswith(each["sign"], each["position"]) and signs.startswith(each["begin"]):
            return each["is"]
    return ""


def kind(head: bytes) -> str:
    """What a file is, in words; also the markup in a text. Empty if it does not show."""
    if what := binary_kind(head):
        return what
    head = head.removeprefix(b"\xef\xbb\xbf")
    if HTML.match(head):
        return "an HTML page"
    if XML.match(head):
        return "XML"
    for sign, what in ((b"WARC/", "WARC"), (b"filedesc:", "ARC")):
        if head.startswith(sign):
            return f"a web archive ({what})"
    if OBJECT.match(head):
        return "a JSON object"
    if head.startswith(b"{") and _is_json_line(head):
        return "lines of JSON"
    return "a JSON array" if ARRAY.match(head) else ""


def _is_json_line(head: bytes) -> bool:
    """Whether the first line is an object with a name, or is too long to tell."""
    line, end, _ = head[:MOST_OF_LINE].partition(b"\n")
    if not end and len(head) >= MOST_OF_LINE:
        return NAMED.match(line) is not None
    try:
        return bool(json.loads(line))
    except (ValueError, RecursionError):
        return False


def without_json(head: bytes) -> str:
    """What lines are, in words, of which none is meant as JSON; empty if one is, or if no text."""
    lines = [line for line in head.splitlines() if line.strip()]
    return "" if any(map(_is_meant_as_json, lines)) else any_kind(head)


def _is_meant_as_json(line: bytes) -> bool:
    if line.lstrip(b"\xef\xbb\xbf \t").startswith((b"{", b"[")):
        return True
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def any_kind(head: bytes) -> str:
    """What a file is, in words, as `kind`; also plain text and its tables. Empty if no text."""
    if what := kind(head):
        return what
    try:
        is_whole = len(head) < TEXT_BYTES  # else it may end inside a character
        text = codecs.getincrementaldecoder("utf-8")().decode(head, final=is_whole)
    except UnicodeDecodeError:
        return ""
    if CONTROL.search(text) or not text.strip():
        return ""
    lines = [line for line in text.splitlines() if line][:TABLE_LINES]
    if len(lines) > 1:
        for sign, what in (("\t", "a table with tabs (TSV)"), (",", "a table (CSV)")):
            if _is_table(lines, sign):
                return what
    return "plain text"


def _is_table(lines: list[str], sign: str) -> bool:
    """Whether the lines have equally many cells. Prose has a blank after its commas."""
    try:
        first, *rest = csv.reader(lines, delimiter=sign)
    except csv.Error:  # a cell above csv's limit
        return False
    no_blanks = not any(cell[:1].isspace() for cell in first)
    return len(first) > 1 and no_blanks and all(len(row) == len(first) for row in rest)
