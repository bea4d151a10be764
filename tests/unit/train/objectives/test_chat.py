"""Only answers count in the loss of conversations."""

from pathlib import Path

import pytest
import torch
from made_conversations import toy_inputs
from toys import lively_decoder, toy_config, toy_decoder

from endonym.data.batches import Batch
from endonym.model.span import Span
from endonym.train.objectives.chat import CHAT

CONFIG = toy_config(vocab=24, context=32)


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    inputs = toy_inputs(tmp_path / "examples", "chat", toy_decoder(CONFIG), tmp_path / "work")
    return Batch.of(inputs.order(inputs.train, 32, seed=1).rows(0, 4))


def test_it_is_the_sum_of_the_nats_of_what_is_learnt(batch: Batch) -> None:
    decoder = lively_decoder(CONFIG)
    assert batch.weights_BT is not None
    from endonym.train.step import held_out_nats

    nats_BT = held_out_nats(decoder, batch)
    loss = CHAT.loss(decoder, batch)
    assert float(loss.nats.detach()) == pytest.approx(
        float((nats_BT * batch.weights_BT).sum()), rel=1e-5
    )
    assert CHAT.weight(batch) == float(batch.weights_BT.sum()) > 0


def test_other_targets_change_nothing(batch: Batch) -> None:
    decoder = lively_decoder(CONFIG)
    assert batch.weights_BT is not None
    changed = torch.where(batch.weights_BT > 0, batch.targets_BT, 1)
    other = Batch(batch.tokens_BT, changed, batch.documents_BT, batch.weights_BT)
    assert torch.equal(CHAT.loss(decoder, batch).nats, CHAT.loss(decoder, other).nats)


def test_a_row_without_an_answer_has_a_loss_of_zero_and_gradients(batch: Batch) -> None:
    decoder = lively_decoder(CONFIG)
    blank = batch.each(torch.zeros_like)
    loss = CHAT.loss(decoder, blank)
    loss.objective.backward()
    assert float(loss.nats.detach()) == 0.0
    assert CHAT.weight(blank) == 0.0
    assert decoder.embedding.weight.grad is not None
    assert not decoder.embedding.weight.grad.any()


def test_the_penalty_of_experts_counts_for_each_learnt_token(batch: Batch) -> None:
    decoder = lively_decoder(toy_config("moe", vocab=24, context=32))
    _, penalty = decoder(batch.tokens_BT, Span.packed(batch.documents_BT))
    loss = CHAT.loss(decoder, batch)
    expected = float(penalty.detach()) * CHAT.weight(batch)
    assert expected > 0
    assert float((loss.objective - loss.nats).detach()) == pytest.approx(expected, rel=1e-3)
