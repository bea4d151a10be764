"""Training tokens a second on a CPU: ours beside nanoGPT, nanochat and transformers' Trainer.

    python benchmarks/training_speed.py [--shapes tatar 5M] [--against nanoGPT] [--again]
    python benchmarks/training_speed.py --format fp32 --shapes 5M tatar
    python benchmarks/training_speed.py --profile [--shapes tatar]

A cell is one shape and one peer: two processes of ours and one of each variant of the peer, on
the same tokens, a step each in turns (A B C … C B A, so that nobody has a better neighbour) until
the cell's minutes are spent. The first round is discarded. AdamW everywhere, but for the line that
names nanochat's own optimizer. Rows are one document each, but for the lines that say packed:
documents of 50 tokens, which cost ours a mask and peers nothing, since they read across them. The
ratio to ours is taken round by round; its median has a bootstrap interval. In the same rounds
matrix products are timed: MFU is our count of operations over the faster format's peak, with
--format fp32 over that of fp32.

--format bf16 is for processors with bf16 units: bf16 means weights in bf16 (ours keep masters in
fp32; nanoGPT has no such mode: its weights alone are cast), autocast weights in fp32. --format fp32
is for any machine: everybody computes in fp32.

Each variant of a peer is timed twice: as it comes, and with "equal settings", which are those of
ours that are none of its own: malloc keeps freed memory, and nanoGPT has torch's fused AdamW, which
it takes by itself on a GPU alone.

A cell is refused when others use the cores before it starts, or when ours differs from itself by
more than 3 %; --anyway takes it and says so in the JSON. Trainer needs `pip install accelerate`;
without it its step is written out (then the JSON says "loop": "Transformers", not "Trained").

All of it: `python benchmarks/training_speed.py`, 16 cells of about 5 minutes a format. Results:
benchmarks/results/training-speed.json. Cells found there are skipped; --again adds a repeat. What
is quoted of a peer is its best way in its best repeat, among repeats beside the newest code of
ours: a ratio is of two that ran together.
"""

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from cells import RESULTS, ROOT, SAME, Cell, Cells, median_interval, quiet_machine
from contenders import Shape, Spec, same_work
from peers import unpack
from worker import Worker, WorkerFailed

from endonym import device
from endonym.model.count import flops_per_token

SHAPES = {
    "tatar": Shape(layers=6, dim=512, heads=8, context=256, vocab=8192, rows=32),
    "6x384": Shape(layers=6, dim=384, heads=6, context=256, vocab=8192, rows=32),
    "12x768": Shape(layers=12, dim=768, heads=12, context=256, vocab=8192, rows=8),
    "5M": Shape(layers=4, dim=256, heads=4, context=256, vocab=8192, rows=32),
    "tiny": Shape(layers=2, dim=64, heads=2, context=64, vocab=512, rows=2),
}
"""tiny is for trying the script."""
OURS = {"network": "ours", "row": "gptneox", "compiled": True}
COMPILED = {"compiled": True}
OTHERS: dict[str, dict[str, dict[str, Any]]] = {
    "bf16": {
        "ours, not compiled": OURS | {"format": "bf16", "compiled": False},
        "ours, fp32": OURS | {"format": "fp32"},
        "ours, qwen3 (the default row)": OURS | {"format": "bf16", "row": "qwen3"},
        "ours, qwen3, packed": OURS | {"format": "bf16", "row": "qwen3", "document": 50},
        "ours, qwen3, packed, dropout": OURS
        | {"format": "bf16", "row": "qwen3", "document": 50, "dropout": 0.2},
    },
    "fp32": {
        "ours, not compiled": OURS | {"format": "fp32", "compiled": False},
        "ours, qwen3 (the default row)": OURS | {"format": "fp32", "row": "qwen3"},
    },
}
"""Other ways of ours, by format: the cell "ours"."""
FP32 = {"fp32": {"format": "fp32"}, "fp32 compiled": {"format": "fp32"} | COMPILED}
WAYS: dict[str, dict[str, dict[str, dict[str, Any]]]] = {
    "bf16": {
        "nanoGPT": {
            "autocast": {"format": "autocast"},
            "autocast compiled": {"format": "autocast"} | COMPILED,
            "bf16": {"format": "bf16"},
            "bf16 compiled": {"format": "bf16"} | COMPILED,
        },
        "nanochat": {
            "bf16": {"format": "bf16"},
            "bf16 compiled": {"format": "bf16"} | COMPILED,
            "bf16 compiled, own optimizer": {"format": "bf16", "own": True} | COMPILED,
        },
        "transformers": {
            "autocast": {"format": "autocast"},
            "autocast compiled": {"format": "autocast"} | COMPILED,
            "bf16": {"format": "bf16"},
            "bf16 compiled": {"format": "bf16"} | COMPILED,
        },
    },
    "fp32": {
        "nanoGPT": FP32,
        "nanochat": FP32
        | {"fp32 compiled, own optimizer": {"format": "fp32", "own": True} | COMPILED},
        "transformers": FP32,
    },
}
"""The ways of each peer, by format; each is timed as it comes and with equal settings."""
AGAINST = ("ours", "nanoGPT", "nanochat", "transformers")
EQUAL = ", equal settings"
"""What ends the name of a peer's variant that has them."""
FEWEST_ROUNDS = 8
PEAK_SHAPE = (8192, 1024, 2048)
NEEDED = {"bf16": 1.2, "fp32": 1.15}
"""What ours should be of the best peer, by format; in fp32 with equal settings."""


