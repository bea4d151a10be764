"""Every name that a recipe may give stands for its own loss, with the numbers of its phase."""

import math
from pathlib import Path
from typing import get_args

import pytest
from made_conversations import toy_inputs
from toys import lively_decoder, toy_config, train_config

from endonym.data.batches import Batch
from endonym.train.config import BETA, Phase, TrainConfig
from endonym.train.objectives.chat import CHAT
from endonym.train.objectives.next_token import NEXT_TOKEN
from endonym.train.objectives.preferences import preferences
from endonym.train.objectives.registry import OBJECTIVES, objective_of

SHAPE = toy_config(vocab=24, context=32)


def phase(objective: str, **keys: object) -> TrainConfig:
    return train_config(context=32, objective=objective, **keys)


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    inputs = toy_inputs(tmp_path / "a", "preferences", lively_decoder(SHAPE), tmp_path / "work")
    return Batch.of(inputs.order(inputs.train, 32, seed=1).rows(0, 4))


def test_every_objective_of_a_recipe_has_its_loss() -> None:
    assert set(OBJECTIVES) == set(get_args(Phase.model_fields["objective"].annotation))
    assert objective_of(phase("next_token")) is NEXT_TOKEN
    assert objective_of(phase("chat")) is CHAT


def test_the_loss_of_a_phase_is_that_of_its_objective(batch: Batch) -> None:
    decoder = lively_decoder(SHAPE, seed=2)
    losses: dict[str, float] = {}
    weights: dict[str, float] = {}
    for name in OBJECTIVES:
        objective = objective_of(phase(name))
        losses[name] = float(objective.loss(decoder, batch).nats.detach())
        weights[name] = objective.weight(batch)
    assert batch.weights_BT is not None
    learnt = int((batch.weights_BT > 0).sum())
    pairs = len(batch.documents_BT[batch.weights_BT > 0].unique()) // 2
    assert weights == {"next_token": batch.targets_BT.numel(), "chat": learnt, "preferences": pairs}
    assert losses["next_token"] > losses["chat"] > losses["preferences"] > 0


def test_beta_is_the_recipes_or_the_usual_one(batch: Batch) -> None:
    decoder = lively_decoder(SHAPE, seed=2)

    def loss(**keys: object) -> float:
        objective = objective_of(phase("preferences", **keys))
        return float(objective.loss(decoder, batch).nats.detach())

    def wanted(beta: float) -> float:
        return float(preferences(beta).loss(decoder, batch).nats.detach())

    assert loss() == wanted(BETA)
    assert loss(beta=0.7) == wanted(0.7) != wanted(BETA)
    assert loss(beta=1e-6) == pytest.approx(len_pairs(batch) * math.log(2), rel=1e-4)


def len_pairs(batch: Batch) -> float:
    return preferences(BETA).weight(batch)
