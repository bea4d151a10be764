"""What each choice of the autopilot is worth: one thing changed at a time, at equal time.

    python benchmarks/ablations.py --language tt --minutes 7 --at-once 2 [--only base muon]

The base is the recipe that `endonym new` writes for a folder of texts. A cell is the base with
one change and one seed, trained on as many tokens as the changed recipe reads in the given minutes
on one core of this machine (its speed is measured once and kept in the results), and scored on the
dev documents: what is chosen by these cells must not be judged by the same text. Budgets are fixed
before a cell starts, so cells may run side by side, a core each, and nothing that disturbs them
changes what they show. Seven minutes of one core are four of two.

Differences from the base of the same seed are paired by document. Cells are resumable; results:
benchmarks/results/ablations.json.
"""

import argparse
import os
import re
import statistics
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cells import RESULTS, ROOT, Cells
from runs import changed_run, endonym, sets_of

from endonym import device
from endonym.autopilot.machine import Pace
from endonym.autopilot.workload import Workload
from endonym.evaluate import documents
from endonym.model.families import resolve
from endonym.recipe.recipe import Recipe
from endonym.store import fingerprint

CHOOSING = "dev"
ADAMW = {
    "phase.0.optimizer": "adamw",
    "phase.0.batch_tokens": 2048,
    "phase.0.lr": 3e-3,
    "phase.0.embedding_lr": 1.2e-2,
}
MUON = ADAMW | {"phase.0.optimizer": "muon"}
TWICE = {"phase.0.lr": 6e-3, "phase.0.embedding_lr": 2.4e-2}
HALF = {"phase.0.lr": 1.5e-3, "phase.0.embedding_lr": 6e-3}
"""A rung that is about a rate, a batch or an optimizer says all three, whatever the base has."""
LADDER: dict[str, dict[str, Any]] = {
    "base": {},
    "adamw": ADAMW,
    "muon": MUON,
    "muon, normalised": MUON | {"phase.0.normalise": True},
    "muon, half the rate": MUON | {"phase.0.lr": 1.5e-3},
    "muon, twice the rate": MUON | TWICE,
    "muon, batch x 2, twice the rate": MUON | TWICE | {"phase.0.batch_tokens": 4096},
    "muon, batch x 2, twice the rate, tables x 2": MUON
    | {"phase.0.batch_tokens": 4096, "phase.0.lr": 6e-3, "phase.0.embedding_lr": 4.8e-2},
    "muon, batch x 2, twice the rate, tables x 4": MUON
    | {"phase.0.batch_tokens": 4096, "phase.0.lr": 6e-3, "phase.0.embedding_lr": 9.6e-2},
    "muon, batch x 4, twice the rate": MUON | TWICE | {"phase.0.batch_tokens": 8192},
    "half the rate": ADAMW | HALF,
    "half the rate, tables x 8": ADAMW | HALF | {"phase.0.embedding_lr": 1.2e-2},
    "half the rate, tables x 16": ADAMW | HALF | {"phase.0.embedding_lr": 2.4e-2},
    "twice the rate": ADAMW | TWICE,
    "embedding rate as lr": ADAMW | {"phase.0.embedding_lr": 3e-3},
    "embedding rate x 8": ADAMW | {"phase.0.embedding_lr": 2.4e-2},
    "embedding rate x 16": ADAMW | {"phase.0.embedding_lr": 4.8e-2},
    "batch / 2": ADAMW | {"phase.0.batch_tokens": 1024},
    "batch x 2": ADAMW | {"phase.0.batch_tokens": 4096},
    "batch x 4": ADAMW | {"phase.0.batch_tokens": 8192},
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
    "192 x 4, dropout 0.1": {"model.dim": 192, "model.mixer.heads": 3, "model.dropout": 0.1},
    "256 x 4, dropout 0.1": {"model.dim": 256, "model.mixer.heads": 4, "model.dropout": 0.1},
    "256 x 6, dropout 0.1": {
        "model.dim": 256,
        "model.layers": 6,
        "model.mixer.heads": 4,
        "model.dropout": 0.1,
    },
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
    cells, names = Cells(asked.results), asked.only or list(LADDER)
    base = base_recipe(asked)
    for name in names:
        key = speed_key(base, LADDER[name])
        if key not in cells:
            cells.keep(key, {"tokens_per_second": measured_speed(base, LADDER[name])})
            print(f"{name:<24} {cells[key]['tokens_per_second']:8.0f} tokens/s", flush=True)
    todo = [(name, seed) for seed in asked.seeds for name in names]
    todo = [each for each in todo if cell_key(asked, base, *each) not in cells or asked.again]
    with ThreadPoolExecutor(asked.at_once) as pool:
        made = pool.map(lambda each: cell(asked, base, cells, *each), todo)
        for (name, seed), each in zip(todo, made, strict=True):
            cells.keep(cell_key(asked, base, name, seed), each)
            print(f"{name:<24} seed {seed}  {each['bits_per_byte']:.4f}", flush=True)
    print(*table(cells, asked, base, names), sep="\n")


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--language", default="tt")
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", nargs="+", choices=list(LADDER))
    parser.add_argument("--threads", type=int, default=1, help="of each cell")
    parser.add_argument("--at-once", type=int, default=1, help="cells side by side")
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "ablations")
    parser.add_argument("--results", type=Path, default=RESULTS / "ablations.json")
    parser.add_argument("--again", action="store_true")
    return parser.parse_args()


