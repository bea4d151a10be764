"""The state space recurrence, one token at a time: arXiv:2405.21060, eq. 1 read aloud."""

import torch
from torch import Tensor


def slow_state_space(
    x_BTHK: Tensor,
    log_decay_BTH: Tensor,
    B_BTGS: Tensor,
    C_BTGS: Tensor,
    is_first_BT: Tensor | None = None,
    state_BHKS: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """h = exp(log_decay) h + x Bᵀ, read by C; h is 0 before a document's first token."""
    heads, width, (groups, size) = *x_BTHK.shape[2:], B_BTGS.shape[2:]
    state = log_decay_BTH.new_zeros(len(x_BTHK), heads, width, size)
    state = state if state_BHKS is None else state_BHKS
    group_H = torch.arange(heads) // (heads // groups)
    read = []
    for t in range(x_BTHK.shape[1]):
        state = log_decay_BTH[:, t, :, None, None].exp() * state
        if is_first_BT is not None:
            state = torch.where(is_first_BT[:, t, None, None, None], 0.0, state)
        state = state + x_BTHK[:, t, :, :, None] * B_BTGS[:, t, group_H, None, :]
        read.append((state * C_BTGS[:, t, group_H, None, :]).sum(-1))
    return torch.stack(read, 1), state
