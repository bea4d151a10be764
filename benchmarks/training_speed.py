"""Training tokens a second on a CPU: ours next to nanoGPT and transformers' Trainer.

A cell is one shape, one number format and one peer: two processes of ours and one of each way of
the peer, on the same rows, a step each in turns (A B C … C B A, so that nobody has a better
neighbour) until the time of the cell is spent. The first round is discarded. AdamW everywhere. Rows
are one document each. The ratio to ours is taken round by round; its median has a bootstrap
interval. In the same rounds matrix products are timed: the share of the peak is our count of
operations over the speed of that product in the same format.

Each way of a peer is timed as it comes and with "equal settings", which are those of ours that are
none of its own: malloc keeps freed memory, and nanoGPT has torch's fused AdamW, which by itself it
takes on a GPU alone. transformers runs compiled, with each of its attentions. In bf16 our weights
stay fp32 and compute in bf16; peers run under autocast, as they document it. Cells in bf16 need a
processor with units for it.

When ours differs from itself by more than 3 %, the rounds go on for the same time again, and the
cell is refused if it still does. "parts" are the milliseconds of a step by kinds of operations, as
torch's profiler counts them.
"""

import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmark import Bench, Benchmark, NotThisMachine, Unavailable, Waiting, Watch, main
from cells import Cell, Cells
from contenders import Shape, Spec, same_work
from nanogpt import has_bf16_units
from pages import interval, markdown
from peers import unpack
from worker import Worker, WorkerFailed, build, random_batch

from endonym import device
from endonym.model.count import flops_per_token

SHAPES = {
    "4 × 256": Shape(layers=4, dim=256, heads=4, context=256, vocab=8192, rows=32),
}
TINY_SHAPE = Shape(layers=2, dim=64, heads=2, context=64, vocab=512, rows=2)
MEASURED = (
    ("4 × 256", "fp32", "nanoGPT"),
    ("4 × 256", "fp32", "transformers"),
)
MINUTES, TINY_MINUTES = 1.5, 0.02
FEWEST_ROUNDS, TINY_ROUNDS = 6, 2
DRAWS = 2000
SAME = 0.03
"""How far the ratio of a contender to itself may lie from 1."""
EQUAL = ", equal settings"
"""What ends the name of a peer's variant that has them."""
PEAK_SHAPE = (8192, 1024, 2048)
PARTS = {
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm", "mkldnn", "aten::linear"),
    "attention": ("flash_attention", "scaled_dot_product", "_WholeScores"),
    "optimizer": ("_fused_adamw", "Optimizer.step", "aten::lerp", "aten::addcdiv", "aten::addcmul"),
    "gradient clipping": ("clip", "norm_except", "_foreach_norm", "linalg_vector_norm"),
    "softmax and loss": ("softmax", "nll_loss", "logsumexp", "cross_entropy"),
    "norms": ("layer_norm", "rms_norm"),
    "activation": ("gelu", "silu"),
    "copies": ("aten::copy_", "aten::cat", "aten::clone", "aten::fill_", "aten::zero_"),
    "compiled kernels": ("cpp_fused", "Torch-Compiled"),
}
"""Kinds of operations by parts of their names, in the order in which they are asked."""
REST = "everything else"


def cells(bench: Bench) -> Mapping[str, Callable[[], Cell]]:
    """Speeds next to each peer, and the parts of a step of ours and of nanoGPT."""
    if bench.tiny:
        return {
            "tiny fp32 transformers": partial(
                speed_cell, bench, TINY_SHAPE, "fp32", "transformers"
            ),
            "tiny parts ours": partial(parts_cell, bench, TINY_SHAPE, "ours"),
        }
    every: dict[str, Callable[[], Cell]] = {
        f"{shape} {kind} {peer}": partial(speed_cell, bench, SHAPES[shape], kind, peer)
        for shape, kind, peer in MEASURED
    }
    for network in ("ours", "nanoGPT"):
        name = f"4 × 256 fp32 parts {network}"
        every[name] = partial(parts_cell, bench, SHAPES["4 × 256"], network)
    return every


def lineup(peer: str, kind: str, *, compiles: bool) -> dict[str, dict[str, Any]]:
    """Who takes part in a cell: names, and what each is built with. kind: the format of all.

    compiles: in tiny form nobody does, and the peer has equal settings alone.
    """
    ours = {"network": "ours", "row": "gptneox", "compiled": compiles, "format": kind}
    contenders: dict[str, dict[str, Any]] = {"ours": ours, "ours again": ours}
    if compiles:
        contenders["ours, not compiled"] = ours | {"compiled": False}
    format_ = "autocast" if kind == "bf16" else kind
    attentions = [""]
    if peer == "transformers":
        attentions = ["sdpa", "eager"] if compiles else ["sdpa"]
    ways = (True,) if peer == "transformers" else (False, True)
    for attention in attentions:
        for compiled in ways if compiles else (False,):
            settings = {"network": peer, "format": format_, "compiled": compiled}
            settings |= {"attention": attention} if attention else {}
            name = f"{peer} {attention}".strip() + (" compiled" if compiled else "")
            if compiles:
                contenders[name] = settings
            contenders[name + EQUAL] = settings | {"equal": True}
    return contenders


