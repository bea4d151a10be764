"""Counting by formula. That formulas equal tensors is law 9; here are the numbers by hand."""

from typing import Any

import pytest
from laws.shapes import SHAPES, shape

from endonym.model import count
from endonym.model.config import ModelConfig


def test_a_total_is_the_sum_of_its_parts() -> None:
    assert count.Parameters(embedding=1000, positions=200, blocks=30, head=4).total == 1234
    tied, untied = count.parameters(shape("llama")), count.parameters(shape("llama", "untied"))
    assert untied.total - tied.total == untied.head == 61 * 32


def test_a_memory_holds_a_key_and_a_value_for_each_key_value_head() -> None:
    assert count.cache_bytes_per_token(shape("llama")) == 2 * 2 * (4 * 8) * 4
    assert count.cache_bytes_per_token(shape("llama", "one-kv-head"), 2) == 2 * 2 * (1 * 8) * 2


def test_a_ring_and_a_state_hold_what_they_hold_by_hand() -> None:
    """Keys and values of a window of 7; 3 inputs of 64 channels and 64 · 4 precise numbers."""
    assert count.cache_bytes(shape("mistral"), 30) == 2 * (2 * 7 * 4 * 8) * 4
    assert count.cache_bytes(shape("mistral"), 5) == 2 * (2 * 5 * 4 * 8) * 4
    assert count.cache_bytes(shape("mamba"), 30, 2) == 2 * (3 * 64 * 2 + 64 * 4 * 4)
    assert count.cache_bytes(shape("mamba2", "groups"), 30, 2) == 2 * (2 * 80 * 2 + 64 * 4 * 4)


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES.keys())
def test_operations_grow_with_the_length_by_attention_alone(config: ModelConfig) -> None:
    mixers = [config.mixer_at(layer) for layer in range(config.layers)]
    whole = [each for each in mixers if each.kind == "attention" and each.window is None]
    step = count.flops_per_token(config, 40_001) - count.flops_per_token(config, 40_000)
    assert step == 6 * sum(each.heads * each.head_width for each in whole)
    assert count.flops_per_token(config) == count.flops_per_token(config, config.context)


def test_under_a_window_a_token_meets_no_more_keys_than_it_holds() -> None:
    """Of 10 tokens under a window of 7: half of 10², less the half of 3² that is hidden."""
    config, wide = shape("mistral"), shape("llama")
    same = count.flops_per_token(wide, 10) - 6 * 2 * 32 * 10
    assert count.flops_per_token(config, 10) == same + 2 * -(-6 * 32 * (100 - 9) // 10)
    assert count.flops_per_token(config, 7) == count.flops_per_token(wide, 7)


def test_operations_count_only_the_experts_that_a_token_goes_to() -> None:
    one, two, all_five = (shape("moe", ffn={"active": active}) for active in (1, 2, 5))
    assert count.flops_per_token(two) - count.flops_per_token(one) == 6 * 2 * (3 * 32 * 24)
    assert count.flops_per_token(all_five) - count.flops_per_token(one) == 6 * 2 * 4 * (3 * 32 * 24)
    assert count.parameters(one).total == count.parameters(all_five).total


SAID: dict[str, tuple[str, dict[str, Any], str]] = {
    "attention": ("llama", {}, "4 heads of 8, gated feed-forward of 256"),
    "one head": ("llama", {"mixer": {"heads": 1}}, "1 head of 32, gated feed-forward of 256"),
    "shared keys and a window": (
        *("mistral", {"mixer": {"kv_heads": 2, "window": 9}}),
        "4 heads of 8 on 2, window of 9, gated feed-forward of 256",
    ),
    "a wide plain one": (
        *("gpt2", {"dim": 1024, "mixer": {"heads": 16}}),
        "16 heads of 64, plain feed-forward of 4\u2009096",
    ),
    "mamba": ("mamba", {"dim": 512}, "mamba with 1\u2009024 channels, state of 4"),
    "mamba2": ("mamba2", {}, "mamba2 with 4 heads of 16, state of 4"),
    "experts": ("moe", {}, "4 heads of 8, 2 of 5 experts of 24"),
    "a hybrid": (
        *("llama", {"mixer": [{"heads": 4, "window": 8}, {"kind": "mamba"}]}),
        "4 heads of 8, window of 8, mamba with 64 channels, state of 16, gated feed-forward of 256",
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_the_parts_of_a_shape_are_said_in_a_line(case: str) -> None:
    family, keys, text = SAID[case]
    assert count.parts_text(shape(family, **keys)) == text
