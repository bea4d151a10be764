"""Errors of TOML syntax: the line, the caret, and what to do."""

import re
import tomllib
from pathlib import Path

from endonym.errors import RecipeError
from endonym.recipe.diagnostics.text import draw, line_number

PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
WORD = re.compile(r"[\w.-]+")
KEY = re.compile(r"[ \t]*\[*[ \t]*([^=\]\n]*[^=\]\s])")


def syntax_error(file: str, text: str, message: str) -> RecipeError:
    """tomllib's error message as a RecipeError with file, line, column and caret."""
    found = PLACE.search(message)
    reason = PLACE.sub("", message)
    if found is None:
        what, do = _advice(reason)
        return RecipeError(f"{what}.", where=file, do=do)
    if found[1] is None:
        at = max(0, len(text.rstrip()) - 1)
    else:
        # Never the end of a line.
        lines = text.split("\n")[: int(found[1])]
        at = sum(len(line) + 1 for line in lines[:-1])
        at += min(int(found[2]) - 1, max(0, len(lines[-1]) - 1))
    at -= len("\\x") if reason.startswith("Unescaped") else 0
    at_key = reason.startswith(("Cannot", "Duplicate"))
    start, end = _key(text, at) if at_key else _word(text, at)
    if reason == "Invalid statement" and text[start].isalpha():
        reason = "Invalid initial"
    what, do = _advice(reason)
    line = line_number(text, start)
    column = start - text.rfind("\n", 0, start)
    drawing = draw(text, start, end)
    return RecipeError(f"{what}.\n{drawing}", where=f"{file}:{line}:{column}", do=do)


def known_errors() -> list[list[str]]:
    """How tomllib's message begins, what is wrong, and what to do; the first that fits counts."""
    table = Path(__file__).with_name("syntax_errors.toml").read_text(encoding="utf-8")
    return tomllib.loads(table)["errors"]


def _advice(reason: str) -> tuple[str, str]:
    """What is wrong, and what to do."""
    for start, what, do in known_errors():
        if reason.startswith(start):
            return what, do
    return reason[:1].lower() + reason[1:], "Recipes are TOML: toml.io"


def _word(text: str, at: int) -> tuple[int, int]:
    """The word that starts here, or the one character."""
    word = WORD.match(text, at)
    return at, word.end() if word else min(at + 1, len(text))


def _key(text: str, at: int) -> tuple[int, int]:
    """The key or the table's name in the line of this character."""
    start = text.rfind("\n", 0, at) + 1
    key = KEY.match(text, start)
    return key.span(1) if key else _word(text, at)
