"""The one quantity by which finished runs are compared, and their differences by it.

It is bits per byte of the documents that all runs share, of the sources that are in the mean of
all, and that have enough documents for an interval. The column of the table, the order, the
differences, all intervals, and the means over seeds are of it.

An interval over documents says nothing about another training. Where recipes were trained under
several seeds, they are compared by their means, over documents and seeds together.
"""

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from endonym.disk import packaged_tables
from endonym.evaluate import documents as document_scores
from endonym.evaluate.documents import Documents
from endonym.evaluate.score import FEWEST_DOCUMENTS, FEWEST_OF_SOURCE, Interval
from endonym.export import history
from endonym.log import listed, number
from endonym.recipe.recipe import Recipe
from endonym.runs.finished_runs import FinishedRun, RunOrModel
from endonym.store import fingerprint

NOTES: dict[str, str] = packaged_tables("endonym.runs", "notes.toml")


@dataclass(frozen=True, slots=True)
class Quantity:
    """What the runs are compared by.

    documents: of each run, the same ones in the same order; none if the runs share too few, and
    then each run stands with its own score. bits: of each run. sources: the names of those that
    the mean is over; empty if it is over all bytes. is_whole: whether these are all documents and
    sources that each run was scored on. notes: what was left out, and why.
    """

    documents: list[Documents]
    bits: list[Interval]
    sources: list[str]
    is_whole: bool
    notes: list[str]

    @classmethod
    def of(cls, runs: Sequence[RunOrModel]) -> "Quantity":
        """The quantity that all these runs have."""
        scores = [Interval(run.score.value, run.score.low, run.score.high) for run in runs]
        common, notes = _common(runs)
        if not common:
            return cls(documents=[], bits=scores, sources=[], is_whole=False, notes=notes)
        documents, more_notes = _with_intervals(runs, common)
        own_documents = [run.documents for run in runs if run.documents is not None]
        is_whole = all(map(document_scores.are_same, documents, own_documents))
        bits = (
            scores
            if is_whole
            else [Interval(*document_scores.interval(of_run)) for of_run in documents]
        )
        averaged = _averaged(runs, documents[0])
        sources = averaged if len(averaged) > 1 else []
        return cls(documents, bits, sources, is_whole, notes + more_notes)


def _common(runs: Sequence[RunOrModel]) -> tuple[list[Documents], list[str]]:
    """Of each run the documents that all were scored on, and a note if these are not all it has.

    No documents, and a note on why, if the runs share too few.
    """
    without = [run.name for run in runs if run.documents is None]
    if without:
        return [], [NOTES["no_documents"].format(names=listed(without))]
    own = [run.documents for run in runs if run.documents is not None]
    if all(document_scores.are_same(own[0], each) for each in own[1:]):
        return own, []
    common = document_scores.shared(own)
    is_enough = bool(document_scores.documents_for_intervals(common))
    if all(document_scores.are_of_same_texts(own[0], each) for each in own):
        name = "other_sources" if is_enough else "other_sources_and_few"
    else:
        few = "other_documents_and_few" if len(common[0]) else "no_documents_shared"
        name = "other_documents" if is_enough else few
    averaged = listed(_averaged(runs, common[0]))
    note = NOTES[name].format(
        split=runs[0].score.split,
        sizes="; ".join(f"{run.name}: {number(run.score.n_documents)}" for run in runs),
        common=number(len(common[0])),
        sources=averaged or "all bytes",
        of=f", of {averaged}" if averaged else "",
    )
    return common if is_enough else [], [note]


def _with_intervals(
    runs: Sequence[RunOrModel], documents: list[Documents]
) -> tuple[list[Documents], list[str]]:
    """The documents whose differences have intervals: of all sources of the mean, or of some.

    documents: of each run. Also a note if some sources are left out, or if there are no intervals.
    """
    some = document_scores.documents_for_intervals(documents)
    if some and len(some[0]) == len(documents[0]):
        return documents, []
    split = runs[0].score.split
    if not some:
        note = NOTES["no_interval"].format(
            documents=FEWEST_DOCUMENTS, split=split, of_source=FEWEST_OF_SOURCE
        )
        return documents, [note]
    averaged = _averaged(runs, documents[0])
    kept = document_scores.named_in(some[0], averaged)
    left_out = [name for name in averaged if name not in kept]
    values = {"names": listed(left_out), "kept": listed(kept), "documents": number(len(some[0]))}
    return some, [NOTES["left_out"].format(split=split, of_source=FEWEST_OF_SOURCE, **values)]


def _averaged(runs: Sequence[RunOrModel], documents: Documents) -> list[str]:
    """The sources in the mean over sources of any run that have documents here."""
    names = sorted({name for run in runs for name in run.score.averaged})
    return document_scores.named_in(documents[documents["averaged"]], names)


