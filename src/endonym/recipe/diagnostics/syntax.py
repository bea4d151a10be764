"""Text that is no TOML: the line, the caret, and what to do about it."""

import re

from endonym.errors import RecipeError
from endonym.recipe.diagnostics.text import draw, line_number

PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
WORD = re.compile(r"[\w.-]+")
KEY = re.compile(r"[ \t]*\[*[ \t]*([^=\]\n]*[^=\]\s])")
QUOTES = 'Text stands in quotes: language = "tt"'
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
    "Duplicate inline": ("a key stands twice in these braces", "Keep one of the two."),
    "Expected '='": ("a key needs = and a value", "Write key = value, one to a line."),
    "Expected ']]'": ("the table's name is not closed", CLOSE_TABLE),
    "Expected ']' at": ("the table's name is not closed", CLOSE_TABLE),
    "Expected newline": (
        "something follows a finished value",
        "Text stands in quotes, a new key starts a new line, and # begins a remark.",
    ),
    "Expected": ("text is not closed", "End it with the quotes it began with."),
    "Illegal character '\\n'": ("text is not closed on its line", 'End it with ": name = "tatar"'),
    "Illegal character": ("a control character stands in a text", "Take it out."),
    "Found invalid": ("a control character stands in a comment", "Take it out."),
    "Invalid date": ("this is no date", QUOTES),
    "Invalid initial": (
        "a key cannot begin like this",
        'Keys are a-z, 0-9, _ and -; any other letters stand in quotes: "сказка" = 1.0',
    ),
    "Invalid statement": (
        "a line cannot begin like this",
        "Write [table], key = value, or # and a remark.",
    ),
    "Invalid value": ("this is no value", f"{QUOTES}; true and false are small."),
    "Unclosed array": ("a list is not closed", "End it with ], and part its values by commas."),
    "Unclosed inline": ("braces are not closed", "End them with } on the same line."),
    "Unescaped": (
        "a backslash begins no sign that TOML knows",
        "Use single quotes, which leave it as it is: path = 'data\\texts'",
    ),
    "Unterminated": ("text is not closed", "End it with the quotes it began with."),
    "Invalid hex": ("an escaped letter needs four hexadecimal digits", "Write the letter itself."),
    "Escaped character": ("an escape stands for no letter", "Write the letter itself."),
    "Exceeds the limit": ("a number has too many digits", "Write a number one can use."),
}
"""tomllib's messages, by how they begin: what is wrong, and what to do."""


def syntax_error(file: str, text: str, message: str) -> RecipeError:
    """tomllib's complaint as a RecipeError with file, line, column and caret."""
    found = PLACE.search(message)
    reason = PLACE.sub("", message)
    if found is None:
        what, do = _advice(reason)
        return RecipeError(f"{what}.", where=file, do=do)
    at = _offset(text, found) - (len("\\x") if reason.startswith("Unescaped") else 0)
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


def _offset(text: str, found: re.Match[str]) -> int:
    """The character that tomllib means, never the end of a line or of the text."""
    if found[1] is None:
        return max(0, len(text.rstrip()) - 1)
    lines = text.split("\n")[: int(found[1])]
    start = sum(len(line) + 1 for line in lines[:-1])
    return start + min(int(found[2]) - 1, max(0, len(lines[-1]) - 1))


def _word(text: str, at: int) -> tuple[int, int]:
    """The word that starts here, or the one character."""
    word = WORD.match(text, at)
    return at, word.end() if word else min(at + 1, len(text))


def _key(text: str, at: int) -> tuple[int, int]:
    """The key or the table's name in the line of this character."""
    start = text.rfind("\n", 0, at) + 1
    key = KEY.match(text, start)
    return key.span(1) if key else _word(text, at)
