"""The tables of docs/doctor.md."""

from typing import Any

from cells import RESULTS, Cells
from pages import markdown

CELLS = Cells(RESULTS / "doctor.json")
KINDS = (
    "Russian sentences",
    "Russian pages",
    "Bashkir sentences",
    "Kazakh sentences",
    "Russian paragraphs in Tatar pages",
    "look-alike letters in sentences",
    "look-alike letters in pages",
    "mojibake by cp1251",
    "mojibake by latin-1",
    "exact copies",
    "near copies",
    "near copies of pages",
    "near copies of short sentences",
    "copies less similar than 0.8",
    "bot stubs",
    "boilerplate lines",
    "nonsense text of PDF pages",
)
"""What is planted, in the order of the table."""
HARDER = (
    "Bashkir sentences",
    "Kazakh sentences",
    "near copies of short sentences",
    "copies less similar than 0.8",
)
"""What is planted to see how far the rules reach."""


def recall_table() -> str:
    """What is found of each kind, by seed."""
    keys = sorted(key for key in CELLS if key.startswith("dirty"))
    kinds = sorted({kind for key in keys for kind in CELLS[key]["kinds"]}, key=KINDS.index)
    rows = [
        [
            kind + (" (harder)" if kind in HARDER else ""),
            *(_recall(CELLS[key]["kinds"].get(kind)) for key in keys),
        ]
        for kind in kinds
    ]
    return markdown(["planted", *(f"found, {key.removeprefix('dirty ')}" for key in keys)], rows)


def _recall(found: dict[str, Any] | None) -> str:
    if found is None:
        return "–"
    share = 100 * found["found"] / found["planted"]
    return f"{found['found']:,} of {found['planted']:,} ({share:.1f} %)"


def alarm_table() -> str:
    """False alarms on text that nobody dirtied."""
    rows: list[list[str]] = []
    for key in sorted(CELLS):
        cell = CELLS[key]
        mine = cell["clean"]
        named = ", ".join(f"{name} {n}" for name, n in mine["false_by_finding"].items()) or "–"
        row = [key, f"{mine['documents']:,}", f"{mine['accused']:,}", f"{mine['false']:,}"]
        row += [f"{100 * mine['false_share']:.2f} %", named]
        rows.append([*row, f"{cell['seconds']:.0f}", f"{cell['peak_bytes'] / 1e6:.0f}"])
    head = ["texts", "clean documents", "in a finding", "falsely", "share", "by which finding"]
    return markdown([*head, "seconds", "peak MB"], rows)


TABLES = {"doctor recall": recall_table, "doctor alarms": alarm_table}
