"""How often 95 % intervals hold the truth: of scores, and of differences in `compare`.

A cell "score" draws documents whose true bits per byte are known, many times, and counts in how
many draws the interval holds the truth. Documents are equally long, or lengths are lognormal; their
bits are about normal, skewed as an exponential distribution, or lower in long documents. Where
lengths vary and bits depend on them, the truth is that of all documents of the kind: the
interval is over documents of about the lengths that were drawn, so it holds it less often.

A cell "table" draws models of equal quality under several seeds, and counts in how many tables a
difference is claimed. Half of the variance of seeds is shared, as runs of one seed read the data in
one order. Seeds of the simulation are fixed: the figures depend on the code alone.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product

import numpy as np
from benchmark import Bench, Benchmark, Watch, main
from cells import Cell, Cells
from numpy.typing import NDArray
from pages import markdown

from endonym.evaluate.documents import RECORD, Documents, mean_difference
from endonym.evaluate.score import LARGEST_SHARE, largest_share, ratio

Numbers = NDArray[np.float64]
COUNTS = (10, 30, 100)
LENGTHS = {"equal": 0.0, "lognormal": 1.0}
BITS = ("normal", "skewed", "lower in long documents")
SPREADS = ("equal", "one model five times")
DRAWS, TABLES = 2000, 500
TRUTH_DOCUMENTS = 400_000
TRUTH, OF_DOCUMENT, OF_SEED, OF_BOTH = 2.0, 0.04, 0.01, 0.02
"""Bits per byte; standard deviations of a recipe on a document, of a seed, and of both together."""
DEVIATION, FALL = 0.2, 0.1
"""Of a document's bits per byte; how far they fall where a document is e times as long."""


def cells(bench: Bench) -> Mapping[str, Callable[[], Cell]]:
    """Scores of every kind, then tables."""
    draws, tables = (20, 5) if bench.tiny else (DRAWS, TABLES)
    every: dict[str, Callable[[], Cell]] = {}
    for bits, lengths, count in product(BITS, LENGTHS, COUNTS):
        name = f"score, bits {bits}, lengths {lengths}, {count} documents"
        every[name] = partial(score_cell, bits, lengths, count, draws)
    for models, seeds, spread in product((2, 10), (1, 3), SPREADS):
        name = f"table, {models} models, {seeds} seeds, spread {spread}"
        every[name] = partial(table_cell, models, seeds, spread, tables)
    return every


def drawn_lengths(kind: str, count: int, random: np.random.Generator) -> Numbers:
    """Lengths of documents in bytes, of which none is more than LARGEST_SHARE of all."""
    while True:
        lengths = np.exp(random.normal(7, LENGTHS[kind], count)).round() + 1
        if largest_share(lengths) <= LARGEST_SHARE:
            return lengths


def drawn_bits(kind: str, lengths: Numbers, random: np.random.Generator) -> Numbers:
    """Bits per byte of documents of these lengths."""
    if kind == "skewed":
        return TRUTH + DEVIATION * (random.exponential(size=len(lengths)) - 1)
    fall = FALL * (7 - np.log(lengths)) if kind == "lower in long documents" else 0.0
    return TRUTH + fall + DEVIATION * random.normal(size=len(lengths))


def true_value(bits: str, lengths: str) -> float:
    """Bits per byte of all documents of a kind: of very many of them."""
    random = np.random.default_rng(0)
    sizes = np.exp(random.normal(7, LENGTHS[lengths], TRUTH_DOCUMENTS)).round() + 1
    return float((drawn_bits(bits, sizes, random) * sizes).sum() / sizes.sum())


def score_cell(bits: str, lengths: str, count: int, draws: int) -> Cell:
    """The share of intervals of a score that hold the truth, and their mean width."""
    random, covered, width = np.random.default_rng(1), 0, 0.0
    truth = true_value(bits, lengths)
    for _ in range(draws):
        sizes = drawn_lengths(lengths, count, random)
        needed = drawn_bits(bits, sizes, random) * sizes
        interval = ratio(needed, sizes.astype(np.int64))
        assert interval.low is not None, "there are enough documents"
        assert interval.high is not None, "as above"
        covered += interval.low <= truth <= interval.high
        width += interval.high - interval.low
    return {"covers": covered / draws, "width": round(width / draws, 4), "draws": draws}


