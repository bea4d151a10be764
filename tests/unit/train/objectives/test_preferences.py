"""Pairs: the loss begins at ln 2, and falls when the chosen answer becomes likelier."""

import math
from pathlib import Path

import pytest
import torch
from made_conversations import toy_inputs
from toys import lively_decoder, toy_config

from endonym.data.batches import Batch
from endonym.model.span import Span
from endonym.train.objectives.preferences import margins, pairs_of, preferences
from endonym.train.step import held_out_nats

CONFIG = toy_config(vocab=24, context=32)


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    """Pairs with the log-probabilities of the decoder with seed 0."""
    decoder = lively_decoder(CONFIG)
    inputs = toy_inputs(tmp_path / "examples", "preferences", decoder, tmp_path / "work")
    return Batch.of(inputs.order(inputs.train, 32, seed=1).rows(0, 4))


def test_the_loss_of_the_reference_itself_is_the_logarithm_of_two(batch: Batch) -> None:
    objective = preferences(0.1)
    loss = objective.loss(lively_decoder(CONFIG), batch)
    assert float(loss.nats.detach()) / objective.weight(batch) == pytest.approx(
        math.log(2), abs=1e-6
    )


def test_it_is_the_formula_pair_by_pair(batch: Batch) -> None:
    decoder, beta = lively_decoder(CONFIG, seed=2), 0.4
    pairs = pairs_of(batch)
    assert len(pairs) == preferences(beta).weight(batch) > 2
    assert batch.weights_BT is not None
    assert batch.reference_BT is not None
    nats_BT = held_out_nats(decoder, batch) * batch.weights_BT
    expected = 0.0
    numbers = [n for n in batch.documents_BT.unique().tolist() if n >= 0]
    for chosen, rejected in zip(numbers[::2], numbers[1::2], strict=True):
        gain = [
            float(-nats_BT[batch.documents_BT == n].sum())
            - float(batch.reference_BT[batch.documents_BT == n].sum())
            for n in (chosen, rejected)
        ]
        expected += math.log1p(math.exp(-beta * (gain[0] - gain[1])))
    found = preferences(beta).loss(decoder, batch)
    assert float(found.nats.detach()) == pytest.approx(expected, rel=1e-5)


def test_the_gradient_is_that_of_autograd(batch: Batch) -> None:
    """By torch's own functions on whole logits."""
    decoder, beta = lively_decoder(CONFIG, seed=2), 0.4
    preferences(beta).loss(decoder, batch).objective.backward()
    found = {n: p.grad.clone() for n, p in decoder.named_parameters() if p.grad is not None}
    decoder.zero_grad()
    logits = decoder.logits(batch.tokens_BT, Span.packed(batch.documents_BT))
    logs_BT = logits.log_softmax(-1).gather(-1, batch.targets_BT[..., None])[..., 0]
    pairs = pairs_of(batch)
    margin = margins(pairs.sums(logs_BT.flatten()[pairs.learnt_N]), pairs.reference_P2, beta)
    (-torch.nn.functional.logsigmoid(margin).sum()).backward()
    for name, parameter in decoder.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(found[name], parameter.grad, rtol=1e-4, atol=1e-5)


def test_a_blank_micro_batch_has_no_pairs(batch: Batch) -> None:
    blank = batch.each(torch.zeros_like)
    loss = preferences(0.1).loss(lively_decoder(CONFIG), blank)
    assert float(loss.nats.detach()) == preferences(0.1).weight(blank) == 0.0


def test_the_penalty_of_experts_counts_for_each_pair(batch: Batch) -> None:
    decoder = lively_decoder(toy_config("moe", vocab=24, context=32))
    _, penalty = decoder(batch.tokens_BT, Span.packed(batch.documents_BT))
    loss = preferences(0.1).loss(decoder, batch)
    expected = float(penalty.detach()) * preferences(0.1).weight(batch)
    assert expected > 0
    assert float((loss.objective - loss.nats).detach()) == pytest.approx(expected, rel=1e-3)
