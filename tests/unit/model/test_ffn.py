"""Feed-forwards by hand: dense ones, and a mixture of experts, whose slow reference is in law 5."""

import math
from typing import Any, get_args

import pytest
import torch
from laws.shapes import shape
from torch import Tensor

from endonym.model.config import Activation, ExpertsConfig, FfnConfig, ModelConfig
from endonym.model.ffn import ACTIVATIONS, DenseFfn, Experts


def silu(x: float) -> float:
    return x / (1 + math.exp(-x))


def gelu(x: float) -> float:
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def exact_gelu(x: float) -> float:
    return 0.5 * x * (1 + math.erf(x / math.sqrt(2)))


def filled(linear: torch.nn.Linear, *numbers: float) -> None:
    """The first channel's weights by hand, all others zero."""
    with torch.no_grad():
        linear.weight.zero_()
        linear.weight[0, : len(numbers)] = torch.tensor(numbers)
        if linear.bias is not None:
            linear.bias.zero_()


def dense(family: str) -> tuple[ModelConfig, FfnConfig]:
    """A family's shape and its feed-forward."""
    config = shape(family)
    ffn = config.blocks[0][1]
    assert isinstance(ffn, FfnConfig)
    return config, ffn


def test_each_activation_is_the_one_it_is_called() -> None:
    by_hand = {"silu": silu, "gelu": exact_gelu, "gelu_tanh": gelu, "relu": lambda x: max(x, 0.0)}
    assert ACTIVATIONS.keys() == by_hand.keys() == set(get_args(Activation))
    inputs = [-3.0, -0.7, 0.0, 0.4, 2.5]
    for name, formula in by_hand.items():
        found = ACTIVATIONS[name](torch.tensor(inputs)).tolist()
        assert found == pytest.approx([formula(x) for x in inputs], abs=1e-6), name


def test_the_gated_kind_multiplies_a_gate_with_what_goes_up() -> None:
    ffn = DenseFfn(*dense("llama"))
    filled(ffn.gate, 1.5)
    filled(ffn.up, 0.0, 2.0)
    filled(ffn.down, 3.0)
    x = torch.zeros(1, 1, 32)
    x[0, 0, :2] = torch.tensor([0.8, -0.6])
    y, penalty = ffn(x)
    assert y[0, 0, 0].item() == pytest.approx(3.0 * silu(1.5 * 0.8) * (2.0 * -0.6), rel=1e-6)
    assert y[0, 0, 1:].abs().max() == 0
    assert penalty.item() == 0


def test_the_plain_kind_goes_up_and_down_with_its_shifts() -> None:
    ffn = DenseFfn(*dense("gpt2"))
    filled(ffn.up, 1.5)
    filled(ffn.down, 3.0)
    with torch.no_grad():
        ffn.up.bias[0], ffn.down.bias[0] = -0.2, 0.7
    x = torch.zeros(1, 1, 32)
    x[0, 0, 0] = 0.8
    y, penalty = ffn(x)
    assert y[0, 0, 0].item() == pytest.approx(3.0 * gelu(1.5 * 0.8 - 0.2) + 0.7, rel=1e-6)
    assert penalty.item() == 0


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
def test_the_penalty_is_experts_times_share_of_pairs_times_mean_probability() -> None:
    """arXiv:2101.03961, eq. 4: three tokens go to expert 0, one to expert 1."""
    layer = two_doublers(active=1, balance_weight=0.5)
    x_BTD = torch.cat([liking(2.0, 0.0), liking(1.0, 0.0), liking(3.0, 1.0), liking(0.0, 1.0)])
    first = [1 / (1 + math.exp(-gap)) for gap in (2.0, 1.0, 2.0, -1.0)]
    mean = sum(first) / 4
    wanted = 0.5 * 2 * (0.75 * mean + 0.25 * (1 - mean))
    assert layer(x_BTD)[1].item() == pytest.approx(wanted, rel=1e-6)


def test_the_penalty_moves_the_router_towards_the_expert_that_is_used_less() -> None:
    layer = two_doublers(active=1, balance_weight=0.5)
    layer(torch.cat([liking(2.0, 0.0), liking(1.0, 0.0)]))[1].backward()
    slope = layer.router.weight.grad
    assert slope[0, 0] > 0 > slope[1, 0]
    assert layer.up.weight.grad is None


def test_a_learnt_balance_costs_nothing_and_its_slope_is_the_use_above_an_even_share() -> None:
    layer = two_doublers(active=1, balance="bias")
    with torch.no_grad():
        layer.balance.copy_(torch.tensor([0.01, -0.02]))
    x_BTD = torch.cat([liking(2.0, 0.0), liking(1.0, 0.0), liking(3.0, 1.0), liking(0.0, 1.0)])
    y, penalty = layer(x_BTD)
    assert penalty.item() == 0
    penalty.backward()
    assert layer.balance.grad.tolist() == pytest.approx([0.75 - 0.5, 0.25 - 0.5])
    assert layer.router.weight.grad is None
    y.sum().backward()
    assert layer.balance.grad.tolist() == pytest.approx([0.25, -0.25])


@torch.no_grad()
def test_a_learnt_balance_changes_the_choice_and_not_the_weights() -> None:
    layer = two_doublers(active=1, balance="bias")
    layer.balance.copy_(torch.tensor([0.9, 0.0]))
    share_of_first = 1 / (1 + math.exp(2.0))
    y, _ = layer(liking(1.0, 3.0))
    assert y[0, 0, 1].item() == pytest.approx(share_of_first * 2 * 3.0)
    both = two_doublers(active=2, balance="bias")
    plain = both(liking(1.0, 3.0))[0]
    both.balance.copy_(torch.tensor([5.0, -5.0]))
    torch.testing.assert_close(both(liking(1.0, 3.0))[0], plain)


def test_an_expert_that_no_token_goes_to_learns_nothing_and_breaks_nothing() -> None:
    layer = two_doublers(active=1)
    y, _ = layer(torch.cat([liking(2.0, 0.0), liking(1.0, 0.0)]))
    y.sum().backward()
    slope = layer.down.weight.grad
    assert slope[0].abs().max() > 0
    assert slope[1].abs().max() == 0
