"""Attention over packed documents on a GPU: torch's flash kernel for sequences of many lengths.

Its work grows with the length of each document, and it needs no mask in memory. Before it is used,
it is compared with the dense mask on a few tokens.
"""

import functools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from endonym.model.span import Span

TOLERANCE = 0.03
"""Relative to the largest number: bf16 has eight bits, and sums are in another order."""
TRIED_LENGTHS = (5, 1, 300, 129)
TRIED_WINDOWS = (None, 4, 130)
"""Lengths of documents and windows below, just above and far above a tile of the kernel."""
TRIED_HEADS = ((4, 2), (2, 2))


def unsupported_reason(device: torch.device, dtype: torch.dtype, width: int) -> str | None:
    """Why the kernel cannot be used for heads of this width; None if it can.

    Raises torch's OutOfMemoryError if there is no memory for a few hundred tokens.
    """
    if device.type != "cuda":
        return f"never tried on {device.type}"
    if dtype not in (torch.bfloat16, torch.float16):
        return f"the kernel does not compute in {str(dtype).removeprefix('torch.')}"
    return reason_by_trial(device, dtype, width)


@functools.cache
def reason_by_trial(device: torch.device, dtype: torch.dtype, width: int) -> str | None:
    """Why the kernel fails or is inexact on a few tokens; None if it is exact."""
    # Validation or training may call it first, with or without gradients and hooks.
    no_hooks = torch.autograd.graph.saved_tensors_hooks(lambda x: x, lambda x: x)
    try:
        with torch.inference_mode(False), torch.enable_grad(), no_hooks:
            gap = max(
                gap_from_dense(device, dtype, width, window=window, heads=heads)
                for window in TRIED_WINDOWS
                for heads in TRIED_HEADS
            )
    except torch.OutOfMemoryError:
        raise
    except (ImportError, RuntimeError, TypeError) as error:  # An old torch or GPU, a new width.
        return str(error).strip().split("\n")[0] or type(error).__name__
    if gap <= TOLERANCE:
        return None
    return f"the kernel differs from the dense mask by {gap:.2g} of the largest number"


def attend_varlen(
    query_BTHK: Tensor,
    keys_BTGK: Tensor,
    values_BTGK: Tensor,
    span: Span,
    *,
    window: int | None = None,
) -> Tensor:
    """Attention within documents: softmax(Q Kᵀ / √K + mask) V, (B, T, H, K).

    window: keys that a token sees, itself included.
    """
    from torch.nn.attention.varlen import varlen_attn

    rows = len(query_BTHK)
    if "cuts" not in span.memo:  # Once a pass, since counting documents waits for the GPU.
        is_first_BT = (span.positions_BT == 0).expand(rows, -1)
        starts_D = is_first_BT.flatten().nonzero().flatten()
        end = starts_D.new_full((1,), rows * span.length)
        span.memo["cuts"] = torch.cat((starts_D, end)).to(torch.int32)
    cuts_D = span.memo["cuts"]
    mixed = varlen_attn(
        query_BTHK.flatten(0, 1),
        keys_BTGK.flatten(0, 1),
        values_BTGK.flatten(0, 1),
        cuts_D,
        cuts_D,
        span.length,
        span.length,
        window_size=(-1 if window is None else window - 1, 0),
        enable_gqa=query_BTHK.shape[2] != keys_BTGK.shape[2],
    )
    assert isinstance(mixed, Tensor)
    return mixed.view(query_BTHK.shape)


def gap_from_dense(
    device: torch.device,
    dtype: torch.dtype,
    width: int,
    *,
    window: int | None,
    heads: tuple[int, int],
) -> float:
    """Largest relative difference of outputs and gradients from those with the dense mask."""
    lengths = torch.tensor(TRIED_LENGTHS, device=device)
    documents_T = torch.arange(len(lengths), device=device).repeat_interleave(lengths)
    span = Span.packed(torch.stack((documents_T, documents_T.flip(0))))
    noise = torch.Generator().manual_seed(0)
    counts = (heads[0], heads[1], heads[1], heads[0])
    shapes = [(2, span.length, count, width) for count in counts]
    *inputs, weights = (torch.randn(shape, generator=noise).to(device) for shape in shapes)

    def outputs_and_gradients(kernel: Callable[..., Tensor], dtype: torch.dtype) -> list[Tensor]:
        parts = [part.to(dtype).requires_grad_() for part in inputs]
        mixed = kernel(*parts, span, window=window)
        return [mixed.detach(), *torch.autograd.grad((mixed * weights).sum(), parts)]

    fast = outputs_and_gradients(attend_varlen, dtype)
    slow = outputs_and_gradients(_dense, torch.float64)
    pairs = zip(fast, slow, strict=True)
    return max(float((one - other).abs().max() / other.abs().max()) for one, other in pairs)


def _dense(
    query_BTHK: Tensor, keys_BTGK: Tensor, values_BTGK: Tensor, span: Span, *, window: int | None
) -> Tensor:
    """Attention within documents by a dense mask, (B, T, H, K)."""
    mask_BTM = span.mask(window)
    assert mask_BTM is not None
    parts = (each.transpose(1, 2) for each in (query_BTHK, keys_BTGK, values_BTGK))
    mixed = scaled_dot_product_attention(*parts, attn_mask=mask_BTM[:, None], enable_gqa=True)
    return mixed.transpose(1, 2)
