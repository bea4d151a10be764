"""Check before training: does the device compute the same logits as the CPU?"""

import torch
from torch import Tensor

from endonym.data.batches import Batch
from endonym.errors import TrainingError
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.span import Span

ROW_TOKENS = 64
TOLERANCE = 0.01
"""Share of the logits' standard deviation; rounding alone gives 1e-5 in fp32 and 5e-2 in bf16."""


def require_agreement(there: AnyDecoder, here: AnyDecoder, batch: Batch) -> float:
    """Compare the fp32 logits of a device and of the CPU for a row's first 64 tokens.

    there, here: decoders with equal weights, on the device and on the CPU; both are changed to fp32
    without zero weights. Returns the largest difference, as a share of the standard deviation of
    the CPU's logits. Raises TrainingError if that is above TOLERANCE.
    """
    stir(there, here)
    parts = (batch.tokens_BT, batch.documents_BT)
    tokens_BT, documents_BT = (part[:1, :ROW_TOKENS].contiguous() for part in parts)
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
def stir(there: AnyDecoder, here: AnyDecoder) -> None:
    """Replace all-zero weights by the same noise in both decoders, and make both fp32.

    Residual branches start with output weights of zero, which would hide errors before them.
    """
    noise = torch.Generator().manual_seed(0)
    pairs = zip(there.float().parameters(), here.float().parameters(), strict=True)
    for one, other in pairs:
        if not other.any():
            drawn = torch.randn(other.shape, generator=noise) / other.shape[-1] ** 0.5
            one += drawn.to(one.device)
            other += drawn


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
