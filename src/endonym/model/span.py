"""Where the tokens of a forward pass sit: their documents, their places, how much is remembered."""

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from endonym.model.config import RopeConfig
from endonym.model.position import rotation

CosSin = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Span:
    """All that a mixer may ask about position.

    A place is a token's number in its row, those already in the cache included. A document is a
    run of places: a token sees its own document up to itself, and nothing else. Padding on the
    left is a document of its own, so that nothing sees it.

    past: places already in the cache. length: tokens now. starts_BT: the place where each
    token's document starts; None means that every row is one document from place 0.
    """

    past: int
    length: int
    device: torch.device
    starts_BT: Tensor | None = None
    memo: dict[Any, Any] = field(default_factory=dict[Any, Any], compare=False, repr=False)
    """What layers ask for again and again is made once a pass."""

    @classmethod
    def packed(cls, documents_BT: Tensor) -> "Span":
        """Rows of several documents: a token sees those before it in its own document only.

        documents_BT: a number for each token; equal numbers that touch are one document.
        """
        places_T = torch.arange(documents_BT.shape[1], device=documents_BT.device)
        is_first_BT = torch.ones_like(documents_BT, dtype=torch.bool)
        is_first_BT[:, 1:] = documents_BT[:, 1:] != documents_BT[:, :-1]
        length, device = documents_BT.shape[1], documents_BT.device
        if device.type == "cpu" and not is_first_BT[:, 1:].any():  # Elsewhere asking would wait.
            return cls(0, length, device)
        starts_BT = torch.where(is_first_BT, places_T, 0).cummax(dim=1).values
        return cls(0, length, device, starts_BT)

    @classmethod
    def after(cls, past: int, tokens_BT: Tensor, starts_B: Tensor | None = None) -> "Span":
        """One document a row, of which `past` tokens stand in the cache.

        starts_B: the place of each row's first token, where rows are padded on the left.
        """
        span = cls(past, tokens_BT.shape[1], tokens_BT.device)
        if starts_B is None:
            return span
        is_text_BT = span.places_T >= starts_B[:, None]
        return replace(span, starts_BT=torch.where(is_text_BT, starts_B[:, None], 0))

    @property
    def places_T(self) -> Tensor:
        """The places of the tokens now."""
        return torch.arange(self.past, self.past + self.length, device=self.device)

    @property
    def positions_BT(self) -> Tensor:
        """The place of each token in its document; (1, T) where all rows are alike."""
        if "positions" not in self.memo:
            alone = self.places_T[None]
            self.memo["positions"] = alone if self.starts_BT is None else alone - self.starts_BT
        return self.memo["positions"]

    @property
    def is_first_BT(self) -> Tensor | None:
        """True where a document begins; None where that is place 0 alone."""
        return None if self.starts_BT is None else self.positions_BT == 0

    def cos_sin(self, rope: RopeConfig, dtype: torch.dtype) -> CosSin:
        """Cosine and sine of the rotary angles, (B or 1, T, 1, K)."""
        key = (rope, dtype)
        if key not in self.memo:
            self.memo[key] = rotation(self.positions_BT, rope, dtype)
        return self.memo[key]

    def mask(self, window: int | None, places_M: Tensor | None = None) -> Tensor | None:
        """True where a token may look, (B or 1, T, M); None if each sees all before it in the row.

        window: keys that a token sees, itself included. places_M: where the keys stand, -1 where
        none does; the span's own places if not given.
        """
        if places_M is None and not self._is_masked(window):
            return None
        key = ("mask", window, places_M is None)
        if key not in self.memo:
            self.memo[key] = self._mask(window, self.places_T if places_M is None else places_M)
        return self.memo[key]

    def attn_bias(self, window: int | None, dtype: torch.dtype) -> Tensor | None:
        """The mask as what is added to scores: adding is several times as fast as filling."""
        key = ("bar", window, dtype)
        if key not in self.memo:
            # The mask itself is not remembered: it would stand beside the bar for the whole pass.
            mask_BTM = self._mask(window, self.places_T) if self._is_masked(window) else None
            self.memo[key] = None if mask_BTM is None else barred(mask_BTM, dtype)
        return self.memo[key]

    def _is_masked(self, window: int | None) -> bool:
        """Whether there is anything before a token in its row that it may not see."""
        return self.starts_BT is not None or not (
            window is None or self.past + self.length <= window
        )

    def _mask(self, window: int | None, places_M: Tensor) -> Tensor:
        """The mask, written out."""
        places_T1 = self.places_T[:, None]
        seen_TM = (places_M <= places_T1) & (places_M >= 0)
        if window is not None:
            seen_TM &= places_M > places_T1 - window
        if self.starts_BT is None:
            return seen_TM[None]
        return seen_TM & (places_M >= self.starts_BT[:, :, None])


def barred(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Zero where a mask is true, minus infinity elsewhere; what is no mask stays as it is."""
    if mask.dtype != torch.bool:
        return mask
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, -torch.inf)
