"""Muon: orthogonal steps, all matrices of a shape at once, as the slow one and as torch's."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from reference.optimizing import OptimizerState, slow_muon
from reference.polar_express import polar_express
from torch import Tensor, nn
from toys import train_config

from endonym.train.muon import COEFFICIENTS, PUBLISHED, Muon, orthogonal

JORDAN = ((3.4445, -4.7750, 2.0315),) * 5
"""The coefficients of the first Muon, which are torch's."""
SHAPES = [(24, 24), (60, 8), (5, 24, 16), (1, 7)]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def parameters(shapes: Sequence[tuple[int, ...]], *, seed: int = 0) -> list[nn.Parameter]:
    return [nn.Parameter(random(*each, seed=seed + n)) for n, each in enumerate(shapes)]


def muon_of(
    matrices: list[nn.Parameter], *, row_memory: float | None = None, **keys: object
) -> Muon:
    if row_memory is not None:
        keys |= {"normalise": True, "betas": (0.9, row_memory)}
    return Muon(matrices, train_config(optimizer="muon", **keys))


def stepped(muon: Muon, seed: int, *, lr: float = 0.02, decay: float = 0.5) -> list[Tensor]:
    """Take a step; returns the gradients, which it uses up."""
    gradients: list[Tensor] = []
    for number, matrix in enumerate(muon.matrices):
        gradients.append(random(*matrix.shape, seed=100 * seed + number))
        matrix.grad = gradients[-1].clone()
    muon.step(lr, decay)
    return gradients


def sent(values: Tensor) -> Tensor:
    for a, b, c in COEFFICIENTS:
        values = a * values + b * values**3 + c * values**5
    return values


def test_the_coefficients_are_those_of_the_paper_s_construction() -> None:
    for found, expected in zip(PUBLISHED, polar_express(1e-3, 5), strict=True):
        assert found == pytest.approx(expected, rel=1e-11)


def test_the_polynomials_together_leave_no_larger_error_than_the_paper_says() -> None:
    found = sent(torch.logspace(math.log10(2e-3), 0, 200_001, dtype=torch.float64))
    assert float(found.min()) == pytest.approx(0.87026, abs=1e-5)
    assert float(found.max()) == pytest.approx(1.12356, abs=1e-5)
    rising = sent(torch.logspace(-6, -4, 1000, dtype=torch.float64))
    assert bool((rising.diff() > 0).all())
    assert float(rising[-1]) < 0.1


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_values_end_near_one_and_directions_stay(shape: tuple[int, ...]) -> None:
    matrix = random(*shape) * 1e-4
    (found,) = orthogonal([matrix], torch.float32)
    assert (found.shape, found.dtype) == (matrix.shape, torch.float32)
    left, values, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    assert float((values[..., -1] / values.norm(dim=-1)).min()) > 2e-3
    cores = left.mT @ found.double() @ right.mT
    diagonal = cores.diagonal(dim1=-2, dim2=-1)
    assert 0.87 < float(diagonal.min()) <= float(diagonal.max()) < 1.124
    torch.testing.assert_close(cores, torch.diag_embed(diagonal), rtol=0, atol=1e-4)


@pytest.mark.parametrize("number_format", [torch.float32, torch.bfloat16])
def test_many_at_once_are_as_each_alone(number_format: torch.dtype) -> None:
    # Kernels for one and for many add in another order: a few roundings of values up to 1.
    tolerance = 2e-5 if number_format == torch.float32 else 4 * torch.finfo(number_format).eps
    matrices = [random(*shape, seed=n) * 10.0**-n for n, shape in enumerate(SHAPES * 2)]
    together = orthogonal(matrices, number_format)
    for matrix, found in zip(matrices, together, strict=True):
        (alone,) = orthogonal([matrix], number_format)
        torch.testing.assert_close(found, alone, rtol=0, atol=tolerance)
    experts = matrices[2]
    for expert, found in zip(experts, together[2], strict=True):
        (alone,) = orthogonal([expert], number_format)
        torch.testing.assert_close(found, alone, rtol=0, atol=tolerance)


def test_the_matrices_of_one_shape_take_one_call_lying_or_standing(monkeypatch: pytest.MonkeyPatch):
    seen: list[tuple[int, ...]] = []
    real = torch.baddbmm

    def counted(*given: Tensor, **keys: float) -> Tensor:
        seen.append(tuple(given[0].shape))
        return real(*given, **keys)

    monkeypatch.setattr(torch, "baddbmm", counted)
    orthogonal([random(8, 20), random(8, 20), random(20, 8), random(3, 8, 20)], torch.float32)
    assert seen == [(6, 8, 8), (6, 8, 20)] * 5


def test_zeros_stay_zeros_beside_others() -> None:
    found = orthogonal([torch.zeros(6, 9), random(6, 9)], torch.float32)
    assert not found[0].any()
    assert found[1].norm() == pytest.approx(math.sqrt(6), rel=0.1)