def main() -> None:
    """Run the cells asked for, and print the tables."""
    asked = arguments()
    torch.set_num_threads(asked.threads)
    device.wait_briefly()  # Theirs, too, so that threads wait alike.
    cells = Cells(asked.results)
    with tempfile.TemporaryDirectory() as folder:
        here = {"ours", "transformers", *unpack(asked.peers, Path(folder))}
        for shape in asked.shapes:
            for against in asked.against:
                key = key_of(shape, against, asked.format)
                if against not in here:
                    print(f"{key}: no {asked.peers / against}.tar.gz, left out", flush=True)
                elif asked.again or key not in cells:
                    cell = measured(key, shape, against, Path(folder), asked)
                    refuse_noise(key, cell, asked.anyway)
                    cells.keep(key, cell)
            profile = key_of(shape, "profile", asked.format)
            if asked.profile and (asked.again or profile not in cells):
                cells.keep(profile, profiled(shape, asked))
            print(table(shape, asked.format, cells), flush=True)


def key_of(shape: str, against: str, kind: str) -> str:
    """The name of a cell; bf16 goes without saying."""
    return f"{shape} {against}" + (f" {kind}" if kind != "bf16" else "")


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=list(SHAPES)[:-1])
    parser.add_argument("--against", nargs="*", choices=AGAINST)
    parser.add_argument("--format", choices=list(WAYS), default="bf16", help="what all compute in")
    parser.add_argument("--profile", action="store_true", help="where the time of our step goes")
    parser.add_argument("--peers", type=Path, default=ROOT.parent / "shared" / "peers")
    parser.add_argument("--minutes", type=float, default=5.0, help="of a cell")
    parser.add_argument("--steps", type=int, default=1, help="of a contender in a round")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--results", type=Path, default=RESULTS / "training-speed.json")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--anyway", action="store_true", help="measure on a busy machine")
    asked = parser.parse_args()
    if asked.against is None:
        asked.against = [] if asked.profile else list(AGAINST)
    return asked


def lineup(against: str, kind: str) -> dict[str, dict[str, Any]]:
    """Who takes part in a cell: names, and what each is built with. kind: the format of all."""
    ours = OURS | {"format": kind}
    found = {"ours": ours, "ours again": ours}
    if against == "ours":
        return found | OTHERS[kind]
    for way, settings in WAYS[kind][against].items():
        found[f"{against} {way}"] = settings | {"network": against}
        found[f"{against} {way}{EQUAL}"] = settings | {"network": against, "equal": True}
    return found


