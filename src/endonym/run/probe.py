"""How fast this machine trains a shape: a few real steps on random tokens."""

import time

import torch

from endonym import device
from endonym.data.batches import Batch
from endonym.model.config import ModelConfig
from endonym.model.decoder import Decoder
from endonym.model.folder import Shape
from endonym.model.init import new_decoder
from endonym.train.compile import compile_blocks, obstacle
from endonym.train.config import Phase
from endonym.train.optimizer import Optimizer
from endonym.train.step import take_step

SECONDS = 4.0
DOCUMENT_TOKENS = 64


def pace(shape: Shape, phase: Phase) -> dict[str, float | None]:
    """Tokens a second as written and, if that can be, compiled, and how long compiling takes.

    Of the number format, optimiser and batch of a phase; first steps are left out.
    """
    decoder, optimizer, batch = begun(shape, phase)
    found: dict[str, float | None] = {"plain": speed(decoder, optimizer, batch)}
    if obstacle(shape) is None:
        compile_blocks(decoder)
        started = time.perf_counter()
        _step(decoder, optimizer, batch)
        found["compile_seconds"] = time.perf_counter() - started
        found["compiled"] = speed(decoder, optimizer, batch)
    return found


def begun(shape: Shape, phase: Phase) -> tuple[Decoder, Optimizer, Batch]:
    """A new model with its optimiser, and a batch of random tokens in short documents."""
    device.prepare()
    assert isinstance(shape, ModelConfig)
    decoder = new_decoder(shape, 0).train()
    optimizer = Optimizer(decoder, phase.model_copy(update={"lr": 1e-4}), phase.number_format)
    rows = max(1, (phase.batch_tokens or shape.context) // shape.context)
    tokens_BT = torch.randint(0, shape.vocab, (rows, shape.context))
    documents_BT = (torch.arange(shape.context) // DOCUMENT_TOKENS).expand(rows, -1).contiguous()
    return decoder, optimizer, Batch(tokens_BT, tokens_BT, documents_BT)


def speed(decoder: Decoder, optimizer: Optimizer, batch: Batch) -> float:
    """Tokens a second."""
    _step(decoder, optimizer, batch)
    steps, started = 0, time.perf_counter()
    while steps < 2 or time.perf_counter() - started < SECONDS:
        _step(decoder, optimizer, batch)
        steps += 1
    return steps * batch.tokens_BT.numel() / (time.perf_counter() - started)


def _step(decoder: Decoder, optimizer: Optimizer, batch: Batch) -> None:
    take_step(decoder, optimizer, batch, share=1.0, rows=len(batch), where="probe")
