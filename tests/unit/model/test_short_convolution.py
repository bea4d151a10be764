"""The short convolution as a module. Its kernel stands in test_convolution."""

import math

import pytest
import torch

from endonym.model.mamba import ShortConvolution


def silu(x: float) -> float:
    return x / (1 + math.exp(-x))


def small() -> ShortConvolution:
    """One channel, three taps, by hand."""
    made = ShortConvolution(1, 3).double()
    with torch.no_grad():
        made.weight.copy_(torch.tensor([[0.5, -1.0, 2.0]]))
        made.bias.fill_(0.25)
    return made


def row(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64)[None, :, None]


@torch.no_grad()
def test_two_tokens_by_hand() -> None:
    """The last tap is for the token itself; before the first there is nothing."""
    y, tail = small()(row(3.0, -4.0), None, None)
    wanted = [silu(0.25 + 2 * 3.0), silu(0.25 - 1 * 3.0 + 2 * -4.0)]
    assert y.flatten().tolist() == pytest.approx(wanted)
    assert tail.flatten().tolist() == [3.0, -4.0]


@torch.no_grad()
def test_a_tail_goes_on_where_a_piece_ended() -> None:
    convolution = small()
    whole, last = convolution(row(3.0, -4.0, 1.0, 2.0), None, None)
    first, tail = convolution(row(3.0, -4.0, 1.0), None, convolution.empty_tail(1))
    second, tail = convolution(row(2.0), None, tail)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    assert torch.equal(tail, last)


@torch.no_grad()
def test_no_tap_reaches_over_the_start_of_a_document() -> None:
    is_first = torch.tensor([[False, True]])
    y, tail = small()(row(3.0, -4.0), is_first, None)
    assert y[0, 1, 0].item() == pytest.approx(silu(0.25 + 2 * -4.0))
    assert tail.flatten().tolist() == [0.0, -4.0]


def test_an_empty_tail_is_zeros_in_the_format_of_the_weights() -> None:
    tail = ShortConvolution(5, 4).bfloat16().empty_tail(3)
    assert tail.shape == (3, 3, 5)
    assert tail.dtype == torch.bfloat16
    assert not tail.requires_grad
    assert tail.abs().max() == 0
