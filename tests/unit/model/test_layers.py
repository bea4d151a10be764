"""Norms, dropout, and the cast to fp32."""

import math

import pytest
import torch

from endonym.model.layers import Dropout, make_norm, precise
from endonym.seed import named_seed


@pytest.mark.parametrize(("kind", "names"), [("rms", ["weight"]), ("layer", ["weight", "bias"])])
def test_a_norm_divides_by_the_root_of_the_mean_square(kind: str, names: list[str]) -> None:
    """LayerNorm takes the mean away first."""
    norm, x = make_norm(kind, 4, 0.1), torch.tensor([3.0, -1.0, 0.5, 2.0])
    moved = x if kind == "rms" else x - x.mean()
    wanted = moved / math.sqrt(float(moved.square().mean()) + 0.1)
    assert norm(x).tolist() == pytest.approx(wanted.tolist(), rel=1e-6)
    assert [name for name, _ in norm.named_parameters()] == names
    assert not norm(torch.zeros(2, 4)).any()


def test_what_is_multiplied_over_a_document_is_float32_at_least() -> None:
    found = [precise(torch.zeros(1, dtype=t)).dtype for t in (torch.bfloat16, torch.float64)]
    assert found == [torch.float32, torch.float64]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(named_seed(0, "dropout"))


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_as_many_channels_are_zeroed_as_asked_and_the_sum_stays(share):
    x = torch.ones(64, 100, 33)
    y = Dropout(share).train()(x)
    assert (y == 0).float().mean().item() == pytest.approx(share, abs=0.004)
    assert y.mean().item() == pytest.approx(1.0, abs=0.005)
    assert len(y.unique()) == 2


def test_what_is_zeroed_is_drawn_for_each_channel_alone():
    zeroed = (Dropout(0.5).train()(torch.ones(4096, 64)) == 0).float() - 0.5
    together = zeroed.T @ zeroed / len(zeroed)
    assert (together - 0.25 * torch.eye(64)).abs().max() < 0.02


def test_the_gradient_is_zero_where_the_channel_was_and_scaled_where_not():
    x = torch.ones(5, 7, dtype=torch.bfloat16, requires_grad=True)
    y = Dropout(0.5).train()(x)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, y)
    assert y.dtype is torch.bfloat16


def test_a_seed_decides_and_a_second_call_differs():
    dropout, x = Dropout(0.3).train(), torch.ones(3, 50)
    first = dropout(x)
    second = dropout(x)
    torch.manual_seed(named_seed(0, "dropout"))
    assert torch.equal(dropout(x), first)
    assert not torch.equal(second, first)


def test_a_small_share_is_not_rounded_to_none_nor_a_large_one_to_all():
    x = torch.ones(1000, 1000)
    assert (Dropout(1e-4).train()(x) == 0).float().mean().item() == pytest.approx(1 / 256, abs=1e-3)
    assert (Dropout(0.9999).train()(x) != 0).float().mean().item() == pytest.approx(
        1 / 256, abs=1e-3
    )


def test_reading_leaves_everything():
    x = torch.ones(3, 5)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0).train()(x), x)


@pytest.mark.parametrize("share", [1e-3, 0.3, 0.999])
def test_what_is_kept_is_scaled_by_the_rounded_rate(share: float):
    """So the mean stays what it was, however the rate is rounded."""
    zeroed = min(max(round(256 * share), 1), 255)
    y = Dropout(share).train()(torch.ones(100, 100, dtype=torch.float64))
    assert set(y.unique().tolist()) == {0.0, 256 / (256 - zeroed)}
