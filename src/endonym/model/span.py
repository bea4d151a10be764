"""Where the tokens of a forward pass sit: positions, documents, and how much past is cached."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Span:
    """All that a mixer may ask about position.

    positions_BT: place of each token in its document (from the row's edge if it began before it).
    mask_BTM: True where a token may look; None means every token sees all before it in the row.
    past: tokens already in the cache. rotation: cosine and sine of the rotary angles, (B, T, 1, K).
    """

    positions_BT: Tensor
    mask_BTM: Tensor | None = None
    past: int = 0
    rotation: tuple[Tensor, Tensor] | None = None

    @classmethod
    def packed(cls, documents_BT: Tensor) -> "Span":
        """Rows of several documents: a token sees those before it in its own document only.

        documents_BT: a number for each token; equal numbers that touch are one document.
        """
        steps_T = torch.arange(documents_BT.shape[1], device=documents_BT.device)
        is_first_BT = torch.ones_like(documents_BT, dtype=torch.bool)
        is_first_BT[:, 1:] = documents_BT[:, 1:] != documents_BT[:, :-1]
        starts_BT = torch.where(is_first_BT, steps_T, 0).cummax(dim=1).values
        together_BTM = starts_BT[:, :, None] <= steps_T
        causal_TM = steps_T[:, None] >= steps_T
        return cls(positions_BT=steps_T - starts_BT, mask_BTM=together_BTM & causal_TM)

    @classmethod
    def after(cls, past: int, tokens_BT: Tensor) -> "Span":
        """One document a row, of which `past` tokens stand in the cache."""
        steps_T = torch.arange(past, past + tokens_BT.shape[1], device=tokens_BT.device)
        positions_BT = steps_T.expand(tokens_BT.shape)
        if past == 0 or tokens_BT.shape[1] == 1:
            return cls(positions_BT=positions_BT, past=past)
        seen_M = torch.arange(past + tokens_BT.shape[1], device=tokens_BT.device)
        return cls(positions_BT, (steps_T[:, None] >= seen_M)[None], past)

    def rotated(self, rotation: tuple[Tensor, Tensor]) -> "Span":
        """The same span with its rotary angles, which all layers share."""
        return replace(self, rotation=rotation)
