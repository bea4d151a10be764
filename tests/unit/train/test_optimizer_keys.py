"""What a phase says of its optimiser is what its matrices are stepped with, number by number."""

import pytest
import torch
from reference.optimizing import OptimizerState, slow_muon
from toys import toy_config, toy_decoder, train_config

from endonym.model.families import FAMILIES
from endonym.train.optimizer import Optimizer, embedding_and_head_names

NAME = "blocks.0.ffn.up.weight"
PHASE = train_config(
    lr=1e-2, embedding_lr=4e-2, weight_decay=0.5, optimizer="muon", betas=(0.5, 0.8)
)
USUAL = {"momentum": 0.95, "row_memory": None, "cautious": False}
"""What Muon does where the phase says nothing."""


@pytest.mark.parametrize(
    ("said", "done"),
    [
        ({}, {}),
        ({"momentum": 0.6}, {"momentum": 0.6}),
        ({"momentum": 0.0}, {"momentum": 0.0}),
        ({"normalise": True}, {"row_memory": 0.8}),
        ({"cautious": True}, {"cautious": True}),
    ],
    ids=lambda each: "-".join(each) or "nothing",
)
def test_muon_steps_with_what_the_phase_says(
    said: dict[str, object], done: dict[str, object]
) -> None:
    decoder = toy_decoder()
    optimizer = Optimizer(decoder, PHASE.but(**said))
    weights, optimizer_state = optimizer.weights()[NAME].double().clone(), OptimizerState()
    generator = torch.Generator().manual_seed(3)
    for number in range(1, 5):
        for parameter in decoder.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        gradient = dict(decoder.named_parameters())[NAME].grad
        assert gradient is not None
        keys = {**USUAL, **done}
        lr = 1e-2 / number
        weights = slow_muon(weights, gradient.double(), optimizer_state, lr=lr, decay=0.5, **keys)
        optimizer.step(1 / number)
        torch.testing.assert_close(optimizer.weights()[NAME], weights.float(), rtol=0, atol=2e-6)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_where_no_betas_are_said_adamw_forgets_as_is_usual(optimizer: str) -> None:
    decoder = toy_decoder()
    trained = Optimizer(decoder, train_config(lr=1e-2, optimizer=optimizer))
    for parameter in decoder.parameters():
        parameter.grad = torch.full_like(parameter, 2.0)
    trained.step(1.0)
    state = trained.state()
    assert state["norm.weight.exp_avg"].tolist() == pytest.approx([0.1 * 2] * 16)
    assert state["norm.weight.exp_avg_sq"].tolist() == pytest.approx([0.05 * 4] * 16)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_embeddings_positions_and_the_head_are_tables(family: str, tied: bool) -> None:
    decoder = toy_decoder(toy_config(family).model_copy(update={"tied": tied}))
    names = {name for name, _ in decoder.named_parameters()}
    embeddings_and_head = {"embedding.weight", "positions.weight", "head.weight"} & names
    assert embedding_and_head_names(decoder) == embeddings_and_head
    assert ("head.weight" in embeddings_and_head) is not tied
    optimizer = Optimizer(decoder, PHASE.but(**{"optimizer": "adamw"}))
    before = {name: weight.clone() for name, weight in optimizer.weights().items()}
    for parameter in decoder.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step(1.0)
    for name in embeddings_and_head:  # AdamW's first step is as long as its rate; no table decays
        moved = before[name] - optimizer.weights()[name]
        torch.testing.assert_close(moved, torch.full_like(moved, 4e-2), rtol=1e-4, atol=1e-6)
