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
from endonym.train.optimizer import Optimizer


@dataclass(frozen=True, slots=True)
class Stepped:
    """What one step saw: mean nats a token, and the gradient's norm before clipping."""

    nats: float
    gradient_norm: float


def take_step(
    decoder: AnyDecoder, optimizer: Optimizer, batch: Batch, *, share: float, rows: int, where: str
) -> Stepped:
    """Learn from one batch, at most `rows` rows at a time.

    The loss is the mean over the whole batch, however it is split; the penalty of experts is that
    of each part, weighted by its tokens.
    Raises NonFiniteLoss before the update if the loss or the gradient is not finite.
    """
    stepped = gather(decoder, optimizer, batch, rows=rows)
    guard(stepped, where)
    optimizer.step(share)
    return stepped


def gather(decoder: AnyDecoder, optimizer: Optimizer, batch: Batch, *, rows: int) -> Stepped:
    """The clipped gradient of a batch, in the optimiser's hands; the weights are not touched."""
    count = batch.targets_BT.numel()
    total = torch.zeros((), dtype=torch.float32, device=batch.tokens_BT.device)
    for part in batch.parts(rows):
        nats = batch_nats(decoder, part)
        (nats / count).backward()
        optimizer.collect()
        total += nats.detach()
    norm = optimizer.clip(optimizer.phase.clip)
    return Stepped(float(total) / count, float(norm))


def batch_nats(decoder: AnyDecoder, batch: Batch) -> Tensor:
    """Summed nats of a batch's targets, with gradients; every target counts once."""
    hidden_BTD, penalty = decoder(batch.tokens_BT, Span.packed(batch.documents_BT))
    targets_N = batch.targets_BT.flatten()
    nats = summed_nats(hidden_BTD.flatten(0, 1), decoder.readout, targets_N)
    return nats + penalty * len(targets_N)


@torch.inference_mode()
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
