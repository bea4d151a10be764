"""Does a related language help? Kazakh and Bashkir beside 0.5 MB of Tatar, in three doses.

    python benchmarks/related_language.py [--related kk ba] [--doses 0.02 0.05 0.1] [--seeds 42 43]
    python benchmarks/related_language.py --summary

Each cell is `endonym run RECIPE --ablate SOURCE`: the recipe of `endonym new` for the Tatar texts
with one more source, which gets this share of the training tokens, and the same recipe without
it. There is little of these languages: the largest dose reads them ten times or more. Both train
on as many tokens, and are judged by the same test text, as in little_text.py, which no recipe holds
out itself. The difference is paired by document and has its 95 % interval.

Cells in benchmarks/results/related-language.json are skipped; --again adds a repeat.
"""

import argparse
import itertools
from pathlib import Path
from typing import Any

import numpy as np
from cells import RESULTS, ROOT, Cells
from little_text import TEXTS, prepare, recipe_of
from pages import markdown
from runs import costs_of, endonym, last_json, sets_of

from endonym.evaluate import documents

RELATED = {"kk": "other/kk_common_voice.txt", "ba": "other/ba_common_voice.txt"}
TEMPLATED = 0.05
"""The share that the recipe of `new` gives to Tatar that a program filled in."""


def main() -> None:
    """Run the cells that are missing and print the table."""
    asked = arguments()
    cells = Cells(asked.results)
    wanted = itertools.product(asked.related, asked.doses, asked.seeds)
    for related, dose, seed in wanted if not asked.summary else ():
        key = f"{related} · {100 * dose:g} % · seed {seed}"
        if key not in cells or asked.again:
            prepare(asked.texts / TEXTS["tt"][0], TEXTS["tt"][1], "tt", asked.work)
            recipe = with_related(asked.work, asked.texts / RELATED[related], related, dose)
            cells.keep(key, cell(asked.work, recipe, related, seed))
        print(f"{key:<24} {cells[key]['difference']:+.4f}", flush=True)
    print(table(cells))


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--related", nargs="+", choices=RELATED, default=list(RELATED))
    parser.add_argument("--doses", type=float, nargs="+", default=[0.02, 0.05, 0.1])
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43])
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "little-text" / "tt")
    parser.add_argument("--results", type=Path, default=RESULTS / "related-language.json")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--summary", action="store_true", help="print the table alone")
    return parser.parse_args()


def with_related(work: Path, text: Path, language: str, dose: float) -> Path:
    """The recipe for 0.5 MB of Tatar with one more source of this share of the tokens."""
    recipe = recipe_of(work, "0.5").path
    folder = work / f"related-{language}"
    folder.mkdir(exist_ok=True)
    (folder / "text.txt").write_bytes(text.read_bytes())
    source = f"""
[[source]]
name = "{language}"
path = "../related-{language}/text.txt"
document = "line"
language = "{language}"
repeatable = true

[clean]"""
    shares = f'{{{language} = {dose}, tatar_cc0_templated = {TEMPLATED}, "*" = '
    shares += f"{1 - dose - TEMPLATED:g}}}"
    lines = recipe.read_text(encoding="utf-8").replace("\n[clean]", source, 1).splitlines()
    phase = max(n for n, line in enumerate(lines) if line.startswith("sources = "))
    lines[phase] = f"sources = {shares}"
    # The recipe's own folder, so that its paths are the same.
    path = recipe.with_name(f"{language}-{dose:g}.toml")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def cell(work: Path, recipe: Path, related: str, seed: int) -> dict[str, Any]:
    """Train with and without the related language, and compare."""
    sets = sets_of({"name": recipe.stem, "seed": seed, "split.seed": 42})
    args = ["run", recipe.relative_to(work), *sets, "--ablate", related, "--json", "-q"]
    found = last_json(endonym(work, *args))
    runs = found["runs"]
    (base,) = [each for each in runs if "-without-" in each["run"]]
    (whole,) = [each for each in runs if "-without-" not in each["run"]]
    judged = [judged_documents(work / "store", each["stages"]) for each in (whole, base)]
    bits = [documents.interval(each)[0] for each in judged]
    difference, *interval = documents.difference(*judged)
    return costs_of(work, whole) | {
        "with": bits[0],
        "without": bits[1],
        "difference": difference,
        "interval": interval,
        "documents": len(judged[0]),
    }


def judged_documents(store: Path, stages: list[dict[str, Any]]) -> documents.Documents:
    """What a run's model needs for each document of the test text, over its files.

    They are the evaluations with a number: those of the recipe's own test and dev text have none.
    """
    numbered = [
        each["id"]
        for each in stages
        if each["name"].startswith("evaluation") and each["name"][-1].isdecimal()
    ]
    loaded = [documents.load_documents(store / "evaluation" / each) for each in numbered]
    every = [each for each in loaded if each is not None]
    ends = itertools.accumulate((int(each["group"].max()) + 1 for each in every), initial=0)
    for each, end in zip(every, ends, strict=False):
        each["group"] += end
    return documents.ordered(np.concatenate(every))


def table(cells: Cells) -> str:
    """Of each language, dose and seed the bits per byte without and with it, and the difference."""
    rows = list[list[str]]()
    for key in sorted(cells, key=lambda key: float(key.split(" · ")[1].removesuffix(" %"))):
        found = cells[key]
        low, high = found["interval"]
        difference = f"{found['difference']:+.4f} ({low:+.4f} to {high:+.4f})"
        rows.append([key, f"{found['without']:.4f}", f"{found['with']:.4f}", difference])
    return markdown(["language · dose · seed", "without", "with", "difference"], rows)


TABLES_OF_PAGE = {"related language": lambda: table(Cells(RESULTS / "related-language.json"))}


if __name__ == "__main__":
    main()
