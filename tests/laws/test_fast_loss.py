"""Law 5, the loss: nats in chunks equal plain cross entropy, forward and backward."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from endonym.model.kernels import loss
from endonym.model.kernels.loss import Readout, summed_nats, token_nats

WIDTH, VOCAB = 24, 500
SIZES = {"one chunk": 77, "whole chunks": 256, "a short last chunk": 450}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """128 positions a chunk, the fewest there may be."""
    monkeypatch.setattr(loss, "CHUNK_LOGITS", 1 << 10)


def inputs(positions: int, dtype: torch.dtype, spread: float = 1.0) -> tuple[Tensor, ...]:
    """Hidden states, a head and targets; logits deviate by `spread`."""
    generator = torch.Generator().manual_seed(positions)
    hidden_ND = torch.randn(positions, WIDTH, generator=generator).to(dtype)
    weight_VD = torch.randn(VOCAB, WIDTH, generator=generator) * spread / WIDTH**0.5
    targets_N = torch.randint(VOCAB, (positions,), generator=generator)
    return hidden_ND.requires_grad_(), weight_VD.to(dtype).requires_grad_(), targets_N


def plain(hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor) -> Tensor:
    """All logits at once."""
    return F.cross_entropy(hidden_ND @ weight_VD.T, targets_N, reduction="sum")


def relative(found: Tensor, wanted: Tensor) -> float:
    """Length of the error against the length of what is right."""
    right = wanted.detach().double()
    return float((found.detach().double() - right).norm() / right.norm())


@pytest.mark.parametrize("positions", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("spread", [0.3, 4.0])
def test_the_loss_in_chunks_equals_plain_cross_entropy_in_fp32(
    positions: int, spread: float
) -> None:
    hidden, weight, targets = inputs(positions, torch.float32, spread)
    assert len(loss.chunks(hidden, targets, VOCAB)) == -(-positions // 128)
    wanted = plain(hidden, weight, targets)
    found = summed_nats(hidden, Readout(weight), targets)
    assert relative(found, wanted) < 1e-5
    slopes = torch.autograd.grad(found * 0.37, (hidden, weight))
    for slope, right in zip(
        slopes, torch.autograd.grad(wanted * 0.37, (hidden, weight)), strict=True
    ):
        assert relative(slope, right) < 1e-5


@pytest.mark.parametrize("positions", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("spread", [0.3, 4.0])
def test_the_loss_in_bf16_equals_that_of_the_same_numbers_in_fp64(
    positions: int, spread: float
) -> None:
    hidden, weight, targets = inputs(positions, torch.bfloat16, spread)
    exact = [each.detach().double().requires_grad_() for each in (hidden, weight)]
    wanted = plain(*exact, targets)
    found = summed_nats(hidden, Readout(weight), targets)
    assert found.dtype == torch.float32
    assert relative(found, wanted) < 1e-3
    slopes = torch.autograd.grad(found, (hidden, weight))
    for slope, right in zip(slopes, torch.autograd.grad(wanted, exact), strict=True):
        assert slope.dtype == torch.bfloat16
        assert relative(slope, right) < 1e-2


@pytest.mark.parametrize("positions", SIZES.values(), ids=SIZES.keys())
def test_nats_of_each_token_are_those_of_plain_cross_entropy(positions: int) -> None:
    hidden, weight, targets = inputs(positions, torch.float32)
    with torch.no_grad():
        found = token_nats(hidden, Readout(weight), targets)
        wanted = F.cross_entropy(hidden @ weight.T, targets, reduction="none")
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)


def test_training_and_judging_see_the_same_loss() -> None:
    hidden, weight, targets = inputs(450, torch.float32)
    judged = token_nats(hidden, Readout(weight), targets).sum()
    assert relative(summed_nats(hidden, Readout(weight), targets), judged) < 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_number_that_is_not_finite_shows_in_the_loss(dtype: torch.dtype) -> None:
    hidden, weight, targets = inputs(300, dtype)
    with torch.no_grad():
        hidden[200, 3] = torch.nan
    assert not torch.isfinite(summed_nats(hidden, Readout(weight), targets))
    assert token_nats(hidden, Readout(weight), targets).isnan().nonzero().tolist() == [[200]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_target_held_impossible_costs_a_finite_number_of_nats(dtype: torch.dtype) -> None:
    weight = torch.zeros(VOCAB, WIDTH, dtype=dtype)
    weight[3, 0], weight[4, 0] = 60.0, -60.0
    hidden = torch.zeros(1, WIDTH, dtype=dtype)
    hidden[0, 0] = 1.0
    leaves = (hidden.requires_grad_(), weight.requires_grad_())
    nats = summed_nats(leaves[0], Readout(leaves[1]), torch.tensor([4]))
    assert 80 < nats.item() < 121
    for slope in torch.autograd.grad(nats, leaves):
        assert torch.isfinite(slope).all()


@pytest.mark.parametrize("positions", SIZES.values(), ids=SIZES.keys())
def test_capped_logits_cost_and_teach_what_plain_autograd_says(positions: int) -> None:
    hidden, weight, targets = inputs(positions, torch.float32, 4.0)
    logits_NV = 5.0 * torch.tanh(hidden @ weight.T / 5.0)
    wanted = F.cross_entropy(logits_NV, targets, reduction="sum")
    found = summed_nats(hidden, Readout(weight, cap=5.0), targets)
    assert relative(found, wanted) < 1e-5
    assert relative(found, plain(hidden, weight, targets)) > 1e-2
    slopes = torch.autograd.grad(found, (hidden, weight))
    for slope, right in zip(slopes, torch.autograd.grad(wanted, (hidden, weight)), strict=True):
        assert relative(slope, right) < 1e-5
    judged = token_nats(hidden, Readout(weight, cap=5.0), targets).sum()
    assert relative(judged, wanted) < 1e-5
    torch.testing.assert_close(Readout(weight, cap=5.0).logits(hidden), logits_NV)
