"""Rotary positions. Source: RoFormer, arXiv:2104.09864; stretched ones name theirs."""

import math

import torch
from torch import Tensor

from endonym.model.config import RopeConfig, RopeScaling


def rotation(positions_BT: Tensor, rope: RopeConfig, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosine and sine of every position's angles, (B, T, 1, K); the second half repeats the first.

    angle(t, i) = t · base^(-2i/K), in float32 before the cast (arXiv:2104.09864, eq. 15).
    """
    speeds = rotary_speeds(rope).to(positions_BT.device)
    angles = positions_BT[:, :, None, None].float() * speeds
    doubled = torch.cat((angles, angles), dim=-1)
    sharpness = _sharpness(rope.scaling)
    return (doubled.cos() * sharpness).to(dtype), (doubled.sin() * sharpness).to(dtype)


def rotary_speeds(rope: RopeConfig) -> Tensor:
    """Radians that each pair of channels turns at each step, (K / 2,), float32."""
    channels = torch.arange(0, rope.width, 2, dtype=torch.float32)
    speeds = rope.base ** (-channels / rope.width)
    scaling = rope.scaling
    if scaling is None:
        return speeds
    if scaling.kind == "linear":
        return speeds / scaling.factor
    kept = _llama3_kept(speeds, scaling) if scaling.kind == "llama3" else _yarn_kept(rope, scaling)
    return speeds / scaling.factor * (1 - kept) + speeds * kept


def _llama3_kept(speeds: Tensor, scaling: RopeScaling) -> Tensor:
    """1 where a channel keeps its speed, 0 where it slows down by the whole factor.

    A straight ramp over the turns that a channel makes in the original context (Llama 3.1's code).
    """
    turns = (scaling.original_context or 1) * speeds / (2 * math.pi)
    low, high = scaling.low_turns, scaling.high_turns or 4.0
    ramp = (turns - low) / (high - low)
    return ramp.clamp(0, 1)


def _yarn_kept(rope: RopeConfig, scaling: RopeScaling) -> Tensor:
    """As `_llama3_kept`, with the ramp over channels (YaRN, arXiv:2309.00071, section 3.2)."""

    def channel_of(turns: float) -> float:
        wavelength = (scaling.original_context or 1) / (turns * 2 * math.pi)
        return rope.width * math.log(wavelength) / (2 * math.log(rope.base))

    first = max(math.floor(channel_of(scaling.high_turns or 32.0)), 0)
    last = min(math.ceil(channel_of(scaling.low_turns)), rope.width - 1)
    pairs = torch.arange(rope.width // 2, dtype=torch.float32)
    return 1 - ((pairs - first) / max(last - first, 0.001)).clamp(0, 1)


def _sharpness(scaling: RopeScaling | None) -> float:
    """What cosine and sine are multiplied by (YaRN, eq. 22)."""
    if scaling is None or scaling.kind != "yarn":
        return 1.0
    return scaling.sharpness or 0.1 * math.log(scaling.factor) + 1.0


def rotate(x_BTHK: Tensor, cos_sin: tuple[Tensor, Tensor]) -> Tensor:
    """Turn each pair of channels by its position's angle, so that products depend on distance only.

    (a, b) -> (a cos - b sin, b cos + a sin), pairing channel i with i + K/2 of those that turn;
    channels beyond the angles stay.

    Source: arXiv:2104.09864, eq. 34. Pairs are halves, as in Llama; the paper has neighbours.
    """
    cos, sin = cos_sin
    width = cos.shape[-1]
    still_BTHK = x_BTHK[..., width:]
    a, b = x_BTHK[..., :width].chunk(2, dim=-1)
    turned_BTHK = x_BTHK[..., :width] * cos + torch.cat((-b, a), dim=-1) * sin
    return torch.cat((turned_BTHK, still_BTHK), dim=-1) if still_BTHK.shape[-1] else turned_BTHK
