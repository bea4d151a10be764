"""Speed, memory and quality on one GPU: what run.sh starts.

A cell is one shape and one contender in a process of its own: a few steps that change nothing, to
compile and settle; then `seconds` of training on the same rows in the same order, each with the
rates and the schedule that its project documents, following the clock; then the held-out documents.
Ours is the row that a recipe gets by default, and `transformers` has the same row; nanoGPT and
nanochat have the same width, depth, heads, context and vocabulary in their own architecture. All
are compiled, as peers advise and as ours does by itself where it was measured to be faster.

Tokens a second: of the median step, and of all. MFU: our count of operations (attention by half
its square) over the GPU's dense bf16 peak by its datasheet; on a CPU over a measured product.
"""

import argparse
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from benchmark import keep
from cells import RESULTS, ROOT, Cells
from contenders import Shape, Spec, same_work
from gpu_speed import BENCHMARK
from peers import unpack
from worker import Worker, WorkerFailed

from endonym.autopilot.model_size import Facts
from endonym.autopilot.phase import choose_phase
from endonym.data.shards import ShardDocument, Split, write_shards
from endonym.demo.grammar import fables
from endonym.device import attends_in_bf16
from endonym.log import number, size
from endonym.model.count import flops_per_token
from endonym.model.kernels.varlen import unsupported_reason
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.train import train_tokenizer
from endonym.train.config import Phase

SHAPES = {
    "300M": Shape(layers=20, dim=1024, heads=8, context=2048, vocab=40960, rows=16),
    "125M": Shape(layers=12, dim=768, heads=6, context=2048, vocab=32768, rows=16),
    "50M": Shape(layers=12, dim=512, heads=4, context=2048, vocab=16384, rows=32),
    "25M": Shape(layers=10, dim=384, heads=3, context=1024, vocab=16384, rows=64),
}
TINY = {"tiny": Shape(layers=2, dim=64, heads=2, context=64, vocab=512, rows=4)}
CONTENDERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ours": ("linear", {"format": "bf16", "row": "qwen3", "compiled": True}),
    "transformers": ("linear", {"format": "autocast", "row": "qwen3", "compiled": True}),
    "nanochat": ("warmdown", {"format": "bf16", "own": True, "compiled": True}),
    "nanoGPT": ("cosine", {"format": "autocast", "compiled": True}),
}
"""Each one's schedule and what it is built with."""
LR = 6e-4
"""nanoGPT's own rate; `transformers`' default of 5e-5 is for going on from a trained model."""
PEAKS = {"H200": 989.5e12, "H100": 989.5e12, "A100": 312e12}
"""Dense bf16 operations a second, by datasheet."""
VOCAB = 8192
FABLES = 40_000
HELD_OUT = 50
"""Every so many documents one is held out, of files that are given."""
OVERHEAD = 60.0
"""Seconds to start, compile and judge, until a cell has shown how many."""


def main() -> None:
    """Measure what cells fit into the minutes, and print the table."""
    asked = arguments()
    ends = time.perf_counter() + 60 * asked.minutes
    device = "cpu" if asked.tiny else require_gpu()
    cells = Cells(asked.results)
    todo = [(shape, name) for shape in asked.shapes for name in asked.contenders]
    code = BENCHMARK.code_hash()
    measured = {name for name in cells if cells.repeats(name)[-1].get("code") == code}
    todo = [each for each in todo if asked.again or " ".join(each) not in measured]
    overhead = 0.0 if asked.tiny else OVERHEAD
    with tempfile.TemporaryDirectory() as folder:
        here = {"ours", "transformers", *unpack(asked.peers, Path(folder))}
        shards, facts = prepare(Path(folder) / "shards", asked)
        while todo and time.perf_counter() + asked.seconds + overhead < ends:
            shape, name = todo.pop(0)
            if name not in here:
                print(f"{shape} {name}: no {asked.peers / name}.tar.gz, left out", flush=True)
                continue
            started = time.perf_counter()
            spec, schedule = spec_of(name, asked.all_shapes[shape], facts, folder, device)
            found = cell(spec, schedule, shards, asked)
            seconds = time.perf_counter() - started
            keep(BENCHMARK, cells, f"{shape} {name}", found, code=code, seconds=seconds)
            overhead = max(overhead, seconds - asked.seconds)
            print(line(f"{shape} {name}", cells[f"{shape} {name}"]), flush=True)
    print("\n".join(line(key, cells[key]) for key in cells))
    if todo:
        left = ", ".join(map(" ".join, todo))
        print(f"no time left for {left}: run the same command again", flush=True)


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="+", choices=[*SHAPES, *TINY])
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--seconds", type=float, help="of training of a cell; 60")
    parser.add_argument("--minutes", type=float, default=9.5, help="of the whole command")
    parser.add_argument("--text", nargs="+", type=Path, help="files; fables are made if not given")
    parser.add_argument("--peers", type=Path, default=ROOT.parent / "shared" / "peers")
    parser.add_argument("--results", type=Path)
    parser.add_argument("--tiny", action="store_true", help="try the script on a CPU")
    parser.add_argument("--again", action="store_true")
    asked = parser.parse_args()
    asked.all_shapes = TINY if asked.tiny else SHAPES
    asked.shapes = asked.shapes or list(asked.all_shapes)
    asked.seconds = asked.seconds or (1.0 if asked.tiny else 60.0)
    name = "gpu-tiny.json" if asked.tiny else "gpu-speed.json"
    asked.results = asked.results or RESULTS / name
    return asked


