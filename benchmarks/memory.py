"""The memory of training steps as the system counts it, beside the formula's promise.

    python benchmarks/memory.py [--cells "qwen3 256 1024 bf16"] [--results FILE] [--again]

A cell is a shape, a context, a number format, whether blocks are computed again (all, or the first
half), whether tokens see a window of 128, whether Muon replaces AdamW, and whether the
allocator is left as it is ("heap") or made to return what is freed, as endonym does where memory is
short. Or a memory is given ("within"), and what is chosen to fit is measured. A cell is measured in
a process of its own: two steps of two micro-batches each, after those of a tiny model. What is
counted is how far the peak of resident memory (VmHWM) rises above what stood there before the model
was made. Cells that are in benchmarks/results/memory.json are skipped unless --again is given.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from cells import RESULTS, Cells

from endonym import device
from endonym.autopilot.machine import usual_training
from endonym.autopilot.phase import choose_memory
from endonym.data.batches import Batch
from endonym.model.config import ModelConfig, ModelKeys
from endonym.model.families import resolve
from endonym.model.init import new_decoder
from endonym.model.memory import training_bytes
from endonym.train.config import USEFUL_TOKENS, Phase
from endonym.train.optimizer import Optimizer
from endonym.train.step import take_step

VOCAB = 8192
DOCUMENT = 200
WINDOW = 128
LAYERS = {128: 2, 256: 4, 512: 6, 768: 12}
MICRO_TOKENS = {128: 4096, 256: 8192, 512: 4096, 768: 2048}
KINDS = ("fp32", "bf16")
CELLS = [
    f"{family} {dim} {context} {kind}{again}"
    for family, dims in (("qwen3", (128, 256, 512, 768)), ("gpt2", (256,)), ("mamba2", (256,)))
    for dim in dims
    for context in (256, 1024)
    for kind in KINDS
    for again in ("", " recompute")
]
CELLS += [f"qwen3 256 {length} bf16 window" for length in (256, 1024)]
CELLS += [f"qwen3 {dim} 1024 {kind} recompute half" for dim in (256, 512) for kind in KINDS]
CELLS += [f"qwen3 256 1024 {kind} within {size} MB" for kind in KINDS for size in (400, 800)]
CELLS += [f"qwen3 512 1024 {kind} within {size} MB" for kind in KINDS for size in (1000, 2000)]
CELLS += [f"qwen3 {dim} 256 {kind} muon" for dim in (256, 512, 768) for kind in KINDS]
CELLS += [f"qwen3 {dim} 256 {kind} heap" for dim in (256, 512) for kind in KINDS]


def main() -> None:
    """Measure the cells asked for, each in a fresh process, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", nargs="+", default=CELLS)
    parser.add_argument("--results", type=Path, default=RESULTS / "memory.json")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--alone", metavar="CELL", help="measure one cell in this process")
    asked = parser.parse_args()
    if asked.alone:
        print(json.dumps(measured(asked.alone)))
        return
    cells = Cells(asked.results)
    for cell in asked.cells:
        if cell not in cells or asked.again:
            command = [sys.executable, __file__, "--alone", cell]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            cells.keep(cell, json.loads(said.splitlines()[-1]))
        one = cells[cell]
        print(
            f"{cell:<32} measured {one['measured_bytes'] / 1e6:8.0f} MB   promised "
            f"{one['promised_bytes'] / 1e6:8.0f} MB   {one['promised_share'] - 1:+.1%}",
            flush=True,
        )


def shape_of(
    family: str, dim: int, context: int, *, layers: int, vocab: int, window: int | None = None
) -> ModelConfig:
    """A shape with heads of 64 channels."""
    mixer = {} if family == "mamba2" else {"heads": dim // 64, "window": window}
    keys = {"family": family, "dim": dim, "layers": layers, "mixer": mixer}
    return resolve(ModelKeys.model_validate(keys), vocab=vocab, context=context)


def measured(cell: str) -> dict[str, Any]:
    """The peak of two steps, above what stood in memory before, and what the formula says."""
    device.prepare()
    if not cell.endswith(" heap") and not device.keep_freed_memory(keeps=False):
        raise SystemExit("the allocator of this system cannot be made to return memory")
    family, width, length, kind = cell.split()[:4]
    dim, context = int(width), int(length)
    checkpointed_blocks = LAYERS[dim] * ("recompute" in cell) // (1 + cell.endswith(" half"))
    window = WINDOW if "window" in cell else None
    optimizer = "muon" if cell.endswith(" muon") else "adamw"
    config = shape_of(family, dim, context, layers=LAYERS[dim], vocab=VOCAB, window=window)
    micro_tokens = MICRO_TOKENS[dim]
    if "within" in cell:
        micro_tokens, checkpointed_blocks = chosen(config, kind, int(cell.split()[-2]) * 1_000_000)
    tiny = shape_of(family, 64, 64, layers=1, vocab=256)
    steps(tiny, kind, rows=4, checkpointed_blocks=checkpointed_blocks, optimizer=optimizer)
    before = resident()
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    rows = micro_tokens // config.context
    steps(config, kind, rows=rows, checkpointed_blocks=checkpointed_blocks, optimizer=optimizer)
    rise = peak() - before
    promised = training_bytes(
        config,
        micro_tokens,
        kind,
        checkpointed_blocks=checkpointed_blocks,
        longest_document=DOCUMENT,
        optimizer=optimizer,
    )
    return {
        "measured_bytes": rise,
        "promised_bytes": promised,
        "promised_share": round(promised / rise, 4),
        "micro_tokens": micro_tokens,
        "layers": config.layers,
        "recomputes": checkpointed_blocks,
    }


def chosen(config: ModelConfig, kind: str, free_bytes: int) -> tuple[int, int]:
    """Tokens at once and blocks computed again that are chosen for so much memory."""
    usual = usual_training({}, kind).but(batch_tokens=2 * USEFUL_TOKENS)
    found = choose_memory(config, Phase(), usual, free_bytes=free_bytes, longest_document=DOCUMENT)
    return found["micro_tokens"].value, found["recompute"].value


def steps(
    config: ModelConfig, kind: str, *, rows: int, checkpointed_blocks: int, optimizer: str
) -> None:
    """Two steps on random tokens, each of two micro-batches."""
    decoder = new_decoder(config, 0).train()
    decoder.checkpointed_blocks = checkpointed_blocks
    rates = {"lr": 1e-4, "embedding_lr": 1e-4}
    learner = Optimizer(decoder, usual_training({}, kind).but(optimizer=optimizer, **rates))
    generator = torch.Generator().manual_seed(0)
    tokens_BT = torch.randint(config.vocab, (2 * rows, config.context), generator=generator)
    documents_BT = (torch.arange(config.context) // DOCUMENT).expand(2 * rows, -1).contiguous()
    batch = Batch(tokens_BT, tokens_BT, documents_BT)
    for _ in range(2):
        take_step(learner, batch, lr_scale=1.0, rows=rows)


def resident() -> int:
    """Bytes in memory now."""
    return status("VmRSS")


def peak() -> int:
    """The most bytes in memory since it was last asked to forget."""
    return status("VmHWM")


def status(key: str) -> int:
    """A line of the statistics that the kernel keeps of this process."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"no {key} in /proc/self/status: this benchmark needs Linux")


if __name__ == "__main__":
    main()
