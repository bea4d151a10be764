"""Rotary positions. Source: RoFormer, arXiv:2104.09864."""

import torch
from torch import Tensor


def rotation(
    positions_BT: Tensor, head_width: int, base: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Cosine and sine of every position's angles, (B, T, 1, K); the second half repeats the first.

    angle(t, i) = t · base^(-2i/K), in float32 before the cast (arXiv:2104.09864, eq. 15).
    """
    channels = torch.arange(0, head_width, 2, device=positions_BT.device, dtype=torch.float32)
    speeds = base ** (-channels / head_width)
    angles = positions_BT[:, :, None, None].float() * speeds
    doubled = torch.cat((angles, angles), dim=-1)
    return doubled.cos().to(dtype), doubled.sin().to(dtype)


def rotate(x_BTHK: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Turn each pair of channels by its position's angle, so that products depend on distance only.

    (a, b) -> (a cos - b sin, b cos + a sin), pairing channel i with i + K/2.

    Source: arXiv:2104.09864, eq. 34. Pairs are halves, as in Llama; the paper has neighbours.
    """
    cos, sin = turn
    a, b = x_BTHK.chunk(2, dim=-1)
    return x_BTHK * cos + torch.cat((-b, a), dim=-1) * sin
