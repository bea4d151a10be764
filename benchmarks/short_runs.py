"""Five minutes a text: what `endonym new` and `endonym run` make of a text, beside nanoGPT.

    python benchmarks/short_runs.py --prepare [--texts tt sw]         on an idle machine
    python benchmarks/short_runs.py [--texts tt sw] [--peer]

Tatar, Khmer and Romanian are folders that defaults were chosen on; Swahili, Yoruba and Lithuanian
(unseen_texts.py) chose nothing. The held-out documents are the same for every seed.

--prepare measures speed, so it needs a quiet machine: `new` writes the recipe for these minutes of
this machine, which says how many tokens are trained; of nanoGPT, tokens a second are measured for
each size. A cell then counts tokens instead of seconds, so the load of the machine changes no
figure of it. Each of ours is one seed of the recipe, trained and scored on the test documents and
on blocks of them, beside uniform, unigram, bigram and a primed compressor.

--peer: nanoGPT on the same shards and tokenizer, with as many tokens as it trains in a tenth more
minutes: its model, optimizer and cosine; rows of 256 tokens, 12 to a batch. Three learning rates
are tried, then at the best one documents joined by line ends; both again with dropout of 0.2 where
the text is read at least twice. Each way is judged as ours is; the best way is chosen by dev text,
for documents and blocks apart.

A cell that is in benchmarks/results/short-runs.json is skipped; --again adds a repeat. Those of
earlier code on a machine with AMX are in short-runs-xeon.json, also cells of ten minutes for which
each seed held out other documents ("tt 10 min seed 1").
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

from cells import RESULTS, ROOT, Cell, Cells, quiet_machine
from judging import TEXTS as KINDS
from peers import unpack
from readme_page import costs, scores
from runs import Row, bits_rows, endonym, last_json, manifest, row_of, sets_of, training_seconds

from endonym import device
from endonym.recipe.recipe import Recipe

TEXTS = {
    "tt": "tt",
    "km": "km",
    "ro": "ro",
    "sw": "sw.txt",
    "yo": "yo.txt",
    "lt": "lt",
    "fr": "fr",
    "en": "en",
    "ky": "other/ky_common_voice.txt",
}
"""A language's code, and the folder or file of its text; fr, en and ky only for promise.py."""
UNSEEN = ("sw", "yo", "lt")
DEFAULT = ("tt", "km", "ro", *UNSEEN)
MINUTES = 5.0
SEEDS, SPLIT_SEED = 3, 1
SMALL_SHARE = {"sw": 0.2, "yo": 0.2}
"""The share held out where a twentieth is less than 100 kB of test text."""
SIZES = {"2M": (4, 192, 3), "5M": (6, 256, 4)}
"""Layers, width, heads of nanoGPT."""
PEER_SIZES = {"tt": ("2M",), "km": ("2M",), "ro": ("2M",)}
"""The languages that nanoGPT is trained in, and its sizes there: about as many weights as ours."""
RATES = (1e-3, 3e-3, 6e-3)
DROPOUTS = (0.0, 0.2)
PLACE = "TEXT"
"""Stands for the place of the text in a prepared recipe."""
LONGER = 1.1
"""nanoGPT's minutes beside the minutes asked for."""


class Way(NamedTuple):
    """How nanoGPT is trained."""

    size: str
    lr: float
    dropout: float
    joined: bool

    def __str__(self) -> str:
        ends = " joined" if self.joined else ""
        return f"nanoGPT {self.size} lr {self.lr:g} dropout {self.dropout:g}{ends}"


def main() -> None:
    """Prepare, or run the cells asked for and print the tables."""
    asked = arguments()
    cells = Cells(asked.results)
    asked.work.mkdir(parents=True, exist_ok=True)
    for language in asked.texts:
        if asked.prepare:
            prepare(language, asked, cells)
        elif asked.peer:
            for way in ways(language, asked.minutes, cells):
                key = f"{head_of(language, asked.minutes)} · {way}"
                if key not in cells or asked.again:
                    keep(key, peer_cell(language, way, cells, asked), cells)
        else:
            for seed in asked.seeds:
                key = key_of(language, asked.minutes, seed)
                if key not in cells or asked.again:
                    keep(key, cell(key, language, seed, cells, asked), cells)
    print(scores(cells), costs(cells), sep="\n")


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", nargs="+", choices=TEXTS, default=list(DEFAULT))
    parser.add_argument("--prepare", action="store_true", help="measure speed, write recipes")
    parser.add_argument("--peer", action="store_true", help="cells of nanoGPT")
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, SEEDS + 1)))
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--unseen", type=Path, help="what unseen_texts.py wrote")
    parser.add_argument("--peers", type=Path, default=ROOT.parent / "shared" / "peers")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "short-runs")
    parser.add_argument("--results", type=Path, default=RESULTS / "short-runs.json")
    parser.add_argument("--again", action="store_true", help="add a repeat of each cell")
    parser.add_argument("--anyway", action="store_true", help="prepare on a busy machine")
    return parser.parse_args()


