"""Where bf16 is not enough."""

from torch import Tensor, float64


def precise(x: Tensor) -> Tensor:
    """At least float32, and never less than it was.

    What is multiplied over a whole document, or decides between experts, must not be rounded short.
    """
    return x if x.dtype == float64 else x.float()
