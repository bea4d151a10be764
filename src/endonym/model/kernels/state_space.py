"""State space duality, the kernel of Mamba-2.

Within a chunk of tokens it is masked attention, a few matrix products. From chunk to chunk it
carries a state of K x S numbers per head, so that time and memory are linear in the length.
H heads of K channels, in G groups that share B and C (S numbers each): R = H / G heads and W = R K
channels of a group; N chunks of C tokens, M = N + 1 states around them.
Source: arXiv:2405.21060, section 6 and listing 1.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from endonym.model.kernels.sizes import CHUNK, CPU_CHUNK

CPU_BYTES = 1 << 22
"""Bytes of a temporary tensor on a CPU: rows are computed in parts that fit the cache."""


def state_space(
    x_BTHK: Tensor,
    log_decay_BTH: Tensor,
    B_BTGS: Tensor,
    C_BTGS: Tensor,
    is_first_BT: Tensor | None = None,
    state_BHKS: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The outputs y, and the state after the last token.

    h_t = exp(log_decay_t) h_{t-1} + x_t B_tᵀ and y_t = h_t C_t, where h before the first
    token is the given state, or 0. Head h belongs to group h // (H / G).

    log_decay_BTH: at most 0. is_first_BT: True where a document starts; h_{t-1} then counts as 0.
    y has the dtype of x; decays and states the widest of x, log_decay and float32.
    """
    wide = torch.promote_types(x_BTHK.dtype, torch.float32)
    wide = torch.promote_types(log_decay_BTH.dtype, wide)
    batch, length, heads, width = x_BTHK.shape
    groups, size = B_BTGS.shape[2:]
    if state_BHKS is None:
        state_BHKS = x_BTHK.new_zeros((batch, heads, width, size), dtype=wide)
    x_BTGW = x_BTHK.reshape(batch, length, groups, -1)
    log_decay_BTGR = log_decay_BTH.to(wide).unflatten(2, (groups, -1))
    state_BGWS = state_BHKS.to(wide).reshape(batch, groups, -1, size)
    if length == 1:  # one step of the recurrence
        decay_BTGR = log_decay_BTGR.exp()
        if is_first_BT is not None:
            decay_BTGR = decay_BTGR.masked_fill(is_first_BT[..., None, None], 0)
        repeats = x_BTGW.shape[-1] // decay_BTGR.shape[-1]
        decay_BGW1 = decay_BTGR.repeat_interleave(repeats, -1)[:, 0, ..., None]
        x_BGW1 = x_BTGW[:, 0, ..., None].to(wide)
        B_BG1S = B_BTGS.transpose(1, 2).to(wide)
        state_BGWS = (state_BGWS * decay_BGW1).addcmul_(x_BGW1, B_BG1S)
        y_BTGW = (state_BGWS @ C_BTGS[:, 0, ..., None].to(wide))[:, None, ..., 0].to(x_BTGW.dtype)
    else:
        if is_first_BT is None:
            is_first_BT = torch.zeros(x_BTHK.shape[:2], dtype=torch.bool, device=x_BTHK.device)
        inputs = (x_BTGW, log_decay_BTGR, B_BTGS, C_BTGS, is_first_BT)
        y_BTGW, state_BGWS = _parts(inputs, state_BGWS)
    return y_BTGW.reshape(x_BTHK.shape), state_BGWS.reshape(state_BHKS.shape)


