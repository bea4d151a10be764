"""The positions of keys and values in a recipe's text, and errors of its syntax.

tomllib gives values without positions, so a second pass reads the positions from a text that
tomllib has accepted. Messages show a position as its line with carets under it.
"""

import re
import tomllib
import unicodedata
from dataclasses import dataclass

from endonym.disk import packaged_tables
from endonym.errors import RecipeError
from endonym.log import columns

KeyPath = tuple[str | int, ...]
"""The names of tables and keys, and the numbers of list items, from the top of the recipe."""

STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})' r"|'''.*?'''(?:'{0,2})" r'|"(?:\\.|[^"\\])*"' r"|'[^']*'",
    re.DOTALL,
)
BARE_KEY = re.compile(r"""[^\s.=\[\]{},"'#]+""")
SCALAR = re.compile(r"[^,\]}#\n]+")
BLANKS = re.compile(r"[ \t]*")
GAP = re.compile(r"(?:[\s,]|#[^\n]*)*")
SHOWN_CHARS = 72
"""The longest piece of a line that is shown."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The characters of a key and of its value; for list items and headers the two are one."""

    start: int
    end: int
    value_start: int
    value_end: int


class Scanner:
    """One pass over a text; `marks` holds the positions found so far."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.marks: dict[KeyPath, Mark] = {}
        self._items: dict[KeyPath, int] = {}

    def document(self) -> dict[KeyPath, Mark]:
        """The position of every key, table and list item."""
        table: KeyPath = ()
        self._skip(GAP)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(GAP)
        return self.marks

    def key(self) -> list[tuple[str, int, int]]:
        """A dotted key's parts, each with its first character and the one after its last."""
        parts: list[tuple[str, int, int]] = []
        while True:
            self._skip(BLANKS)
            start = self.at
            self._skip(STRING)
            if self.at == start:
                self._skip(BARE_KEY)
            name = self.text[start : self.at]
            if name[:1] in ("'", '"'):
                name = tomllib.loads(f"key = {name}")["key"]
            parts.append((name, start, self.at))
            self._skip(BLANKS)
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1

    def _skip(self, pattern: re.Pattern[str]) -> None:
        """Go past what the pattern matches here, if it does."""
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def _header(self) -> KeyPath:
        """`[a.b]` or `[[a.b]]`: the path of the table it opens."""
        brackets = 2 if self.text.startswith("[[", self.at) else 1
        self.at += brackets
        path: KeyPath = ()
        parts = self.key()
        for number, (name, start, end) in enumerate(parts, start=1):
            path = (*path, name)
            mark = Mark(start, end, start, end)
            self.marks.setdefault(path, mark)
            if number == len(parts) and brackets == 2:
                self._items[path] = self._items.get(path, -1) + 1
            elif number == len(parts):
                self.marks[path] = mark
            if path in self._items:
                path = (*path, self._items[path])
                self.marks.setdefault(path, mark)
        self.at += brackets
        return path

    def _pair(self, table: KeyPath) -> None:
        """`a.b = value`, in a table or in braces."""
        path = table
        start = self.at
        end = self.at
        for name, start, end in self.key():
            path = (*path, name)
            self.marks.setdefault(path, Mark(start, end, start, end))
        self.at += 1
        self._skip(BLANKS)
        self.marks[path] = Mark(start, end, *self._value(path))

    def _value(self, path: KeyPath) -> tuple[int, int]:
        """Any value: its first character and the one after its last."""
        start = self.at
        opening = self.text[self.at]
        if opening in "[{":
            self._members(path, closing="]" if opening == "[" else "}")
        elif opening in "\"'":
            self._skip(STRING)
        else:
            self._skip(SCALAR)
            return start, start + len(self.text[start : self.at].rstrip())
        return start, self.at

    def _members(self, path: KeyPath, closing: str) -> None:
        """The values between brackets or braces, and the closing one."""
        self.at += 1
        number = 0
        self._skip(GAP)
        while self.text[self.at] != closing:
            if closing == "}":
                self._pair(path)
            else:
                start, end = self._value((*path, number))
                self.marks[(*path, number)] = Mark(start, end, start, end)
                number += 1
            self._skip(GAP)
        self.at += 1


def scan(text: str) -> dict[KeyPath, Mark]:
    """The position of every key, table and list item of a text that tomllib accepts.

    >>> scan("[model]\\nmixer.heads = 8")[("model", "mixer", "heads")]
    Mark(start=14, end=19, value_start=22, value_end=23)
    """
    return Scanner(text).document()


def dotted(key: str) -> list[str]:
    """The parts of a dotted key; a name with a dot is quoted.

    Text that is no dotted key is returned as one name.

    >>> dotted('source."leipzig.2015".path')
    ['source', 'leipzig.2015', 'path']
    """
    scanner = Scanner(key)
    try:
        parts = [name for name, _, _ in scanner.key()]
    except tomllib.TOMLDecodeError:
        return [key]
    return parts if scanner.at == len(key) else [key]


def normal(text: str) -> str:
    """The text as tomllib reads it: no byte order mark, and one character ends a line."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def line_number(text: str, at: int) -> int:
    """The line of a character, from 1."""
    return text.count("\n", 0, at) + 1


def draw(text: str, start: int, end: int) -> str:
    """The line of these characters, indented, with carets under them; tabs become spaces."""
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", start)
    line = text[first : last if last >= 0 else len(text)]
    left = first + len(line) - len(line.lstrip())
    cut = max(left, start - SHOWN_CHARS // 2) if len(line) > SHOWN_CHARS else left
    signs = text[cut : first + len(line)].replace("\t", " ")
    shown = "".join("\ufffd" if unicodedata.category(sign) == "Cc" else sign for sign in signs)
    shown = shown[:SHOWN_CHARS].rstrip()
    before = shown[: start - cut]
    under = shown[start - cut : end - cut]
    return f"    {shown}\n    {' ' * columns(before)}{'^' * max(1, columns(under))}"


PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
WORD = re.compile(r"[\w.-]+")
KEY = re.compile(r"[ \t]*\[*[ \t]*([^=\]\n]*[^=\]\s])")


def syntax_error(file: str, text: str, message: str) -> RecipeError:
    """tomllib's error message as a RecipeError with file, line, column and caret."""
    place = PLACE.search(message)
    reason = PLACE.sub("", message)
    if place is None:
        what, do = _advice(reason)
        return RecipeError(f"{what}.", where=file, do=do)
    if place[1] is None:
        at = max(0, len(text.rstrip()) - 1)
    else:
        # Never the end of a line.
        lines = text.split("\n")[: int(place[1])]
        at = sum(len(line) + 1 for line in lines[:-1])
        at += min(int(place[2]) - 1, max(0, len(lines[-1]) - 1))
    at -= len("\\x") if reason.startswith("Unescaped") else 0
    key = KEY.match(text, text.rfind("\n", 0, at) + 1)
    if reason.startswith(("Cannot", "Duplicate")) and key:
        start, end = key.span(1)
    else:
        word = WORD.match(text, at)
        start = at
        end = word.end() if word else min(at + 1, len(text))
    if reason == "Invalid statement" and text[start].isalpha():
        reason = "Invalid initial"
    what, do = _advice(reason)
    column = start - text.rfind("\n", 0, start)
    where = f"{file}:{line_number(text, start)}:{column}"
    return RecipeError(f"{what}.\n{draw(text, start, end)}", where=where, do=do)


def _advice(reason: str) -> tuple[str, str]:
    """What is wrong, and what to do."""
    for start, what, do in known_errors():
        if reason.startswith(start):
            return what, do
    return reason[:1].lower() + reason[1:], "Recipes are TOML: toml.io"


def known_errors() -> list[list[str]]:
    """How tomllib's message begins, what is wrong, and what to do; the first that fits counts."""
    return packaged_tables("endonym.recipe", "syntax_errors.toml")["errors"]
