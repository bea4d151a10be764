"""Law 9: parameters, memory and operations by formula equal those of the tensors."""

from typing import Any

import pytest
import torch
from laws.shapes import SHAPES, some_tokens
from torch import is_tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from endonym.model.config import ModelConfig, ModelKeys
from endonym.model.count import cache_bytes, flops_per_token, parameters
from endonym.model.decoder import Decoder, on_meta
from endonym.model.families import resolve
from endonym.model.ffn import Experts
from endonym.model.kernels.loss import summed_nats

LLAMA = {"family": "llama", "layers": 6, "dim": 512, "vocab": 32_000, "context": 1024}
KNOWN: dict[str, tuple[int, dict[str, Any]]] = {
    "llama 6x512, tied": (
        35_261_952,
        LLAMA | {"mixer": {"heads": 8}, "ffn": {"hidden": 1365}},
    ),
    "llama 6x512, untied": (
        51_645_952,
        LLAMA | {"mixer": {"heads": 8}, "ffn": {"hidden": 1365}, "tied": False},
    ),
    "llama 6x384": (
        22_909_824,
        LLAMA | {"dim": 384, "mixer": {"heads": 6}, "ffn": {"hidden": 1024}},
    ),
    "llama 23x1024": (
        300_268_544,
        LLAMA
        | {"layers": 23, "dim": 1024, "vocab": 40_000, "ffn": {"hidden": 2816}}
        | {"mixer": {"heads": 16, "kv_heads": 4}},
    ),
    "llama 21x1024": (
        310_750_208,
        LLAMA
        | {"layers": 21, "dim": 1024, "vocab": 40_000, "ffn": {"hidden": 2816}}
        | {"mixer": {"heads": 16}},
    ),
    "gpt2 24x1536": (
        759_905_280,
        {"family": "gpt2", "layers": 24, "dim": 1536, "mixer": {"heads": 24}}
        | {"vocab": 50_000, "context": 2048},
    ),
    "mamba 18x512, state 64": (
        49_552_896,
        {"family": "mamba", "layers": 18, "dim": 512, "mixer": {"state": 64}, "vocab": 32_000},
    ),
    "falcon 25x1024": (
        306_485_248,
        {"family": "falcon", "layers": 25, "dim": 1024, "mixer": {"heads": 16}, "vocab": 40_000},
    ),
    "mistral 23x1024": (
        300_268_544,
        {"family": "mistral", "layers": 23, "dim": 1024, "vocab": 40_000}
        | {"mixer": {"heads": 16, "kv_heads": 4, "window": 512}, "ffn": {"hidden": 2816}},
    ),
    "mamba2 40x1024": (
        305_003_264,
        {"family": "mamba2", "layers": 40, "dim": 1024, "vocab": 40_000},
    ),
    "gptneox 6x512": (
        23_109_632,
        {"family": "gptneox", "layers": 6, "dim": 512, "mixer": {"heads": 8}, "vocab": 8192}
        | {"ffn": {"hidden": 2048}},
    ),
}
"""Shapes of earlier models, with their exact counts: transformers' own classes give the same."""


def known_shape(keys: dict[str, Any]) -> ModelConfig:
    """The shape that an entry of KNOWN describes."""
    sizes = {"context": 2048} | {key: keys[key] for key in ("vocab", "context") if key in keys}
    said = {key: value for key, value in keys.items() if key not in sizes}
    return resolve(ModelKeys.model_validate(said), **sizes)


@pytest.mark.parametrize(("count", "keys"), KNOWN.values(), ids=KNOWN.keys())
def test_known_shapes_have_their_known_parameters(count: int, keys: dict[str, Any]) -> None:
    config = known_shape(keys)
    assert parameters(config).total == count
    assert sum(parameter.numel() for parameter in on_meta(config).parameters()) == count


def test_parameters_by_formula_are_those_of_the_tensors_part_by_part(
    config: ModelConfig,
) -> None:
    parts = {"embedding": 0, "positions": 0, "blocks": 0, "head": 0}
    for name, parameter in on_meta(config).named_parameters():
        part = name.split(".")[0]
        parts["blocks" if part == "norm" else part] += parameter.numel()
    found = parameters(config)
    assert {part: getattr(found, part) for part in parts} == parts
    assert found.total == sum(parts.values())


