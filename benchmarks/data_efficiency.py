"""How much text a plain recipe needs to be as good as ours: bits per byte over bytes of Khmer.

    python benchmarks/data_efficiency.py [--minutes 10] [--language km] [--passes 4 8]

Ours is the recipe of `endonym new` for 1.5 MB and these minutes. The plain recipe has ours' shape,
tokenizer size, context and batch, AdamW with betas 0.9 and 0.95, one rate for all weights, weight
decay 0.1, no dropout, no average, a twentieth of its steps to warm up (200 at most), a cosine to a
tenth; it gets 1.5, 3 and 6 MB, each at two rates and in 4, 8 and 16 passes (or those given), and
the best of these counts. Every training keeps the weights of its best look; the plain one goes on
to its end, whatever its looks say.

All are judged on the same documents, which no training sees; smaller texts are parts of larger
ones. A cell is one training; those in benchmarks/results/data-efficiency.json are skipped. By
its count of tokens the whole takes an hour and a half on an idle machine.
"""

import argparse
import json
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from cells import RESULTS, ROOT, Cells
from runs import changed_run, endonym, last_json

from endonym.recipe.recipe import Recipe
from endonym.seed import named_seed
from endonym.text.corpus import Corpus

MEGABYTES = (1.5, 3.0, 6.0)
RATES = (1e-3, 3e-3)
PASSES = (4.0, 8.0, 16.0)
PLAIN = {
    "model.dropout": 0.0,
    "phase.0.optimizer": "adamw",
    "phase.0.betas": [0.9, 0.95],
    "phase.0.weight_decay": 0.1,
    "phase.0.schedule": "cosine",
    "phase.0.average": "none",
}
NEEDED = 2.0
"""How many times as much text the plain recipe should need."""


def main() -> None:
    """Run the cells that are missing and print the curve."""
    asked = arguments()
    cells, work = Cells(asked.results), asked.work / asked.language
    texts(asked, work)
    for key, megabytes, changes in trainings(asked):
        if key not in cells or asked.again:
            cells.keep(key, cell(asked, work, megabytes, changes))
            print(f"{key:<44} {cells[key]['bits_per_byte']:.4f}", flush=True)
    print(*summary(asked, cells), sep="\n")


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--language", default="km")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--megabytes", type=float, nargs="+", default=list(MEGABYTES))
    parser.add_argument("--passes", type=float, nargs="+", default=list(PASSES))
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "data-efficiency")
    parser.add_argument("--results", type=Path, default=RESULTS / "data-efficiency.json")
    parser.add_argument("--again", action="store_true")
    return parser.parse_args()


def trainings(asked: argparse.Namespace) -> Iterator[tuple[str, float, dict[str, Any] | None]]:
    """Names of cells, the text each gets, and what its recipe changes; None for ours."""
    least = min(asked.megabytes)
    head = f"{asked.language} {asked.minutes:g} min"
    yield f"{head} · ours · {least:g} MB", least, None
    for megabytes in asked.megabytes:
        for rate in RATES:
            for passes in asked.passes:
                changes = PLAIN | {"phase.0.lr": rate, "phase.0.embedding_lr": rate}
                changes |= {"phase.0.epochs": passes}
                name = f"plain, rate {rate:g}, {passes:g} passes · {megabytes:g} MB"
                yield f"{head} · {name}", megabytes, changes


def texts(asked: argparse.Namespace, work: Path) -> None:
    """Write the held-out documents, and training texts of which each holds the one before it."""
    if (work / "held-out.txt").exists():
        return
    work.mkdir(parents=True, exist_ok=True)
    words = ["--language", asked.language, "--text", asked.texts / asked.language]
    endonym(work, "new", "all", *words, "--hours", 0.01)
    made = last_json(endonym(work, "run", "all/recipe.toml", "--until", "corpus", "--json"))
    (stage,) = [each for each in made["stages"] if each["name"] == "corpus"]
    corpus = Corpus(work / "store" / "corpus" / stage["id"])
    held = [one_block(each.text) for each in corpus.documents("val")]
    train = sorted(
        (one_block(each.text) for each in corpus.documents("train")),
        key=lambda text: named_seed(0, "data efficiency", text),
    )
    for megabytes in asked.megabytes:
        chosen, size = [], 0
        for text in train:
            chosen.append(json.dumps({"text": text}, ensure_ascii=False))
            size += len(text.encode("utf-8"))
            if size >= megabytes * 1e6:
                break
        folder = work / f"{megabytes:g}"
        folder.mkdir(exist_ok=True)
        (folder / "texts.jsonl").write_text("\n".join(chosen) + "\n", encoding="utf-8")
    (work / "held-out.txt").write_text("\n\n".join(held) + "\n", encoding="utf-8")