def table_cell(models: int, seeds: int, spread: str, tables: int) -> Cell:
    """The share of tables that claim a difference, and of single intervals that hold zero."""
    random, claims, covered = np.random.default_rng(2), 0, 0
    for _ in range(tables):
        sizes = drawn_lengths("lognormal", 60, random)
        common = random.normal(size=seeds)
        runs_of_models = list[list[Documents]]()
        for model in range(models):
            times = 5.0 if spread != "equal" and model == 0 else 1.0
            own = TRUTH + OF_DOCUMENT * random.normal(size=len(sizes))
            moved = OF_SEED * times * (common + random.normal(size=seeds)) / math.sqrt(2)
            if seeds == 1:  # what its seed did to a single run is a part of its quality
                moved = np.zeros(1)
            noise = OF_BOTH * random.normal(size=(seeds, len(sizes)))
            runs = [documents(own + moved[n] + noise[n], sizes) for n in range(seeds)]
            runs_of_models.append(runs)
        means = [np.mean([run["nats"].sum() for run in runs]) for runs in runs_of_models]
        best = runs_of_models[int(np.argmin(means))]
        others = [runs for runs in runs_of_models if runs is not best]
        covered += sum(holds_zero(runs, best, 1) for runs in others)
        pairs = math.comb(models, 2)
        claims += not all(holds_zero(runs, best, pairs) for runs in others)
    single = covered / tables / (models - 1)
    return {"claims": claims / tables, "covers": round(single, 4), "tables": tables}


def holds_zero(ones: list[Documents], others: list[Documents], comparisons: int) -> bool:
    """Whether no difference is claimed."""
    _, low, high = mean_difference(ones, others, are_paired=True, comparisons=comparisons)
    return (low or 0.0) <= 0.0 <= (high or 0.0)


def documents(bits: Numbers, sizes: Numbers) -> Documents:
    """Documents of these sizes that need so many bits a byte."""
    records = np.zeros(len(bits), dtype=RECORD)
    records["text"] = records["group"] = np.arange(len(bits))
    records["bytes"], records["averaged"] = sizes, True
    records["nats"] = bits * sizes * math.log(2)
    return records


def coverage(cells: Cells) -> str:
    """In how many of 100 draws an interval of a score holds the truth."""
    rows: list[list[str]] = []
    for bits, lengths in product(BITS, LENGTHS):
        names = [f"score, bits {bits}, lengths {lengths}, {count} documents" for count in COUNTS]
        if all(name in cells for name in names):
            draws = cells[names[0]]["draws"]
            shares = [f"{100 * cells[name]['covers']:.1f}" for name in names]
            rows.append([bits, lengths, f"{draws:,}", *shares])
    head = ["bits per byte", "lengths", "draws", *(f"{count} documents, %" for count in COUNTS)]
    return markdown(head, rows, labels=2)


def claims(cells: Cells) -> str:
    """In how many of 100 tables of equally good models a difference is claimed."""
    rows = [
        [*name.removeprefix("table, ").split(", "), f"{cells[name]['tables']:,}", *shares]
        for name in cells
        if name.startswith("table, ")
        if "spread" in name and name.count(",") == 3
        if (cell := cells[name])
        if (shares := [f"{100 * cell['claims']:.1f}", f"{100 * cell['covers']:.1f}"])
    ]
    head = ["models", "seeds", "spread", "tables", "claim a difference, %"]
    return markdown([*head, "single intervals hold zero, %"], rows, labels=3)


BENCHMARK = Benchmark(
    name="intervals",
    code=("endonym.evaluate.score", "endonym.evaluate.documents"),
    cells=cells,
    tables={("docs/comparing.md", "coverage"): coverage, ("docs/comparing.md", "claims"): claims},
    watched={"covers": Watch("higher", 0.02), "claims": Watch("lower", 0.5)},
)

if __name__ == "__main__":
    main(BENCHMARK)
