"""Blocks computed once more on the way back give the same gradients, and keep far less."""

from itertools import pairwise

import pytest
import torch
from laws.shapes import shape, some_tokens
from laws.test_memory_counts import CONTEXT, SIZES, WIDER, held
from laws.test_memory_counts import ROWS as ROWS_HELD
from toys import lively_decoder, toy_decoder, train_config

from endonym.data.batches import Batch
from endonym.model.decoder import Decoder
from endonym.model.families import FAMILIES
from endonym.model.memory import kept_numbers
from endonym.model.weights import narrow
from endonym.train.objectives import CROSS_ENTROPY
from endonym.train.optimizer import Optimizer
from endonym.train.step import accumulate_gradients, take_step

FORMATS = ("fp32", "bf16")
ROWS = 3


def noisy(family: str) -> Decoder:
    """A decoder with dropout wherever it can be, and every weight at work."""
    keys = {"dropout": 0.2, "embedding_dropout": 0.1}
    if FAMILIES[family].mixer == "attention":
        keys["attention_dropout"] = 0.1
    config = shape(family, context=32, **WIDER.get(family, {}), **keys)
    return lively_decoder(config, noise=0.1).train()


def batch_of(vocab: int) -> Batch:
    tokens_BT = some_tokens(ROWS, 33, vocab=vocab)
    documents_BT = (torch.arange(32) // 13).expand(ROWS, -1).contiguous()
    return Batch(tokens_BT[:, :-1].contiguous(), tokens_BT[:, 1:].contiguous(), documents_BT)


def gradients(decoder: Decoder, batch: Batch) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    CROSS_ENTROPY.loss(decoder, batch).objective.backward()
    return {n: p.grad for n, p in decoder.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("number_format", FORMATS)
@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_the_same_bits_with_dropout_and_penalties(
    family: str, number_format: str
) -> None:
    plain, sparing = noisy(family), noisy(family)
    sparing.checkpointed_blocks = plain.config.layers
    for decoder in (plain, sparing):
        if number_format == "bf16":
            narrow(decoder)
    batch = batch_of(plain.config.vocab)
    expected, found = gradients(plain, batch), gradients(sparing, batch)
    assert expected.keys() == found.keys()
    for name, gradient in expected.items():
        assert torch.equal(found[name], gradient), name
    torch.manual_seed(6)
    assert not torch.equal(
        CROSS_ENTROPY.loss(plain, batch).nats, CROSS_ENTROPY.loss(plain, batch).nats
    )


@pytest.mark.parametrize("family", ["moe", "mamba2"])
def test_steps_of_several_parts_learn_the_same(family: str) -> None:
    learnt = []
    for checkpointed_blocks in (0, 1):
        decoder = noisy(family)
        decoder.checkpointed_blocks = checkpointed_blocks
        optimizer = Optimizer(
            decoder, train_config(lr=1e-3, weight_decay=0.1).but(number_format="bf16")
        )
        torch.manual_seed(3)
        batch = batch_of(decoder.config.vocab)
        seen = accumulate_gradients(optimizer, batch, rows=2, weight=batch.targets_BT.numel())
        for _ in range(2):
            take_step(optimizer, batch, lr_scale=1.0, rows=2)
        learnt.append((seen, optimizer.weights()))
    assert learnt[0][0] == learnt[1][0]
    assert all(torch.equal(learnt[0][1][name], each) for name, each in learnt[1][1].items())


KEPT = [
    (family, number_format)
    for turn, family in enumerate(FAMILIES)
    for number_format in (FORMATS if family in ("qwen3", "mamba2", "moe") else [FORMATS[turn % 2]])
]
"""A family of each kind in both formats, the others in either."""


@pytest.mark.parametrize(("family", "number_format"), KEPT)
def test_of_each_block_only_what_it_is_given_is_kept(family: str, number_format: str) -> None:
    config = shape(family, context=CONTEXT, **SIZES, **WIDER.get(family, {}))
    decoder = toy_decoder(config).train()
    if number_format == "bf16":
        narrow(decoder)
    kept, promised = [], []
    for blocks in range(config.layers + 1):
        decoder.checkpointed_blocks = blocks
        kept.append(held(decoder))
        numbers = (
            ROWS_HELD * CONTEXT * kept_numbers(config, number_format, checkpointed_blocks=blocks)
        )
        promised.append(numbers * (2 if number_format == "bf16" else 4))
    for less, more in pairwise(range(config.layers + 1)):
        saved = kept[less] - kept[more]
        assert promised[less] - promised[more] == pytest.approx(saved, rel=0.1)
    assert kept[-1] < kept[0] / 2
