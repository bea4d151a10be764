"""The decoder and its blocks."""

from typing import get_args

import pytest
import torch
from laws.shapes import SHAPES, lively, shape, some_tokens
from toys import lively_decoder

from endonym.errors import ShapeError
from endonym.model.config import FfnKeys, MixerKeys, ModelConfig
from endonym.model.decoder import FFNS, MIXERS, Block, Decoder, on_meta
from endonym.model.families import FAMILIES
from endonym.model.init import new_decoder
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


@ALL
@torch.no_grad()
def test_logits_are_hidden_states_times_the_head(config: ModelConfig) -> None:
    decoder, tokens_BT = lively(config), some_tokens(2, 5)
    hidden_BTD, penalty = decoder(tokens_BT)
    assert hidden_BTD.shape == (2, 5, 32)
    assert penalty.shape == ()
    weight_VD = (decoder.embedding if decoder.head is None else decoder.head).weight
    logits_BTV = torch.einsum("btd,vd->btv", hidden_BTD, weight_VD)
    if config.logit_cap is not None:
        logits_BTV = 3.0 * torch.tanh(logits_BTV / 3.0)
    torch.testing.assert_close(decoder.logits(tokens_BT), logits_BTV)


@ALL
@torch.no_grad()
def test_the_penalty_is_that_of_all_blocks_together(config: ModelConfig) -> None:
    decoder, tokens_BT = lively(config), some_tokens(2, 5)
    found: list[torch.Tensor] = []
    for block in decoder.blocks:
        block.register_forward_hook(lambda block, given, answer: found.append(answer[1]))
    _, penalty = decoder(tokens_BT)
    assert len(found) == config.layers
    assert penalty.item() == pytest.approx(sum(each.item() for each in found))
    balances = {getattr(ffn, "balance", "bias") for ffn in config.ffns}
    assert (penalty.item() > 0) == ("penalty" in balances)


def test_a_tied_head_is_the_embedding_itself() -> None:
    tied, untied = Decoder(shape("llama")), Decoder(shape("llama", "untied"))
    assert tied.readout.weight_VD is tied.embedding.weight
    assert untied.readout.weight_VD is untied.head.weight
    assert "head.weight" not in tied.state_dict()


@torch.no_grad()
def test_a_new_decoder_answers_from_its_embedding_alone() -> None:
    decoder, tokens_BT = new_decoder(shape("qwen3"), 1), some_tokens(1, 6)
    hidden_BTD, _ = decoder(tokens_BT)
    rows = decoder.embedding(tokens_BT)
    wanted = rows / (rows.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt()
    torch.testing.assert_close(hidden_BTD, wanted)


def test_learned_positions_end_with_the_context() -> None:
    decoder = lively(shape("gpt2", context=8))
    assert decoder.logits(some_tokens(1, 8)).shape == (1, 8, 61)
    with pytest.raises(ShapeError) as caught:
        decoder.logits(some_tokens(1, 9))
    assert caught.value.where == "context"
    with pytest.raises(ShapeError, match="9 tokens"):
        decoder.logits(some_tokens(1, 1), Span.after(8, some_tokens(1, 1)))
    assert "9 tokens" in caught.value.message
    assert "8" in caught.value.message


@torch.no_grad()
def test_dropout_acts_in_training_only() -> None:
    config = shape("llama").model_copy(update={"dropout": 0.5})
    decoder, plain = lively_decoder(config), lively_decoder(shape("llama"))
    tokens_BT = some_tokens(1, 6)
    assert torch.equal(decoder.logits(tokens_BT), plain.logits(tokens_BT))
    torch.manual_seed(0)
    assert not torch.equal(decoder.train().logits(tokens_BT), plain.logits(tokens_BT))


@torch.no_grad()
def test_dropout_of_the_embedding_zeroes_its_share_of_channels() -> None:
    config = shape("llama").model_copy(update={"embedding_dropout": 0.25})
    decoder = lively_decoder(config).train()
    entering: list[torch.Tensor] = []
    decoder.blocks[0].register_forward_pre_hook(lambda block, given: entering.append(given[0]))
    torch.manual_seed(0)
    decoder(some_tokens(8, 32))
    assert (entering[0] == 0).double().mean().item() == pytest.approx(0.25, abs=0.02)


def test_a_decoder_on_meta_has_the_shapes_and_no_memory() -> None:
    config = shape("gpt2")
    real, empty = Decoder(config).state_dict(), on_meta(config).state_dict()
    assert {n: t.shape for n, t in real.items()} == {n: t.shape for n, t in empty.items()}
    assert {t.device.type for t in empty.values()} == {"meta"}
