"""How many steps Muon needs to be as good as AdamW, each at its best rate; and how many seconds.

    python benchmarks/steps_to_loss.py [--language ro] [--steps 400]

One shape, one batch of 8,192 tokens, one schedule (straight to zero at the end of each training,
however long it is), betas as the autopilot scales them to this batch. AdamW, Muon and Muon with
evened rows (NorMuon) are trained at every rate for all steps, with tables at four times the rate
of matrices and at others; a best rate at an edge is said. Then the best Muon for fewer. Between
the two, the steps that it needs for the loss of the best AdamW are read off a line through
log(steps). Seconds are of the optimiser steps alone.

A cell is one training; those in benchmarks/results/steps-to-loss.json are skipped. On an idle
machine the whole takes an hour and a half.
"""

import argparse
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cells import RESULTS, ROOT, Cells, quiet_machine
from runs import changed_run, endonym

EVENED = {"phase.0.optimizer": "muon", "phase.0.normalise": True}
KINDS: dict[str, tuple[dict[str, Any], int, tuple[float, ...]]] = {
    "adamw": ({"phase.0.optimizer": "adamw"}, 4, (3.75e-4, 7.5e-4, 1.5e-3, 3e-3, 6e-3)),
    "adamw, tables x 16": ({"phase.0.optimizer": "adamw"}, 16, (7.5e-4, 1.5e-3)),
    "adamw, tables x 32": ({"phase.0.optimizer": "adamw"}, 32, (7.5e-4, 1.5e-3)),
    "muon": ({"phase.0.optimizer": "muon"}, 4, (1.5e-3, 3e-3, 6e-3, 1.2e-2)),
    "normuon": (EVENED, 4, (3e-3, 6e-3)),
    "normuon, tables x 1": (EVENED, 1, (6e-3,)),
    "normuon, tables x 8": (EVENED, 8, (6e-3,)),
}
"""Keys of a kind of optimiser, how many times the rate of matrices its tables have, and rates."""
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
NEEDED = 1.3


def main() -> None:
    """Run the cells that are missing and say what they come to."""
    asked = arguments()
    cells = Cells(asked.results)
    asked.work.mkdir(parents=True, exist_ok=True)
    for kind, (_, _, rates) in KINDS.items():
        for rate in rates:
            train(asked, cells, kind, rate, asked.steps)
    kind, rate, _ = best(asked, cells, "muon", "normuon")
    train(asked, cells, kind, rate, round(asked.steps * SHARE))
    print(*summary(asked, cells), sep="\n")


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--language", default="ro")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "steps-to-loss")
    parser.add_argument("--results", type=Path, default=RESULTS / "steps-to-loss.json")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--anyway", action="store_true", help="measure on a busy machine")
    return parser.parse_args()


def key_of(asked: argparse.Namespace, kind: str, rate: float, steps: int) -> str:
    """The name of a cell."""
    return f"{asked.language} {kind} rate {rate:g} steps {steps}"


def train(asked: argparse.Namespace, cells: Cells, kind: str, rate: float, steps: int) -> None:
    """One training, if it is missing."""
    key = key_of(asked, kind, rate, steps)
    if key in cells and not asked.again:
        return
    recipe = base(asked)
    keys, tables, _ = KINDS[kind]
    rates = {"phase.0.lr": rate, "phase.0.embedding_lr": tables * rate}
    changes = SHAPE | rates | keys | {"phase.0.steps": steps}
    changes |= {"name": re.sub(r"[ ,]+", "-", key), "phase.0.warmup_steps": steps // 20}
    noise = quiet_machine(key, anyway=asked.anyway)
    cells.keep(key, changed_run(asked.work, recipe, changes) | noise)
    print(f"{key:<52} {cells[key]['bits_per_byte']:.4f}", flush=True)


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


def best(asked: argparse.Namespace, cells: Cells, *names: str) -> tuple[str, float, float]:
    """Kind, rate and bits per byte of the best training of all steps, of kinds so named."""
    of = [kind for kind in KINDS if kind.split(",")[0] in names]
    tried = [(kind, rate) for kind in of for rate in KINDS[kind][2]]
    found = {each: cells[key_of(asked, *each, asked.steps)]["bits_per_byte"] for each in tried}
    kind, rate = min(found, key=found.__getitem__)
    return kind, rate, found[kind, rate]


def summary(asked: argparse.Namespace, cells: Cells) -> Iterator[str]:
    """Steps and seconds that Muon at its best needs, beside AdamW at its best."""
    adamw, adam_rate, goal = best(asked, cells, "adamw")
    muon, rate, _ = best(asked, cells, "muon", "normuon")
    adam = cells[key_of(asked, adamw, adam_rate, asked.steps)]
    made = [
        cells[key_of(asked, muon, rate, steps)]
        for steps in (round(asked.steps * SHARE), asked.steps)
    ]
    for name, each in ((adamw, adam_rate), (muon, rate)):
        if each in (KINDS[name][2][0], KINDS[name][2][-1]):
            yield f"{name}: {each:g} is the best of {KINDS[name][2]}, and an edge: try beyond it"
    yield f"{adamw}, rate {adam_rate:g}, {asked.steps} steps: {goal:.4f} bits/byte"
    for each in made:
        yield f"{muon}, rate {rate:g}, {each['steps']} steps: {each['bits_per_byte']:.4f} bits/byte"
    curve = [(each["steps"], each["bits_per_byte"]) for each in made]
    steps = needed(curve, goal)
    a_step = made[-1]["step_seconds"] / made[-1]["steps"]
    fewer, faster = asked.steps / steps, adam["step_seconds"] / (a_step * steps)
    told = "" if curve[0][0] <= steps <= curve[-1][0] else ", by a line beyond what was trained"
    yield f"{muon} needs {steps:.0f} steps{told}: {fewer:.2f} times fewer (needed: {NEEDED:g})"
    yield f"and {a_step * steps:.0f} s beside {adam['step_seconds']:.0f} s: {faster:.2f} times"


def needed(curve: list[tuple[int, float]], goal: float) -> float:
    """Steps for a loss, on the straight line through log(steps) of two trainings."""
    (few, worse), (many, better) = curve
    share = (worse - goal) / (worse - better)
    return math.exp(math.log(few) + share * math.log(many / few))


if __name__ == "__main__":
    main()
