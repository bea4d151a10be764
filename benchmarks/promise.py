"""How well `check` foretells the seconds of a run, from training to export.

    python benchmarks/promise.py --unseen FOLDER [--texts sw lt ro] [--minutes 1 3]

A cell is one text and one length of training: the recipe that `new` writes for these minutes of
this machine, what `check` promises for it, and what `run` then took. A part of the promise that is
several times off is hidden by the sum; so the JSON has all parts. A cell is refused when others use
the cores, unless --anyway is given. Results: benchmarks/results/promise.json; the printed table is
Markdown. All six cells take about half an hour.

The constants of the estimate were set by runs of Tatar, Khmer and Kyrgyz on one machine, so these
texts prove little; the texts measured by default set none (--unseen: see unseen_texts.py).
"""

import argparse
import shutil
from pathlib import Path
from typing import Any

from cells import RESULTS, ROOT, Cells, quiet_machine, quoted
from pages import markdown
from readme_page import NAMES
from runs import endonym, last_json, training_seconds
from short_runs import TEXTS, text_of

CONSTANTS = ("tt", "km", "ky")
"""The texts whose runs set the constants of the estimate."""
ALLOWED = 0.25
"""How far the sum may be from what was promised."""
PARTS = ("start", "training", "validations", "samples", "evaluation", "export")


def main() -> None:
    """Run the cells asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", nargs="+", choices=TEXTS, default=["sw", "lt", "ro"])
    parser.add_argument("--minutes", nargs="+", type=float, default=[1.0, 3.0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--unseen", type=Path, help="what unseen_texts.py wrote")
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "promise")
    parser.add_argument("--results", type=Path, default=RESULTS / "promise.json")
    parser.add_argument("--again", action="store_true", help="add a repeat of each cell")
    parser.add_argument("--anyway", action="store_true", help="measure on a busy machine")
    asked = parser.parse_args()
    cells = Cells(asked.results)
    for language in asked.texts:
        for minutes in asked.minutes:
            key = f"{language} {minutes:g} min"
            if key not in cells or asked.again:
                noise = quiet_machine(key, anyway=asked.anyway)
                cells.keep(key, cell(language, minutes, asked) | noise)
                print(key, cells[key]["promised"], cells[key]["took"], flush=True)
    print(table(cells))


def cell(language: str, minutes: float, asked: argparse.Namespace) -> dict[str, Any]:
    """What was promised and what was taken, in seconds."""
    work = asked.work / f"{language}-{minutes:g}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    text = text_of(language, asked)
    endonym(work, "new", "made", "--language", language, "--text", text, "--hours", minutes / 60)
    promised = last_json(endonym(work, "check", "made/recipe.toml", "--json"))["seconds_of"]
    finished = last_json(endonym(work, "run", "made/recipe.toml", "--json"))
    took = dict.fromkeys(("model", "evaluation", "export"), 0.0)
    for stage in finished["stages"]:
        kind = stage["name"].split()[0]
        if kind in took:
            took[kind] += stage["seconds"]
    steps = training_seconds(work / "store", finished["stages"])
    beside = {"training": steps, "validations and samples": took.pop("model") - steps}
    rounded = {name: round(value, 1) for name, value in (beside | took).items()}
    return {
        "promised": {name: round(promised[name], 1) for name in PARTS},
        "took": rounded,
        "ratio": round(sum(rounded.values()) / sum(promised.values()), 3),
    }


def table(cells: Cells) -> str:
    """Promised and taken seconds of every repeat of every cell, the oldest first."""
    heads = ["text", "minutes", "set the constants", "repeat", "expected, s", "took, s", "ratio"]
    rows: list[list[str]] = []
    for key in cells:
        language, minutes, _ = key.split()
        told = [NAMES[language], minutes, "yes" if language in CONSTANTS else "no"]
        for number, found in enumerate(cells.repeats(key), start=1):
            quoted.append(found)
            sums = [f"{sum(found[each].values()):.0f}" for each in ("promised", "took")]
            kept = "" if abs(found["ratio"] - 1) <= ALLOWED else ", missed"
            rows.append([*told, str(number), *sums, f"{found['ratio']:.2f}{kept}"])
    return markdown([*heads[:-1], "took / expected"], rows, labels=3)


if __name__ == "__main__":
    main()
