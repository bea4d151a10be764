"""What reading a batch costs, beside the step it is read for.

    python benchmarks/loader.py [--cells "short 256"] [--results FILE] [--again]

A cell is a corpus (many short documents, or few long ones; small or large) and a context. Timed is
`Batches[step]`, from memory-mapped shards to tensors, for batches of 2,048 and 16,384 tokens, as
processor time of one thread, so that a busy machine changes little: the fastest of several rounds.
At 100,000 training tokens a second one percent of a step is 100 nanoseconds a token. The first
batch of an epoch, which puts documents and rows in order, is timed on its own. Cells that are in
benchmarks/results/loader.json are skipped unless --again is given.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from cells import RESULTS, Cells

from endonym.data.batches import Batches
from endonym.data.order import Order
from endonym.data.shards import INDEX, TokenShards

VOCAB = 8192
CORPORA = {
    "short": (20_000, 100),
    "short-large": (1_000_000, 100),
    "long": (100, 20_000),
    "long-large": (5_000, 20_000),
}
"""Documents, and their mean length in tokens."""
CELLS = [f"{corpus} {context}" for corpus in CORPORA for context in (256, 2048)]
BATCHES = (2_048, 16_384)
ROUNDS, ROUND_SECONDS = 5, 0.2
TOKENS_PER_SECOND = 100_000


def main() -> None:
    """Measure the cells asked for, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", nargs="+", default=CELLS)
    parser.add_argument("--results", type=Path, default=RESULTS / "loader.json")
    parser.add_argument("--again", action="store_true")
    asked = parser.parse_args()
    cells = Cells(asked.results)
    for cell in asked.cells:
        if cell not in cells or asked.again:
            cells.keep(cell, measured(cell))
        one = cells[cell]
        text = " · ".join(
            f"{tokens} tokens: {one[f'nanoseconds_a_token/{tokens}']:5.1f} ns a token, "
            f"{one[f'share_of_step/{tokens}']:.2%} of a step"
            for tokens in BATCHES
        )
        print(f"{cell:<18} {text} · an epoch's order {one['epoch_seconds']:.3f} s", flush=True)


def measured(cell: str) -> dict[str, Any]:
    """Time of a token, and of the order of an epoch."""
    corpus, context = cell.split()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        shards = write(Path(folder), *CORPORA[corpus])
        order = Order(shards, context=int(context), seed=1)
        start = time.process_time()
        order.epoch(0)
        found["epoch_seconds"] = round(time.process_time() - start, 5)
        found["tokens"] = order.positions_per_epoch
        for tokens in BATCHES:
            batches = Batches(order, rows=max(1, tokens // order.context))
            steps = order.positions_per_epoch // batches.tokens
            best = min(round_of(batches, steps) for _ in range(ROUNDS))
            found[f"nanoseconds_a_token/{tokens}"] = round(best * 1e9, 2)
            found[f"share_of_step/{tokens}"] = round(best * TOKENS_PER_SECOND, 6)
    return found


def round_of(batches: Batches, steps: int) -> float:
    """Seconds of a token over some batches of the first epoch, in the order of training."""
    step, start = 0, time.process_time()
    while time.process_time() - start < ROUND_SECONDS:
        batches[step % max(1, steps - 1)]
        step += 1
    return (time.process_time() - start) / (step * batches.tokens)


def write(folder: Path, n_documents: int, mean_tokens: int) -> TokenShards:
    """Shards of random ids, in documents from half to one and a half times the mean."""
    random = np.random.default_rng(0)
    lengths = random.integers(mean_tokens // 2, mean_tokens * 3 // 2, n_documents)
    starts = np.concatenate([[0], np.cumsum(lengths + 1)])
    ids = random.integers(1, VOCAB, int(starts[-1]) + 1).astype("<u2")
    ids[starts] = 0
    ids.tofile(folder / "train-00000.bin")
    index = np.zeros(n_documents, dtype=INDEX)
    index["start"], index["length"] = starts[:-1], lengths
    np.save(folder / "train.index.npy", index)
    np.save(folder / "counts.npy", np.ones((2, VOCAB), dtype="<i8"))
    size = {"random": int(lengths.sum())}
    description = {"vocab": VOCAB, "end": 0, "line_end": None, "sources": [*size], "bytes": size}
    (folder / "shards.json").write_text(json.dumps(description), encoding="utf-8")
    return TokenShards(folder, "train")


if __name__ == "__main__":
    main()
