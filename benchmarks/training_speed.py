"""Training tokens a second on a CPU: ours beside nanoGPT, nanochat and transformers' Trainer.

    python benchmarks/training_speed.py [--shapes tatar 5M] [--against nanoGPT] [--again]
    python benchmarks/training_speed.py --profile [--shapes tatar]

A cell is one shape and one peer: two processes of ours and one of each variant of the peer, on
the same tokens, a step each in turns (A B C … C B A, so that nobody has a better neighbour) until
the cell's minutes are spent. The first round is discarded. AdamW everywhere, but for the line that
names nanochat's own optimiser. bf16 means weights in bf16 (ours keep masters in fp32; nanoGPT has
no such mode: its weights alone are cast), autocast weights in fp32. Rows are one document each, but
for the lines that say packed: documents of 50 tokens, which cost ours a mask and peers nothing,
since they read across them. The ratio to ours is taken round by round; its median has a bootstrap
interval. In the same rounds matrix products are timed: MFU is our count of operations over the
faster format's peak.

A cell is refused when others use the cores before it starts, or when ours differs from itself by
more than 3 %; --anyway takes it and says so in the JSON. Trainer needs `pip install accelerate`;
without it its step is written out (then the JSON says "loop": "Transformers", not "Trained").

All of it: `python benchmarks/training_speed.py`, 16 cells of about 5 minutes. Results:
benchmarks/results/training-speed.json. Cells found there are skipped unless --again is given.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from cells import RESULTS, ROOT, SAME, Cells, median_interval, quiet_machine
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
OURS = {"network": "ours", "row": "gptneox", "format": "bf16", "compiled": True}
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "ours": {
        "ours, not compiled": OURS | {"compiled": False},
        "ours, fp32": OURS | {"format": "fp32"},
        "ours, qwen3 (the default row)": OURS | {"row": "qwen3"},
        "ours, qwen3, packed": OURS | {"row": "qwen3", "document": 50},
        "ours, qwen3, packed, dropout": OURS | {"row": "qwen3", "document": 50, "dropout": 0.2},
    },
    "nanoGPT": {
        "nanoGPT fp32": {"format": "fp32"},
        "nanoGPT fp32 compiled": {"format": "fp32", "compiled": True},
        "nanoGPT autocast": {"format": "autocast"},
        "nanoGPT autocast compiled": {"format": "autocast", "compiled": True},
        "nanoGPT bf16": {"format": "bf16"},
        "nanoGPT bf16 compiled": {"format": "bf16", "compiled": True},
    },
    "nanochat": {
        "nanochat fp32 compiled": {"format": "fp32", "compiled": True},
        "nanochat bf16": {"format": "bf16"},
        "nanochat bf16 compiled": {"format": "bf16", "compiled": True},
        "nanochat bf16 compiled, own optimiser": {"format": "bf16", "compiled": True, "own": True},
    },
    "transformers": {
        "transformers autocast": {"format": "autocast"},
        "transformers autocast compiled": {"format": "autocast", "compiled": True},
        "transformers bf16": {"format": "bf16"},
        "transformers bf16 compiled": {"format": "bf16", "compiled": True},
    },
}
FEWEST_ROUNDS = 8
PEAK_SHAPE = (8192, 1024, 2048)
NEEDED = 1.2
"""What ours should be of the best peer."""


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
                key = f"{shape} {against}"
                if against not in here:
                    print(f"{key}: no {asked.peers / against}.tar.gz, left out", flush=True)
                elif asked.again or key not in cells:
                    cell = measured(shape, against, Path(folder), asked)
                    refuse_noise(key, cell, asked.anyway)
                    cells.keep(key, cell)
            if asked.profile and (asked.again or f"{shape} profile" not in cells):
                cells.keep(f"{shape} profile", profiled(shape, asked))
            print(table(shape, cells), flush=True)


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=list(SHAPES)[:-1])
    parser.add_argument("--against", nargs="*", choices=list(VARIANTS))
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
        asked.against = [] if asked.profile else list(VARIANTS)
    return asked


def measured(shape: str, against: str, folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """One cell: every contender in turns until its minutes are spent."""
    noise = quiet_machine(f"{shape} {against}", anyway=asked.anyway)
    ends = time.perf_counter() + 60 * asked.minutes
    lineup = {"ours": OURS, "ours again": OURS}
    lineup |= {name: {"network": against} | words for name, words in VARIANTS[against].items()}
    specs = {
        name: Spec(**words, shape=SHAPES[shape], peers=str(folder))
        for name, words in lineup.items()
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
    cell = summed_up(SHAPES[shape], specs, found, rounds, peaks, asked.steps)
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
        turns = list(workers.items())
        for name, worker in turns if count % 2 else reversed(turns):
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
    shape: Shape,
    specs: dict[str, Spec],
    found: dict[str, dict[str, Any]],
    rounds: dict[str, list[float]],
    peaks: dict[str, list[float]],
    steps: int,
) -> dict[str, Any]:
    """Medians, ratios to ours with intervals, and shares of the peak."""
    tokens = steps * shape.rows * shape.context
    peak = {kind: max(rates) for kind, rates in peaks.items()}
    contenders: dict[str, Any] = {}
    for name, seconds in rounds.items():
        row = specs[name].row if specs[name].network == "ours" else "gptneox"
        speed = tokens / statistics.median(seconds)
        needed = flops_per_token(same_work(shape, row))
        step = statistics.median(seconds) / steps
        contenders[name] = found[name] | {
            "tokens_per_second": round(speed, 1),
            "mfu": round(needed * speed / max(peak.values()), 4),
            "seconds": [round(each, 4) for each in seconds],
            "compile_seconds": round(found[name]["first_step_seconds"] - step, 1)
            if specs[name].compiled
            else 0.0,
            "ours_to_it": compared(rounds["ours"], seconds),
        }
    gflops = {kind: round(rate / 1e9, 1) for kind, rate in peak.items()}
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
    worker = Worker(Spec(**OURS, shape=SHAPES[shape]), threads=asked.threads)
    try:
        worker.ask("steps", count=2)
        return worker.ask("profile", count=3)
    finally:
        worker.close()


def table(shape: str, cells: Cells) -> str:
    """All cells of a shape as a person reads them."""
    lines = [f"{shape}"]
    for against in VARIANTS:
        if f"{shape} {against}" not in cells:
            continue
        cell = cells[f"{shape} {against}"]
        found: dict[str, Any] = cell["contenders"]
        for name, each in found.items():
            ratio = each["ours_to_it"]
            lines.append(
                f"  {name:<40}{each['tokens_per_second']:>9.0f} tokens/s  MFU {each['mfu']:>6.1%}  "
                f"ours {ratio['median']:.2f}× ({ratio['low']:.2f}–{ratio['high']:.2f})  "
                f"compile {each['compile_seconds']:.0f} s"
            )
        lines += [f"  {name:<40} failed: {why}" for name, why in cell["failed"].items()]
        its = [each for name, each in found.items() if not name.startswith("ours")]
        best = max(its, key=lambda each: each["tokens_per_second"], default=None)
        if best is not None:
            ratio = best["ours_to_it"]["median"]
            told = f"{cell['rounds']} rounds; needed {NEEDED}×"
            lines.append(f"  → {ratio:.2f}× the best of {against} ({told})")
    if f"{shape} profile" in cells:
        profile = cells[f"{shape} profile"]
        for name, part in sorted(profile["parts"].items(), key=lambda pair: -pair[1]["ms"]):
            lines.append(f"  {name:<40}{part['ms']:>9.1f} ms  {part['share']:>6.1%}")
        lines.append(f"  {'the step':<40}{profile['step_ms']:>9.1f} ms")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
