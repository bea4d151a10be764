"""Runs that differ by their seed alone: mean, spread, and differences between such groups.

An interval over documents says nothing about another training. Where every recipe was trained
under several seeds, recipes are compared by their means, with the seeds as the sample.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from endonym.log import counted, number
from endonym.recipe.recipe import Recipe
from endonym.runs.finished_runs import FinishedRun
from endonym.store import fingerprint

FEW_SEEDS = 2
"""With so many, Student's t has one or two degrees of freedom: an interval is very wide."""
STEPS = 200
"""Steps of Simpson's rule: quantiles are right to 1e-6."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Bits per byte above the best, with a 95 % interval if there is one.

    Of two runs: paired, over documents; of the means over sources, if there are several. Of two
    recipes: over their seeds.
    """

    value: float
    low: float | None
    high: float | None

    @property
    def is_claimed(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints."""
        return {**asdict(self), "is_claimed": self.is_claimed}


@dataclass(frozen=True)
class SeedGroup:
    """Runs of one recipe under several seeds; or a single run."""

    runs: tuple[FinishedRun, ...]
    values: tuple[float, ...]
    """Bits per byte of each run."""

    @property
    def own(self) -> FinishedRun:
        """The run under the recipe's own seed: the one that overrides least."""
        return min(self.runs, key=lambda run: len(run.name))

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.own.name

    @property
    def has_several(self) -> bool:
        """Whether there are several seeds."""
        return len({run.seed for run in self.runs}) > 1

    @property
    def mean(self) -> float:
        """Mean bits per byte."""
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float:
        """Standard deviation of a run, by n − 1; of two runs at least."""
        return statistics.stdev(self.values)

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints."""
        return {
            "name": self.name,
            "runs": [run.name for run in self.runs],
            "seeds": [run.seed for run in self.runs],
            "mean": self.mean,
            "deviation": self.deviation if self.has_several else None,
            "low": min(self.values),
            "high": max(self.values),
        }


def under_seeds(
    path: Path, variants: Sequence[str | None], sets: Sequence[str], count: int
) -> list[Recipe]:
    """A recipe, or these variants of it, under `count` seeds: the recipe's own and the next ones.

    All variants under one seed come before the next seed.
    """
    firsts = [Recipe.load(path, variant=variant, sets=sets) for variant in variants]
    others = [each for each in sets if each.partition("=")[0].strip() != "seed"]
    more = [
        Recipe.load(path, variant=first.variant, sets=[*others, f"seed={first.seed + ahead}"])
        for ahead in range(1, count)
        for first in firsts
    ]
    return [*firsts, *more]


def seed_groups(runs: Sequence[FinishedRun], values: Sequence[float] = ()) -> list[SeedGroup]:
    """The runs, those together that differ by their seed alone; the lowest mean first.

    values: bits per byte of each run, if not of all documents that it was scored on.
    """
    found: dict[str, list[tuple[FinishedRun, float]]] = {}
    for run, value in zip(runs, values or [run.score.value for run in runs], strict=True):
        found.setdefault(_apart_from_seed(run), []).append((run, value))
    groups: list[SeedGroup] = []
    for pairs in found.values():
        pairs.sort(key=lambda pair: pair[0].seed)
        groups.append(SeedGroup(tuple(run for run, _ in pairs), tuple(value for _, value in pairs)))
    return sorted(groups, key=lambda group: group.mean)


def _apart_from_seed(run: FinishedRun) -> str:
    """What was trained, on what: a hash of all but the seed."""
    trained: list[dict[str, Any]] = []
    for model in run.models:
        config = {key: value for key, value in model.manifest["config"].items() if key != "seed"}
        inputs = {key: value for key, value in model.manifest["inputs"].items() if key != "start"}
        trained.append({"config": config, "inputs": inputs})
    return fingerprint({"trained": trained})


def seed_differences(groups: Sequence[SeedGroup]) -> list[Difference | None]:
    """Of each recipe with several seeds to the best of these; None for the best and for others."""
    several = [group for group in groups if group.has_several]
    return [
        welch(group.values, several[0].values) if group in several[1:] else None for group in groups
    ]


def seed_notes(groups: Sequence[SeedGroup], differences: Sequence[Difference | None]) -> list[str]:
    """Which recipe is the best by its seeds, and what two seeds cannot say.

    differences: as in seed_differences; all None if the runs share too few documents.
    """
    several = [group for group in groups if group.has_several]
    if not several:
        return []
    best, notes = several[0], list[str]()
    found = [(g, each) for g, each in zip(groups, differences, strict=True) if each is not None]
    near = [group.name for group, each in found if not each.is_claimed]
    if len(groups) == 1:
        notes.append(
            f"{best.name}: {best.mean:.4f} bits per byte on average over "
            f"{counted(len(best.runs), 'seed')}, standard deviation {best.deviation:.4f}."
        )
    elif found:
        verdict = ", and every interval of a difference to it excludes zero"
        if near:
            verdict = f"; {', '.join(near)} cannot be told apart from it"
        notes.append(f"{best.name} has the lowest mean over its seeds{verdict} (Welch's t-test).")
    few = [group.name for group in several if len(group.runs) == FEW_SEEDS]
    if few:
        notes.append(
            f"Two seeds decide little ({', '.join(few)}): with three or more the intervals are "
            "much narrower. endonym run RECIPE --seeds 3"
        )
    return notes


def seed_cells(
    groups: Sequence[SeedGroup], differences: Sequence[Difference | None]
) -> list[list[str]]:
    """The table of recipes, its head first; empty if none has several seeds."""
    if not any(group.has_several for group in groups):
        return []
    has_differences = any(differences)
    beside = ["to the best", "95 %, Welch"] if has_differences else []
    rows = [["recipe", "seeds", "mean bits/byte", "std", *beside]]
    best = next(group for group in groups if group.has_several)
    for group, each in zip(groups, differences, strict=True):
        spread = f"{group.deviation:.4f}" if group.has_several else "–"
        row = [group.name, number(len(group.runs)), f"{group.mean:.4f}", spread]
        if has_differences and each is not None:
            row += [f"{each.value:+.4f}", f"{each.low:+.4f} to {each.high:+.4f}"]
        elif has_differences:
            row += ["best", ""] if group is best else ["–", ""]
        rows.append(row)
    return rows


def welch(one: Sequence[float], other: Sequence[float]) -> Difference:
    """The difference of two means, whose spreads may differ, with its 95 % interval.

    Source: Welch 1947, with the degrees of freedom of Satterthwaite 1946, as in R's t.test and
    scipy's ttest_ind(equal_var=False).
    """
    parts = [(statistics.variance(each) / len(each), len(each) - 1) for each in (one, other)]
    variance = sum(part for part, _ in parts)
    middle = statistics.fmean(one) - statistics.fmean(other)
    if variance == 0:
        return Difference(middle, middle, middle)
    freedom = variance**2 / sum(part**2 / free for part, free in parts)
    reach = t_quantile(freedom) * math.sqrt(variance)
    return Difference(middle, middle - reach, middle + reach)


def t_quantile(freedom: float) -> float:
    """The 97.5 % quantile of Student's t, whose degrees of freedom need not be whole.

    t = √freedom · tan angle, where the density of the angle is proportional to
    cos(angle)^(freedom − 1). The share below an angle is concave, so Newton's steps from 0 never
    pass the quantile.
    """
    whole = math.exp(math.lgamma(freedom / 2) - math.lgamma((freedom + 1) / 2)) * math.sqrt(math.pi)
    angle = step = 0.0
    while angle == 0 or step > 1e-12 * angle:
        step = 0.475 * whole - _cosines(freedom - 1, angle)
        step /= math.cos(angle) ** (freedom - 1)
        angle += step
    return math.sqrt(freedom) * math.tan(angle)


def _cosines(power: float, angle: float) -> float:
    """The integral of cos^power from 0 to the angle, by Simpson's rule."""
    values = [math.cos(angle * n / STEPS) ** power for n in range(STEPS + 1)]
    inside = 4 * sum(values[1:-1:2]) + 2 * sum(values[2:-1:2])
    return (values[0] + inside + values[-1]) * angle / (3 * STEPS)