def head_of(language: str, minutes: float) -> str:
    """What the names of all cells of a text begin with."""
    return f"{language} {minutes:g} min split {SPLIT_SEED}"


def key_of(language: str, minutes: float, seed: int) -> str:
    """The name of a cell of ours."""
    return f"{head_of(language, minutes)} seed {seed}"


def prepared_key(language: str, minutes: float) -> str:
    """The name of what was prepared."""
    return f"{head_of(language, minutes)} prepared"


def text_of(language: str, asked: argparse.Namespace) -> Path:
    """Where the text of a language lies."""
    if language in UNSEEN and asked.unseen is None:
        sys.exit(f"{language}: give the folder that unseen_texts.py wrote with --unseen.")
    return ((asked.unseen if language in UNSEEN else asked.data) / TEXTS[language]).resolve()


def prepare(language: str, asked: argparse.Namespace, cells: Cells) -> None:
    """Write the recipe that `new` makes for these minutes of this machine; measure nanoGPT."""
    key = prepared_key(language, asked.minutes)
    if key in cells and not asked.again:
        return
    noise = quiet_machine(key, anyway=asked.anyway)
    where = asked.work / f"prepared-{language}-{asked.minutes:g}"
    shutil.rmtree(where, ignore_errors=True)
    args = ["--language", language, "--text", text_of(language, asked)]
    endonym(asked.work, "new", where.name, *args, "--hours", asked.minutes / 60)
    written = (where / "recipe.toml").read_text(encoding="utf-8")
    place = os.path.relpath(text_of(language, asked), where)
    cell: Cell = {"recipe": written.replace(place, PLACE), "nanoGPT": {}}
    if language in PEER_SIZES:
        until = ["--until", "shards", *sets_for(language, 1, key)]
        finished = last_json(
            endonym(asked.work, "run", f"{where.name}/recipe.toml", *until, "--json")
        )
        for size in PEER_SIZES[language]:
            for dropout in DROPOUTS:
                way = Way(size, 1e-3, dropout, joined=False)
                found = trained(way, finished["stages"], where, asked, {"speed": True})
                cell["nanoGPT"][f"{size} dropout {dropout:g}"] = found["tokens_per_second"]
    keep(key, cell | noise, cells)


def sets_for(language: str, seed: int, name: str) -> list[str]:
    """What a cell sets: its name, the seed of training, the held-out documents of all seeds."""
    changes: dict[str, Any] = {"name": name.replace(" ", "-"), "seed": seed}
    changes["split.seed"] = SPLIT_SEED
    if language in SMALL_SHARE:
        changes["split.val_share"] = SMALL_SHARE[language]
    return list(sets_of(changes))


def recipe_of(language: str, cells: Cells, asked: argparse.Namespace) -> Path:
    """The prepared recipe in a folder of this text, relative to the work folder."""
    key = prepared_key(language, asked.minutes)
    if key not in cells:
        sys.exit(f"{key}: nothing was prepared. Run this program with --prepare first.")
    recipe = asked.work / f"{language}-{asked.minutes:g}" / "recipe.toml"
    if not recipe.exists():
        recipe.parent.mkdir(parents=True, exist_ok=True)
        text = cells[key]["recipe"].replace(PLACE, str(text_of(language, asked)))
        recipe.write_text(text, encoding="utf-8")
    return recipe


def cell(
    key: str, language: str, seed: int, cells: Cells, asked: argparse.Namespace
) -> dict[str, Any]:
    """Make one model from nothing but its text, and collect its figures."""
    recipe = recipe_of(language, cells, asked)
    started = time.time()
    command = ("run", recipe.relative_to(asked.work), *sets_for(language, seed, key), "--json")
    finished = last_json(endonym(asked.work, *command, threads=asked.threads))
    store, stages = asked.work / "store", finished["stages"]
    manifests = {stage["name"].split()[0]: manifest(store, stage) for stage in stages}
    model, shards = manifests["model"]["numbers"], manifests["shards"]["numbers"]
    if key in cells and not all(stage["made"] for stage in stages if stage["name"] == "model"):
        sys.exit(f"{key}: {store} holds this model. Remove it to measure it again.")
    return {
        "language": language,
        "text": TEXTS[language],
        "seed": seed,
        "minutes": asked.minutes,
        "threads": asked.threads,
        "bytes": {split: total(shards[split]) for split in ("train", "dev", "test")},
        "vocab": manifests["tokenizer"]["numbers"]["vocab"],
        **{name: model[name] for name in ("parameters", "unique_tokens", "tokens", "steps")},
        "epochs": round(model["epochs"], 2),
        "kept_step": model["kept_step"],
        "training_seconds": training_seconds(store, stages),
        "wall_seconds": round(time.time() - started, 1),
        "rows": bits_rows(finished["scores"]),
        "stages": stages,
    }


