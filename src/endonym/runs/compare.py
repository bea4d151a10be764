"""`endonym compare`: finished runs side by side, and whether their differences are significant.

All figures are of one quantity (quantity.py). A difference is paired (each draw takes the same
documents for both runs) and is claimed only when its interval excludes zero. Where a recipe was
trained under several seeds, recipes are compared by these, and single runs are not. So a table
has one verdict for a pair. The best is chosen by the same scores, so all pairs count as compared.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from endonym.autopilot.cautions import cautions_of_unequal
from endonym.evaluate import documents as document_scores
from endonym.evaluate.documents import difference
from endonym.evaluate.score import FEW_GROUPS, Interval, Score, t_quantile
from endonym.log import counted, listed, number
from endonym.runs.finished_runs import FinishedRun, PublicModel
from endonym.runs.quantity import (
    NOTES,
    Difference,
    Quantity,
    SeedGroup,
    judged_groups,
    seed_groups,
)

BASELINES = ("before", "unigram", "bigram", "compressor")
ALIKE = 1.02
"""Numbers of parameters, and of training tokens, within this factor are called alike."""
FEW_SEEDS = 3.0
ENOUGH_SEEDS = 5
"""Seeds are few where so many narrow the part of an interval that is over them by this factor."""
SHOWN_KEYS = 8
"""Keys of recipes that are named where recipes differ."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A model from elsewhere beside the runs, of the same quantity.

    difference: to the best run, or to the mean over the seeds of the best recipe; None if the runs
    share too few documents.
    """

    model: PublicModel
    bits: Interval
    difference: Difference | None

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints."""
        return {
            "name": self.model.name,
            "folder": str(self.model.folder),
            "family": self.model.family,
            "parameters": self.model.parameters,
            "compared": asdict(self.bits),
            "score": asdict(self.model.score),
            "difference": self.difference and self.difference.as_dict(),
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs, the best first, with their bits per byte, and each one's difference to the best.

    bits: of each run, of the one quantity. groups: the runs, those together that differ by their
    seed alone; the best mean first. differences: empty if the runs share too few texts (then their
    order is as given), and where recipes are compared by their seeds. documents: how many the
    figures are over; 0 if the runs share too few. n_groups, n_bytes: of these, the groups of
    neighbours that intervals are over, and the bytes. others: models from elsewhere. comparisons:
    of how many pairs of models the intervals of differences hold together.
    """

    runs: list[FinishedRun]
    bits: list[Interval]
    groups: list[SeedGroup]
    differences: list[Difference]
    baselines: list[Score]
    notes: list[str]
    documents: int = 0
    n_groups: int = 0
    n_bytes: int = 0
    others: Sequence[Beside] = ()
    comparisons: int = 1

    @property
    def name(self) -> str:
        """The recipe's name, if they are runs of one; else empty."""
        are_plain = all(run.name == run.folder.name for run in self.runs)
        names = {re.split("[@+]", run.name)[0] for run in self.runs}
        return names.pop() if are_plain and len(names) == 1 else ""

    @property
    def stem(self) -> str:
        """What its files are called."""
        stem = f"{self.name}-comparison" if self.name else "comparison"
        return stem if self.split == "test" else f"{stem}-{self.split}"

    @property
    def split(self) -> str:
        """Whose documents were scored: test or dev."""
        return self.runs[0].score.split

    @property
    def is_of_one_language(self) -> bool:
        """Whether all runs are of one language, as far as their recipes say so."""
        return len({run.settings.get("language") for run in self.runs}) == 1

    @property
    def first(self) -> FinishedRun:
        """The run to go on with: the best; with seeds, the best recipe under its own seed.

        Beside recipes of several seeds, one of a single seed is not judged, so it is not taken.
        """
        return self.best.own

    @property
    def best(self) -> SeedGroup:
        """The best recipe of several seeds, or the best run if there is none."""
        return ([group for group in self.groups if group.has_several] or self.groups)[0]

    def short(self, run: FinishedRun) -> str:
        """What tells a run from the others: its variant and overrides, or else its name.

        With several seeds, the recipe's short name and the seed: "wide, seed 42".
        """
        (group,) = [group for group in self.groups if run in group.all_runs]
        short = group.name.removeprefix(self.name).removeprefix("@") or group.name
        if not group.has_several:
            return run.name.removeprefix(self.name).removeprefix("@") or run.name
        return f"{short}, seed {run.seed}"


def compare(runs: Sequence[FinishedRun], others: Sequence[PublicModel] = ()) -> Comparison:
    """Put runs side by side: the best first, if they share enough documents.

    others: models from elsewhere, which are set against the best.
    """
    quantity = Quantity.of([*runs, *others])
    bits = quantity.bits[: len(runs)]
    documents = quantity.documents[: len(runs)]
    groups = seed_groups(runs, [each.value for each in bits])
    has_seeds = any(group.has_several for group in groups)
    judged = sum(group.has_several for group in groups) if has_seeds else len(runs)
    comparisons = max(1, math.comb(judged + len(others), 2))
    order = sorted(range(len(runs)), key=lambda index: bits[index].value)
    differences = list[Difference]()
    if documents:
        of_run = dict(zip([run.folder for run in runs], documents, strict=True))
        groups = judged_groups(groups, of_run, comparisons)
    if documents and not has_seeds:
        to_best = partial(difference, other=documents[order[0]], comparisons=comparisons)
        differences = [Difference(*to_best(documents[index])) for index in order]
    # Baselines that count tokens differ by tokenizer: they are named "bigram of RUN", once each.
    recipes = {run.folder: group.name for group in groups for run in group.all_runs}
    baselines = list[Score]()
    differing = list[str]()
    for name in BASELINES:
        scores = [run.scores.get(name) for run in runs]
        distinct = {score and (round(score.value, 6), score.n_bytes) for score in scores}
        found = [score for score in scores if score is not None]
        if len(distinct) == 1:
            baselines += found[:1]
        elif len(found) < len(runs) or len({score.n_bytes for score in found}) > 1:
            differing.append(name)
        else:
            each_once = {round(s.value, 6): (s, runs[n]) for n, s in reversed([*enumerate(found)])}
            pairs = sorted(each_once.values(), key=lambda pair: pair[0].value)
            baselines += [replace(s, model=f"{name} of {recipes[run.folder]}") for s, run in pairs]
    baselines.sort(key=lambda score: score.value)
    of_value = document_scores.counted(documents[0]) if documents else None
    are_elsewhere = bool(baselines and documents) and not quantity.is_whole
    comparison = Comparison(
        runs=[runs[index] for index in order],
        bits=[bits[index] for index in order],
        groups=groups,
        differences=differences,
        baselines=[] if are_elsewhere else baselines,
        notes=[],
        documents=0 if of_value is None else len(of_value),
        n_groups=0 if of_value is None else document_scores.group_count(of_value),
        n_bytes=0 if of_value is None else int(of_value["bytes"].sum()),
        comparisons=comparisons,
    )
    of_best = [runs.index(run) for run in comparison.best.runs]
    beside = _beside(others, quantity, of_best, comparisons)
    comparison = replace(comparison, others=beside)
    notes = _notes(comparison, quantity, differing, are_elsewhere=are_elsewhere)
    return replace(comparison, notes=notes)


def _beside(
    others: Sequence[PublicModel], quantity: Quantity, best: Sequence[int], comparisons: int
) -> list[Beside]:
    """Models from elsewhere, the best first, each with its difference to the mean of the best runs.

    best: the indices of these among all that the quantity is of; the others are its last ones.
    """
    found: list[Beside] = []
    for index, model in enumerate(others, start=len(quantity.bits) - len(others)):
        to_best = None
        if quantity.documents:
            own = quantity.documents[index]
            every = [quantity.documents[n] for n in best]
            ends = document_scores.mean_difference([own], every, comparisons=comparisons)
            to_best = Difference(*ends)
        found.append(Beside(model, quantity.bits[index], to_best))
    return sorted(found, key=lambda each: each.bits.value)


def _notes(
    comparison: Comparison, quantity: Quantity, differing: Sequence[str], *, are_elsewhere: bool
) -> list[str]:
    """What a reader of the tables should know, one note a line.

    differing: baselines that are not the same for all runs. are_elsewhere: whether the others are
    over other documents.
    """
    runs = comparison.runs
    groups = comparison.groups
    verdict = list[str]()
    has_seeds = any(group.has_several for group in groups)
    if comparison.documents and len(runs) > 1:
        verdict = _seed_notes(comparison) if has_seeds else [_verdict(comparison)]
    read = {group.name: group.own.read for group in groups}
    known = {name: text for name, text in read.items() if text is not None and text.bytes}
    unequal = cautions_of_unequal(known) if known else []
    notes = [*verdict, *_notes_beside(comparison), *unequal, *quantity.notes]
    notes += _baseline_notes(comparison, quantity, differing, are_elsewhere=are_elsewhere)
    keys = dict.fromkeys(key for run in runs for key in run.settings)  # but name and seed
    differing_keys = [key for key in keys if len({run.settings.get(key) for run in runs}) > 1]
    if differing_keys:
        rest = len(differing_keys) - SHOWN_KEYS
        more = f" and {number(rest)} more" if rest > 0 else ""
        shown = ", ".join(differing_keys[:SHOWN_KEYS])
        notes.append(NOTES["settings"].format(keys=shown, more=more))
    notes += _amounts_apart("Parameters", {run.name: run.parameters[0] for run in runs})
    notes += _amounts_apart("Training tokens", {run.name: run.tokens for run in runs})
    if quantity.sources:
        notes.append(NOTES["sources"].format(sources=listed(quantity.sources)))
    if len({run.machine for run in runs}) > 1:
        notes.append(NOTES["machines"])
    has_dev_scores = all(run.dev_score for run in runs)
    if comparison.split == "test" and len(groups) > 1 and not has_dev_scores:
        notes.append(NOTES["dev"])
    if comparison.split == "dev":
        notes.append(NOTES["dev_chooses"])
    if comparison.documents:
        few = NOTES["few_groups"] if comparison.n_groups < FEW_GROUPS else ""
        values = {"documents": number(comparison.documents), "split": comparison.split, "few": few}
        groups = f"{number(comparison.n_groups)} groups of neighbours"
        notes.append(NOTES["groups"].format(groups=groups, **values))
    if comparison.documents and comparison.comparisons > 1:
        notes.append(NOTES["together"].format(pairs=number(comparison.comparisons)))
    return [*notes, NOTES["intervals" if has_seeds else "intervals_of_one_seed"]]


def _notes_beside(comparison: Comparison) -> list[str]:
    """How each model from elsewhere stands to the best run or recipe, and what is not known."""
    notes: list[str] = []
    best = comparison.best
    for each in comparison.others:
        to_best = each.difference
        if to_best is not None and to_best.low is not None:
            name = ("less" if to_best.value < 0 else "more") if to_best.is_claimed else "near"
            values: dict[str, Any] = {"name": each.model.name, "best": best.name}
            values |= {
                "value": abs(to_best.value),
                "span": f"{to_best.low:+.4f} to {to_best.high:+.4f}",
                "seeds": NOTES["over_seeds"] if best.has_several else "",
            }
            notes.append(NOTES[f"beside_{name}"].format(**values))
    if comparison.others:
        names = listed([each.model.name for each in comparison.others])
        notes.append(NOTES["not_compared"].format(names=names, split=comparison.split))
    return notes


def _verdict(comparison: Comparison) -> str:
    """Which run is best, and which ones are not significantly worse."""
    runs = comparison.runs
    differences = comparison.differences
    best = runs[0]
    if differences[-1].low is None:
        return NOTES["no_claim"].format(best=best.name)
    pairs = zip(runs[1:], differences[1:], strict=True)
    near = [run.name for run, difference in pairs if not difference.is_claimed]
    note = NOTES["best_but_near" if near else "best"]
    count = number(comparison.documents)
    return note.format(best=best.name, near=listed(near), count=count, split=best.score.split)


def _seed_notes(comparison: Comparison) -> list[str]:
    """Which recipe is the best by its seeds, and what few seeds cannot say."""
    groups = comparison.groups
    several = [group for group in groups if group.has_several]
    notes = list[str]()
    best = several[0]
    near = [g.name for g in groups if g.difference is not None and not g.difference.is_claimed]
    if len(groups) == 1:
        seeds = counted(len(best.runs), "seed")
        note = NOTES["seeds_of_one"]
        notes.append(
            note.format(name=best.name, mean=best.mean, seeds=seeds, deviation=best.deviation)
        )
    elif differences := [group.difference for group in groups if group.difference]:
        note = NOTES["best_seeds_but_near" if near else "best_seeds"]
        note = NOTES["no_claim"] if differences[0].low is None else note
        notes.append(note.format(best=best.name, near=", ".join(near)))
    fewest = min(len(group.runs) for group in several)
    tail = 0.025 / comparison.comparisons
    few, enough = (t_quantile(n - 1, tail) / math.sqrt(n) for n in (fewest, ENOUGH_SEEDS))
    if (times := few / enough) >= FEW_SEEDS:
        names = ", ".join(group.name for group in several if len(group.runs) == fewest)
        seeds = counted(fewest, "seed").capitalize()
        notes.append(NOTES["few_seeds"].format(seeds=seeds, names=names, times=times))
    of_one_seed = [group.name for group in groups if not group.has_several]
    if of_one_seed:
        notes.append(NOTES["one_seed"].format(names=listed(of_one_seed)))
    return notes


def _baseline_notes(
    comparison: Comparison, quantity: Quantity, differing: Sequence[str], *, are_elsewhere: bool
) -> list[str]:
    """Which baselines are not shown, and which of the others no model is better than."""
    baselines = comparison.baselines
    notes = list[str]()
    if are_elsewhere:
        notes.append(NOTES["baselines_elsewhere"])
    elif differing and (baselines or quantity.is_whole):
        notes.append(NOTES["baselines_differ"].format(names=listed(differing)))
    if any(" of " in baseline.model for baseline in baselines):
        notes.append(NOTES["baselines_of"])
    on_sample = [(run.name, run.scores.get("model_on_sample")) for run in comparison.runs]
    values = [f"{name} {score.value:.4f}" for name, score in on_sample if score is not None]
    if values and any(baseline.model == "compressor" for baseline in baselines):
        notes.append(NOTES["on_sample"].format(values=listed(values)))
    best = min(bits.value for bits in comparison.bits)
    untrained = [
        each
        for each in baselines
        if each.sampled_from is None and not each.model.startswith("before")
    ]
    better = [f"{each.model} ({each.value:.4f})" for each in untrained if each.value < best]
    if better:
        notes.append(NOTES["baselines_better"].format(names=listed(better), best=best))
    return notes


def _amounts_apart(what: str, amounts: Mapping[str, int]) -> list[str]:
    """A note on how far an amount differs, if by more than ALIKE. amounts: by run."""
    least = min(amounts, key=amounts.__getitem__)
    most = max(amounts, key=amounts.__getitem__)
    if amounts[most] <= amounts[least] * ALIKE:
        return []
    small, large = (f"{number(amounts[name])} ({name})" for name in (least, most))
    factor = amounts[most] / max(1, amounts[least])
    return [NOTES["amounts"].format(what=what, factor=factor, small=small, large=large)]


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """The form that `--json` prints."""
    differences = comparison.differences or [None] * len(comparison.runs)
    runs: list[dict[str, Any]] = []
    for run, bits, to_best in zip(comparison.runs, comparison.bits, differences, strict=True):
        total, active = run.parameters
        last = run.models[-1].numbers
        runs.append(
            {
                "name": run.name,
                "run": str(run.folder),
                "variant": run.plan.get("variant"),
                "sets": run.plan.get("sets", []),
                "seed": run.seed,
                "split_seed": run.split_seed,
                "versions": run.versions,
                "machine": run.machine
                and dict(zip(("processor", "threads"), run.machine, strict=True)),
                "corpus": run.corpus,
                "lr": run.lr,
                "family": run.shape.family,
                "parameters": total,
                "active_parameters": active,
                "train_tokens": run.tokens,
                "epochs": run.epochs,
                "compared": asdict(bits),
                "score": asdict(run.score),
                "dev_bits_per_byte": run.dev_score and run.dev_score.value,
                "difference": to_best and to_best.as_dict(),
                "seconds": run.seconds or None,
                "tokens_per_second": run.speed,
                "steps": last["steps"],
                "kept_step": last["kept_step"],
                "efficiency": [asdict(row) for row in run.efficiency],
            }
        )
    return {
        "runs": runs,
        "others": [each.as_dict() for each in comparison.others],
        "baselines": [asdict(line) for line in comparison.baselines],
        "same_documents": comparison.documents > 0,
        "shared_documents": comparison.documents,
        "shared_groups": comparison.n_groups,
        "shared_bytes": comparison.n_bytes,
        "comparisons": comparison.comparisons,
        "seeds": [group.as_dict() for group in comparison.groups],
        "notes": comparison.notes,
    }