@pytest.mark.parametrize("length", [1, 7, 32])
def test_a_cache_takes_the_bytes_its_formula_says(config: ModelConfig, length: int) -> None:
    for decoder, width in ((on_meta(config), 4), (on_meta(config).bfloat16(), 2)):
        cache = decoder.empty_cache(3, length)
        tensors = [each for layer in cache for each in vars(layer).values() if is_tensor(each)]
        held = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        assert sum(layer.bytes() for layer in cache) == held
        assert 3 * cache_bytes(config, length, width) == held


def test_a_state_and_a_window_take_a_constant_however_long_the_row() -> None:
    for name in ("mamba-plain", "mamba2-groups", "mistral-plain", "mamba2-hybrid"):
        assert cache_bytes(SHAPES[name], 32) == cache_bytes(SHAPES[name], 32_000)
    assert cache_bytes(SHAPES["llama-plain"], 64) == 2 * cache_bytes(SHAPES["llama-plain"], 32)


def products(config: ModelConfig, decoder: Decoder) -> int:
    """Operations of one token in the linear maps, forward and backward, module by module."""
    weights = sum(m.weight.numel() for m in decoder.modules() if isinstance(m, nn.Linear))
    for ffn in (m.config for m in decoder.modules() if isinstance(m, Experts)):
        weights += (3 if ffn.gated else 2) * config.dim * ffn.hidden * ffn.active
    return 6 * (weights + (config.vocab * config.dim if config.tied else 0))


def test_operations_by_formula_are_those_of_the_products(config: ModelConfig) -> None:
    """Attention by hand: half of a square, three times over, and no more than a window."""
    decoder, tokens_BT = Decoder(config).train(), some_tokens(2, 12)
    if all(mixer.kind == "attention" for mixer in config.mixers):
        with FlopCounterMode(display=False) as counter:
            hidden_BTD, _ = decoder(tokens_BT)
            targets_N = tokens_BT.flatten()
            summed_nats(hidden_BTD.flatten(0, 1), decoder.readout, targets_N).backward()
        counts = counter.get_flop_counts()["Global"]
        counted = sum(n for kernel, n in counts.items() if "attention" not in str(kernel))
        assert counted == products(config, decoder) * tokens_BT.numel()
    between = 0
    for layer in range(config.layers):
        mixer = config.blocks[layer][0]
        if mixer.kind == "attention":
            hidden = max(0, 12 - (mixer.window or 12)) ** 2
            between += -(-6 * mixer.heads * mixer.head_width * (144 - hidden) // 12)
        else:
            taps = decoder.blocks[layer].mixer.convolution.weight.numel()
            between += 18 * mixer.inner * mixer.state + 6 * taps
    assert flops_per_token(config, 12) == products(config, decoder) + between


def test_only_the_experts_that_a_token_goes_to_are_active() -> None:
    count = parameters(SHAPES["moe-plain"])
    assert count.total - count.active == 2 * 3 * (3 * 32 * 24)
    assert parameters(SHAPES["moe-all-active"]).idle == 0
    assert parameters(SHAPES["qwen3-plain"]).idle == 0


def test_operations_of_a_small_llama_by_hand() -> None:
    keys = {"family": "llama", "layers": 2, "dim": 8, "mixer": {"heads": 2, "kv_heads": 1}}
    config = known_shape(keys | {"ffn": {"hidden": 16}, "vocab": 50, "context": 10})
    weights = 2 * (8 * 8 + 2 * (8 * 4) + 8 * 8 + 3 * 8 * 16) + 8 * 50
    assert flops_per_token(config) == 6 * weights + 6 * 2 * 8 * 10
    assert flops_per_token(config, 5) == 6 * weights + 6 * 2 * 8 * 5


def test_the_largest_shape_takes_no_memory_to_count() -> None:
    decoder = on_meta(known_shape(KNOWN["gpt2 24x1536"][1]))
    assert all(parameter.device == torch.device("meta") for parameter in decoder.parameters())
