"""Law 5, Mamba-1: the segmented scan equals the paper's loop, forward and backward."""

import pytest
import torch
from reference.recurrences import slow_selective_scan
from torch import Tensor

from endonym.model.kernels import selective_scan as module
from endonym.model.kernels.selective_scan import selective_scan

BATCH, LENGTH, CHANNELS, STATE = 2, 37, 5, 3
TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-5, torch.bfloat16: 1e-2}
NAMES = ("y", "state", "x", "step", "decay", "into", "out_of", "before")


def inputs(dtype: torch.dtype, length: int = LENGTH) -> list[Tensor]:
    """x, step, decay, into, out_of and the state before; steps, decays and states never narrow."""
    generator = torch.Generator().manual_seed(length)
    wide = torch.promote_types(dtype, torch.float32)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    made = [
        normal(BATCH, length, CHANNELS).to(dtype),
        normal(BATCH, length, CHANNELS).exp().to(wide),
        -normal(CHANNELS, STATE).exp().to(wide),
        normal(BATCH, length, STATE).to(dtype),
        normal(BATCH, length, STATE).to(dtype),
        normal(BATCH, CHANNELS, STATE).to(wide),
    ]
    return [tensor.requires_grad_() for tensor in made]


def starts() -> Tensor:
    """Documents that start at the first token, side by side, and at the last."""
    is_first_BT = torch.rand(BATCH, LENGTH, generator=torch.Generator().manual_seed(1)) < 0.1
    is_first_BT[0, [0, 13, 14, 15, LENGTH - 1]] = True
    return is_first_BT


def slopes(tensors: list[Tensor]) -> list[Tensor]:
    """A fixed mixture of the numbers of each answer."""
    generator = torch.Generator().manual_seed(2)
    return [
        torch.randn(each.shape, generator=generator).bfloat16().to(each.dtype) for each in tensors
    ]


def with_gradients(answers: tuple[Tensor, Tensor], tensors: list[Tensor]) -> list[Tensor]:
    """Outputs, last state, and the gradients of all six inputs through both."""
    gradients = torch.autograd.grad(answers, tensors, slopes(list(answers)))
    return [*(each.detach() for each in answers), *gradients]


def fast_and_slow(
    tensors: list[Tensor], is_first_BT: Tensor | None
) -> tuple[list[Tensor], list[Tensor]]:
    """Both scans with their gradients; the slow one in float64."""
    *given, state = tensors
    fast = with_gradients(selective_scan(*given, is_first_BT, state), tensors)
    doubles = [tensor.detach().double().requires_grad_() for tensor in tensors]
    answers = slow_selective_scan(*doubles[:5], is_first_BT, doubles[5])
    return fast, with_gradients(answers, doubles)


def assert_equal(fast: list[Tensor], slow: list[Tensor], tolerance: float) -> None:
    """Largest error against the largest number, tensor by tensor."""
    for name, found, wanted in zip(NAMES, fast, slow, strict=True):
        error = (found.double() - wanted).abs().max() / wanted.abs().max().clamp_min(1e-30)
        assert error < tolerance, (name, error.item())


@pytest.mark.parametrize("with_starts", [False, True], ids=["one document", "packed"])
@pytest.mark.parametrize("tokens", [1, 7, LENGTH - 1, LENGTH, 64])
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_every_segment_length_equals_the_slow_reference(
    dtype: torch.dtype, tokens: int, with_starts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEGMENT_NUMBERS", 0)
    monkeypatch.setattr(module, "SHORTEST_SEGMENT", tokens)
    tensors = inputs(dtype)
    fast, slow = fast_and_slow(tensors, starts() if with_starts else None)
    assert_equal(fast, slow, TOLERANCES[dtype])
    assert [fast[0].dtype, fast[1].dtype] == [dtype, tensors[1].dtype]
    assert [each.dtype for each in fast[2:]] == [each.dtype for each in tensors]


@pytest.mark.parametrize("is_first", [None, starts()], ids=["one document", "packed"])
@pytest.mark.parametrize("split", [1, 13, 14, 20, LENGTH - 1])
def test_a_state_carried_over_a_split_equals_one_pass(
    split: int, is_first: Tensor | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEGMENT_NUMBERS", 0)
    monkeypatch.setattr(module, "SHORTEST_SEGMENT", 5)
    tensors = inputs(torch.float64)
    whole = with_gradients(selective_scan(*tensors[:5], is_first, tensors[5]), tensors)
    state, parts = tensors[5], []
    for piece in (slice(split), slice(split, None)):
        x, step, into, out_of = (tensors[index][:, piece] for index in (0, 1, 3, 4))
        firsts = None if is_first is None else is_first[:, piece]
        y, state = selective_scan(x, step, tensors[2], into, out_of, firsts, state)
        parts.append(y)
    assert_equal(with_gradients((torch.cat(parts, 1), state), tensors), whole, 1e-12)


@pytest.mark.parametrize("is_first", [None, starts()], ids=["one document", "packed"])
def test_single_steps_equal_one_pass(is_first: Tensor | None) -> None:
    tensors = inputs(torch.float64)
    whole = with_gradients(selective_scan(*tensors[:5], is_first, tensors[5]), tensors)
    state, parts = tensors[5], []
    for position in range(LENGTH):
        x, step, into, out_of = (tensors[index][:, [position]] for index in (0, 1, 3, 4))
        firsts = None if is_first is None else is_first[:, [position]]
        y, state = selective_scan(x, step, tensors[2], into, out_of, firsts, state)
        parts.append(y)
    assert_equal(with_gradients((torch.cat(parts, 1), state), tensors), whole, 1e-12)


@pytest.mark.parametrize("exponent", [-1e4, -1e2, -1e-3, -1e-12])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_decays_of_any_strength_stay_finite_and_right(dtype: torch.dtype, exponent: float) -> None:
    tensors = inputs(dtype, 300)
    tensors[1] = torch.full_like(tensors[1], 10.0).requires_grad_()
    tensors[2] = torch.full_like(tensors[2], exponent / 10).requires_grad_()
    fast, slow = fast_and_slow(tensors, None)
    assert all(torch.isfinite(each).all() for each in fast)
    assert_equal(fast, slow, TOLERANCES[dtype])


def test_strong_and_weak_decays_side_by_side_are_right() -> None:
    tensors = inputs(torch.float32, 300)
    strengths = torch.tensor([1e4, 1.0, 1e-12])
    tensors[2] = (-strengths).expand(CHANNELS, STATE).clone().requires_grad_()
    fast, slow = fast_and_slow(tensors, None)
    for number in range(STATE):
        error = (fast[4][:, number] - slow[4][:, number]).abs().max()
        assert error <= 1e-4 * slow[4][:, number].abs().max() + 1e-30
    assert_equal(fast, slow, 1e-4)


def test_a_document_is_scanned_as_if_alone() -> None:
    tensors = inputs(torch.float32)
    is_first_BT = torch.zeros(BATCH, LENGTH, dtype=torch.bool)
    is_first_BT[:, 20] = True
    y_BTC, state_BCS = selective_scan(*tensors[:5], is_first_BT, tensors[5])
    x, step, into, out_of = (tensors[index][:, 20:] for index in (0, 1, 3, 4))
    alone_BTC, last_BCS = selective_scan(x, step, tensors[2], into, out_of)
    assert torch.allclose(y_BTC[:, 20:], alone_BTC, rtol=1e-6, atol=1e-6)
    # Kernels compute the ends of rows otherwise: other lengths round otherwise.
    assert torch.allclose(state_BCS, last_BCS, rtol=1e-6, atol=1e-6)
