"""Clipping: what is learnt from is the gradient of the whole batch, clipped as torch clips it."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from toys import lively_decoder, toy_config, toy_decoder, train_config, write_toy_shards

from endonym.data.batches import Batch
from endonym.model.decoder import Decoder
from endonym.model.span import Span
from endonym.train.loop import Training, TrainingInputs
from endonym.train.optimizer import Optimizer
from endonym.train.step import accumulate_gradients, take_step

PHASE = train_config(lr=1e-2, weight_decay=0.1)
FACTORS = (0.01, 0.5, 0.999, 1.001, 1.5, 3.0, 9.9, 10.1, 1000.0)
"""The gradient's norm as a multiple of the largest that is allowed."""
NEWEST_SHARE = 0.1
"""1 - beta: the first step's first moment is this share of the clipped gradient."""


def uneven_gradients(optimizer: Optimizer, norm: float) -> None:
    """Gradients of this norm over all: that of each tensor is twice that of the one before it."""
    generator = torch.Generator().manual_seed(1)
    drawn = [torch.randn(m.shape, generator=generator) for m in optimizer.masters]
    drawn = [each / each.norm() * 2.0 ** (index % 5) for index, each in enumerate(drawn)]
    total = math.sqrt(sum(float(each.double().square().sum()) for each in drawn))
    for master, each in zip(optimizer.masters, drawn, strict=True):
        master.grad = each * (norm / total)


def gradients_of(optimizer: Optimizer) -> list[Tensor]:
    """A copy of what the optimiser would learn from."""
    found = [master.grad for master in optimizer.masters]
    assert all(each is not None for each in found)
    return [each.clone() for each in found if each is not None]


def clipped_by_torch(gradients: list[Tensor], largest: float) -> tuple[list[Tensor], float]:
    """The gradients after torch's own clipping, and the norm that it found before."""
    parameters = [nn.Parameter(torch.zeros_like(each)) for each in gradients]
    for parameter, each in zip(parameters, gradients, strict=True):
        parameter.grad = each.clone()
    norm = nn.utils.clip_grad_norm_(parameters, largest)
    return [each.grad for each in parameters if each.grad is not None], float(norm)


def norm_of(gradients: list[Tensor]) -> float:
    """Over everything, in fp64."""
    return math.sqrt(sum(float(each.double().square().sum()) for each in gradients))


@pytest.mark.parametrize("largest", [0.25, 1.0, 8.0])
@pytest.mark.parametrize("factor", FACTORS)
def test_gradients_are_clipped_as_torch_clips_them(factor: float, largest: float) -> None:
    optimizer = Optimizer(toy_decoder(), PHASE)
    uneven_gradients(optimizer, factor * largest)
    before = gradients_of(optimizer)
    expected, norm = clipped_by_torch(before, largest)
    assert float(optimizer.clip(largest)) == pytest.approx(norm, rel=1e-6)
    found = gradients_of(optimizer)
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-6, atol=0)
    if factor < 1:
        assert all(torch.equal(one, two) for one, two in zip(found, before, strict=True))
    else:
        assert norm_of(found) == pytest.approx(largest, rel=1e-5)


def test_many_small_gradients_are_clipped_together() -> None:
    optimizer = Optimizer(toy_decoder(), PHASE)
    count = len(optimizer.masters)
    for master in optimizer.masters:
        master.grad = torch.full_like(master, 0.9 / math.sqrt(master.numel()))
    assert float(optimizer.clip(1.0)) == pytest.approx(0.9 * math.sqrt(count))
    norms = [float(each.norm()) for each in gradients_of(optimizer)]
    assert norms == pytest.approx([1 / math.sqrt(count)] * count, rel=1e-5)


