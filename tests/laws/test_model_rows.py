"""Laws 6 and 7: shared key/value heads equal copied ones, and rows are alone.

That as many key/value heads as heads are plain attention stands with the kernels (law 5).
"""

import pytest
import torch
from laws.shapes import lively, shape, some_tokens
from torch import Tensor

from endonym.model.config import ModelConfig
from endonym.model.decoder import Decoder
from endonym.model.families import FAMILIES
from endonym.model.span import Span

OF_ATTENTION = [name for name, row in FAMILIES.items() if row.mixer == "attention"]
NEAR = {"rtol": 0.0, "atol": 1e-9}


def with_kv_heads(config: ModelConfig, kv_heads: int) -> ModelConfig:
    """The same shape with another number of key/value heads, whatever the family allows."""
    mixers = tuple(mixer.model_copy(update={"kv_heads": kv_heads}) for mixer in config.mixers)
    return config.model_copy(update={"mixers": mixers})


@pytest.mark.parametrize(
    "family", [name for name, row in FAMILIES.items() if row.mixer == "attention"]
)
@pytest.mark.parametrize("kv_heads", [1, 2])
@pytest.mark.parametrize("is_packed", [False, True])
@torch.no_grad()
def test_shared_key_value_heads_equal_heads_that_are_copies(
    family: str, kv_heads: int, is_packed: bool
) -> None:
    shared = lively(with_kv_heads(shape(family), kv_heads))
    weights = dict(shared.state_dict())
    for name, tensor in weights.items():
        if ".mixer.key." in name or ".mixer.value." in name:
            heads = tensor.unflatten(0, (kv_heads, -1))
            weights[name] = torch.cat([heads[h * kv_heads // 4] for h in range(4)])
    plain = Decoder(with_kv_heads(shape(family), 4)).double().eval()
    plain.load_state_dict(weights)
    tokens_BT = some_tokens(2, 12)
    span = Span.packed(torch.tensor([[1] * 5 + [2] * 7] * 2)) if is_packed else None
    found, wanted = shared.logits(tokens_BT, span), plain.logits(tokens_BT, span)
    torch.testing.assert_close(found, wanted, **NEAR)


@torch.no_grad()
def test_permuting_the_batch_permutes_the_answer(decoder: Decoder) -> None:
    tokens_BT, order = some_tokens(4, 12), torch.tensor([2, 0, 3, 1])
    numbers = torch.tensor([[1] * 12, [1] * 3 + [2] * 9, [1] * 11 + [2], [1, 2] * 6])
    plain = decoder.logits(tokens_BT[order])
    torch.testing.assert_close(plain, decoder.logits(tokens_BT)[order], **NEAR)
    packed = decoder.logits(tokens_BT[order], Span.packed(numbers[order]))
    wanted = decoder.logits(tokens_BT, Span.packed(numbers))[order]
    torch.testing.assert_close(packed, wanted, **NEAR)


@torch.no_grad()
def test_no_row_sees_another(decoder: Decoder) -> None:
    tokens_BT = some_tokens(3, 12)
    changed_BT = tokens_BT.clone()
    changed_BT[1] = some_tokens(1, 12, seed=9)[0]
    before, after = decoder.logits(tokens_BT), decoder.logits(changed_BT)
    torch.testing.assert_close(before[[0, 2]], after[[0, 2]], **NEAR)
    assert not torch.equal(before[1], after[1])
    alone = decoder.logits(tokens_BT[:1])
    torch.testing.assert_close(before[:1], alone, **NEAR)


def with_weights_of(config: ModelConfig, weights: dict[str, Tensor]) -> Decoder:
    """A decoder of this shape with another's weights."""
    decoder = Decoder(config).double().eval()
    decoder.load_state_dict(weights)
    return decoder


@torch.no_grad()
def test_a_window_as_long_as_the_row_is_no_window() -> None:
    wide = lively(shape("mistral", "whole-window"))
    plain = with_weights_of(shape("llama", layers=2), wide.state_dict())
    tokens_BT = some_tokens(2, 32)
    torch.testing.assert_close(wide.logits(tokens_BT), plain.logits(tokens_BT), **NEAR)


@torch.no_grad()
@pytest.mark.parametrize("gated", [True, False])
def test_one_expert_is_a_plain_feed_forward(gated: bool) -> None:
    ffn = {"experts": 1, "hidden": 24, "gated": gated, "activation": "silu"}
    mixture = lively(shape("moe", ffn=ffn))
    weights = {k: v for k, v in mixture.state_dict().items() if "router" not in k}
    weights = {k: v[0] if ".ffn." in k and v.ndim == 3 else v for k, v in weights.items()}
    dense = {"kind": "gated" if gated else "plain", "hidden": 24, "activation": "silu"}
    plain = with_weights_of(shape("qwen3", ffn=dense), weights)
    tokens_BT = some_tokens(2, 12)
    torch.testing.assert_close(mixture.logits(tokens_BT), plain.logits(tokens_BT), **NEAR)


@torch.no_grad()
@pytest.mark.parametrize("variant", ["plain", "one-norm"])
def test_parallel_branches_are_two_serial_blocks_of_one_stream(variant: str) -> None:
    """Each branch alone, from serial blocks whose other branch is silent, summed."""
    config = shape("falcon", variant, layers=1)
    together = lively(config)
    weights = dict(together.state_dict())
    if config.shared_norm:
        for part in ("weight", "bias"):
            weights[f"blocks.0.ffn_norm.{part}"] = weights[f"blocks.0.norm.{part}"]
    serial = config.model_copy(update={"parallel": False, "shared_norm": False})
    x_BTD = torch.randn(2, 9, 32, dtype=torch.float64)
    span = Span.after(0, torch.zeros(2, 9, dtype=torch.long))
    branches = []
    for silent in ("mixer.output.weight", "ffn.down.weight"):
        muted = weights | {f"blocks.0.{silent}": torch.zeros_like(weights[f"blocks.0.{silent}"])}
        block = with_weights_of(serial, muted).blocks[0]
        branches.append(block(x_BTD, span)[0] - x_BTD)
    found, _ = together.blocks[0](x_BTD, span)
    torch.testing.assert_close(found, x_BTD + sum(branches), **NEAR)
