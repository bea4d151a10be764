"""Attention, one query at a time, in float64: eq. 1 of arXiv:1706.03762 read aloud."""

import torch
from torch import Tensor


def slow_attention(query_BHTK: Tensor, keys_BGMK: Tensor, values_BGMK: Tensor, mask_BTM: Tensor):
    """The mean of the values each query may see, weighted by the softmax of its likeness to keys.

    Query head h is served by key/value head h // (H / G). Gradients flow to all three inputs.
    """
    batch, heads, length, width = query_BHTK.shape
    group = heads // keys_BGMK.shape[1]
    rows = []
    for row in range(batch):
        mixed_HTK = []
        for head in range(heads):
            keys, values = keys_BGMK[row, head // group], values_BGMK[row, head // group]
            mixed_TK = []
            for index in range(length):
                seen_M = mask_BTM[row % len(mask_BTM), index].nonzero()[:, 0]
                query_K = query_BHTK[row, head, index].double()
                likeness_M = keys[seen_M].double() @ query_K / width**0.5
                weights_M = torch.exp(likeness_M - likeness_M.max())
                shares_M = weights_M / weights_M.sum()
                mixed_TK.append(shares_M @ values[seen_M].double())
            mixed_HTK.append(torch.stack(mixed_TK))
        rows.append(torch.stack(mixed_HTK))
    return torch.stack(rows)


def causal_mask(batch: int, length: int, remembered: int) -> Tensor:
    """True where a token may attend: the last `length` of `remembered` tokens, each backwards."""
    mask = torch.zeros(batch, length, remembered, dtype=torch.bool)
    for index in range(length):
        mask[:, index, : remembered - length + index + 1] = True
    return mask


def document_mask(documents: list[list[int]]) -> Tensor:
    """The same within documents only: no number may change between the two tokens."""
    length = len(documents[0])
    mask = torch.zeros(len(documents), length, length, dtype=torch.bool)
    for row, numbers in enumerate(documents):
        for index in range(length):
            for other in range(index + 1):
                mask[row, index, other] = len(set(numbers[other : index + 1])) == 1
    return mask


def slow_varlen(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    cuts: Tensor,
    key_cuts: Tensor,
    longest: int,
    longest_keys: int,
    *,
    window_size: tuple[int, int],
    enable_gqa: bool,
) -> Tensor:
    """What torch documents of `varlen_attn`, a sequence after another.

    A query sees `window_size[0]` keys before its own index, all of them if that is -1, and none
    after it. (T, H, K) throughout, and in the dtype of the queries.
    """
    assert cuts.dtype == torch.int32
    assert torch.equal(cuts, key_cuts)
    assert longest == longest_keys >= int(cuts.diff().max())
    assert enable_gqa == (query.shape[1] != keys.shape[1])
    assert window_size[1] == 0
    parts = []
    for start, end in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
        mask_TM = torch.ones(end - start, end - start, dtype=torch.bool).tril()
        if window_size[0] >= 0:
            mask_TM &= ~torch.ones_like(mask_TM).tril(-window_size[0] - 1)
        alone = (each[start:end].transpose(0, 1)[None] for each in (query, keys, values))
        parts.append(slow_attention(*alone, mask_TM[None])[0].transpose(0, 1))
    return torch.cat(parts).to(query.dtype)
