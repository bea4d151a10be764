"""Attention: picks the fastest kernel. All kernels equal the dense mask.

On a CPU a row with several documents, or with one much longer than the window, is cut into segments
if that saves more than it costs (`sizes.LAYING_OUT`). On a GPU torch's kernel for sequences of
different lengths does the same.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from endonym.model.kernels.packed_segments import Blocks, Take, blocks_of
from endonym.model.kernels.sizes import LONGEST_WHOLE_SCORES
from endonym.model.kernels.varlen import attend_varlen, unsupported_reason
from endonym.model.span import Span, bias_of

TILE = 128


def attend(
    query_BHTK: Tensor,
    keys_BGTK: Tensor,
    values_BGTK: Tensor,
    span: Span,
    *,
    window: int | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Attention of a span's tokens to each other: softmax(Q Kᵀ / √K + mask) V, (B, H, T, K).

    window: keys that a token sees, itself included. dropout: share of the weights zeroed.
    """
    if span.starts_BT is None and not dropout and _whole_scores_win(query_BHTK):
        return _WholeScores.apply(query_BHTK, keys_BGTK, values_BGTK, None, window)
    query_BTHK, keys_BTGK, values_BTGK = (
        each.transpose(1, 2) for each in (query_BHTK, keys_BGTK, values_BGTK)
    )
    is_partial = span.starts_BT is not None or window is not None
    device = query_BHTK.device
    dtype = query_BHTK.dtype
    width = query_BHTK.shape[-1]
    if is_partial and not dropout and unsupported_reason(device, dtype, width) is None:
        mixed_BTHK = attend_varlen(query_BTHK, keys_BTGK, values_BTGK, span, window=window)
        return mixed_BTHK.transpose(1, 2)
    blocks = blocks_of(span, len(query_BHTK), window) if span.device.type == "cpu" else None
    if blocks is None:
        attn_bias_BTM = span.attn_bias(window, query_BHTK.dtype)
        return attend_seen(query_BHTK, keys_BGTK, values_BGTK, attn_bias_BTM, dropout=dropout)
    return _by_blocks(query_BTHK, keys_BTGK, values_BTGK, blocks, dropout=dropout).transpose(1, 2)


def _by_blocks(
    query_BTHK: Tensor, keys_BTGK: Tensor, values_BTGK: Tensor, blocks: Blocks, *, dropout: float
) -> Tensor:
    """Attention within segments, N of the same length together.

    P: positions of all rows. own, earlier: keys and values of segments, and of the tokens before.
    """
    query_PHK, keys_PGK, values_PGK = (
        each.flatten(0, 1) for each in (query_BTHK, keys_BTGK, values_BTGK)
    )
    queries = blocks.laid_out(query_PHK)
    own = [*map(blocks.laid_out, (keys_PGK, values_PGK))]
    earlier = [*map(blocks.laid_out_before, (keys_PGK, values_PGK))]
    mixed: list[Tensor] = []
    for number, part in enumerate(blocks.parts):
        seen = [tensors[number] for tensors in own]
        if part.is_cut:
            before = [tensors[number] for tensors in earlier]
            seen = [torch.cat(pair, dim=1) for pair in zip(before, seen, strict=True)]
        query_NHTK, keys_NGMK, values_NGMK = (
            each.transpose(1, 2) for each in (queries[number], *seen)
        )
        mixed_NHTK = attend_seen(query_NHTK, keys_NGMK, values_NGMK, part.mask_NTM, dropout=dropout)
        mixed.append(mixed_NHTK.transpose(1, 2).flatten(0, 1))
    return Take.apply(torch.cat(mixed), blocks.back, blocks.laid).view(query_BTHK.shape)


def attend_seen(
    query_BHTK: Tensor,
    keys_BGMK: Tensor,
    values_BGMK: Tensor,
    mask_BTM: Tensor | None,
    *,
    dropout: float = 0.0,
) -> Tensor:
    """Attention with a mask; None is the plain causal mask, or no mask for a single query.

    mask_BTM: true where a query may attend, or a bias that is added to scores (`Span.attn_bias`).
    """
    if not dropout and _whole_scores_win(query_BHTK):
        return _WholeScores.apply(query_BHTK, keys_BGMK, values_BGMK, mask_BTM, None)
    return F.scaled_dot_product_attention(
        query_BHTK,
        keys_BGMK,
        values_BGMK,
        attn_mask=None if mask_BTM is None else mask_BTM[:, None],
        dropout_p=dropout,
        is_causal=mask_BTM is None and query_BHTK.shape[2] > 1,
        enable_gqa=query_BHTK.shape[1] != keys_BGMK.shape[1],
    )


