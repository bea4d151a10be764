"""Checks before training: does a device compute as the CPU does, can a model overfit one row?"""

import torch
from torch import Tensor

from endonym.data.batches import Batch
from endonym.errors import TrainingError
from endonym.model.attention import Attention
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.span import Span
from endonym.train.config import TrainConfig
from endonym.train.optimizer import Optimizer
from endonym.train.step import require_finite, take_step

COMPARED_TOKENS = 64
TOLERANCE = 0.01
"""Share of the logits' standard deviation; rounding alone gives 1e-5 in fp32 and 5e-2 in bf16."""
STEPS = 60
ROW_TOKENS = 256
ENOUGH = 0.5
LEAST_LR = 2e-3
"""A phase may have a low learning rate on purpose; this check is only of the gradients."""
ADAPTED_LR, ADAPTED_ENOUGH = 2e-2, 0.999
"""The same for adapters: a small rank on few matrices learns no row by heart, but it learns. Where
no gradient arrives, each step computes the same loss."""


def require_agreement(there: AnyDecoder, here: AnyDecoder, batch: Batch) -> float:
    """Compare the fp32 logits of a device and of the CPU for a row's first 64 tokens.

    there, here: decoders with equal weights, on the device and on the CPU; both are changed to fp32
    without zero weights. Returns the largest difference, as a share of the standard deviation of
    the CPU's logits. Raises TrainingError if that is above TOLERANCE.
    """
    # Residual branches start with output weights of zero, which would hide errors before them:
    # these get the same noise on both sides.
    noise = torch.Generator().manual_seed(0)
    pairs = zip(there.float().parameters(), here.float().parameters(), strict=True)
    for one, other in pairs:
        if not other.any():
            drawn = torch.randn(other.shape, generator=noise) / other.shape[-1] ** 0.5
            one.data += drawn.to(one.device)
            other.data += drawn
    parts = (batch.tokens_BT, batch.documents_BT)
    tokens_BT, documents_BT = (part[:1, :COMPARED_TOKENS].contiguous() for part in parts)
    device = str(there.readout.weight_VD.device)
    expected_BTV = logits(here, tokens_BT, documents_BT)
    gaps_BTV = (logits(there, tokens_BT, documents_BT) - expected_BTV).abs()
    gap = float(gaps_BTV.max()) / max(float(expected_BTV.std()), 1e-30)
    if gap <= TOLERANCE:
        return gap
    worst = int(gaps_BTV[0].amax(-1).argmax())  # The first NaN, if there is one.
    raise TrainingError(
        f"logits differ from those of the CPU by {gap:.3g} of their spread, most after token "
        f"{worst + 1} of {tokens_BT.shape[1]}: at most {TOLERANCE} was expected",
        where=f"pre-flight on {device}",
        do="This torch computes something wrongly on this device: train with --device cpu, on "
        "another device, or with another version of torch.",
    )


@torch.no_grad()
def logits(decoder: AnyDecoder, tokens_BT: Tensor, documents_BT: Tensor) -> Tensor:
    """Logits without dropout, (B, T, V), on the CPU; matrix products in full fp32 precision."""
    device = decoder.readout.weight_VD.device
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        found = decoder.eval().logits(tokens_BT.to(device), Span.packed(documents_BT.to(device)))
    finally:
        torch.set_float32_matmul_precision(precision)
    return found.float().cpu()


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
    optimizer, refuses = Optimizer(decoder, lively), require_finite("pre-flight")
    seen = list[float]()
    for _ in range(STEPS):
        stepped = take_step(optimizer, row, lr_scale=0.5, rows=1, refuses=refuses)
        seen.append(stepped.nats)
        if stepped.nats < enough / 2 * seen[0]:
            break
    if min(seen) > enough * seen[0]:
        what = "model cannot overfit one row" if config.adapt is None else "adapters learn no row"
        raise TrainingError(
            f"the {what}: {seen[0]:.4f} nats became {min(seen):.4f} after {len(seen)} steps",
            where=f"phase {config.name}",
            do=_advice(config, least_lr, has_risen=seen[-1] > seen[0]),
        )
    return seen[0], seen[-1]


def _short_row(batch: Batch) -> Batch:
    """The beginning of a row. Pairs are not cut, nor is a row of which nothing else is learnt."""
    width = min(ROW_TOKENS, batch.tokens_BT.shape[1])
    weights, is_cut = batch.weights_BT, batch.reference_BT is None
    if weights is not None and not weights[:1, :width].any():
        is_cut = False
    return batch.each(lambda part: part[:1, : width if is_cut else None].contiguous())


def _advice(config: TrainConfig, least_lr: float, *, has_risen: bool) -> str:
    """What may help. The learning rate only if the phase's own was tried and diverged."""
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
