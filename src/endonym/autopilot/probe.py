"""How fast this machine trains a shape: a few real steps on random tokens."""

import time
from typing import Any

import torch

from endonym.autopilot.model_size import DOCUMENT_TOKENS
from endonym.cpu_contention import Others
from endonym.data.batches import Batch
from endonym.device import prepare
from endonym.model.config import ModelConfig
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.foreign.folder import AnyModelConfig
from endonym.model.init import new_decoder
from endonym.train.compile import compile_blocks, compiler_failure, unsupported_reason
from endonym.train.config import TrainConfig
from endonym.train.memory_budget import explained_memory_errors
from endonym.train.optimizer import Optimizer
from endonym.train.step import require_finite, take_step

SECONDS = 4.0
LR = 1e-4
PARTS = 2
"""A large batch is made of parts that fit; so many show its pace, and no batch need be whole."""
DOING = "measuring the pace of training"


class Steps:
    """A model in training, with a batch of random tokens in documents of one length, on a device.

    Of the number format, optimiser, batch and parts of a phase.
    """

    def __init__(
        self,
        decoder: AnyDecoder,
        config: TrainConfig,
        device: str,
        document: int = DOCUMENT_TOKENS,
    ) -> None:
        prepare()
        shape = decoder.config
        self.decoder = decoder.to(device).train()
        self.decoder.checkpointed_blocks = config.execution.recompute
        self.optimizer = Optimizer(self.decoder, config.but(lr=LR, embedding_lr=LR))
        whole = max(1, config.batch_tokens // shape.context)
        most = max(1, config.execution.micro_tokens // shape.context)
        self.rows = min(whole, most)
        tokens_BT = torch.randint(0, shape.vocab, (min(whole, PARTS * most), shape.context))
        documents_T = torch.arange(shape.context) // document
        documents_BT = documents_T.expand(len(tokens_BT), -1).contiguous()
        parts = (part.to(device) for part in (tokens_BT, tokens_BT, documents_BT))
        self.batch, self.device = Batch(*parts), torch.device(device)
        self.others = 0.0

    def take(self) -> None:
        """One step, to its end: a GPU is waited for."""
        refuses = require_finite("probe")
        given = (self.decoder, self.optimizer, self.batch)
        take_step(*given, lr_scale=1.0, rows=self.rows, refuses=refuses)
        torch.get_device_module(self.device).synchronize()

    def speed(self) -> float:
        """Tokens a second; the first step is left out. `others` notes who took cores from it."""
        self.take()
        others, steps, started = Others(), 0, time.perf_counter()
        while steps < 2 or time.perf_counter() - started < SECONDS:
            self.take()
            steps += 1
        self.others = max(self.others, others.in_the_way() or 0.0)
        return steps * self.batch.tokens_BT.numel() / (time.perf_counter() - started)


def plain(
    decoder: AnyDecoder, config: TrainConfig, device: str = "cpu", document: int = DOCUMENT_TOKENS
) -> float:
    """Tokens a second as written; the decoder is trained on noise by it.

    document: tokens of each. Raises OutOfMemory if a step does not fit.
    """
    with explained_memory_errors(DOING):
        return Steps(decoder, config, device, document).speed()


def pace(
    shape: AnyModelConfig, config: TrainConfig, device: str = "cpu", document: int = DOCUMENT_TOKENS
) -> dict[str, Any]:
    """The fields of a `Pace`: as written and, if that can be, compiled.

    document: tokens of each; where rows are cut depends on it. Raises OutOfMemory if a step does
    not fit.
    """
    with explained_memory_errors(DOING):
        steps = Steps(fresh(shape), config, device, document)
        found: dict[str, Any] = {"plain": steps.speed()}
        if unsupported_reason(shape, device) is None:
            found |= _compiled(steps)
    return found | {"others": steps.others}


def _compiled(steps: Steps) -> dict[str, Any]:
    """The pace of blocks that are compiled, and how long that takes; or why it failed."""
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
    """A new model of one of our own shapes."""
    assert isinstance(shape, ModelConfig), "only our own shapes can be built from nothing"
    return new_decoder(shape, 0)
