"""Cutting packed rows into stretches that see nothing of each other, for attention on a CPU.

A document without a window is one stretch; with a window W, a long one is cut after every W
tokens, and each piece also reads the W tokens before it. Stretches of like length are padded to
one and computed together.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from endonym.model.kernels.cutting import is_cut, is_worth, padded
from endonym.model.span import Span

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Segments:
    """`count` stretches of `length` tokens each; those of a cut document read as many before them.

    mask_NTM: what a query may look at; None is itself and all before it in its stretch.
    """

    count: int
    length: int
    is_cut: bool
    mask_NTM: Tensor | None


@dataclass(frozen=True, slots=True)
class Blocks:
    """All stretches laid end to end, and the ways there and back.

    taken: for each place laid out, the token (of the flattened batch) that stands there. back:
    for each token, its place. laid: taken, with -1 where a place is padding. The others are the
    same for the tokens before cut pieces; a token that stands before none has place -1.
    """

    parts: list[Segments]
    taken: Tensor
    back: Tensor
    laid: Tensor
    before: Tensor
    before_back: Tensor

    def laid_out(self, rows: Tensor) -> list[Tensor]:
        """Rows of tokens as stretches, (N, T, …) each."""
        return self._split(Take.apply(rows, self.taken, self.back), [True, False])

    def laid_out_before(self, rows: Tensor) -> list[Tensor]:
        """Rows of the tokens before each cut piece, as many as it has; none for the others."""
        return self._split(Take.apply(rows, self.before, self.before_back), [True])

    def _split(self, rows: Tensor, kinds: list[bool]) -> list[Tensor]:
        counts = [part.count if part.is_cut in kinds else 0 for part in self.parts]
        sizes = [count * part.length for count, part in zip(counts, self.parts, strict=True)]
        pieces = zip(rows.split(sizes), counts, self.parts, strict=True)
        return [piece.unflatten(0, (count, part.length)) for piece, count, part in pieces]


def blocks_of(span: Span, batch: int, window: int | None) -> Blocks | None:
    """The blocks of a span that begins at place 0, or None where whole rows are as good."""
    key = ("blocks", window)
    if key not in span.memo:
        span.memo[key] = _blocks(span, batch, window)
    return span.memo[key]


class Take(torch.autograd.Function):
    """Rows by number. The way back is the inverse numbering: no row is needed twice.

    What is laid out as padding sends nothing back, since nothing that is kept depends on it.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, take: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        return rows.index_select(0, take)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        (back,) = ctx.saved_tensors
        (given,) = grad_outputs
        found = given.index_select(0, back.clamp_min(0))
        return found.mul_((back >= 0).view(-1, *(1,) * (found.ndim - 1))), None, None


def _blocks(span: Span, batch: int, window: int | None) -> Blocks | None:
    """Documents by padded length, and pieces of long ones, if that is less work than whole rows."""
    if span.past or (span.starts_BT is None and window is None):
        return None
    pieces: dict[tuple[int, bool], list[tuple[int, int, int]]] = defaultdict(list)
    for start, length in _documents(span, batch):
        if window is None or not is_cut(length, window):
            pieces[padded(length), False].append((start, length, 0))
            continue
        for cut in range(0, length, window):
            pieces[window, True].append((start + cut, min(window, length - cut), min(window, cut)))
    keys = sum(n * n * len(found) * (2 if cut else 1) for (n, cut), found in pieces.items())
    tokens = batch * span.length
    return _laid_out(pieces, tokens, window) if is_worth(keys, tokens, span.length) else None


def _documents(span: Span, batch: int) -> list[tuple[int, int]]:
    """First token (in the flattened batch) and length of every document."""
    if span.starts_BT is None:
        return [(row * span.length, span.length) for row in range(batch)]
    is_first = (span.positions_BT == 0).expand(batch, -1).flatten().numpy()
    starts = np.flatnonzero(is_first)
    lengths = np.diff(starts, append=len(is_first))
    return list(zip(starts.tolist(), lengths.tolist(), strict=True))


def _laid_out(
    pieces: dict[tuple[int, bool], list[tuple[int, int, int]]], n_tokens: int, window: int | None
) -> Blocks:
    """The stretches end to end, and the ways there and back."""
    parts: list[Segments] = []
    taken, laid, before = ([np.zeros(0, np.int64)] for _ in range(3))
    back, before_back = np.zeros(n_tokens, np.int64), np.full(n_tokens, -1, np.int64)
    done = done_before = 0
    for (width, has_before), found in sorted(pieces.items()):
        rows, steps = np.array(found), np.arange(width)
        numbers = rows[:, :1] + steps
        taken.append(numbers.clip(max=n_tokens - 1).ravel())
        laid.append(np.where(steps < rows[:, 1:2], numbers, -1).ravel())
        for start, length, _ in found:
            back[start : start + length] = np.arange(done, done + length)
            done += width
        if has_before:
            before.append((rows[:, :1] - width + steps).clip(min=0).ravel())
            for start, _, earlier in found:
                end = done_before + width
                before_back[start - earlier : start] = np.arange(end - earlier, end)
                done_before = end
        mask = _mask(rows, width, window, is_cut=has_before)
        parts.append(Segments(len(found), width, has_before, mask))
    joined = [np.concatenate(each) for each in (taken, laid, before)]
    ways = (joined[0], back, joined[1], joined[2], before_back)
    return Blocks(parts, *(torch.from_numpy(each) for each in ways))


def _mask(rows: Ids, length: int, window: int | None, *, is_cut: bool) -> Tensor | None:
    """What the queries of some stretches may look at, (N or 1, T, M)."""
    queries = np.arange(length)
    keys = np.arange(-length if is_cut else 0, length)
    if window is None or (window >= length and not is_cut):
        return None
    band = (keys <= queries[:, None]) & (keys > queries[:, None] - window)
    if not is_cut:
        return torch.from_numpy(band)[None]
    exists = keys >= -rows[:, 2:3]
    return torch.from_numpy(band[None] & exists[:, None])
