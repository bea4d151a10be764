"""One optimiser step: forward, loss, backward, clip, guard, update."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from endonym.data.batches import Batch
from endonym.errors import NonFiniteLoss
from endonym.model.foreign import AnyDecoder
from endonym.model.loss import summed_nats, token_nats
from endonym.model.span import Span
from endonym.train.distributed import ALONE, Group
from endonym.train.optimizer import Optimizer


@dataclass(frozen=True, slots=True)
class Stepped:
    """What one step saw: mean nats a token, and the gradient's norm before clipping."""

    nats: float
    gradient_norm: float


def take_step(
    decoder: AnyDecoder,
    optimizer: Optimizer,
    batch: Batch,
    *,
    share: float,
    rows: int,
    where: str,
    group: Group = ALONE,
    tokens: int | None = None,
) -> Stepped:
    """Learn from one batch, at most `rows` rows at a time.

    The loss is the mean over the whole batch, however it is split; the penalty of experts is that
    of each part, weighted by its tokens. Of a group, each process gives its share of the batch;
    tokens: those of the whole batch.
    Raises NonFiniteLoss before the update if the loss or the gradient is not finite.
    """
    count = tokens or batch.targets_BT.numel()
    total = torch.zeros((), dtype=torch.float32, device=batch.tokens_BT.device)
    for part, weight in group.parts(batch, rows, count):
        nats = batch_nats(decoder, part) * weight
        (nats / count).backward()
        optimizer.collect()
        total += nats.detach()
    total = group.add_up(optimizer.masters, total)
    norm = optimizer.clip(optimizer.phase.clip)
    stepped = Stepped(float(total) / count, float(norm))
    guard(stepped, where)
    optimizer.step(share)
    return stepped


def batch_nats(decoder: AnyDecoder, batch: Batch) -> Tensor:
    """Summed nats of a batch's targets, with gradients; every target counts once."""
    hidden_BTD, penalty = decoder(batch.tokens_BT, Span.packed(batch.documents_BT))
    targets_N = batch.targets_BT.flatten()
    nats = summed_nats(hidden_BTD.flatten(0, 1), decoder.readout, targets_N)
    return nats + penalty * len(targets_N)


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


def guard(stepped: Stepped, where: str) -> None:
    """Stop before harm."""
    if not (math.isfinite(stepped.nats) and math.isfinite(stepped.gradient_norm)):
        what = "loss" if not math.isfinite(stepped.nats) else "gradient"
        raise NonFiniteLoss(
            f"the {what} is not a finite number ({stepped.nats}, {stepped.gradient_norm})",
            where=where,
            do='The weights were not touched. Lower lr, or set number_format = "fp32".',
        )
