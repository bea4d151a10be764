"""How much text a plain recipe needs to be as good as ours: bits per byte over bytes of Khmer.

    python benchmarks/data_efficiency.py [--minutes 10] [--language km] [--passes 4 8]

Ours is the recipe of `endonym new` for 1.5 MB and these minutes. The plain recipe has ours' shape,
tokenizer size, context and batch, AdamW with betas 0.9 and 0.95, one rate for all weights, weight
decay 0.1, no dropout, no average, a cosine to a tenth; it gets 1.5, 3 and 6 MB, each at two rates,
in 4, 8 and 16 passes (or those given), and with two warm-ups: a twentieth of its steps (200 at
most), and as many steps as ours. Of all these and their repeats the best counts for each amount of
text, by what judges, which is in the plain recipe's favour; ours is its newest. Every training
keeps the weights of its best validation; the plain one goes on to its end, whatever its
validations say.

All are judged on the same test documents, which no training sees, by the mean over their sources.
Smaller texts are parts of larger ones, in blocks of neighbours. A cell is one training; those in
benchmarks/results/data-efficiency.json are skipped, and --again adds a repeat. By its count of
tokens the whole takes three hours on an idle machine.
"""

import argparse
import itertools
import json
import math
import statistics
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise, product
from operator import itemgetter
from pathlib import Path
from typing import Any

from cells import RESULTS, ROOT, Cells
from runs import SPLIT, bits_rows, costs_of, endonym, last_json, sets_of

from endonym.corpus.corpus import Corpus
from endonym.formats.document import Document
from endonym.recipe.recipe import Recipe
from endonym.seed import named_seed

MEGABYTES = (1.5, 3.0, 6.0)
RATES = (1e-3, 3e-3)
PASSES = (4.0, 8.0, 16.0)
WARM_UPS = {"own": "", "ours": ", warm-up of ours"}
"""How long the plain recipe warms up, and how that is said in the name of a cell."""
BITS = itemgetter("bits_per_byte")
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
    head = f"{asked.language} {asked.minutes:g} min {SPLIT}"
    for each in trainings(asked, head):
        if each.key not in cells or asked.again:
            cells.keep(each.key, cell(asked, work, each))
            print(f"{each.key:<64} {cells[each.key]['bits_per_byte']:.4f}", flush=True)
    print(*summary(head, cells), sep="\n")


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--language", default="km")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--megabytes", type=float, nargs="+", default=list(MEGABYTES))
    parser.add_argument("--passes", type=float, nargs="+", default=list(PASSES))
    parser.add_argument("--rates", type=float, nargs="+", default=list(RATES))
    parser.add_argument("--warm-ups", nargs="+", choices=WARM_UPS, default=list(WARM_UPS))
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "data-efficiency")
    parser.add_argument("--results", type=Path, default=RESULTS / "data-efficiency.json")
    parser.add_argument("--again", action="store_true")
    return parser.parse_args()


@dataclass(frozen=True)
class Training:
    """A cell: its name, the text it gets, and what the plain recipe changes in ours.

    changes: none for ours. warms_up_as_ours: the plain recipe keeps the warm-up of ours.
    """

    key: str
    megabytes: float
    changes: dict[str, Any] = field(default_factory=dict)
    warms_up_as_ours: bool = False


def trainings(asked: argparse.Namespace, head: str) -> Iterator[Training]:
    """All cells that were asked for, ours first."""
    least = min(asked.megabytes)
    yield Training(f"{head} · ours · {least:g} MB", least)
    tried = product(asked.megabytes, asked.rates, asked.passes, asked.warm_ups)
    for megabytes, rate, passes, warm_up in tried:
        changes = PLAIN | {"phase.0.lr": rate, "phase.0.embedding_lr": rate}
        name = f"plain, rate {rate:g}, {passes:g} passes{WARM_UPS[warm_up]}"
        yield Training(
            f"{head} · {name} · {megabytes:g} MB",
            megabytes,
            changes | {"phase.0.epochs": passes},
            warm_up == "ours",
        )


def texts(asked: argparse.Namespace, work: Path) -> None:
    """Write the test documents, and training texts of which each holds the one before it.

    Each source is a file of its own, with its documents in their order. Blocks of neighbours are
    taken whole.
    """
    if (work / "test").exists():
        return
    work.mkdir(parents=True, exist_ok=True)
    args = ["--language", asked.language, "--text", asked.texts / asked.language]
    endonym(work, "new", "all", *args, "--hours", 0.01)
    made = last_json(endonym(work, "run", "all/recipe.toml", "--until", "corpus", "--json"))
    (stage,) = [each for each in made["stages"] if each["name"] == "corpus"]
    corpus = Corpus(work / "store" / "corpus" / stage["id"])
    write_nested(corpus, work, asked.megabytes, "data efficiency")


def write_nested(corpus: Corpus, work: Path, amounts: Iterable[float], label: str) -> None:
    """Training texts of so many megabytes, as far as there are, and then the test documents.

    label: of the random order of the blocks.
    """
    train = list(corpus.documents("train"))
    sizes = Counter[int]()
    for each in train:
        sizes[each.block] += len(each.text.encode("utf-8"))
    blocks = sorted(sizes, key=lambda number: named_seed(0, label, number))
    ends = list(itertools.accumulate(sizes[number] for number in blocks))
    for megabytes in amounts:
        if ends[-1] >= megabytes * 1e6:
            chosen = set(blocks[: bisect(ends, megabytes * 1e6) + 1])
            some = [each for each in train if each.block in chosen]
            write(some, work / f"{megabytes:g}" / "texts", ".jsonl", as_json)
    write(corpus.documents("test"), work / "test", ".txt", one_block)


