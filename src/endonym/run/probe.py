"""How fast this machine trains a shape: a few real steps on random tokens."""

import time
from pathlib import Path

import torch

from endonym import device
from endonym.data.batches import Batch
from endonym.model.config import ModelConfig
from endonym.model.init import new_decoder
from endonym.train.config import Phase
from endonym.train.optimizer import Optimizer
from endonym.train.step import take_step

SECONDS = 5.0
BATCH_TOKENS = 2048
DOCUMENT_TOKENS = 64


def best_number_format(machine_file: Path) -> str:
    """The number format that a phase with "auto" would get here."""
    rates = device.machine(machine_file, "matmul_per_second", device.probe_number_formats)
    return device.faster_format(rates)


def training_speed(shape: ModelConfig, number_format: str) -> float:
    """Tokens a second of training, the first step left out."""
    device.use_threads()
    decoder = new_decoder(shape, 0)
    optimizer = Optimizer(decoder, Phase(lr=1e-4), number_format)
    rows = max(1, BATCH_TOKENS // shape.context)
    tokens_BT = torch.randint(0, shape.vocab, (rows, shape.context))
    documents_BT = (torch.arange(shape.context) // DOCUMENT_TOKENS).expand(rows, -1).contiguous()
    batch = Batch(tokens_BT, tokens_BT, documents_BT)
    take_step(decoder, optimizer, batch, share=1.0, rows=rows, where="probe")
    steps, started = 0, time.perf_counter()
    while steps < 2 or time.perf_counter() - started < SECONDS:
        take_step(decoder, optimizer, batch, share=1.0, rows=rows, where="probe")
        steps += 1
    return steps * tokens_BT.numel() / (time.perf_counter() - started)
