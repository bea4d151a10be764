"""A mixture of experts, by hand. That it equals a slow reference in every variant is law 5."""

import math
from typing import Any

import pytest
import torch
from laws.shapes import shape
from torch import Tensor
from torch.nn import functional as F

from endonym.model.config import ExpertsConfig, FfnConfig
from endonym.model.ffn import ACTIVATIONS, Experts, GatedFfn, PlainFfn

CONFIG = shape("moe")


def experts_of(**keys: Any) -> Experts:
    """A layer of 32 channels in float64 with random weights."""
    (ffn,) = shape("moe", ffn=keys).ffns
    assert isinstance(ffn, ExpertsConfig)
    made, generator = Experts(CONFIG, ffn).double(), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0, 0.5, generator=generator)
    return made


def stream(length: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, length, 32, generator=generator, dtype=torch.float64)


def expert_alone(layer: Experts, number: int, x_D: Tensor) -> Tensor:
    """One expert's answer to one token, element by element of the definition."""
    up_F = layer.up.weight[number] @ x_D
    if layer.gate is None:
        hidden_F = layer.activation(up_F)
    else:
        hidden_F = layer.activation(layer.gate.weight[number] @ x_D) * up_F
    return layer.down.weight[number] @ hidden_F


def two_doublers(active: int, **keys: Any) -> Experts:
    """Expert 0 answers 2 x, expert 1 answers 30 x; the router likes by channels 0 and 1."""
    given = {"experts": 2, "active": active, "hidden": 32, "gated": False, "activation": "relu"}
    layer = experts_of(**given | keys)
    with torch.no_grad():
        layer.router.weight.zero_()
        layer.router.weight[0, 0] = layer.router.weight[1, 1] = 1.0
        layer.up.weight.copy_(torch.eye(32).expand(2, 32, 32))
        layer.down.weight[0], layer.down.weight[1] = 2 * torch.eye(32), 30 * torch.eye(32)
    return layer


def liking(first: float, second: float) -> Tensor:
    """One token that the router likes for the two experts as much."""
    x_BTD = torch.zeros(1, 1, 32, dtype=torch.float64)
    x_BTD[0, 0, :2] = torch.tensor([first, second])
    return x_BTD


@torch.no_grad()
def test_two_active_experts_are_mixed_by_their_shares() -> None:
    y, _ = two_doublers(active=2)(liking(1.0, 3.0))
    share = 1 / (1 + math.exp(1.0 - 3.0))
    mixed = (1 - share) * 2 + share * 30
    assert y[0, 0, :3].tolist() == pytest.approx([mixed * 1.0, mixed * 3.0, 0.0])


@torch.no_grad()
def test_one_active_expert_keeps_its_probability_as_its_weight() -> None:
    layer = two_doublers(active=1)
    share = 1 / (1 + math.exp(-2.0))
    assert layer(liking(1.0, 3.0))[0][0, 0, 0].item() == pytest.approx(share * 30)
    assert layer(liking(3.0, 1.0))[0][0, 0, 0].item() == pytest.approx(share * 2 * 3.0)


@torch.no_grad()
def test_the_weights_of_the_chosen_sum_to_one() -> None:
    layer = experts_of(experts=5, active=3, hidden=16, gated=False)
    layer.up.weight[:] = layer.up.weight[:1]
    layer.down.weight[:] = layer.down.weight[:1]
    y = layer(stream())[0]
    same = torch.stack([expert_alone(layer, 0, x_D) for x_D in stream().flatten(0, 1)])
    torch.testing.assert_close(y.flatten(0, 1), same)


