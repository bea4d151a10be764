"""One step: the mean over a batch however it is split, and nothing done before harm."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from clipping import NEWEST_SHARE, clipped_by_torch, gradients_of, norm_of
from torch import Tensor
from torch.nn import functional as F
from toys import lively_decoder, toy_config, toy_decoder, train_config

from endonym.data.batches import Batch
from endonym.errors import NonFiniteLoss, TrainingError
from endonym.model.decoder import Decoder
from endonym.model.span import Span
from endonym.train.distributed import Group
from endonym.train.objectives import CROSS_ENTROPY
from endonym.train.optimizer import Optimizer
from endonym.train.step import accumulate_gradients, held_out_nats, require_finite, take_step

PHASE = train_config(lr=1e-2, weight_decay=0.1)


def batch_of(rows: int = 5) -> Batch:
    generator = torch.Generator().manual_seed(7)
    tokens_BT = torch.randint(0, 40, (rows, 17), generator=generator)
    documents_BT = torch.arange(16).div(5, rounding_mode="floor").expand(rows, 16).contiguous()
    return Batch(tokens_BT[:, :-1].contiguous(), tokens_BT[:, 1:].contiguous(), documents_BT)


@torch.no_grad()
def plain_nats(decoder: Decoder, batch: Batch) -> float:
    logits_BTV = decoder.logits(batch.tokens_BT, Span.packed(batch.documents_BT))
    flat = logits_BTV.flatten(0, 1).double()
    return float(F.cross_entropy(flat, batch.targets_BT.flatten(), reduction="sum"))


def test_the_loss_is_the_mean_over_the_batch_however_it_is_split() -> None:
    expected = plain_nats(lively_decoder(), batch_of()) / batch_of().targets_BT.numel()
    weights = []
    for rows in (1, 2, 5, 99):
        decoder = lively_decoder().train()
        optimizer = Optimizer(decoder, PHASE)
        stepped = take_step(optimizer, batch_of(), lr_scale=1.0, rows=rows)
        assert stepped.nats == pytest.approx(expected, rel=1e-5)
        weights.append(decoder.embedding.weight.detach())
    for other in weights[1:]:
        torch.testing.assert_close(other, weights[0], rtol=1e-3, atol=1e-4)


def test_the_penalty_of_experts_is_objective_and_not_reported() -> None:
    decoder = lively_decoder(toy_config("moe")).train()
    loss = CROSS_ENTROPY.loss(decoder, batch_of())
    assert loss.nats.item() == pytest.approx(plain_nats(decoder, batch_of()), rel=1e-5)
    assert loss.objective.item() > loss.nats.item() + 1e-3
    optimizer = Optimizer(decoder, PHASE)
    stepped = take_step(optimizer, batch_of(), lr_scale=1.0, rows=99)
    assert stepped.nats == pytest.approx(loss.nats.item() / 80, rel=1e-5)


def test_the_penalty_of_experts_counts_once_a_token_however_a_batch_is_split() -> None:
    batch, names = batch_of(), ("blocks.0.ffn.router.weight", "embedding.weight")
    for rows in (1, 2, 5):
        decoder, twin = (lively_decoder(toy_config("moe")) for _ in range(2))
        accumulate_gradients(Optimizer(decoder, PHASE), batch, rows=rows, weight=80.0)
        for part in batch.micro_batches(rows):
            hidden_BTD, penalty = twin(part.tokens_BT, Span.packed(part.documents_BT))
            logits_NV = twin.readout.logits(hidden_BTD.flatten(0, 1))
            nats = F.cross_entropy(logits_NV, part.targets_BT.flatten())
            ((nats + penalty) * len(part) / len(batch)).backward()
        for name in names:
            one, two = (dict(each.named_parameters())[name].grad for each in (decoder, twin))
            torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-6, msg=f"{name}, {rows}")


def poison_loss(decoder: Decoder) -> None:
    with torch.no_grad():
        decoder.norm.weight[3] = math.inf


def poison_gradient(decoder: Decoder) -> None:
    decoder.blocks[1].ffn.up.weight.register_hook(lambda gradient: gradient * math.inf)


@pytest.mark.parametrize("number_format", ["fp32", "bf16"])
@pytest.mark.parametrize(("poison", "what"), [(poison_loss, "loss"), (poison_gradient, "gradient")])
def test_a_nan_spares_the_weights(poison: Callable[[Decoder], None], what: str, number_format: str):
    decoder = lively_decoder()
    optimizer = Optimizer(decoder, PHASE.but(number_format=number_format))
    take_step(optimizer, batch_of(), lr_scale=1.0, rows=2)
    poison(decoder)
    weights = {name: tensor.clone() for name, tensor in optimizer.weights().items()}
    optimizer_state = {name: tensor.clone() for name, tensor in optimizer.state().items()}
    finite = require_finite("step 8, rows 3")
    with pytest.raises(NonFiniteLoss, match=f"the {what} is not a finite") as caught:
        take_step(optimizer, batch_of(), lr_scale=1.0, rows=2, refuses=finite)
    assert caught.value.where == "step 8, rows 3"
    assert isinstance(caught.value, TrainingError)
    for before, after in ((weights, optimizer.weights()), (optimizer_state, optimizer.state())):
        assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("training", [True, False])
def test_held_out_nats_are_taken_without_dropout_or_gradients(training: bool) -> None:
    noisy = toy_decoder(toy_config(dropout=0.5)).train(training)
    noisy.load_state_dict(lively_decoder().state_dict())
    nats_BT = held_out_nats(noisy, batch_of())
    assert nats_BT.shape == (5, 16)
    expected = plain_nats(lively_decoder(), batch_of())
    assert float(nats_BT.double().sum()) == pytest.approx(expected, rel=1e-5)
    assert noisy.training is training
    assert not nats_BT.requires_grad


def uneven_batch() -> Batch:
    """Five rows, the first of which are much easier to predict than the last."""
    generator = torch.Generator().manual_seed(7)
    tokens_BT = torch.randint(0, 40, (5, 17), generator=generator)
    tokens_BT[:3] = 5
    documents_BT = torch.arange(16).div(6, rounding_mode="floor").expand(5, 16).contiguous()
    return Batch(tokens_BT[:, :-1].contiguous(), tokens_BT[:, 1:].contiguous(), documents_BT)


def gradients_at_once(decoder: Decoder) -> list[Tensor]:
    """The gradient of the mean over the batch, without any of our steps."""
    batch = uneven_batch()
    logits_BTV = decoder.logits(batch.tokens_BT, Span.packed(batch.documents_BT))
    F.cross_entropy(logits_BTV.flatten(0, 1), batch.targets_BT.flatten()).backward()
    return [p.grad for p in decoder.parameters() if p.grad is not None]


@pytest.mark.parametrize(("rows", "factor"), [(1, 1.5), (2, 0.5), (2, 50.0), (5, 5.0)])
def test_a_step_learns_from_the_clipped_gradient_of_the_whole_batch(rows: int, factor: float):
    gradients = gradients_at_once(lively_decoder())
    largest = norm_of(gradients) / factor
    expected, norm = clipped_by_torch(gradients, largest)
    decoder = lively_decoder()
    optimizer = Optimizer(decoder, PHASE.but(**{"clip": largest}))
    stepped = take_step(optimizer, uneven_batch(), lr_scale=1.0, rows=rows)
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
    accumulate_gradients(optimizer, uneven_batch(), rows=2, weight=80.0)
    before = gradients_of(optimizer)
    expected, norm = clipped_by_torch(before, norm_of(before) / 4)
    assert float(optimizer.clip(norm / 4)) == pytest.approx(norm, rel=1e-5)
    for one, two in zip(gradients_of(optimizer), expected, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=0)
    assert norm == pytest.approx(norm_of(gradients_at_once(lively_decoder())), rel=0.05)


class Shortest(Group):
    """Another process ran short of memory, and had room for two rows."""

    def add_up(self, masters: object, nats: Tensor, *, ran_short: bool = False) -> Any:
        return nats, True

    def least(self, number: int) -> int:
        return min(number, 2)


@pytest.mark.parametrize(("group", "rows"), [(Group(), 5), (Shortest(), 2)])
def test_all_processes_take_as_few_rows_as_the_one_with_the_least_memory(group: Group, rows: int):
    decoder = lively_decoder().train()
    optimizer = Optimizer(decoder, PHASE)
    stepped = take_step(optimizer, batch_of(), lr_scale=1.0, rows=5, group=group)
    assert stepped.rows == rows
