"""Ten minutes a language: what `endonym new` and `endonym run` make of five folders of texts.

    python benchmarks/five_languages.py --texts ../shared/data [--languages tt km] [--hours 0.1667]

A cell is one language: a recipe written by `new` without any edit, trained for the given hours on
this machine, scored on held-out documents beside uniform, unigram, bigram and a primed compressor.
Cells are resumable: what is made is not made again, and a cell whose JSON is there is skipped
unless --again is given. Results: benchmarks/results/five-languages.json.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from cells import RESULTS, ROOT, Cells
from runs import endonym, last_json, manifest, training_seconds

from endonym.evaluate.score import Score, headline

LANGUAGES = ("tt", "km", "ro", "fr", "en")
MODELS = ("uniform", "unigram", "bigram", "compressor", "model")


def main() -> None:
    """Run the cells asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--languages", nargs="+", default=LANGUAGES)
    parser.add_argument("--hours", type=float, default=1 / 6)
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work")
    parser.add_argument("--results", type=Path, default=RESULTS / "five-languages.json")
    parser.add_argument("--again", action="store_true")
    asked = parser.parse_args()
    cells = Cells(asked.results)
    for language in asked.languages:
        if language not in cells or asked.again:
            cells.keep(language, cell(language, asked.texts / language, asked.hours, asked.work))
        print(row(language, cells[language]), flush=True)


def cell(language: str, texts: Path, hours: float, work: Path) -> dict[str, Any]:
    """Make one language's model from nothing but its folder, and collect its figures."""
    work.mkdir(parents=True, exist_ok=True)
    name = f"ten-minutes-{language}"
    recipe = work / name / "recipe.toml"
    if not recipe.exists():
        endonym(work, "new", name, "--language", language, "--text", texts, "--hours", hours)
    checked = last_json(endonym(work, "check", f"{name}/recipe.toml", "--json"))
    started = time.time()
    finished = last_json(endonym(work, "run", f"{name}/recipe.toml", "--json"))
    seconds = {stage["name"]: stage["seconds"] for stage in finished["stages"]}
    manifests = {
        stage["name"].split()[0]: manifest(work / "store", stage) for stage in finished["stages"]
    }
    model, shards = manifests["model"]["numbers"], manifests["shards"]["numbers"]
    return {
        "language": language,
        "hours": hours,
        "text_bytes": total(shards["train"], "bytes") + total(shards["val"], "bytes"),
        "held_out_bytes": total(shards["val"], "bytes"),
        "held_out_documents": total(shards["val"], "documents"),
        "vocab": manifests["tokenizer"]["numbers"]["vocab"],
        "parameters": model["parameters"],
        "unique_tokens": model["unique_tokens"],
        "tokens": model["tokens"],
        "epochs": round(model["epochs"], 2),
        "kept_step": model["kept_step"],
        "steps": model["steps"],
        "seconds": seconds,
        "training_seconds": training_seconds(work / "store", finished["stages"]),
        "wall_seconds": round(time.time() - started, 1),
        "estimated": {"unique_tokens": checked["unique_tokens"], "seconds": checked["seconds"]},
        "scores": finished["scores"],
    }


def total(split: dict[str, dict[str, int]], key: str) -> int:
    """A count over all sources."""
    return sum(source[key] for source in split.values())


def row(language: str, found: dict[str, Any]) -> str:
    """One line of the table."""
    scores = [Score(**score) for score in found["scores"]]
    bits = {name: line for name in MODELS if (line := headline(scores, model=name)) is not None}
    cells = "  ".join(f"{name} {line.value:.4f}" for name, line in bits.items())
    return (
        f"{language}  {found['text_bytes'] / 1e6:.1f} MB  vocab {found['vocab']}  "
        f"{found['parameters']:,} parameters  {found['tokens']:,} tokens "
        f"({found['epochs']} epochs, kept {found['kept_step']}/{found['steps']})  "
        f"{found['training_seconds']:.0f} s  {cells}"
    )


if __name__ == "__main__":
    main()
