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
from endonym.evaluate.tables import rows_with_heads
from endonym.log import THIN, counted, number
from endonym.report.page import render
from endonym.report.scores import STYLES, efficiency_chart
from endonym.report.svg import Chart, Series
from endonym.report.training import dev_points, validations_of, with_margin
from endonym.runs.compare import Comparison, as_dict
from endonym.runs.comparison_tables import (
    baseline_name,
    cells,
    recipe_rows,
    recipes,
    score_cells,
)
from endonym.runs.finished_runs import FinishedRun, Texts

HEIGHT = 420.0
FIRST_SHARE = 0.15
"""Share of the tokens that is ignored when the y axis is scaled: the loss falls steeply there."""


def write_comparison(comparison: Comparison, folder: Path | None = None) -> Path:
    """Write the page, and beside it the same in other forms; returns the page's path.

    Without a folder they stand beside that of the first run. A page of other runs or of another
    split is left alone: this one then has a number in its name.
    """
    folder = folder or comparison.runs[0].folder.parent
    data = as_dict(comparison)
    for each in (*data["runs"], *data["others"]):
        each["folder"] = os.path.relpath(
            os.path.realpath(each.get("run") or each["folder"]), os.path.realpath(folder)
        )
    page = _free(folder, comparison.stem, _compared(data))
    write_atomic(page, render("comparison.html", gather(comparison)).encode("utf-8"))
    write_atomic(page.with_suffix(".csv"), as_csv(data).encode("utf-8"))
    write_json(page.with_suffix(".json"), data)
    tables = [rows for rows in (recipes(comparison), cells(comparison)) if rows]
    markdown = "\n".join(map(as_markdown, tables))
    write_atomic(page.with_suffix(".md"), markdown.encode("utf-8"))
    write_atomic(page.with_suffix(".tex"), as_latex(comparison).encode("utf-8"))
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
    """The first of stem.html, stem-2.html … that is not there yet or compares the same runs.

    mine: these runs, as `_compared` gives them.
    """
    page = folder / f"{stem}.html"
    number = 1
    while any(page.with_suffix(kind).exists() for kind in (".html", ".json", ".csv")):
        if _compared(read_if_good(page.with_suffix(".json"))) == mine:
            break
        number += 1
        page = folder / f"{stem}-{number}.html"
    return page


def _compared(data: Any) -> list[tuple[str, str]]:
    """The folder of each run, seen from the page, and its split; empty if this is no comparison."""
    try:
        return sorted(
            (str(run["folder"]), str(run["score"]["split"]))
            for run in (*data["runs"], *data.get("others", ()))
        )
    except (KeyError, TypeError):
        return []


def as_csv(data: dict[str, Any]) -> str:
    """The runs, means over seeds, models from elsewhere and baselines.

    Columns have the names of the JSON form. The column `row` says which of these a row is: run,
    seeds, other or baseline.
    """
    rows: list[dict[str, Any]] = []
    shared: dict[str, Any] = {"n_groups": data["shared_groups"] or None}
    if data["shared_documents"]:
        shared |= {"n_documents": data["shared_documents"], "n_bytes": data["shared_bytes"]}
    for run in data["runs"]:
        nested = ("score", "compared", "difference", "efficiency", "versions", "machine")
        plain = {key: run[key] for key in run if key not in nested}
        plain |= {"sets": " ".join(run["sets"]), "deviation": None}
        plain |= {key: (run["machine"] or {}).get(key) for key in ("processor", "threads")}
        plain |= {"commit": run["versions"].get("commit")}
        score = _score(run["score"] | run["compared"] | shared)
        rows.append({"row": "run", **plain, **score, **_difference(run)})
    runs = {row["name"]: row for row in rows}
    for group in data["seeds"]:
        if len(group["runs"]) > 1:
            own = runs[group["runs"][0]]
            mean = {key: own[key] for key in ("variant", "family", "parameters", "lr", "split")}
            mean |= {"row": "seeds", "name": group["name"], "deviation": group["deviation"]}
            mean |= {"seed": " ".join(map(str, group["seeds"])), "bits_per_byte": group["mean"]}
            ends = group["interval"] or {}
            mean |= {"low": ends.get("low"), "high": ends.get("high"), **shared}
            rows.append(mean | _difference(group))
    for other in data["others"]:
        plain = {key: other[key] for key in ("name", "family", "parameters")}
        score = _score(other["score"] | other["compared"] | shared)
        rows.append({"row": "other", **plain, **score, **_difference(other)})
    for baseline in data["baselines"]:
        rows.append({"row": "baseline", "name": baseline["model"], **_score(baseline)})
    return _csv(rows)


