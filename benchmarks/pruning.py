"""What heads, channels, layers and width are worth: the grid of recipes/pruning-ro.toml.

    python benchmarks/pruning.py [--texts FABLES.jsonl] [--again]
    python benchmarks/pruning.py --summary

It is `endonym run recipes/pruning-ro.toml --variant all`, of which each variant is a cell: its
parameters, its bits per byte on test fables with the difference to the best of all (95 %, paired by
document), and what the programs that run it measured. Times are those of one run: other work beside
it makes them worse.

Results: benchmarks/results/pruning.json; --again adds a repeat.
"""

import argparse
import shutil
from pathlib import Path
from typing import Any

from cells import RESULTS, ROOT, Cells
from pages import markdown
from runs import endonym, last_json

RECIPE = ROOT / "recipes" / "pruning-ro.toml"
WHOLE = "whole"
RUNTIME = "transformers fp32"


def main() -> None:
    """Run the grid if it is not there, and print the table."""
    asked = arguments()
    cells = Cells(asked.results)
    if not asked.summary and (WHOLE not in cells or asked.again):
        for variant, found in grid(asked.texts, asked.work).items():
            cells.keep(variant, found)
    print(table(cells))


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    fables = ROOT.parent / "shared" / "data" / "ro" / "tinyfabulist_fables.jsonl"
    parser.add_argument("--texts", type=Path, default=fables)
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "pruning")
    parser.add_argument("--results", type=Path, default=RESULTS / "pruning.json")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--summary", action="store_true", help="print the table alone")
    return parser.parse_args()


def grid(texts: Path, work: Path) -> dict[str, dict[str, Any]]:
    """Run all variants; what was found of each, the whole decoder first."""
    (work / "recipes" / "texts").mkdir(parents=True, exist_ok=True)
    shutil.copy(RECIPE, work / "recipes")
    shutil.copy(texts, work / "recipes" / "texts")
    args = ["run", f"recipes/{RECIPE.name}", "--variant", "all", "--json", "-q"]
    compared = last_json(endonym(work, *args))["comparison"]
    found = {each["variant"] or WHOLE: figures(each) for each in compared["runs"]}
    order = [WHOLE, *(line.split(".")[1] for line in variants_of(RECIPE))]
    return {name: found[name] | {"documents": compared["shared_documents"]} for name in order}


def variants_of(recipe: Path) -> list[str]:
    """The lines that begin a variant."""
    lines = recipe.read_text(encoding="utf-8").splitlines()
    return [line.rstrip("]") for line in lines if line.startswith("[variant.")]


def figures(run: dict[str, Any]) -> dict[str, Any]:
    """What a run of the comparison says."""
    to_best = run["difference"]
    return {
        "parameters": run["parameters"],
        "bits_per_byte": run["compared"]["value"],
        "to_best": to_best and [to_best["value"], to_best["low"], to_best["high"]],
        "seconds": run["seconds"],
        "efficiency": run["efficiency"],
    }


def table(cells: Cells) -> str:
    """A line for each variant: size, bits per byte, and speed in transformers."""
    rows = list[list[str]]()
    for name in cells:
        found = cells[name]
        (speed,) = [each for each in found["efficiency"] if each["runtime"] == RUNTIME]
        to_best = found["to_best"]
        said = to_best and f"{to_best[0]:+.3f} ({to_best[1]:+.3f} to {to_best[2]:+.3f})"
        rows.append(
            [
                name,
                f"{found['parameters'] / 1e6:.2f}",
                f"{speed['bytes'] / 1e6:.1f}",
                f"{found['bits_per_byte']:.4f}",
                said or "best",
                f"{speed['prompt_tokens_per_second']:.0f}",
                f"{speed['decode_tokens_per_second']:.0f}",
            ]
        )
    head = ["variant", "M parameters", "MB", "bits/byte", "to the best", "read", "write"]
    return markdown(head, rows)


TABLES_OF_PAGE = {"pruning": lambda: table(Cells(RESULTS / "pruning.json"))}


if __name__ == "__main__":
    main()
