"""Runs that differ by their seed alone: mean, spread, and differences between such groups.

An interval over documents says nothing about another training. Where every recipe was trained
under several seeds, recipes are compared by their means, with the seeds as the sample.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from endonym.commands.finished_runs import FinishedRun
from endonym.log import number
from endonym.recipe.recipe import Recipe
from endonym.store import fingerprint

T_QUANTILES = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""97.5 % quantiles of Student's t for one to ten degrees of freedom."""


@dataclass(frozen=True)
class SeedGroup:
    """Runs of one recipe under several seeds; or a single run."""

    runs: tuple[FinishedRun, ...]

    @property
    def own(self) -> FinishedRun:
        """The run under the recipe's own seed: the one that overrides least."""
        return min(self.runs, key=lambda run: len(run.name))

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.own.name

    @cached_property
    def values(self) -> list[float]:
        """Bits per byte of each run."""
        return [run.score.value for run in self.runs]

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
        several = len(self.runs) > 1
        return {
            "name": self.name,
            "runs": [run.name for run in self.runs],
            "seeds": [run.seed for run in self.runs],
            "mean": self.mean,
            "deviation": self.deviation if several else None,
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


def seed_groups(runs: Sequence[FinishedRun]) -> list[SeedGroup]:
    """The runs, those together that differ by their seed alone; the lowest mean first."""
    found: dict[str, list[FinishedRun]] = {}
    for run in runs:
        found.setdefault(_apart_from_seed(run), []).append(run)
    groups = [SeedGroup(tuple(sorted(each, key=lambda run: run.seed))) for each in found.values()]
    return sorted(groups, key=lambda group: group.mean)


def _apart_from_seed(run: FinishedRun) -> str:
    """What was trained, on what: a hash of all but the seed."""
    trained: list[dict[str, Any]] = []
    for model in run.models:
        config = {key: value for key, value in model.manifest["config"].items() if key != "seed"}
        inputs = {key: value for key, value in model.manifest["inputs"].items() if key != "start"}
        trained.append({"config": config, "inputs": inputs})
    return fingerprint({"trained": trained})


def have_several_seeds(groups: Sequence[SeedGroup]) -> bool:
    """Whether each recipe was trained under several seeds, so that they are compared by these."""
    return all(len(group.runs) > 1 for group in groups)


def seed_notes(groups: Sequence[SeedGroup]) -> list[str]:
    """Mean and spread of every recipe with several seeds, and each one's difference to the best."""
    several = [group for group in groups if len(group.runs) > 1]
    notes = [
        f"{group.name}: {group.mean:.4f} bits per byte on average over {number(len(group.runs))} "
        f"seeds, standard deviation {group.deviation:.4f}, {min(group.values):.4f} to "
        f"{max(group.values):.4f}."
        for group in several
    ]
    for group in several[1:]:
        best = several[0]
        low, high = welch_interval(group.values, best.values)
        verdict = "" if low > 0 or high < 0 else ": no difference is claimed"
        notes.append(
            f"{group.name} − {best.name}: {group.mean - best.mean:+.4f} bits per byte, mean over "
            f"seeds; 95 % interval {low:+.4f} to {high:+.4f} (Welch's t-test){verdict}."
        )
    return notes


def welch_interval(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the difference of two means, whose spreads may differ.

    Source: Welch 1947; the degrees of freedom are rounded down.
    """
    parts = [(statistics.variance(each) / len(each), len(each) - 1) for each in (one, other)]
    variance = sum(part for part, _ in parts)
    middle = statistics.fmean(one) - statistics.fmean(other)
    if variance == 0:
        return middle, middle
    freedom = variance**2 / sum(part**2 / free for part, free in parts)
    reach = t_quantile(math.floor(freedom + 1e-9)) * math.sqrt(variance)
    return middle - reach, middle + reach


def t_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t; beyond ten degrees by an expansion, to 0.003."""
    if freedom <= len(T_QUANTILES):
        return T_QUANTILES[max(1, freedom) - 1]
    normal = statistics.NormalDist().inv_cdf(0.975)
    return (
        normal
        + (normal**3 + normal) / (4 * freedom)
        + (5 * normal**5 + 16 * normal**3 + 3 * normal) / (96 * freedom**2)
    )
