"""What each choice of the autopilot is worth: one thing changed at a time, at equal time.

    python benchmarks/ablations.py --language tt --minutes 7 --at-once 2 [--only base muon]

The base is the recipe that `endonym new` writes for a folder of texts. A cell is the base with
one change and one seed, trained on as many tokens as the changed recipe reads in the given minutes
on one core of this machine (its speed is measured once and kept in the results), and scored on the
held-out documents. Budgets are fixed before a cell starts, so cells may run side by side, a core
each, and nothing that disturbs them changes what they show. Seven minutes of one core are four of
two.

Differences from the base of the same seed are paired by document. Cells are resumable; results:
benchmarks/results/ablations.json.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from five_languages import ROOT, commit, endonym, last_json

from endonym import device
from endonym.evaluate import documents
from endonym.model.families import resolve
from endonym.recipe.recipe import Recipe

RESULTS = ROOT / "benchmarks" / "results" / "ablations.json"
LADDER: dict[str, dict[str, Any]] = {
    "base": {},
    "muon": {"phase.0.optimizer": "muon"},
    "muon, normalised": {"phase.0.optimizer": "muon", "phase.0.normalise": True},
    "muon, half the rate": {"phase.0.optimizer": "muon", "phase.0.lr": 1.5e-3},
    "muon, batch x 4": {"phase.0.optimizer": "muon", "phase.0.batch_tokens": 8192},
    "half the rate": {"phase.0.lr": 1.5e-3, "phase.0.embedding_lr": 6e-3},
    "twice the rate": {"phase.0.lr": 6e-3, "phase.0.embedding_lr": 2.4e-2},
    "embedding rate as lr": {"phase.0.embedding_lr": 3e-3},
    "embedding rate x 10": {"phase.0.embedding_lr": 3e-2},
    "ema": {"phase.0.average": "ema"},
    "tail": {"phase.0.average": "tail"},
    "cautious": {"phase.0.cautious": True},
    "betas 0.9, 0.95": {"phase.0.betas": [0.9, 0.95]},
    "betas 0.9, 0.99": {"phase.0.betas": [0.9, 0.99]},
    "betas 0.9, 0.999": {"phase.0.betas": [0.9, 0.999]},
    "cosine": {"phase.0.schedule": "cosine"},
    "wsd": {"phase.0.schedule": "wsd", "phase.0.cooldown": 0.4},
    "dropout 0": {"model.dropout": 0.0},
    "dropout 0.1": {"model.dropout": 0.1},
    "dropout 0.2": {"model.dropout": 0.2},
    "dropout 0.3": {"model.dropout": 0.3},
    "decay 0.1": {"phase.0.weight_decay": 0.1},
    "decay 1": {"phase.0.weight_decay": 1.0},
    "decay 2": {"phase.0.weight_decay": 2.0},
    "batch / 2": {"phase.0.batch_tokens": 1024},
    "batch x 2": {"phase.0.batch_tokens": 4096},
    "batch x 4": {"phase.0.batch_tokens": 8192},
    "vocabulary 1024": {"tokenizer.vocab": 1024},
    "vocabulary 2048": {"tokenizer.vocab": 2048},
    "vocabulary 4096": {"tokenizer.vocab": 4096},
    "vocabulary 8192": {"tokenizer.vocab": 8192},
    "128 x 4": {"model.dim": 128, "model.layers": 4, "model.mixer.heads": 2},
    "192 x 4": {"model.dim": 192, "model.layers": 4, "model.mixer.heads": 3},
    "256 x 4": {"model.dim": 256, "model.layers": 4, "model.mixer.heads": 4},
    "256 x 6": {"model.dim": 256, "model.layers": 6, "model.mixer.heads": 4},
    "320 x 6": {"model.dim": 320, "model.layers": 6, "model.mixer.heads": 5},
    "384 x 6": {"model.dim": 384, "model.layers": 6, "model.mixer.heads": 6},
    "context 128": {"pack.context": 128},
    "context 512": {"pack.context": 512},
    "untied": {"model.tied": False},
}
"""Names of changes, and the recipe keys that each sets."""


def main() -> None:
    """Measure speeds, run the cells asked for, and print the table."""
    asked = arguments()
    os.environ["OMP_NUM_THREADS"] = str(asked.threads)
    asked.work.mkdir(parents=True, exist_ok=True)
    found = json.loads(asked.results.read_text("utf-8")) if asked.results.is_file() else {}
    names = asked.only or list(LADDER)
    base = base_recipe(asked)
    speeds = found.setdefault("speeds", {})
    for name in names:
        key = speed_key(base, LADDER[name], asked.bytes)
        if key not in speeds:
            speeds[key] = measured_speed(base, LADDER[name])
            print(f"{name:<24} {speeds[key]:8.0f} tokens/s", flush=True)
            write(asked.results, found)
    cells = found.setdefault("cells", {})
    todo = [(name, seed) for seed in asked.seeds for name in names]
    todo = [each for each in todo if cell_key(asked, *each) not in cells or asked.again]
    with ThreadPoolExecutor(asked.at_once) as pool:
        made = pool.map(lambda each: cell(asked, base, speeds, *each), todo)
        for (name, seed), each in zip(todo, made, strict=True):
            cells[cell_key(asked, name, seed)] = each
            write(asked.results, found)
            print(f"{name:<24} seed {seed}  {each['bits_per_byte']:.4f}", flush=True)
    print(*table(cells, asked, names), sep="\n")


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--language", default="tt")
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--bytes", type=int, default=0, help="texts are cut to so many bytes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", nargs="+", choices=list(LADDER))
    parser.add_argument("--threads", type=int, default=1, help="of each cell")
    parser.add_argument("--at-once", type=int, default=1, help="cells side by side")
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "ablations")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--again", action="store_true")
    return parser.parse_args()


def base_recipe(asked: argparse.Namespace) -> Path:
    """The recipe of `endonym new` for these texts and minutes, written once."""
    name = f"{asked.language}-{asked.minutes:g}"
    path = asked.work / name / "recipe.toml"
    if not path.exists():
        words = ["--language", asked.language, "--text", asked.texts / asked.language]
        endonym(asked.work, "new", name, *words, "--hours", asked.minutes / 60)
    return path


def sets_of(changes: dict[str, Any]) -> Iterator[str]:
    """Changes as `--set` takes them."""
    for key, value in changes.items():
        yield f"{key}={value if isinstance(value, str) else json.dumps(value)}"


def speed_key(base: Path, changes: dict[str, Any], n_bytes: int) -> str:
    """What decides the speed of a recipe, as a name."""
    recipe = Recipe.load(base, sets=list(sets_of(changes)))
    phase, model = recipe.phase[0], recipe.model
    parts = [
        f"{model.family} {model.layers}x{model.dim}",
        f"vocab {recipe.tokenizer.vocab} context {recipe.pack.context}",
        f"batch {phase.batch_tokens} {phase.optimizer or 'adamw'} average {phase.average}",
        f"dropout {model.dropout or 0}",
    ]
    return " · ".join(parts)


def measured_speed(base: Path, changes: dict[str, Any]) -> float:
    """Training tokens a second of a recipe here, by a few real steps on random tokens."""
    from endonym.run import probe

    recipe = Recipe.load(base, sets=list(sets_of(changes)))
    vocab, context = recipe.tokenizer.vocab, recipe.pack.context
    assert vocab is not None
    assert context is not None
    shape = resolve(recipe.model, vocab=vocab, context=context)
    rates = device.probe_number_formats()
    phase = recipe.phase[0].model_copy(update={"number_format": device.faster_format(rates)})
    decoder, optimizer, batch = probe.begun(shape, phase)
    return probe.speed(decoder, optimizer, batch)


def cell_key(asked: argparse.Namespace, name: str, seed: int) -> str:
    """The name of a cell in the results."""
    return f"{asked.language} {asked.minutes:g} min · {name} · seed {seed}"


def cell(
    asked: argparse.Namespace, base: Path, speeds: dict[str, float], name: str, seed: int
) -> dict[str, Any]:
    """Train and score the base with one change."""
    changes = LADDER[name]
    tokens = int(speeds[speed_key(base, changes, asked.bytes)] * asked.minutes * 60)
    run = re.sub(r"[^\w.]+", "-", f"{base.parent.name} {name} seed {seed}")
    settings = {"phase.0.tokens": tokens, "evaluate.0.baselines": False, "seed": seed}
    words = [each for one in sets_of(settings | changes) for each in ("--set", one)]
    started = time.time()
    environment = os.environ | {"OMP_NUM_THREADS": str(asked.threads)}
    command = [sys.executable, "-m", "endonym.cli.main", "run", str(base), *words]
    done = subprocess.run(
        [*command, "--set", f"name={run}", "--json", "-q"],
        cwd=asked.work,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    finished = last_json(done.stdout)
    stages = {stage["name"].split()[0]: stage["id"] for stage in finished["stages"]}
    numbers = manifest(asked.work / "store" / "model" / stages["model"])["numbers"]
    (score,) = [each for each in finished["scores"] if is_headline(each)]
    return {
        "bits_per_byte": score["value"],
        "interval": [score["low"], score["high"]],
        "changes": changes,
        "tokens": tokens,
        "epochs": numbers["epochs"],
        "kept_step": numbers["kept_step"],
        "steps": numbers["steps"],
        "parameters": numbers["parameters"],
        "evaluation": stages["evaluation"],
        "wall_seconds": round(time.time() - started, 1),
        "machine": {"processor": device.processor(), "cores": device.cores()},
        "versions": device.versions(),
        "commit": commit(),
    }


def is_headline(score: dict[str, Any]) -> bool:
    """Bits per byte of the model on all held-out text."""
    kind = score["metric"], score["model"], score["source"]
    return kind == ("bits_per_byte", "model", None)


def manifest(folder: Path) -> dict[str, Any]:
    """What an artefact says of itself."""
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def table(cells: dict[str, Any], asked: argparse.Namespace, names: list[str]) -> Iterator[str]:
    """Each change beside the base: mean over seeds, and the paired difference of each."""
    yield f"{'change':<24} {'bits/byte':>9}  {'epochs':>6}  difference from base, by seed"
    for name in names:
        made = {s: cells.get(cell_key(asked, name, s)) for s in asked.seeds}
        whole = {seed: each for seed, each in made.items() if each is not None}
        if not whole:
            continue
        mean = statistics.mean(each["bits_per_byte"] for each in whole.values())
        told = [
            differing(asked, each, cells.get(cell_key(asked, "base", seed)))
            for seed, each in whole.items()
        ]
        epochs = next(iter(whole.values()))["epochs"]
        yield f"{name:<24} {mean:9.4f}  {epochs:6.1f}  {'  '.join(told)}"


def differing(asked: argparse.Namespace, one: dict[str, Any], base: dict[str, Any] | None) -> str:
    """A cell less its base, with the paired interval, where the store still has both."""
    if base is None or base is one:
        return ""
    plain = f"{one['bits_per_byte'] - base['bits_per_byte']:+.4f}"
    folders = [asked.work / "store" / "evaluation" / each["evaluation"] for each in (one, base)]
    pair = [documents.load(folder) for folder in folders if folder.is_dir()]
    if len(pair) < 2 or pair[0] is None or pair[1] is None:
        return plain
    value, low, high = documents.difference(pair[0], pair[1])
    return plain if low is None else f"{value:+.4f} [{low:+.4f}, {high:+.4f}]"


def write(path: Path, found: dict[str, Any]) -> None:
    """Keep the results."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
