"""What a layer remembers between calls, made by the layer itself."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class LayerCache(Protocol):
    """One layer's memory; only the layer knows what is inside."""

    def bytes(self) -> int:
        """Memory it takes."""
        ...


Cache = Sequence[LayerCache]
"""One memory a layer, in the layers' order."""


class KeysAndValues:
    """Every key and value so far, in room taken in advance."""

    def __init__(self, shape_BGMK: tuple[int, int, int, int], like: Tensor) -> None:
        self.keys_BGMK = torch.empty(shape_BGMK, dtype=like.dtype, device=like.device)
        self.values_BGMK = torch.empty_like(self.keys_BGMK)

    def extend(self, past: int, keys_BGTK: Tensor, values_BGTK: Tensor) -> tuple[Tensor, Tensor]:
        """Add the keys and values of the tokens after `past`; returns all so far."""
        end = past + keys_BGTK.shape[2]
        self.keys_BGMK[:, :, past:end] = keys_BGTK
        self.values_BGMK[:, :, past:end] = values_BGTK
        return self.keys_BGMK[:, :, :end], self.values_BGMK[:, :, :end]

    def bytes(self) -> int:
        """Memory it takes."""
        return 2 * self.keys_BGMK.nbytes
