"""Mamba-2 as a part: by hand, by a slow reference, and from its memory."""

import math

import pytest
import torch
from laws.shapes import lively, shape
from reference.recurrences import slow_convolution
from reference.state_space import slow_state_space
from state_spaces import row, silu, stream
from torch import Tensor
from torch.nn import functional as F

from endonym.model.cache import TailAndState
from endonym.model.config import Mamba2Config
from endonym.model.mamba import Mamba2
from endonym.model.span import Span


def mixer_of(variant: str = "plain") -> Mamba2:
    """The first mixer of a lively decoder, in float64."""
    found = lively(shape("mamba2", variant)).blocks[0].mixer
    assert isinstance(found, Mamba2)
    return found


def by_definition(mixer: Mamba2, x_BTD: Tensor, is_first_BT: Tensor | None = None) -> Tensor:
    """arXiv:2405.21060, figure 6: heads of 16 channels, with the slow convolution and scan."""
    config, inner = mixer.config, 64
    shared = config.groups * config.state
    given = F.linear(x_BTD, mixer.input.weight, mixer.input.bias)
    gate, mixed, step = given.split((inner, inner + 2 * shared, config.heads), dim=-1)
    taps = mixer.convolution.weight, mixer.convolution.bias
    mixed = F.silu(slow_convolution(mixed, *taps, is_first_BT)[0])
    flat_x, flat_into, flat_out_of = mixed.split((inner, shared, shared), dim=-1)
    x = flat_x.unflatten(-1, (config.heads, -1))
    B, C = (each.unflatten(-1, (config.groups, -1)) for each in (flat_into, flat_out_of))
    step = (1 + (step + mixer.step_bias).exp()).log()
    log_decay = -mixer.A_log.exp() * step
    y, _ = slow_state_space(x * step[..., None], log_decay, B, C, is_first_BT)
    y = (y + mixer.skip[:, None] * x).flatten(2) * F.silu(gate)
    parts = y.unflatten(-1, (config.groups, -1))
    normed = parts / (parts.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return F.linear(normed.flatten(2) * mixer.norm.weight, mixer.output.weight, mixer.output.bias)


@torch.no_grad()
def test_two_tokens_by_hand() -> None:
    """One head of two channels, a state of one number, two taps."""
    config = shape("mamba2").model_copy(update={"dim": 2})
    keys = Mamba2Config(heads=1, head_width=2, state=1, groups=1, conv_width=2, bias=False)
    mixer = Mamba2(config, keys).double()
    # Of the input (a, b): gates a and b, channels a and b, into a, out_of b, and a step of b.
    numbers = {
        "input.weight": [[1, 0], [0, 1], [1, 0], [0, 1], [1, 0], [0, 1], [0, 1]],
        "convolution.weight": [[0.5, 2.0], [0.3, -1.0], [0.0, 1.0], [0.2, 1.0]],
        "convolution.bias": [0.1, 0.2, 0.3, 0.4],
        "step_bias": [-0.3],
        "A_log": [math.log(2.0)],
        "skip": [0.4],
        "norm.weight": [3.0, 5.0],
        "output.weight": [[1.0, 0.0], [0.0, 1.0]],
    }
    assert numbers.keys() == mixer.state_dict().keys()
    for name, value in numbers.items():
        mixer.get_parameter(name).copy_(torch.tensor(value))
    rows = [(0.9, 1.1), (-0.6, 0.8)]
    found = mixer(torch.tensor([rows], dtype=torch.float64), Span.after(0, torch.zeros(1, 2)), None)

    state, (old_a, old_b) = [0.0, 0.0], (0.0, 0.0)
    for index, (a, b) in enumerate(rows):
        x = [silu(0.5 * old_a + 2.0 * a + 0.1), silu(0.3 * old_b - 1.0 * b + 0.2)]
        B, C = silu(1.0 * a + 0.3), silu(0.2 * old_b + 1.0 * b + 0.4)
        step = math.log(1 + math.exp(b - 0.3))
        decay = math.exp(-2.0 * step)
        state = [decay * s + step * each * B for s, each in zip(state, x, strict=True)]
        y = [s * C + 0.4 * each for s, each in zip(state, x, strict=True)]
        gated = [each * silu(gate) for each, gate in zip(y, (a, b), strict=True)]
        root = math.sqrt(sum(each * each for each in gated) / 2 + 1e-5)
        wanted = [3.0 * gated[0] / root, 5.0 * gated[1] / root]
        assert found[0, index].tolist() == pytest.approx(wanted, rel=1e-6)
        old_a, old_b = a, b


@pytest.mark.parametrize("variant", ["plain", "groups"])
@pytest.mark.parametrize("is_packed", [False, True])
@torch.no_grad()
def test_the_layer_is_its_definition(variant: str, is_packed: bool) -> None:
    numbers = torch.tensor([[1] * 4 + [2] * 7, [1] * 10 + [2]])
    span = Span.packed(numbers) if is_packed else row(11)
    mixer = mixer_of(variant)
    wanted = by_definition(mixer, stream(), span.is_first_BT)
    torch.testing.assert_close(mixer(stream(), span, None), wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("variant", ["plain", "groups"])
@torch.no_grad()
def test_step_by_step_equals_all_at_once(variant: str) -> None:
    mixer, found = mixer_of(variant), []
    cache = mixer.empty_cache(2, 11)
    for index in range(11):
        found.append(mixer(stream()[:, [index]], row(1, index), cache))
    wanted = mixer(stream(), row(11), None)
    torch.testing.assert_close(torch.cat(found, 1), wanted, rtol=0, atol=1e-9)


@torch.no_grad()
def test_a_memory_is_the_same_however_long_the_text() -> None:
    mixer = mixer_of("groups")
    cache, longer = mixer.empty_cache(2, 11), mixer.empty_cache(2, 10**9)
    assert isinstance(cache, TailAndState)
    assert cache.state.shape == (2, 4, 16, 4)
    assert cache.bytes() == longer.bytes() == 2 * (2 * 80 + 64 * 4) * 8
    for past in range(0, 44, 11):
        mixer(stream(), row(11, past), cache)
        assert cache.bytes() == longer.bytes()


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
