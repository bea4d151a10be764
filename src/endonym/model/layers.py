"""Small layers that several parts share: norms and dropout; and the cast to fp32."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORMS = {"layer": nn.LayerNorm, "rms": nn.RMSNorm}
"""LayerNorm (arXiv:1607.06450) and RMSNorm (arXiv:1910.07467), torch's own."""
STEPS = 256
"""One random byte decides on each number."""


class Dropout(nn.Dropout):
    """Dropout (arXiv:1207.0580) that rounds the rate to a multiple of 1/256 on a CPU.

    On a CPU torch draws a random number for each element, which costs more than anything else
    between two matrix products, above all in compiled code. Here eight elements share a draw of 64
    bits. The rounded rate is never 0 or 1. Elsewhere it is torch's own.
    """

    def forward(self, input: Tensor) -> Tensor:
        """The input, of any shape, with a share p of its elements zeroed."""
        if not self.training or self.p == 0 or input.device.type != "cpu":
            return F.dropout(input, self.p, self.training)
        zeroed = min(max(round(self.p * STEPS), 1), STEPS - 1)
        count = input.numel()
        draws = torch.randint(-(2**63), 2**63 - 1, (-(-count // 8),), device=input.device)
        drawn = draws.view(torch.uint8)[:count].view(input.shape)
        kept = drawn.clamp(zeroed - 1, zeroed) - (zeroed - 1)  # 0 or 1; comparing would be slower.
        return input * kept.to(input.dtype) * (STEPS / (STEPS - zeroed))


def make_norm(kind: str, width: int, epsilon: float) -> nn.Module:
    """A norm over the last `width` channels."""
    return NORMS[kind](width, eps=epsilon)


def precise(x: Tensor) -> Tensor:
    """Cast to float32; float64 stays.

    For what bf16 is not precise enough for: decays, which multiply over a whole document, and the
    choice of experts.
    """
    return x if x.dtype == torch.float64 else x.float()
