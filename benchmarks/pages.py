"""Tables in Markdown pages: how one is written, where it stands, and how old its figures are.

What stands between `<!-- table NAME -->` and `<!-- end -->` is generated; the rest is prose. A
table of figures that were measured with other code than today's says so below.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cells import Cell, Cells

MARKED = re.compile(r"(<!-- table (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Table:
    """A table of a page: what writes it, from which cells, and the hash of today's code."""

    write: Callable[[], str]
    cells: Cells
    code: str


def markdown(head: list[str], rows: Iterable[list[str]], *, labels: int = 1) -> str:
    """A table; all columns but the first few, which are labels, are numbers. Nothing without rows:
    results may be still to come."""
    rows = list(rows)
    if not rows:
        return ""
    rule = ["---"] * labels + ["--:"] * (len(head) - labels)
    lines = [head, rule, *rows]
    return "".join("| " + " | ".join(columns) + " |\n" for columns in lines)


def renewed(page: Path, tables: Mapping[str, Table]) -> str:
    """The text of a page with every table written anew. Raises KeyError if nobody knows a name."""
    text = page.read_text(encoding="utf-8")

    def written(match: re.Match[str]) -> str:
        table = tables[match[2]]
        table.cells.quoted.clear()
        content = table.write()
        quoted = table.cells.quoted
        return match[1] + content + measured(quoted) + older_code(quoted, table.code) + match[3]

    return MARKED.sub(written, text)


def measured(cells: Mapping[str, Cell]) -> str:
    """A line on how the cells that a table quotes were measured: minutes, cores, date."""
    if not all("elapsed_minutes" in cell for cell in cells.values()):
        return ""
    by_machine: dict[str, list[Cell]] = {}
    for cell in cells.values():
        machine = cell["machine"]
        cores = "1 core" if machine["cores"] == 1 else f"{machine['cores']} cores"
        name = f"{cores} of {machine['processor']}"
        by_machine.setdefault(name, []).append(cell)
    return "".join(
        f"\nMeasured {period(own)} in {sum(cell['elapsed_minutes'] for cell in own):.1f} minutes "
        f"on {machine}.\n"
        for machine, own in by_machine.items()
    )


def period(cells: Iterable[Cell]) -> str:
    """The dates on which cells were measured; the commit of a cell without a date."""
    when = sorted({cell.get("date") or f"commit {cell['commit']}" for cell in cells})
    return when[0] if len(when) == 1 else f"{when[0]} to {when[-1]}"


def older_code(cells: Mapping[str, Cell], code: str) -> str:
    """A line that names the cells that were measured with other code; nothing if there are none.

    cells: those that a table quotes, by name.
    """
    older = {name: cell for name, cell in cells.items() if cell.get("code") != code}
    if not older:
        return ""
    which = "All figures" if len(older) == len(cells) else ", ".join(f"“{name}”" for name in older)
    return f"\nMeasured with older code ({period(older.values())}): {which}.\n"


def interval(value: float, low: float | None, high: float | None, digits: int = 3) -> str:
    """A number with its interval, if it has one."""
    text = f"{value:.{digits}f}"
    return text if low is None else f"{text} ({low:.{digits}f}–{high:.{digits}f})"


def percent(value: float, low: float | None, high: float | None) -> str:
    """A share in percent with its interval, if it has one."""
    if low is None or high is None:
        return f"{100 * value:.1f}"
    return interval(100 * value, 100 * low, 100 * high, 1)
