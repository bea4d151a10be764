"""Check before training: can this model overfit one row?"""

import torch

from endonym.data.batches import Batch
from endonym.errors import TrainingError
from endonym.model.attention import Attention
from endonym.model.foreign.decoder import AnyDecoder
from endonym.train.config import TrainConfig
from endonym.train.objectives.registry import objective_of
from endonym.train.optimizer import Optimizer
from endonym.train.step import require_finite, take_step

STEPS = 60
ROW_TOKENS = 256
ENOUGH = 0.5
LEAST_LR = 2e-3
"""A phase may have a low learning rate on purpose; this check is only of the gradients."""
ADAPTED_LR, ADAPTED_ENOUGH = 2e-2, 0.999
"""The same for adapters: a small rank on few matrices learns no row by heart, but it learns. Where
no gradient arrives, each step computes the same loss."""


def overfit_one_row(decoder: AnyDecoder, batch: Batch, config: TrainConfig) -> tuple[float, float]:
    """Train a decoder on one short row; returns its nats before and after. It changes the decoder.

    Raises TrainingError if the loss does not fall to half, or of adapters not at all: then
    gradients, optimizer or number format are wrong.
    """
    row = _short_row(batch)
    for module in decoder.float().train().modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif isinstance(module, Attention):
            module.dropout = 0.0
    enough, least_lr = ENOUGH, LEAST_LR
    if config.adapt is not None:
        enough, least_lr = ADAPTED_ENOUGH, ADAPTED_LR
    lively = config.but(
        lr=max(config.lr, least_lr), embedding_lr=max(config.embedding_lr, least_lr)
    )
    optimizer, objective = Optimizer(decoder, lively), objective_of(config)
    seen, refuses = list[float](), require_finite("pre-flight")
    for _ in range(STEPS):
        stepped = take_step(
            decoder, optimizer, row, lr_scale=0.5, rows=1, objective=objective, refuses=refuses
        )
        seen.append(stepped.nats)
        if stepped.nats < enough / 2 * seen[0]:
            break
    if min(seen) > enough * seen[0]:
        what = "model cannot overfit one row" if config.adapt is None else "adapters learn no row"
        raise TrainingError(
            f"the {what}: {seen[0]:.4f} nats became {min(seen):.4f} after {len(seen)} steps",
            where=f"phase {config.name}",
            do=_advice(config, has_risen=seen[-1] > seen[0]),
        )
    return seen[0], seen[-1]


def _short_row(batch: Batch) -> Batch:
    """The beginning of a row. Pairs are not cut, nor is a row of which nothing else is learnt."""
    width = min(ROW_TOKENS, batch.tokens_BT.shape[1])
    weights, is_cut = batch.weights_BT, batch.reference_BT is None
    if weights is not None and not weights[:1, :width].any():
        is_cut = False
    return batch.each(lambda part: part[:1, : width if is_cut else None].contiguous())


def _advice(config: TrainConfig, *, has_risen: bool) -> str:
    """What may help. The learning rate only if the phase's own was tried and diverged."""
    least_lr = LEAST_LR if config.adapt is None else ADAPTED_LR
    if has_risen and config.lr > least_lr:
        return f'Lower lr = {config.lr:g} (too high diverges), or set number_format = "fp32".'
    tried = f"It was tried at lr = {max(config.lr, least_lr):g}. "
    is_narrow = config.number_format == "bf16"
    if config.adapt is not None:
        tried += "Name more matrices in adapt.on, or give a larger adapt.rank"
        return tried + ('; or set number_format = "fp32".' if is_narrow else ".")
    if is_narrow:
        return tried + 'Set number_format = "fp32": bf16 may round gradients away.'
    if config.optimizer == "muon":
        return tried + 'Set optimizer = "adamw", or take another model.family.'
    return tried + "Try fewer model.layers or another model.family: gradients do not arrive."
