"""`endonym compare`: finished runs side by side, and whether their differences are significant.

All figures are of one quantity (quantity.py). A difference is paired (each draw takes the same
documents for both runs) and is claimed only when its interval excludes zero. Where a recipe was
trained under several seeds, recipes are compared by these (seeds.py), and single runs are not.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from endonym.evaluate.documents import difference
from endonym.evaluate.score import Score
from endonym.evaluate.tables import aligned
from endonym.log import duration, folded, listed, number
from endonym.runs.finished_runs import FinishedRun
from endonym.runs.quantity import Bits, Quantity
from endonym.runs.seeds import (
    Difference,
    SeedGroup,
    seed_cells,
    seed_differences,
    seed_groups,
    seed_notes,
)

BASELINES = ("before", "unigram", "bigram", "compressor")
SHOWN_KEYS = 8
"""Keys that are named where recipes differ."""
ALIKE = 1.02
"""Numbers of parameters, and of training tokens, within this factor are called alike."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs, the best first, with their bits per byte, and each one's difference to the best.

    bits: of each run, of the one quantity. differences: empty if the runs share too few texts (then
    their order is as given), and where recipes are compared by their seeds. documents: how many the
    figures are over; 0 if the runs share too few.
    """

    runs: list[FinishedRun]
    bits: list[Bits]
    differences: list[Difference]
    baselines: list[Score]
    notes: list[str]
    documents: int = 0

    @property
    def name(self) -> str:
        """The recipe's name, if they are runs of one; else empty."""
        are_plain = all(run.name == run.folder.name for run in self.runs)
        names = {re.split("[@+]", run.name)[0] for run in self.runs}
        return names.pop() if are_plain and len(names) == 1 else ""

    @property
    def split(self) -> str:
        """Whose documents were scored: test or dev."""
        return self.runs[0].score.split

    @property
    def groups(self) -> list[SeedGroup]:
        """The runs, those together that differ by their seed alone; the best mean first."""
        return seed_groups(self.runs, [each.value for each in self.bits])

    @property
    def seed_differences(self) -> list[Difference | None]:
        """Of each group to the best one; all None if the runs share too few texts."""
        groups = self.groups
        return seed_differences(groups) if self.documents else [None] * len(groups)

    @property
    def is_of_seeds(self) -> bool:
        """Whether these are one recipe under several seeds: there is nothing to choose."""
        groups = self.groups
        return len(groups) == 1 and groups[0].has_several

    @property
    def first(self) -> FinishedRun:
        """The run to go on with: the best; with seeds, the best recipe under its own seed.

        Beside recipes of several seeds, one of a single seed is not judged, so it is not taken.
        """
        groups = self.groups
        return ([group for group in groups if group.has_several] or groups)[0].own

    def short(self, run: FinishedRun) -> str:
        """A run's variant and overrides, if all are runs of one recipe; else its name.

        With several seeds, the recipe's short name and the seed: "wide, seed 42".
        """
        (group,) = [group for group in self.groups if run in group.runs]
        name = re.sub(r"(?<=[+,])seed=\d+,?", "", group.name).rstrip("+,")
        short = name.removeprefix(self.name).removeprefix("@") or name
        if not group.has_several:
            return run.name.removeprefix(self.name).removeprefix("@") or run.name
        return f"{short}, seed {run.seed}"


def compare(runs: Sequence[FinishedRun]) -> Comparison:
    """Put runs side by side."""
    quantity = Quantity.of(runs)
    lines = [line for name in BASELINES if (line := _shared(name, runs)) is not None]
    baselines = lines if quantity.is_whole or not quantity.documents else []
    notes = list(quantity.notes)
    if lines and not baselines:
        notes.append("Baselines are over other documents, so they are not shown.")
    if not quantity.documents:
        notes += _remarks(runs, quantity, baselines)
        return Comparison(list(runs), quantity.bits, [], baselines, notes)
    groups = seed_groups(runs, [each.value for each in quantity.bits])
    ranks = {run.folder: rank for rank, group in enumerate(groups) for run in group.runs}
    order = sorted(range(len(runs)), key=lambda n: (ranks[runs[n].folder], quantity.bits[n].value))
    ordered, bits = [runs[n] for n in order], [quantity.bits[n] for n in order]
    documents = [quantity.documents[n] for n in order]
    if any(group.has_several for group in groups):
        differences: list[Difference] = []
        told = seed_notes(groups, seed_differences(groups))
        if alone := [group.name for group in groups if not group.has_several]:
            told.append(f"Of one seed only, so not judged beside the others: {listed(alone)}.")
    else:
        differences = [Difference(*difference(each, documents[0])) for each in documents]
        told = _verdict(ordered, differences, len(documents[0]))
    notes = [*told, *notes, *_remarks(ordered, quantity, baselines)]
    return Comparison(ordered, bits, differences, baselines, notes, len(documents[0]))


