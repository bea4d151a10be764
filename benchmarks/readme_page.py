"""The tables of README.md: what ten minutes make of eight texts (ten_minutes.py)."""

import statistics
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import quality
from cells import RESULTS, Cell, Cells
from pages import markdown
from runs import Row, row_of

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
MINUTES = 10.0


class Reading(NamedTuple):
    """A way to read a text: each document, each line of its lists, or blocks of these lines."""

    name: str
    text: str
    sources: tuple[str, ...]


def languages(cells: Cells) -> Iterator[tuple[str, list[Cell]]]:
    """Each language that was measured, with the newest repeat of each of its seeds."""
    for language in NAMES:
        here = [cells[key] for key in cells if cells[key]["language"] == language]
        if found := [cell for cell in here if cell["minutes"] == MINUTES]:
            yield language, found


def readings(found: Sequence[Cell]) -> list[Reading]:
    """How the text of these cells was read; lines and blocks have the same sources."""
    every = averaged(found)
    lists = tuple(name for name in every if name in sources_of(found, "block"))
    if not lists:
        return [Reading("documents", "document", every)]
    whole = [] if lists == every else [Reading("documents", "document", every)]
    return [*whole, Reading("lines", "document", lists), Reading("blocks", "block", lists)]


def averaged(found: Sequence[Cell]) -> tuple[str, ...]:
    """The sources that every mean of these cells is of; all sources if there is no mean."""
    rows = [row for cell in found if (row := row_of(cell["rows"])) and row["averaged"]]
    means = [set(row["averaged"]) for row in rows] or [set(sources_of(found, "document"))]
    return tuple(sorted(set.intersection(*means)))


def sources_of(found: Sequence[Cell], text: str) -> dict[str, int]:
    """Bytes of test text of each source, in all cells together."""
    sizes: dict[str, int] = {}
    for row in rows_of(found, "model", text):
        sizes[row["source"]] = sizes.get(row["source"], 0) + row["n_bytes"]
    return sizes


def rows_of(found: Sequence[Cell], model: str, text: str) -> list[Row]:
    """The rows of single sources of the test text."""
    return [
        row
        for cell in found
        for row in cell["rows"]
        if (row["model"], row["text"], row["split"]) == (model, text, "test") and row["source"]
    ]


def value_of(found: Sequence[Cell], model: str, reading: Reading) -> float | None:
    """The mean over sources; of each source all bytes of all cells together."""
    values: list[float] = []
    rows = rows_of(found, model, reading.text)
    for name in reading.sources:
        some = [row for row in rows if row["source"] == name]
        if some:
            sizes = [row["n_bytes"] for row in some]
            bits = sum(row["value"] * row["n_bytes"] for row in some)
            values.append(bits / sum(sizes))
    return statistics.mean(values) if len(values) == len(reading.sources) else None


def scores(cells: Cells) -> str:
    """Bits per byte of every text beside what needs no training, and nanoGPT where it was run."""
    peers = Cells(RESULTS / "quality.json")
    head = ["text", "read by", "sources", *LINES, "nanoGPT", "endonym", "of seeds or 95 %"]
    rows = [
        [
            NAMES[language],
            reading.name,
            str(len(reading.sources)),
            *(line_of(found, name, reading) for name in LINES),
            nanogpt(found, reading, peers),
            f"**{value_of(found, 'model', reading):.3f}**",
            span(found, reading),
        ]
        for language, found in languages(cells)
        for reading in readings(found)
    ]
    return markdown(head, rows, labels=2)


def line_of(found: Sequence[Cell], name: str, reading: Reading) -> str:
    """What a line reaches; of the compressor with its deviation.

    A line of a sample says so, with the model's figure on the same sample.
    """
    value = value_of(found, name, reading)
    if value is None:
        return "–"
    rows = [row for cell in found if (row := judged(cell, name, reading))]
    spread = [row["deviation"] for row in rows if row.get("deviation") is not None]
    text = f"{value:.3f}" + (f" ± {statistics.mean(spread):.3f}" if spread else "")
    if not any(row.get("sampled_from") for row in rows_of(found, name, reading.text)):
        return text
    return f"{text} (of a sample, endonym {value_of(found, 'model_on_sample', reading):.3f})"


def span(found: Sequence[Cell], reading: Reading) -> str:
    """Of several seeds the lowest and the highest; of one its interval over documents."""
    if len(found) > 1:
        values = [value_of([cell], "model", reading) for cell in found]
        here = [value for value in values if value is not None]
        return f"{min(here):.3f}–{max(here):.3f}, {len(here)} seeds"
    row = judged(found[0], "model", reading)
    return "–" if row is None or row["low"] is None else f"{row['low']:.3f}–{row['high']:.3f}"


def judged(cell: Cell, name: str, reading: Reading) -> Row | None:
    """What a model reaches in a reading: the row of its only source, or of just these sources.

    None if there is no such row: neither the interval nor the deviation of a mean follows from
    those of its sources.
    """
    if len(reading.sources) == 1:
        rows = rows_of([cell], name, reading.text)
        return next((row for row in rows if row["source"] == reading.sources[0]), None)
    row = row_of(cell["rows"], model=name, text=reading.text)
    return row if row and sorted(row["averaged"]) == sorted(reading.sources) else None


def nanogpt(found: Sequence[Cell], reading: Reading, peers: Cells) -> str:
    """nanoGPT at its best, and ours on the same test text (one seed), where it was trained."""
    head = f"{found[0]['language']} {MINUTES:g} min test"
    best = quality.best_of(head, reading.text, peers)
    if best is None:
        return "–"
    its, ours = (value_of([each], "model", reading) for each in (best[1], peers[f"{head} · ours"]))
    return f"{its:.3f} (beside {ours:.3f})"


def by_source(cells: Cells) -> str:
    """Each source of each text: its share of the test bytes, and bits per byte."""
    head = ["text", "source", "of the bytes", "test kB", "compressor", "documents", "blocks"]
    rows: list[list[str]] = []
    for language, found in languages(cells):
        sizes = sources_of(found, "document")
        for name, size in sorted(sizes.items(), key=lambda pair: -pair[1]):
            readings = [Reading("", text, (name,)) for text in ("document", "block")]
            values = [value_of(found, "model", reading) for reading in readings]
            line = value_of(found, "compressor", readings[0])
            columns = ["–" if value is None else f"{value:.3f}" for value in (line, *values)]
            share = f"{size / sum(sizes.values()):.1%}"
            rows.append([NAMES[language], name, share, f"{size / 1000:.1f}", *columns])
    return markdown(head, rows, labels=2)


def costs(cells: Cells) -> str:
    """What was trained, and how long: means over seeds."""
    head = ["text", "MB", "vocabulary", "M weights", "M tokens", "epochs", "seconds"]
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


def measured() -> Cells:
    """The cells of ten_minutes.py."""
    return Cells(RESULTS / "ten-minutes.json")


TABLES = {
    "ten minutes": lambda: scores(measured()),
    "ten minutes, cost": lambda: costs(measured()),
}
