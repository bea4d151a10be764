"""Dropout whose random bits are cheap on a CPU."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STEPS = 256
"""A channel is kept or zeroed by one random byte."""


class Dropout(nn.Dropout):
    """Zeroes a share of the channels and scales the others up (arXiv:1207.0580), when training.

    On a CPU torch draws a number for each channel, which costs more than all else between two
    matrix products, most of all in compiled code. Here eight channels share one draw of 64 bits, so
    that the share is rounded to 256ths (and never to none, nor to all). Elsewhere: torch's own.
    """

    def forward(self, input: Tensor) -> Tensor:
        """The input, of any shape, with a share p of it zeroed."""
        if not self.training or self.p == 0 or input.device.type != "cpu":
            return F.dropout(input, self.p, self.training)
        zeroed = min(max(round(self.p * STEPS), 1), STEPS - 1)
        return input * _kept(input, zeroed).to(input.dtype) * (STEPS / (STEPS - zeroed))


def _kept(x: Tensor, zeroed: int) -> Tensor:
    """1 for what is kept and 0 for the rest, shaped as x, in bytes: comparing would be slower."""
    draws = torch.randint(-(2**63), 2**63 - 1, (-(-x.numel() // 8),), device=x.device)
    bits = draws.view(torch.uint8)[: x.numel()].view(x.shape)
    return bits.clamp(zeroed - 1, zeroed) - (zeroed - 1)