def _shared(model: str, runs: Sequence[FinishedRun]) -> Score | None:
    """A baseline that is the same for every run."""
    scores = [run.scores.get(model) for run in runs]
    values = {each and (round(each.value, 6), each.n_bytes) for each in scores}
    return scores[0] if len(values) == 1 else None


def _verdict(
    runs: Sequence[FinishedRun], differences: Sequence[Difference], documents: int
) -> list[str]:
    """Which run is best, and which ones are not significantly worse."""
    best = runs[0]
    texts = f"{number(documents)} {best.score.split} documents"
    if differences[-1].low is None:
        return [f"{best.name} needs the fewest bits per byte, but no difference is claimed."]
    pairs = zip(runs[1:], differences[1:], strict=True)
    near = [run.name for run, each in pairs if not each.is_claimed]
    if not near:
        return [
            f"{best.name} needs the fewest bits per byte, and the interval of every difference "
            f"to it excludes zero (paired over the same {texts})."
        ]
    return [
        f"{best.name} needs the fewest bits per byte; {listed(near)} cannot be told apart from "
        f"it (paired over the same {texts})."
    ]


def _remarks(
    runs: Sequence[FinishedRun], quantity: Quantity, baselines: Sequence[Score]
) -> list[str]:
    """Notes that a reader of the table needs."""
    sizes = {run.name: run.parameters[0] for run in runs}
    best = min(each.value for each in quantity.bits)
    notes = [*_recipes_apart(runs), *_beaten_by(best, baselines), *_apart("Parameters", sizes)]
    notes += _apart("Training tokens", {run.name: run.tokens for run in runs})
    shown = {line.model for line in baselines}
    apart = [n for n in BASELINES if n not in shown and any(n in run.scores for run in runs)]
    if apart and (shown or quantity.is_whole):
        notes.append(f"Not the same for all of them, so not shown: {listed(apart)}.")
    there = {run.name: run.scores.get("model_on_sample") for run in runs}
    values = [f"{name} {each.value:.4f}" for name, each in there.items() if each is not None]
    if "compressor" in shown and values:
        notes.append(f"On the documents of the compressor's line: {listed(values)}.")
    if quantity.sources:
        names = listed(quantity.sources)
        notes.append(f"Bits per byte are means over the sources {names}, each counted alike.")
    if len({run.machine for run in runs}) > 1:
        notes.append(
            "They were not all trained on one processor and as many threads: times differ by it."
        )
    groups = seed_groups(runs)
    has_dev = all(run.dev_score for run in runs)
    if runs[0].score.split == "test" and len(groups) > 1 and not has_dev:
        notes.append(
            "To choose one of them, compare their dev scores, so that test stays unseen: "
            '[[evaluate]] split = "dev", then compare --split dev.'
        )
    notes.append("Intervals of single runs are over documents, of one training each.")
    if not any(group.has_several for group in groups):
        notes[-1] += " Another seed may move a run by more: endonym run RECIPE --seeds 3."
    return notes


def _recipes_apart(runs: Sequence[FinishedRun]) -> list[str]:
    """A note on the keys in which the recipes differ, name and seed aside."""
    recipes = [run.settings for run in runs]
    keys = dict.fromkeys(key for recipe in recipes for key in recipe)
    apart = [key for key in keys if len({recipe.get(key) for recipe in recipes}) > 1]
    if not apart:
        return []
    shown, more = apart[:SHOWN_KEYS], len(apart) - SHOWN_KEYS
    rest = f" and {number(more)} more" if more > 0 else ""
    return [f"Their recipes differ in {', '.join(shown)}{rest}."]


def _beaten_by(best: float, baselines: Sequence[Score]) -> list[str]:
    """A note if every model loses to a baseline that needs no training. best: of the models."""
    better = [line for line in baselines if line.sampled_from is None and line.value < best]
    if not better:
        return []
    names = listed([f"{line.model} ({line.value:.4f})" for line in better])
    return [
        f"Every model loses to {names}, without any training: the best has {best:.4f} bits per "
        "byte. These models need more steps or more text before they are worth comparing."
    ]


