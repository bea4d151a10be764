"""A short depthwise causal convolution.

All rows are laid end to end, with W - 1 zeros (or the cached tail) before each document, so that no
tap reaches into another one. Source: Mamba, arXiv:2312.00752, section 3.4.

W: taps. P: the W - 1 inputs before the tokens. N: rows of the layout. M: outputs of all of them.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

ROWS_AT_ONCE = 32
"""Rows multiplied and summed at a time, so that they stay in a core's cache."""


def causal_convolution(
    x_BTC: Tensor,
    weight_CW: Tensor,
    bias_C: Tensor | None,
    *,
    is_first_BT: Tensor | None = None,
    tail_BWC: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """y_t = bias + sum over j of weight_j x_(t - W + 1 + j), and the tail for the next call.

    is_first_BT: True where a document starts; inputs before it count as zero, also in the tail.
    tail_BWC: the W - 1 inputs before x, as the last call returned them; None: zeros.
    """
    batch, length, channels = x_BTC.shape
    if tail_BWC is None:
        tail_BWC = x_BTC.new_zeros(batch, weight_CW.shape[1] - 1, channels)
    if length == 1 and is_first_BT is None:
        return _one_step(x_BTC, weight_CW, bias_C, tail_BWC)
    gaps_BT = torch.zeros((batch, length), dtype=torch.long, device=x_BTC.device)
    if is_first_BT is not None:
        gaps_BT += is_first_BT
    gaps_BT[:, 0] += 1  # A gap of W - 1 zeros before each row, and before each document in it.
    steps_BT = torch.arange(gaps_BT.numel(), device=x_BTC.device).view_as(gaps_BT)
    index_BT = tail_BWC.shape[1] * gaps_BT.flatten().cumsum(0).view_as(gaps_BT) + steps_BT
    return _Convolution.apply(x_BTC, weight_CW, bias_C, tail_BWC, index_BT)


def _one_step(
    x_B1C: Tensor, weight_CW: Tensor, bias_C: Tensor | None, tail_BPC: Tensor
) -> tuple[Tensor, Tensor]:
    """One token, by the definition, summed in at least fp32."""
    seen_BWC = torch.cat((tail_BPC, x_B1C), 1)
    dtype = torch.promote_types(x_B1C.dtype, torch.float32)
    y_B1C = (seen_BWC.to(dtype) * weight_CW.T).sum(1, keepdim=True)
    y_B1C = y_B1C if bias_C is None else y_B1C + bias_C
    return y_B1C.to(x_B1C.dtype), seen_BWC[:, 1:]


class _Convolution(torch.autograd.Function):
    """The gradient of a row is the convolution of the outputs' gradients with reversed taps."""

    @staticmethod
    def forward(
        ctx: Any, x_BTC: Tensor, weight_CW: Tensor, bias_C: Any, tail_BPC: Tensor, index_BT: Tensor
    ) -> tuple[Tensor, Tensor]:
        gap = tail_BPC.shape[1]
        lasts_B = index_BT[:, -1]
        within_P = torch.arange(gap, device=x_BTC.device)
        tails_BP = lasts_B[:, None] - within_P.flip(0)
        heads_BP = F.pad(lasts_B[:-1] + 1, (1, 0))[:, None] + within_P
        rows_NC = x_BTC.new_zeros(int(lasts_B[-1]) + 1, x_BTC.shape[2])
        rows_NC[heads_BP] = tail_BPC
        rows_NC.index_copy_(0, index_BT.flatten(), x_BTC.flatten(0, 1))
        ctx.save_for_backward(rows_NC, weight_CW, index_BT, heads_BP, tails_BP)
        y_MC = _convolve(rows_NC, weight_CW, bias_C, 0)
        y_BTC = y_MC.index_select(0, index_BT.flatten() - gap).view_as(x_BTC)
        return y_BTC, rows_NC[tails_BP]

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        d_y_BTC, d_tail_BPC = grad_outputs
        rows_NC, weight_CW, index_BT, heads_BP, tails_BP = ctx.saved_tensors
        gap = tails_BP.shape[1]
        index = index_BT.flatten()
        d_y_MC = rows_NC.new_zeros(len(rows_NC) - gap, rows_NC.shape[1])
        d_y_MC.index_copy_(0, index - gap, d_y_BTC.flatten(0, 1))
        d_rows_NC = _convolve(d_y_MC, weight_CW.flip(1), None, gap)
        d_rows_NC[tails_BP] += d_tail_BPC
        d_x_BTC = d_rows_NC.index_select(0, index).view_as(d_y_BTC)
        d_weight_CW = _weight_slopes(d_y_MC, rows_NC, gap + 1).to(weight_CW.dtype)
        d_bias_C = d_y_BTC.sum((0, 1)) if ctx.needs_input_grad[2] else None
        d_head_BPC = d_rows_NC[heads_BP] if ctx.needs_input_grad[3] else None
        return d_x_BTC, d_weight_CW, d_bias_C, d_head_BPC, None


def _convolve(rows_NC: Tensor, weight_CW: Tensor, bias_C: Any, padding: int) -> Tensor:
    """The convolution by conv2d, on an image one pixel high with channels last.

    On a CPU conv2d takes 1.3 ms and conv1d 7 ms, since conv1d moves the channels to the front
    (4096 rows of 1280 channels, fp32).
    """
    image_1C1N = rows_NC[None].mT[:, :, None]
    kernel_C11W = weight_CW[:, None, None]
    y_1C1M = F.conv2d(image_1C1N, kernel_C11W, bias_C, 1, (0, padding), groups=len(weight_CW))
    return y_1C1M[0, :, 0].T


def _weight_slopes(d_y_MC: Tensor, rows_NC: Tensor, width: int) -> Tensor:
    """d weight_j = sum over m of d y_m · row_(m + j), in at least fp32."""
    dtype = torch.promote_types(rows_NC.dtype, torch.float32)
    shape = (width, ROWS_AT_ONCE, rows_NC.shape[1])
    sums_WRC = torch.zeros(shape, dtype=dtype, device=rows_NC.device)
    for start in range(0, len(d_y_MC), ROWS_AT_ONCE):
        d_y_RC = d_y_MC[start : start + ROWS_AT_ONCE].to(dtype)
        rows_QC = rows_NC[start : start + len(d_y_RC) + width - 1].to(dtype)
        for tap in range(width):
            sums_WRC[tap, : len(d_y_RC)].addcmul_(d_y_RC, rows_QC[tap : tap + len(d_y_RC)])
    return sums_WRC.sum(1).T
