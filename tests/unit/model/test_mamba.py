"""Mamba as a part: by hand, by a slow reference, and from its memory."""

import math

import pytest
import torch
from laws.shapes import lively, shape
from reference.recurrences import slow_convolution, slow_selective_scan
from state_spaces import row, silu, stream
from torch import Tensor
from torch.nn import functional as F

from endonym.model.cache import TailAndState
from endonym.model.config import MambaConfig
from endonym.model.mamba import Mamba
from endonym.model.span import Span


def mixer_of(variant: str = "plain") -> Mamba:
    """The first mixer of a lively decoder, in float64."""
    found = lively(shape("mamba", variant)).blocks[0].mixer
    assert isinstance(found, Mamba)
    return found


def by_definition(mixer: Mamba, x_BTD: Tensor, is_first_BT: Tensor | None = None) -> Tensor:
    """arXiv:2312.00752, algorithm 2 and figure 3, with the slow convolution and scan."""
    wide, gate = (x_BTD @ mixer.input.weight.T + (mixer.input.bias or 0)).split(64, dim=-1)
    taps = mixer.convolution.weight, mixer.convolution.bias
    wide = F.silu(slow_convolution(wide, *taps, is_first_BT)[0])
    rank, state = mixer.config.step_rank, mixer.config.state
    selected = wide @ mixer.select.weight.T
    low, B, C = selected[..., :rank], selected[..., rank:-state], selected[..., -state:]
    step = (1 + (low @ mixer.step.weight.T + mixer.step.bias).exp()).log()
    y, _ = slow_selective_scan(wide, step, -mixer.A_log.exp(), B, C, is_first_BT)
    y = (y + mixer.skip * wide) * F.silu(gate)
    return y @ mixer.output.weight.T + (mixer.output.bias or 0)


@torch.no_grad()
def test_two_tokens_by_hand() -> None:
    """One channel, a state of two numbers, a step of rank one, two taps."""
    config = shape("mamba", dim=2)
    keys = MambaConfig(inner=1, state=2, conv_width=2, step_rank=1, bias=False)
    mixer = Mamba(config, keys).double()
    numbers = {
        "input.weight": [[1.0, 0.0], [0.0, 1.0]],
        "convolution.weight": [[0.5, 2.0]],
        "convolution.bias": [0.1],
        "select.weight": [[0.7], [1.5], [-0.5], [2.0], [3.0]],
        "step.weight": [[1.2]],
        "step.bias": [-0.3],
        "A_log": [[math.log(1.0), math.log(3.0)]],
        "skip": [0.4],
        "output.weight": [[1.0], [-1.0]],
    }
    assert numbers.keys() == mixer.state_dict().keys()
    for name, value in numbers.items():
        mixer.get_parameter(name).copy_(torch.tensor(value))
    given, gates = (0.9, -0.6), (1.1, 0.8)
    x_BTD = torch.tensor([list(zip(given, gates, strict=True))], dtype=torch.float64)
    found = mixer(x_BTD, Span.after(0, torch.zeros(1, 2)), None)

    first, second, before = 0.0, 0.0, 0.0
    for index, (x, gate) in enumerate(zip(given, gates, strict=True)):
        wide = silu(0.5 * before + 2.0 * x + 0.1)
        step = math.log(1 + math.exp(1.2 * (0.7 * wide) - 0.3))
        first = math.exp(-1.0 * step) * first + step * wide * (1.5 * wide)
        second = math.exp(-3.0 * step) * second + step * wide * (-0.5 * wide)
        read = 2.0 * wide * first + 3.0 * wide * second
        wanted = (read + 0.4 * wide) * silu(gate)
        assert found[0, index].tolist() == pytest.approx([wanted, -wanted], rel=1e-6)
        before = x


@pytest.mark.parametrize("is_packed", [False, True])
@torch.no_grad()
def test_the_layer_is_its_definition(is_packed: bool) -> None:
    numbers = torch.tensor([[1] * 4 + [2] * 7, [1] * 10 + [2]])
    span = Span.packed(numbers) if is_packed else row(11)
    mixer = mixer_of()
    wanted = by_definition(mixer, stream(), span.is_first_BT)
    torch.testing.assert_close(mixer(stream(), span, None), wanted)


@torch.no_grad()
def test_biases_are_added_where_the_shape_has_them() -> None:
    mixer = mixer_of("biases")
    assert mixer.input.bias is not None
    assert mixer.output.bias is not None
    before = mixer(stream(), row(11), None)
    mixer.output.bias += 1.5
    torch.testing.assert_close(mixer(stream(), row(11), None), before + 1.5)
    plain = mixer_of()
    assert plain.input.bias is None
    assert plain.output.bias is None
    assert mixer.select.bias is None


@torch.no_grad()
def test_step_by_step_equals_all_at_once() -> None:
    mixer, found = mixer_of("biases"), []
    cache = mixer.empty_cache(2, 11)
    for index in range(11):
        found.append(mixer(stream()[:, [index]], row(1, index), cache))
    wanted = mixer(stream(), row(11), None)
    torch.testing.assert_close(torch.cat(found, 1), wanted, rtol=0, atol=1e-10)


@torch.no_grad()
def test_a_memory_is_the_same_however_long_the_text() -> None:
    mixer = mixer_of()
    cache, longer = mixer.empty_cache(2, 11), mixer.empty_cache(2, 10**9)
    assert isinstance(cache, TailAndState)
    assert cache.bytes() == longer.bytes() == 2 * (3 * 64 + 64 * 4) * 8
    for past in range(0, 44, 11):
        mixer(stream(), row(11, past), cache)
        assert cache.bytes() == longer.bytes()
        assert cache.state.untyped_storage().nbytes() == cache.state.nbytes


@torch.no_grad()
def test_in_bf16_the_state_stays_precise() -> None:
    mixer = mixer_of().bfloat16()
    cache = mixer.empty_cache(2, 11)
    assert isinstance(cache, TailAndState)
    answer = mixer(stream().bfloat16(), row(11), cache)
    assert answer.dtype == torch.bfloat16
    assert (cache.tail_BWC.dtype, cache.state.dtype) == (torch.bfloat16, torch.float32)
    mixer(stream(1).bfloat16(), row(1, 11), cache)
    assert (cache.tail_BWC.dtype, cache.state.dtype) == (torch.bfloat16, torch.float32)
