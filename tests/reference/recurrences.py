"""The convolution and the selective scan of Mamba-1, token by token: arXiv:2312.00752, read aloud.

Every number keeps its dtype; give float64. Gradients flow to every input by plain autograd.
"""

import torch
from torch import Tensor


def slow_convolution(x_BTC, weight_CW, bias_C=None, is_first_BT=None, tail_BWC=None):
    """y_t = bias + the sum of the last W inputs of t's document, each times its tap."""
    batch, length, channels = x_BTC.shape
    gap = weight_CW.shape[1] - 1
    rows, tails = [], []
    for row in range(batch):
        before = tail_BWC[row].unbind() if tail_BWC is not None else gap * (torch.zeros(channels),)
        seen, outputs = list(before), []
        for index in range(length):
            if is_first_BT is not None and is_first_BT[row, index]:
                seen = [torch.zeros_like(each) for each in seen]
            seen.append(x_BTC[row, index])
            taps = zip(seen[-gap - 1 :], weight_CW.unbind(1), strict=True)
            y_C = sum(weight_C * input_C for input_C, weight_C in taps)
            outputs.append(y_C if bias_C is None else y_C + bias_C)
        rows.append(torch.stack(outputs))
        tails.append(torch.stack(seen[-gap:]))
    return torch.stack(rows), torch.stack(tails)


def slow_selective_scan(
    x_BTC: Tensor,
    dt_BTC: Tensor,
    A_CS: Tensor,
    B_BTS: Tensor,
    C_BTS: Tensor,
    is_first_BT: Tensor | None = None,
    state_BCS: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """h_t = exp(dt_t decay) h_(t-1) + dt_t x_t B_t, y_t = h_t · C_t: eq. 2."""
    batch, length, _ = x_BTC.shape
    state_BCS = x_BTC.new_zeros(batch, *A_CS.shape) if state_BCS is None else state_BCS
    outputs = []
    for index in range(length):
        if is_first_BT is not None:
            state_BCS = torch.where(is_first_BT[:, index, None, None], 0.0, state_BCS)
        dt_BC1 = dt_BTC[:, index, :, None]
        taken_BC1 = dt_BC1 * x_BTC[:, index, :, None]
        state_BCS = torch.exp(dt_BC1 * A_CS) * state_BCS
        state_BCS = state_BCS + taken_BC1 * B_BTS[:, index, None, :]
        outputs.append((state_BCS * C_BTS[:, index, None, :]).sum(-1))
    return torch.stack(outputs, 1), state_BCS