def batch_of() -> Batch:
    """Five rows, the first of which are much easier to predict than the last."""
    generator = torch.Generator().manual_seed(7)
    tokens_BT = torch.randint(0, 40, (5, 17), generator=generator)
    tokens_BT[:3] = 5
    documents_BT = torch.arange(16).div(6, rounding_mode="floor").expand(5, 16).contiguous()
    return Batch(tokens_BT[:, :-1].contiguous(), tokens_BT[:, 1:].contiguous(), documents_BT)


def gradients_at_once(decoder: Decoder) -> list[Tensor]:
    """The gradient of the mean over the batch, without any of our steps."""
    batch = batch_of()
    logits_BTV = decoder.logits(batch.tokens_BT, Span.packed(batch.documents_BT))
    F.cross_entropy(logits_BTV.flatten(0, 1), batch.targets_BT.flatten()).backward()
    return [p.grad for p in decoder.parameters() if p.grad is not None]


@pytest.mark.parametrize("factor", [0.5, 1.5, 5.0, 50.0])
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_step_learns_from_the_clipped_gradient_of_the_whole_batch(
    rows: int, factor: float
) -> None:
    gradients = gradients_at_once(lively_decoder())
    largest = norm_of(gradients) / factor
    expected, norm = clipped_by_torch(gradients, largest)
    decoder = lively_decoder()
    optimizer = Optimizer(decoder, PHASE.but(**{"clip": largest}))
    stepped = take_step(decoder, optimizer, batch_of(), lr_scale=1.0, rows=rows)
    assert stepped.gradient_norm == pytest.approx(norm, rel=1e-4)
    first_moments = [optimizer.state()[f"{name}.exp_avg"] for name in optimizer.names]
    assert norm_of(first_moments) == pytest.approx(NEWEST_SHARE * min(largest, norm), rel=1e-4)
    for name, moment, gradient in zip(optimizer.names, first_moments, expected, strict=True):
        scale = float(gradient.abs().max())
        torch.testing.assert_close(
            moment, NEWEST_SHARE * gradient, rtol=1e-3, atol=1e-4 * scale, msg=name
        )


def test_in_bf16_the_sum_of_all_micro_batches_is_clipped() -> None:
    decoder = lively_decoder()
    optimizer = Optimizer(decoder, PHASE.but(number_format="bf16"))
    accumulate_gradients(decoder, optimizer, batch_of(), rows=2)
    before = gradients_of(optimizer)
    expected, norm = clipped_by_torch(before, norm_of(before) / 4)
    assert float(optimizer.clip(norm / 4)) == pytest.approx(norm, rel=1e-5)
    for one, two in zip(gradients_of(optimizer), expected, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=0)
    assert norm == pytest.approx(norm_of(gradients_at_once(lively_decoder())), rel=0.05)


@pytest.mark.parametrize("clip", [None, 0.05, 1e6])
def test_a_phase_clips_at_the_norm_it_says_and_else_at_one(
    clip: float | None, tmp_path: Path
) -> None:
    random = np.random.default_rng(8)
    documents = [random.integers(1, 24, size).tolist() for size in (30, 9, 22, 14, 25)]
    train, val = write_toy_shards(tmp_path / "shards", documents, documents[:2], vocab=24)
    keys = {} if clip is None else {"clip": clip}
    phase = train_config(steps=1, batch_tokens=64, lr=1e-2, number_format="fp32", **keys)
    decoder = toy_decoder(toy_config(vocab=24))
    with torch.no_grad():
        # A loss, and a gradient, far from where training begins.
        decoder.readout.weight_VD.mul_(30.0)
    inputs = TrainingInputs(train, val, tmp_path / "kept", unigram_nats=99.0)
    run = Training(decoder, phase, inputs, seed=3)
    report = list(run.reports())[1]
    assert 2.0 < report.gradient_norm < 1e6
    first_moments = [run.optimizer.state()[f"{name}.exp_avg"] for name in run.optimizer.names]
    expected = min(report.gradient_norm, clip or 1.0)
    assert norm_of(first_moments) == pytest.approx(NEWEST_SHARE * expected, rel=1e-4)
