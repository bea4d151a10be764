"""The caches of generation, made by each layer.

Each call adds the tokens that follow those in the cache. A call at index 0 starts anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor

from endonym.model.span import Span


class LayerCache(Protocol):
    """The cache of one layer; only that layer reads it."""

    def bytes(self) -> int:
        """Memory it takes."""
        ...


class RepeatableCache(LayerCache, Protocol):
    """One whose text can be continued in several ways; those of our own layers are."""

    def repeated(self, rows: int, past: int, length: int) -> "LayerCache":
        """A copy with the `past` tokens of the first row in every row, and room for `length`."""
        ...


Cache = Sequence[LayerCache]
"""One cache a layer, in order."""

Seen = tuple[Tensor, Tensor, Tensor | None]
"""Keys, values, and the mask over them, if any."""


FIRST_ROOM = 256
"""Tokens for whose keys and values memory is taken at first."""


class _Buffers:
    """Preallocated keys and values."""

    def __init__(self, shape_BGMK: tuple[int, int, int, int], like: Tensor) -> None:
        self.keys_BGMK = torch.empty(shape_BGMK, dtype=like.dtype, device=like.device)
        self.values_BGMK = torch.empty_like(self.keys_BGMK)

    def bytes(self) -> int:
        """Memory it takes."""
        return 2 * self.keys_BGMK.nbytes

    def repeated(self, rows: int, past: int, length: int) -> Self:
        """A copy with the `past` tokens of the first row in every row, and room for `length`."""
        _, groups, slots, width = self.keys_BGMK.shape
        room = slots if isinstance(self, Ring) else length
        copy = type(self)((rows, groups, room, width), self.keys_BGMK)
        filled = min(past, room)
        copy._make_room(room)
        copy.keys_BGMK[:, :, :filled] = self.keys_BGMK[:1, :, :filled]
        copy.values_BGMK[:, :, :filled] = self.values_BGMK[:1, :, :filled]
        return copy

    def _make_room(self, length: int) -> None:
        """Take memory for so many tokens, if there is too little."""


class KeysAndValues(_Buffers):
    """All keys and values so far. Memory grows with the text, up to that of M tokens."""

    def __init__(self, shape_BGMK: tuple[int, int, int, int], like: Tensor) -> None:
        batch, groups, self.most, width = shape_BGMK
        super().__init__((batch, groups, min(self.most, FIRST_ROOM), width), like)

    def _make_room(self, length: int) -> None:
        """Take memory for so many tokens, if there is too little; at least twice as much as now."""
        batch, groups, room, width = self.keys_BGMK.shape
        if length <= room:
            return
        keys_BGMK = self.keys_BGMK
        values_BGMK = self.values_BGMK
        longer = (batch, groups, min(max(length, 2 * room), self.most), width)
        super().__init__(longer, keys_BGMK)
        self.keys_BGMK[:, :, :room], self.values_BGMK[:, :, :room] = keys_BGMK, values_BGMK

    def extend(self, span: Span, keys_BGTK: Tensor, values_BGTK: Tensor) -> Seen:
        """Add the keys and values of a span; return all so far."""
        end = span.past + span.length
        self._make_room(end)
        self.keys_BGMK[:, :, span.past : end] = keys_BGTK
        self.values_BGMK[:, :, span.past : end] = values_BGTK
        keys_BGMK = self.keys_BGMK[:, :, :end]
        values_BGMK = self.values_BGMK[:, :, :end]
        if span.starts_BT is None and (span.past == 0 or span.length == 1):
            return keys_BGMK, values_BGMK, None
        return keys_BGMK, values_BGMK, span.mask(None, torch.arange(end, device=span.device))


class Ring(_Buffers):
    """The keys and values within the window: the token at index p is in slot p mod window."""

    @property
    def window(self) -> int:
        """Number of slots."""
        return self.keys_BGMK.shape[2]

    def extend(self, span: Span, keys_BGTK: Tensor, values_BGTK: Tensor) -> Seen:
        """Add the keys and values of a span; return all that its tokens may see."""
        if span.length == 1:
            return self._extend_by_one(span, keys_BGTK, values_BGTK)
        kept = min(span.past, self.window - 1)
        before_M = torch.arange(span.past - kept, span.past, device=span.device)
        slots_M = before_M % self.window
        keys_BGMK = torch.cat((self.keys_BGMK[:, :, slots_M], keys_BGTK), dim=2)
        values_BGMK = torch.cat((self.values_BGMK[:, :, slots_M], values_BGTK), dim=2)
        count = min(span.length, self.window)
        slots = span.indices_T[-count:] % self.window
        self.keys_BGMK[:, :, slots] = keys_BGTK[:, :, -count:]
        self.values_BGMK[:, :, slots] = values_BGTK[:, :, -count:]
        indices_M = torch.cat((before_M, span.indices_T)) if kept else None
        return keys_BGMK, values_BGMK, span.mask(self.window, indices_M)

    def _extend_by_one(self, span: Span, keys_BGTK: Tensor, values_BGTK: Tensor) -> Seen:
        """One token replaces the oldest; the order of the slots does not matter."""
        slot = span.past % self.window
        filled = min(span.past + 1, self.window)
        self.keys_BGMK[:, :, slot] = keys_BGTK[:, :, 0]
        self.values_BGMK[:, :, slot] = values_BGTK[:, :, 0]
        mask = None
        if span.starts_BT is not None:
            slots_M = torch.arange(filled, device=span.device)
            mask = span.mask(self.window, span.past - (span.past - slots_M) % self.window)
        return self.keys_BGMK[:, :, :filled], self.values_BGMK[:, :, :filled], mask


@dataclass
class TailAndState:
    """The last inputs of a short convolution and a state; their size is constant."""

    tail_BWC: Tensor
    state: Tensor

    def at(self, span: Span) -> tuple[Tensor | None, Tensor | None]:
        """Tail and state before a span; None at the start of the rows."""
        return (self.tail_BWC, self.state) if span.past else (None, None)

    def keep(self, tail_BWC: Tensor, state: Tensor) -> None:
        """Store tail and state after a span."""
        self.tail_BWC = tail_BWC
        self.state = state

    def bytes(self) -> int:
        """Memory it takes."""
        return self.tail_BWC.nbytes + self.state.nbytes

    def repeated(self, rows: int, past: int, length: int) -> "TailAndState":
        """A copy with the tail and state of the first row in every row."""
        parts = (self.tail_BWC, self.state)
        return TailAndState(*(part[:1].repeat_interleave(rows, dim=0) for part in parts))
