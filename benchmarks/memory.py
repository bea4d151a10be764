"""The memory of training steps as the system counts it, next to what `check` estimates.

A cell is an architecture with a width, a context and a number format; whether blocks are computed
again ("recompute"); the optimizer, AdamW or Muon. In cells "within" a memory is given, and what is
chosen to fit is measured. A cell is measured in a process of its own: two steps of two
micro-batches each, after those of a tiny model. Measured is how far the peak of resident memory
(VmHWM) rises above what stood there before the model was made. The allocator returns freed memory
to the system at once, as endonym does where memory is short; "kept" is the same where freed memory
is kept, which is faster.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from benchmark import Bench, Benchmark, NotThisMachine, Watch, main
from cells import Cell, Cells
from pages import markdown

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
LAYERS = {128: 2, 256: 4, 512: 6}
MICRO_TOKENS = {128: 4096, 256: 8192, 512: 4096}
NAMES = (
    "qwen3 128 256 fp32",
    "qwen3 256 256 fp32",
    "qwen3 256 1024 fp32",
    "qwen3 256 1024 bf16",
    "qwen3 256 1024 fp32 recompute",
    "qwen3 512 256 fp32 muon",
    "gpt2 256 1024 fp32",
    "mamba2 256 256 fp32",
    "qwen3 256 1024 fp32 within 400 MB",
    "qwen3 256 256 fp32 kept",
)
TINY_NAMES = ("qwen3 128 256 fp32",)


def cells(bench: Bench) -> Mapping[str, Callable[[], Cell]]:
    """Every cell in a process of its own."""
    return {name: partial(in_process, name) for name in (TINY_NAMES if bench.tiny else NAMES)}


def in_process(name: str) -> Cell:
    """The cell, measured in a fresh process."""
    if not Path("/proc/self/clear_refs").exists():
        raise NotThisMachine("the peak of memory is read from /proc, which is on Linux alone")
    command = [sys.executable, __file__, "--in-this-process", name]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(output.splitlines()[-1])


def shape_of(family: str, dim: int, context: int, *, layers: int, vocab: int) -> ModelConfig:
    """A shape with heads of 64 channels."""
    mixer = {} if family == "mamba2" else {"heads": dim // 64}
    keys = {"family": family, "dim": dim, "layers": layers, "mixer": mixer}
    return resolve(ModelKeys.model_validate(keys), vocab=vocab, context=context)


def measured(name: str) -> Cell:
    """The peak of two steps, above what stood in memory before, and the estimate, in bytes."""
    device.prepare()
    if not name.endswith(" kept") and not device.keep_freed_memory(keeps=False):
        raise SystemExit("the allocator of this system cannot be made to return memory")
    family, width, length, kind = name.split()[:4]
    dim, context = int(width), int(length)
    checkpointed_blocks = LAYERS[dim] if "recompute" in name else 0
    optimizer = "muon" if name.endswith(" muon") else "adamw"
    config = shape_of(family, dim, context, layers=LAYERS[dim], vocab=VOCAB)
    micro_tokens = MICRO_TOKENS[dim]
    if "within" in name:
        micro_tokens, checkpointed_blocks = chosen(config, kind, int(name.split()[-2]) * 1_000_000)
    tiny = shape_of(family, 64, 64, layers=1, vocab=256)
    steps(tiny, kind, rows=4, checkpointed_blocks=checkpointed_blocks, optimizer=optimizer)
    before = resident()
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    rows = micro_tokens // config.context
    steps(config, kind, rows=rows, checkpointed_blocks=checkpointed_blocks, optimizer=optimizer)
    rise = peak() - before
    estimated = training_bytes(
        config,
        micro_tokens,
        kind,
        checkpointed_blocks=checkpointed_blocks,
        longest_document=DOCUMENT,
        optimizer=optimizer,
    )
    # Nothing estimates what an allocator keeps.
    error = {} if name.endswith(" kept") else {"error": round(abs(estimated / rise - 1), 4)}
    return error | {
        "measured_bytes": rise,
        "estimated_bytes": estimated,
        "micro_tokens": micro_tokens,
        "layers": config.layers,
        "recomputed_blocks": checkpointed_blocks,
        "threads": torch.get_num_threads(),
    }


def chosen(config: ModelConfig, kind: str, free_bytes: int) -> tuple[int, int]:
    """Tokens at once and blocks computed again that are chosen for so much memory."""
    usual = usual_training({}, kind).but(batch_tokens=2 * USEFUL_TOKENS)
    choices = choose_memory(config, Phase(), usual, free=free_bytes, longest=DOCUMENT)
    return choices["micro_tokens"].value, choices["recompute"].value


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


def estimates(cells: Cells) -> str:
    """Measured and estimated megabytes of each cell, and the share of a memory that is used."""
    rows: list[list[str]] = []
    for name in NAMES:
        if (cell := cells.get(name)) is None:
            continue
        measured_mb, estimated_mb = cell["measured_bytes"] / 1e6, cell["estimated_bytes"] / 1e6
        given = f"{measured_mb / int(name.split()[-2]):.0%}" if " within " in name else ""
        ratio = f"{estimated_mb / measured_mb - 1:+.1%}"
        rows.append([name, f"{measured_mb:,.0f}", f"{estimated_mb:,.0f}", ratio, given])
    head = ["training", "measured, MB", "estimated, MB", "error", "of the memory given"]
    return markdown(head, rows)


BENCHMARK = Benchmark(
    name="memory",
    code=("endonym.model", "endonym.train", "endonym.autopilot.phase", "endonym.device"),
    cells=cells,
    tables={("docs/training.md", "memory"): estimates},
    watched={"error": Watch("lower", 0.0, bound=0.1), "measured_bytes": Watch("lower", 0.1)},
)

if __name__ == "__main__":
    if sys.argv[1:2] == ["--in-this-process"]:
        print(json.dumps(measured(sys.argv[2])))
    else:
        main(BENCHMARK)
