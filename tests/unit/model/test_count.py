"""Counting by formula. That formulas equal tensors is law 9; here are the numbers by hand."""

import pytest
import torch
from laws.shapes import SHAPES, lively, shape, some_tokens

from endonym.model.config import ModelConfig
from endonym.model.count import (
    Parameters,
    cache_bytes_per_token,
    ffn_parameters,
    flops_per_token,
    mixer_parameters,
    norm_parameters,
    parameters,
    training_bytes,
)
from endonym.model.families import FAMILIES
from endonym.model.loss import summed_nats
from endonym.model.span import Span


def test_the_parts_of_a_qwen3_by_hand() -> None:
    config = shape("qwen3", "grouped")
    assert norm_parameters(config) == 32
    assert mixer_parameters(config) == 32 * 32 + 2 * (32 * 16) + 32 * 32 + 2 * 8
    assert ffn_parameters(config) == 3 * 32 * 256


def test_the_parts_of_a_gpt2_by_hand() -> None:
    config = shape("gpt2")
    assert norm_parameters(config) == 64
    assert mixer_parameters(config) == 4 * (32 * 32 + 32)
    assert ffn_parameters(config) == 32 * 128 + 128 + 128 * 32 + 32


def test_a_total_is_the_sum_of_its_places() -> None:
    assert Parameters(embedding=1000, positions=200, blocks=30, head=4).total == 1234
    tied, untied = parameters(shape("llama")), parameters(shape("llama", "untied"))
    assert untied.total - tied.total == untied.head == 61 * 32


def test_a_memory_holds_a_key_and_a_value_for_each_key_value_head() -> None:
    assert cache_bytes_per_token(shape("llama")) == 2 * 2 * (4 * 8) * 4
    assert cache_bytes_per_token(shape("llama", "one-kv-head"), 2) == 2 * 2 * (1 * 8) * 2


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES.keys())
def test_operations_grow_with_the_length_by_attention_alone(config: ModelConfig) -> None:
    step = flops_per_token(config, 11) - flops_per_token(config, 10)
    assert step == 6 * config.layers * config.mixer.heads * config.mixer.head_width
    assert flops_per_token(config) == flops_per_token(config, config.context)


def kept_bytes(config: ModelConfig, tokens: int, dtype: torch.dtype) -> int:
    """Memory of what the backward pass of one packed micro-batch holds, weights aside."""
    decoder = lively(config).to(dtype).train()
    weights = {each.untyped_storage().data_ptr() for each in decoder.parameters()}
    seen: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    tokens_BT = some_tokens(tokens // 32, 32, vocab=config.vocab)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        hidden_BTD, _ = decoder(tokens_BT, Span.packed(tokens_BT * 0))
        nats = summed_nats(hidden_BTD.flatten(0, 1), decoder.head_weight_VD, tokens_BT.flatten())
    assert nats.requires_grad
    return sum(seen.values())


@pytest.mark.parametrize("family", FAMILIES)
def test_the_memory_of_training_is_about_what_a_micro_batch_keeps(family: str) -> None:
    config = shape(family, dim=64, layers=4, vocab=300)
    tokens = 1024
    promised = training_bytes(config, tokens, "fp32") - training_bytes(config, 0, "fp32")
    logits = tokens * config.vocab * 3 * 4
    held = kept_bytes(config, tokens, torch.float32)
    assert 0.6 < (promised - logits) / held < 1.7


def test_the_fixed_memory_of_training_is_sixteen_bytes_a_parameter() -> None:
    config = shape("llama")
    count = parameters(config).total
    assert training_bytes(config, 0, "fp32") == 16 * count
    assert training_bytes(config, 0, "bf16") == (16 + 4) * count
