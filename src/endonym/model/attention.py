"""Attention: each token takes a mean of what came before it, weighted by likeness.

Source: arXiv:1706.03762, eq. 1; grouped heads arXiv:2305.13245; query/key norm arXiv:2302.05442.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from endonym.model.cache import KeysAndValues, LayerCache
from endonym.model.config import ModelConfig
from endonym.model.norm import make_norm
from endonym.model.position import rotate
from endonym.model.span import Span

LONGEST_WHOLE_SCORES = 1024


class Attention(nn.Module):
    """Queries meet keys; values are averaged by the softmax of their likeness.

    softmax(Q Kᵀ / √K + mask) V, per head; a key/value head serves heads / kv_heads query heads.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        mixer = config.mixer
        self.heads, self.kv_heads = mixer.heads, mixer.kv_heads
        self.head_width = mixer.head_width
        inner, shared = mixer.heads * mixer.head_width, mixer.kv_heads * mixer.head_width
        self.query = nn.Linear(config.dim, inner, bias=config.bias)
        self.key = nn.Linear(config.dim, shared, bias=config.bias)
        self.value = nn.Linear(config.dim, shared, bias=config.bias)
        self.output = nn.Linear(inner, config.dim, bias=config.bias)
        self.query_norm = self.key_norm = None
        if mixer.query_key_norm:
            self.query_norm = make_norm("rms", mixer.head_width, config.norm_epsilon)
            self.key_norm = make_norm("rms", mixer.head_width, config.norm_epsilon)

    def empty_cache(self, batch: int, length: int) -> LayerCache:
        """Room for the keys and values of `length` tokens."""
        shape = (batch, self.kv_heads, length, self.head_width)
        return KeysAndValues(shape, self.key.weight)

    def forward(self, x_BTD: Tensor, span: Span, cache: LayerCache | None) -> Tensor:
        """Mix each position with those its span lets it see."""
        query_BTHK = self.query(x_BTD).unflatten(-1, (self.heads, self.head_width))
        key_BTGK = self.key(x_BTD).unflatten(-1, (self.kv_heads, self.head_width))
        value_BTGK = self.value(x_BTD).unflatten(-1, (self.kv_heads, self.head_width))
        if self.query_norm is not None and self.key_norm is not None:
            query_BTHK, key_BTGK = self.query_norm(query_BTHK), self.key_norm(key_BTGK)
        if span.rotation is not None:
            query_BTHK = rotate(query_BTHK, span.rotation)
            key_BTGK = rotate(key_BTGK, span.rotation)
        keys_BGMK, values_BGMK = key_BTGK.transpose(1, 2), value_BTGK.transpose(1, 2)
        if cache is not None:
            assert isinstance(cache, KeysAndValues)
            keys_BGMK, values_BGMK = cache.extend(span.past, keys_BGMK, values_BGMK)
        mixed_BHTK = attend(query_BTHK.transpose(1, 2), keys_BGMK, values_BGMK, span)
        return self.output(mixed_BHTK.transpose(1, 2).flatten(2))


def attend(query_BHTK: Tensor, keys_BGMK: Tensor, values_BGMK: Tensor, span: Span) -> Tensor:
    """The attention kernel: torch's own, or whole score matrices where those are faster.

    A CPU with bf16 matrix units multiplies whole scores 2.5 times faster, forward and backward,
    than torch's flash kernel walks over them (measured at T = 256 and 512).
    """
    mask_BTM = span.mask_BTM
    if mask_BTM is not None and _whole_scores_win(query_BHTK):
        repeats = query_BHTK.shape[1] // keys_BGMK.shape[1]
        keys_BHMK = keys_BGMK.repeat_interleave(repeats, 1) if repeats > 1 else keys_BGMK
        values_BHMK = values_BGMK.repeat_interleave(repeats, 1) if repeats > 1 else values_BGMK
        return _WholeScores.apply(query_BHTK, keys_BHMK, values_BHMK, mask_BTM)
    return F.scaled_dot_product_attention(
        query_BHTK,
        keys_BGMK,
        values_BGMK,
        attn_mask=None if mask_BTM is None else mask_BTM[:, None],
        is_causal=mask_BTM is None and query_BHTK.shape[2] > 1,
        enable_gqa=query_BHTK.shape[1] != keys_BGMK.shape[1],
    )


def _whole_scores_win(query_BHTK: Tensor) -> bool:
    """True for short rows in bf16 on a CPU; longer ones would fill the memory."""
    is_narrow = query_BHTK.dtype == torch.bfloat16 and query_BHTK.device.type == "cpu"
    return is_narrow and query_BHTK.shape[2] <= LONGEST_WHOLE_SCORES


class _WholeScores(torch.autograd.Function):
    """softmax(Q Kᵀ / √K + mask) V with the probabilities kept for the backward pass.

    dS = P · (dP - rowsum(dP · P)), the gradient of the softmax, by torch's fused kernel.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, keys: Tensor, values: Tensor, mask_BTM: Tensor) -> Tensor:
        query, keys, values = query.contiguous(), keys.contiguous(), values.contiguous()
        scores_BHTM = (query @ keys.mT).mul_(query.shape[-1] ** -0.5)
        scores_BHTM.masked_fill_(~mask_BTM[:, None], -torch.inf)
        shares_BHTM = scores_BHTM.softmax(-1)
        ctx.save_for_backward(query, keys, values, shares_BHTM)
        return shares_BHTM @ values

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        query, keys, values, shares_BHTM = ctx.saved_tensors
        (d_mixed,) = grad_outputs
        d_mixed = d_mixed.contiguous()
        d_scores = torch.ops.aten._softmax_backward_data(
            d_mixed @ values.mT, shares_BHTM, -1, shares_BHTM.dtype
        ).mul_(query.shape[-1] ** -0.5)
        return d_scores @ keys, d_scores.mT @ query, shares_BHTM.mT @ d_mixed, None