def total(split: dict[str, dict[str, int]]) -> int:
    """Bytes of all sources of a split."""
    return sum(source["bytes"] for source in split.values())


def ways(language: str, minutes: float, cells: Cells) -> Iterator[Way]:
    """The ways to train nanoGPT, one after another: each step goes on from the best rate."""
    for size in PEER_SIZES.get(language, ()):
        tried = [Way(size, lr, 0.0, joined=False) for lr in RATES]
        yield from tried
        found = {way: cells[f"{head_of(language, minutes)} · {way}"] for way in tried}
        best = min(tried, key=lambda way: chosen_by(found[way]))
        yield best._replace(joined=True)
        if found[best]["epochs"] >= 2:
            for joined in (False, True):
                yield best._replace(dropout=DROPOUTS[1], joined=joined)


def peer_cell(language: str, way: Way, cells: Cells, asked: argparse.Namespace) -> dict[str, Any]:
    """nanoGPT trained one way on the shards of ours, with the tokens of these minutes."""
    recipe = recipe_of(language, cells, asked)
    sets = sets_for(language, 1, head_of(language, asked.minutes))
    command = ("run", recipe.relative_to(asked.work), *sets, "--until", "shards", "--json")
    finished = last_json(endonym(asked.work, *command))
    speeds = cells[prepared_key(language, asked.minutes)]["nanoGPT"]
    tokens = 60 * asked.minutes * LONGER * speeds[f"{way.size} dropout {way.dropout:g}"]
    found = trained(way, finished["stages"], recipe.parent, asked, {"tokens": tokens})
    return found | {"language": language, "minutes": asked.minutes, "threads": asked.threads}


def trained(
    way: Way,
    stages: list[dict[str, Any]],
    where: Path,
    asked: argparse.Namespace,
    more: dict[str, Any],
) -> dict[str, Any]:
    """What short_runs_nanogpt.py says, in a process of its own."""
    ids = {stage["name"].split()[0]: stage["id"] for stage in stages}
    layers, dim, heads = SIZES[way.size]
    with tempfile.TemporaryDirectory() as folder:
        if "nanoGPT" not in unpack(asked.peers, Path(folder)):
            sys.exit(f"no nanoGPT.tar.gz in {asked.peers}: give its folder with --peers.")
        settings = {
            **{name: folder_of(asked.work, name, ids) for name in ("shards", "tokenizer")},
            "peers": folder,
            "out": str(Path(folder) / "nats"),
            "threads": asked.threads,
            "compiled": True,
            "shape": {"layers": layers, "dim": dim, "heads": heads},
            "join": list(Recipe.load(where / "recipe.toml").pack.join),
            "joined": way.joined,
            **{"lr": way.lr, "beta": 0.99, "dropout": way.dropout},
            **more,
        }
        program = Path(__file__).with_name("short_runs_nanogpt.py")
        command = [sys.executable, str(program), json.dumps(settings)]
        device.wait_briefly()  # nanoGPT's threads, too, so that all wait alike.
        return last_json(
            subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        )


def folder_of(work: Path, stage: str, ids: dict[str, str]) -> str:
    """The folder of an artefact, for a program that runs elsewhere."""
    (path,) = (work / "store" / stage).glob(f"{ids[stage]}*")
    return str(path.resolve())


def chosen_by(cell: Cell) -> float:
    """What a rate of nanoGPT is chosen by: dev text by document; infinite without one."""
    row = row_of(cell["rows"], split="dev")
    return inf if row is None else row["value"]


def keep(key: str, found: dict[str, Any], cells: Cells) -> None:
    """Add a cell to the file as it is now: another process may have added some."""
    fresh = Cells(cells.path)
    fresh.keep(key, found)
    cells.found = fresh.found
    print(line(key, cells[key]), flush=True)


def line(key: str, found: Cell) -> str:
    """One cell as it is finished."""
    if "rows" not in found:
        return f"{key}: {found['nanoGPT']}"
    rows: dict[str, Row | None] = {text: row_of(found["rows"], text=text) for text in KINDS}
    scores = [f"{row['value']:.4f} by {text}" for text, row in rows.items() if row is not None]
    return f"{key}: {', '.join(scores)}; {found['epochs']:.1f} epochs"


if __name__ == "__main__":
    main()
