"""One optimizer step: forward, loss, backward, sum over processes, clip, check, update."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from endonym.data.batches import Batch
from endonym.errors import NonFiniteLoss
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.kernels.loss import token_nats
from endonym.model.span import Span
from endonym.train.distributed import ALONE, Group
from endonym.train.memory_budget import explained_memory_errors, within_memory
from endonym.train.objectives import Objective, objective_of
from endonym.train.optimizer import Optimizer
from endonym.train.teacher import Teach


@dataclass(frozen=True, slots=True)
class Stepped:
    """The mean loss of a step, in nats per target, and the gradient norm before clipping.

    rows: of the micro-batches, as they fit in memory. refused: why the step was skipped, or empty.
    """

    nats: float
    gradient_norm: float
    rows: int = 1
    refused: str = ""


def not_finite(stepped: Stepped) -> str:
    """A message if the loss or the gradient norm is not finite; empty if both are."""
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
    optimizer: Optimizer,
    batch: Batch,
    *,
    lr_scale: float,
    rows: int,
    group: Group = ALONE,
    teach: Teach | None = None,
    refuses: Callable[[Stepped], str] = MUST_BE_FINITE,
    seed: Callable[[], None] = lambda: None,
) -> Stepped:
    """Train on one batch in micro-batches of at most `rows` rows, fewer if memory is short.

    The loss is the mean over the targets of the whole batch, by their weights; the experts' penalty
    is that of each micro-batch, weighted in the same way. lr_scale: share of the peak learning
    rates. teach: of the teacher, if there is one.
    refuses: why a step must be skipped, or empty; by default a step that is not finite raises
    NonFiniteLoss.
    seed: called before each attempt, so that a repeated one uses the same random numbers.
    """
    objective = objective_of(optimizer.config, teach)
    weight = group.sum(objective.weight(batch))

    def forward_backward(rows: int) -> Tensor:
        seed()
        return accumulate_gradients(
            optimizer, batch, rows=rows, weight=weight, group=group, objective=objective
        )

    if optimizer.is_sharded:
        # Each pass gathers weights, so one process cannot retry without the others.
        with explained_memory_errors(f"{rows} rows at a time, in shards"):
            nats = forward_backward(rows)
            fitting_rows = rows
    else:
        nats, fitting_rows = within_memory(forward_backward, rows, optimizer.forget)
    is_short = fitting_rows < rows
    total_nats, is_any_short = group.add_up(optimizer.masters, nats, ran_short=is_short)
    norm = optimizer.clip(optimizer.config.clip)
    if is_any_short:
        fitting_rows = group.least(fitting_rows)
    stepped = Stepped(float(total_nats) / weight, gradient_norm=float(norm), rows=fitting_rows)
    if reason := refuses(stepped):
        optimizer.forget()
        return replace(stepped, refused=reason)
    optimizer.step(lr_scale)
    return stepped


def accumulate_gradients(
    optimizer: Optimizer,
    batch: Batch,
    *,
    rows: int,
    weight: float,
    group: Group = ALONE,
    objective: Objective | None = None,
) -> Tensor:
    """Summed nats of this process's part of a batch; accumulates the gradient in the optimizer.

    weight: of the whole batch's targets, by which the loss is divided. objective: of the phase if
    not given.
    """
    objective = objective or objective_of(optimizer.config)
    is_sharded = optimizer.is_sharded
    total = torch.zeros((), dtype=torch.float32, device=batch.tokens_BT.device)
    for part, counts in group.micro_batches(batch, rows, is_sharded=is_sharded):
        loss = objective.loss(optimizer.decoder, part)
        (loss.objective * counts / weight).backward()
        optimizer.collect()
        total += loss.nats.detach() * counts
    return total


@torch.no_grad()  # not inference_mode: weights gathered from shards in it could not be trained
def held_out_nats(decoder: AnyDecoder, batch: Batch) -> Tensor:
    """Nats of each target of a batch, (B, T), without gradients or dropout."""
    was_training = decoder.training
    decoder.eval()
    hidden_BTD, _ = decoder(batch.tokens_BT, Span.packed(batch.documents_BT))
    decoder.train(was_training)
    nats_N = token_nats(hidden_BTD.flatten(0, 1), decoder.readout, batch.targets_BT.flatten())
    return nats_N.view(batch.targets_BT.shape)