def base_recipe(asked: argparse.Namespace) -> Path:
    """The recipe of `endonym new` for these texts and minutes, written once, without what follows
    from the batch."""
    name = f"{asked.language}-{asked.minutes:g}"
    path = asked.work / name / "recipe.toml"
    if not path.exists():
        args = ["--language", asked.language, "--text", asked.texts / asked.language]
        endonym(asked.work, "new", name, *args, "--hours", asked.minutes / 60)
        lines = path.read_text(encoding="utf-8").split("\n")
        kept = [line for line in lines if not line.startswith(("betas =", "warmup_steps ="))]
        path.write_text("\n".join(kept), encoding="utf-8")
    return path


def changed(base: Path, changes: dict[str, Any]) -> Recipe:
    """The base with some keys changed."""
    return Recipe.load(base, sets=[each for each in sets_of(changes) if each != "--set"])


def speed_key(base: Path, changes: dict[str, Any]) -> str:
    """What decides the speed of a recipe, as a name: measured once on a processor, so that every
    seed reads as many tokens."""
    recipe = changed(base, changes)
    phase, model = recipe.phase[0], recipe.model
    parts = [
        f"{model.family} {model.layers}x{model.dim}",
        f"vocab {recipe.tokenizer.vocab} context {recipe.pack.context}",
        f"batch {phase.batch_tokens} {phase.optimizer or 'adamw'} average {phase.average}",
        f"dropout {model.dropout or 0}",
    ]
    return " · ".join(["speed", *parts, f"{device.processor()} x {device.cores()}"])


def measured_speed(base: Path, changes: dict[str, Any]) -> float:
    """Training tokens a second of a recipe here, compiled if that is faster, by a few steps."""
    from endonym.autopilot import probe

    recipe = changed(base, changes)
    vocab, context = recipe.tokenizer.vocab, recipe.pack.context
    assert vocab is not None
    assert context is not None
    shape = resolve(recipe.model, vocab=vocab, context=context)
    rates = device.probe_number_formats()
    phase = recipe.phase[0].model_copy(update={"number_format": device.faster_format(rates)})
    return Pace(**probe.pace(Workload(shape, phase))).best


def head(asked: argparse.Namespace, base: Path) -> str:
    """Which base cells are of: the recipe after its texts, in six digits."""
    text = base.read_text(encoding="utf-8")
    mark = fingerprint(text[text.index("[tokenizer]") :])[:6]
    return f"{asked.language} {asked.minutes:g} min {CHOOSING} · base {mark}"


def cell_key(asked: argparse.Namespace, base: Path, name: str, seed: int) -> str:
    """The name of a cell in the results."""
    return f"{head(asked, base)} · {name} · seed {seed}"


def cell(
    asked: argparse.Namespace, base: Path, cells: Cells, name: str, seed: int
) -> dict[str, Any]:
    """Train and score the base with one change."""
    changes = LADDER[name]
    speed = cells[speed_key(base, changes)]["tokens_per_second"]
    run = re.sub(r"[^\w.]+", "-", f"{base.parent.name} {name} seed {seed}")
    settings = {
        "name": run,
        "seed": seed,
        "split.seed": seed,
        "phase.0.tokens": int(speed * asked.minutes * 60),
    }
    settings |= {"evaluate.0.split": CHOOSING}
    recipe = base.relative_to(asked.work)
    found = changed_run(asked.work, recipe, settings | changes, asked.threads)
    return found | {"changes": changes}


def table(cells: Cells, asked: argparse.Namespace, base: Path, names: list[str]) -> Iterator[str]:
    """Each change beside the base: mean over seeds, and the paired difference of each."""
    yield head(asked, base)
    yield f"{'change':<24} {'bits/byte':>9}  {'epochs':>6}  difference from base, by seed"
    for name in names:
        keys = {seed: cell_key(asked, base, name, seed) for seed in asked.seeds}
        whole = {seed: cells[key] for seed, key in keys.items() if key in cells}
        if not whole:
            continue
        mean = statistics.mean(each["bits_per_byte"] for each in whole.values())
        bases = {seed: cell_key(asked, base, "base", seed) for seed in whole}
        gaps = [
            differing(asked, each, cells[bases[seed]])
            for seed, each in whole.items()
            if bases[seed] in cells
        ]
        epochs = next(iter(whole.values()))["epochs"]
        yield f"{name:<24} {mean:9.4f}  {epochs:6.1f}  {'  '.join(gaps)}"


def differing(asked: argparse.Namespace, one: dict[str, Any], base: dict[str, Any]) -> str:
    """A cell less its base, with the paired interval, where the store still has both."""
    if base is one:
        return ""
    plain = f"{one['bits_per_byte'] - base['bits_per_byte']:+.4f}"
    folders = [asked.work / "store" / "evaluation" / each["evaluation"] for each in (one, base)]
    pair = [documents.load_documents(folder) for folder in folders if folder.is_dir()]
    if len(pair) < 2 or pair[0] is None or pair[1] is None:
        return plain
    value, low, high = documents.difference(pair[0], pair[1])
    return plain if low is None else f"{value:+.4f} [{low:+.4f}, {high:+.4f}]"


if __name__ == "__main__":
    main()
