"""The loss head three ways: ours, torch's chunked `linear_cross_entropy`, and logits all at once.

    python benchmarks/loss_head.py [--rounds 9]

Forward and backward of the summed loss of 8,192 positions, in turns (A B C A B C …); the ratio is
taken round by round, its median has a bootstrap interval. Results: benchmarks/results/
loss-head.json. On an idle machine: two minutes.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from cells import RESULTS, Cells, busy_cores, median_interval
from torch import Tensor
from torch.nn import LinearCrossEntropyOptions
from torch.nn import functional as F

from endonym import device
from endonym.model.kernels.loss import Readout, summed_nats

POSITIONS = 8192
SHAPES = ((256, 4096), (256, 8192), (512, 8192), (768, 8192), (512, 32_768))
FORMATS = {"fp32": torch.float32, "bf16": torch.bfloat16}
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def ours(hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor) -> Tensor:
    """endonym's."""
    return summed_nats(hidden_ND, Readout(weight_VD), targets_N)


def chunked(hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor) -> Tensor:
    """torch's, in chunks that it chooses."""
    options = LinearCrossEntropyOptions()
    return F.linear_cross_entropy(hidden_ND, weight_VD, targets_N, reduction="sum", options=options)


def at_once(hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor) -> Tensor:
    """All logits, in float32 as the softmax needs them."""
    return F.cross_entropy((hidden_ND @ weight_VD.T).float(), targets_N, reduction="sum")


WAYS: dict[str, Loss] = {"ours": ours, "torch chunked": chunked, "at once": at_once}


def main() -> None:
    """Measure every shape in both formats and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--results", type=Path, default=RESULTS / "loss-head.json")
    asked = parser.parse_args()
    device.prepare()
    cells = Cells(asked.results)
    for name, kind in FORMATS.items():
        for dim, vocab in SHAPES:
            key = f"{name} dim {dim} vocabulary {vocab}"
            cells.keep(key, {"busy_cores": busy_cores(1.0)} | cell(dim, vocab, kind, asked.rounds))
            print(f"{key:<32}", cells[key]["times_ours"], flush=True)


def cell(dim: int, vocab: int, kind: torch.dtype, rounds: int) -> dict[str, object]:
    """Seconds of each way and how many times as long as ours it takes."""
    torch.manual_seed(0)
    hidden_ND = torch.randn(POSITIONS, dim, dtype=kind, requires_grad=True)
    weight_VD = (torch.randn(vocab, dim) * dim**-0.5).to(kind).requires_grad_()
    targets_N = torch.randint(0, vocab, (POSITIONS,))
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds + 1):
        for way, loss in WAYS.items():
            hidden_ND.grad = weight_VD.grad = None
            started = time.perf_counter()
            loss(hidden_ND, weight_VD, targets_N).backward()
            seconds[way].append(time.perf_counter() - started)
    kept = {way: times[1:] for way, times in seconds.items()}
    ratios = {
        way: median_interval([a / b for a, b in zip(times, kept["ours"], strict=True)])
        for way, times in kept.items()
        if way != "ours"
    }
    return {"seconds": kept, "times_ours": ratios}


if __name__ == "__main__":
    main()
