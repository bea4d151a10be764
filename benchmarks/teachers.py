"""What a teacher is worth on all Tatar texts: four members and their student, and a small model.

    python benchmarks/teachers.py [--minutes 10] [--seeds 42] [--tried one "members 4"]
    python benchmarks/teachers.py --summary

"One" is the recipe of `endonym new` for these texts and minutes, "members 4" the same with four
members, which teach a student of their own shape. "Small" has 4 layers of 64 channels and reads the
text eight times; its teacher is "one" of the first seed, which keeps its 32 most likely tokens of
each place, or reads each batch live. All seeds have the same training and test texts. Each cell has
the interval of its bits per byte (95 %, over groups of neighbouring documents).

Cells in benchmarks/results/teachers.json are skipped; --again adds a repeat.
"""

import argparse
import itertools
from pathlib import Path
from typing import Any

from cells import RESULTS, ROOT, Cells
from pages import markdown
from runs import bits_rows, costs_of, endonym, last_json, row_of, sets_of

TEACHER = "one"
SMALL = {
    "model.dim": 64,
    "model.layers": 4,
    "model.mixer.heads": 1,
    "model.dropout": 0.1,
    "phase.0.tokens": "",
    "phase.0.epochs": 8,
}
TAUGHT = {"phase.0.distill.share": 0.5, "phase.0.distill.top_k": 32}
TRIED: dict[str, dict[str, Any]] = {
    TEACHER: {},
    "members 4": {"phase.0.members": 4},
    "small": SMALL,
    "small, taught": SMALL | TAUGHT,
    "small, taught live": SMALL | TAUGHT | {"phase.0.distill.live": True},
}
"""What is changed in the recipe of `new`."""


def main() -> None:
    """Run the cells that are missing and print the table."""
    asked = arguments()
    cells = Cells(asked.results)
    for seed, tried in itertools.product(asked.seeds, asked.tried) if not asked.summary else ():
        key = f"{asked.minutes:g} min · {tried} · seed {seed}"
        if key not in cells or asked.again:
            cells.keep(key, cell(asked, tried, seed))
        print(f"{key:<40} {cells[key]['bits_per_byte']:.4f}", flush=True)
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


def cell(asked: argparse.Namespace, tried: str, seed: int) -> dict[str, Any]:
    """Train one recipe, and the teacher before it if it needs one; the scores of its test text."""
    asked.work.mkdir(parents=True, exist_ok=True)
    project = f"tt-{asked.minutes:g}"
    if not (asked.work / project / "recipe.toml").exists():
        args = ["--language", "tt", "--text", asked.texts, "--hours", asked.minutes / 60]
        endonym(asked.work, "new", project, *args)
    changes = dict(TRIED[tried])
    if "phase.0.distill.share" in changes:
        run(asked.work, project, TEACHER, TRIED[TEACHER] | {"seed": asked.seeds[0]})
        changes["phase.0.distill.model"] = f"../runs/{project}-{TEACHER}-{asked.seeds[0]}"
    finished = run(asked.work, project, tried, changes | {"seed": seed})
    rows = bits_rows(finished["scores"])
    model, ensemble = (row_of(rows, model=name) for name in ("model", "ensemble"))
    assert model is not None
    return costs_of(asked.work, finished) | {
        "bits_per_byte": model["value"],
        "interval": [model["low"], model["high"]],
        **({} if ensemble is None else {"ensemble": ensemble["value"]}),
        **({} if ensemble is None else {"ensemble_interval": [ensemble["low"], ensemble["high"]]}),
    }


def run(work: Path, project: str, tried: str, changes: dict[str, Any]) -> dict[str, Any]:
    """What `run --json` prints of the recipe with these changes."""
    name = f"{project}-{tried}-{changes['seed']}".replace(", ", "-").replace(" ", "-")
    sets = sets_of({"evaluate.0.baselines": False, "split.seed": 42, "name": name} | changes)
    return last_json(endonym(work, "run", f"{project}/recipe.toml", *sets, "--json", "-q"))


def table(cells: Cells) -> str:
    """Each cell with its interval, and the hours of its training and of the teachers it made."""
    rows = list[list[str]]()
    for key in cells:
        found = cells[key]
        named = {"": ("bits_per_byte", "interval"), "ensemble": ("ensemble", "ensemble_interval")}
        for label, (figure, interval) in named.items():
            if figure in found:
                low, high = found[interval]
                bits = f"{found[figure]:.4f} ({low:.4f} to {high:.4f})"
                hours = "" if label else f"{found['seconds'] / 3600:.2f}"
                rows.append([" · ".join(filter(None, (key, label))), bits, hours])
    return markdown(["recipe", "bits per byte", "hours"], rows)


TABLES_OF_PAGE = {"teachers": lambda: table(Cells(RESULTS / "teachers.json"))}


if __name__ == "__main__":
    main()
