"""Positions and documents of the tokens of a forward pass, for masks and rotary angles.

Source of rotary positions: RoFormer, arXiv:2104.09864; each scaling names its own.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from endonym.model.config import RopeConfig

CosSin = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Span:
    """Where the tokens of a forward pass stand.

    An index is that of a token in its row, counted from the first token in the cache; a position is
    counted from the start of the document. A token sees the tokens of its own document up to
    itself. Left padding is a document of its own, so that no text sees it.

    past: tokens in the cache. length: new tokens. starts_BT: the index at which each token's
    document starts; None means that every row is one document from index 0.
    """

    past: int
    length: int
    device: torch.device
    starts_BT: Tensor | None = None
    memo: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
    """Tensors that all layers share, made once a forward pass."""

    @classmethod
    def packed(cls, documents_BT: Tensor) -> "Span":
        """Rows of several documents without a cache.

        documents_BT: a number for each token; equal adjacent numbers are one document.
        """
        indices_T = torch.arange(documents_BT.shape[1], device=documents_BT.device)
        is_first_BT = torch.ones_like(documents_BT, dtype=torch.bool)
        is_first_BT[:, 1:] = documents_BT[:, 1:] != documents_BT[:, :-1]
        length = documents_BT.shape[1]
        device = documents_BT.device
        if device.type == "cpu" and not is_first_BT[:, 1:].any():  # Would sync a GPU.
            return cls(0, length, device)
        starts_BT = torch.where(is_first_BT, indices_T, 0).cummax(dim=1).values
        return cls(0, length, device, starts_BT)

    @classmethod
    def after(cls, past: int, tokens_BT: Tensor, starts_B: Tensor | None = None) -> "Span":
        """One document a row, of which `past` tokens are in the cache.

        starts_B: the index of each row's first token, if rows are padded on the left.
        """
        span = cls(past, tokens_BT.shape[1], tokens_BT.device)
        if starts_B is None:
            return span
        is_text_BT = span.indices_T >= starts_B[:, None]
        return replace(span, starts_BT=torch.where(is_text_BT, starts_B[:, None], 0))

    @property
    def indices_T(self) -> Tensor:
        """The indices of the new tokens."""
        return torch.arange(self.past, self.past + self.length, device=self.device)

    @property
    def positions_BT(self) -> Tensor:
        """The index of each token in its document; (1, T) if all rows are alike."""
        if "positions" not in self.memo:
            alone = self.indices_T[None]
            self.memo["positions"] = alone if self.starts_BT is None else alone - self.starts_BT
        return self.memo["positions"]

    @property
    def is_first_BT(self) -> Tensor | None:
        """True where a document starts; None if that is index 0 alone."""
        return None if self.starts_BT is None else self.positions_BT == 0

    def cos_sin(self, rope: RopeConfig, dtype: torch.dtype) -> CosSin:
        """Cosine and sine of the rotary angles, (B or 1, T, 1, K)."""
        key = (rope, dtype)
        if key not in self.memo:
            self.memo[key] = rotation(self.positions_BT, rope, dtype)
        return self.memo[key]

    def mask(self, window: int | None, indices_M: Tensor | None = None) -> Tensor | None:
        """True where a token may attend, (B or 1, T, M); None for the plain causal mask.

        window: keys that a token sees, itself included. indices_M: indices of the keys, -1 for an
        empty slot; the span's own indices if not given.
        """
        if indices_M is None and not self._is_masked(window):
            return None
        key = ("mask", window, indices_M is None)
        if key not in self.memo:
            self.memo[key] = self._mask(window, self.indices_T if indices_M is None else indices_M)
        return self.memo[key]

    def attn_bias(self, window: int | None, dtype: torch.dtype) -> Tensor | None:
        """The mask as a bias added to scores, which is several times as fast as filling."""
        key = ("bias", window, dtype)
        if key not in self.memo:
            # The mask itself is not kept: it would take memory beside the bias for the whole pass.
            mask_BTM = self._mask(window, self.indices_T) if self._is_masked(window) else None
            self.memo[key] = None if mask_BTM is None else bias_of(mask_BTM, dtype)
        return self.memo[key]

    def _is_masked(self, window: int | None) -> bool:
        """Whether a token may not see all tokens before it in its row."""
        is_window_short = window is not None and self.past + self.length > window
        return self.starts_BT is not None or is_window_short

    def _mask(self, window: int | None, indices_M: Tensor) -> Tensor:
        indices_T1 = self.indices_T[:, None]
        seen_TM = (indices_M <= indices_T1) & (indices_M >= 0)
        if window is not None:
            seen_TM &= indices_M > indices_T1 - window
        if self.starts_BT is None:
            return seen_TM[None]
        return seen_TM & (indices_M >= self.starts_BT[:, :, None])


def bias_of(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Zero where a mask is true, minus infinity elsewhere; a tensor that is no mask unchanged."""
    if mask.dtype != torch.bool:
        return mask
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, -torch.inf)


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
        low = scaling.low_turns
        high = scaling.high_turns or 4.0
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
