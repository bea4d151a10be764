"""How often the 95 % intervals of scores and of `compare` hold the truth, on simulated models.

    python benchmarks/intervals.py [--draws 4000] [--tables 1000] [--skew NAME=RUN …] [--again]

A cell of a score draws documents of a number, with lengths and bits of a kind, whose true bits per
byte are known. A cell of a table draws models of one quality under several seeds, and says in how
many tables a difference to the best is claimed, and how many intervals of differences, each by
itself, hold zero; with two models it is one interval. Half of the variance of seeds is shared, as
runs of one seed read the data in one order; or the seeds of two models are others, and share none.
--skew: how skewed the groups of real test text are, as the evaluation of a run has kept their bits.
Fixed seeds; resumable (--again adds a repeat of each cell); numpy alone. Results:
benchmarks/results/intervals.json, which docs/comparing.md cites.
"""

import argparse
import math
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from cells import RESULTS, Cells
from numpy.typing import NDArray

from endonym.evaluate.documents import RECORD, Documents, load_documents, mean_difference
from endonym.evaluate.score import FEWEST_OF_SOURCE, LARGEST_SHARE, largest_share, ratio
from endonym.export.history import is_of_split
from endonym.runs.find import planned
from endonym.store import Store

Numbers = NDArray[np.float64]
SIZES = ("equal", "lognormal 1", "lognormal 2", "one of 30 %")
BITS = ("alike", "steadier in long ones", "skewed")
SPREADS = ("equal", "one fivefold")
SOURCES = 3
PAIRINGS = ("of shared seeds, not paired", "of other seeds")
TRUTH, OF_DOCUMENT, OF_SEED, OF_BOTH = 2.0, 0.04, 0.01, 0.02
"""Bits per byte; standard deviations of a recipe on a document, of a seed, and of both together."""


