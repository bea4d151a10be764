"""Attention as a part. Its kernels stand against a slow reference in the laws."""

import math

import pytest
import torch
from laws.shapes import lively, shape, some_tokens
from reference.attention import causal_mask, slow_attention

from endonym.model.attention import Attention
from endonym.model.cache import KeysAndValues, Ring
from endonym.model.decoder import Decoder
from endonym.model.span import Span


def mixer_of(decoder: Decoder) -> Attention:
    """The attention of the first block."""
    found = decoder.blocks[0].mixer
    assert isinstance(found, Attention)
    return found


def without_rotation(mixer: Attention) -> Attention:
    """The same without positions, so that its heads can be mixed by hand."""
    mixer.config = mixer.config.model_copy(update={"rope": None})
    return mixer


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


HEADS = [
    ("qwen3", "one-kv-head", 8),
    ("qwen3", "wide-heads", 12),
    ("llama", "grouped", 8),
    ("llama", "biases", 8),
]


@pytest.mark.parametrize(("family", "variant", "width"), HEADS)
@torch.no_grad()
def test_heads_are_neighbouring_channels_each_with_its_norm(family: str, variant: str, width: int):
    mixer = without_rotation(mixer_of(lively(shape(family, variant))))
    span = Span.after(0, some_tokens(2, 6))
    torch.testing.assert_close(mixer(stream(), span, None), by_hand(mixer, stream(), width))


@torch.no_grad()
def test_a_memory_is_shaped_by_the_key_value_heads() -> None:
    cache = mixer_of(lively(shape("llama", "grouped"))).empty_cache(3, 11)
    assert isinstance(cache, KeysAndValues)
    assert cache.keys_BGMK.shape == cache.values_BGMK.shape == (3, 2, 11, 8)
    assert cache.bytes() == 2 * math.prod((3, 2, 11, 8)) * 8


@torch.no_grad()
def test_a_memory_under_a_window_holds_the_window_and_no_more() -> None:
    mixer = mixer_of(lively(shape("mistral")))
    long, short = mixer.empty_cache(3, 32), mixer.empty_cache(3, 7)
    assert isinstance(long, Ring)
    assert isinstance(short, KeysAndValues)
    assert long.keys_BGMK.shape == short.keys_BGMK.shape == (3, 4, 7, 8)


@torch.no_grad()
def test_only_the_share_of_channels_that_rotates_knows_the_positions() -> None:
    mixer = mixer_of(lively(shape("qwen3", "part-rotary")))
    rope = mixer.config.rope
    assert (rope.width, mixer.config.head_width) == (4, 8)
    for norm in (mixer.query_norm, mixer.key_norm):
        norm.weight[:4] = 0
    span = Span.after(0, some_tokens(2, 6))
    still = mixer(stream(), span, None)
    torch.testing.assert_close(still, without_rotation(mixer)(stream(), span, None))


@torch.no_grad()
def test_dropout_of_the_weights_acts_in_training_only() -> None:
    config = shape("llama", attention_dropout=0.5)
    mixer = mixer_of(lively(config))
    span = Span.after(0, some_tokens(2, 6))
    plain = mixer_of(lively(shape("llama")))(stream(), span, None)
    assert torch.equal(mixer(stream(), span, None), plain)
    torch.manual_seed(0)
    assert not torch.allclose(mixer.train()(stream(), span, None), plain)
