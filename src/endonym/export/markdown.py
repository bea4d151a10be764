"""The README of an export: its name, and tables in it."""

from collections.abc import Iterable, Sequence

README = "README.md"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown: the first column left-aligned, the others right-aligned."""
    marks = ["---", *["--:"] * (len(heads) - 1)]
    lines = [heads, marks, *rows]
    return "\n".join(f"| {' | '.join(each.replace('|', '∣') for each in line)} |" for line in lines)