def measured(
    key: str, shape: str, against: str, folder: Path, asked: argparse.Namespace
) -> dict[str, Any]:
    """One cell: every contender in turns until its minutes are spent."""
    noise = quiet_machine(key, anyway=asked.anyway)
    ends = time.perf_counter() + 60 * asked.minutes
    specs = {
        name: Spec(**settings, shape=SHAPES[shape], peers=str(folder))
        for name, settings in lineup(against, asked.format).items()
    }
    with tempfile.TemporaryDirectory() as cache:
        workers = {n: Worker(s, threads=asked.threads, cache=cache) for n, s in specs.items()}
        try:
            begun, failed = begin(workers)
            rounds, peaks = in_turns(workers, asked.steps, ends)
            memory = {name: worker.ask("memory") for name, worker in workers.items()}
        finally:
            for worker in workers.values():
                worker.close()
    found = {name: begun[name] | memory[name] for name in workers}
    cell = summed_up(specs, found, rounds, peaks, asked.steps)
    return cell | noise | {"failed": failed, "rounds": len(next(iter(rounds.values())))}


def begin(workers: dict[str, Worker]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Let each take its first step alone, compiling if it does; those that cannot are taken out."""
    found: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    for name, worker in list(workers.items()):
        try:
            facts = worker.ask("facts")
            first = worker.ask("steps", count=1)
            found[name] = facts | {"first_step_seconds": round(first["seconds"], 2)}
        except WorkerFailed as error:
            failed[name] = str(error)
            workers.pop(name).close()
    if not {"ours", "ours again"} <= set(workers):
        sys.exit(f"ours cannot take a step: {failed}")
    return found, failed


def in_turns(
    workers: dict[str, Worker], steps: int, ends: float
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Seconds of each contender's turns, and rates of matrix products; the first round is lost."""
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    peaks: dict[str, list[float]] = {"fp32": [], "bf16": []}
    started, count, each_round = time.perf_counter(), 0, 0.0
    while count <= FEWEST_ROUNDS or time.perf_counter() + each_round < ends:
        order = list(workers.items())
        for name, worker in order if count % 2 else reversed(order):
            seconds[name].append(worker.ask("steps", count=steps)["seconds"])
        for kind, rates in peaks.items():
            rates.append(matmul_rate(kind))
        count += 1
        each_round = (time.perf_counter() - started) / count
    return {name: each[1:] for name, each in seconds.items()}, peaks


def matmul_rate(kind: str, seconds: float = 0.5) -> float:
    """The best rate of a large matrix product, in operations a second."""
    rows, inner, columns = PEAK_SHAPE
    dtype = torch.bfloat16 if kind == "bf16" else torch.float32
    a, b = torch.randn(rows, inner, dtype=dtype), torch.randn(inner, columns, dtype=dtype)
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * rows * inner * columns / best


def summed_up(
    specs: dict[str, Spec],
    found: dict[str, dict[str, Any]],
    rounds: dict[str, list[float]],
    peaks: dict[str, list[float]],
    steps: int,
) -> dict[str, Any]:
    """Medians, ratios to ours with intervals, and shares of the peak."""
    shape, kind = specs["ours"].shape, specs["ours"].format
    tokens = steps * shape.rows * shape.context
    peak = {name: max(rates) for name, rates in peaks.items()}
    fastest = peak["fp32"] if kind == "fp32" else max(peak.values())
    contenders: dict[str, Any] = {}
    for name, seconds in rounds.items():
        row = specs[name].row if specs[name].network == "ours" else "gptneox"
        speed = tokens / statistics.median(seconds)
        needed = flops_per_token(same_work(shape, row))
        step = statistics.median(seconds) / steps
        contenders[name] = found[name] | {
            "tokens_per_second": round(speed, 1),
            "mfu": round(needed * speed / fastest, 4),
            "seconds": [round(each, 4) for each in seconds],
            "compile_seconds": round(found[name]["first_step_seconds"] - step, 1)
            if specs[name].compiled
            else 0.0,
            "ours_to_it": compared(rounds["ours"], seconds),
        }
    gflops = {name: round(rate / 1e9, 1) for name, rate in peak.items()}
    return {
        "contenders": contenders,
        "flops_per_token": flops_per_token(same_work(shape)),
        "peak_gflops": gflops,
        "tokens_per_step": shape.rows * shape.context,
        "threads": torch.get_num_threads(),
    }


def compared(ours: list[float], its: list[float]) -> dict[str, float]:
    """How many times as fast ours is, round by round."""
    return median_interval([b / a for a, b in zip(ours, its, strict=True)])


def refuse_noise(key: str, cell: dict[str, Any], anyway: bool) -> None:
    """Stop if ours is not as fast as itself."""
    ratio = cell["contenders"]["ours again"]["ours_to_it"]["median"]
    if abs(ratio - 1) > SAME and not anyway:
        sys.exit(
            f"{key}: ours beside itself is {ratio:.3f}, not within {SAME:.0%} of 1: this machine "
            "is not quiet. Nothing was kept; run it again, or with --anyway."
        )


def profiled(shape: str, asked: argparse.Namespace) -> dict[str, Any]:
    """The parts of our step, in a process of its own."""
    spec = Spec(**OURS, format=asked.format, shape=SHAPES[shape])
    worker = Worker(spec, threads=asked.threads)
    try:
        worker.ask("steps", count=2)
        return worker.ask("profile", count=3)
    finally:
        worker.close()


@dataclass(frozen=True)
class Quoted:
    """What is quoted of a peer in a cell: the variant beside which ours is least ahead."""

    name: str
    cell: Cell

    @property
    def found(self) -> dict[str, Any]:
        """Its own figures."""
        return self.cell["contenders"][self.name]

    @property
    def ratio(self) -> dict[str, float]:
        """How many times as fast ours is: median, low and high."""
        return self.found["ours_to_it"]


def quoted(cells: Cells, key: str, *, equal: bool) -> Quoted | None:
    """A peer at its best, among repeats beside the newest code of ours.

    equal: with equal settings, or as it comes. None where that was not measured.
    """
    if key not in cells:
        return None
    repeats = [cell for cell in cells.repeats(key) if cell["commit"] == cells[key]["commit"]]
    ways = [
        Quoted(name, cell)
        for cell in repeats
        for name in cell["contenders"]
        if not name.startswith("ours") and name.endswith(EQUAL) == equal
    ]
    return min(ways, key=lambda way: way.ratio["median"], default=None)


def table(shape: str, kind: str, cells: Cells) -> str:
    """The newest repeat of all cells of a shape as a person reads it, and what is quoted."""
    lines = [f"{shape} {kind}"]
    for against in AGAINST:
        key = key_of(shape, against, kind)
        if key not in cells:
            continue
        for name, each in cells[key]["contenders"].items():
            ratio = each["ours_to_it"]
            lines.append(
                f"  {name:<52}{each['tokens_per_second']:>9.0f} tokens/s  MFU {each['mfu']:>6.1%}  "
                f"ours {ratio['median']:.2f}× ({ratio['low']:.2f}–{ratio['high']:.2f})  "
                f"compile {each['compile_seconds']:.0f} s"
            )
        lines += [f"  {name:<52} failed: {why}" for name, why in cells[key]["failed"].items()]
        for equal, text in ((False, "as it comes"), (True, "with equal settings")):
            if (best := quoted(cells, key, equal=equal)) is not None:
                rounds = f"{best.cell['rounds']} rounds; needed {NEEDED[kind]}×"
                lines.append(f"  → {best.ratio['median']:.2f}× {against} {text} ({rounds})")
    if (key := key_of(shape, "profile", kind)) in cells:
        for name, part in sorted(cells[key]["parts"].items(), key=lambda pair: -pair[1]["ms"]):
            lines.append(f"  {name:<52}{part['ms']:>9.1f} ms  {part['share']:>6.1%}")
        lines.append(f"  {'the step':<52}{cells[key]['step_ms']:>9.1f} ms")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
