"""The state space kernel."""

import pytest
import torch
from torch import Tensor

from endonym.model.kernels.state_space import state_space

HEADS, WIDTH, SIZE = 4, 8, 6


def inputs(length: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """Random x, log decays, and directions of one group, for two rows."""
    generator = torch.Generator().manual_seed(length)
    shapes = [(2, length, HEADS, WIDTH), (2, length, HEADS), (2, length, 1, SIZE)]
    x, decay, into = (torch.randn(shape, generator=generator) for shape in shapes)
    return [x.to(dtype), -decay.abs(), into.to(dtype), into.flip(1).to(dtype)]


def saved_numbers(length: int) -> int:
    """Numbers that the backward pass of a row will need."""
    saved: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        saved[tensor.data_ptr()] = tensor.numel()
        return tensor

    tensors = [tensor.requires_grad_() for tensor in inputs(length)]
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        y_BTHK, _ = state_space(*tensors)
    assert y_BTHK.requires_grad
    return sum(saved.values())


@pytest.mark.parametrize("length", [1, 5, 70])
def test_no_state_is_a_state_of_zeros(length: int) -> None:
    zeros_BHKS = torch.zeros(2, HEADS, WIDTH, SIZE)
    without, given = state_space(*inputs(length)), state_space(*inputs(length), None, zeros_BHKS)
    for found, wanted in zip(without, given, strict=True):
        assert torch.equal(found, wanted)


@pytest.mark.parametrize("length", [1, 5])
@pytest.mark.parametrize(
    ("dtype", "wide"), [(torch.bfloat16, torch.float32), (torch.float64, torch.float64)], ids=str
)
def test_y_has_the_dtype_of_x(dtype: torch.dtype, wide: torch.dtype, length: int):
    y_BTHK, state_BHKS = state_space(*inputs(length, dtype))
    assert (y_BTHK.dtype, state_BHKS.dtype) == (dtype, wide)
    assert y_BTHK.shape == (2, length, HEADS, WIDTH)
    assert state_BHKS.shape == (2, HEADS, WIDTH, SIZE)


@pytest.mark.parametrize("length", [1, 5])
def test_the_state_given_is_not_changed(length: int) -> None:
    state_BHKS = torch.ones(2, HEADS, WIDTH, SIZE)
    state_space(*inputs(length), None, state_BHKS)
    assert torch.equal(state_BHKS, torch.ones_like(state_BHKS))


def test_twice_the_tokens_need_twice_the_memory() -> None:
    assert saved_numbers(2048) == pytest.approx(2 * saved_numbers(1024), rel=0.01)
