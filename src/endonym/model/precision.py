"""Casting to fp32 where bf16 is not precise enough."""

from torch import Tensor, float64


def precise(x: Tensor) -> Tensor:
    """Cast to float32; float64 stays.

    For decays, which multiply over a whole document, and for the choice of experts.
    """
    return x if x.dtype == float64 else x.float()
