"""Our tensors in llama.cpp's layouts: rotary pairs, joined projections, tensors that it wants."""

import pytest
import torch
from laws.shapes import lively, shape
from torch import Tensor

from endonym.export.gguf.rows import architecture_of
from endonym.export.gguf.tensors import NO_SINK, gguf_tensors
from endonym.model.config import ModelConfig


def made(config: ModelConfig) -> dict[str, Tensor]:
    """The tensors of the file of a lively decoder."""
    return gguf_tensors(architecture_of(config), config, lively(config).state_dict())


def test_a_tied_head_is_stored_only_where_it_is_wanted() -> None:
    assert "output.weight" not in made(shape("llama", tied=True))
    theirs = made(shape("gptneox", tied=True))
    assert torch.equal(theirs["output.weight"], theirs["token_embd.weight"])


def test_sinks_have_no_share() -> None:
    sinks = made(shape("mistral"))["blk.1.attn_sinks.weight"]
    assert sinks.tolist() == [pytest.approx(NO_SINK)] * 4


def test_layers_come_in_order() -> None:
    theirs = made(shape("qwen3", layers=11))
    numbers = [int(name.split(".")[1]) for name in theirs if name.startswith("blk.")]
    assert numbers == sorted(numbers)
    assert max(numbers) == 10
