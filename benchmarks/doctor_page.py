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
    "copies less similar than 0.8",
    "bot stubs",
    "boilerplate lines",
    "nonsense text of PDF pages",
)
"""What is planted, in the order of the table."""
RENAMED = {"near copies of short sentences": "near copies"}
"""Rows of earlier repeats under another name, and the row of the same texts."""
ALL = "all that is planted"
HARDER = (
    "Bashkir sentences",
    "Kazakh sentences",
    "copies less similar than 0.8",
)
"""What is planted to see how far the rules reach."""


def recall_table() -> str:
    """What is found of each kind, by seed, and what the repeat before found, if it differs."""
    keys = sorted(key for key in CELLS if key.startswith("dirty"))
    counted = {
        key: [_counts(cell) for cell in (*CELLS.repeats(key)[-2:-1], CELLS[key])] for key in keys
    }
    rows = [
        [
            kind + (" (harder)" if kind in HARDER else ""),
            *(_recall([each.get(kind) for each in counted[key]]) for key in keys),
        ]
        for kind in (*KINDS, ALL)
        if any(kind in counted[key][-1] for key in keys)
    ]
    return markdown(["planted", *(f"found, {key.removeprefix('dirty ')}" for key in keys)], rows)


def _counts(cell: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """By kind, and of all kinds, how many were found and planted."""
    found: dict[str, tuple[int, int]] = {}
    for kind, each in cell["kinds"].items():
        found[RENAMED.get(kind, kind)] = (each["found"], each["planted"])
    hits, planted = (sum(side) for side in zip(*found.values(), strict=True))
    return found | {ALL: (hits, planted)}


def _recall(repeats: list[tuple[int, int] | None]) -> str:
    *before, found = repeats
    if found is None:
        return "–"
    said = f"{found[0]:,} of {found[1]:,} ({100 * found[0] / found[1]:.1f} %)"
    return said + "".join(f", was {each[0]:,}" for each in before if each and each != found)


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
