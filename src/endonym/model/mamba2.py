"""Mamba-2: one decay a head, so that a chunk of the recurrence is a few matrix products.

H heads of K channels · G groups that share B and C · S state size.
Source: arXiv:2405.21060, sections 6 and 7.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from endonym.model.cache import LayerCache, TailAndState
from endonym.model.config import Mamba2Config, ModelConfig
from endonym.model.kernels.state_space import state_space
from endonym.model.norm import GatedNorm
from endonym.model.precision import precise
from endonym.model.short_convolution import ShortConvolution
from endonym.model.span import Span


class Mamba2(nn.Module):
    """output(norm(scan(x) + skip · x, gate)), with x, B, C = silu(convolution(…)).

    scan, for each head: h_t = exp(dt_t decay) h_{t-1} + dt_t x_t ⊗ B_t; its output is h_t · C_t.
    """

    def __init__(self, config: ModelConfig, mixer: Mamba2Config) -> None:
        super().__init__()
        self.config = mixer
        mixed = mixer.inner + 2 * mixer.groups * mixer.state
        self.input = nn.Linear(config.dim, mixer.inner + mixed + mixer.heads, bias=mixer.bias)
        self.convolution = ShortConvolution(mixed, mixer.conv_width)
        self.step_bias = nn.Parameter(torch.empty(mixer.heads))
        self.A_log = nn.Parameter(torch.empty(mixer.heads))
        self.skip = nn.Parameter(torch.empty(mixer.heads))
        self.norm = GatedNorm(mixer.inner, mixer.groups, config.norm_epsilon)
        self.output = nn.Linear(mixer.inner, config.dim, bias=mixer.bias)

    def empty_cache(self, batch: int, length: int) -> LayerCache:
        """A cache of constant size; `length` is not used."""
        mixer = self.config
        shape = (batch, mixer.heads, mixer.head_width, mixer.state)
        state = precise(self.skip.detach()).new_zeros(shape)
        return TailAndState(self.convolution.empty_tail(batch), state)

    def forward(self, x_BTD: Tensor, span: Span, cache: LayerCache | None) -> Tensor:
        """Mix each position with those before it in its document."""
        mixer = self.config
        assert cache is None or isinstance(cache, TailAndState)
        tail_BWC, state_BHKS = (None, None) if cache is None else cache.at(span)
        shared = mixer.groups * mixer.state
        gate_BTC, mixed_BTC, dt_BTH = self.input(x_BTD).split(
            (mixer.inner, mixer.inner + 2 * shared, mixer.heads), dim=-1
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
