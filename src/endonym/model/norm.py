"""Normalisation: RMSNorm (arXiv:1910.07467) and LayerNorm (arXiv:1607.06450), torch's own."""

from torch import nn

NORMS = {"layer": nn.LayerNorm, "rms": nn.RMSNorm}


def make_norm(kind: str, width: int, epsilon: float) -> nn.Module:
    """A norm over the last `width` channels."""
    return NORMS[kind](width, eps=epsilon)