def peers_folder(bench: Bench, peer: str, folder: str) -> str:
    """Where the peer's own code is; empty if it is installed."""
    if peer in ("ours", "transformers"):
        return ""
    if bench.peers is None or peer not in unpack(bench.peers, Path(folder)):
        raise Unavailable(f"no {peer}.tar.gz: give its folder with --peers")
    return folder


def speed_cell(bench: Bench, shape: Shape, kind: str, peer: str) -> Cell:
    """One cell: every contender in turns until its minutes are spent."""
    if kind == "bf16" and not has_bf16_units():
        raise NotThisMachine("this processor has no units for bf16")
    bench.quiet(f"{kind} {peer}")
    threads = device.threads()
    torch.set_num_threads(threads)
    device.wait_briefly()  # Theirs, too, so that threads wait alike.
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as cache:
        place = peers_folder(bench, peer, folder)
        specs = {
            name: Spec(**settings, shape=shape, peers=place)
            for name, settings in lineup(peer, kind, compiles=not bench.tiny).items()
        }
        workers = {
            name: Worker(spec, threads=threads, cache=cache, compiles=not bench.tiny)
            for name, spec in specs.items()
        }
        try:
            begun, failed = begin(workers)
            minutes = TINY_MINUTES if bench.tiny else MINUTES
            least = TINY_ROUNDS if bench.tiny else FEWEST_ROUNDS
            ends = time.perf_counter() + 60 * minutes
            rounds, peak = in_turns(workers, kind, ends, least)
            if not is_quiet(rounds) and not bench.tiny:
                ends = time.perf_counter() + 60 * minutes
                more, second_peak = in_turns(workers, kind, ends, least)
                rounds = {name: seconds + more[name] for name, seconds in rounds.items()}
                peak = max(peak, second_peak)
            memory = {name: worker.ask("memory") for name, worker in workers.items()}
        finally:
            for worker in workers.values():
                worker.close()
    facts = {name: begun[name] | memory[name] for name in workers}
    cell = summary(specs, facts, rounds, peak)
    if not is_quiet(rounds) and not (bench.tiny or bench.anyway):
        same = cell["contenders"]["ours again"]["ours_to_it"]["median"]
        raise Waiting(f"ours next to itself is {same:.3f}: this machine is not quiet")
    return cell | {"failed": failed, "format": kind, "threads": threads}


