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
from endonym.model.config import Mamba2Config, MambaConfig
from endonym.model.mamba import GatedNorm, Mamba, Mamba2, ShortConvolution
from endonym.model.span import Span


def mixer_of(family: str, variant: str = "plain") -> Mamba | Mamba2:
    """The first mixer of a lively decoder, in float64."""
    found = lively(shape(family, variant)).blocks[0].mixer
    assert isinstance(found, Mamba | Mamba2)
    return found


def mamba_by_definition(mixer: Mamba, x_BTD: Tensor, is_first_BT: Tensor | None = None) -> Tensor:
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


@torch.no_grad()
def test_two_tokens_of_a_mamba_by_hand() -> None:
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


@torch.no_grad()
def test_two_tokens_of_a_mamba2_by_hand() -> None:
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


@pytest.mark.parametrize("variant", ["mamba plain", "mamba2 plain", "mamba2 groups"])
@pytest.mark.parametrize("is_packed", [False, True])
@torch.no_grad()
def test_the_layer_is_its_definition(variant: str, is_packed: bool) -> None:
    numbers = torch.tensor([[1] * 4 + [2] * 7, [1] * 10 + [2]])
    span = Span.packed(numbers) if is_packed else row(11)
    mixer = mixer_of(*variant.split())
    define = mamba_by_definition if isinstance(mixer, Mamba) else mamba2_by_definition
    wanted = define(mixer, stream(), span.is_first_BT)
    torch.testing.assert_close(mixer(stream(), span, None), wanted, rtol=1e-7, atol=1e-9)


@torch.no_grad()
def test_biases_are_added_where_the_shape_has_them() -> None:
    mixer = mixer_of("mamba", "biases")
    assert mixer.input.bias is not None
    assert mixer.output.bias is not None
    before = mixer(stream(), row(11), None)
    mixer.output.bias += 1.5
    torch.testing.assert_close(mixer(stream(), row(11), None), before + 1.5)
    plain = mixer_of("mamba")
    assert plain.input.bias is None
    assert plain.output.bias is None


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