def one_block(text: str) -> str:
    """A document without blank lines, so that they can separate documents."""
    return "\n".join(line for line in text.split("\n") if line.strip())


def cell(
    asked: argparse.Namespace, work: Path, megabytes: float, changes: dict[str, Any] | None
) -> dict[str, Any]:
    """Train one recipe and judge it on the held-out documents."""
    recipe = our_recipe(asked, work)
    path, settings = recipe.path, {}
    if changes is not None:
        path = plain_recipe(recipe, work / f"{megabytes:g}")
        settings = dict(changes)
    settings |= {"evaluate.0.file": "../held-out.txt"}
    settings["name"] = f"cell-{named_seed(0, json.dumps(settings), str(path)):x}"
    found = changed_run(work, path.relative_to(work), settings)
    return found | {"training_bytes": int(megabytes * 1e6)}


def our_recipe(asked: argparse.Namespace, work: Path) -> Recipe:
    """What `new` writes for the least text and these minutes."""
    folder = f"{min(asked.megabytes):g}"
    path = work / folder / "recipe.toml"
    if not path.exists():
        words = ["--language", asked.language, "--text", f"{folder}/texts.jsonl"]
        endonym(work, "new", folder, *words, "--hours", asked.minutes / 60)
    return Recipe.load(path)


def plain_recipe(ours: Recipe, folder: Path) -> Path:
    """Ours' recipe for the texts of another folder, without what follows from its budget."""
    path = folder / "plain.toml"
    left_out = ("tokens =", "warmup_steps =", "patience =")
    lines = [line for line in ours.text.split("\n") if not line.startswith(left_out)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def summary(asked: argparse.Namespace, cells: Cells) -> Iterator[str]:
    """The best plain recipe at each size, and how much text it needs to be as good as ours."""
    head = f"{asked.language} {asked.minutes:g} min"
    ours = cells[f"{head} · ours · {min(asked.megabytes):g} MB"]["bits_per_byte"]
    yield f"ours, {min(asked.megabytes):g} MB: {ours:.4f} bits/byte"
    curve: list[tuple[float, float]] = []
    for megabytes in asked.megabytes:
        found = {
            key: cells[key]["bits_per_byte"]
            for key, size, changes in trainings(asked)
            if changes is not None and size == megabytes and key in cells
        }
        best = min(found, key=lambda key: found[key])
        curve.append((megabytes, found[best]))
        yield f"plain, {megabytes:g} MB: {found[best]:.4f} bits/byte  ({best})"
    needed = equivalent(curve, ours)
    told = f"{needed:.2f}"
    if needed == curve[0][0]:
        told = f"{needed:g} or less"
    elif needed == curve[-1][0]:
        told = f"{needed:g} or more"
    times = needed / curve[0][0]
    yield f"the plain recipe needs {told} MB: {times:.2f} times as much (needed: {NEEDED:g})"


def equivalent(curve: list[tuple[float, float]], bits: float) -> float:
    """Megabytes at which a falling curve reaches these bits, straight in log(megabytes).

    What lies beyond an end is that end.
    """
    for (less, worse), (more, better) in pairwise(curve):
        if better <= bits <= worse:
            share = (worse - bits) / (worse - better)
            return math.exp(math.log(less) + share * math.log(more / less))
    return curve[-1][0] if bits < curve[-1][1] else curve[0][0]


if __name__ == "__main__":
    main()
