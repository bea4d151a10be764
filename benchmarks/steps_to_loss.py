"""How many steps Muon needs to be as good as AdamW, each at its best rate; and how many seconds.

    python benchmarks/steps_to_loss.py [--language ro] [--steps 600]

One shape, one batch of 8,192 tokens, one schedule (straight to zero at the end of each training,
however long it is), betas as the autopilot scales them to this batch. AdamW, Muon and Muon with
evened rows (NorMuon) are trained at every rate for all steps; a best rate at an edge is said. Then
both kinds of Muon, at their best rate, for fewer. Between the two, the steps that they need for
AdamW's best loss are read off a line through log(steps). Seconds are of the optimiser steps alone.

A cell is one training; those in benchmarks/results/steps-to-loss.json are skipped. On an idle
machine the whole takes an hour.
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cells import RESULTS, ROOT, Cells, quiet_machine
from runs import changed_run, endonym

RATES = {
    "adamw": (3.75e-4, 7.5e-4, 1.5e-3, 3e-3, 6e-3),
    "muon": (1.5e-3, 3e-3, 6e-3, 1.2e-2),
    "normuon": (3e-3, 6e-3, 1.2e-2),
}
KEYS: dict[str, dict[str, Any]] = {
    "adamw": {"phase.0.optimizer": "adamw"},
    "muon": {"phase.0.optimizer": "muon"},
    "normuon": {"phase.0.optimizer": "muon", "phase.0.normalise": True},
}
SHARE = 1 / 1.3
"""Of all steps: what Muon is also given."""
SHAPE = {
    "tokenizer.vocab": 4096,
    "pack.context": 256,
    "model.dim": 256,
    "model.layers": 6,
    "model.mixer.heads": 4,
    "model.dropout": 0.0,
    "phase.0.batch_tokens": 8192,
    "phase.0.weight_decay": 0.1,
    "phase.0.schedule": "linear",
}
MUONS = ("muon", "normuon")
NEEDED = 1.3


def main() -> None:
    """Run the cells that are missing and say what they come to."""
    asked = arguments()
    cells = Cells(asked.results)
    asked.work.mkdir(parents=True, exist_ok=True)
    for optimizer, rates in RATES.items():
        for rate in rates:
            train(asked, cells, optimizer, rate, asked.steps)
    for optimizer in MUONS:
        _, rate = best(asked, cells, optimizer)
        train(asked, cells, optimizer, rate, round(asked.steps * SHARE))
    for optimizer in MUONS:
        print(*summary(asked, cells, optimizer), sep="\n")


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--language", default="ro")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "steps-to-loss")
    parser.add_argument("--results", type=Path, default=RESULTS / "steps-to-loss.json")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--anyway", action="store_true", help="measure on a busy machine")
    return parser.parse_args()


def key_of(asked: argparse.Namespace, optimizer: str, rate: float, steps: int) -> str:
    """The name of a cell."""
    return f"{asked.language} {optimizer} rate {rate:g} steps {steps}"


def train(asked: argparse.Namespace, cells: Cells, optimizer: str, rate: float, steps: int) -> None:
    """One training, if it is missing."""
    key = key_of(asked, optimizer, rate, steps)
    if key in cells and not asked.again:
        return
    recipe = base(asked)
    rates = {"phase.0.lr": rate, "phase.0.embedding_lr": 4 * rate}
    changes = SHAPE | rates | KEYS[optimizer] | {"phase.0.steps": steps}
    changes |= {"name": key.replace(" ", "-"), "phase.0.warmup_steps": steps // 20}
    noise = quiet_machine(key, anyway=asked.anyway)
    cells.keep(key, changed_run(asked.work, recipe, changes) | noise)
    print(f"{key:<40} {cells[key]['bits_per_byte']:.4f}", flush=True)


def base(asked: argparse.Namespace) -> Path:
    """The recipe of `endonym new`, without its budget, relative to the work folder."""
    path = asked.work / asked.language / "recipe.toml"
    if not path.exists():
        words = ["--language", asked.language, "--text", asked.texts / asked.language]
        endonym(asked.work, "new", asked.language, *words, "--hours", 0.05)
        lines = path.read_text(encoding="utf-8").split("\n")
        left_out = ("tokens =", "patience =", "betas =", "warmup_steps =")
        kept = [line for line in lines if not line.startswith(left_out)]
        path.write_text("\n".join(kept), encoding="utf-8")
    return path.relative_to(asked.work)


def best(asked: argparse.Namespace, cells: Cells, optimizer: str) -> tuple[float, float]:
    """Bits per byte and rate of an optimiser's best training of all steps."""
    found = {rate: cells[key_of(asked, optimizer, rate, asked.steps)] for rate in RATES[optimizer]}
    rate = min(found, key=lambda each: found[each]["bits_per_byte"])
    return found[rate]["bits_per_byte"], rate


def summary(asked: argparse.Namespace, cells: Cells, optimizer: str) -> Iterator[str]:
    """Steps and seconds that a kind of Muon needs, beside AdamW's."""
    goal, adam_rate = best(asked, cells, "adamw")
    _, rate = best(asked, cells, optimizer)
    adam = cells[key_of(asked, "adamw", adam_rate, asked.steps)]
    budgets = (round(asked.steps * SHARE), asked.steps)
    made = [cells[key_of(asked, optimizer, rate, steps)] for steps in budgets]
    for name, each in (("adamw", adam_rate), (optimizer, rate)):
        if each in (RATES[name][0], RATES[name][-1]):
            yield f"{name}: {each:g} is the best of {RATES[name]}, and an edge: try beyond it"
    yield f"adamw, rate {adam_rate:g}, {asked.steps} steps: {goal:.4f} bits/byte"
    for each in made:
        loss = each["bits_per_byte"]
        yield f"{optimizer}, rate {rate:g}, {each['steps']} steps: {loss:.4f} bits/byte"
    curve = [(each["steps"], each["bits_per_byte"]) for each in made]
    steps = needed(curve, goal)
    a_step = made[-1]["step_seconds"] / made[-1]["steps"]
    fewer, faster = asked.steps / steps, adam["step_seconds"] / (a_step * steps)
    told = "" if curve[0][0] <= steps <= curve[-1][0] else ", by a line beyond what was trained"
    yield f"{optimizer} needs {steps:.0f} steps{told}: {fewer:.2f} times fewer (needed: {NEEDED:g})"
    yield f"and {a_step * steps:.0f} s beside {adam['step_seconds']:.0f} s: {faster:.2f} times"


def needed(curve: list[tuple[int, float]], goal: float) -> float:
    """Steps for a loss, on the straight line through log(steps) of two trainings."""
    (few, worse), (many, better) = curve
    share = (worse - goal) / (worse - better)
    return math.exp(math.log(few) + share * math.log(many / few))


if __name__ == "__main__":
    main()
