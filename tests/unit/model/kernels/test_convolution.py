"""The short convolution: equal to its definition, within documents, over any cut of a row."""

import pytest
import torch
from reference.recurrences import slow_convolution
from torch import Tensor
from torch.nn import functional as F

from endonym.model.kernels.convolution import causal_convolution

BATCH, LENGTH, CHANNELS, WIDTH = 2, 41, 6, 4
TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-6, torch.bfloat16: 1e-2}


def inputs(dtype: torch.dtype, length: int = LENGTH, width: int = WIDTH) -> list[Tensor]:
    """x, weight, bias and tail."""
    generator = torch.Generator().manual_seed(width)
    shapes = [(BATCH, length, CHANNELS), (CHANNELS, width), (CHANNELS,)]
    shapes.append((BATCH, width - 1, CHANNELS))
    made = [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]
    return [tensor.requires_grad_() for tensor in made]


def starts(length: int = LENGTH) -> Tensor:
    """Documents that start at the first token, side by side, and near the end."""
    is_first_BT = torch.rand(BATCH, LENGTH, generator=torch.Generator().manual_seed(1)) < 0.1
    is_first_BT[0, [0, 13, 14, 16, LENGTH - 2]] = True
    return is_first_BT[:, :length]


def with_gradients(answers: tuple[Tensor, Tensor], tensors: list[Tensor]) -> list[Tensor]:
    """Outputs, tail, and the gradients of all inputs through both."""
    generator = torch.Generator().manual_seed(2)
    slopes = [
        torch.randn(each.shape, generator=generator).bfloat16().to(each.dtype) for each in answers
    ]
    return [*(each.detach() for each in answers), *torch.autograd.grad(answers, tensors, slopes)]


def assert_equal(fast: list[Tensor], slow: list[Tensor], tolerance: float) -> None:
    """Largest error against the largest number, tensor by tensor."""
    for index, (found, wanted) in enumerate(zip(fast, slow, strict=True)):
        error = (found.double() - wanted).abs().max() / wanted.abs().max().clamp_min(1e-30)
        assert error < tolerance, (index, error.item())


@pytest.mark.parametrize("with_starts", [False, True], ids=["one document", "packed"])
@pytest.mark.parametrize(("length", "width"), [(LENGTH, 4), (LENGTH, 2), (2, 4), (1, 4)])
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_it_equals_the_reference(dtype: torch.dtype, length: int, width: int, with_starts: bool):
    tensors = inputs(dtype, length, width)
    is_first_BT = starts(length) if with_starts else None
    x, weight, bias, tail = tensors
    found = causal_convolution(x, weight, bias, is_first_BT=is_first_BT, tail_BWC=tail)
    fast = with_gradients(found, tensors)
    doubles = [tensor.detach().double().requires_grad_() for tensor in tensors]
    x, weight, bias, tail = doubles
    slow = with_gradients(slow_convolution(x, weight, bias, is_first_BT, tail), doubles)
    assert all(each.dtype == dtype for each in fast)
    assert_equal(fast, slow, TOLERANCES[dtype])


@pytest.mark.parametrize("is_first", [None, starts()], ids=["one document", "packed"])
@pytest.mark.parametrize("split", [1, 13, 15, LENGTH - 1])
def test_a_tail_carried_over_a_split_equals_one_pass(split: int, is_first: Tensor | None) -> None:
    tensors = inputs(torch.float64)
    x, weight, bias, tail = tensors
    whole = with_gradients(
        causal_convolution(x, weight, bias, is_first_BT=is_first, tail_BWC=tail), tensors
    )
    parts = []
    for piece in (slice(split), slice(split, None)):
        firsts = None if is_first is None else is_first[:, piece]
        y, tail = causal_convolution(x[:, piece], weight, bias, is_first_BT=firsts, tail_BWC=tail)
        parts.append(y)
    assert_equal(with_gradients((torch.cat(parts, 1), tail), tensors), whole, 1e-12)


def test_no_number_however_bad_crosses_the_start_of_a_document() -> None:
    x, weight, bias, tail = (tensor.detach().clone() for tensor in inputs(torch.float32))
    is_first_BT = torch.zeros(BATCH, LENGTH, dtype=torch.bool)
    is_first_BT[:, LENGTH - 2] = True
    x[:, : LENGTH - 2] = torch.nan
    y_BTC, new_tail = causal_convolution(x, weight, bias, is_first_BT=is_first_BT, tail_BWC=tail)
    assert torch.isfinite(y_BTC[:, LENGTH - 2 :]).all()
    assert torch.equal(new_tail[:, 0], torch.zeros(BATCH, CHANNELS))
    assert torch.equal(new_tail[:, 1:], x[:, LENGTH - 2 :])
    is_first_BT = torch.ones(BATCH, 1, dtype=torch.bool)
    y_BTC, _ = causal_convolution(
        x[:, -1:], weight, bias, is_first_BT=is_first_BT, tail_BWC=tail * torch.nan
    )
    assert torch.isfinite(y_BTC).all()


@pytest.mark.parametrize("length", [1, 64])
def test_bf16_is_no_worse_than_conv1d(length: int) -> None:
    x, weight, bias, _ = (tensor.detach() for tensor in inputs(torch.bfloat16, length))

    def conv1d(dtype: torch.dtype) -> Tensor:
        taps = weight.to(dtype)[:, None]
        y_BCT = F.conv1d(x.to(dtype).mT, taps, bias.to(dtype), padding=3, groups=CHANNELS)
        return y_BCT[..., :length].mT

    exact = conv1d(torch.float64)
    ours, theirs = causal_convolution(x, weight, bias)[0], conv1d(torch.bfloat16)
    assert (ours - exact).abs().mean() <= (theirs - exact).abs().mean() * 1.01


@pytest.mark.parametrize("with_bias", [True, False])
def test_derivatives_are_those_of_small_differences(with_bias: bool) -> None:
    x, weight, bias, tail = inputs(torch.float64, 6)

    def convolved(*tensors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, weight, tail, *bias = tensors
        keys = {"is_first_BT": starts(6), "tail_BWC": tail}
        return causal_convolution(x, weight, bias[0] if bias else None, **keys)

    given = (x, weight, tail, bias) if with_bias else (x, weight, tail)
    assert torch.autograd.gradcheck(convolved, given)
