"""Normalisation: RMSNorm (arXiv:1910.07467) and LayerNorm (arXiv:1607.06450), torch's own."""

from torch import Tensor, nn
from torch.nn import functional as F

NORMS = {"layer": nn.LayerNorm, "rms": nn.RMSNorm}


def make_norm(kind: str, width: int, epsilon: float) -> nn.Module:
    """A norm over the last `width` channels."""
    return NORMS[kind](width, eps=epsilon)


class GatedNorm(nn.Module):
    """RMSNorm of x · silu(z), each group of channels on its own.

    Source: arXiv:2405.21060, figure 6; the gate comes first, as in the authors' code.
    """

    def __init__(self, width: int, groups: int, epsilon: float) -> None:
        super().__init__()
        self.groups = groups
        self.norm = nn.RMSNorm(width // groups, eps=epsilon, elementwise_affine=False)
        self.weight = make_norm("rms", width, epsilon).weight

    def forward(self, x_BTC: Tensor, gate_BTC: Tensor) -> Tensor:
        """The gated channels, normalised."""
        gated_BTC = x_BTC * F.silu(gate_BTC)
        parts = gated_BTC.unflatten(-1, (self.groups, -1))
        return self.norm(parts).flatten(-2) * self.weight
