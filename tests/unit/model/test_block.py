"""A block."""

import pytest
import torch
from laws.shapes import lively, shape, some_tokens

from endonym.model.block import FFNS, MIXERS, Block
from endonym.model.families import FAMILIES
from endonym.model.span import Span


def stream(length: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, length, 32, generator=generator, dtype=torch.float64)


def whole_row(length: int = 5) -> Span:
    """A span for attention without rotary positions, so that a block can stand alone."""
    return Span.after(0, some_tokens(2, length))


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_a_branch_that_is_shut_leaves_the_stream_as_it_is(family: str) -> None:
    block = lively(shape(family)).blocks[0]
    assert isinstance(block, Block)
    for closing in (block.mixer.output, block.ffn.down):
        for parameter in closing.parameters():
            parameter.zero_()
    y, penalty = block(stream(), whole_row())
    assert torch.equal(y, stream())
    assert penalty.item() == 0


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_each_branch_reads_a_norm_and_adds_to_the_stream(family: str) -> None:
    block = lively(shape(family)).blocks[0]
    assert isinstance(block, Block)
    x, span = stream(), whole_row()
    after_mixer = x + block.mixer(block.norm(x), span, None)
    wanted = after_mixer + block.ffn(block.ffn_norm(after_mixer))[0]
    assert torch.equal(block(x, span)[0], wanted)
    assert not torch.allclose(after_mixer, x)
    assert not torch.allclose(wanted, after_mixer)


def test_every_row_names_parts_that_exist() -> None:
    for family in FAMILIES:
        config = shape(family)
        assert config.mixer.kind in MIXERS
        assert config.ffn.kind in FFNS
