"""Mamba: a selective state space, whose decay, input and output depend on the token.

C inner channels · S state size · R rank of the step. Source: arXiv:2312.00752, section 3.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from endonym.model.cache import LayerCache, TailAndState
from endonym.model.config import MambaConfig, ModelConfig
from endonym.model.kernels.selective_scan import selective_scan
from endonym.model.precision import precise
from endonym.model.short_convolution import ShortConvolution
from endonym.model.span import Span


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

    def empty_cache(self, batch: int, length: int) -> LayerCache:
        """A cache of constant size; `length` is not used."""
        mixer = self.config
        tail_BWC = self.convolution.empty_tail(batch)
        state = precise(self.skip.detach()).new_zeros(batch, mixer.inner, mixer.state)
        return TailAndState(tail_BWC, state)

    def forward(self, x_BTD: Tensor, span: Span, cache: LayerCache | None) -> Tensor:
        """Mix each position with those before it in its document."""
        mixer = self.config
        assert cache is None or isinstance(cache, TailAndState)
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