def begin(workers: dict[str, Worker]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Let each take its first step alone, compiling if it does; those that cannot are taken out."""
    facts: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    for name, worker in list(workers.items()):
        try:
            own = worker.ask("facts")
            first = worker.ask("steps", count=1)
            facts[name] = own | {"first_step_seconds": round(first["seconds"], 2)}
        except WorkerFailed as error:
            failed[name] = str(error)
            workers.pop(name).close()
    if not {"ours", "ours again"} <= set(workers):
        sys.exit(f"ours cannot take a step: {failed}")
    return facts, failed


def in_turns(
    workers: dict[str, Worker], kind: str, ends: float, least: int
) -> tuple[dict[str, list[float]], float]:
    """Seconds of each contender's turns, of which the first is discarded; and the fastest rate of a
    matrix product, in operations a second. least: how many turns count at least."""
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    started, count, a_round, peak = time.perf_counter(), 0, 0.0, 0.0
    while count <= least or time.perf_counter() + a_round < ends:
        order = list(workers.items())
        for name, worker in order if count % 2 else reversed(order):
            seconds[name].append(worker.ask("steps", count=1)["seconds"])
        peak = max(peak, matmul_rate(kind))
        count += 1
        a_round = (time.perf_counter() - started) / count
    return {name: turns[1:] for name, turns in seconds.items()}, peak


def is_quiet(rounds: Mapping[str, list[float]]) -> bool:
    """Whether ours is as fast as ours again: other programs do not disturb."""
    return abs(compared(rounds["ours"], rounds["ours again"])["median"] - 1) <= SAME


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


def summary(
    specs: dict[str, Spec],
    facts: dict[str, dict[str, Any]],
    rounds: dict[str, list[float]],
    peak: float,
) -> Cell:
    """Medians, ratios to ours with intervals, and shares of the peak."""
    shape = specs["ours"].shape
    tokens, needed = shape.rows * shape.context, flops_per_token(same_work(shape))
    contenders: dict[str, Any] = {}
    for name, seconds in rounds.items():
        step = statistics.median(seconds)
        contenders[name] = facts[name] | {
            "tokens_per_second": round(tokens / step, 1),
            "share_of_peak": round(needed * tokens / step / peak, 4),
            "seconds": [round(turn, 4) for turn in seconds],
            "ours_to_it": compared(rounds["ours"], seconds),
        }
    return {
        "contenders": contenders,
        "rounds": len(rounds["ours"]),
        "flops_per_token": needed,
        "peak_gflops": round(peak / 1e9, 1),
        "tokens_per_step": tokens,
    }


def compared(ours: list[float], its: list[float]) -> dict[str, float]:
    """How many times as fast ours is, round by round."""
    return median_interval([b / a for a, b in zip(ours, its, strict=True)])


def median_interval(values: list[float]) -> dict[str, float]:
    """The median and its 95 % interval by bootstrap, with a fixed seed (Efron 1979).

    Of fewer than six values it is no more than their span, which holds the median less often (of
    three in 75 of 100).
    """
    generator = np.random.Generator(np.random.Philox(key=0))
    given = np.array(values)
    drawn = np.median(given[generator.integers(0, len(given), (DRAWS, len(given)))], axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    numbers = {"median": float(np.median(given)), "low": float(low), "high": float(high)}
    return {name: round(number, 4) for name, number in numbers.items()}


def parts_cell(bench: Bench, shape: Shape, network: str) -> Cell:
    """Milliseconds of a step by kinds of operations; with equal settings, not compiled."""
    bench.quiet(f"parts {network}")
    with tempfile.TemporaryDirectory() as folder:
        place = peers_folder(bench, network, folder)
        contender = build(Spec(network, shape, format="fp32", equal=True, peers=place))
        batch, count = random_batch(shape, "cpu"), 2 if bench.tiny else 8
        contender.learn(batch, 1.0)
        started = time.perf_counter()
        for _ in range(count):
            contender.learn(batch, 1.0)
        seconds = (time.perf_counter() - started) / count
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            for _ in range(count):
                contender.learn(batch, 1.0)
    spent = Counter[str]()
    for event in profile.key_averages():
        spent[part_of(event.key)] += event.self_cpu_time_total / 1000 / count
    parts = {part: round(spent[part], 2) for part in (*PARTS, REST)}
    return {"parts": parts, "step_ms": round(1000 * seconds, 1), "threads": torch.get_num_threads()}


def part_of(operation: str) -> str:
    """The kind that an operation of torch belongs to."""
    for part, names in PARTS.items():
        if any(name in operation for name in names):
            return part
    return REST


def best_way(cell: Cell, peer: str, *, equal: bool) -> tuple[str, dict[str, Any]]:
    """The fastest way of a peer, with its figures."""
    ways = {
        name: figures
        for name, figures in cell["contenders"].items()
        if name.startswith(peer) and name.endswith(EQUAL) == equal
    }
    return max(ways.items(), key=lambda way: way[1]["tokens_per_second"])


def speeds(cells: Cells) -> str:
    """How many times as fast ours is as each peer at its best."""
    rows: list[list[str]] = []
    for shape, kind, peer in MEASURED:
        if (cell := cells.get(f"{shape} {kind} {peer}")) is None:
            continue
        name, equal = best_way(cell, peer, equal=True)
        _, plain = best_way(cell, peer, equal=False)
        rows.append(
            [
                shape,
                kind,
                name.removesuffix(EQUAL),
                *(interval(*ratio_of(way), 2) for way in (equal, plain)),
                str(cell["rounds"]),
                f"{cell['contenders']['ours']['share_of_peak']:.0%}",
                f"{equal['share_of_peak']:.0%}",
                str(cell["threads"]),
            ]
        )
    head = ["shape", "format", "next to, at its best", "equal settings", "as it comes", "rounds"]
    return markdown([*head, "of the peak, ours", "its", "cores"], rows, labels=3)


def ratio_of(figures: Mapping[str, Any]) -> tuple[float, float, float]:
    """How many times as fast ours is: median, low and high."""
    ratio = figures["ours_to_it"]
    return ratio["median"], ratio["low"], ratio["high"]


def parts(cells: Cells) -> str:
    """Where the time of a step goes, in milliseconds."""
    ours, its = (cells.get(f"4 × 256 fp32 parts {name}") for name in ("ours", "nanoGPT"))
    if ours is None or its is None:
        return ""
    rows = [
        [part, f"{ours['parts'][part]:.1f}", f"{its['parts'][part]:.1f}"] for part in (*PARTS, REST)
    ]
    rows.append(
        ["the step, without the profiler", f"{ours['step_ms']:.1f}", f"{its['step_ms']:.1f}"]
    )
    return markdown(["4 × 256, fp32, not compiled", "ours, ms", "nanoGPT, ms"], rows)


BENCHMARK = Benchmark(
    name="training-speed",
    code=("endonym.train", "endonym.model", "endonym.device"),
    cells=cells,
    tables={("docs/training.md", "speed"): speeds, ("docs/training.md", "profiles"): parts},
    watched={f"contenders/*{EQUAL}/ours_to_it/median": Watch("higher", 0.1, timed=True)},
)

if __name__ == "__main__":
    main(BENCHMARK)