def _apart(what: str, amounts: dict[str, int]) -> list[str]:
    """A note on how far an amount differs, by the names of the runs."""
    small, big = min(amounts, key=amounts.__getitem__), max(amounts, key=amounts.__getitem__)
    least, most = amounts[small], amounts[big]
    if most <= least * ALIKE:
        return []
    return [
        f"{what} differ by a factor of {most / max(1, least):.2f}: {number(least)} ({small}) to "
        f"{number(most)} ({big})."
    ]


def cells(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """The table as texts: its head, and a row for each run and each baseline."""
    has_differences = bool(comparison.differences)
    beside = ["to the best", "paired 95 %"] if has_differences else []
    heads = ["run", "bits/byte", "95 %", *beside, "family", "parameters"]
    heads += ["lr", "tokens", "epochs", "training", "tokens/s", "kept step"]
    rows: list[list[str]] = []
    for index, run in enumerate(comparison.runs):
        total, active = run.parameters
        size = number(total) + (f" ({number(active)} active)" if active != total else "")
        row = [run.name, *_score_cells(comparison.bits[index])]
        if has_differences:
            each = comparison.differences[index]
            span = "–" if each.low is None else f"{each.low:+.4f} to {each.high:+.4f}"
            row += [f"{each.value:+.4f}", span] if index else ["best", ""]
        row += [run.shape.family, size, f"{run.lr:g}", number(run.tokens), f"{run.epochs:.2f}"]
        row += ["–", "–"] if run.speed is None else [duration(run.seconds), number(run.speed)]
        last = run.models[-1].numbers
        rows.append([*row, f"{number(last['kept_step'])} of {number(last['steps'])}"])
    for line in comparison.baselines:
        name = line.model
        if line.sampled_from is not None:
            name += f" ({number(line.n_documents)} of {number(line.sampled_from)} documents)"
        rows.append([name, *_score_cells(line), *[""] * (len(heads) - 3)])
    return heads, rows


def _score_cells(score: Score | Bits) -> list[str]:
    span = "–" if score.low is None else f"{score.low:.4f}–{score.high:.4f}"
    return [f"{score.value:.4f}", span]


def recipes(comparison: Comparison) -> list[list[str]]:
    """The table of recipes with several seeds, its head first; empty if there are none."""
    return seed_cells(comparison.groups, comparison.seed_differences)


def describe(comparison: Comparison) -> str:
    """The comparison as text: whose documents, aligned tables, and notes."""
    heads, rows = cells(comparison)
    means = recipes(comparison)
    tables = [*aligned(means), *([""] if means else []), *aligned([heads, *rows])]
    notes = map(folded, comparison.notes)
    return "\n".join([f"{comparison.split} documents", *tables, "", *notes])


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """The form that `--json` prints."""
    runs: list[dict[str, Any]] = []
    for index, run in enumerate(comparison.runs):
        last, (total, active) = run.models[-1].numbers, run.parameters
        beside = comparison.differences[index] if comparison.differences else None
        runs.append(
            {
                "name": run.name,
                "run": str(run.folder),
                "variant": run.plan.get("variant"),
                "sets": run.plan.get("sets", []),
                "seed": run.seed,
                "lr": run.lr,
                "family": run.shape.family,
                "parameters": total,
                "active_parameters": active,
                "train_tokens": run.tokens,
                "epochs": run.epochs,
                "compared": asdict(comparison.bits[index]),
                "score": run.score.as_dict(),
                "dev_bits_per_byte": run.dev_score and run.dev_score.value,
                "difference": beside and beside.as_dict(),
                "seconds": run.seconds or None,
                "tokens_per_second": run.speed,
                "steps": last["steps"],
                "kept_step": last["kept_step"],
                "efficiency": [row.as_dict() for row in run.efficiency],
            }
        )
    groups = zip(comparison.groups, comparison.seed_differences, strict=True)
    return {
        "runs": runs,
        "baselines": [line.as_dict() for line in comparison.baselines],
        "same_documents": comparison.documents > 0,
        "shared_documents": comparison.documents,
        "seeds": [
            {**group.as_dict(), "difference": each and each.as_dict()} for group, each in groups
        ],
        "notes": comparison.notes,
    }
