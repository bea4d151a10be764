"""What five minutes make of a text (short_runs.py): the tables of README.md and docs/results.md."""

import statistics
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cells import RESULTS, Cell, Cells
from pages import markdown
from runs import Row, row_of

from endonym.log import number

NAMES = {
    "tt": "Tatar",
    "km": "Khmer",
    "ro": "Romanian",
    "sw": "Swahili",
    "yo": "Yoruba",
    "lt": "Lithuanian",
    "fr": "French",
    "en": "English",
    "ky": "Kyrgyz",
    "fa": "Persian",
    "hi": "Hindi",
}
LINES = ("unigram", "bigram", "compressor")
MINUTES = 5.0
BOLD_BYTES = 100_000
"""Test text that a figure needs to be printed bold."""


class Reading(NamedTuple):
    """A way to read a text: each document, each line of its lists, or blocks of these lines."""

    name: str
    text: str
    sources: tuple[str, ...]


def languages(cells: Cells) -> Iterator[tuple[str, list[Cell]]]:
    """Each language that was measured, with the newest repeat of each of its seeds."""
    for language in NAMES:
        head = f"{language} {MINUTES:g} min split 1 seed "
        if found := [cells[key] for key in cells if key.startswith(head)]:
            yield language, found


def readings(found: Sequence[Cell]) -> list[Reading]:
    """How the text of these cells was read; lines and blocks have the same sources."""
    if not found:
        return []
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


def rows_of(found: Sequence[Cell], model: str, text: str, split: str = "test") -> list[Row]:
    """The rows of single sources of a split."""
    return [
        row
        for cell in found
        for row in cell["rows"]
        if (row["model"], row["text"], row["split"]) == (model, text, split) and row["source"]
    ]


def value_of(
    found: Sequence[Cell], model: str, reading: Reading, split: str = "test"
) -> float | None:
    """The mean over sources; of each source all bytes of all cells together."""
    values: list[float] = []
    rows = rows_of(found, model, reading.text, split)
    for name in reading.sources:
        some = [row for row in rows if row["source"] == name]
        if some:
            sizes = [row["n_bytes"] for row in some]
            bits = sum(row["value"] * row["n_bytes"] for row in some)
            values.append(bits / sum(sizes))
    return statistics.mean(values) if len(values) == len(reading.sources) else None


def scores(cells: Cells, earlier: Cells | None = None) -> str:
    """Bits per byte of every text beside what needs no training and nanoGPT.

    earlier: the last column has the figure of the same row in these cells.
    """
    head = [
        "text",
        "read by",
        "test kB",
        *LINES,
        "nanoGPT",
        "endonym",
        "seeds, or 95 %",
        *(["earlier"] if earlier else []),
    ]
    old = dict(languages(earlier)) if earlier else {}
    rows: list[list[str]] = []
    for language, found in languages(cells):
        before = {each.name: each for each in readings(old.get(language, []))}
        for reading in readings(found):
            known = before.get(reading.name)
            before_it = known and value_of(old[language], "model", known)
            columns = columns_of(language, found, reading, cells)
            if earlier:
                columns.append("–" if before_it is None else f"{before_it:.3f}")
            rows.append([NAMES[language], reading.name, *columns])
    return markdown(head, rows, labels=2)


def five_minutes() -> str:
    """A row for each text, by its documents, or by blocks of its lists."""
    cells = measured()
    rows: list[list[str]] = []
    for language, found in languages(cells):
        reading = next(each for each in readings(found) if each.name != "lines")
        _, _, _, compressor, peer, ours, _ = columns_of(language, found, reading, cells)
        megabytes = f"{sum(found[0]['bytes'].values()) / 1e6:.1f}"
        rows.append(
            [NAMES[language], megabytes, compressor.partition(" ")[0], peer, ours.strip("*")]
        )
    return markdown(["text", "MB", "compressor", "nanoGPT", "endonym"], rows)


def columns_of(language: str, found: Sequence[Cell], reading: Reading, cells: Cells) -> list[str]:
    """The columns of a text; bold where there is enough test text."""
    sizes = sources_of(found[:1], reading.text)
    size = sum(sizes.get(name, 0) for name in reading.sources)
    ours = f"{value_of(found, 'model', reading):.3f}"
    return [
        f"{size / 1000:.0f}",
        *(line_of(found, name, reading) for name in LINES),
        nanogpt(language, reading, cells),
        f"**{ours}**" if size >= BOLD_BYTES else ours,
        span(found, reading),
    ]


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
    """The lowest and the highest of the seeds; of one seed its interval over documents."""
    if len(found) > 1:
        values = [value_of([cell], "model", reading) for cell in found]
        here = [value for value in values if value is not None]
        return f"{min(here):.3f}–{max(here):.3f} ({len(here)})"
    row = judged(found[0], "model", reading)
    if row is None or row["low"] is None:
        return "–"
    return f"{row['low']:.3f}–{row['high']:.3f} (95 %)"


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


def nanogpt(language: str, reading: Reading, cells: Cells) -> str:
    """nanoGPT at its best, where it was trained."""
    best = best_way(language, reading, cells)
    return "–" if best is None else f"{value_of([best[1]], 'model', reading):.3f}"


def best_way(language: str, reading: Reading, cells: Cells) -> tuple[str, Cell] | None:
    """nanoGPT's way with the lowest figure on dev text, and its repeat; None if there is none."""

    def on_dev(cell: Cell) -> float:
        value = value_of([cell], "model", reading, "dev")
        return float("inf") if value is None else value

    head = f"{language} {MINUTES:g} min split 1 · nanoGPT "
    tried = [(key, cell) for key in cells if key.startswith(head) for cell in cells.repeats(key)]
    found = min(tried, key=lambda each: on_dev(each[1]), default=None)
    return None if found is None or on_dev(found[1]) == float("inf") else found


def peers(cells: Cells) -> str:
    """Every way of nanoGPT that was tried, on dev and test text, read by document and by block."""
    head = ["text", "way", "epochs", "M tokens", "documents, dev", "test", "blocks, dev", "test"]
    rows: list[list[str]] = []
    for key in cells:
        if " min split 1 · nanoGPT " not in key:
            continue
        cell = cells[key]
        kinds = [(text, split) for text in ("document", "block") for split in ("dev", "test")]
        found = [row_of(cell["rows"], text=text, split=split) for text, split in kinds]
        figures = ["–" if row is None else f"{row['value']:.3f}" for row in found]
        way = key.partition(" · nanoGPT ")[2]
        size = [f"{cell['epochs']:.1f}", f"{cell['tokens'] / 1e6:.1f}"]
        rows.append([NAMES[cell["language"]], way, *size, *figures])
    return markdown(head, rows, labels=2)


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
            kilobytes = f"{size / len(found) / 1000:.1f}"
            rows.append([NAMES[language], name, share, kilobytes, *columns])
    return markdown(head, rows, labels=2)


def costs(cells: Cells) -> str:
    """What was trained: means over seeds."""
    head = ["text", "MB", "vocabulary", "M weights", "M tokens", "epochs"]
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
            ]
            for language, found in languages(cells)
        ],
    )


def measured(name: str = "short-runs") -> Cells:
    """The cells of short_runs.py, also those of another machine and earlier code."""
    return Cells(RESULTS / f"{name}.json")


TABLES = {
    "short runs": lambda: scores(measured(), measured("short-runs-xeon")),
    "short runs, earlier": lambda: scores(measured("short-runs-xeon")),
    "short runs, cost": lambda: costs(measured()),
}