def write(
    documents: Iterable[Document], folder: Path, end: str, form: Callable[[str], str]
) -> None:
    """A file for each source, in a form for each document. end: of the files' names."""
    folder.mkdir(parents=True)
    for each in documents:
        with (folder / f"{each.source}{end}").open("a", encoding="utf-8") as file:
            file.write(form(each.text))


def as_json(text: str) -> str:
    """A document in a line."""
    return json.dumps({"text": text}, ensure_ascii=False) + "\n"


def one_block(text: str) -> str:
    """A document without blank lines, and one after it: they separate documents."""
    return "\n".join(line for line in text.split("\n") if line.strip()) + "\n\n"


def cell(asked: argparse.Namespace, work: Path, training: Training) -> dict[str, Any]:
    """Train one recipe and judge it on the test documents."""
    recipe = our_recipe(asked, work)
    path, settings = recipe.path, dict(training.changes)
    if training.changes:
        path = plain_recipe(recipe, work / f"{training.megabytes:g}")
    if training.warms_up_as_ours:
        settings["phase.0.warmup_steps"] = recipe.phase[0].warmup_steps
    settings["name"] = f"cell-{named_seed(0, json.dumps(settings), str(path)):x}"
    sets = sets_of({"evaluate.0.baselines": False} | settings)
    finished = last_json(endonym(work, "run", path.relative_to(work), *sets, "--json", "-q"))
    rows = [row for row in bits_rows(finished["scores"]) if row["source"] is None]
    by_source = {Path(row["split"]).stem: row["value"] for row in rows if row["split"] != SPLIT}
    return costs_of(work, finished) | {
        "bits_per_byte": statistics.mean(by_source.values()),
        "by_source": by_source,
        "training_bytes": int(training.megabytes * 1e6),
    }


def our_recipe(asked: argparse.Namespace, work: Path) -> Recipe:
    """What `new` writes for the least text and these minutes; it also scores the test documents."""
    folder = f"{min(asked.megabytes):g}"
    path = work / folder / "recipe.toml"
    if not path.exists():
        args = ["--language", asked.language, "--text", f"{folder}/texts"]
        endonym(work, "new", folder, *args, "--hours", asked.minutes / 60)
        tables = [
            f'\n[[evaluate]]\nkind = "bits"\nbaselines = false\nfile = "../test/{each.name}"\n'
            for each in sorted((work / "test").iterdir())
        ]
        path.write_text(path.read_text(encoding="utf-8") + "".join(tables), encoding="utf-8")
    return Recipe.load(path)


def plain_recipe(ours: Recipe, folder: Path) -> Path:
    """Ours' recipe for the texts of another folder, without what follows from its budget."""
    path = folder / "plain.toml"
    left_out = ("tokens =", "warmup_steps =", "patience =", "subword_dropout =")
    lines = [line for line in ours.text.split("\n") if not line.startswith(left_out)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def curve_of(head: str, cells: Cells) -> dict[float, str]:
    """The key of the best plain training of each amount of text, the least first."""
    plain = [key for key in cells if key.startswith(f"{head} · plain")]
    sizes = sorted({megabytes_of(key) for key in plain})
    return {
        size: cells.best([key for key in plain if megabytes_of(key) == size], BITS)[0]
        for size in sizes
    }


def megabytes_of(key: str) -> float:
    """The amount of text in the name of a cell."""
    return float(key.rsplit(" · ", 1)[1].removesuffix(" MB"))


def ours_of(head: str, cells: Cells) -> str:
    """The key of ours."""
    (key,) = [key for key in cells if key.startswith(f"{head} · ours")]
    return key


def needed_megabytes(head: str, cells: Cells) -> float:
    """The text that the plain recipe needs to be as good as ours."""
    bests = {size: cells.best([key], BITS)[1] for size, key in curve_of(head, cells).items()}
    curve = [(size, best["bits_per_byte"]) for size, best in bests.items()]
    return equivalent(curve, cells[ours_of(head, cells)]["bits_per_byte"])


def summary(head: str, cells: Cells) -> Iterator[str]:
    """The best plain recipe at each size, and how much text it needs to be as good as ours."""
    mine = ours_of(head, cells)
    least = megabytes_of(mine)
    yield f"ours, {least:g} MB: {cells[mine]['bits_per_byte']:.4f} bits/byte"
    curve = curve_of(head, cells)
    for size, key in curve.items():
        bits = cells.best([key], BITS)[1]["bits_per_byte"]
        yield f"plain, {size:g} MB: {bits:.4f} bits/byte  ({key})"
    needed = needed_megabytes(head, cells)
    text = f"{needed:.2f}"
    if needed == min(curve):
        text = f"{needed:g} or less"
    elif needed == max(curve):
        text = f"{needed:g} or more"
    times = needed / least
    yield f"the plain recipe needs {text} MB: {times:.2f} times as much (needed: {NEEDED:g})"


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
