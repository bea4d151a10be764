"""The page of a comparison: its table, the validation curves of all runs, their samples."""

import csv
import io
import os.path
from pathlib import Path
from typing import Any

from endonym.disk import read_if_good, write_atomic, write_json
from endonym.evaluate.score import BITS, find
from endonym.evaluate.speed import LENGTHS
from endonym.evaluate.speed import cells as speed_cells
from endonym.evaluate.speed import notes as speed_notes
from endonym.report.page import render
from endonym.report.scores import STYLES, efficiency_chart
from endonym.report.svg import Chart, Series
from endonym.report.training import dev_points, validations_of, with_margin
from endonym.runs.compare import Comparison, as_dict, cells, recipes
from endonym.runs.finished_runs import FinishedRun, Texts

HEIGHT = 420.0
DIFFERENCE = ("value", "low", "high", "is_claimed")
FIRST_SHARE = 0.15
"""Share of the tokens that is ignored when the y axis is scaled: the loss falls steeply there."""


def write_comparison(comparison: Comparison, folder: Path | None = None) -> Path:
    """Write the page, and beside it the same as CSV and as JSON; returns the page's path.

    Without a folder, beside the first run's own. A page of other runs or of another split is left
    alone: this one then has a number in its name.
    """
    stem = f"{comparison.name}-comparison" if comparison.name else "comparison"
    stem += "" if comparison.split == "test" else f"-{comparison.split}"
    folder = folder or comparison.runs[0].folder.parent
    data = as_dict(comparison)
    for each in data["runs"]:
        each["folder"] = os.path.relpath(os.path.realpath(each["run"]), os.path.realpath(folder))
    page = _free(folder, stem, _compared(data))
    write_atomic(page, render("comparison.html", gather(comparison)).encode("utf-8"))
    write_atomic(page.with_suffix(".csv"), as_csv(data).encode("utf-8"))
    write_json(page.with_suffix(".json"), data)
    efficiency = efficiency_csv(data)
    if efficiency:
        write_atomic(efficiency_path(page), efficiency.encode("utf-8"))
    else:
        efficiency_path(page).unlink(missing_ok=True)  # of an earlier page
    return page


def efficiency_path(page: Path) -> Path:
    """The CSV of efficiency beside a page; it is there if anything was measured."""
    return page.with_name(f"{page.stem}-efficiency.csv")


def _free(folder: Path, stem: str, mine: list[tuple[str, str]]) -> Path:
    """The first of stem.html, stem-2.html … that is not there or compares just these."""
    page, number = folder / f"{stem}.html", 1
    while any(page.with_suffix(kind).exists() for kind in (".html", ".json", ".csv")):
        if _compared(read_if_good(page.with_suffix(".json"))) == mine:
            break
        number += 1
        page = folder / f"{stem}-{number}.html"
    return page


def _compared(data: Any) -> list[tuple[str, str]]:
    """The folder of each run, seen from the page, and its split; empty if this is no comparison."""
    try:
        return sorted((str(run["folder"]), str(run["score"]["split"])) for run in data["runs"])
    except (KeyError, TypeError):
        return []


def as_csv(data: dict[str, Any]) -> str:
    """The runs, the means over their seeds and the baselines, under the names of the JSON form.

    The column `row` says which of these a row is: run, seeds or baseline.
    """
    rows: list[dict[str, Any]] = []
    for run in data["runs"]:
        apart = ("score", "compared", "difference", "efficiency")
        plain = {key: run[key] for key in run if key not in apart}
        plain |= {"sets": " ".join(run["sets"]), "deviation": None}
        score = _score(run["score"] | run["compared"])
        rows.append({"row": "run", **plain, **score, **_difference(run)})
    runs = {row["name"]: row for row in rows}
    for group in data["seeds"]:
        if len(group["runs"]) > 1:
            own = runs[group["name"]]
            mean = {key: own[key] for key in ("variant", "family", "parameters", "lr", "split")}
            mean |= {"row": "seeds", "name": group["name"], "deviation": group["deviation"]}
            mean |= {"seed": " ".join(map(str, group["seeds"])), "bits_per_byte": group["mean"]}
            rows.append(mean | _difference(group))
    rows += [{"row": "baseline", "name": e["model"], **_score(e)} for e in data["baselines"]]
    return _csv(rows)