def _whole_scores_win(query_BHTK: Tensor) -> bool:
    """True for short rows in bf16 on a CPU; longer ones would take too much memory.

    On a CPU with bf16 matrix units, plain matrix products are 2.5 times faster than torch's flash
    kernel, forward and backward (measured at T = 256 and 512).
    """
    is_narrow = query_BHTK.dtype == torch.bfloat16 and query_BHTK.device.type == "cpu"
    return is_narrow and 1 < query_BHTK.shape[2] <= LONGEST_WHOLE_SCORES


class _WholeScores(torch.autograd.Function):
    """softmax(Q Kᵀ / √K + mask) V with the probabilities saved for the backward pass.

    dS = P · (dP - rowsum(dP · P)), the gradient of the softmax, by torch's fused kernel. Queries of
    heads that share keys are in one matrix, so that no key is copied. Without a mask, queries are
    taken TILE at a time, which leaves out most keys after them or before the window.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        mask_BTM: Tensor | None,
        window: int | None,
    ) -> Tensor:
        # Queries are scaled, not scores: there are fewer of them.
        query = query * query.shape[-1] ** -0.5
        keys = keys.contiguous()
        values = values.contiguous()
        mixed: list[Tensor] = []
        kept: list[Tensor] = []
        ctx.tiles = _tiles(query.shape[2], keys.shape[2], mask_BTM, window)
        for rows, seen in ctx.tiles:
            part = query[:, :, rows]
            scores = _grouped(part, keys) @ keys[:, :, seen].mT
            scores_BHTM = scores.view(*part.shape[:3], -1)
            if mask_BTM is not None:
                scores_BHTM.add_(bias_of(mask_BTM, query.dtype)[:, None])
            else:
                # Without a window only keys of the tile itself can come after a query.
                doubtful = slice(seen.start if window else rows.start, seen.stop)
                queries_T1 = torch.arange(rows.start, rows.stop, device=query.device)[:, None]
                keys_M = torch.arange(doubtful.start, doubtful.stop, device=query.device)
                is_seen_TM = keys_M <= queries_T1
                if window is not None:
                    is_seen_TM &= keys_M > queries_T1 - window
                bias_TM = bias_of(is_seen_TM, query.dtype)
                scores_BHTM[..., doubtful.start - seen.start :].add_(bias_TM)
            kept.append(scores.softmax(-1))
            mixed.append((kept[-1] @ values[:, :, seen]).view(part.shape))
        ctx.save_for_backward(query, keys, values, *kept)
        return _joined(mixed)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        query, keys, values, *kept = ctx.saved_tensors
        (d_output,) = grad_outputs
        d_queries: list[Tensor] = []
        d_keys = d_values = None
        # The last tile is first: without a window it sees all keys, so that nothing is zeroed.
        for (rows, seen), shares in zip(reversed(ctx.tiles), reversed(kept), strict=True):
            part = query[:, :, rows]
            d_mixed = _grouped(d_output[:, :, rows], keys)
            d_scores = torch.ops.aten._softmax_backward_data(
                d_mixed @ values[:, :, seen].mT, shares, -1, shares.dtype
            )
            d_queries.insert(0, (d_scores @ keys[:, :, seen]).view(part.shape))
            d_keys = _added(d_keys, d_scores.mT @ _grouped(part, keys), seen, keys)
            d_values = _added(d_values, shares.mT @ d_mixed, seen, values)
        return _joined(d_queries).mul_(query.shape[-1] ** -0.5), d_keys, d_values, None, None


def _joined(parts: list[Tensor]) -> Tensor:
    """The tiles in one tensor, along the queries."""
    return torch.cat(parts, dim=2) if len(parts) > 1 else parts[0]


def _added(total: Tensor | None, part: Tensor, seen: slice, like: Tensor) -> Tensor:
    """The gradients of keys or values, with those of one tile added; `seen`: the tile's keys."""
    if total is None and part.shape == like.shape:
        return part
    total = torch.zeros_like(like) if total is None else total
    total[:, :, seen] += part
    return total


def _tiles(
    length: int, remembered: int, mask_BTM: Tensor | None, window: int | None
) -> list[tuple[slice, slice]]:
    """The queries of each tile and the keys they need; one tile if there is a mask."""
    if mask_BTM is not None:
        return [(slice(0, length), slice(0, remembered))]
    tiles = [slice(start, min(start + TILE, length)) for start in range(0, length, TILE)]
    firsts = [0 if window is None else max(0, tile.start - window + 1) for tile in tiles]
    return [(tile, slice(first, tile.stop)) for tile, first in zip(tiles, firsts, strict=True)]


def _grouped(query_BHTK: Tensor, keys_BGMK: Tensor) -> Tensor:
    """Queries, with the heads that share a key/value head in one matrix, (B, G, H / G · T, K)."""
    batch, _, _, width = query_BHTK.shape
    return query_BHTK.contiguous().view(batch, keys_BGMK.shape[1], -1, width)
