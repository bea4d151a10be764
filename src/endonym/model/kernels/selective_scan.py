"""The selective scan of Mamba-1: each channel has a state of S numbers with their own decays.

h_t = exp(dt_t · decay) h_(t-1) + dt_t x_t B_t, and y_t = the sum over S of h_t C_t.
Source: Mamba, arXiv:2312.00752, eq. 2 and section 3.2, discretised as in its authors' code.

A loop over time that works on all channels in place. It never divides by a decay and no exponent
is positive, so that nothing overflows. States are held for one segment of tokens at a time; the
backward pass recomputes them from the state before the segment. Time is the first axis and channels
the last, so that a step is contiguous in memory.

L tokens of a segment · M = L + 1, a state before and after each · N segments · S state size.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

SEGMENT_NUMBERS = 1 << 19
"""Numbers of state held at once: 2 MB in fp32, which fit a cache."""
SHORTEST_SEGMENT = 16
"""Tokens; so that at most one state in 16 is saved for the backward pass."""


def selective_scan(
    x_BTC: Tensor,
    dt_BTC: Tensor,
    A_CS: Tensor,
    B_BTS: Tensor,
    C_BTS: Tensor,
    is_first_BT: Tensor | None = None,
    state_BCS: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The outputs, in x's dtype, and the state after the last token, in at least fp32.

    dt_BTC: positive. A_CS: negative.
    is_first_BT: True where a document starts; the state before that token counts as zero.
    state_BCS: the state before the first token; None: zeros.
    """
    if x_BTC.shape[1] > 1:
        return _Scan.apply(x_BTC, dt_BTC, A_CS, B_BTS, C_BTS, is_first_BT, state_BCS)
    # One step of the recurrence.
    dtype = _widest(x_BTC, dt_BTC, A_CS)
    dt_BC1 = dt_BTC.mT.to(dtype)
    before_BCS = dt_BC1.new_zeros(()) if state_BCS is None else state_BCS
    if is_first_BT is not None:
        before_BCS = before_BCS.masked_fill(is_first_BT[:, :, None], 0)
    taken_BC1 = dt_BC1 * x_BTC.mT
    next_BCS = torch.exp(dt_BC1 * A_CS) * before_BCS + taken_BC1 * B_BTS.to(dtype)
    y_BC1 = next_BCS @ C_BTS.mT.to(dtype)
    return y_BC1.mT.to(x_BTC.dtype), next_BCS


def _widest(*tensors: Tensor) -> torch.dtype:
    """The dtype of decays and states: fp32, or fp64 where any input is."""
    is_double = any(tensor.dtype == torch.float64 for tensor in tensors)
    return torch.float64 if is_double else torch.float32


@dataclass(frozen=True, slots=True)
class _Piece:
    """The inputs of one segment, time first, in the dtype of states."""

    x_LBC: Tensor
    dt_LBC: Tensor
    B_LBS: Tensor
    C_LBS: Tensor
    taken_LBC: Tensor
    is_first_LB: Tensor | None


