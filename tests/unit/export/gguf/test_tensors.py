"""Our tensors in llama.cpp's layouts: rotary pairs, joined projections, tensors that it wants."""

import pytest
import torch
from laws.shapes import lively, shape
from torch import Tensor

from endonym.export.gguf.rows import architecture_of
from endonym.export.gguf.tensors import NO_SINK, gguf_tensors
from endonym.model.config import ModelConfig


def made(config: ModelConfig) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Our tensors, and those of the file."""
    ours = lively(config).state_dict()
    return ours, gguf_tensors(architecture_of(config), config, ours)


def test_halves_of_a_head_become_neighbours() -> None:
    config = shape("llama", "grouped")
    ours, theirs = made(config)
    width = config.dim // 4
    key = ours["blocks.1.mixer.key.weight"].float()
    stored = theirs["blk.1.attn_k.weight"]
    for channel in range(width // 2):
        for half in (0, 1):
            expected = key[width + half * width // 2 + channel]
            assert torch.equal(stored[width + 2 * channel + half], expected)
    value = ours["blocks.1.mixer.value.weight"].float()
    assert torch.equal(theirs["blk.1.attn_v.weight"], value)


def test_queries_keys_and_values_lie_one_below_the_other() -> None:
    ours, theirs = made(shape("gpt2"))
    parts = [ours[f"blocks.0.mixer.{part}.bias"] for part in ("query", "key", "value")]
    assert torch.equal(theirs["blk.0.attn_qkv.bias"], torch.cat(parts).float())


def test_decays_are_written_as_llama_cpp_uses_them() -> None:
    ours, theirs = made(shape("mamba"))
    assert torch.equal(theirs["blk.0.ssm_a"], -ours["blocks.0.mixer.A_log"].float().exp())


def test_a_tied_head_is_stored_only_where_it_is_wanted() -> None:
    assert "output.weight" not in made(shape("llama", tied=True))[1]
    _, theirs = made(shape("gptneox", tied=True))
    assert torch.equal(theirs["output.weight"], theirs["token_embd.weight"])


def test_sinks_have_no_share() -> None:
    config = shape("mistral")
    _, theirs = made(config)
    sinks = theirs["blk.1.attn_sinks.weight"]
    assert sinks.tolist() == [pytest.approx(NO_SINK)] * 4


def test_layers_come_in_order() -> None:
    _, theirs = made(shape("qwen3", layers=11))
    numbers = [int(name.split(".")[1]) for name in theirs if name.startswith("blk.")]
    assert numbers == sorted(numbers)
    assert max(numbers) == 10
