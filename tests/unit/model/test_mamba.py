"""Mamba and Mamba-2 as parts: by hand, by a slow reference, and what they remember."""

import math

import pytest
import torch
from laws.shapes import lively, shape
from reference.recurrences import slow_convolution, slow_selective_scan
from reference.state_space import slow_state_space
from state_spaces import row, silu, stream
from torch import Tensor
from torch.nn import functional as F

from endonym.model.cache import TailAndState
from endonym.model.mamba import GatedNorm, Mamba, Mamba2, ShortConvolution
from endonym.model.span import Span


def mixer_of(family: str, variant: str = "plain") -> Mamba | Mamba2:
    """The first mixer of a lively decoder, in float64."""
    found = lively(shape(family, variant)).blocks[0].mixer
    assert isinstance(found, Mamba | Mamba2)
    return found


def mamba_by_definition(mixer: Mamba, x_BTD: Tensor, is_first_BT: Tensor | None = None) -> Tensor:
    """arXiv:2312.00752, algorithm 2 and figure 3, with the slow convolution and scan."""
    wide, gate = F.linear(x_BTD, mixer.input.weight, mixer.input.bias).split(64, dim=-1)
    taps = mixer.convolution.weight, mixer.convolution.bias
    wide = F.silu(slow_convolution(wide, *taps, is_first_BT)[0])
    rank, state = mixer.config.step_rank, mixer.config.state
    selected = wide @ mixer.select.weight.T
    low, B, C = selected[..., :rank], selected[..., rank:-state], selected[..., -state:]
    step = (1 + (low @ mixer.step.weight.T + mixer.step.bias).exp()).log()
    y, _ = slow_selective_scan(wide, step, -mixer.A_log.exp(), B, C, is_first_BT)
    y = (y + mixer.skip * wide) * F.silu(gate)
    return F.linear(y, mixer.output.weight, mixer.output.bias)


def mamba2_by_definition(mixer: Mamba2, x_BTD: Tensor, is_first_BT: Tensor | None = None) -> Tensor:
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


VARIANTS = ["mamba plain", "mamba biases", "mamba2 plain", "mamba2 groups"]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("is_packed", [False, True])
@torch.no_grad()
def test_the_layer_is_its_definition(variant: str, is_packed: bool) -> None:
    numbers = torch.tensor([[1] * 4 + [2] * 7, [1] * 10 + [2]])
    span = Span.packed(numbers) if is_packed else row(11)
    mixer = mixer_of(*variant.split())
    define = mamba_by_definition if isinstance(mixer, Mamba) else mamba2_by_definition
    wanted = define(mixer, stream(), span.is_first_BT)
    torch.testing.assert_close(mixer(stream(), span, None), wanted, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    ("family", "variant", "numbers"),
    [("mamba", "plain", 3 * 64 + 64 * 4), ("mamba2", "groups", 2 * 80 + 64 * 4)],
)
@torch.no_grad()
def test_a_memory_is_the_same_however_long_the_text(family: str, variant: str, numbers: int):
    mixer = mixer_of(family, variant)
    cache, longer = mixer.empty_cache(2, 11), mixer.empty_cache(2, 10**9)
    assert isinstance(cache, TailAndState)
    assert cache.bytes() == longer.bytes() == 2 * numbers * 8
    for past in range(0, 44, 11):
        mixer(stream(), row(11, past), cache)
        assert cache.bytes() == longer.bytes()
        assert cache.state.untyped_storage().nbytes() == cache.state.nbytes


@pytest.mark.parametrize("family", ["mamba", "mamba2"])
@torch.no_grad()
def test_in_bf16_the_state_stays_precise(family: str) -> None:
    mixer = mixer_of(family).bfloat16()
    cache = mixer.empty_cache(2, 11)
    assert isinstance(cache, TailAndState)
    assert mixer(stream().bfloat16(), row(11), cache).dtype == torch.bfloat16
    mixer(stream(1).bfloat16(), row(1, 11), cache)
    assert (cache.tail_BWC.dtype, cache.state.dtype) == (torch.bfloat16, torch.float32)


@torch.no_grad()
def test_a_short_convolution_by_hand() -> None:
    """The last tap is for the token itself; no tap reaches over the start of a document."""
    convolution = ShortConvolution(1, 3).double()
    convolution.weight.copy_(torch.tensor([[0.5, -1.0, 2.0]]))
    convolution.bias.fill_(0.25)
    x_BTC = torch.tensor([[[3.0], [-4.0]]], dtype=torch.float64)
    y, tail = convolution(x_BTC, None, None)
    wanted = [silu(0.25 + 2 * 3.0), silu(0.25 - 1 * 3.0 + 2 * -4.0)]
    assert y.flatten().tolist() == pytest.approx(wanted)
    assert tail.flatten().tolist() == [3.0, -4.0]
    y, tail = convolution(x_BTC, torch.tensor([[False, True]]), None)
    assert y[0, 1, 0].item() == pytest.approx(silu(0.25 + 2 * -4.0))
    assert tail.flatten().tolist() == [0.0, -4.0]


def test_an_empty_tail_is_zeros_in_the_format_of_the_weights() -> None:
    tail = ShortConvolution(5, 4).bfloat16().empty_tail(3)
    assert (tail.shape, tail.dtype, tail.requires_grad) == ((3, 3, 5), torch.bfloat16, False)
    assert tail.abs().max() == 0


def test_a_gated_norm_gates_first_and_normalises_each_group_alone() -> None:
    norm, x, gate = GatedNorm(4, 2, 0.1), [3.0, -1.0, 0.5, 2.0], [0.5, -2.0, 1.0, 0.0]
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
        found = norm(torch.tensor(x), torch.tensor(gate)).tolist()
    gated = [each * silu(z) for each, z in zip(x, gate, strict=True)]
    roots = [math.sqrt(sum(x * x for x in part) / 2 + 0.1) for part in (gated[:2], gated[2:])]
    wanted = [n * each / roots[(n - 1) // 2] for n, each in enumerate(gated, 1)]
    assert found == pytest.approx(wanted, rel=1e-5)
    assert [name for name, _ in norm.named_parameters()] == ["weight"]
