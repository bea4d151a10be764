"""A block."""

from typing import get_args

import pytest
import torch
from laws.shapes import SHAPES, lively, shape, some_tokens

from endonym.model.config import FfnKeys, MixerKeys, ModelConfig
from endonym.model.decoder import FFNS, MIXERS, Block, on_meta
from endonym.model.families import FAMILIES
from endonym.model.span import Span

ALL = pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES.keys())


def stream(length: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, length, 32, generator=generator, dtype=torch.float64)


def whole_row(length: int = 5) -> Span:
    """Two rows from their start."""
    return Span.after(0, some_tokens(2, length))


def blocks_of(config: ModelConfig) -> list[Block]:
    """The blocks of a lively decoder."""
    return [block for block in lively(config).blocks if isinstance(block, Block)]


@ALL
@torch.no_grad()
def test_branches_that_are_shut_leave_the_stream_as_it_is(config: ModelConfig) -> None:
    for block in blocks_of(config):
        closings = [block.mixer.output, *([] if block.ffn is None else [block.ffn.down])]
        for closing in closings:
            for parameter in closing.parameters():
                parameter.zero_()
        assert torch.equal(block(stream(), whole_row())[0], stream())


@ALL
@torch.no_grad()
def test_each_branch_reads_a_norm_and_adds_to_the_stream(config: ModelConfig) -> None:
    """One after the other; or both from the stream before, by one norm or two."""
    for block in blocks_of(config):
        x, span = stream(), whole_row()
        wanted, penalty = x + block.mixer(block.norm(x), span, None), torch.zeros(())
        assert not torch.allclose(wanted, x)
        if block.ffn is not None:
            read = x if config.parallel else wanted
            norm = block.norm if config.shared_norm else block.ffn_norm
            added, penalty = block.ffn(norm(read))
            assert not torch.allclose(wanted + added, wanted)
            wanted = wanted + added
        found = block(x, span)
        torch.testing.assert_close(found[0], wanted)
        assert found[1].item() == pytest.approx(penalty.item())


def test_a_block_has_only_the_norms_that_it_uses() -> None:
    for name, config in SHAPES.items():
        for layer, block in enumerate(on_meta(config).blocks):
            has_ffn = config.ffn_at(layer).kind != "none"
            assert (block.ffn is not None) == has_ffn, name
            assert (block.ffn_norm is not None) == (has_ffn and not config.shared_norm), name


@torch.no_grad()
def test_dropout_acts_on_each_branch_and_never_on_the_stream() -> None:
    config = shape("llama", dropout=0.5)
    block = blocks_of(config)[0].train()
    for closing in (block.mixer.output, block.ffn.down):
        closing.weight.zero_()
    torch.manual_seed(0)
    assert torch.equal(block(stream(), whole_row())[0], stream())
    for open_one in (block.mixer.output, block.ffn.down):
        open_one.weight.fill_(1.0)
        change = block(stream(), whole_row())[0] - stream()
        assert 0.3 < (change == 0).double().mean() < 0.7
        open_one.weight.zero_()


def test_every_kind_that_a_recipe_may_name_is_a_part_that_exists() -> None:
    for keys, parts in ((MixerKeys, MIXERS), (FfnKeys, {**FFNS, "none": None})):
        (literal, _) = get_args(keys.model_fields["kind"].annotation)
        assert set(get_args(literal)) == parts.keys()
    for family in FAMILIES:
        assert FAMILIES[family].mixer in MIXERS
        assert FAMILIES[family].ffn in {*FFNS, "none"}