def efficiency_csv(data: dict[str, Any]) -> str:
    """What was measured of each run in each program; empty if nothing was."""
    rows: list[dict[str, Any]] = []
    for run in data["runs"]:
        for row in run["efficiency"]:
            first_tokens = {
                f"first_token_seconds_{n}": row["first_token_seconds"].get(str(n)) for n in LENGTHS
            }
            plain = {key: row[key] for key in row if key != "first_token_seconds"}
            rows.append({"name": run["name"], **plain, **first_tokens})
    return _csv(rows) if rows else ""


def as_markdown(rows: list[list[str]]) -> str:
    """A table, its head first, in Markdown."""
    escaped = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    head, *others = [f"| {' | '.join(row)} |" for row in escaped]
    return "\n".join([head, f"|---|{'--:|' * (len(rows[0]) - 1)}", *others, ""])


def as_latex(comparison: Comparison) -> str:
    """The short table of a paper: models, baselines and what they were judged on, with booktabs."""
    sizes = f"{counted(comparison.documents, f'{comparison.split} document')} in "
    sizes += (
        f"{number(comparison.n_groups)} groups of neighbours, {number(comparison.n_bytes)} bytes"
    )
    name = comparison.name or "several recipes"
    judged = f": {sizes}" if comparison.documents else ", not the same ones for all"
    over = "documents"
    differences = "are paired over documents"
    if comparison.best.has_several:
        over = "documents and, of means, over seeds together"
        differences = "are over documents and seeds together"
        judged += ". Rows of several seeds are means over them"
    caption = f"Bits per byte on {comparison.split} documents of {name}{judged}. Lower is better. "
    caption += f"Intervals (95 %) are over {over}."
    baselines = [
        {"model": baseline_name(line), **score_cells(line)} for line in comparison.baselines
    ]
    rows = rows_with_heads([*recipe_rows(comparison), *baselines])
    if "to the best" in rows[0]:
        caption += f" Differences {differences}."
        if comparison.comparisons > 1:
            pairs = number(comparison.comparisons)
            caption += f" Their intervals hold together for all {pairs} pairs (Bonferroni)."
    head, *others = [" & ".join(map(_escaped, row)) + r" \\" for row in rows]
    lines = [r"% In the preamble: \usepackage{booktabs}", r"\begin{table}", r"\centering"]
    lines += [rf"\caption{{{_escaped(caption)}}}", rf"\label{{tab:{comparison.stem}}}"]
    lines += [rf"\begin{{tabular}}{{l{'r' * (len(rows[0]) - 1)}}}", r"\toprule", head, r"\midrule"]
    return "\n".join([*lines, *others, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _escaped(text: str) -> str:
    """A text as LaTeX writes it."""
    escape = {ord(sign): f"\\{sign}" for sign in "&%$#_{}"}
    escape |= {ord("\\"): r"\textbackslash{}", ord("~"): r"\textasciitilde{}", ord("^"): r"\^{}"}
    return text.translate(escape | {ord(THIN): r"\,", ord("–"): "--"})


def _csv(rows: list[dict[str, Any]]) -> str:
    """Rows as CSV, under the keys of the first row; it has all that any row has."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _difference(row: dict[str, Any]) -> dict[str, Any]:
    """Columns of the difference of a run, or of a group of seeds, to the best one."""
    to_best = row["difference"] or {}
    return {f"difference_{key}": to_best.get(key) for key in ("value", "low", "high", "is_claimed")}


def _score(score: dict[str, Any]) -> dict[str, Any]:
    """Columns of bits per byte with its interval, and of what it was measured on."""
    kept = {
        key: score[key] for key in ("low", "high", "split", "n_documents", "n_bytes", "n_groups")
    }
    return {"bits_per_byte": score["value"], **kept}


def gather(comparison: Comparison) -> dict[str, Any]:
    """The values of the template `comparison.html`, by name."""
    heads, *rows = cells(comparison)
    loss_chart = chart(comparison)
    return {
        "name": comparison.name or "Comparison",
        "count": len(comparison.runs),
        "models": len(comparison.runs) + len(comparison.others),
        "split": comparison.split,
        "notes": comparison.notes,
        "recipes": recipes(comparison),
        "heads": heads,
        "rows": rows,
        "charts": [loss_chart] if loss_chart else [],
        "samples": samples(comparison),
        "language_code": comparison.first.settings.get("language", "").strip("'"),
        "efficiency": [efficiency(comparison, run) for run in comparison.runs if run.efficiency],
    }


def efficiency(comparison: Comparison, run: FinishedRun) -> dict[str, Any]:
    """A run's table of the programs that run it, with its chart."""
    heads, *rows = speed_cells(run.efficiency)
    speed_chart = efficiency_chart(run.efficiency)
    table = {"name": comparison.short(run), "heads": heads, "rows": rows}
    charts = [speed_chart] if speed_chart else []
    return {**table, "charts": charts, "notes": speed_notes(run.efficiency)}


def curve(run: FinishedRun) -> list[tuple[float, float]]:
    """Dev bits per byte by tokens seen, one phase after another."""
    points: list[tuple[float, float]] = []
    earlier_tokens = 0
    for model, lines in zip(run.models, run.journals, strict=True):
        points += [
            (earlier_tokens + tokens, bits) for tokens, bits in dev_points(validations_of(lines))
        ]
        earlier_tokens += model.numbers["tokens"]
    return points


def chart(comparison: Comparison) -> Chart | None:
    """The validation curves of all runs, with the shared baselines; None without any journal."""
    curves = [(comparison.short(run), points) for run in comparison.runs if (points := curve(run))]
    if not curves:
        return None
    first_tokens = max(points[-1][0] for _, points in curves) * FIRST_SHARE
    all_points = [point for _, points in curves for point in points]
    late_bits = [bits for tokens, bits in all_points if tokens >= first_tokens]
    low, high = with_margin(late_bits or [bits for _, bits in all_points])
    return Chart(
        title="Dev loss of all runs while training, in bits per byte",
        description=" ".join(f"{name} ends at {points[-1][1]:.3f}." for name, points in curves),
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
    scores = comparison.runs[0].every_score
    names = [baseline.model for baseline in comparison.baselines]
    totals = [find(scores, metric=BITS, model=name, source=None) for name in names]
    return {total.model: total.value for total in totals if total is not None}


def samples(comparison: Comparison) -> list[tuple[str, Texts]]:
    """Each prompt with every run's continuation.

    By the finished models if all have some; else those written during training.
    """
    texts_by_run = [run.continuations for run in comparison.runs]
    if not all(texts_by_run):
        texts_by_run = [run.written for run in comparison.runs]
    by_prompt: dict[str, Texts] = {}
    for run, texts in zip(comparison.runs, texts_by_run, strict=True):
        for prompt, continuation in texts:
            by_prompt.setdefault(prompt, []).append((comparison.short(run), continuation))
    return list(by_prompt.items())
