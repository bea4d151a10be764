"""Counting by formula. That formulas equal tensors is law 9; here are the numbers by hand."""

import pytest
from laws.shapes import SHAPES, shape

from endonym.model.config import ModelConfig
from endonym.model.count import (
    Parameters,
    cache_bytes,
    cache_bytes_per_token,
    ffn_parameters,
    flops_per_token,
    mixer_parameters,
    parameters,
)


@pytest.mark.parametrize(
    ("config", "mixer", "ffn"),
    [
        (shape("qwen3", "grouped"), 2 * 32 * 32 + 2 * (32 * 16) + 2 * 8, 3 * 32 * 256),
        (shape("gpt2"), 4 * (32 * 32 + 32), 2 * 32 * 128 + 128 + 32),
        # 64 inner channels, a state of 4, steps of rank 5, two taps, and biases in and out.
        (
            shape("mamba", "biases"),
            *(32 * 128 + 128 + 64 * 13 + 5 * 64 + 64 + 64 * 32 + 32 + 3 * 64 + 64 * 4 + 64, 0),
        ),
        # 4 heads of 16 channels in 2 groups with a state of 4, three taps, biases in and out.
        (shape("mamba2", "groups"), 33 * (64 + 80 + 4) + 64 * 32 + 32 + 4 * 80 + 3 * 4 + 64, 0),
        (shape("moe"), None, 5 * (3 * 32 * 24) + 5 * 32),
        (shape("moe", "plain-experts"), None, 5 * (2 * 32 * 24) + 5 * 32),
        (shape("moe", "biased-choice"), None, 5 * (3 * 32 * 24) + 5 * 32 + 5),
    ],
)
def test_the_parts_of_a_layer_by_hand(config: ModelConfig, mixer: int | None, ffn: int) -> None:
    assert ffn_parameters(32, config.ffn_at(0)) == ffn
    assert mixer is None or mixer_parameters(32, config.mixer_at(0)) == mixer


def test_a_total_is_the_sum_of_its_parts() -> None:
    assert Parameters(embedding=1000, positions=200, blocks=30, head=4).total == 1234
    tied, untied = parameters(shape("llama")), parameters(shape("llama", "untied"))
    assert untied.total - tied.total == untied.head == 61 * 32


def test_a_memory_holds_a_key_and_a_value_for_each_key_value_head() -> None:
    assert cache_bytes_per_token(shape("llama")) == 2 * 2 * (4 * 8) * 4
    assert cache_bytes_per_token(shape("llama", "one-kv-head"), 2) == 2 * 2 * (1 * 8) * 2


def test_a_ring_and_a_state_hold_what_they_hold_by_hand() -> None:
    """Keys and values of a window of 7; 3 inputs of 64 channels and 64 · 4 precise numbers."""
    assert cache_bytes(shape("mistral"), 30) == 2 * (2 * 7 * 4 * 8) * 4
    assert cache_bytes(shape("mistral"), 5) == 2 * (2 * 5 * 4 * 8) * 4
    assert cache_bytes(shape("mamba"), 30, 2) == 2 * (3 * 64 * 2 + 64 * 4 * 4)
    assert cache_bytes(shape("mamba2", "groups"), 30, 2) == 2 * (2 * 80 * 2 + 64 * 4 * 4)


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES.keys())
def test_operations_grow_with_the_length_by_attention_alone(config: ModelConfig) -> None:
    mixers = [config.mixer_at(layer) for layer in range(config.layers)]
    whole = [each for each in mixers if each.kind == "attention" and each.window is None]
    step = flops_per_token(config, 40_001) - flops_per_token(config, 40_000)
    assert step == 6 * sum(each.heads * each.head_width for each in whole)
    assert flops_per_token(config) == flops_per_token(config, config.context)


def test_under_a_window_a_token_meets_no_more_keys_than_it_holds() -> None:
    """Of 10 tokens under a window of 7: half of 10², less the half of 3² that is hidden."""
    config, wide = shape("mistral"), shape("llama")
    same = flops_per_token(wide, 10) - 6 * 2 * 32 * 10
    assert flops_per_token(config, 10) == same + 2 * -(-6 * 32 * (100 - 9) // 10)
    assert flops_per_token(config, 7) == flops_per_token(wide, 7)


def test_operations_count_only_the_experts_that_a_token_goes_to() -> None:
    one, two, all_five = (shape("moe", ffn={"active": active}) for active in (1, 2, 5))
    assert flops_per_token(two) - flops_per_token(one) == 6 * 2 * (3 * 32 * 24)
    assert flops_per_token(all_five) - flops_per_token(one) == 6 * 2 * 4 * (3 * 32 * 24)
    assert parameters(one).total == parameters(all_five).total
