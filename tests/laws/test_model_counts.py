"""Law 9: parameters, memory and operations by formula equal those of the tensors."""

import pytest
import torch
from laws.shapes import some_tokens
from torch.utils.flop_counter import FlopCounterMode

from endonym.model.config import ModelConfig, ModelKeys
from endonym.model.count import cache_bytes_per_token, flops_per_token, parameters
from endonym.model.decoder import Decoder, on_meta
from endonym.model.families import resolve
from endonym.model.loss import summed_nats

KNOWN = {
    "llama 6x512, tied": (35_261_952, ("llama", 6, 512, 8, 8, 1365, 32_000, 1024, True)),
    "llama 6x512, untied": (51_645_952, ("llama", 6, 512, 8, 8, 1365, 32_000, 1024, False)),
    "llama 6x384": (22_909_824, ("llama", 6, 384, 6, 6, 1024, 32_000, 1024, True)),
    "llama 23x1024": (300_268_544, ("llama", 23, 1024, 16, 4, 2816, 40_000, 1024, True)),
    "llama 21x1024": (310_750_208, ("llama", 21, 1024, 16, 16, 2816, 40_000, 1024, True)),
    "gpt2 24x1536": (759_905_280, ("gpt2", 24, 1536, 24, None, None, 50_000, 2048, True)),
}
"""Shapes of earlier models, with their exact counts: transformers' own classes give the same."""


def known_shape(row: tuple) -> ModelConfig:
    """The shape that a row of KNOWN describes."""
    family, layers, dim, heads, kv_heads, hidden, vocab, context, tied = row
    keys = {
        "family": family,
        "layers": layers,
        "dim": dim,
        "mixer": {"heads": heads, "kv_heads": kv_heads},
        "ffn": {"hidden": hidden},
        "tied": tied,
    }
    return resolve(ModelKeys.model_validate(keys), vocab=vocab, context=context)


@pytest.mark.parametrize(("count", "row"), KNOWN.values(), ids=KNOWN.keys())
def test_known_shapes_have_their_known_parameters(count: int, row: tuple) -> None:
    config = known_shape(row)
    assert parameters(config).total == count
    assert sum(parameter.numel() for parameter in on_meta(config).parameters()) == count


def test_parameters_by_formula_are_those_of_the_tensors_place_by_place(
    config: ModelConfig,
) -> None:
    places = {"embedding": 0, "positions": 0, "blocks": 0, "head": 0}
    for name, parameter in on_meta(config).named_parameters():
        place = name.split(".")[0]
        places["blocks" if place == "norm" else place] += parameter.numel()
    found = parameters(config)
    assert {place: getattr(found, place) for place in places} == places
    assert found.total == sum(places.values())


def test_a_cache_takes_the_bytes_its_formula_says(config: ModelConfig) -> None:
    cache = on_meta(config).empty_cache(3, 7)
    tensors = [t for layer in cache for t in (layer.keys_BGMK, layer.values_BGMK)]
    held = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    assert sum(layer.bytes() for layer in cache) == held
    assert 3 * 7 * cache_bytes_per_token(config) == held
    half = on_meta(config).bfloat16().empty_cache(3, 7)
    assert 3 * 7 * cache_bytes_per_token(config, 2) == sum(layer.bytes() for layer in half)


def test_operations_by_formula_are_those_of_the_products(config: ModelConfig) -> None:
    """Products counted as they run; attention by hand: half of a square, three times over."""
    decoder, tokens_BT = Decoder(config).train(), some_tokens(2, 12)
    with FlopCounterMode(display=False) as counter:
        hidden_BTD, _ = decoder(tokens_BT)
        targets_N = tokens_BT.flatten()
        summed_nats(hidden_BTD.flatten(0, 1), decoder.head_weight_VD, targets_N).backward()
    counts = counter.get_flop_counts()["Global"]
    products = sum(n for kernel, n in counts.items() if "attention" not in str(kernel))
    inner = config.mixer.heads * config.mixer.head_width
    square = config.layers * 2 * (2 * 12 * inner)
    attention = 3 * square // 2
    assert flops_per_token(config, 12) == products // tokens_BT.numel() + attention


def test_operations_of_a_small_llama_by_hand() -> None:
    config = known_shape(("llama", 2, 8, 2, 1, 16, 50, 10, True))
    weights = 2 * (8 * 8 + 2 * (8 * 4) + 8 * 8 + 3 * 8 * 16) + 8 * 50
    assert flops_per_token(config) == 6 * weights + 6 * 2 * 8 * 10
    assert flops_per_token(config, 5) == 6 * weights + 6 * 2 * 8 * 5


def test_the_largest_shape_takes_no_memory_to_count() -> None:
    decoder = on_meta(known_shape(KNOWN["gpt2 24x1536"][1]))
    assert all(parameter.device == torch.device("meta") for parameter in decoder.parameters())
