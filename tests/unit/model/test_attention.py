"""Attention as a part. Its kernels stand against a slow reference in the laws."""

import math

import pytest
import torch
from laws.shapes import lively, shape, some_tokens
from reference.attention import causal_mask, slow_attention

from endonym.model.attention import Attention
from endonym.model.cache import KeysAndValues
from endonym.model.decoder import Decoder
from endonym.model.span import Span


def mixer_of(decoder: Decoder) -> Attention:
    """The attention of the first block."""
    found = decoder.blocks[0].mixer
    assert isinstance(found, Attention)
    return found


def stream(length: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, length, 32, generator=generator, dtype=torch.float64)


def by_hand(mixer: Attention, x: torch.Tensor, width: int) -> torch.Tensor:
    """Heads cut out of the projections, normalised if they have a norm, and mixed slowly."""

    def cut(linear: torch.nn.Linear, norm: torch.nn.Module | None) -> torch.Tensor:
        flat = x @ linear.weight.T + (0 if linear.bias is None else linear.bias)
        heads = torch.stack(flat.split(width, dim=-1), dim=1)
        if norm is None:
            return heads
        return heads / (heads.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt() * norm.weight

    parts = (
        cut(mixer.query, mixer.query_norm),
        cut(mixer.key, mixer.key_norm),
        cut(mixer.value, None),
    )
    mixed = slow_attention(*parts, causal_mask(2, x.shape[1], x.shape[1]))
    joined = torch.cat(mixed.unbind(1), dim=-1)
    return joined @ mixer.output.weight.T + (0 if mixer.output.bias is None else mixer.output.bias)


@pytest.mark.parametrize(
    ("family", "variant", "width"),
    [
        ("llama", "plain", 8),
        ("llama", "grouped", 8),
        ("qwen3", "one-kv-head", 8),
        ("qwen3", "wide-heads", 12),
        ("gpt2", "plain", 8),
    ],
)
@torch.no_grad()
def test_heads_are_neighbouring_channels_each_with_its_norm(
    family: str, variant: str, width: int
) -> None:
    mixer = mixer_of(lively(shape(family, variant)))
    span = Span.after(0, some_tokens(2, 6))
    torch.testing.assert_close(mixer(stream(), span, None), by_hand(mixer, stream(), width))


@torch.no_grad()
def test_a_head_norm_makes_the_loudness_of_queries_irrelevant() -> None:
    mixer, span = mixer_of(lively(shape("qwen3"))), Span.after(0, some_tokens(2, 6))
    before = mixer(stream(), span, None)
    mixer.query.weight *= 50
    torch.testing.assert_close(mixer(stream(), span, None), before, rtol=0, atol=1e-3)


@torch.no_grad()
def test_equal_keys_share_the_attention_equally() -> None:
    mixer, span = mixer_of(lively(shape("llama"))), Span.after(0, some_tokens(2, 6))
    mixer.key.weight.zero_()
    values = mixer.value(stream())
    means = values.cumsum(1) / torch.arange(1, 7)[None, :, None]
    torch.testing.assert_close(mixer(stream(), span, None), mixer.output(means))


@torch.no_grad()
def test_a_memory_is_shaped_by_the_key_value_heads() -> None:
    cache = mixer_of(lively(shape("llama", "grouped"))).empty_cache(3, 11)
    assert isinstance(cache, KeysAndValues)
    assert cache.keys_BGMK.shape == cache.values_BGMK.shape == (3, 2, 11, 8)
    assert cache.bytes() == 2 * math.prod((3, 2, 11, 8)) * 8