def main() -> None:
    """Run the cells asked for and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--skew", nargs="*", default=[], metavar="NAME=RUN")
    parser.add_argument("--again", action="store_true", help="add a repeat of each cell")
    parser.add_argument("--results", type=Path, default=RESULTS / "intervals.json")
    asked = parser.parse_args()
    cells = Cells(asked.results)
    for count, sizes, bits in product((10, 30, 100), SIZES, BITS):
        key = f"score, {count} documents, lengths {sizes}, bits {bits}"
        if key not in cells or asked.again:
            cells.keep(key, of_score(count, sizes, bits, asked.draws))
        print(f"{key}: covers {100 * cells[key]['covers']:.1f} %", flush=True)
    for count, sizes, bits in product((5, 10, 30), SIZES[:2], BITS):
        key = f"score, mean of {SOURCES} sources, {count} documents each"
        key += f", lengths {sizes}, bits {bits}"
        if key not in cells or asked.again:
            cells.keep(key, of_score(count, sizes, bits, asked.draws, sources=SOURCES))
        print(f"{key}: covers {100 * cells[key]['covers']:.1f} %", flush=True)
    for models, seeds, spread in product((2, 3, 10), (1, 2, 3, 5), SPREADS):
        key = f"table, {models} models, {seeds} seeds, spread {spread}"
        if key not in cells or asked.again:
            cells.keep(key, of_table(models, seeds, spread, asked.tables))
        claimed, covers = (100 * cells[key][name] for name in ("claims", "covers"))
        print(f"{key}: claims in {claimed:.1f} % of tables, covers {covers:.1f} %", flush=True)
    for seeds, spread, pairing in product((2, 3, 5), SPREADS, PAIRINGS):
        key = f"table, 2 models, {seeds} seeds, spread {spread}, {pairing}"
        if key not in cells or asked.again:
            cells.keep(key, of_table(2, seeds, spread, asked.tables, pairing=pairing))
        print(f"{key}: covers {100 * cells[key]['covers']:.1f} %", flush=True)
    for name, _, run in (each.partition("=") for each in asked.skew):
        cells.keep(f"skew, {name}", skew_of(Path(run)))
        print(f"skew, {name}: {cells[f'skew, {name}']['skew']:.2f}", flush=True)


def sizes_of(kind: str, count: int, random: np.random.Generator) -> Numbers:
    """Sizes of documents in bytes, of which none is more than LARGEST_SHARE of all."""
    while True:
        sizes = np.full(count, 1000.0)
        if kind.startswith("lognormal"):
            sizes = np.exp(random.normal(7, float(kind.split()[1]), count)) + 1
        elif kind.startswith("one"):
            sizes[0] = math.floor(0.3 / 0.7 * sizes[1:].sum())
        sizes = sizes.round()
        if largest_share(sizes) <= LARGEST_SHARE:
            return sizes


def bits_of(kind: str, sizes: Numbers, random: np.random.Generator) -> Numbers:
    """What the bits per byte of documents are above the truth: a mean of zero."""
    if kind == "skewed":
        return 0.3 * (random.exponential(size=len(sizes)) - 1)
    of_length = np.sqrt(np.median(sizes) / sizes) if kind.startswith("steadier") else 1.0
    return 0.3 * random.normal(size=len(sizes)) * of_length


def of_score(count: int, sizes: str, bits: str, draws: int, *, sources: int = 1) -> dict[str, Any]:
    """The share of intervals of a score that hold the truth, and their mean width.

    sources: the value is the mean over so many, of `count` documents each, whose bits differ.
    """
    random, covered, width = np.random.default_rng(1), 0, 0.0
    of_source = np.repeat(np.arange(sources), count)
    own = TRUTH + of_source - (sources - 1) / 2
    for _ in range(draws):
        parts = [sizes_of(sizes, count, random) for _ in range(sources)]
        above = [bits_of(bits, part, random) for part in parts]
        bytes_of = np.concatenate(parts)
        needed = bytes_of * (own + np.concatenate(above))
        found = ratio(needed, bytes_of.astype(np.int64), of_source)
        assert found.low is not None, "there are enough documents"
        assert found.high is not None, "as above"
        covered += found.low <= TRUTH <= found.high
        width += found.high - found.low
    return {"covers": covered / draws, "width": width / draws, "draws": draws}


def of_table(
    models: int, seeds: int, spread: str, tables: int, *, pairing: str = "paired"
) -> dict[str, Any]:
    """The share of tables that claim a difference, and of single intervals that hold zero."""
    are_paired = pairing == "paired"
    random, claims, covered = np.random.default_rng(2), 0, 0
    for _ in range(tables):
        sizes = sizes_of("lognormal 1", 60, random)
        common = random.normal(size=seeds)
        every = list[list[Documents]]()
        for model in range(models):
            common = random.normal(size=seeds) if pairing == PAIRINGS[1] else common
            times = 5.0 if spread != "equal" and model == 0 else 1.0
            own = TRUTH + OF_DOCUMENT * random.normal(size=len(sizes))
            moved = OF_SEED * times * (common + random.normal(size=seeds)) / math.sqrt(2)
            moved *= seeds > 1  # what its seed did to a single run is a part of its quality
            noise = OF_BOTH * random.normal(size=(seeds, len(sizes)))
            every.append([documents(own + moved[n] + noise[n], sizes) for n in range(seeds)])
        means = [np.mean([run["nats"].sum() for run in runs]) for runs in every]
        best = every[int(np.argmin(means))]
        others = [runs for runs in every if runs is not best]
        covered += sum(holds_zero(runs, best, 1, are_paired=are_paired) for runs in others)
        pairs = math.comb(models, 2)
        claims += not all(holds_zero(runs, best, pairs, are_paired=are_paired) for runs in others)
    return {"claims": claims / tables, "covers": covered / tables / (models - 1), "tables": tables}


def holds_zero(
    ones: list[Documents], others: list[Documents], comparisons: int, *, are_paired: bool
) -> bool:
    """Whether no difference is claimed."""
    _, low, high = mean_difference(ones, others, are_paired=are_paired, comparisons=comparisons)
    return (low or 0.0) <= 0.0 <= (high or 0.0)


def skew_of(run: Path) -> dict[str, Any]:
    """The skewness of a run's test text (`skew_in`), whose bits its evaluation has kept."""
    store = Store(run.parent.parent / "store")
    made = [store.find("evaluation", each["id"]) for each in planned(run)]
    of_test = [each for each in made if each and is_of_split(each.manifest["config"])]
    found = load_documents(of_test[0].folder)
    assert found is not None, "the evaluation has kept its documents"
    return skew_in(found)


def skew_in(found: Documents) -> dict[str, Any]:
    """The skewness of what groups of neighbours add to the error of a score: their bits, less those
    of as many bytes of their source on average. That of an exponential distribution is 2.

    In a mean over sources each source weighs the same, as in the score. Sources of fewer groups
    than FEWEST_OF_SOURCE are left out.
    """
    averaged = np.unique(found["source"][found["averaged"]])
    is_mean = len(averaged) > 1
    apart = list[Numbers]()
    for source in averaged if is_mean else np.unique(found["source"]):
        own = found[found["source"] == source]
        _, groups = np.unique(own["group"], return_inverse=True)
        sizes, bits = (np.bincount(groups, weights=own[each]) for each in ("bytes", "nats"))
        if len(sizes) >= FEWEST_OF_SOURCE:
            residuals = bits - sizes * bits.sum() / sizes.sum()
            apart.append(residuals / sizes.sum() if is_mean else residuals)
    every = np.concatenate(apart)
    return {"skew": float((every**3).mean() / every.std() ** 3), "groups": len(every)}


def documents(bits: Numbers, sizes: Numbers) -> Documents:
    """Documents of these sizes that need so many bits a byte."""
    found = np.zeros(len(bits), dtype=RECORD)
    found["text"] = found["group"] = np.arange(len(bits))
    found["bytes"], found["nats"], found["averaged"] = sizes, bits * sizes * math.log(2), True
    return found


if __name__ == "__main__":
    main()