def _parts(inputs: tuple[Tensor, ...], state_BGWS: Tensor) -> tuple[Tensor, Tensor]:
    """The outputs and the last state: on a CPU in parts that the cache holds, elsewhere at once.

    inputs: x, log decays, B, C and is_first, as in `state_space`.
    """
    x_BTGW, log_decay_BTGR = inputs[:2]
    if x_BTGW.device.type != "cpu":
        return _chunks(inputs, state_BGWS, CHUNK)
    mixing = log_decay_BTGR[:, 0].numel() * CPU_CHUNK
    numbers = max(x_BTGW[:, 0].numel(), mixing, state_BGWS.numel() // CPU_CHUNK)
    tokens = CPU_BYTES // (numbers * x_BTGW.element_size() * CPU_CHUNK) * CPU_CHUNK
    if x_BTGW.shape[1] <= tokens:
        return _chunks(inputs, state_BGWS, CPU_CHUNK)
    parts: list[Tensor] = []
    splits = (tensor.split(max(tokens, CPU_CHUNK), 1) for tensor in inputs)
    for part in zip(*splits, strict=True):
        y_BTGW, state_BGWS = _chunks(part, state_BGWS, CPU_CHUNK)
        parts.append(y_BTGW)
    return torch.cat(parts, 1), state_BGWS


def _chunks(inputs: tuple[Tensor, ...], state_BGWS: Tensor, longest: int) -> tuple[Tensor, Tensor]:
    """The outputs and the last state, by equal chunks of at most `longest` tokens.

    Padding at the end adds nothing to the state and has no decay.
    """
    length = inputs[0].shape[1]
    chunks = -(-length // longest)
    missing = -length % chunks
    if missing:
        inputs = tuple(F.pad(t, [0, 0] * (t.dim() - 2) + [0, missing]) for t in inputs)
    x_BNCGW, log_decay, B, C, is_first = (t.unflatten(1, (chunks, -1)) for t in inputs)
    y_NBGCW, after_BGSW = _Chunks.apply(
        x_BNCGW.permute(1, 0, 3, 2, 4),
        log_decay.permute(1, 0, 3, 4, 2),
        B.permute(1, 0, 3, 2, 4),
        C.permute(1, 0, 3, 2, 4),
        is_first.transpose(0, 1),
        state_BGWS.mT,
    )
    y_BTGW = y_NBGCW.permute(1, 0, 3, 2, 4).flatten(1, 2)
    return y_BTGW[:, :length], after_BGSW.mT


class _Chunks(torch.autograd.Function):
    """Tokens of a chunk read each other through (C Bᵀ) · decay, older ones through the state.

    Matrix products and their factors may be bfloat16; log decays, their sums and states are not.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x_NBGCW: Tensor,
        log_decay_NBGRC: Tensor,
        B_NBGCS: Tensor,
        C_NBGCS: Tensor,
        is_first_NBC: Tensor,
        state_BGSW: Tensor,
    ) -> tuple[Tensor, Tensor]:
        B_NBGCS = B_NBGCS.contiguous()  # pyright: ignore[reportConstantRedefinition]
        C_NBGCS = C_NBGCS.contiguous()  # pyright: ignore[reportConstantRedefinition]
        # Decays below the smallest normal number are clamped: the logarithm of a smaller one would
        # cost the sum its precision.
        least = math.log(torch.finfo(log_decay_NBGRC.dtype).tiny)
        decay = _decays(log_decay_NBGRC.clamp_min(least).cumsum(-1), is_first_NBC, x_NBGCW)
        mixing_NBG1CC = _mixing(B_NBGCS, C_NBGCS, decay)
        x_NBGRCK = _by_head(x_NBGCW, decay)
        near_NBGRCK = (decay.within_NBGRCC * mixing_NBG1CC) @ x_NBGRCK
        written_NBGCW = _scaled(x_NBGCW, decay.leave_NBGCR1)
        states_MBGSW = _carried(B_NBGCS.mT, written_NBGCW, state_BGSW, decay.through_NBG1W)
        after_BGSW = states_MBGSW[-1].clone()
        states_MBGSW = states_MBGSW.to(x_NBGCW.dtype)
        far_NBGCW = C_NBGCS @ states_MBGSW[:-1]
        tensors = (x_NBGCW, B_NBGCS, C_NBGCS, states_MBGSW, far_NBGCW)
        ctx.save_for_backward(*tensors, *decay)
        return _sum(near_NBGRCK, far_NBGCW, decay.enter_NBGCR1), after_BGSW

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        d_y_NBGCW, d_after_BGSW = grad_outputs
        x_NBGCW, B_NBGCS, C_NBGCS, states_MBGSW, far_NBGCW, *decays = ctx.saved_tensors
        decay = _Decays(*decays)
        read_NBGCW = _scaled(d_y_NBGCW, decay.enter_NBGCR1)
        written_NBGCW = _scaled(x_NBGCW, decay.leave_NBGCR1)
        d_wide_MBGSW = _carried(
            C_NBGCS.mT, read_NBGCW, d_after_BGSW, decay.through_NBG1W, backwards=True
        )
        d_states_MBGSW = d_wide_MBGSW.to(x_NBGCW.dtype)
        d_written_NBGCW = B_NBGCS @ d_states_MBGSW[1:]
        mixing_NBG1CC = _mixing(B_NBGCS, C_NBGCS, decay)
        d_near_NBGRCK, d_mixing_NBGCC, d_total_NBGRC = _within_backward(
            _by_head(x_NBGCW, decay), _by_head(d_y_NBGCW, decay), mixing_NBG1CC, decay
        )
        d_B_NBGCS = (d_mixing_NBGCC.mT @ C_NBGCS).add_(written_NBGCW @ d_states_MBGSW[1:].mT)
        d_C_NBGCS = (d_mixing_NBGCC @ B_NBGCS).add_(read_NBGCW @ states_MBGSW[:-1].mT)
        left_NBGRC = _products(written_NBGCW, d_written_NBGCW, decay)
        d_total_NBGRC += _products(read_NBGCW, far_NBGCW, decay) - left_NBGRC
        through_NBGSW = (d_states_MBGSW[1:] * states_MBGSW[:-1]).sum(3, keepdim=True)
        through_NBGRC = _products(through_NBGSW, decay.through_NBG1W, decay)
        d_total_NBGRC[..., -1:] += left_NBGRC.sum(-1, keepdim=True) + through_NBGRC
        d_x_NBGCW = _sum(d_near_NBGRCK, d_written_NBGCW, decay.leave_NBGCR1)
        d_log_decay_NBGRC = d_total_NBGRC.flip(-1).cumsum(-1).flip(-1)
        return d_x_NBGCW, d_log_decay_NBGRC, d_B_NBGCS, d_C_NBGCS, None, d_wide_MBGSW[0]


class _Decays(NamedTuple):
    """Products of decays between tokens, and from or to the ends of a chunk.

    within: from one token to another. enter: from the state before a chunk to a token. leave: from
    a token to its chunk's end. through: over the whole chunk. is_seen: a token may read another.
    """

    within_NBGRCC: Tensor
    enter_NBGCR1: Tensor
    leave_NBGCR1: Tensor
    through_NBG1W: Tensor
    is_seen_NBGCC: Tensor


def _decays(total_NBGRC: Tensor, is_first_NBC: Tensor, x_NBGCW: Tensor) -> _Decays:
    """The decays, from the cumulative sums of log decays in each chunk.

    `within` is 1 for later tokens and ignores documents; is_seen masks both.
    """
    differences_NBGRCC = total_NBGRC[..., None] - total_NBGRC[..., None, :]
    within_NBGRCC = differences_NBGRCC.clamp_(max=0).exp_().to(x_NBGCW.dtype)
    document_NB1C = is_first_NBC.cumsum(-1)[:, :, None]
    is_together = document_NB1C[..., None] == document_NB1C[..., None, :]
    total_NBGCR1 = total_NBGRC.mT[..., None]
    document_NB1C11 = document_NB1C[..., None, None]
    enter_NBGCR1 = total_NBGCR1.exp() * (document_NB1C11 == 0)
    leave_NBGCR1 = (total_NBGCR1[:, :, :, -1:] - total_NBGCR1).exp()
    leave_NBGCR1 *= document_NB1C11 == document_NB1C11[:, :, :, -1:]
    through_NBG1R = enter_NBGCR1[:, :, :, -1:, :, 0]
    return _Decays(
        within_NBGRCC,
        enter_NBGCR1.to(x_NBGCW.dtype),
        leave_NBGCR1.to(x_NBGCW.dtype),
        through_NBG1R.repeat_interleave(x_NBGCW.shape[-1] // total_NBGRC.shape[3], -1),
        is_together.tril(),
    )


def _mixing(B_NBGCS: Tensor, C_NBGCS: Tensor, decay: _Decays) -> Tensor:
    """C Bᵀ where a token may read another, else 0; the same for all heads of a group."""
    mixing_NBGCC = C_NBGCS @ B_NBGCS.mT
    return mixing_NBGCC.masked_fill_(~decay.is_seen_NBGCC, 0)[:, :, :, None]


def _within_backward(
    x_NBGRCK: Tensor, d_y_NBGRCK: Tensor, mixing_NBG1CC: Tensor, decay: _Decays
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients within chunks: for x, for the mixing, and for the summed log decays."""
    x_NBGRCK = x_NBGRCK.contiguous()
    d_y_NBGRCK = d_y_NBGRCK.contiguous()
    d_x_NBGRCK = (decay.within_NBGRCC * mixing_NBG1CC).mT @ d_y_NBGRCK
    d_mixing_NBGRCC = (d_y_NBGRCK @ x_NBGRCK.mT).mul_(decay.within_NBGRCC)
    d_mixing_NBGCC = d_mixing_NBGRCC.sum(3).masked_fill_(~decay.is_seen_NBGCC, 0)
    # Not in bfloat16: both sums contain the diagonal, the largest numbers, so that rounding could
    # exceed their difference.
    slopes_NBGRCC = d_mixing_NBGRCC.mul_(mixing_NBG1CC).to(decay.through_NBG1W.dtype)
    return d_x_NBGRCK, d_mixing_NBGCC, slopes_NBGRCC.sum(-1) - slopes_NBGRCC.sum(-2)


def _carried(
    left_NBGSC: Tensor,
    right_NBGCW: Tensor,
    first_BGSW: Tensor,
    through_NBG1W: Tensor,
    *,
    backwards: bool = False,
) -> Tensor:
    """The states around chunks: the last one times its decay, plus left @ right of the chunk."""
    chunks = range(len(left_NBGSC))
    states_MBGSW = first_BGSW.new_empty((len(chunks) + 1, *first_BGSW.shape))
    states_MBGSW[-1 if backwards else 0] = first_BGSW
    old = states_MBGSW[:-1]
    new = states_MBGSW[1:]
    if backwards:
        old, new = new, old
    if left_NBGSC.dtype == new.dtype:
        torch.matmul(left_NBGSC, right_NBGCW, out=new)
    else:
        new.copy_(left_NBGSC @ right_NBGCW)
    for chunk in reversed(chunks) if backwards else chunks:
        new[chunk].addcmul_(old[chunk], through_NBG1W[chunk])
    return states_MBGSW


def _by_head(x_NBGCW: Tensor, decay: _Decays) -> Tensor:
    """x by head, NBGRCK, as a view."""
    return x_NBGCW.unflatten(-1, (decay.within_NBGRCC.shape[3], -1)).transpose(3, 4)


def _products(a_NBGCW: Tensor, b_NBGCW: Tensor, decay: _Decays) -> Tensor:
    """Sums over a head's channels of a · b, NBGRC."""
    heads = decay.within_NBGRCC.shape[3]
    sums_NBGCR = (a_NBGCW * b_NBGCW).unflatten(-1, (heads, -1)).sum(-1)
    return sums_NBGCR.to(decay.through_NBG1W.dtype).mT


def _scaled(x_NBGCW: Tensor, by_NBGCR1: Tensor) -> Tensor:
    """x · by, a number per head, in the layout that matrix products need."""
    scaled_NBGCW = x_NBGCW.new_empty(x_NBGCW.shape)
    split = (by_NBGCR1.shape[-2], -1)
    torch.mul(x_NBGCW.unflatten(-1, split), by_NBGCR1, out=scaled_NBGCW.unflatten(-1, split))
    return scaled_NBGCW


def _sum(near_NBGRCK: Tensor, far_NBGCW: Tensor, by_NBGCR1: Tensor) -> Tensor:
    """near + far · by, in the memory layout of the rows."""
    n, b, g, c, w = far_NBGCW.shape
    sum_NBGCW = far_NBGCW.new_empty(b, n, c, g, w).permute(1, 0, 3, 2, 4)
    split = (by_NBGCR1.shape[-2], -1)
    far = far_NBGCW.unflatten(-1, split)
    out = sum_NBGCW.unflatten(-1, split)
    torch.addcmul(near_NBGRCK.transpose(3, 4), far, by_NBGCR1, out=out)
    return sum_NBGCW
