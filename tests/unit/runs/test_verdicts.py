"""What `compare` claims, on simulated models whose true difference is known."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from made_contenders import contender
from numpy.typing import NDArray

from endonym.evaluate.documents import RECORD, Documents, interval
from endonym.evaluate.score import LARGEST_SHARE, largest_share
from endonym.runs.compare import Comparison, compare
from endonym.runs.finished_runs import FinishedRun
from endonym.store import Artifact

DOCUMENTS = 60
SEEDS = 3
Bits = NDArray[np.float64]


def very_unequal(random: np.random.Generator) -> NDArray[np.int64]:
    """Sizes in bytes: the longest document is hundreds of times as long as the shortest one."""
    while True:
        sizes = np.exp(random.normal(7, 1.2, DOCUMENTS)).astype(np.int64)
        if largest_share(sizes) <= LARGEST_SHARE:
            return sizes


def documents(bits: Bits, sizes: NDArray[np.int64]) -> Documents:
    """Documents that need so many bits a byte."""
    found = np.zeros(len(bits), dtype=RECORD)
    found["text"] = found["group"] = np.arange(len(bits))
    found["bytes"], found["nats"], found["averaged"] = sizes, bits * sizes * math.log(2), True
    return found


def scored(run: FinishedRun, found: Documents) -> FinishedRun:
    """The run as if its evaluation had found this."""
    again = replace(run)
    for name in ("settings", "shape", "plan", "dev_score", "read", "seconds", "machine"):
        again.__dict__[name] = getattr(run, name)
    value, low, high = interval(found)
    again.__dict__["documents"] = found
    score = replace(run.score, value=value, low=low, high=high)
    again.__dict__["scores"] = run.scores | {"model": score}
    return again


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[list[FinishedRun]]:
    """Ten recipes under three seeds each."""
    folder, found = tmp_path_factory.mktemp("runs"), list[list[FinishedRun]]()
    for dim in range(10):
        found.append([])
        for seed in range(SEEDS):
            run = contender(folder, f"tt{dim}" + f"+seed={seed}" * (seed > 0), [40.0] * 30)
            config = {"model": {"dim": dim}, "phase": {"lr": 0.006}, "seed": seed}
            manifest = run.models[0].manifest | {"config": config}
            model = Artifact(run.models[0].folder, manifest)
            found[-1].append(replace(run, models=[model]))
    return found


def tables(
    runs: Sequence[Sequence[FinishedRun]], count: int, better: float = 0.0
) -> Iterator[Comparison]:
    """Comparisons of draws of documents and seeds. better: how much the first recipe is better.

    Half of what a seed does is the same for all recipes, as they read the data in one order. Each
    document also has bits of its own for each recipe, and for each run. A single run is judged as
    it is: what its seed did to it is a part of its quality, and left out here.
    """
    random = np.random.default_rng(7)
    for _ in range(count):
        sizes, common = very_unequal(random), random.normal(0, 1, SEEDS)
        hard = random.normal(2.0, 0.5, DOCUMENTS)
        drawn = list[FinishedRun]()
        for place, recipe in enumerate(runs):
            own = hard + random.normal(0, 0.04, DOCUMENTS) - better * (place == 0)
            for seed, run in enumerate(recipe):
                moved = 0.01 * (common[seed] + random.normal()) if len(recipe) > 1 else 0.0
                bits = own + moved + random.normal(0, 0.02, DOCUMENTS)
                drawn.append(scored(run, documents(bits, sizes)))
        yield compare(drawn)


@pytest.mark.parametrize("seeds", [SEEDS, 1])
def test_of_ten_models_of_one_quality_hardly_a_table_claims_a_difference(
    runs: list[list[FinishedRun]], seeds: int
) -> None:
    claims = 0
    for found in tables([recipe[:seeds] for recipe in runs], 200):
        given = [group.difference for group in found.groups if group.difference]
        given += found.differences
        assert found.comparisons == 45
        assert len(given) == (9 if seeds > 1 else 10)
        claims += any(each.is_claimed for each in given)
    assert claims <= 10


@pytest.mark.parametrize("seeds", [SEEDS, 1])
def test_intervals_of_a_known_difference_cover_it(
    runs: list[list[FinishedRun]], seeds: int
) -> None:
    covered, drawn = 0, 400
    for found in tables([recipe[:seeds] for recipe in runs[:2]], drawn, better=0.02):
        first, second = found.groups
        difference = second.difference if seeds > 1 else found.differences[1]
        truth = 0.02 if first.name == "tt0" else -0.02
        assert difference is not None
        assert difference.low is not None
        covered += difference.low <= truth <= (difference.high or 0.0)
    assert 0.93 * drawn <= covered <= 0.97 * drawn
