"""Ten minutes a language: what `endonym new` and `endonym run` make of five folders of texts.

    python benchmarks/five_languages.py --texts ../shared/data [--languages tt km] [--hours 0.1667]

A cell is one language: a recipe written by `new` without any edit, trained for the given hours on
this machine, scored on held-out documents beside uniform, unigram, bigram and a primed compressor.
Cells are resumable: what is made is not made again, and a cell whose JSON is there is skipped
unless --again is given. Results: benchmarks/results/five-languages.json.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from endonym import device
from endonym.log import read_jsonl

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "five-languages.json"
LANGUAGES = ("tt", "km", "ro", "fr", "en")
MODELS = ("uniform", "unigram", "bigram", "compressor", "model")


def main() -> None:
    """Run the cells asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--languages", nargs="+", default=LANGUAGES)
    parser.add_argument("--hours", type=float, default=1 / 6)
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--again", action="store_true")
    asked = parser.parse_args()
    cells: dict[str, Any] = {}
    if asked.results.is_file():
        cells = json.loads(asked.results.read_text(encoding="utf-8"))
    for language in asked.languages:
        if language not in cells or asked.again:
            cells[language] = cell(language, asked.texts / language, asked.hours, asked.work)
            asked.results.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(cells, ensure_ascii=False, indent=1, sort_keys=True)
            asked.results.write_text(text + "\n", encoding="utf-8")
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
        "machine": {"processor": device.processor(), "cores": device.cores()},
        "versions": device.versions(),
        "commit": commit(),
    }


def endonym(work: Path, *words: object) -> str:
    """Run the command in the work folder; its talk goes to the terminal."""
    command = [sys.executable, "-m", "endonym.cli.main", *map(str, words)]
    return subprocess.run(command, cwd=work, check=True, stdout=subprocess.PIPE, text=True).stdout


def last_json(output: str) -> dict[str, Any]:
    """The object that `--json` prints."""
    return json.loads(output.strip().splitlines()[-1])


def manifest(store: Path, stage: dict[str, Any]) -> dict[str, Any]:
    """What a stage's artefact says of itself."""
    (path,) = store.glob(f"*/{stage['id']}/manifest.json")
    return json.loads(path.read_text(encoding="utf-8"))


def training_seconds(store: Path, stages: list[dict[str, Any]]) -> float:
    """Seconds of all optimiser steps, over as many processes as it took."""
    (model,) = [stage for stage in stages if stage["name"].startswith("model ")]
    lines = read_jsonl(store / "journal" / f"model-{model['id']}.jsonl")
    return round(sum(line.get("seconds", 0.0) for line in lines), 1)


def total(split: dict[str, dict[str, int]], key: str) -> int:
    """A count over all sources."""
    return sum(source[key] for source in split.values())


def commit() -> str:
    """The commit that was measured, marked if files differ from it."""
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def row(language: str, found: dict[str, Any]) -> str:
    """One line of the table."""
    bits = {
        score["model"]: score
        for score in found["scores"]
        if score["metric"] == "bits_per_byte" and score["source"] is None
    }
    cells = "  ".join(f"{name} {bits[name]['value']:.4f}" for name in MODELS)
    return (
        f"{language}  {found['text_bytes'] / 1e6:.1f} MB  vocab {found['vocab']}  "
        f"{found['parameters']:,} parameters  {found['tokens']:,} tokens "
        f"({found['epochs']} epochs, kept {found['kept_step']}/{found['steps']})  "
        f"{found['training_seconds']:.0f} s  {cells}"
    )


if __name__ == "__main__":
    main()