@pytest.mark.parametrize("shape", [(24, 24), (4, 16, 48)])
def test_a_step_has_the_size_of_adamw_s(shape: tuple[int, ...]) -> None:
    muon = muon_of(parameters([shape]))
    before = muon.matrices[0].detach().clone()
    stepped(muon, 1, lr=1e-2, decay=0.0)
    change = (muon.matrices[0].detach() - before).square().mean().sqrt()
    assert float(change) == pytest.approx(0.2 * 1e-2, rel=0.1)


def test_it_is_torch_s_with_torch_s_coefficients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("endonym.train.muon.COEFFICIENTS", JORDAN)
    shapes = [(24, 24), (8, 60), (60, 8)]
    muon = muon_of(parameters(shapes), number_format="bf16")
    plain = torch.optim.Muon(
        parameters(shapes), lr=0.02, weight_decay=0.5, adjust_lr_fn="match_rms_adamw"
    )
    theirs = plain.param_groups[0]["params"]
    for number in range(8):
        for one, gradient in zip(theirs, stepped(muon, number), strict=True):
            one.grad = gradient
        before = [one.detach().clone() for one in theirs]
        plain.step()
        for ours, one, old in zip(muon.matrices, theirs, before, strict=True):
            # Theirs divides by a norm that was rounded to bf16, ours before rounding.
            size = float((one.detach() - old).norm())
            assert float((ours.detach() - one.detach()).norm()) < 0.03 * size * (number + 1)
            torch.testing.assert_close(
                muon.state[ours]["momentum"], plain.state[one]["momentum_buffer"]
            )


@pytest.mark.parametrize("cautious", [False, True])
@pytest.mark.parametrize("row_memory", [None, 0.9])
def test_steps_are_those_of_the_slow_one(row_memory: float | None, cautious: bool) -> None:
    changed: dict[str, Any] = {"row_memory": row_memory, "cautious": cautious, "momentum": 0.8}
    muon = muon_of(parameters([(6, 9), (9, 6), (3, 6, 9)]), **changed)
    matrices = [each.detach().double() for each in muon.matrices]
    plain = [[*each.reshape(-1, *each.shape[-2:]).unbind()] for each in matrices]
    optimizer_state: list[list[OptimizerState]] = [[{} for _ in stack] for stack in plain]
    for number in range(5):
        seen = stepped(muon, number, lr=0.1, decay=0.7)
        for gradient, stack, kept in zip(seen, plain, optimizer_state, strict=True):
            gradients = gradient.double().reshape(-1, *gradient.shape[-2:])
            for index, weights in enumerate(stack):
                given = (weights, gradients[index], kept[index])
                stack[index] = slow_muon(*given, lr=0.1, decay=0.7, **changed)
    for matrix, stack in zip(muon.matrices, plain, strict=True):
        expected = torch.stack(stack).float().view(matrix.shape)
        torch.testing.assert_close(matrix.detach(), expected, rtol=0, atol=2e-4)


def test_rows_that_were_large_for_long_are_evened_out_and_the_norm_stays() -> None:
    ground, even = parameters([(8, 16)]), parameters([(8, 16)])
    plain, evened = muon_of(ground), muon_of(even, row_memory=0.5)
    common = random(1, 16)
    changes: list[list[Tensor]] = [[], []]
    for number in range(6):
        gradient = 1e-3 * random(8, 16, seed=number)
        gradient[:4] += common  # Four rows share one direction: each has a quarter of it.
        for muon, kept in zip((plain, evened), changes, strict=True):
            before = muon.matrices[0].detach().clone()
            muon.matrices[0].grad = gradient.clone()
            muon.step(0.01, 0.0)
            kept.append(muon.matrices[0].detach() - before)
    rough, smooth = changes[0][-1].norm(dim=1), changes[1][-1].norm(dim=1)
    assert smooth.std() < 0.5 * rough.std()
    assert float(smooth.norm()) == pytest.approx(float(rough.norm()), rel=1e-4)


def test_a_matrix_without_a_gradient_goes_on_by_its_momentum() -> None:
    muon = muon_of(parameters([(6, 9)]))
    stepped(muon, 0)
    momentum = muon.state[muon.matrices[0]]["momentum"].clone()
    before = muon.matrices[0].detach().clone()
    muon.matrices[0].grad = None
    muon.step(0.02, 0.0)
    torch.testing.assert_close(muon.state[muon.matrices[0]]["momentum"], 0.95 * momentum)
    (direction,) = orthogonal([momentum], torch.float32)
    expected = before - 0.02 * 0.2 * 3 * direction
    torch.testing.assert_close(muon.matrices[0].detach(), expected, rtol=0, atol=1e-5)
