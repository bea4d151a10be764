"""How many steps Muon needs to be as good as AdamW, each at its best rate; and how many seconds.

    python benchmarks/steps_to_loss.py [--language ro] [--steps 400]

One shape, one batch of 8,192 tokens, one schedule (straight to zero at the end of each training,
however long it is), betas as the autopilot scales them to this batch. AdamW, Muon and Muon with
evened rows (NorMuon) are trained at every rate for all steps, with tables at four times the rate
of matrices and at others; a best rate at an edge is said. Then the best Muon for fewer. Between
the two, the steps that it needs for the loss of the best AdamW are read off a line through
log(steps). Seconds are of the optimizer steps alone.

A cell is one training; those in benchmarks/results/steps-to-loss.json are skipped. On an idle
machine the whole takes an hour and a half.
"""

import argparse
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from cells import RESULTS, ROOT, Cell, Cells, quiet_machine
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
"""Keys of a kind of optimizer, how many times the rate of matrices its tables have, and rates."""
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
SPLIT = "dev"
"""What rates are chosen and compared by. Older cells say "val": one set for everything."""


def main() -> None:
    """Run the cells that are missing and say what they come to."""
    asked = arguments()
    cells = Cells(asked.results)
    asked.work.mkdir(parents=True, exist_ok=True)
    for kind, (_, _, rates) in KINDS.items():
        for rate in rates:
            train(asked, cells, kind, rate, asked.steps)
    head = f"{asked.language} {SPLIT}"
    muon = best(head, asked.steps, cells, "muon", "normuon")
    train(asked, cells, muon.kind, muon.rate, round(asked.steps * SHARE))
    print(*summary(head, asked.steps, cells), sep="\n")


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


def key_of(head: str, kind: str, rate: float, steps: int) -> str:
    """The name of a cell. head: the language, and what judges."""
    return f"{head} {kind} rate {rate:g} steps {steps}"


def train(asked: argparse.Namespace, cells: Cells, kind: str, rate: float, steps: int) -> None:
    """One training, if it is missing."""
    key = key_of(f"{asked.language} {SPLIT}", kind, rate, steps)
    if key in cells and not asked.again:
        return
    recipe = base(asked)
    keys, tables, _ = KINDS[kind]
    rates = {"phase.0.lr": rate, "phase.0.embedding_lr": tables * rate}
    changes = SHAPE | rates | keys | {"phase.0.steps": steps}
    changes |= {"name": re.sub(r"[ ,]+", "-", key), "phase.0.warmup_steps": steps // 20}
    changes |= {"evaluate.0.split": SPLIT}
    noise = quiet_machine(key, anyway=asked.anyway)
    cells.keep(key, changed_run(asked.work, recipe, changes) | noise)
    print(f"{key:<52} {cells[key]['bits_per_byte']:.4f}", flush=True)


def base(asked: argparse.Namespace) -> Path:
    """The recipe of `endonym new`, without its budget, relative to the work folder."""
    path = asked.work / asked.language / "recipe.toml"
    if not path.exists():
        args = ["--language", asked.language, "--text", asked.texts / asked.language]
        endonym(asked.work, "new", asked.language, *args, "--hours", 0.05)
        lines = path.read_text(encoding="utf-8").split("\n")
        left_out = ("tokens =", "patience =", "betas =", "warmup_steps =")
        kept = [line for line in lines if not line.startswith(left_out)]
        path.write_text("\n".join(kept), encoding="utf-8")
    return path.relative_to(asked.work)


class Best(NamedTuple):
    """A training: its kind of optimizer, the rate of its matrices, and its cell."""

    kind: str
    rate: float
    cell: Cell

    @property
    def is_edge(self) -> bool:
        """Whether no rate beyond this one was tried."""
        rates = KINDS[self.kind][2]
        return self.rate in (rates[0], rates[-1])


def best(head: str, steps: int, cells: Cells, *names: str) -> Best:
    """The best training of so many steps, of kinds so named: of all rates and repeats."""
    tried = {
        key: (kind, rate)
        for kind, (_, _, rates) in KINDS.items()
        for rate in rates
        if kind.split(",")[0] in names and (key := key_of(head, kind, rate, steps)) in cells
    }
    key, cell = cells.best(tried, itemgetter("bits_per_byte"))
    return Best(*tried[key], cell)


@dataclass(frozen=True)
class Outcome:
    """AdamW and Muon at their best of all steps, the same Muon in fewer, and what follows."""

    adamw: Best
    muon: Best
    fewer: Best
    steps: int

    @property
    def needed(self) -> float:
        """Steps that Muon needs for the loss of AdamW."""
        few, many = self.fewer.cell, self.muon.cell
        curve = [(each["steps"], each["bits_per_byte"]) for each in (few, many)]
        return needed(curve, self.adamw.cell["bits_per_byte"])

    @property
    def seconds(self) -> float:
        """Seconds of so many steps of Muon."""
        return self.needed * self.muon.cell["step_seconds"] / self.muon.cell["steps"]


def outcome(head: str, steps: int, cells: Cells) -> Outcome:
    """What the cells of a language come to."""
    adamw, muon = best(head, steps, cells, "adamw"), best(head, steps, cells, "muon", "normuon")
    fewer = cells[key_of(head, muon.kind, muon.rate, round(steps * SHARE))]
    return Outcome(adamw, muon, Best(muon.kind, muon.rate, fewer), steps)


def summary(head: str, steps: int, cells: Cells) -> Iterator[str]:
    """Steps and seconds that Muon at its best needs, beside AdamW at its best."""
    found = outcome(head, steps, cells)
    for each in (found.adamw, found.muon):
        if each.is_edge:
            rates = KINDS[each.kind][2]
            yield f"{each.kind}: {each.rate:g} is the best of {rates}, and an edge: try beyond it"
    for each in (found.adamw, found.fewer, found.muon):
        bits, its_steps = each.cell["bits_per_byte"], each.cell["steps"]
        yield f"{each.kind}, rate {each.rate:g}, {its_steps} steps: {bits:.4f} bits/byte"
    its, seconds = found.needed, found.adamw.cell["step_seconds"]
    is_between = found.fewer.cell["steps"] <= its <= steps
    note = "" if is_between else ", by a line beyond what was trained"
    yield f"Muon needs {its:.0f} steps{note}: {steps / its:.2f} times fewer (needed: {NEEDED:g})"
    yield f"and {found.seconds:.0f} s beside {seconds:.0f} s: {seconds / found.seconds:.2f} times"


def needed(curve: list[tuple[int, float]], goal: float) -> float:
    """Steps for a loss, on the straight line through log(steps) of two trainings."""
    (few, worse), (many, better) = curve
    share = (worse - goal) / (worse - better)
    return math.exp(math.log(few) + share * math.log(many / few))


if __name__ == "__main__":
    main()
