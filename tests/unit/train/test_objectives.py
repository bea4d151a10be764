"""What is minimised: of texts every target, of conversations the answers, of pairs a preference."""

import math
from pathlib import Path
from typing import get_args

import pytest
import torch
from made_conversations import toy_inputs
from torch.nn import functional as F
from toys import lively_decoder, toy_config, train_config

from endonym.data.batches import Batch
from endonym.model.span import Span
from endonym.train import objectives
from endonym.train.config import BETA, Phase
from endonym.train.objectives import CROSS_ENTROPY, Objective, objective_of, pairs_of, preferences
from endonym.train.step import held_out_nats

SHAPE = toy_config(vocab=24, context=32)


@pytest.fixture(scope="module", params=["chat", "preferences"])
def batch(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Batch:
    return made_batch(request.param, tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    """Pairs with the log-probabilities of the decoder with seed 0."""
    return made_batch("preferences", tmp_path_factory.mktemp("made"))


def made_batch(objective: str, folder: Path) -> Batch:
    inputs = toy_inputs(folder / "a", objective, lively_decoder(SHAPE), folder / "work")
    return Batch.of(inputs.order(inputs.train, 32, seed=1).rows(0, 4))


def objective_for(batch: Batch) -> Objective:
    return CROSS_ENTROPY if batch.reference_BT is None else preferences(0.4)


def test_every_objective_has_a_name_and_its_beta(pairs: Batch):
    assert set(objectives.OBJECTIVES) == set(get_args(Phase.model_fields["objective"].annotation))
    for name in ("next_token", "chat"):
        assert objective_of(train_config(context=32, objective=name)) is CROSS_ENTROPY
    decoder = lively_decoder(SHAPE, seed=2)

    def loss(objective: Objective) -> float:
        return float(objective.loss(decoder, pairs).nats.detach())

    for keys, beta in (({}, BETA), ({"beta": 0.7}, 0.7)):
        made = objective_of(train_config(context=32, objective="preferences", **keys))
        assert loss(made) == loss(preferences(beta))
    assert loss(preferences(0.7)) != loss(preferences(BETA))


def test_of_a_text_every_target_has_the_same_weight() -> None:
    decoder = lively_decoder()
    ids_BT = torch.randint(0, decoder.config.vocab, (3, 9), generator=torch.Generator())
    documents_BT = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 2]]).expand(3, 8)
    batch = Batch(ids_BT[:, :-1], ids_BT[:, 1:], documents_BT)
    loss = CROSS_ENTROPY.loss(decoder, batch)
    logits_BTV = decoder.logits(batch.tokens_BT, Span.packed(documents_BT))
    plain = F.cross_entropy(logits_BTV.flatten(0, 1), ids_BT[:, 1:].flatten(), reduction="sum")
    torch.testing.assert_close(loss.nats, plain, rtol=1e-5, atol=0)
    assert torch.equal(loss.nats, loss.objective)
    assert CROSS_ENTROPY.weight(batch) == 24


def test_of_conversations_only_what_is_learnt_counts(tmp_path: Path) -> None:
    decoder, batch = lively_decoder(SHAPE), made_batch("chat", tmp_path)
    loss = float(CROSS_ENTROPY.loss(decoder, batch).nats.detach())
    expected = float((held_out_nats(decoder, batch) * batch.weights_BT).sum())
    assert loss == pytest.approx(expected, rel=1e-5)
    assert CROSS_ENTROPY.weight(batch) == float(batch.weights_BT.sum()) > 0


def test_the_loss_of_the_reference_itself_is_the_logarithm_of_two(pairs: Batch) -> None:
    objective = preferences(0.1)
    loss = float(objective.loss(lively_decoder(SHAPE), pairs).nats.detach())
    assert loss / objective.weight(pairs) == pytest.approx(math.log(2), abs=1e-6)


def test_of_pairs_it_is_the_formula_and_its_gradient_that_of_autograd(pairs: Batch) -> None:
    """By torch's own functions on whole logits, pair by pair."""
    decoder, beta, total = lively_decoder(SHAPE, seed=2), 0.4, torch.zeros(())
    found = preferences(beta).loss(decoder, pairs)
    found.objective.backward()
    gradients = {n: p.grad.clone() for n, p in decoder.named_parameters() if p.grad is not None}
    decoder.zero_grad()
    assert pairs.weights_BT is not None
    assert pairs.reference_BT is not None
    logits = decoder.logits(pairs.tokens_BT, Span.packed(pairs.documents_BT))
    logs_BT = logits.log_softmax(-1).gather(-1, pairs.targets_BT[..., None])[..., 0]
    gains_BT = logs_BT * pairs.weights_BT - pairs.reference_BT
    numbers = [n for n in pairs.documents_BT.unique().tolist() if n >= 0]
    assert len(pairs_of(pairs)) == preferences(beta).weight(pairs) == len(numbers) // 2 > 2
    for chosen, rejected in zip(numbers[::2], numbers[1::2], strict=True):
        better, worse = (gains_BT[pairs.documents_BT == n].sum() for n in (chosen, rejected))
        total = total - F.logsigmoid(beta * (better - worse))
    assert float(found.nats.detach()) == pytest.approx(float(total.detach()), rel=1e-5)
    total.backward()
    for name, parameter in decoder.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-4, atol=1e-5)


def test_a_blank_micro_batch_has_a_loss_of_zero_and_gradients(batch: Batch) -> None:
    decoder, objective = lively_decoder(SHAPE), objective_for(batch)
    blank = batch.each(torch.zeros_like)
    loss = objective.loss(decoder, blank)
    loss.objective.backward()
    assert float(loss.nats.detach()) == objective.weight(blank) == 0.0
    assert not decoder.embedding.weight.grad.any()


def test_the_penalty_of_experts_counts_for_each_learnt_token_or_pair(batch: Batch) -> None:
    decoder = lively_decoder(toy_config("moe", vocab=24, context=32))
    objective = objective_for(batch)
    _, penalty = decoder(batch.tokens_BT, Span.packed(batch.documents_BT))
    loss = objective.loss(decoder, batch)
    expected = float(penalty.detach()) * objective.weight(batch)
    assert expected > 0
    assert float((loss.objective - loss.nats).detach()) == pytest.approx(expected, rel=1e-3)