class _Buffers:
    """Buffers for one segment, reused for each; new memory pages cost more than the sums."""

    def __init__(self, x_BTC: Tensor, dt_BTC: Tensor, A_CS: Tensor) -> None:
        batch, length, channels = x_BTC.shape
        numbers = batch * A_CS.numel()
        self.tokens = min(length, max(SHORTEST_SEGMENT, SEGMENT_NUMBERS // numbers))
        self.dtype = _widest(x_BTC, dt_BTC, A_CS)
        self.A_SC = A_CS.to(self.dtype).T.contiguous()
        self.halving_SC = self.A_SC / math.log(2)
        shape_BSC = (batch, A_CS.shape[1], channels)
        self.decays_LBSC = self.A_SC.new_empty(self.tokens, *shape_BSC)
        self.states_MBSC = self.A_SC.new_empty(self.tokens + 1, *shape_BSC)
        self.slopes_LBSC = torch.empty_like(self.decays_LBSC)
        decays = self.decays_LBSC.unbind()
        states = self.states_MBSC.unbind()
        slopes = self.slopes_LBSC.unbind()
        self.steps = list(zip(decays, states[:-1], states[1:], strict=True))
        self.steps_back = list(zip(decays[1:], slopes[1:], slopes[:-1], strict=True))
        self.segments = [
            slice(start, min(start + self.tokens, length))
            for start in range(0, length, self.tokens)
        ]

    def cut(self, all_BTC: Tensor, segment: slice) -> Tensor:
        """A segment of a tensor, time first."""
        return all_BTC[:, segment].transpose(0, 1).to(self.dtype)

    def piece(self, segment: slice, inputs: tuple[Any, ...]) -> _Piece:
        """All inputs of a segment. inputs: x, dt, B, C and is_first of whole rows."""
        *sequences, is_first_BT = inputs
        x_LBC, dt_LBC, B_LBS, C_LBS = (self.cut(each, segment) for each in sequences)
        is_first_LB = None if is_first_BT is None else is_first_BT[:, segment].T
        return _Piece(x_LBC, dt_LBC, B_LBS, C_LBS, dt_LBC * x_LBC, is_first_LB)

    def run(self, piece: _Piece, start_BSC: Tensor) -> tuple[Tensor, Tensor]:
        """The decays of a segment, and the states before its first and after each token.

        exp(a) is computed as 2^(a / ln 2), which is four times faster in torch on a CPU.
        """
        length = len(piece.dt_LBC)
        decays_LBSC = self.decays_LBSC[:length]
        states_MBSC = self.states_MBSC[: length + 1]
        torch.mul(piece.dt_LBC[:, :, None], self.halving_SC, out=decays_LBSC).exp2_()
        if piece.is_first_LB is not None:
            decays_LBSC[piece.is_first_LB] = 0
        torch.mul(piece.taken_LBC[:, :, None], piece.B_LBS[..., None], out=states_MBSC[1:])
        states_MBSC[0] = start_BSC
        for decay_BSC, state_BSC, next_BSC in self.steps[:length]:
            next_BSC.addcmul_(decay_BSC, state_BSC)
        return decays_LBSC, states_MBSC

    def run_back(self, piece: _Piece, d_y_LBC: Tensor, d_last_BSC: Tensor) -> Tensor:
        """d loss / d h_t = d y_t C_t + exp(step_(t+1) decay) d loss / d h_(t+1)."""
        length = len(d_y_LBC)
        slopes_LBSC = self.slopes_LBSC[:length]
        torch.mul(d_y_LBC[:, :, None], piece.C_LBS[..., None], out=slopes_LBSC)
        slopes_LBSC[-1] += d_last_BSC
        for decay_BSC, later_BSC, slope_BSC in reversed(self.steps_back[: length - 1]):
            slope_BSC.addcmul_(decay_BSC, later_BSC)
        return slopes_LBSC


class _Scan(torch.autograd.Function):
    """Segment by segment, backward in reverse order."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> tuple[Tensor, Tensor]:
        x_BTC, dt_BTC, A_CS, B_BTS, C_BTS, is_first_BT, state_BCS = given
        buffers = _Buffers(x_BTC, dt_BTC, A_CS)
        inputs = (x_BTC, dt_BTC, B_BTS, C_BTS, is_first_BT)
        starts_NBSC = buffers.states_MBSC.new_empty(
            len(buffers.segments), *buffers.states_MBSC.shape[1:]
        )
        y_BTC = torch.empty_like(x_BTC, memory_format=torch.contiguous_format)
        state_BSC = y_BTC.new_zeros(()) if state_BCS is None else state_BCS.mT
        for segment, start_BSC in zip(buffers.segments, starts_NBSC, strict=True):
            start_BSC[:] = state_BSC
            piece = buffers.piece(segment, inputs)
            _, states_MBSC = buffers.run(piece, start_BSC)
            states_LBSC = states_MBSC[1:]
            y_BTC[:, segment] = _over_state(piece.C_LBS, states_LBSC).transpose(0, 1)
            state_BSC = states_LBSC[-1]
        ctx.save_for_backward(*given[:6], starts_NBSC)
        return y_BTC, state_BSC.mT.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        x_BTC, dt_BTC, A_CS, B_BTS, C_BTS, is_first_BT, starts = ctx.saved_tensors
        d_y_BTC, d_state_BCS = grad_outputs
        buffers = _Buffers(x_BTC, dt_BTC, A_CS)
        inputs = (x_BTC, dt_BTC, B_BTS, C_BTS, is_first_BT)
        d_decay_SC = torch.zeros_like(buffers.A_SC)
        d_state_BSC = d_state_BCS.mT
        d_inputs = [torch.empty_like(each) for each in inputs[:4]]
        for segment, start_BSC in reversed(list(zip(buffers.segments, starts, strict=True))):
            piece = buffers.piece(segment, inputs)
            d_y_LBC = buffers.cut(d_y_BTC, segment)
            decays_LBSC, states_MBSC = buffers.run(piece, start_BSC)
            slopes_LBSC = buffers.run_back(piece, d_y_LBC, d_state_BSC)
            d_state_BSC = decays_LBSC[0] * slopes_LBSC[0]
            ran = (decays_LBSC, states_MBSC, slopes_LBSC)
            *d_piece, d_part_SC = _input_slopes(piece, buffers.A_SC, d_y_LBC, ran)
            d_decay_SC += d_part_SC
            for d_all, d_part in zip(d_inputs, d_piece, strict=True):
                d_all[:, segment] = d_part.transpose(0, 1)
        d_decay_CS = d_decay_SC.T.to(A_CS.dtype)
        d_before_BCS = d_state_BSC.mT if ctx.needs_input_grad[6] else None
        d_x_BTC, d_dt_BTC, d_B_BTS, d_C_BTS = d_inputs
        return d_x_BTC, d_dt_BTC, d_decay_CS, d_B_BTS, d_C_BTS, None, d_before_BCS


def _input_slopes(
    piece: _Piece, A_SC: Tensor, d_y_LBC: Tensor, ran: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, ...]:
    """d loss / d x, dt, B, C and decay; overwrites the decays and slopes in `ran`.

    The gradient of the exponent, dt · decay, is exp(dt decay) h_(t-1) d loss / d h_t.
    """
    decays_LBSC, states_MBSC, slopes_LBSC = ran
    d_taken_LBC = _over_state(piece.B_LBS, slopes_LBSC)
    d_B_LBS = _over_channels(piece.taken_LBC, slopes_LBSC)
    d_C_LBS = _over_channels(d_y_LBC, states_MBSC[1:])
    d_exponent_LBSC = decays_LBSC.mul_(states_MBSC[:-1]).mul_(slopes_LBSC)
    d_dt_LBC = torch.mul(d_exponent_LBSC, A_SC, out=slopes_LBSC).sum(2)
    d_dt_LBC.addcmul_(d_taken_LBC, piece.x_LBC)
    d_decay_SC = d_exponent_LBSC.mul_(piece.dt_LBC[:, :, None]).sum((0, 1))
    return d_taken_LBC.mul_(piece.dt_LBC), d_dt_LBC, d_B_LBS, d_C_LBS, d_decay_SC


def _over_state(port_LBS: Tensor, states_LBSC: Tensor) -> Tensor:
    """Sum over S of port · state, for each channel."""
    return (port_LBS[:, :, None] @ states_LBSC)[:, :, 0]


def _over_channels(weights_LBC: Tensor, states_LBSC: Tensor) -> Tensor:
    """Sum over C of weight · state; a row times a matrix is twelve times faster than a column."""
    return (weights_LBC[:, :, None] @ states_LBSC.mT)[:, :, 0]
