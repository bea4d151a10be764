"""Ten minutes a text: what `endonym new` and `endonym run` make of eight texts without any edit.

    python benchmarks/ten_minutes.py [--texts tt ky] [--minutes 10]

Five are the folders that the defaults were tuned on; three are texts that nothing was tuned on. A
cell is one text and one seed: the recipe that `new` writes for these minutes of this machine,
trained, and scored on the test documents and on blocks of them, beside uniform, unigram, bigram and
a primed compressor. The seed also chooses what is held out. Three seeds of Tatar, of Khmer and of
the three small texts, whose test sets are small; one of the others.

A cell is refused when others use the cores, unless --anyway is given; the JSON says so. It is made
in a folder that stays, so after a kill the same command goes on where it was. A cell whose JSON is
there is skipped; --again adds a repeat, which needs a work folder that has not made it yet. All 18
cells take about two and a half hours. Results: benchmarks/results/ten-minutes.json; the printed
table is Markdown.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from cells import RESULTS, ROOT, Cells, quiet_machine
from judging import TEXTS as KINDS
from readme_page import costs, scores
from runs import (
    bits_rows,
    endonym,
    last_json,
    manifest,
    require_new,
    row_of,
    sets_of,
    training_seconds,
)

TEXTS = {
    "tt": "tt",
    "km": "km",
    "ro": "ro",
    "fr": "fr",
    "en": "en",
    "ky": "other/ky_common_voice.txt",
    "fa": "other/fa_common_voice.txt",
    "hi": "other/hi_pratham_storybooks.jsonl",
}
"""A language's code, and the folder or file of its text."""
SEEDS = {"tt": 3, "km": 3, "ky": 3, "fa": 3, "hi": 3}
"""How many, where it is more than one."""


def main() -> None:
    """Run the cells asked for and print the table."""
    asked = arguments()
    cells = Cells(asked.results)
    asked.work.mkdir(parents=True, exist_ok=True)
    for language in asked.texts:
        for seed in range(1, 1 + (asked.seeds or SEEDS.get(language, 1))):
            key = key_of(language, asked.minutes, seed)
            if key not in cells or asked.again:
                noise = quiet_machine(key, anyway=asked.anyway)
                found = cell(key, language, seed, asked)
                require_new(key, found.pop("stages"), cells, asked.work)
                cells.keep(key, found | noise)
                print(line(key, cells[key]), flush=True)
    print(scores(cells), costs(cells), sep="\n")


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", nargs="+", choices=TEXTS, default=list(TEXTS))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seeds", type=int, help="seeds of every text; if not given, 3 or 1")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "ten-minutes")
    parser.add_argument("--results", type=Path, default=RESULTS / "ten-minutes.json")
    parser.add_argument("--again", action="store_true", help="add a repeat of each cell")
    parser.add_argument("--anyway", action="store_true", help="measure on a busy machine")
    return parser.parse_args()


def key_of(language: str, minutes: float, seed: int) -> str:
    """The name of a cell."""
    return f"{language} {minutes:g} min seed {seed}"


def cell(key: str, language: str, seed: int, asked: argparse.Namespace) -> dict[str, Any]:
    """Make one model from nothing but its text, and collect its figures."""
    recipe = f"{language}-{asked.minutes:g}/recipe.toml"
    if not (asked.work / recipe).exists():
        text = (asked.data / TEXTS[language]).resolve()
        args = ["--language", language, "--text", text, "--hours", asked.minutes / 60]
        endonym(asked.work, "new", Path(recipe).parent, *args)
    sets = [*sets_of({"seed": seed, "split.seed": seed, "name": key.replace(" ", "-")})]
    started = time.time()
    finished = last_json(endonym(asked.work, "run", recipe, *sets, "--json"))
    store, stages = asked.work / "store", finished["stages"]
    manifests = {stage["name"].split()[0]: manifest(store, stage) for stage in stages}
    model, shards = manifests["model"]["numbers"], manifests["shards"]["numbers"]
    return {
        "language": language,
        "text": TEXTS[language],
        "seed": seed,
        "minutes": asked.minutes,
        "bytes": {split: total(shards[split]) for split in ("train", "dev", "test")},
        "vocab": manifests["tokenizer"]["numbers"]["vocab"],
        **{name: model[name] for name in ("parameters", "unique_tokens", "tokens", "steps")},
        "epochs": round(model["epochs"], 2),
        "kept_step": model["kept_step"],
        "seconds": {stage["name"]: stage["seconds"] for stage in stages},
        "training_seconds": training_seconds(store, stages),
        "wall_seconds": round(time.time() - started, 1),
        "recipe": (asked.work / recipe).read_text(encoding="utf-8"),
        "rows": bits_rows(finished["scores"]),
        "stages": stages,
    }


def total(split: dict[str, dict[str, int]]) -> int:
    """Bytes of all sources of a split."""
    return sum(source["bytes"] for source in split.values())


def line(key: str, found: dict[str, Any]) -> str:
    """One cell as it is finished."""
    rows = {text: row_of(found["rows"], text=text) for text in KINDS}
    scores = [f"{row['value']:.4f} by {text}" for text, row in rows.items() if row is not None]
    return f"{key}: {', '.join(scores)}; {found['training_seconds']:.0f} s"


if __name__ == "__main__":
    main()
