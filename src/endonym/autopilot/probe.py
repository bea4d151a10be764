"""Measures how fast this machine trains a shape, by a few real steps on random tokens."""

import time
from typing import Any

import torch

from endonym.autopilot.model_size import DOCUMENT_TOKENS
from endonym.autopilot.workload import Workload
from endonym.cpu_contention import OtherProcesses
from endonym.data.batches import Batch
from endonym.device import prepare
from endonym.model.config import ModelConfig
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.foreign.folder import AnyModelConfig
from endonym.model.init import new_decoder
from endonym.model.lora import adapted
from endonym.train.compile import compile_blocks, compiler_failure, unsupported_reason
from endonym.train.config import TrainConfig
from endonym.train.memory_budget import explained_memory_errors
from endonym.train.optimizer import Optimizer
from endonym.train.step import require_finite, take_step

SECONDS = 4.0
LR = 1e-4
PARTS = 2
"""A large batch is processed in parts that fit into memory; so many of them are measured."""
DOING = "measuring the pace of training"


class Steps:
    """Training steps on one batch of random tokens, in documents of equal length.

    Number format, optimizer, batch size and micro-batches are those of a phase.
    """

    def __init__(
        self, decoder: AnyDecoder, config: TrainConfig, device: str, document: int = DOCUMENT_TOKENS
    ) -> None:
        prepare()
        shape = decoder.config
        self.decoder = adapted(decoder, config.adapt, 0).to(device).train()
        self.decoder.checkpointed_blocks = config.execution.recompute
        self.optimizer = Optimizer(self.decoder, config.but(lr=LR, embedding_lr=LR))
        row = config.row_tokens(shape.context)
        whole = max(1, config.batch_tokens // row)
        most = max(1, config.execution.micro_tokens // row)
        self.rows = min(whole, most)
        tokens_BT = torch.randint(0, shape.vocab, (min(whole, PARTS * most), row))
        documents_T = torch.arange(row) // document
        documents_BT = documents_T.expand(len(tokens_BT), -1).contiguous()
        self.batch = Batch(tokens_BT, tokens_BT, documents_BT).to(device)
        self.device = torch.device(device)
        self.others = 0.0

    def take(self) -> None:
        """One step; waits until a GPU has finished it."""
        refuses = require_finite("probe")
        take_step(self.optimizer, self.batch, lr_scale=1.0, rows=self.rows, refuses=refuses)
        torch.get_device_module(self.device).synchronize()

    def speed(self) -> float:
        """Tokens a second, without the first step. Updates `others`: cores used by others."""
        self.take()
        others = OtherProcesses()
        steps = 0
        started = time.perf_counter()
        while steps < 2 or time.perf_counter() - started < SECONDS:
            self.take()
            steps += 1
        self.others = max(self.others, others.cores_taken() or 0.0)
        return steps * self.batch.tokens_BT.numel() / (time.perf_counter() - started)


def plain(
    decoder: AnyDecoder, config: TrainConfig, device: str = "cpu", document: int = DOCUMENT_TOKENS
) -> float:
    """Tokens a second without compilation. Changes the decoder's weights.

    document: length in tokens. Raises OutOfMemory if a step does not fit.
    """
    with explained_memory_errors(DOING):
        return Steps(decoder, config, device, document).speed()


def pace(work: Workload, *, compiles: bool = True) -> dict[str, Any]:
    """The fields of a `Pace`: without compilation and, if possible and asked for, with it.

    Raises OutOfMemory if a step does not fit.
    """
    with explained_memory_errors(DOING):
        steps = Steps(fresh(work.shape), work.config, work.target, work.length)
        fields: dict[str, Any] = {"plain": steps.speed()}
        if compiles and unsupported_reason(work.shape, work.target) is None:
            fields |= _compiled(steps)
    return fields | {"others": steps.others}


def _compiled(steps: Steps) -> dict[str, Any]:
    """The speed with compiled blocks and the compile time; or why it failed."""
    compile_blocks(steps.decoder)
    started = time.perf_counter()
    try:
        steps.take()
    except Exception as error:
        if (failure := compiler_failure(error)) is None:
            raise
        return {"failure": failure}
    seconds = time.perf_counter() - started
    return {"compile_seconds": seconds, "compiled": steps.speed()}


def fresh(shape: AnyModelConfig) -> AnyDecoder:
    """A new model; only our own shapes can be built from nothing."""
    assert isinstance(shape, ModelConfig), "only our own shapes can be built from nothing"
    return new_decoder(shape, 0)
