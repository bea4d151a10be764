"""Bits per byte after equal minutes of training on two cores: ours with its autopilot, and nanoGPT.

    python benchmarks/quality.py --languages tt ro --minutes 10

Ours: `endonym new` writes the recipe for a folder of texts and these minutes (speed probed, all
choices the autopilot's), `endonym run` makes it. nanoGPT: its model, optimiser, cosine schedule,
bf16 autocast, decay and betas of its train.py (the second beta also as its small configuration has
it, with --betas 0.99), two learning rates, two sizes, dropout 0 and 0.2; it gets the same
tokenizer, the same training text (one stream, end-of-text between documents), rows of 256 tokens,
12 to a batch, and as many seconds as ours took, looks and checkpoints of ours included. Its
compilation and its looks are not counted; the weights of its best look are judged.

Both are judged by `generate.reading.read` on the same held-out documents: each document alone
after an end-of-text token, a window that moves by half the context.

A cell is (language, minutes, contender), a process of its own, one after another; a cell in
benchmarks/results/quality.json is skipped unless --again is given. On an idle machine:

    python benchmarks/quality.py --languages tt ro --minutes 10           3 hours
    python benchmarks/quality.py --languages tt ro km fr en --minutes 60  45 hours; nanoGPT's best
        cell alone: --sizes 12M --lrs 0.003 --dropouts 0
"""

import argparse
import json
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from cells import RESULTS, ROOT, Cells, quiet_machine
from peers import unpack
from runs import endonym, last_json, manifest, training_seconds

from endonym import device
from endonym.evaluate import documents as kept
from endonym.evaluate.score import Score, headline

LANGUAGES = ("tt", "ro", "km", "fr", "en")
SIZES = {"5M": (6, 256, 4), "12M": (6, 384, 6), "tiny": (2, 64, 2)}
"""Layers, width, heads of nanoGPT, about; 6 × 384 is its own small configuration."""
LRS = (1e-3, 3e-3)
DROPOUTS = (0.0, 0.2)


def main() -> None:
    """Run the cells asked for and print a table for each language."""
    asked = arguments()
    device.wait_briefly()  # nanoGPT's threads, too, so that all wait alike.
    cells = Cells(asked.results)
    asked.work.mkdir(parents=True, exist_ok=True)
    for language in asked.languages:
        where = asked.work / f"{language}-{asked.minutes:g}"
        ours = f"{language} {asked.minutes:g} ours"
        if ours not in cells or asked.again:
            noise = quiet_machine(ours, anyway=asked.anyway)
            cells.keep(ours, our_cell(language, where, asked) | noise)
            beside_anew(f"{language} {asked.minutes:g} nanoGPT", where, asked, cells)
            print(line(ours, cells[ours]), flush=True)
        for tried in product(asked.sizes, asked.lrs, asked.dropouts, asked.betas):
            key = f"{language} {asked.minutes:g} {named(*tried)}"
            if key not in cells or asked.again:
                noise = quiet_machine(key, anyway=asked.anyway)
                cell = peer_cell(where, *tried, cells[ours]["seconds"], asked)
                cells.keep(key, cell | noise)
                print(line(key, cells[key]), flush=True)
        print(table(language, asked.minutes, cells), flush=True)


def named(size: str, lr: float, dropout: float, beta: float) -> str:
    """The name of one way to train nanoGPT; 0.95 is its usual second beta."""
    unusual = "" if beta == 0.95 else f" beta {beta:g}"
    return f"nanoGPT {size} lr {lr:g} dropout {dropout:g}{unusual}"


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--peers", type=Path, default=ROOT.parent / "shared" / "peers")
    parser.add_argument("--languages", nargs="+", default=["tt", "ro"])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--sizes", nargs="*", choices=list(SIZES), default=["5M", "12M"])
    parser.add_argument("--lrs", nargs="*", type=float, default=list(LRS))
    parser.add_argument("--betas", nargs="*", type=float, default=[0.95], help="the second ones")
    parser.add_argument("--dropouts", nargs="*", type=float, default=list(DROPOUTS))
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "quality")
    parser.add_argument("--results", type=Path, default=RESULTS / "quality.json")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--anyway", action="store_true", help="measure on a busy machine")
    return parser.parse_args()


