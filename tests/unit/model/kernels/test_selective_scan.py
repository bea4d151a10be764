"""The selective scan: its derivatives, what it keeps, and what may be left out."""

import pytest
import torch
from torch import Tensor

from endonym.model.kernels import selective_scan as module
from endonym.model.kernels.selective_scan import selective_scan


def inputs(batch: int, length: int, channels: int, state: int) -> list[Tensor]:
    """x, step, decay, into, out_of in float64."""
    generator = torch.Generator().manual_seed(5)
    shapes = [(batch, length, channels)] * 2 + [(channels, state)] + [(batch, length, state)] * 2
    made = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    made[1], made[2] = made[1].exp(), -made[2].exp()
    return [tensor.requires_grad_() for tensor in made]


@pytest.mark.parametrize("length", [1, 7])
def test_no_state_is_a_state_of_zeros(length: int) -> None:
    tensors = inputs(2, length, 3, 2)
    nothing, zeros = selective_scan(*tensors), selective_scan(*tensors, None, torch.zeros(2, 3, 2))
    for found, wanted in zip(nothing, zeros, strict=True):
        assert torch.equal(found, wanted)


@pytest.mark.parametrize("which", range(5))
def test_one_input_alone_may_learn(which: int) -> None:
    tensors = [tensor.detach() for tensor in inputs(1, 5, 3, 2)]
    tensors[which].requires_grad_()
    y_BTC, _ = selective_scan(*tensors)
    y_BTC.square().sum().backward()
    assert tensors[which].grad.abs().max() > 0


def test_inputs_may_lie_in_any_order_in_memory() -> None:
    tensors = inputs(2, 9, 4, 3)
    transposed = [tensor.mT.contiguous().mT for tensor in tensors]
    wanted, found = selective_scan(*tensors), selective_scan(*transposed)
    assert torch.allclose(found[0], wanted[0], rtol=1e-14)
    assert found[0].is_contiguous()
    slopes = [torch.autograd.grad(y.sum(), tensors) for y in (found[0], wanted[0])]
    for transposed_slope, slope in zip(*slopes, strict=True):
        assert torch.allclose(transposed_slope, slope, rtol=1e-12)


@pytest.mark.parametrize("length", [512])
def test_a_sixteenth_of_the_states_is_kept_at_most(length: int) -> None:
    tensors = [tensor.detach().float().requires_grad_() for tensor in inputs(4, length, 64, 160)]
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.numel()), lambda tensor: tensor
    ):
        selective_scan(*tensors)
    states = 4 * length * 64 * 160
    assert sum(kept) - sum(tensor.numel() for tensor in tensors) == states / 16


def test_the_state_for_a_cache_does_not_hold_a_segment_in_memory() -> None:
    _, state_BCS = selective_scan(*inputs(2, 40, 4, 3))
    assert state_BCS.untyped_storage().nbytes() == state_BCS.nbytes


@pytest.mark.parametrize(("length", "channels"), [(8192, 64), (8192, 8192), (3, 8192)])
def test_buffers_do_not_grow_with_the_text(length: int, channels: int) -> None:
    x_BTC = torch.empty(1, 1, channels).expand(1, length, channels)
    buffers = module._Buffers(x_BTC, x_BTC, torch.empty(channels, 16))
    within = max(module.SEGMENT_NUMBERS, module.SHORTEST_SEGMENT * 16 * channels)
    assert buffers.decays_LBSC.numel() <= within
    assert sum(each.stop - each.start for each in buffers.segments) == length
