"""Averages: the shares by hand, the mean they come to, and no trace after a validation."""

import contextlib

import pytest
import torch
from toys import toy_decoder, train_config

from endonym.train.averaging import Average, averaged, newest_share
from endonym.train.optimizer import Optimizer

STEPS = 20
FORMATS = ["fp32", "bf16"]


def average_of(number_format: str = "fp32", **keys: object) -> Average:
    config = train_config(**{"lr": 1e-2, "steps": STEPS, "number_format": number_format, **keys})
    return Average(Optimizer(toy_decoder(), config), config)


def walk(average: Average, first: int, last: int) -> None:
    """Weights that change at random, the same for the same step, seen by the average."""
    for step in range(first, last + 1):
        generator = torch.Generator().manual_seed(step)
        with torch.no_grad():
            for master in average.optimizer.masters:
                master += torch.randn(master.shape, generator=generator)
        average.optimizer.refresh()
        average.update(step)


def test_an_exponential_mean_forgets_half_in_its_share_of_the_steps() -> None:
    parts = [1.0]
    for step in range(2, 101):
        newest = newest_share("ema", 0.05, step=step, steps=100)
        parts = [part * (1 - newest) for part in parts] + [newest]
    assert sum(parts) == pytest.approx(1.0)
    assert newest_share("ema", 0.05, step=1, steps=100) == 1.0
    for older, newer in zip(parts, parts[5:], strict=False):
        assert newer == pytest.approx(2 * older)


def test_a_tail_counts_its_steps_alike_and_none_before() -> None:
    found = [newest_share("tail", 0.25, step=step, steps=20) for step in range(1, 21)]
    assert found == [0.0] * 15 + [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]
    assert newest_share("tail", 0.001, step=20, steps=20) == 1.0
    assert newest_share("tail", 1.0, step=1, steps=20) == 1.0
    assert newest_share("none", 0.5, step=20, steps=20) == 0.0


@pytest.mark.parametrize("number_format", FORMATS)
def test_the_mean_of_the_last_weights_is_theirs(number_format: str) -> None:
    average = average_of(number_format, average="tail", average_share=0.2)
    seen: list[dict[str, torch.Tensor]] = []
    for step in range(1, STEPS + 1):
        walk(average, step, step)
        seen.append({name: each.clone() for name, each in average.optimizer.weights().items()})
        if step <= 16:
            assert average.state() == {}
            assert torch.equal(average.weights()["norm.weight"], seen[-1]["norm.weight"])
    for name, found in average.weights().items():
        expected = torch.stack([each[name] for each in seen[-4:]]).mean(0)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_an_exponential_mean_follows_from_the_first_step() -> None:
    average = average_of(average="ema", average_share=0.1)
    slow, count = torch.zeros(16), 0.0
    for step in range(1, STEPS + 1):
        walk(average, step, step)
        slow = 0.5**0.5 * slow + (1 - 0.5**0.5) * average.optimizer.weights()["norm.weight"]
        count = 0.5**0.5 * count + (1 - 0.5**0.5)
        torch.testing.assert_close(average.weights()["norm.weight"], slow / count)


@pytest.mark.parametrize("kind", ["ema", "tail"])
@pytest.mark.parametrize("number_format", FORMATS)
def test_the_average_is_shown_and_leaves_no_trace(number_format: str, kind: str) -> None:
    average = average_of(number_format, average=kind)
    optimizer = average.optimizer
    walk(average, 1, STEPS)
    before = {name: each.clone() for name, each in optimizer.weights().items()}
    model = [each.detach().clone() for each in optimizer.parameters]
    addresses = [each.data_ptr() for each in optimizer.parameters]
    wanted = {name: each.clone() for name, each in average.weights().items()}
    with contextlib.suppress(KeyboardInterrupt), average.shown():
        for name, parameter in zip(optimizer.names, optimizer.parameters, strict=True):
            assert torch.equal(parameter, wanted[name].to(parameter.dtype)), name
            assert not torch.equal(wanted[name], before[name]), name
        raise KeyboardInterrupt
    assert all(torch.equal(each, before[name]) for name, each in optimizer.weights().items())
    assert all(torch.equal(*pair) for pair in zip(optimizer.parameters, model, strict=True))
    assert [each.data_ptr() for each in optimizer.parameters] == addresses
    assert all(torch.equal(each, wanted[name]) for name, each in average.weights().items())


def test_a_checkpoint_without_an_average_hands_on_its_weights() -> None:
    one, two = torch.ones(2), torch.zeros(2)
    assert averaged({"a": one}, {"a.exp_avg": two}) == {"a": one}
    assert averaged({"a": one}, {"a.average": two}) == {"a": two}