def our_cell(language: str, where: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """The recipe that `new` writes, made by `run`; figures of its model."""
    finished = made(language, where, asked)
    store = asked.work / "store"
    stages = {stage["name"].split()[0]: stage for stage in finished["stages"]}
    numbers = manifest(store, stages["model"])["numbers"]
    scores = [Score(**score) for score in finished["scores"]]
    total = {each: headline(scores, model=each) for each in LINES}
    model = total["model"]
    assert model is not None
    steps = training_seconds(store, finished["stages"])
    return {
        "bits_per_byte": model.value,
        "low": model.low,
        "high": model.high,
        "documents": model.n_documents,
        "held_out_bytes": model.n_bytes,
        "lines": {name: score.value for name, score in total.items() if score is not None},
        "step_seconds": steps,
        "seconds": max(60 * asked.minutes, steps, stages["model"]["seconds"]),
        "nats": str((where / "ours.npy").relative_to(asked.work)),
        "recipe": (where / "recipe.toml").read_text(encoding="utf-8"),
        **{key: numbers[key] for key in ("parameters", "tokens", "epochs", "steps", "kept_step")},
    }


LINES = ("model", "compressor", "bigram", "unigram")


def made(language: str, where: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """What `run --json` prints; its held-out nats are put beside the recipe."""
    recipe = where / "recipe.toml"
    if not recipe.exists():
        texts, hours = asked.texts / language, asked.minutes / 60
        words = ("--language", language, "--text", texts.resolve(), "--hours", hours)
        endonym(asked.work, "new", where.name, *words)
    finished = last_json(endonym(asked.work, "run", f"{where.name}/recipe.toml", "--json"))
    (evaluation,) = [each for each in finished["stages"] if each["name"].startswith("evaluation")]
    (folder,) = (asked.work / "store" / "evaluation").glob(f"{evaluation['id']}*")
    found = kept.load(folder)
    assert found is not None
    np.save(where / "ours.npy", found, allow_pickle=False)
    (where / "stages.json").write_text(json.dumps(finished["stages"]), encoding="utf-8")
    return finished


def peer_cell(
    where: Path,
    size: str,
    lr: float,
    dropout: float,
    beta: float,
    seconds: float,
    asked: argparse.Namespace,
) -> dict[str, Any]:
    """nanoGPT in a process of its own, on the shards and the tokenizer of our run."""
    language = where.name.rpartition("-")[0]
    if not (where / "stages.json").is_file():
        made(language, where, asked)
    stages = json.loads((where / "stages.json").read_text(encoding="utf-8"))
    ids = {stage["name"].split()[0]: stage["id"] for stage in stages}
    layers, dim, heads = SIZES[size]
    out = where / f"{named(size, lr, dropout, beta).replace(' ', '-')}.npy"
    with tempfile.TemporaryDirectory() as folder:
        if "nanoGPT" not in unpack(asked.peers, Path(folder)):
            sys.exit(f"no nanoGPT.tar.gz in {asked.peers}: give its folder with --peers.")
        words = {
            "shards": str(folder_of(asked.work, "shards", ids)),
            "tokenizer": str(folder_of(asked.work, "tokenizer", ids)),
            "peers": folder,
            "out": str(out),
            "seconds": seconds,
            "threads": asked.threads,
            "compiled": asked.compile,
            "shape": {"layers": layers, "dim": dim, "heads": heads},
            "lr": lr,
            "beta": beta,
            "dropout": dropout,
        }
        program = Path(__file__).with_name("quality_nanogpt.py")
        command = [sys.executable, str(program), json.dumps(words)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    cell = last_json(done.stdout)
    return cell | {"ours_minus_it": gap(where, out), "nats": str(out.relative_to(asked.work))}


def gap(where: Path, its: Path) -> dict[str, float | None] | None:
    """How many bits per byte ours lies above, on the same documents, with its interval.

    None where one of them does not know its sources, as files once did not.
    """
    ours, theirs = loaded(where / "ours.npy"), loaded(its)
    if ours is None or theirs is None:
        return None
    value, low, high = kept.difference(ours, theirs)
    return {"value": value, "low": low, "high": high}


def beside_anew(peers: str, where: Path, asked: argparse.Namespace, cells: Cells) -> None:
    """Compare the peers' cells with an ours that was measured after them, where nats are kept."""
    for key, cell in cells.found.items():
        if key.startswith(peers):
            its = asked.work / cell["nats"]
            cell["ours_minus_it"] = gap(where, its) if its.is_file() else None
    cells.write()


def folder_of(work: Path, stage: str, ids: dict[str, str]) -> Path:
    """The folder of an artefact, for a program that runs elsewhere."""
    (path,) = (work / "store" / stage).glob(f"{ids[stage]}*")
    return path.resolve()


def loaded(path: Path) -> kept.Documents | None:
    """Documents sorted by their text, as another file's are; None without their sources."""
    return kept.ordered(np.load(path, allow_pickle=False))


def line(key: str, cell: dict[str, Any]) -> str:
    """One cell as a person reads it."""
    low, high = (0.0 if cell[each] is None else cell[each] for each in ("low", "high"))
    words = (
        f"{key:<44}{cell['bits_per_byte']:.4f} ({low:.4f}–{high:.4f}) bits/byte  "
        f"{cell['parameters'] / 1e6:.1f}M  {cell['tokens'] / 1e6:.2f}M tokens "
        f"({cell['epochs']:.1f} epochs)  {cell['step_seconds']:.0f} s of steps"
    )
    if (beside := cell.get("ours_minus_it")) is not None:
        words += f"  ours {beside['value'] / cell['bits_per_byte']:+.1%}"
    return words


def table(language: str, minutes: float, cells: Cells) -> str:
    """All cells of a language, and ours beside the best of nanoGPT."""
    mine = f"{language} {minutes:g} "
    found = {key: cell for key, cell in cells.found.items() if key.startswith(mine)}
    lines = [line(key, cell) for key, cell in found.items()]
    rates = {key: float(key.split(" lr ")[1].split()[0]) for key in found if "nanoGPT" in key}
    if rates:
        key = min(rates, key=lambda each: found[each]["bits_per_byte"])
        beside, its = found[key]["ours_minus_it"], found[key]["bits_per_byte"]
        span = ", not paired: its nats of each document are not here"
        value = found[f"{mine}ours"]["bits_per_byte"] - its
        if beside is not None and beside["low"] is not None:
            value = beside["value"]
            span = f" ({beside['low']:+.4f} to {beside['high']:+.4f}, paired)"
        lines.append(
            f"  → ours is {value / its:+.1%} beside nanoGPT's best ({its:.4f}): "
            f"{value:+.4f} bits/byte{span}; goal -10 %"
        )
        if rates[key] in (min(rates.values()), max(rates.values())):
            lines.append(f"  its best rate, {rates[key]:g}, is an edge of those tried")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
