"""One optimiser step: forward, loss, backward, sum, clip, guard, update."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from endonym.data.batches import Batch
from endonym.errors import NonFiniteLoss
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.kernels.loss import summed_nats, token_nats
from endonym.model.span import Span
from endonym.train.distributed import ALONE, Group
from endonym.train.optimizer import Optimizer


@dataclass(frozen=True, slots=True)
class Stepped:
    """What one step saw: mean nats a token, and the gradient's norm before clipping.

    ran_short: whether memory ended in some process, which then took fewer rows at a time.
    """

    nats: float
    gradient_norm: float
    ran_short: bool = False


def take_step(
    decoder: AnyDecoder, optimizer: Optimizer, batch: Batch, *, share: float, rows: int, where: str
) -> Stepped:
    """Learn from one batch, at most `rows` rows at a time; one process alone does.

    The loss is the mean over the whole batch, however it is split; the penalty of experts is that
    of each part, weighted by its tokens.
    Raises NonFiniteLoss before the update if the loss or the gradient is not finite.
    """
    tokens = batch.targets_BT.numel()
    stepped = clipped(optimizer, gather(decoder, optimizer, batch, rows=rows), tokens)
    if reason := not_finite(stepped):
        raise NonFiniteLoss(
            reason,
            where=where,
            do='The weights were not touched. Lower lr, or set number_format = "fp32".',
        )
    optimizer.step(share)
    return stepped


def gather(
    decoder: AnyDecoder,
    optimizer: Optimizer,
    batch: Batch,
    *,
    rows: int,
    tokens: int | None = None,
    group: Group = ALONE,
) -> Tensor:
    """Summed nats of a batch, and their gradient in the optimiser's hands; weights stay.

    Of a group, each process gathers from its share of the batch. tokens: those of the whole one.
    """
    count = tokens or batch.targets_BT.numel()
    total = torch.zeros((), dtype=torch.float32, device=batch.tokens_BT.device)
    for part, weight in group.parts(batch, rows, count, is_sharded=optimizer.is_sharded):
        loss = batch_loss(decoder, part)
        (loss.learnt_from * weight / count).backward()
        optimizer.collect()
        total += loss.nats.detach() * weight
    return total


def clipped(
    optimizer: Optimizer,
    nats: Tensor,
    tokens: int,
    group: Group = ALONE,
    *,
    ran_short: bool = False,
) -> Stepped:
    """What all processes gathered from a batch of so many tokens; its gradient is clipped."""
    total, is_short = group.add_up(optimizer.masters, nats, ran_short=ran_short)
    norm = optimizer.clip(optimizer.phase.clip)
    return Stepped(float(total) / tokens, float(norm), is_short)


class Loss(NamedTuple):
    """Summed nats of a batch's targets; and what is learnt from, with the penalty of experts."""

    nats: Tensor
    learnt_from: Tensor


def batch_loss(decoder: AnyDecoder, batch: Batch) -> Loss:
    """The loss of a batch, with gradients; every target counts once."""
    hidden_BTD, penalty = decoder(batch.tokens_BT, Span.packed(batch.documents_BT))
    targets_N = batch.targets_BT.flatten()
    nats = summed_nats(hidden_BTD.flatten(0, 1), decoder.readout, targets_N)
    return Loss(nats, nats + penalty * len(targets_N))


@torch.no_grad()  # not inference_mode: weights gathered from shards in it could not learn again
def held_out_nats(decoder: AnyDecoder, batch: Batch) -> Tensor:
    """Nats of each target of a batch, (B, T), without gradients or dropout."""
    was_training = decoder.training
    decoder.eval()
    hidden_BTD, _ = decoder(batch.tokens_BT, Span.packed(batch.documents_BT))
    decoder.train(was_training)
    targets_N = batch.targets_BT.flatten()
    nats_N = token_nats(hidden_BTD.flatten(0, 1), decoder.readout, targets_N)
    return nats_N.view(batch.targets_BT.shape)


def not_finite(stepped: Stepped) -> str:
    """What of a step is not a finite number; empty if all is."""
    for what, value in (("loss", stepped.nats), ("gradient", stepped.gradient_norm)):
        if not math.isfinite(value):
            return f"the {what} is not a finite number ({value})"
    return ""