@pytest.mark.parametrize("gated", [True, False])
@torch.no_grad()
def test_a_token_goes_to_the_experts_that_the_router_likes_best(gated: bool) -> None:
    layer = experts_of(experts=5, active=2, hidden=16, gated=gated)
    y = layer(stream())[0].flatten(0, 1)
    for x_D, y_D in zip(stream().flatten(0, 1), y, strict=True):
        shares = (layer.router.weight @ x_D).softmax(0)
        first, second = shares.argsort(descending=True)[:2].tolist()
        whole = shares[first] + shares[second]
        wanted = sum(shares[e] / whole * expert_alone(layer, e, x_D) for e in (first, second))
        torch.testing.assert_close(y_D, wanted, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_all_active_is_the_soft_mixture() -> None:
    layer = experts_of(experts=4, active="all", hidden=16)
    y = layer(stream())[0].flatten(0, 1)
    for x_D, y_D in zip(stream().flatten(0, 1), y, strict=True):
        shares = (layer.router.weight @ x_D).softmax(0)
        wanted = sum(shares[e] * expert_alone(layer, e, x_D) for e in range(4))
        torch.testing.assert_close(y_D, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("gated", [True, False])
@torch.no_grad()
def test_one_expert_is_the_dense_feed_forward(gated: bool) -> None:
    layer = experts_of(experts=1, hidden=16, gated=gated)
    ffn = FfnConfig(kind="gated" if gated else "plain", hidden=16, activation="silu", bias=False)
    dense = (GatedFfn if gated else PlainFfn)(CONFIG, ffn).double()
    for name, parameter in dense.named_parameters():
        parameter.copy_(layer.get_parameter(name)[0])
    torch.testing.assert_close(layer(stream())[0], dense(stream())[0])


@torch.no_grad()
def test_the_penalty_is_experts_times_share_of_pairs_times_mean_probability() -> None:
    """arXiv:2101.03961, eq. 4: three tokens go to expert 0, one to expert 1."""
    layer = two_doublers(active=1, balance_weight=0.5)
    x_BTD = torch.cat([liking(2.0, 0.0), liking(1.0, 0.0), liking(3.0, 1.0), liking(0.0, 1.0)])
    first = [1 / (1 + math.exp(-gap)) for gap in (2.0, 1.0, 2.0, -1.0)]
    mean = sum(first) / 4
    wanted = 0.5 * 2 * (0.75 * mean + 0.25 * (1 - mean))
    assert layer(x_BTD)[1].item() == pytest.approx(wanted, rel=1e-6)


@torch.no_grad()
def test_the_penalty_is_its_weight_where_all_experts_are_used_alike() -> None:
    layer = experts_of(experts=4, active="all", hidden=16, balance_weight=0.3)
    assert layer(stream())[1].item() == pytest.approx(0.3, rel=1e-6)


def test_the_penalty_moves_the_router_towards_the_expert_that_is_used_less() -> None:
    layer = two_doublers(active=1, balance_weight=0.5)
    layer(torch.cat([liking(2.0, 0.0), liking(1.0, 0.0)]))[1].backward()
    slope = layer.router.weight.grad
    assert slope is not None
    assert slope[0, 0] > 0 > slope[1, 0]
    assert layer.up.weight.grad is None


def test_a_learnt_balance_costs_nothing_and_its_slope_is_the_use_above_an_even_share() -> None:
    layer = two_doublers(active=1, balance="bias")
    with torch.no_grad():
        assert layer.balance is not None
        layer.balance.copy_(torch.tensor([0.01, -0.02]))
    x_BTD = torch.cat([liking(2.0, 0.0), liking(1.0, 0.0), liking(3.0, 1.0), liking(0.0, 1.0)])
    y, penalty = layer(x_BTD)
    assert penalty.item() == 0
    penalty.backward()
    assert layer.balance.grad is not None
    assert layer.balance.grad.tolist() == pytest.approx([0.75 - 0.5, 0.25 - 0.5])
    assert layer.router.weight.grad is None
    y.sum().backward()
    assert layer.balance.grad.tolist() == pytest.approx([0.25, -0.25])


@torch.no_grad()
def test_a_learnt_balance_changes_the_choice_and_not_the_weights() -> None:
    layer = two_doublers(active=1, balance="bias")
    assert layer.balance is not None
    layer.balance.copy_(torch.tensor([0.9, 0.0]))
    share_of_first = 1 / (1 + math.exp(2.0))
    y, _ = layer(liking(1.0, 3.0))
    assert y[0, 0, 1].item() == pytest.approx(share_of_first * 2 * 3.0)
    both = two_doublers(active=2, balance="bias")
    assert both.balance is not None
    plain = both(liking(1.0, 3.0))[0]
    both.balance.copy_(torch.tensor([5.0, -5.0]))
    torch.testing.assert_close(both(liking(1.0, 3.0))[0], plain)


def test_an_expert_that_no_token_goes_to_learns_nothing_and_breaks_nothing() -> None:
    layer = two_doublers(active=1)
    y, _ = layer(torch.cat([liking(2.0, 0.0), liking(1.0, 0.0)]))
    y.sum().backward()
    slope = layer.down.weight.grad
    assert slope is not None
    assert slope[0].abs().max() > 0
    assert slope[1].abs().max() == 0


@torch.no_grad()
def test_the_order_of_tokens_changes_no_answer() -> None:
    layer = experts_of(experts=5, active=2, hidden=16)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    found = layer(stream()[:, order])[0]
    torch.testing.assert_close(found, layer(stream())[0][:, order])


@torch.no_grad()
def test_activations_are_those_of_the_dense_kinds() -> None:
    layer = experts_of(experts=1, hidden=16, gated=False, activation="gelu_tanh")
    x_D = stream()[0, 0]
    wanted = layer.down.weight[0] @ F.gelu(layer.up.weight[0] @ x_D, approximate="tanh")
    torch.testing.assert_close(layer(x_D[None, None])[0][0, 0], wanted)
    assert layer.activation is ACTIVATIONS["gelu_tanh"]
