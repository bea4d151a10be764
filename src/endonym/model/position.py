"""Rotary positions. Source: RoFormer, arXiv:2104.09864; each scaling names its own."""

import math

import torch
from torch import Tensor

from endonym.model.config import RopeConfig


def rotation(positions_BT: Tensor, rope: RopeConfig, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosine and sine of every position's angles, (B, T, 1, K); the second half repeats the first.

    angle(t, i) = t · base^(-2i/K), in float32 before the cast (arXiv:2104.09864, eq. 15).
    """
    speeds = rotary_speeds(rope).to(positions_BT.device)
    angles = positions_BT[:, :, None, None].float() * speeds
    doubled = torch.cat((angles, angles), dim=-1)
    sharpness = rotary_sharpness(rope)
    return (doubled.cos() * sharpness).to(dtype), (doubled.sin() * sharpness).to(dtype)


def rotary_sharpness(rope: RopeConfig) -> float:
    """The factor on cosine and sine (YaRN, arXiv:2309.00071, eq. 22); else 1."""
    scaling = rope.scaling
    if scaling is None or scaling.kind != "yarn":
        return 1.0
    return scaling.sharpness or 0.1 * math.log(scaling.factor) + 1.0


def rotary_speeds(rope: RopeConfig) -> Tensor:
    """Angle per position of each pair of channels, in radians, (K / 2,), float32."""
    channels = torch.arange(0, rope.width, 2, dtype=torch.float32)
    speeds = rope.base ** (-channels / rope.width)
    scaling = rope.scaling
    if scaling is None:
        return speeds
    if scaling.kind == "linear":
        return speeds / scaling.factor
    original = scaling.original_context or 1
    # kept: 1 where a channel keeps its speed, 0 where it is slowed by the whole factor.
    if scaling.kind == "llama3":
        # Linear in the turns that a channel makes in the original context (Llama 3.1's code).
        turns = original * speeds / (2 * math.pi)
        low, high = scaling.low_turns, scaling.high_turns or 4.0
        kept = ((turns - low) / (high - low)).clamp(0, 1)
    else:
        # Linear in the channel (YaRN, arXiv:2309.00071, section 3.2).
        def channel_of(turns: float) -> float:
            wavelength = original / (turns * 2 * math.pi)
            return rope.width * math.log(wavelength) / (2 * math.log(rope.base))

        first = max(math.floor(channel_of(scaling.high_turns or 32.0)), 0)
        last = min(math.ceil(channel_of(scaling.low_turns)), rope.width - 1)
        pairs = torch.arange(rope.width // 2, dtype=torch.float32)
        kept = 1 - ((pairs - first) / max(last - first, 0.001)).clamp(0, 1)
    return speeds / scaling.factor * (1 - kept) + speeds * kept


def rotate(x_BTHK: Tensor, cos_sin: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate each pair of channels by its angle, so that dot products depend on distance only.

    (a, b) -> (a cos - b sin, b cos + a sin). Channels beyond those of cos and sin stay unchanged.

    Source: arXiv:2104.09864, eq. 34. A pair is channel i of each half, as in Llama; the paper pairs
    neighbours.
    """
    cos, sin = cos_sin
    width = cos.shape[-1]
    still_BTHK = x_BTHK[..., width:]
    a, b = x_BTHK[..., :width].chunk(2, dim=-1)
    rotated_BTHK = x_BTHK[..., :width] * cos + torch.cat((-b, a), dim=-1) * sin
    return torch.cat((rotated_BTHK, still_BTHK), dim=-1) if still_BTHK.shape[-1] else rotated_BTHK
