"""Do pairs that are made automatically rank models as pairs by linguists do? French and English.

    python benchmarks/minimal_pairs.py [--languages fr en] [--threads 2]

Nothing is trained: the models are the kept steps of the runs `fr` and `en` of beyond_bits.py, so
run that first. Each step is judged by CLAMS (French) or BLiMP (English), whose pairs follow
grammars, and by pairs that `--minimal-pairs` makes of the text held out: the same ones at every
step. The table ends with Spearman's rank correlation of the two accuracies, for all made pairs and
for each kind of fault. The steps are of one training: a correlation says whether both kinds of
pairs see it get better, not whether they rank other recipes alike.

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
from runs import Row, bits_rows, endonym, last_json, row_of

from endonym.evaluate.items import ACCURACY
from endonym.evaluate.probes import spearman
from endonym.seed import named_seed

GOLD = {"fr": ("CLAMS", "clams_fr.jsonl"), "en": ("BLiMP", "blimp_en.jsonl.gz")}
ALL = "all kinds"


def main() -> None:
    """Run the cells that are missing and print the tables."""
    asked = arguments()
    cells = Cells(asked.results)
    for language in asked.languages:
        if language not in cells or asked.again:
            cells.keep(language, cell(language, asked))
    print(summary(cells))


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--languages", nargs="+", choices=GOLD, default=list(GOLD))
    parser.add_argument("--pairs", type=int, default=100, help="of each phenomenon of CLAMS, BLiMP")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "beyond-bits")
    parser.add_argument("--results", type=Path, default=RESULTS / "minimal-pairs.json")
    parser.add_argument("--again", action="store_true")
    return parser.parse_args()


def cell(language: str, asked: argparse.Namespace) -> Cell:
    """Judge the kept steps of the run of a language."""
    gold, made = (asked.work.absolute() / f"{language}-{each}.jsonl" for each in ("gold", "made"))
    lines = some_of_each(asked.data / "eval" / GOLD[language][1], asked.pairs)
    gold.write_text("".join(lines), encoding="utf-8")
    made.unlink(missing_ok=True)  # evaluate writes only new files
    given = ["--steps", "--tasks", gold, "--minimal-pairs", made, "--json"]
    told = last_json(endonym(asked.work, "evaluate", language, *given, threads=asked.threads))
    steps = [step_of(each, gold.name, made.name) for each in told["points"]]
    return {"language": language, "identity": told["identity"], "steps": steps}


def some_of_each(path: Path, most: int) -> Iterator[str]:
    """At most so many pairs of each phenomenon, in an order by hash."""
    by_phenomenon = defaultdict[str, list[str]](list)
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            by_phenomenon[json.loads(line)["uid"]].append(str(line))
    for lines_of in by_phenomenon.values():
        yield from sorted(lines_of, key=lambda line: named_seed(0, line))[:most]


def step_of(point: dict[str, Any], gold: str, made: str) -> dict[str, Any]:
    """The scores of a step. gold, made: the names of the files of pairs."""
    bits = row_of(bits_rows(point["scores"]))
    assert bits is not None, "held-out text is scored at each step"
    own = [row for row in point["scores"] if (row["metric"], row["split"]) == (ACCURACY, made)]
    by_gold, by_made = (mean_of_groups(point["scores"], each) for each in (gold, made))
    return {
        "step": point["step"],
        "tokens": point["tokens"],
        "bits_per_byte": bits["value"],
        "gold": by_gold["value"],
        "gold_pairs": by_gold["n_documents"],
        "made": by_made["value"],
        "made_pairs": by_made["n_documents"],
        "kinds": {row["source"]: row["value"] for row in own if row["source"] is not None},
    }


def mean_of_groups(rows: Sequence[Row], split: str) -> Row:
    """The first accuracy of a file of pairs."""
    return next(row for row in rows if (row["metric"], row["split"]) == (ACCURACY, split))


def summary(cells: Cells) -> str:
    """For each language a table of its steps, with the correlations below."""
    return "\n".join(table(cells[each]) for each in GOLD if each in cells)


def table(own: Cell) -> str:
    """The steps of a language, then Spearman's correlations with the accuracy on gold pairs."""
    name, steps = GOLD[own["language"]][0], own["steps"]
    kinds = [*steps[-1]["kinds"]]
    columns = {name: [each["gold"] for each in steps], ALL: [each["made"] for each in steps]}
    columns |= {kind: [each["kinds"][kind] for each in steps] for kind in kinds}
    rows = [
        [f"{each['step']:,}", f"{each['bits_per_byte']:.3f}", *(f"{value:.3f}" for value in values)]
        for each, values in zip(steps, zip(*columns.values(), strict=True), strict=True)
    ]
    ranks = (spearman(*np.array([columns[name], columns[each]])) for each in (ALL, *kinds))
    shown = ("undefined" if np.isnan(each) else f"{each:.2f}" for each in ranks)
    rows.append([f"Spearman with {name}", "", "", *shown])
    pairs = f"{steps[-1]['gold_pairs']:,} pairs of {name}, {steps[-1]['made_pairs']:,} made pairs"
    heads = [f"{own['language']}, after step", "bits/byte", name, ALL, *kinds]
    return f"{pairs}:\n\n{markdown(heads, rows)}"


TABLES_OF_PAGE = {"minimal-pairs": lambda: summary(Cells(RESULTS / "minimal-pairs.json"))}

if __name__ == "__main__":
    main()
