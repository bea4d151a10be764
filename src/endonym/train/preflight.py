"""Before hours are spent: can this model learn one row by heart?"""

import torch

from endonym.data.batches import Batch
from endonym.errors import TrainingError
from endonym.model.attention import Attention
from endonym.model.foreign.decoder import AnyDecoder
from endonym.train.config import Phase
from endonym.train.optimizer import Optimizer
from endonym.train.step import take_step

STEPS = 60
ROW_TOKENS = 256
ENOUGH = 0.5
LEAST_LR = 2e-3
"""A careful phase has a low rate on purpose; what is tried here is whether gradients work."""


def learn_by_heart(decoder: AnyDecoder, batch: Batch, phase: Phase) -> tuple[float, float]:
    """Train a decoder on one short row; returns its nats before and after. It is of no use then.

    Raises TrainingError if the loss does not fall to half: then gradients, optimiser or number
    format are at fault, and no amount of text would help.
    """
    width = min(ROW_TOKENS, batch.tokens_BT.shape[1])
    parts = (batch.tokens_BT, batch.targets_BT, batch.documents_BT)
    row = Batch(*(part[:1, :width].contiguous() for part in parts))
    decoder.float().train().apply(_without_dropout)
    rates = {"lr": phase.lr or 0.0, "embedding_lr": phase.embedding_lr}
    floors = {key: max(rate, LEAST_LR) for key, rate in rates.items() if rate is not None}
    lively = phase.model_copy(update=floors)
    optimizer = Optimizer(decoder, lively, phase.number_format)
    seen: list[float] = []
    for _ in range(STEPS):
        stepped = take_step(decoder, optimizer, row, share=0.5, rows=1, where="pre-flight")
        seen.append(stepped.nats)
        if stepped.nats < ENOUGH / 2 * seen[0]:
            break
    if min(seen) > ENOUGH * seen[0]:
        raise TrainingError(
            f"one row cannot be learnt by heart: {seen[0]:.2f} nats became {min(seen):.2f} "
            f"after {len(seen)} steps",
            where=f"phase {phase.name}",
            do=_advice(phase, has_risen=seen[-1] > seen[0]),
        )
    return seen[0], seen[-1]


def _advice(phase: Phase, *, has_risen: bool) -> str:
    """What may help; the rate only where it is the phase's own that was tried, and diverged."""
    if has_risen and (phase.lr or 0.0) > LEAST_LR:
        return f'Lower lr = {phase.lr:g} (too high diverges), or set number_format = "fp32".'
    tried = f"It was tried at lr = {max(phase.lr or 0.0, LEAST_LR):g}. "
    if phase.number_format == "bf16":
        return tried + 'Set number_format = "fp32": bf16 may round gradients away.'
    if phase.optimizer == "muon":
        return tried + 'Set optimizer = "adamw", or take another model.family.'
    return tried + "Try fewer model.layers or another model.family: gradients do not arrive."


def _without_dropout(module: torch.nn.Module) -> None:
    if isinstance(module, torch.nn.Dropout):
        module.p = 0.0
    elif isinstance(module, Attention):
        module.dropout = 0.0