@dataclass(frozen=True, slots=True)
class Difference(Interval):
    """Bits per byte above the best.

    Of two runs: paired, over documents; of the means over sources, if there are several. Of two
    recipes: over documents and seeds together. Of several, all intervals hold together.
    """

    @property
    def is_claimed(self) -> bool:
        """Whether the interval excludes zero."""
        return self.excludes(0)

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints."""
        return {**asdict(self), "is_claimed": self.is_claimed}


@dataclass(frozen=True)
class SeedGroup:
    """Runs of one recipe under several seeds, with the bits per byte of each; or a single run.

    difference: to the best group of several seeds; None for itself and for single runs. interval:
    the mean with its interval over documents and seeds; None of runs that share too few documents.
    again: runs that are the same model as one of these; they do not count.
    """

    runs: tuple[FinishedRun, ...]
    values: tuple[float, ...]
    difference: Difference | None = None
    interval: Interval | None = None
    again: tuple[FinishedRun, ...] = ()

    @property
    def all_runs(self) -> tuple[FinishedRun, ...]:
        """The runs, and those that are the same model once more."""
        return (*self.runs, *self.again)

    @property
    def own(self) -> FinishedRun:
        """The run under the recipe's own seed: the one that overrides least."""
        return min(self.runs, key=lambda run: len(run.name))

    @property
    def name(self) -> str:
        """The recipe's name; of several seeds without an override of the seed."""
        name = self.own.name
        without = re.sub(r"(?<=[+,])seed=\d+,?", "", name).rstrip("+,")
        return without if self.has_several else name

    @property
    def seeds(self) -> list[int]:
        """The seeds, in order."""
        return [run.seed for run in self.runs]

    @property
    def has_several(self) -> bool:
        """Whether there are several seeds."""
        return len(self.runs) > 1

    @property
    def mean(self) -> float:
        """Mean bits per byte."""
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """Standard deviation of a run, by n − 1; None of a single seed."""
        return statistics.stdev(self.values) if self.has_several else None

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints."""
        return {
            "name": self.name,
            "runs": [run.name for run in self.runs],
            "seeds": self.seeds,
            "mean": self.mean,
            "deviation": self.deviation,
            "min": min(self.values),
            "max": max(self.values),
            "interval": self.interval and asdict(self.interval),
            "difference": self.difference and self.difference.as_dict(),
        }


def under_seeds(
    path: Path, variants: Sequence[str | None], sets: Sequence[str], count: int
) -> list[Recipe]:
    """These variants of a recipe under `count` seeds: the recipe's own seed and the next ones.

    All variants under one seed come before the next seed.
    """
    own_seeds = [Recipe.load(path, variant=variant, sets=sets) for variant in variants]
    other_sets = [each for each in sets if each.partition("=")[0].strip() != "seed"]
    next_seeds = [
        Recipe.load(path, variant=own.variant, sets=[*other_sets, f"seed={own.seed + ahead}"])
        for ahead in range(1, count)
        for own in own_seeds
    ]
    return [*own_seeds, *next_seeds]


def seed_groups(runs: Sequence[FinishedRun], values: Sequence[float]) -> list[SeedGroup]:
    """The runs in groups that differ by their seed alone; the group with the lowest mean first.

    A training that stands there twice, as a recipe and as a variant that changes nothing, counts
    once.

    values: bits per byte of each run.
    """
    by_training: dict[str, list[tuple[FinishedRun, float]]] = {}
    for run, value in zip(runs, values, strict=True):
        trained = [history.without_seed(model) for model in run.models]
        by_training.setdefault(fingerprint(trained), []).append((run, value))
    groups: list[SeedGroup] = []
    for pairs in by_training.values():
        by_seed: dict[int, tuple[FinishedRun, float]] = {}
        for pair in pairs:
            by_seed.setdefault(pair[0].seed, pair)
        members, scores = zip(*[by_seed[seed] for seed in sorted(by_seed)], strict=True)
        again = [run for run, _ in pairs if by_seed[run.seed][0] is not run]
        groups.append(SeedGroup(members, scores, again=tuple(again)))
    return sorted(groups, key=lambda group: group.mean)


def judged_groups(
    groups: Sequence[SeedGroup], documents: Mapping[Path, Documents], comparisons: int
) -> list[SeedGroup]:
    """The groups with the intervals of their means, and of their differences to the best of those
    of several seeds.

    documents: of each run, by its folder. comparisons: of how many pairs all intervals of
    differences are to hold together.
    """
    every = [[documents[run.folder] for run in group.runs] for group in groups]
    best = next((place for place, group in enumerate(groups) if group.has_several), None)
    found = list[SeedGroup]()
    for place, (group, own) in enumerate(zip(groups, every, strict=True)):
        to_best = None
        if best is not None and place != best and group.has_several:
            are_paired = group.seeds == groups[best].seeds
            ends = document_scores.mean_difference(
                own, every[best], are_paired=are_paired, comparisons=comparisons
            )
            to_best = Difference(*ends)
        interval = Interval(*document_scores.mean_interval(own))
        found.append(replace(group, difference=to_best, interval=interval))
    return found
