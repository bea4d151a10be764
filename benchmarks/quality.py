"""Bits per byte after equal minutes of training on two cores: ours with its autopilot, and nanoGPT.

    python benchmarks/quality.py --languages tt ro --minutes 10 [--joined]

Ours: `endonym new` writes the recipe for a folder of texts and these minutes (speed probed, all
choices the autopilot's), `endonym run` makes it. nanoGPT: its model, optimizer, cosine schedule,
bf16 autocast, decay and betas of its train.py (the second beta also as its small configuration has
it, with --betas 0.99), three learning rates, three sizes, without dropout (torch makes it dear on a
CPU: `--dropouts 0 0.2` tries it, too); it gets the same tokenizer, the same training text (one
stream, end-of-text between documents; with --joined a line end between those of one source), rows
of 256 tokens, 12 to a batch, our malloc settings, and as many seconds as ours took, validations and
checkpoints of ours included. Its compilation and its validations are not counted; the weights of
its best validation are judged. What ten_minutes.py has made is not made again: ours is its first
seed.

Both are judged by `generate.reading.read` on the same test documents, each alone after an
end-of-text token, with a window that moves by half the context; and on blocks, which are
consecutive documents of a list of sentences, joined by line ends. nanoGPT's way is chosen by its
figure on the dev text, for documents and blocks apart, joined or not; ours chooses by dev text as
it trains.

A cell is (language, minutes, contender), a process of its own, one after another; a cell in
benchmarks/results/quality.json is skipped, and repeated with --again. On an idle machine:

    python benchmarks/quality.py --languages tt ro --minutes 10           3.5 hours
    python benchmarks/quality.py --languages tt ro --minutes 10 --joined --sizes 5M 12M --lrs 0.001
                                                                          and 40 minutes
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from itertools import product
from math import inf
from pathlib import Path
from typing import Any

from cells import RESULTS, ROOT, Cell, Cells, quiet_machine
from judging import TEXTS, difference, held_texts, judged
from pages import interval
from peers import unpack
from runs import (
    SPLIT,
    Row,
    bits_rows,
    endonym,
    last_json,
    manifest,
    require_new,
    row_of,
    sets_of,
    training_seconds,
)

from endonym import device
from endonym.data.shards import TokenShards
from endonym.generate.language_model import LanguageModel
from endonym.recipe.recipe import Recipe

SIZES = {"2M": (4, 192, 3), "5M": (6, 256, 4), "12M": (6, 384, 6), "tiny": (2, 64, 2)}
"""Layers, width, heads of nanoGPT, about; 6 × 384 is its own small configuration."""
LRS = (3e-4, 1e-3, 3e-3)
LINES = ("compressor", "bigram", "unigram")
SEED = 1
"""Of ours; it also chooses what is held out."""


def main() -> None:
    """Run the cells asked for and print a table for each language."""
    asked = arguments()
    device.wait_briefly()  # nanoGPT's threads, too, so that all wait alike.
    cells = Cells(asked.results)
    asked.work.mkdir(parents=True, exist_ok=True)
    for language in asked.languages:
        where = asked.work / f"{language}-{asked.minutes:g}"
        head = f"{language} {asked.minutes:g} min {SPLIT}"
        ours = f"{head} · ours"
        if ours not in cells or asked.again:
            noise = quiet_machine(ours, anyway=asked.anyway)
            cells.keep(ours, our_cell(ours, language, where, asked, cells) | noise)
            add_gaps(head, asked, cells)
            print(line(ours, cells[ours]), flush=True)
        for tried in product(asked.sizes, asked.lrs, asked.dropouts, asked.betas):
            key = f"{head} · {named(*tried, joined=asked.joined)}"
            if key not in cells or asked.again:
                noise = quiet_machine(key, anyway=asked.anyway)
                cells.keep(key, peer_cell(key, where, *tried, cells, asked) | noise)
                add_gaps(head, asked, cells)
                print(line(key, cells[key]), flush=True)
        print(table(head, cells), flush=True)


def named(size: str, lr: float, dropout: float, beta: float, *, joined: bool) -> str:
    """The name of one way to train nanoGPT; 0.95 is its usual second beta."""
    unusual = ("" if beta == 0.95 else f" beta {beta:g}") + (" joined" if joined else "")
    return f"nanoGPT {size} lr {lr:g} dropout {dropout:g}{unusual}"


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--peers", type=Path, default=ROOT.parent / "shared" / "peers")
    parser.add_argument("--languages", nargs="+", default=["tt", "ro"])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--sizes", nargs="*", choices=list(SIZES), default=["2M", "5M", "12M"])
    parser.add_argument("--lrs", nargs="*", type=float, default=list(LRS))
    parser.add_argument("--betas", nargs="*", type=float, default=[0.95], help="the second ones")
    parser.add_argument("--dropouts", nargs="*", type=float, default=[0.0])
    parser.add_argument("--joined", action="store_true", help="line ends between documents")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "ten-minutes")
    parser.add_argument("--results", type=Path, default=RESULTS / "quality.json")
    parser.add_argument("--again", action="store_true", help="add a repeat of each cell")
    parser.add_argument("--anyway", action="store_true", help="measure on a busy machine")
    return parser.parse_args()


def our_cell(
    key: str, language: str, where: Path, asked: argparse.Namespace, cells: Cells
) -> dict[str, Any]:
    """The recipe that `new` writes, made by `run`; figures of its model."""
    finished = made(language, where, asked)
    require_new(key, finished["stages"], cells, asked.work)
    store = asked.work / "store"
    stages = {stage["name"].split()[0]: stage for stage in finished["stages"]}
    ids = {name: stage["id"] for name, stage in stages.items()}
    numbers = manifest(store, stages["model"])["numbers"]
    model = LanguageModel.load(folder_of(asked.work, "model", ids))
    shards = TokenShards(folder_of(asked.work, "shards", ids), SPLIT)
    texts = held_texts(shards, model.tokenizer, join_of(where))
    outs = {text: where / f"ours-{len(cells.repeats(key))}-{text}.npy" for text in texts}
    rows = [
        row for text, out in outs.items() for row in judged(model.decoder, texts[text], SPLIT, out)
    ]
    lines = [row for row in bits_rows(finished["scores"]) if row["model"] in LINES]
    steps = training_seconds(store, finished["stages"])
    return {
        "rows": rows + lines,
        "step_seconds": steps,
        "seconds": max(60 * asked.minutes, steps, stages["model"]["seconds"]),
        "nats": {text: str(out.relative_to(asked.work)) for text, out in outs.items()},
        "recipe": (where / "recipe.toml").read_text(encoding="utf-8"),
        **{key: numbers[key] for key in ("parameters", "tokens", "epochs", "steps", "kept_step")},
    }


def made(language: str, where: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """What `run --json` prints; its stages are noted beside the recipe."""
    recipe = where / "recipe.toml"
    if not recipe.exists():
        texts, hours = asked.texts / language, asked.minutes / 60
        args = ("--language", language, "--text", texts.resolve(), "--hours", hours)
        endonym(asked.work, "new", where.name, *args)
    sets = sets_of({"seed": SEED, "split.seed": SEED})
    finished = last_json(endonym(asked.work, "run", f"{where.name}/recipe.toml", *sets, "--json"))
    (where / "stages.json").write_text(json.dumps(finished["stages"]), encoding="utf-8")
    return finished


def join_of(where: Path) -> list[str]:
    """The sources that our recipe reads as lists of sentences: those that have blocks."""
    return list(Recipe.load(where / "recipe.toml").pack.join)


def peer_cell(
    key: str,
    where: Path,
    size: str,
    lr: float,
    dropout: float,
    beta: float,
    cells: Cells,
    asked: argparse.Namespace,
) -> dict[str, Any]:
    """nanoGPT in a process of its own, on the shards and the tokenizer of our run."""
    language = where.name.rpartition("-")[0]
    if not (where / "stages.json").is_file():
        made(language, where, asked)
    stages = json.loads((where / "stages.json").read_text(encoding="utf-8"))
    ids = {stage["name"].split()[0]: stage["id"] for stage in stages}
    layers, dim, heads = SIZES[size]
    name = named(size, lr, dropout, beta, joined=asked.joined).replace(" ", "-")
    out, join = where / f"{name}-{len(cells.repeats(key))}", join_of(where)
    with tempfile.TemporaryDirectory() as folder:
        if "nanoGPT" not in unpack(asked.peers, Path(folder)):
            sys.exit(f"no nanoGPT.tar.gz in {asked.peers}: give its folder with --peers.")
        settings = {
            "shards": str(folder_of(asked.work, "shards", ids)),
            "tokenizer": str(folder_of(asked.work, "tokenizer", ids)),
            "peers": folder,
            "out": str(out),
            "seconds": cells[f"{key.partition(' · ')[0]} · ours"]["seconds"],
            "threads": asked.threads,
            "compiled": asked.compile,
            "shape": {"layers": layers, "dim": dim, "heads": heads},
            "join": join,
            "joined": asked.joined,
            "lr": lr,
            "beta": beta,
            "dropout": dropout,
        }
        program = Path(__file__).with_name("quality_nanogpt.py")
        command = [sys.executable, str(program), json.dumps(settings)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    cell = last_json(done.stdout)
    prefix = out.relative_to(asked.work)
    texts = {row["text"] for row in cell["rows"]}
    nats = {text: f"{prefix}-{SPLIT}-{text}.npy" for text in sorted(texts)}
    return cell | {"nats": nats, "beside": []}


def add_gaps(head: str, asked: argparse.Namespace, cells: Cells) -> None:
    """Set the newest ours beside every repeat of nanoGPT whose nats are still here.

    A gap names the figure of ours that it is of, and none is ever replaced.
    """
    ours = cells[f"{head} · ours"]
    for key in peers_of(head, cells):
        for its in cells.repeats(key):
            for text in set(ours["nats"]) & set(its["nats"]):
                gap = difference(*(asked.work / each["nats"][text] for each in (ours, its)))
                if gap is not None and gap_of(ours, its, text) is None:
                    mine = score_of(ours, text)
                    assert mine is not None
                    its["beside"].append({"text": text, "ours": mine["value"], **gap})
    cells.write()


def peers_of(head: str, cells: Cells) -> list[str]:
    """The keys of nanoGPT under a head."""
    return [key for key in cells if key.startswith(f"{head} · nanoGPT")]


def folder_of(work: Path, stage: str, ids: dict[str, str]) -> Path:
    """The folder of an artefact, for a program that runs elsewhere."""
    (path,) = (work / "store" / stage).glob(f"{ids[stage]}*")
    return path.resolve()


def score_of(cell: Cell, text: str) -> Row | None:
    """What judges: on test text; in older cells on "val", which also chose."""
    return row_of(cell["rows"], text=text) or row_of(cell["rows"], text=text, split="val")


def compressor_of(cell: Cell, text: str) -> Row | None:
    """The line of a cell of ours that a compressor reaches on the same text."""
    for split in (SPLIT, "val"):
        if row := row_of(cell["rows"], model="compressor", text=text, split=split):
            return row
    return None


def chosen_by(cell: Cell, text: str) -> Row | None:
    """What a way of nanoGPT is chosen by: its figure on dev text."""
    return row_of(cell["rows"], text=text, split="dev") or score_of(cell, text)


def best_of(head: str, text: str, cells: Cells) -> tuple[str, Cell] | None:
    """nanoGPT's best way, with its best repeat; None if it was not judged on such text."""

    def figure(cell: Cell) -> float:
        row = chosen_by(cell, text)
        return inf if row is None else row["value"]

    if not (peers := peers_of(head, cells)):
        return None
    key, cell = cells.best(peers, figure)
    return None if figure(cell) == inf else (key, cell)


