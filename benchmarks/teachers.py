"""What a teacher is worth on all Tatar texts: four members and their student, and a small model.

    python benchmarks/teachers.py [--minutes 10] [--seeds 42] [--tried one "members 4"]
    python benchmarks/teachers.py --summary

"One" is the recipe of `endonym new` for these texts and minutes, "members 4" the same with four
members, which teach a student of their own shape. "Small" has 4 layers of 64 channels and reads the
text eight times, whatever its validations say; its teacher is "one" of seed 42, which keeps its 32
most likely tokens of each place, or reads each batch live. All read the same training text and are
judged by the same test documents. Each cell has the interval of its bits per byte, and its paired
difference from the cell that it is to be compared with (95 %, over groups of neighbours).

Cells in benchmarks/results/teachers.json are skipped; --again adds a repeat.
"""

import argparse
import itertools
from pathlib import Path
from typing import Any

from cells import RESULTS, ROOT, Cell, Cells
from pages import markdown
from runs import (
    bits_rows,
    costs_of,
    difference_of,
    endonym,
    last_json,
    require_new,
    row_of,
    sets_of,
)

from endonym.log import number

TEACHER, TEACHER_SEED = "one", 42
SMALL = {
    "model.dim": 64,
    "model.layers": 4,
    "model.mixer.heads": 1,
    "model.dropout": 0.1,
    "phase.0.tokens": "",
    "phase.0.epochs": 8,
    "phase.0.warmup_steps": "",
    "phase.0.patience": "",
}
TAUGHT = {"phase.0.distill.share": 0.5, "phase.0.distill.top_k": 32}
TRIED: dict[str, tuple[dict[str, Any], str]] = {
    TEACHER: ({}, ""),
    "members 4": ({"phase.0.members": 4}, TEACHER),
    "small": (SMALL, ""),
    "small, taught": (SMALL | TAUGHT, "small"),
    "small, taught live": (SMALL | TAUGHT | {"phase.0.distill.live": True}, "small, taught"),
}
"""What is changed in the recipe of `new`, and what the cell is compared with."""


def main() -> None:
    """Run the cells that are missing and print the table."""
    asked = arguments()
    cells = Cells(asked.results)
    for seed, tried in itertools.product(asked.seeds, asked.tried) if not asked.summary else ():
        key = f"{asked.minutes:g} min · {tried} · seed {seed}"
        if key not in cells or asked.again:
            cells.keep(key, cell(asked, tried, seed, key, cells))
        print(f"{key:<40} {cells[key]['model'][0]:.4f}", flush=True)
    print(table(cells))


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared" / "data" / "tt")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42])
    parser.add_argument("--tried", nargs="+", choices=TRIED, default=list(TRIED))
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "teachers")
    parser.add_argument("--results", type=Path, default=RESULTS / "teachers.json")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--summary", action="store_true", help="print the table alone")
    return parser.parse_args()


def cell(asked: argparse.Namespace, tried: str, seed: int, key: str, cells: Cells) -> Cell:
    """Train one recipe, and what it is compared with; its scores."""
    asked.work.mkdir(parents=True, exist_ok=True)
    project = f"tt-{asked.minutes:g}"
    if not (asked.work / project / "recipe.toml").exists():
        args = ["--language", "tt", "--text", asked.texts, "--hours", asked.minutes / 60]
        endonym(asked.work, "new", project, *args)
    finished = run(asked.work, project, tried, seed)
    require_new(key, finished["stages"], cells, asked.work)
    rows = bits_rows(finished["scores"])
    found = costs_of(asked.work, finished)
    for name in ("model", "ensemble"):
        if (row := row_of(rows, model=name)) is not None:
            found[name] = [row["value"], row["low"], row["high"]]
    if base := TRIED[tried][1]:
        compared = run(asked.work, project, base, seed)
        runs = [Path(each["run"]).name for each in (finished, compared)]
        comparison = last_json(
            endonym(asked.work, "compare", *runs, "--split", "test", "--json", "-q")
        )
        found["difference"] = difference_of(comparison, *runs)
    return found


def run(work: Path, project: str, tried: str, seed: int) -> dict[str, Any]:
    """What `run --json` prints of the recipe with what is tried; its teacher is run before it."""
    name = f"{project}-{tried}-{seed}".replace(", ", "-").replace(" ", "-")
    changes, _ = TRIED[tried]
    if "phase.0.distill.share" in changes:
        teacher = Path(run(work, project, TEACHER, TEACHER_SEED)["run"]).name
        changes = {**changes, "phase.0.distill.model": f"../runs/{teacher}"}
    sets = sets_of({"evaluate.0.baselines": False, "seed": seed, "name": name} | changes)
    return last_json(endonym(work, "run", f"{project}/recipe.toml", *sets, "--json", "-q"))


def table(cells: Cells) -> str:
    """Each cell with its interval, its difference, and steps and hours of all that it trains.

    A teacher that another cell has trained is not counted.
    """
    rows = list[list[str]]()
    for key in cells:
        found = cells[key]
        difference = with_interval(found["difference"], "+") if "difference" in found else ""
        costs = [number(found["steps"]), f"{found['step_seconds'] / 3600:.2f}"]
        rows.append([key, with_interval(found["model"]), difference, *costs])
        if "ensemble" in found:
            rows.append([f"{key} · their mean", with_interval(found["ensemble"]), "", "", ""])
    return markdown(["recipe", "bits per byte", "difference", "steps", "hours"], rows)


def with_interval(found: list[float], sign: str = "") -> str:
    """A value with its interval."""
    value, low, high = (f"{each:{sign}.4f}" for each in found)
    return f"{value} ({low} to {high})"


TABLES_OF_PAGE = {"teachers": lambda: table(Cells(RESULTS / "teachers.json"))}


if __name__ == "__main__":
    main()
