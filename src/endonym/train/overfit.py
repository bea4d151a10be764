"""Check before training: can this model overfit one row?"""

import torch

from endonym.data.batches import Batch
from endonym.errors import TrainingError
from endonym.model.attention import Attention
from endonym.model.foreign.decoder import AnyDecoder
from endonym.train.config import TrainConfig
from endonym.train.optimizer import Optimizer
from endonym.train.step import require_finite, take_step

STEPS = 60
ROW_TOKENS = 256
ENOUGH = 0.5
LEAST_LR = 2e-3
"""A phase may have a low learning rate on purpose; this check is only of the gradients."""


def overfit_one_row(decoder: AnyDecoder, batch: Batch, config: TrainConfig) -> tuple[float, float]:
    """Train a decoder on one short row; returns its nats before and after. It changes the decoder.

    Raises TrainingError if the loss does not fall to half: then gradients, optimizer or number
    format are wrong.
    """
    width = min(ROW_TOKENS, batch.tokens_BT.shape[1])
    row = batch.each(lambda part: part[:1, :width].contiguous())
    for module in decoder.float().train().modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif isinstance(module, Attention):
            module.dropout = 0.0
    lively = config.but(
        lr=max(config.lr, LEAST_LR), embedding_lr=max(config.embedding_lr, LEAST_LR)
    )
    optimizer = Optimizer(decoder, lively)
    seen, refuses = list[float](), require_finite("pre-flight")
    for _ in range(STEPS):
        stepped = take_step(decoder, optimizer, row, lr_scale=0.5, rows=1, refuses=refuses)
        seen.append(stepped.nats)
        if stepped.nats < ENOUGH / 2 * seen[0]:
            break
    if min(seen) > ENOUGH * seen[0]:
        raise TrainingError(
            f"the model cannot overfit one row: {seen[0]:.2f} nats became {min(seen):.2f} "
            f"after {len(seen)} steps",
            where=f"phase {config.name}",
            do=_advice(config, has_risen=seen[-1] > seen[0]),
        )
    return seen[0], seen[-1]


def _advice(config: TrainConfig, *, has_risen: bool) -> str:
    """What may help. The learning rate only if the phase's own was tried and diverged."""
    if has_risen and config.lr > LEAST_LR:
        return f'Lower lr = {config.lr:g} (too high diverges), or set number_format = "fp32".'
    tried = f"It was tried at lr = {max(config.lr, LEAST_LR):g}. "
    if config.number_format == "bf16":
        return tried + 'Set number_format = "fp32": bf16 may round gradients away.'
    if config.optimizer == "muon":
        return tried + 'Set optimizer = "adamw", or take another model.family.'
    return tried + "Try fewer model.layers or another model.family: gradients do not arrive."
