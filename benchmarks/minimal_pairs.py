"""Do pairs that are made automatically rank models as pairs by linguists do? French and English.

    python benchmarks/minimal_pairs.py [--languages fr en] [--steps 20 50 … 6000]
    python benchmarks/minimal_pairs.py --summary

Of each language one model is trained for more and more steps, each time from the beginning. Each is
judged by BLiMP (English) or CLAMS (French), whose pairs follow grammars, and by the pairs that
`kind = "minimal_pairs"` makes of the text held out. The table ends with Spearman's rank correlation
between both, for all pairs and for each kind of fault. All models of a language are judged on the
same pairs: they share corpus and tokenizer.

Cells in benchmarks/results/minimal-pairs.json are skipped; --again adds a repeat.
"""

import argparse
import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from cells import RESULTS, ROOT, Cell, Cells
from pages import markdown
from runs import bits_rows, costs_of, endonym, last_json, row_of, sets_of

from endonym.evaluate.items import ACCURACY
from endonym.seed import named_seed

GOLD = {"fr": "clams_fr.jsonl", "en": "blimp_en.jsonl.gz"}
GOLD_FILE = "gold.jsonl"
STEPS = (20, 50, 120, 300, 700, 1500, 3000, 6000)
MODEL = {
    "model.dim": 128,
    "model.mixer.heads": 2,
    "model.layers": 4,
    "phase.0.tokens": "",
    "phase.0.epochs": "",
    "phase.0.warmup_steps": "",
    "evaluate.0.baselines": False,
}
EXPORT = '[[export]]\nformat = "huggingface"\n'
"""What is not needed of the recipe of `new`."""
ASKED = f"""
[[evaluate]]
kind = "task"
file = "{GOLD_FILE}"

[[evaluate]]
kind = "minimal_pairs"
"""
ALL = "all kinds"
NAME = "minimal pairs, test"
"""The split of their scores."""


def main() -> None:
    """Run the cells that are missing and print the table."""
    asked = arguments()
    cells = Cells(asked.results)
    for language in asked.languages if not asked.summary else ():
        for steps in asked.steps:
            key = f"{language} · {steps} steps"
            if key not in cells or asked.again:
                prepare(language, asked)
                cells.keep(key, cell(asked.work, language, steps))
                print(f"{key:<30} {cells[key]['gold']:.4f}", flush=True)
    print(*summary(cells), sep="\n")


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--texts", type=Path, help="instead of those of the language in --data")
    parser.add_argument("--languages", nargs="+", choices=GOLD, default=list(GOLD))
    parser.add_argument("--steps", type=int, nargs="+", default=list(STEPS))
    parser.add_argument("--pairs", type=int, default=100, help="of each phenomenon of BLiMP, CLAMS")
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "minimal-pairs")
    parser.add_argument("--results", type=Path, default=RESULTS / "minimal-pairs.json")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--summary", action="store_true", help="print the table alone")
    return parser.parse_args()


def prepare(language: str, asked: argparse.Namespace) -> None:
    """Write the recipe of a language, and the linguists' pairs beside it."""
    folder = asked.work / language
    if (folder / GOLD_FILE).exists():
        return
    asked.work.mkdir(parents=True, exist_ok=True)
    texts = (asked.texts or asked.data / language).absolute()
    endonym(asked.work, "new", language, "--language", language, "--text", texts, "--hours", 0.1)
    recipe = folder / "recipe.toml"
    text = recipe.read_text(encoding="utf-8").replace(EXPORT, "")
    recipe.write_text(text + ASKED, encoding="utf-8")
    lines = some_of_each(asked.data / "eval" / GOLD[language], asked.pairs)
    (folder / GOLD_FILE).write_text("".join(lines), encoding="utf-8")


def some_of_each(path: Path, most: int) -> Iterator[str]:
    """At most so many pairs of each phenomenon, in an order by hash."""
    by_phenomenon = defaultdict[str, list[str]](list)
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            by_phenomenon[json.loads(line)["uid"]].append(str(line))
    for lines_of in by_phenomenon.values():
        yield from sorted(lines_of, key=lambda line: named_seed(0, line))[:most]


def cell(work: Path, language: str, steps: int) -> Cell:
    """Train a model for so many steps; its bits per byte, and its accuracy on all pairs."""
    sets = sets_of(MODEL | {"phase.0.steps": steps, "name": f"{language}-{steps}"})
    told = endonym(work, "run", f"{language}/recipe.toml", *sets, "--json", "-q")
    finished = last_json(told)
    bits = row_of(bits_rows(finished["scores"]), split=None)
    assert bits is not None, "the recipe of new asks for it"
    rows = [row for row in finished["scores"] if row["metric"] == ACCURACY]
    return costs_of(work, finished) | {
        "language": language,
        "bits_per_byte": bits["value"],
        "gold": mean_of_groups(rows, GOLD_FILE)["value"],
        "made": mean_of_groups(rows, NAME)["value"],
        "pairs": mean_of_groups(rows, NAME)["n_documents"],
        "kinds": {
            row["source"]: row["value"]
            for row in rows
            if row["split"] == NAME and row["source"] is not None
        },
    }


def mean_of_groups(rows: Sequence[dict[str, Any]], split: str) -> dict[str, Any]:
    """The first row of a file of pairs."""
    return next(row for row in rows if row["split"] == split and row["source"] is None)


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's rank correlation (1904); equal values have the mean of their ranks. NaN if all of
    one side are equal."""
    ranks = list[np.ndarray]()
    for values in (one, other):
        _, numbers, counts = np.unique(values, return_inverse=True, return_counts=True)
        ranks.append((np.cumsum(counts) - (counts - 1) / 2)[numbers])
    if any(np.ptp(each) == 0 for each in ranks):
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def summary(cells: Cells) -> Iterator[str]:
    """A table for each language: models in the order of bits per byte, then the correlations."""
    every = [cells[key] for key in cells]
    for language in GOLD:
        own = [each for each in every if each["language"] == language]
        own.sort(key=lambda each: -each["bits_per_byte"])
        if len(own) < 2:
            continue
        kinds = sorted(set.intersection(*(set(each["kinds"]) for each in own)))
        rows = [
            [f"{each['steps']}", f"{each['bits_per_byte']:.3f}"]
            + [f"{value:.3f}" for value in (each["gold"], *accuracies(each, kinds))]
            for each in own
        ]
        gold = [each["gold"] for each in own]
        columns = zip(*(accuracies(each, kinds) for each in own), strict=True)
        found = [f"{spearman(gold, column):.2f}" for column in columns]
        rows.append(["Spearman with gold", "", "", *found])
        yield f"\n{language}: {GOLD[language]} and {own[-1]['pairs']} pairs made automatically"
        yield markdown(["steps", "bits/byte", "gold", ALL, *kinds], rows)


def accuracies(one: Cell, kinds: Sequence[str]) -> list[float]:
    """Of the pairs made automatically: the mean over kinds, then each kind."""
    return [one["made"], *(one["kinds"][kind] for kind in kinds)]


if __name__ == "__main__":
    main()
