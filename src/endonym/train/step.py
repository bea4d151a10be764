"""One optimizer step: forward, loss, backward, sum over processes, clip, check, update."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
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
    """Mean nats per token of a step, and the gradient norm before clipping.

    rows: of the micro-batches, as they fit in memory. refused: why the step was skipped, or empty.
    """

    nats: float
    gradient_norm: float
    rows: int = 1
    refused: str = ""


def not_finite(stepped: Stepped) -> str:
    """A message if the loss or the gradient norm is not finite, or empty."""
    for what, value in (("loss", stepped.nats), ("gradient", stepped.gradient_norm)):
        if not math.isfinite(value):
            return f"the {what} is not a finite number ({value})"
    return ""


def require_finite(where: str) -> Callable[[Stepped], str]:
    """A `refuses` for `take_step` that raises NonFiniteLoss if loss or gradient is not finite."""

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
    """Train on one batch in micro-batches of at most `rows` rows, fewer if memory is short.

    The loss is the mean over the whole batch; the experts' penalty is that of each micro-batch,
    weighted by its tokens. lr_scale: share of the peak learning rates.
    tokens: of the whole batch, if this process has only a part of it.
    refuses: why a step must be skipped, or empty; by default a step that is not finite raises
    NonFiniteLoss.
    seed: called before each attempt, so that a repeated one uses the same random numbers.
    """
    count = tokens or batch.targets_BT.numel()
    forward_backward = partial(
        accumulate_gradients, decoder, optimizer, batch, tokens=count, group=group, seed=seed
    )
    if optimizer.is_sharded:
        # Each pass gathers weights, so one process cannot retry without the others.
        with explained_memory_errors(f"{rows} rows at a time, in shards"):
            nats, held = forward_backward(rows=rows), rows
    else:
        nats, held = within_memory(forward_backward, rows, optimizer.forget)
    total, ran_short = group.add_up(optimizer.masters, nats, ran_short=held < rows)
    norm = optimizer.clip(optimizer.config.clip)
    held = group.least(held) if ran_short else held
    stepped = Stepped(float(total) / count, float(norm), held)
    if reason := refuses(stepped):
        optimizer.forget()
        return replace(stepped, refused=reason)
    optimizer.step(lr_scale)
    return stepped


def accumulate_gradients(
    decoder: AnyDecoder,
    optimizer: Optimizer,
    batch: Batch,
    *,
    rows: int,
    tokens: int | None = None,
    group: Group = ALONE,
    seed: Callable[[], None] = lambda: None,
) -> Tensor:
    """Summed nats of this process's part of a batch; accumulates the gradient in the optimizer.

    tokens: of the whole batch, by which the loss is divided. seed: called before anything random.
    """
    seed()
    count = tokens or batch.targets_BT.numel()
    total = torch.zeros((), dtype=torch.float32, device=batch.tokens_BT.device)
    for part, weight in group.micro_batches(batch, rows, count, is_sharded=optimizer.is_sharded):
        loss = batch_loss(decoder, part)
        (loss.objective * weight / count).backward()
        optimizer.collect()
        total += loss.nats.detach() * weight
    return total


class Loss(NamedTuple):
    """Summed nats of a batch's targets, and the loss to minimise, with the experts' penalty."""

    nats: Tensor
    objective: Tensor


def batch_loss(decoder: AnyDecoder, batch: Batch) -> Loss:
    """The loss of a batch, with gradients; all targets have the same weight."""
    hidden_BTD, penalty = decoder(batch.tokens_BT, Span.packed(batch.documents_BT))
    targets_N = batch.targets_BT.flatten()
    nats = summed_nats(hidden_BTD.flatten(0, 1), decoder.readout, targets_N)
    return Loss(nats, nats + penalty * len(targets_N))


@torch.no_grad()  # not inference_mode: weights gathered from shards in it could not be trained
def held_out_nats(decoder: AnyDecoder, batch: Batch) -> Tensor:
    """Nats of each target of a batch, (B, T), without gradients or dropout."""
    was_training = decoder.training
    decoder.eval()
    hidden_BTD, _ = decoder(batch.tokens_BT, Span.packed(batch.documents_BT))
    decoder.train(was_training)
    targets_N = batch.targets_BT.flatten()
    nats_N = token_nats(hidden_BTD.flatten(0, 1), decoder.readout, targets_N)
    return nats_N.view(batch.targets_BT.shape)
