"""The loss on numbers one can check by hand. That chunks change nothing is law 5."""

import math

import pytest
import torch

from endonym.model.kernels import loss
from endonym.model.kernels.loss import Readout, chunks, learnable_nats, summed_nats

HEAD = torch.eye(4)
"""With it, hidden states are the logits."""


def test_a_sum_of_no_positions_is_nothing() -> None:
    empty = torch.zeros(0, 4)
    assert summed_nats(empty, Readout(HEAD), torch.zeros(0, dtype=torch.long)).item() == 0


def test_a_readout_gives_logits_of_any_number_of_rows_and_a_cap_bends_them() -> None:
    readout = Readout(torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]]))
    assert readout.logits(torch.tensor([[[5.0, 7.0]]])).tolist() == [[[10.0, 21.0, 12.0]]]
    found = Readout(HEAD, 2.0).logits(torch.tensor([0.0, 0.1, -2.0, 40.0])).tolist()
    assert found == pytest.approx([2 * math.tanh(x / 2) for x in (0.0, 0.1, -2.0, 40.0)])


def test_chunks_hold_few_logits_and_all_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "CHUNK_LOGITS", 1000 * 300)
    hidden, targets = torch.randn(1001, 4), torch.arange(1001)
    parts = chunks(hidden, targets, 1000)
    assert [len(part) for part, _ in parts] == [300, 300, 300, 101]
    assert torch.equal(torch.cat([part for part, _ in parts]), hidden)
    assert torch.equal(torch.cat([part for _, part in parts]), targets)


def test_a_large_vocabulary_still_gets_chunks_wide_enough_to_be_fast() -> None:
    hidden, targets = torch.zeros(300, 1), torch.zeros(300)
    parts = chunks(hidden, targets, 10 * loss.CHUNK_LOGITS)
    assert [len(part) for part, _ in parts] == [128, 128, 44]


@pytest.mark.parametrize("cap", [None, 1.5])
def test_learnable_nats_have_a_true_gradient(cap: float | None, monkeypatch: pytest.MonkeyPatch):
    """By torch's own functions on whole logits; with several chunks, each target counts its own."""
    monkeypatch.setattr(loss, "CHUNK_LOGITS", 0)
    generator = torch.Generator().manual_seed(4)
    hidden = torch.randn(300, 6, generator=generator, requires_grad=True)
    head = torch.randn(11, 6, generator=generator, requires_grad=True)
    targets = torch.randint(0, 11, (300,), generator=generator)
    factors = torch.randn(300, generator=generator)
    found = learnable_nats(hidden, Readout(head, cap), targets)
    logits = Readout(head, cap).logits(hidden)
    wanted = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    torch.testing.assert_close(found, wanted)
    ours = torch.autograd.grad((factors * found.square()).sum(), (hidden, head))
    theirs = torch.autograd.grad((factors * wanted.square()).sum(), (hidden, head))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_learnable_nats_of_a_frozen_head_still_move_the_hidden_states() -> None:
    hidden = torch.zeros(1, 4, requires_grad=True)
    nats = learnable_nats(hidden, Readout(HEAD), torch.tensor([2]))
    (3.0 * nats).sum().backward()
    assert hidden.grad[0].tolist() == pytest.approx([0.75, 0.75, -2.25, 0.75])