def require_gpu() -> str:
    """The GPU's name for torch; ends the program with what to do if there is none."""
    if torch.cuda.is_available():
        return "cuda"
    sys.exit(
        f"error: torch {torch.__version__} sees no CUDA device. It takes a build of torch for CUDA "
        "(pip install torch, not the CPU build) and an NVIDIA driver; --tiny tries the script "
        "on a CPU."
    )


def prepare(out: Path, asked: argparse.Namespace) -> tuple[str, Facts]:
    """Texts as shards, and what there is of them."""
    documents: dict[Split, list[str]] = {"train": [], "dev": [], "test": []}
    if asked.text:
        for index, text in enumerate(texts_of(asked.text)):
            documents["train" if index % HELD_OUT else "test"].append(text)
    else:
        count = 600 if asked.tiny else FABLES
        documents["train"] = list(fables(count))
        documents["test"] = list(fables(count // HELD_OUT, seed=1))
    vocab = min(shape.vocab for shape in asked.all_shapes.values())
    config = TokenizerConfig(kind="bpe", vocab=min(vocab, VOCAB))
    tokenizer = train_tokenizer(config, lambda: iter(documents["train"]))
    out.mkdir()

    def pieces(split: Split) -> Iterator[ShardDocument]:
        return (ShardDocument("texts", text, n, n) for n, text in enumerate(documents[split]))

    counts = write_shards(out, tokenizer, ["texts"], pieces, advance=lambda n: None)["train"][
        "texts"
    ]
    print(f"{size(counts['bytes'])} of text, {number(counts['tokens'])} tokens", flush=True)
    mean = counts["tokens"] / counts["documents"]
    return str(out), Facts(counts["bytes"], counts["tokens"], mean)


def texts_of(files: list[Path]) -> Iterator[str]:
    """The documents of files, separated by blank lines."""
    for file in files:
        for text in re.split(r"\n\s*\n", file.read_text(encoding="utf-8")):
            if text.strip():
                yield text


def spec_of(name: str, shape: Shape, facts: Facts, folder: str, device: str) -> tuple[Spec, str]:
    """A contender and its schedule: ours as the autopilot would choose, others as they advise."""
    schedule, settings = CONTENDERS[name]
    phase: dict[str, Any] = {}
    if name == "ours":
        asked = Phase(epochs=1, batch_tokens=shape.rows * shape.context)
        chosen = choose_phase(asked, facts, shape.context, dim=shape.dim)
        phase = {key: choice.value for key, choice in chosen.items()}
    settings = settings | {"shape": shape, "device": device, "peers": folder, "phase": phase}
    if device == "cpu" and not attends_in_bf16():
        settings["format"] = "fp32"  # to try the script is all that a CPU is for
    return Spec(network=name, lr=LR, **settings), schedule


def cell(spec: Spec, schedule: str, shards: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Train and judge one contender; a failure is a result too."""
    said = {key: value for key, value in spec.as_dict().items() if key != "peers"}
    found: dict[str, Any] = {"spec": said, "schedule": schedule}
    if spec.network == "ours":
        width = spec.shape.dim // spec.shape.heads
        found["masked_because"] = unsupported_reason(
            torch.device(spec.device), torch.bfloat16, width
        )
    worker = Worker(spec, threads=1 if asked.tiny else 8, shards=shards, compiles=not asked.tiny)
    try:
        found |= worker.ask("facts")
        warm: list[float] = worker.ask("warm", count=2 if asked.tiny else 8)["seconds"]
        trained = worker.ask("train", seconds=asked.seconds, schedule=schedule)
        found |= worker.ask("memory")
        found |= worker.ask("judge")
    except WorkerFailed as error:
        return found | {"failed": str(error)}
    finally:
        worker.close()
    tokens = spec.shape.rows * spec.shape.context
    row = spec.row if spec.network in ("ours", "transformers") else "gptneox"
    needed, speed = flops_per_token(same_work(spec.shape, row)), tokens / trained["median_seconds"]
    return found | {
        "tokens_per_second": round(speed, 1),
        "tokens_per_second_of_all": round(tokens * trained["steps"] / trained["seconds"], 1),
        "tokens": tokens * trained["steps"],
        "mfu": round(needed * speed / peak(spec.device), 4),
        "flops_per_token": needed,
        "last_nats": trained["nats"],
        "compile_seconds": round(sum(warm) - len(warm) * statistics.median(warm), 1),
        "training_seconds": asked.seconds,
    }


def peak(device: str) -> float:
    """Operations a second that MFU is a share of."""
    name = torch.cuda.get_device_name() if device != "cpu" else ""
    known = [rate for word, rate in PEAKS.items() if word in name]
    return known[0] if known else measured_peak(device)


def measured_peak(device: str) -> float:
    """The best rate of a large bf16 product here."""
    side = 8192 if device != "cpu" else 256  # there it may take 50 times as long as one of fp32
    a, b = (torch.randn(side, side, dtype=torch.bfloat16, device=device) for _ in range(2))
    seconds: list[float] = []
    for _ in range(10):
        start = time.perf_counter()
        (a @ b)[0, 0].item()
        seconds.append(time.perf_counter() - start)
    return 2 * side**3 / min(seconds)


def line(key: str, found: dict[str, Any]) -> str:
    """One cell as a person reads it."""
    if "failed" in found:
        return f"{key:<20} failed: {found['failed']}"
    return (
        f"{key:<20}{found['parameters'] / 1e6:>7.1f}M{found['tokens_per_second']:>12,.0f} tokens/s"
        f"  MFU {found['mfu']:>6.1%}  {size(found['peak_bytes']):>9}  compile "
        f"{found['compile_seconds']:>5.1f} s  {found['bits_per_byte']:.4f} bits/byte after "
        f"{found['training_seconds']:.0f} s"
    )


if __name__ == "__main__":
    main()