def efficiency_csv(data: dict[str, Any]) -> str:
    """What was measured of each run in each program; empty if nothing was."""
    rows: list[dict[str, Any]] = []
    for run in data["runs"]:
        for row in run["efficiency"]:
            firsts = {
                f"first_token_seconds_{n}": row["first_token_seconds"].get(str(n)) for n in LENGTHS
            }
            plain = {key: row[key] for key in row if key != "first_token_seconds"}
            rows.append({"name": run["name"], **plain, **firsts})
    return _csv(rows) if rows else ""


def _csv(rows: list[dict[str, Any]]) -> str:
    """Rows under the keys of the first."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _difference(of: dict[str, Any]) -> dict[str, Any]:
    """The difference of a run or of a recipe to the best one."""
    to_best = of["difference"] or {}
    return {f"difference_{key}": to_best.get(key) for key in DIFFERENCE}


def _score(score: dict[str, Any]) -> dict[str, Any]:
    """Bits per byte with its interval, and on what it was measured."""
    kept = {key: score[key] for key in ("low", "high", "split", "n_documents", "n_bytes")}
    return {"bits_per_byte": score["value"], **kept}


def gather(comparison: Comparison) -> dict[str, Any]:
    """All that the page shows."""
    heads, *rows = cells(comparison)
    drawn = chart(comparison)
    return {
        "name": comparison.name or "Comparison",
        "count": len(comparison.runs),
        "split": comparison.split,
        "notes": comparison.notes,
        "recipes": recipes(comparison),
        "heads": heads,
        "rows": rows,
        "charts": [drawn] if drawn else [],
        "samples": samples(comparison),
        "efficiency": [efficiency(comparison, run) for run in comparison.runs if run.efficiency],
    }


def efficiency(comparison: Comparison, run: FinishedRun) -> dict[str, Any]:
    """A run's table of the programs that run it, with its chart."""
    heads, *rows = speed_cells(run.efficiency)
    drawn = efficiency_chart(run.efficiency)
    found = {"name": comparison.short(run), "heads": heads, "rows": rows}
    return {**found, "charts": [drawn] if drawn else [], "notes": speed_notes(run.efficiency)}


def curve(run: FinishedRun) -> list[tuple[float, float]]:
    """Dev bits per byte by tokens seen, one phase after another."""
    points: list[tuple[float, float]] = []
    before = 0
    for model, lines in zip(run.models, run.journals, strict=True):
        points += [(before + tokens, bits) for tokens, bits in dev_points(validations_of(lines))]
        before += model.numbers["tokens"]
    return points


def chart(comparison: Comparison) -> Chart | None:
    """The validation curves of all runs, with the shared baselines; None without any journal."""
    curves = [(comparison.short(run), points) for run in comparison.runs if (points := curve(run))]
    if not curves:
        return None
    late = max(points[-1][0] for _, points in curves) * FIRST_SHARE
    every = [point for _, points in curves for point in points]
    values = [y for x, y in every if x >= late] or [y for _, y in every]
    low, high = with_margin(values)
    return Chart(
        title="Dev loss of all runs while training, in bits per byte",
        description=" ".join(f"{name} ends at {p[-1][1]:.3f}." for name, p in curves),
        x_name="tokens seen",
        y_name="bits per byte, dev",
        series=[
            Series(name, points, f"run{index % STYLES}", has_dots=True)
            for index, (name, points) in enumerate(curves)
        ],
        levels=levels(comparison),
        low=low,
        high=high,
        height=HEIGHT,
    )


def levels(comparison: Comparison) -> dict[str, float]:
    """The shared baselines, over all bytes as in the validations of the curves."""
    every = comparison.runs[0].every_score
    totals = [find(every, metric=BITS, model=n.model, source=None) for n in comparison.baselines]
    return {total.model: total.value for total in totals if total is not None}


def samples(comparison: Comparison) -> list[tuple[str, Texts]]:
    """Each prompt with every run's continuation.

    By the finished models if all have some; else those written during training.
    """
    every = [run.continuations for run in comparison.runs]
    if not all(every):
        every = [run.written for run in comparison.runs]
    told = [
        (asked, comparison.short(run), text)
        for run, texts in zip(comparison.runs, every, strict=True)
        for asked, text in texts
    ]
    prompts = dict.fromkeys(asked for asked, _, _ in told)
    return [(p, [(name, text) for asked, name, text in told if asked == p]) for p in prompts]
