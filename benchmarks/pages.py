"""Tables in Markdown pages: how one is written, and where it stands.

What stands between `<!-- table NAME -->` and `<!-- end -->` is generated; the rest is prose. Below
a table stands how many of its measurements are of code that nobody can get again.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from cells import doubts, quoted

MARKED = re.compile(r"(<!-- table (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def markdown(head: list[str], rows: Iterable[list[str]], *, labels: int = 1) -> str:
    """A table; all columns but the first few, which are labels, are numbers. Nothing without rows:
    results may be still to come."""
    rows = list(rows)
    if not rows:
        return ""
    rule = ["---"] * labels + ["--:"] * (len(head) - labels)
    lines = [head, rule, *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def renewed(page: Path, tables: Mapping[str, Callable[[], str]]) -> str:
    """The text of a page with every table written anew. Raises KeyError if nobody knows a name."""
    text = page.read_text(encoding="utf-8")

    def table(found: re.Match[str]) -> str:
        quoted.clear()
        # Results of older versions have the British spelling in their names.
        written = tables[found[2]]().replace("optimiser", "optimizer")
        return found[1] + written + doubts(quoted) + found[3]

    return MARKED.sub(table, text)


def interval(value: float, low: float | None, high: float | None, digits: int = 3) -> str:
    """A number with its interval, if it has one."""
    text = f"{value:.{digits}f}"
    return text if low is None else f"{text} ({low:.{digits}f}–{high:.{digits}f})"
