"""Mamba and Mamba-2: selective state spaces, whose decay, input and output depend on the token.

In Mamba-2 a head has one decay, so that a chunk of the recurrence is a few matrix products.

C inner channels · S state size · R rank of the step · H heads of K channels · G groups that share B
and C. Sources: arXiv:2312.00752, section 3; arXiv:2405.21060, sections 6 and 7.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from endonym.model.cache import TailAndState
from endonym.model.config import Mamba2Config, MambaConfig, ModelConfig
from endonym.model.kernels.convolution import causal_convolution
from endonym.model.kernels.selective_scan import selective_scan
from endonym.model.kernels.state_space import state_space
from endonym.model.layers import precise
from endonym.model.span import Span


class ShortConvolution(nn.Module):
    """silu of a depthwise causal convolution over the last few tokens of the document."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, width))
        self.bias = nn.Parameter(torch.empty(channels))

    def empty_tail(self, batch: int) -> Tensor:
        """The inputs before the first token: (B, W - 1, C) zeros."""
        channels, width = self.weight.shape
        return self.weight.new_zeros(batch, width - 1, channels).detach()

    def forward(
        self, x_BTC: Tensor, is_first_BT: Tensor | None, tail_BWC: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The output, and the last W - 1 inputs for the next call."""
        y_BTC, tail_BWC = causal_convolution(
            x_BTC, self.weight, self.bias, is_first_BT=is_first_BT, tail_BWC=tail_BWC
        )
        return F.silu(y_BTC), tail_BWC


class Mamba(nn.Module):
    """output((scan(silu(convolution(x))) + skip · x) · silu(gate)), with x, gate = input(…).

    scan: h_t = exp(dt_t decay) h_{t-1} + dt_t x_t B_t; its output is C_t · h_t. The step dt_t, B_t
    and C_t are linear in x_t, with a softplus for the step.
    """

    def __init__(self, config: ModelConfig, mixer: MambaConfig) -> None:
        super().__init__()
        self.config = mixer
        self.input = nn.Linear(config.dim, 2 * mixer.inner, bias=mixer.bias)
        self.convolution = ShortConvolution(mixer.inner, mixer.conv_width)
        self.select = nn.Linear(mixer.inner, mixer.step_rank + 2 * mixer.state, bias=False)
        self.step = nn.Linear(mixer.step_rank, mixer.inner)
        self.A_log = nn.Parameter(torch.empty(mixer.inner, mixer.state))
        self.skip = nn.Parameter(torch.empty(mixer.inner))
        self.output = nn.Linear(mixer.inner, config.dim, bias=mixer.bias)

    def empty_cache(self, batch: int, length: int) -> TailAndState:
        """A cache of constant size; `length` is not used."""
        mixer = self.config
        tail_BWC = self.convolution.empty_tail(batch)
        state = precise(self.skip.detach()).new_zeros(batch, mixer.inner, mixer.state)
        return TailAndState(tail_BWC, state)

    def forward(self, x_BTD: Tensor, span: Span, cache: TailAndState | None) -> Tensor:
        """Mix each position with those before it in its document."""
        mixer = self.config
        tail_BWC, state_BCS = (None, None) if cache is None else cache.at(span)
        wide_BTC, gate_BTC = self.input(x_BTD).chunk(2, dim=-1)
        wide_BTC, tail_BWC = self.convolution(wide_BTC, span.is_first_BT, tail_BWC)
        low_BTR, B_BTS, C_BTS = self.select(wide_BTC).split(
            (mixer.step_rank, mixer.state, mixer.state), dim=-1
        )
        dt_BTC = F.linear(low_BTR, self.step.weight)
        dt_BTC = F.softplus(precise(dt_BTC) + precise(self.step.bias))
        A_CS = -precise(self.A_log).exp()
        y_BTC, state_BCS = selective_scan(
            wide_BTC, dt_BTC, A_CS, B_BTS, C_BTS, span.is_first_BT, state_BCS
        )
        if cache is not None:
            cache.keep(tail_BWC, state_BCS)
        y_BTC = (y_BTC + wide_BTC * self.skip) * F.silu(gate_BTC)
        return self.output(y_BTC)


class GatedNorm(nn.Module):
    """RMSNorm of x · silu(z), each group of channels on its own.

    Source: arXiv:2405.21060, figure 6; the gate comes first, as in the authors' code.
    """

    def __init__(self, width: int, groups: int, epsilon: float) -> None:
        super().__init__()
        self.groups = groups
        self.norm = nn.RMSNorm(width // groups, eps=epsilon, elementwise_affine=False)
        self.weight = nn.RMSNorm(width, eps=epsilon).weight

    def forward(self, x_BTC: Tensor, gate_BTC: Tensor) -> Tensor:
        """The gated channels, normalised."""
        gated_BTC = x_BTC * F.silu(gate_BTC)
        parts = gated_BTC.unflatten(-1, (self.groups, -1))
        return self.norm(parts).flatten(-2) * self.weight


class Mamba2(nn.Module):
    """output(norm(scan(x) + skip · x, gate)), with x, B, C = silu(convolution(…)).

    scan, for each head: h_t = exp(dt_t decay) h_{t-1} + dt_t x_t ⊗ B_t; its output is h_t · C_t.
    """

    def __init__(self, config: ModelConfig, mixer: Mamba2Config) -> None:
        super().__init__()
        self.config = mixer
        wide = mixer.inner + mixer.convolved + mixer.heads
        self.input = nn.Linear(config.dim, wide, bias=mixer.bias)
        self.convolution = ShortConvolution(mixer.convolved, mixer.conv_width)
        self.step_bias = nn.Parameter(torch.empty(mixer.heads))
        self.A_log = nn.Parameter(torch.empty(mixer.heads))
        self.skip = nn.Parameter(torch.empty(mixer.heads))
        self.norm = GatedNorm(mixer.inner, mixer.groups, config.norm_epsilon)
        self.output = nn.Linear(mixer.inner, config.dim, bias=mixer.bias)

    def empty_cache(self, batch: int, length: int) -> TailAndState:
        """A cache of constant size; `length` is not used."""
        mixer = self.config
        shape = (batch, mixer.heads, mixer.head_width, mixer.state)
        state = precise(self.skip.detach()).new_zeros(shape)
        return TailAndState(self.convolution.empty_tail(batch), state)

    def forward(self, x_BTD: Tensor, span: Span, cache: TailAndState | None) -> Tensor:
        """Mix each position with those before it in its document."""
        mixer = self.config
        tail_BWC, state_BHKS = (None, None) if cache is None else cache.at(span)
        shared = mixer.groups * mixer.state
        gate_BTC, mixed_BTC, dt_BTH = self.input(x_BTD).split(
            (mixer.inner, mixer.convolved, mixer.heads), dim=-1
        )
        mixed_BTC, tail_BWC = self.convolution(mixed_BTC, span.is_first_BT, tail_BWC)
        x_BTC, B, C = mixed_BTC.split((mixer.inner, shared, shared), dim=-1)
        x_BTHK = x_BTC.unflatten(-1, (mixer.heads, mixer.head_width))
        dt_BTH = F.softplus(precise(dt_BTH) + precise(self.step_bias))
        groups = (mixer.groups, mixer.state)
        y_BTHK, state_BHKS = state_space(
            (x_BTHK * dt_BTH[..., None]).to(x_BTHK.dtype),
            -precise(self.A_log).exp() * dt_BTH,
            B.unflatten(-1, groups),
            C.unflatten(-1, groups),
            span.is_first_BT,
            state_BHKS,
        )
        if cache is not None:
            cache.keep(tail_BWC, state_BHKS)
        y_BTHK = y_BTHK + x_BTHK * self.skip[:, None]
        return self.output(self.norm(y_BTHK.flatten(2), gate_BTC))
