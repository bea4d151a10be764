"""`endonym compare`: finished runs side by side, and whether their differences are significant.

All figures are of one quantity (quantity.py). A difference is paired (each draw takes the same
documents for both runs) and is claimed only when its interval excludes zero. Where a recipe was
trained under several seeds, recipes are compared by these (seeds.py), and single runs are not.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from endonym.autopilot.cautions import cautions_of_unequal
from endonym.evaluate import documents as document_scores
from endonym.evaluate.documents import difference
from endonym.evaluate.score import FEW_GROUPS, Score
from endonym.evaluate.tables import aligned, rows_with_heads
from endonym.log import counted, duration, folded, listed, number
from endonym.runs.finished_runs import FinishedRun, PublicModel
from endonym.runs.quantity import (
    NOTES,
    Bits,
    Difference,
    Quantity,
    SeedGroup,
    interval_of,
    seed_groups,
    with_seeds,
)

BASELINES = ("before", "unigram", "bigram", "compressor")
ALIKE = 1.02
"""Numbers of parameters, and of training tokens, within this factor are called alike."""
SHOWN_KEYS = 8
"""Keys of recipes that are named where recipes differ."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A model from elsewhere beside the runs, of the same quantity.

    difference: to the best run, or to the mean over the seeds of the best recipe; None if the runs
    share too few documents.
    """

    model: PublicModel
    bits: Bits
    difference: Difference | None

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints."""
        return {
            "name": self.model.name,
            "folder": str(self.model.folder),
            "family": self.model.family,
            "parameters": self.model.parameters,
            "compared": asdict(self.bits),
            "score": self.model.score.as_dict(),
            "difference": self.difference and self.difference.as_dict(),
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs, the best first, with their bits per byte, and each one's difference to the best.

    bits: of each run, of the one quantity. groups: the runs, those together that differ by their
    seed alone; the best mean first. differences: empty if the runs share too few texts (then their
    order is as given), and where recipes are compared by their seeds. documents: how many the
    figures are over; 0 if the runs share too few. n_groups, n_bytes: of these, the groups of
    neighbours that intervals draw, and the bytes. others: models from elsewhere.
    """

    runs: list[FinishedRun]
    bits: list[Bits]
    groups: list[SeedGroup]
    differences: list[Difference]
    baselines: list[Score]
    notes: list[str]
    documents: int = 0
    n_groups: int = 0
    n_bytes: int = 0
    others: Sequence[Beside] = ()

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
    bits, documents = quantity.bits[: len(runs)], quantity.documents[: len(runs)]
    groups = seed_groups(
        runs,
        [each.value for each in bits],
        are_comparable=bool(documents),
        has_intervals=all(each.low is not None for each in bits),
    )
    if documents:
        of_run = dict(zip([run.folder for run in runs], documents, strict=True))
        groups = [
            replace(
                group, interval=interval_of(group.values, [of_run[e.folder] for e in group.runs])
            )
            for group in groups
        ]
    order, differences = [*range(len(runs))], list[Difference]()
    if documents:
        ranks = {run.folder: rank for rank, group in enumerate(groups) for run in group.all_runs}
        order.sort(key=lambda index: (ranks[runs[index].folder], bits[index].value))
        if not any(group.has_several for group in groups):
            best = documents[order[0]]
            differences = [Difference(*difference(documents[index], best)) for index in order]
    baselines, differing = _baselines(runs, groups)
    are_elsewhere = bool(baselines and documents) and not quantity.is_whole
    comparison = Comparison(
        runs=[runs[index] for index in order],
        bits=[bits[index] for index in order],
        groups=groups,
        differences=differences,
        baselines=[] if are_elsewhere else baselines,
        notes=[],
        documents=len(documents[0]) if documents else 0,
        n_groups=document_scores.group_count(documents[0]) if documents else 0,
        n_bytes=int(documents[0]["bytes"].sum()) if documents else 0,
    )
    of_best = [runs.index(run) for run in comparison.best.runs]
    comparison = replace(comparison, others=_beside(others, quantity, of_best))
    notes = _notes(comparison, quantity, differing, are_elsewhere=are_elsewhere)
    return replace(comparison, notes=notes)


def _beside(others: Sequence[PublicModel], quantity: Quantity, best: Sequence[int]) -> list[Beside]:
    """Models from elsewhere, each with its difference to the mean of the best runs.

    best: the indices of these among all that the quantity is of; the others are its last ones.
    """
    found: list[Beside] = []
    for index, model in enumerate(others, start=len(quantity.bits) - len(others)):
        to_best = None
        if quantity.documents:
            mean = document_scores.mean_of([quantity.documents[n] for n in best])
            to_best = Difference(*difference(quantity.documents[index], mean))
            to_best = with_seeds(to_best, [quantity.bits[n].value for n in best], mean)
        found.append(Beside(model, quantity.bits[index], to_best))
    return found


def _baselines(
    runs: Sequence[FinishedRun], groups: Sequence[SeedGroup]
) -> tuple[list[Score], list[str]]:
    """The baselines of the runs, and the names of those that are not of the same documents.

    Those that count tokens differ by tokenizer: they are named "bigram of RUN", once for each.
    """
    recipes = {run.folder: group.name for group in groups for run in group.all_runs}
    shared, differing = list[Score](), list[str]()
    for name in BASELINES:
        scores = [run.scores.get(name) for run in runs]
        distinct = {score and (round(score.value, 6), score.n_bytes) for score in scores}
        found = [score for score in scores if score is not None]
        if len(distinct) == 1:
            shared += found[:1]
        elif len(found) < len(runs) or len({score.n_bytes for score in found}) > 1:
            differing.append(name)
        else:
            each_once = {round(s.value, 6): (s, runs[n]) for n, s in reversed([*enumerate(found)])}
            pairs = sorted(each_once.values(), key=lambda pair: pair[0].value)
            shared += [replace(s, model=f"{name} of {recipes[run.folder]}") for s, run in pairs]
    return shared, differing


def _notes(
    comparison: Comparison, quantity: Quantity, differing: Sequence[str], *, are_elsewhere: bool
) -> list[str]:
    """What a reader of the tables should know, one note a line.

    differing: baselines that are not the same for all runs. are_elsewhere: whether the others are
    over other documents.
    """
    runs, groups, verdict = comparison.runs, comparison.groups, list[str]()
    has_seeds = any(group.has_several for group in groups)
    if comparison.documents and len(runs) > 1:
        verdict = _seed_notes(groups) if has_seeds else [_verdict(comparison)]
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
    runs, differences = comparison.runs, comparison.differences
    best = runs[0]
    if differences[-1].low is None:
        return NOTES["no_claim"].format(best=best.name)
    pairs = zip(runs[1:], differences[1:], strict=True)
    near = [run.name for run, difference in pairs if not difference.is_claimed]
    note = NOTES["best_but_near" if near else "best"]
    count = number(comparison.documents)
    return note.format(best=best.name, near=listed(near), count=count, split=best.score.split)


def _seed_notes(groups: Sequence[SeedGroup]) -> list[str]:
    """Which recipe is the best by its seeds, and what one seed or two cannot say.

    groups: the best first, at least one of several seeds.
    """
    several, notes = [group for group in groups if group.has_several], list[str]()
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
    few = [group.name for group in several if len(group.runs) == 2]
    if few:
        notes.append(NOTES["two_seeds"].format(names=", ".join(few)))
    of_one_seed = [group.name for group in groups if not group.has_several]
    if of_one_seed:
        notes.append(NOTES["one_seed"].format(names=listed(of_one_seed)))
    return notes


def _baseline_notes(
    comparison: Comparison, quantity: Quantity, differing: Sequence[str], *, are_elsewhere: bool
) -> list[str]:
    """Which baselines are not shown, and which of the others no model is better than."""
    baselines, notes = comparison.baselines, list[str]()
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
    least, most = min(amounts, key=amounts.__getitem__), max(amounts, key=amounts.__getitem__)
    if amounts[most] <= amounts[least] * ALIKE:
        return []
    small, large = (f"{number(amounts[name])} ({name})" for name in (least, most))
    factor = amounts[most] / max(1, amounts[least])
    return [NOTES["amounts"].format(what=what, factor=factor, small=small, large=large)]


def cells(comparison: Comparison) -> list[list[str]]:
    """The table as texts: its head, and a row for each run and each baseline."""
    rows: list[dict[str, str]] = []
    for index, run in enumerate(comparison.runs):
        row = {"run": run.name, **score_cells(comparison.bits[index])}
        if comparison.differences:
            to_best = comparison.differences[index] if index else None
            row |= difference_cells(to_best, "paired 95 %")
        total, active = run.parameters
        last = run.models[-1].numbers
        row |= {
            "family": run.shape.family,
            "parameters": number(total) + f" ({number(active)} active)" * (active != total),
            "lr": f"{run.lr:g}",
            "tokens": number(run.tokens),
            "epochs": f"{run.epochs:.2f}",
            "training": "–" if run.speed is None else duration(run.seconds),
            "tokens/s": "–" if run.speed is None else number(run.speed),
            "kept step": f"{number(last['kept_step'])} of {number(last['steps'])}",
        }
        rows.append(row)
    for each in comparison.others:
        row = {"run": each.model.name, **score_cells(each.bits)}
        if comparison.differences:
            row |= difference_cells(each.difference, "paired 95 %")
        rows.append(
            row | {"family": each.model.family, "parameters": number(each.model.parameters)}
        )
    for line in comparison.baselines:
        rows.append({"run": baseline_name(line), **score_cells(line)})
    return rows_with_heads(rows)


def recipes(comparison: Comparison) -> list[list[str]]:
    """The table of recipes with several seeds, its head first; empty if there are none."""
    return rows_with_heads(recipe_rows(comparison)) if comparison.best.has_several else []


def recipe_rows(comparison: Comparison) -> list[dict[str, str]]:
    """A row for each recipe over its seeds, and for each model from elsewhere: cells by head."""
    differences, rows = dict(enumerate(comparison.differences)), list[dict[str, str]]()
    are_apart = bool(comparison.documents) and len(comparison.groups) + len(comparison.others) > 1
    for group in comparison.groups:
        index, is_best = comparison.runs.index(group.own), group is comparison.best
        one = Bits(group.mean, None, None) if group.has_several else comparison.bits[index]
        bits = group.interval or one  # the interval of one seed is none of the mean
        row = {"model": group.name, "seeds": number(len(group.runs)), **score_cells(bits)}
        row |= {"std": "–" if group.deviation is None else f"{group.deviation:.4f}"}
        to_best = None if is_best else group.difference or differences.get(index)
        if are_apart:
            row |= difference_cells(
                to_best, "95 % of difference", without="best" if is_best else "–"
            )
        rows.append(row)
    for each in comparison.others:
        row = {"model": each.model.name, "seeds": "–", **score_cells(each.bits), "std": "–"}
        rows.append(row | difference_cells(each.difference, "95 % of difference"))
    return rows


def baseline_name(line: Score) -> str:
    """The name of a baseline, with how many documents it was measured on if not on all."""
    if line.sampled_from is None:
        return line.model
    return f"{line.model} ({number(line.n_documents)} of {number(line.sampled_from)} documents)"


def score_cells(score: Score | Bits) -> dict[str, str]:
    """Bits per byte and the 95 % interval, each under its head."""
    return {"bits/byte": f"{score.value:.4f}", "95 %": span(score)}


def span(score: Score | Bits) -> str:
    """A 95 % interval; – without one."""
    return "–" if score.low is None else f"{score.low:.4f}–{score.high:.4f}"


def difference_cells(
    to_best: Difference | None, interval: str, *, without: str = "best"
) -> dict[str, str]:
    """A difference and its interval under this head. without: what stands where there is none."""
    if to_best is None:
        return {"to the best": without, interval: ""}
    ends = "–" if to_best.low is None else f"{to_best.low:+.4f} to {to_best.high:+.4f}"
    return {"to the best": f"{to_best.value:+.4f}", interval: ends}


def describe(comparison: Comparison) -> str:
    """The comparison as text: whose documents, aligned tables, and notes."""
    means = recipes(comparison)
    tables = [*aligned(means), *([""] if means else []), *aligned(cells(comparison))]
    notes = map(folded, comparison.notes)
    return "\n".join([f"{comparison.split} documents", *tables, "", *notes])


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
                "lr": run.lr,
                "family": run.shape.family,
                "parameters": total,
                "active_parameters": active,
                "train_tokens": run.tokens,
                "epochs": run.epochs,
                "compared": asdict(bits),
                "score": run.score.as_dict(),
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
        "baselines": [line.as_dict() for line in comparison.baselines],
        "same_documents": comparison.documents > 0,
        "shared_documents": comparison.documents,
        "shared_groups": comparison.n_groups,
        "shared_bytes": comparison.n_bytes,
        "seeds": [group.as_dict() for group in comparison.groups],
        "notes": comparison.notes,
    }
