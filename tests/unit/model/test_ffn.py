"""The part that works on each position alone."""

import math
from typing import get_args

import pytest
import torch
from laws.shapes import shape

from endonym.model.config import Activation, FfnConfig, ModelConfig
from endonym.model.ffn import ACTIVATIONS, GatedFfn, PlainFfn, gelu_tanh


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
    ffn = config.ffn_at(0)
    assert isinstance(ffn, FfnConfig)
    return config, ffn


def test_gelu_is_the_tanh_form_of_gpt2() -> None:
    inputs = [-3.0, -0.7, 0.0, 0.4, 2.5]
    found = gelu_tanh(torch.tensor(inputs)).tolist()
    assert found == pytest.approx([gelu(x) for x in inputs], abs=1e-6)
    assert found != pytest.approx([exact_gelu(x) for x in inputs], abs=1e-6)


def test_each_activation_is_the_one_it_is_called() -> None:
    by_hand = {"silu": silu, "gelu": exact_gelu, "gelu_tanh": gelu, "relu": lambda x: max(x, 0.0)}
    assert ACTIVATIONS.keys() == by_hand.keys() == set(get_args(Activation))
    inputs = [-3.0, -0.7, 0.0, 0.4, 2.5]
    for name, formula in by_hand.items():
        found = ACTIVATIONS[name](torch.tensor(inputs)).tolist()
        assert found == pytest.approx([formula(x) for x in inputs], abs=1e-6), name


def test_the_gated_kind_multiplies_a_gate_with_what_goes_up() -> None:
    ffn = GatedFfn(*dense("llama"))
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
    ffn = PlainFfn(*dense("gpt2"))
    filled(ffn.up, 1.5)
    filled(ffn.down, 3.0)
    with torch.no_grad():
        ffn.up.bias[0], ffn.down.bias[0] = -0.2, 0.7
    x = torch.zeros(1, 1, 32)
    x[0, 0, 0] = 0.8
    y, penalty = ffn(x)
    assert y[0, 0, 0].item() == pytest.approx(3.0 * gelu(1.5 * 0.8 - 0.2) + 0.7, rel=1e-6)
    assert penalty.item() == 0


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_no_position_sees_another(family: str) -> None:
    torch.manual_seed(0)
    ffn = {"llama": GatedFfn, "gpt2": PlainFfn}[family](*dense(family))
    x = torch.randn(1, 3, 32)
    other = x.clone()
    other[0, 1] += 1
    before, after = ffn(x)[0], ffn(other)[0]
    assert torch.equal(before[:, [0, 2]], after[:, [0, 2]])
    assert not torch.equal(before[:, 1], after[:, 1])
