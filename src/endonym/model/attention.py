"""Causal multi-head attention.

Source: arXiv:1706.03762, eq. 1; grouped heads arXiv:2305.13245; query/key norm arXiv:2302.05442;
windows arXiv:2004.05150. A window counts the token itself: with 512, it and the 511 before it.
"""

from torch import Tensor, nn

from endonym.model.cache import KeysAndValues, Ring
from endonym.model.config import AttentionConfig, ModelConfig
from endonym.model.kernels.attend import attend, attend_seen
from endonym.model.span import Span, rotate


class Attention(nn.Module):
    """softmax(Q Kᵀ / √K + mask) V; a key/value head serves heads / kv_heads query heads."""

    def __init__(self, config: ModelConfig, mixer: AttentionConfig) -> None:
        super().__init__()
        self.config = mixer
        # Attributes, so that train/compile.py can exclude them from compilation.
        self.cos_sin = Span.cos_sin
        self.attend = attend
        inner = mixer.inner
        shared = mixer.shared
        self.query = nn.Linear(config.dim, inner, bias=mixer.bias)
        self.key = nn.Linear(config.dim, shared, bias=mixer.bias)
        self.value = nn.Linear(config.dim, shared, bias=mixer.bias)
        self.output = nn.Linear(inner, config.dim, bias=mixer.bias)
        self.dropout = mixer.dropout
        self.query_norm = self.key_norm = None
        if mixer.query_key_norm:
            self.query_norm = nn.RMSNorm(mixer.head_width, eps=config.norm_epsilon)
            self.key_norm = nn.RMSNorm(mixer.head_width, eps=config.norm_epsilon)

    def empty_cache(self, batch: int, length: int) -> KeysAndValues | Ring:
        """A cache for the keys and values of `length` tokens, or of a shorter window."""
        mixer = self.config
        slots = min(length, mixer.window or length)
        kind = Ring if slots < length else KeysAndValues
        return kind((batch, mixer.kv_heads, slots, mixer.head_width), self.key.weight)

    def forward(self, x_BTD: Tensor, span: Span, cache: KeysAndValues | Ring | None) -> Tensor:
        """Attention of each token to those that it may see by the span."""
        mixer = self.config
        cos_sin = None if mixer.rope is None else self.cos_sin(span, mixer.rope, x_BTD.dtype)
        query_BTHK = self.query(x_BTD).unflatten(-1, (mixer.heads, mixer.head_width))
        key_BTGK = self.key(x_BTD).unflatten(-1, (mixer.kv_heads, mixer.head_width))
        value_BTGK = self.value(x_BTD).unflatten(-1, (mixer.kv_heads, mixer.head_width))
        if self.query_norm is not None and self.key_norm is not None:
            query_BTHK = self.query_norm(query_BTHK)
            key_BTGK = self.key_norm(key_BTGK)
        if cos_sin is not None:
            query_BTHK = rotate(query_BTHK, cos_sin)
            key_BTGK = rotate(key_BTGK, cos_sin)
        query_BHTK = query_BTHK.transpose(1, 2)
        keys_BGMK = key_BTGK.transpose(1, 2)
        values_BGMK = value_BTGK.transpose(1, 2)
        dropout = self.dropout if self.training else 0.0
        if cache is None:
            mixed_BHTK = self.attend(
                query_BHTK, keys_BGMK, values_BGMK, span, window=mixer.window, dropout=dropout
            )
        else:
            keys_BGMK, values_BGMK, mask_BTM = cache.extend(span, keys_BGMK, values_BGMK)
            mixed_BHTK = attend_seen(query_BHTK, keys_BGMK, values_BGMK, mask_BTM, dropout=dropout)
        return self.output(mixed_BHTK.transpose(1, 2).flatten(2))
