"""The tables of README.md: what ten minutes make of eight texts (ten_minutes.py)."""

import statistics
from collections.abc import Iterator

import quality
from cells import RESULTS, Cell, Cells
from judging import TEXTS
from pages import interval, markdown
from runs import row_of

from endonym.log import number

NAMES = {
    "tt": "Tatar",
    "km": "Khmer",
    "ro": "Romanian",
    "fr": "French",
    "en": "English",
    "ky": "Kyrgyz",
    "fa": "Persian",
    "hi": "Hindi",
}
LINES = ("uniform", "unigram", "bigram", "compressor")


def languages(cells: Cells) -> Iterator[tuple[str, list[Cell]]]:
    """Each language that was measured, with the newest repeat of each of its seeds."""
    for language in NAMES:
        if found := [cells[key] for key in cells if cells[key]["language"] == language]:
            yield language, found


def scores(cells: Cells) -> str:
    """Bits per byte of every text beside what needs no training, and nanoGPT where it was run."""
    peers = Cells(RESULTS / "quality.json")
    head = ["text", "read by", "seeds", *LINES, "nanoGPT", "endonym"]
    rows = [
        [NAMES[language], text, str(len(found)), *figures]
        for language, found in languages(cells)
        for text in TEXTS
        if (figures := figures_of(found, text, peers))
    ]
    return markdown(head, rows, words=2)


def figures_of(found: list[Cell], text: str, peers: Cells) -> list[str]:
    """The lines, nanoGPT and ours on one kind of text; nothing if it was not scored."""
    ours = [row for cell in found if (row := row_of(cell["rows"], text=text)) is not None]
    if not ours:
        return []
    lines = [line_of(found, name, text) for name in LINES]
    return [
        *lines,
        nanogpt(found[0], text, peers),
        f"**{mean_of([r['value'] for r in ours], ours)}**",
    ]


def line_of(found: list[Cell], name: str, text: str) -> str:
    """What a line reaches, the mean over seeds; of the compressor with its deviation."""
    rows = [row for cell in found if (row := row_of(cell["rows"], model=name, text=text))]
    if not rows:
        return "–"
    value = statistics.mean(row["value"] for row in rows)
    spread = [row["deviation"] for row in rows if row.get("deviation") is not None]
    return f"{value:.3f}" + (f" ± {statistics.mean(spread):.3f}" if spread else "")


def mean_of(values: list[float], rows: list[Cell]) -> str:
    """The mean and the span of several seeds; of one seed its interval over documents."""
    if len(values) > 1:
        return interval(statistics.mean(values), min(values), max(values))
    return interval(values[0], rows[0]["low"], rows[0]["high"])


def nanogpt(cell: Cell, text: str, peers: Cells) -> str:
    """nanoGPT at its best after as many minutes on the same text, where it was trained."""
    head = f"{cell['language']} {cell['minutes']:g} min test"
    if f"{head} · ours" not in peers or (found := quality.Beside.of(head, text, peers)) is None:
        return "–"
    return f"{found.its['value']:.3f}"


def costs(cells: Cells) -> str:
    """What was trained, and how long: means over seeds."""
    head = ["text", "MB", "vocabulary", "M weights", "M tokens", "passes", "seconds"]
    return markdown(
        head,
        [
            [
                NAMES[language],
                f"{sum(found[0]['bytes'].values()) / 1e6:.1f}",
                number(found[0]["vocab"]),
                f"{found[0]['parameters'] / 1e6:.2f}",
                f"{statistics.mean(cell['tokens'] for cell in found) / 1e6:.1f}",
                f"{statistics.mean(cell['epochs'] for cell in found):.1f}",
                f"{statistics.mean(cell['training_seconds'] for cell in found):.0f}",
            ]
            for language, found in languages(cells)
        ],
    )


TABLES = {
    "ten minutes": lambda: scores(Cells(RESULTS / "ten-minutes.json")),
    "ten minutes, cost": lambda: costs(Cells(RESULTS / "ten-minutes.json")),
}
