"""One optimiser step: forward, loss, backward, sum, clip, guard, update."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from endonym.data.batches import Batch
from endonym.errors import NonFiniteLoss
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.kernels.loss import summed_nats, token_nats
from endonym.model.span import Span
from endonym.train.distributed import ALONE, Group
from endonym.train.memory_budget import explained_memory_errors, within_memory
from endonym.train.optimizer import Optimizer


@dataclass(frozen=True, slots=True)
class Stepped:
    """What one step saw: mean nats a token, and the gradient's norm before clipping.

    rows: how many at a time memory held. refused: why the weights were not changed; empty if they
    were.
    """

    nats: float
    gradient_norm: float
    rows: int = 1
    refused: str = ""


def not_finite(stepped: Stepped) -> str:
    """What of a step is not a finite number; empty if all is."""
    for what, value in (("loss", stepped.nats), ("gradient", stepped.gradient_norm)):
        if not math.isfinite(value):
            return f"the {what} is not a finite number ({value})"
    return ""


def require_finite(where: str) -> Callable[[Stepped], str]:
    """For `take_step`: a step whose loss or gradient is not finite raises NonFiniteLoss."""

    def refuses(stepped: Stepped) -> str:
        if reason := not_finite(stepped):
            raise NonFiniteLoss(
                reason,
                where=where,
                do='The weights were not touched. Lower lr, or set number_format = "fp32".',
            )
        return ""

    return refuses


MUST_BE_FINITE = require_finite("")


def take_step(
    decoder: AnyDecoder,
    optimizer: Optimizer,
    batch: Batch,
    *,
    lr_scale: float,
    rows: int,
    tokens: int | None = None,
    group: Group = ALONE,
    refuses: Callable[[Stepped], str] = MUST_BE_FINITE,
    seed: Callable[[], None] = lambda: None,
) -> Stepped:
    """Learn from one batch, at most `rows` rows at a time, fewer where memory ends.

    The loss is the mean over the whole batch, however it is split; the penalty of experts is that
    of each part, weighted by its tokens. lr_scale: the share of the peak rates.
    tokens: of the whole batch, where a process of a group has its part of it.
    refuses: says why a step must not change the weights; empty if it may. If none is given, a step
    that is not finite raises NonFiniteLoss.
    seed: called before each try at the gradient, so that one that is repeated draws the same.
    """
    count = tokens or batch.targets_BT.numel()

    def gathered(rows: int) -> Tensor:
        seed()
        return gather(decoder, optimizer, batch, rows=rows, tokens=count, group=group)

    if optimizer.is_sharded:
        # Each pass gathers weights: the others would wait for a process that begins anew.
        with explained_memory_errors(f"{rows} rows at a time, in shards"):
            nats, held = gathered(rows), rows
    else:
        nats, held = within_memory(gathered, rows, optimizer.forget)
    total, ran_short = group.add_up(optimizer.masters, nats, ran_short=held < rows)
    norm = optimizer.clip(optimizer.config.clip)
    held = group.least(held) if ran_short else held
    stepped = Stepped(float(total) / count, float(norm), held)
    if reason := refuses(stepped):
        optimizer.forget()
        return replace(stepped, refused=reason)
    optimizer.step(lr_scale)
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
