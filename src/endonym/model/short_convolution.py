"""The short convolution before a state space, as a module."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from endonym.model.kernels.convolution import causal_convolution


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
