"""What heads, channels, layers and width are worth: the grid of recipes/pruning-ro.toml.

    python benchmarks/pruning.py [--texts FABLES.jsonl] [--again]
    python benchmarks/pruning.py --summary

It is `endonym run recipes/pruning-ro.toml --variant all`, of which each variant is a cell: its
parameters, and its bits per byte on test fables with the difference to the best of all (95 %,
paired by document). Then all models read and write the same ids in transformers, by turns, in one
run: speed is beside that of the whole decoder, the best of the rounds of each. Whole runs may be
made beside other work; for the speeds the machine must be quiet.

Results: benchmarks/results/pruning.json; --again adds a repeat.
"""

import argparse
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cells import RESULTS, ROOT, Cells, quiet_machine
from pages import markdown
from runs import endonym, last_json

from endonym import device
from endonym.evaluate.speed import Contender, Efficiency, measure_speed, sample
from endonym.tokenizer.tokenizer import Tokenizer

RECIPE = ROOT / "recipes" / "pruning-ro.toml"
WHOLE = "whole"
WEIGHTS, CONTEXT = "model.safetensors", 256
ROUNDS = 6
"""By three, a half of the layers seemed to write three times as fast."""
SPEEDS = ("prompt_tokens_per_second", "decode_tokens_per_second")


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
    """Run all variants, and time their models; what was found of each, the whole decoder first."""
    (work / "recipes" / "texts").mkdir(parents=True, exist_ok=True)
    shutil.copy(RECIPE, work / "recipes")
    if not (work / "recipes" / "texts" / texts.name).exists():
        shutil.copy(texts, work / "recipes" / "texts")
    args = ["run", f"recipes/{RECIPE.name}", "--variant", "all", "--json", "-q"]
    made = last_json(endonym(work, *args))["runs"]
    names = [Path(each["run"]).name for each in made]
    compared = last_json(endonym(work, "compare", *names, "--split", "test", "--json", "-q"))
    by_name = {each["name"]: each for each in compared["runs"]}
    found = dict[str, dict[str, Any]]()
    for name, speed in zip(names, speeds(work / "store", made), strict=True):
        run = by_name[name]
        to_best = run["difference"]
        found[run["variant"] or WHOLE] = {
            "parameters": run["parameters"],
            "bits_per_byte": run["compared"]["value"],
            "to_best": to_best and [to_best["value"], to_best["low"], to_best["high"]],
            "documents": compared["shared_documents"],
            "speed": asdict(speed),
        }
    return found


def speeds(store: Path, runs: list[dict[str, Any]]) -> list[Efficiency]:
    """What each run's export takes in transformers, by turns on the same ids of the first."""
    stages = [{each["name"]: each["id"] for each in run["stages"]} for run in runs]
    exports = [store / "export" / each["export huggingface"] for each in stages]
    rivals = [
        Contender(path.name, "transformers", path, "fp32", (path / WEIGHTS).stat().st_size)
        for path in exports
    ]
    model = store / "model" / next(each for name, each in stages[0].items() if "heal" in name)
    tokenizer = Tokenizer.load(model / "tokenizer.json")
    text = sample(store / "shards" / stages[0]["shards"], tokenizer, CONTEXT)
    quiet_machine("speeds", anyway=False)
    return measure_speed(rivals, text, rounds=ROUNDS, threads=device.threads())


def table(cells: Cells) -> str:
    """A line for each variant: size, bits per byte, and speed beside the whole decoder."""
    rows = list[list[str]]()
    for name in sorted(cells, key=lambda name: name != WHOLE):
        found, whole = cells[name], cells[WHOLE]["speed"]
        to_best, speed = found["to_best"], found["speed"]
        is_best = to_best is None or to_best[1:] == [0.0, 0.0]
        said = f"{to_best[0]:+.3f} ({to_best[1]:+.3f} to {to_best[2]:+.3f})" if to_best else ""
        rows.append(
            [
                name,
                f"{found['parameters'] / 1e6:.2f}",
                f"{speed['bytes'] / 1e6:.1f}",
                f"{found['bits_per_byte']:.4f}",
                "best" if is_best else said,
                *(f"{speed[key] / whole[key]:.2f}" for key in SPEEDS),
            ]
        )
    head = ["variant", "M parameters", "MB", "bits/byte", "to the best", "reads", "writes"]
    return markdown(head, rows)


TABLES_OF_PAGE = {"pruning": lambda: table(Cells(RESULTS / "pruning.json"))}


if __name__ == "__main__":
    main()