def gap_of(ours: Cell, its: Cell, text: str) -> dict[str, Any] | None:
    """The paired difference of these two, ours less its; None if it was not taken."""
    mine = score_of(ours, text)
    for gap in its["beside"]:
        if mine is not None and gap["text"] == text and abs(gap["ours"] - mine["value"]) < 1e-9:
            return gap
    return None


def line(key: str, cell: Cell) -> str:
    """One cell as a person reads it."""
    parts = [f"{key:<60}"]
    for text in TEXTS:
        if (score := score_of(cell, text)) is not None:
            parts.append(f"{interval(score['value'], score['low'], score['high'], 4)} by {text} ")
    parts.append(f"{cell['parameters'] / 1e6:.1f}M  {cell['tokens'] / 1e6:.2f}M tokens")
    return " ".join([*parts, f"({cell['epochs']:.1f} epochs)  {cell['step_seconds']:.0f} s"])


def table(head: str, cells: Cells) -> str:
    """All repeats under a head, and ours beside the best of nanoGPT."""
    mine = [key for key in cells if key.startswith(f"{head} · ")]
    lines = [line(key, cell) for key in mine for cell in cells.repeats(key)]
    for text in TEXTS:
        beside = Beside.of(head, text, cells)
        if beside is None:
            continue
        gap, paired = beside.gap, ""
        if gap is not None and gap["low"] is not None:
            paired = f" ({gap['low']:+.4f} to {gap['high']:+.4f} bits/byte, paired)"
        lines.append(
            f"  → by {text} ours is {beside.share:+.1%} beside nanoGPT's best "
            f"({beside.its['value']:.4f}, {beside.way}){paired}; goal -10 %"
        )
        rates = [rate_of(each) for each in peers_of(head, cells)]
        if rate_of(beside.way) in (min(rates), max(rates)):
            lines.append(f"  its best rate, {rate_of(beside.way):g}, is an edge of those tried")
    return "\n".join(lines)


@dataclass(frozen=True)
class Beside:
    """Ours, its newest, beside nanoGPT at its best, on one kind of text."""

    ours: Row
    its: Row
    way: str
    gap: dict[str, Any] | None

    @classmethod
    def of(cls, head: str, text: str, cells: Cells) -> "Beside | None":
        """None if one of them was not judged on such text."""
        best, ours = best_of(head, text, cells), cells[f"{head} · ours"]
        mine = score_of(ours, text)
        if best is None or mine is None:
            return None
        its = score_of(best[1], text)
        assert its is not None
        return cls(mine, its, best[0].partition(" · ")[2], gap_of(ours, best[1], text))

    @property
    def share(self) -> float:
        """How much lower ours is, as a negative share of its."""
        return self.ours["value"] / self.its["value"] - 1


def rate_of(key: str) -> float:
    """The learning rate in a key of nanoGPT."""
    return float(key.split(" lr ")[1].split()[0])


if __name__ == "__main__":
    main()
