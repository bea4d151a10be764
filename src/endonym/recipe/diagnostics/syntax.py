"""Errors of TOML syntax: the line, the caret, and what to do."""

import re

from endonym.errors import RecipeError
from endonym.recipe.diagnostics.text import draw, line_number

PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
WORD = re.compile(r"[\w.-]+")
KEY = re.compile(r"[ \t]*\[*[ \t]*([^=\]\n]*[^=\]\s])")
QUOTES = 'Put text in quotes: language = "tt"'
CLOSE_TABLE = "Close the table's name: [model], or [[source]] for one of several."
ADVICE = {
    "Cannot overwrite a value": ("this key is already written above", "Keep one of the two."),
    "Cannot declare": (
        "this table is already written above",
        "Keep one of the two; only [[source]], [[phase]], [[evaluate]] and [[export]] repeat.",
    ),
    "Cannot mutate": (
        "this table is already complete above",
        "Write all of its keys in one place.",
    ),
    "Cannot redefine": ("this name is already written above", "Keep one of the two."),
    "Duplicate inline": ("a key is repeated in these braces", "Keep one of the two."),
    "Expected '='": ("a key needs = and a value", "Write key = value, one to a line."),
    "Expected ']]'": ("the table's name is not closed", CLOSE_TABLE),
    "Expected ']' at": ("the table's name is not closed", CLOSE_TABLE),
    "Expected newline": (
        "something follows a finished value",
        "Put text in quotes, start each key on a new line, and begin comments with #.",
    ),
    "Expected": ("text is not closed", "End it with the quotes it began with."),
    "Illegal character '\\n'": ("text is not closed on its line", 'End it with ": name = "tatar"'),
    "Illegal character": ("there is a control character in a text", "Remove it."),
    "Found invalid": ("there is a control character in a comment", "Remove it."),
    "Invalid date": ("this is no date", QUOTES),
    "Invalid initial": (
        "a key cannot begin like this",
        'Keys are a-z, 0-9, _ and -; put any other letters in quotes: "сказка" = 1.0',
    ),
    "Invalid statement": (
        "a line cannot begin like this",
        "Write [table], key = value, or # and a comment.",
    ),
    "Invalid value": ("this is no value", f"{QUOTES}; write true and false in lower case."),
    "Unclosed array": ("a list is not closed", "End it with ], and separate its values by commas."),
    "Unclosed inline": ("braces are not closed", "End them with } on the same line."),
    "Unescaped": (
        "TOML does not know this escape sequence",
        "Use single quotes, which keep a backslash: path = 'data\\texts'",
    ),
    "Unterminated": ("text is not closed", "End it with the quotes it began with."),
    "Invalid hex": ("an escaped letter needs four hexadecimal digits", "Write the letter itself."),
    "Escaped character": ("this escape sequence is no letter", "Write the letter itself."),
    "Exceeds the limit": ("a number has too many digits", "Write a number one can use."),
}
"""The start of tomllib's message -> what is wrong, and what to do."""


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


def _advice(reason: str) -> tuple[str, str]:
    """What is wrong, and what to do."""
    known = [advice for start, advice in ADVICE.items() if reason.startswith(start)]
    return known[0] if known else (reason[:1].lower() + reason[1:], "Recipes are TOML: toml.io")


def _word(text: str, at: int) -> tuple[int, int]:
    """The word that starts here, or the one character."""
    word = WORD.match(text, at)
    return at, word.end() if word else min(at + 1, len(text))


def _key(text: str, at: int) -> tuple[int, int]:
    """The key or the table's name in the line of this character."""
    start = text.rfind("\n", 0, at) + 1
    key = KEY.match(text, start)
    return key.span(1) if key else _word(text, at)
