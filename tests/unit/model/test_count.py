"""Counting by formula. That formulas equal tensors is law 9; here are the numbers by hand."""

from typing import Any

import pytest
from laws.shapes import SHAPES, shape

from endonym.model import count
from endonym.model.config import ModelConfig


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES.keys())
def test_operations_grow_with_the_length_by_attention_alone(config: ModelConfig) -> None:
    mixers = [mixer for mixer, _ in config.blocks]
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


SAID: dict[str, tuple[str, dict[str, Any], str]] = {
    "attention": ("llama", {}, "4 heads of 8, gated feed-forward of 256"),
    "one head": ("llama", {"mixer": {"heads": 1}}, "1 head of 32, gated feed-forward of 256"),
    "shared keys and a window": (
        *("mistral", {"mixer": {"kv_heads": 2, "window": 9}}),
        "4 heads of 8 on 2, window of 9, gated feed-forward of 256",
    ),
    "a wide plain one": (
        *("gpt2", {"dim": 1024, "mixer": {"heads": 16}}),
        "16 heads of 64, plain feed-forward of 4\u202f096",
    ),
    "mamba": ("mamba", {"dim": 512}, "mamba with 1\u202f024 channels, state of 4"),
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
