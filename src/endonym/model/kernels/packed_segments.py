"""Cuts packed rows into segments for attention on a CPU, to compute fewer masked scores.

A document is one segment. With a window W a long one is cut after every W tokens, and each piece
also reads the W tokens before it. Segments are padded to a few lengths and computed in batches.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from endonym.model.kernels.sizes import is_cut, is_cutting_worth, padded
from endonym.model.span import Span


@dataclass(frozen=True, slots=True)
class Segments:
    """`count` segments of `length` tokens each.

    is_cut: pieces of longer documents, which also read the `length` tokens before them.
    mask_NTM: the keys that a query may attend to; None for the plain causal mask.
    """

    count: int
    length: int
    is_cut: bool
    mask_NTM: Tensor | None


@dataclass(frozen=True, slots=True)
class Blocks:
    """All segments laid end to end, with indices from the flattened batch and back.

    taken: the token at each index of the layout. back: the index of each token in it. laid: taken,
    with -1 for padding. before, before_back: taken and back for the tokens before cut pieces; -1
    for a token that is before none.
    """

    parts: list[Segments]
    taken: Tensor
    back: Tensor
    laid: Tensor
    before: Tensor
    before_back: Tensor

    def laid_out(self, rows: Tensor) -> list[Tensor]:
        """Rows of tokens as segments, (N, T, …) each."""
        return self._split(Take.apply(rows, self.taken, self.back), [True, False])

    def laid_out_before(self, rows: Tensor) -> list[Tensor]:
        """Rows of the tokens before each cut piece, as many as it has; empty for other parts."""
        return self._split(Take.apply(rows, self.before, self.before_back), [True])

    def _split(self, rows: Tensor, kinds: list[bool]) -> list[Tensor]:
        counts = [part.count if part.is_cut in kinds else 0 for part in self.parts]
        sizes = [count * part.length for count, part in zip(counts, self.parts, strict=True)]
        pieces = zip(rows.split(sizes), counts, self.parts, strict=True)
        return [piece.unflatten(0, (count, part.length)) for piece, count, part in pieces]


def blocks_of(span: Span, batch: int, window: int | None) -> Blocks | None:
    """The segments of a span that starts at index 0; None if whole rows are as fast."""
    key = ("blocks", window)
    if key not in span.memo:
        span.memo[key] = _blocks(span, batch, window)
    return span.memo[key]


class Take(torch.autograd.Function):
    """index_select whose gradient is index_select by the inverse index.

    Padding has no gradient, since no output depends on it.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, take: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        return rows.index_select(0, take)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        (back,) = ctx.saved_tensors
        (d_taken,) = grad_outputs
        d_rows = d_taken.index_select(0, back.clamp_min(0))
        is_taken = (back >= 0).view(-1, *(1,) * (d_rows.ndim - 1))
        return d_rows.mul_(is_taken), None, None


def _blocks(span: Span, batch: int, window: int | None) -> Blocks | None:
    """Documents and pieces of them by padded length; None if whole rows are as fast."""
    if span.past or (span.starts_BT is None and window is None):
        return None
    if span.starts_BT is None:
        documents = [(row * span.length, span.length) for row in range(batch)]
    else:
        is_first = (span.positions_BT == 0).expand(batch, -1).flatten().numpy()
        starts = np.flatnonzero(is_first)
        lengths = np.diff(starts, append=len(is_first))
        documents = list(zip(starts.tolist(), lengths.tolist(), strict=True))
    # By padded length and is_cut: first token, tokens, and how many tokens before it are read.
    pieces: dict[tuple[int, bool], list[tuple[int, int, int]]] = defaultdict(list)
    for start, length in documents:
        if window is None or not is_cut(length, window):
            pieces[padded(length), False].append((start, length, 0))
            continue
        for cut in range(0, length, window):
            pieces[window, True].append((start + cut, min(window, length - cut), min(window, cut)))
    # n tokens read n keys each; cut pieces read the n tokens before them, too.
    keys = sum(n * n * len(alike) * (2 if cut else 1) for (n, cut), alike in pieces.items())
    tokens = batch * span.length
    return (
        _laid_out(pieces, tokens, window) if is_cutting_worth(keys, tokens, span.length) else None
    )


def _laid_out(
    pieces: dict[tuple[int, bool], list[tuple[int, int, int]]], n_tokens: int, window: int | None
) -> Blocks:
    """The segments laid end to end, with their indices."""
    parts: list[Segments] = []
    taken, laid, before = ([np.zeros(0, np.int64)] for _ in range(3))
    back = np.zeros(n_tokens, np.int64)
    before_back = np.full(n_tokens, -1, np.int64)
    done = done_before = 0
    for (width, has_before), alike in sorted(pieces.items()):
        starts_N1, lengths_N1, earlier_N1 = np.hsplit(np.array(alike), 3)
        steps = np.arange(width)
        numbers = starts_N1 + steps
        taken.append(numbers.clip(max=n_tokens - 1).ravel())
        laid.append(np.where(steps < lengths_N1, numbers, -1).ravel())
        for start, length, _ in alike:
            back[start : start + length] = np.arange(done, done + length)
            done += width
        if has_before:
            before.append((starts_N1 - width + steps).clip(min=0).ravel())
            for start, _, earlier in alike:
                end = done_before + width
                before_back[start - earlier : start] = np.arange(end - earlier, end)
                done_before = end
        mask_NTM: Tensor | None = None
        if window is not None and (window < width or has_before):
            keys = np.arange(-width if has_before else 0, width)
            is_seen = (keys <= steps[:, None]) & (keys > steps[:, None] - window)
            if has_before:  # of the tokens before a piece, those that there are
                is_seen = is_seen[None] & (keys >= -earlier_N1)[:, None]
            mask_NTM = torch.from_numpy(is_seen if has_before else is_seen[None])
        parts.append(Segments(len(alike), width, has_before, mask_NTM))
    indices = (*map(np.concatenate, (taken, laid, before)), back, before_back)
    taken_L, laid_L, before_L, back_T, before_back_T = map(torch.from_numpy, indices)
    return Blocks(
        parts, taken=taken_L, back=back_T, laid=laid_L, before=before_L, before_back=before_back_T
    )
