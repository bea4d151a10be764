"""The tables of a comparison as texts: runs, recipes over their seeds, and baselines.

Rows stand in the order of the figure that they print, the best first; baselines stand below.
"""

from endonym.evaluate.score import Interval, Score
from endonym.evaluate.tables import aligned, rows_with_heads, span
from endonym.log import duration, folded, number
from endonym.runs.compare import Comparison
from endonym.runs.finished_runs import FinishedRun
from endonym.runs.quantity import Difference

Rows = list[tuple[float, dict[str, str]]]
"""Rows of cells by head, each with the figure by which it is sorted."""


def cells(comparison: Comparison) -> list[list[str]]:
    """The table as texts: its head, a row for each run and model, and one for each baseline."""
    rows: Rows = []
    for index, run in enumerate(comparison.runs):
        bits = comparison.bits[index]
        row = {"run": run.name, **score_cells(bits)}
        if comparison.differences:
            to_best = comparison.differences[index] if index else None
            row |= difference_cells(to_best, "paired 95 %")
        rows.append((bits.value, row | _of_training(run)))
    heads = list(rows[0][1])
    for each in comparison.others:
        row = dict.fromkeys(heads, "") | {"run": each.model.name, **score_cells(each.bits)}
        if comparison.differences:
            row |= difference_cells(each.difference, "paired 95 %")
        row |= {"family": each.model.family, "parameters": number(each.model.parameters)}
        rows.append((each.bits.value, row))
    below = [{"run": baseline_name(each), **score_cells(each)} for each in comparison.baselines]
    return rows_with_heads([*_ordered(rows), *below])


def _ordered(rows: Rows) -> list[dict[str, str]]:
    """The rows, the smallest figure first."""
    return [row for _, row in sorted(rows, key=lambda each: each[0])]


def _of_training(run: FinishedRun) -> dict[str, str]:
    """What a run is, and how it was trained."""
    total, active = run.parameters
    last = run.models[-1].numbers
    return {
        "family": run.shape.family,
        "parameters": number(total) + f" ({number(active)} active)" * (active != total),
        "lr": f"{run.lr:g}",
        "tokens": number(run.tokens),
        "epochs": f"{run.epochs:.2f}",
        "training": "–" if run.speed is None else duration(run.seconds),
        "tokens/s": "–" if run.speed is None else number(run.speed),
        "kept step": f"{number(last['kept_step'])} of {number(last['steps'])}",
    }


def recipes(comparison: Comparison) -> list[list[str]]:
    """The table of recipes with several seeds, its head first; empty if there are none."""
    return rows_with_heads(recipe_rows(comparison)) if comparison.best.has_several else []


def recipe_rows(comparison: Comparison) -> list[dict[str, str]]:
    """A row for each recipe over its seeds, and for each model from elsewhere: cells by head."""
    differences = dict(enumerate(comparison.differences))
    rows = Rows()
    are_apart = bool(comparison.documents) and len(comparison.groups) + len(comparison.others) > 1
    for group in comparison.groups:
        index = comparison.runs.index(group.own)
        is_best = group is comparison.best
        one = Interval(group.mean, None, None) if group.has_several else comparison.bits[index]
        bits = group.interval or one  # the interval of one seed is none of the mean
        row = {"model": group.name, "seeds": number(len(group.runs)), **score_cells(bits)}
        row |= {"std": "–" if group.deviation is None else f"{group.deviation:.4f}"}
        to_best = None if is_best else group.difference or differences.get(index)
        if are_apart:
            row |= difference_cells(
                to_best, "95 % of difference", without="best" if is_best else "–"
            )
        rows.append((bits.value, row))
    for each in comparison.others:
        row = {"model": each.model.name, "seeds": "–", **score_cells(each.bits), "std": "–"}
        row |= difference_cells(each.difference, "95 % of difference")
        rows.append((each.bits.value, row))
    return _ordered(rows)


def baseline_name(line: Score) -> str:
    """The name of a baseline, with how many documents it was measured on if not on all."""
    if line.sampled_from is None:
        return line.model
    return f"{line.model} ({number(line.n_documents)} of {number(line.sampled_from)} documents)"


def score_cells(score: Score | Interval) -> dict[str, str]:
    """Bits per byte and the 95 % interval, each under its head."""
    return {"bits/byte": f"{score.value:.4f}", "95 %": span(score, none="–")}


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
    tables = [aligned(rows, indent=0) for rows in (means, cells(comparison)) if rows]
    notes = map(folded, comparison.notes)
    text = "\n\n".join(tables)
    return "\n".join([f"{comparison.split} documents", text, "", *notes])
