"""Adapters on linear maps; the laws over all families are in tests/laws/test_adapters.py."""

import pytest
import torch
from laws.shapes import some_tokens
from torch import nn
from toys import lively_decoder, toy_config

from endonym.errors import ShapeError
from endonym.model import lora
from endonym.model.adapt_config import Adapt

ADAPT = Adapt(rank=2, on=("query",)).resolved()


def test_a_change_is_the_product_and_its_scale() -> None:
    a, b = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [0.0]])
    matrix = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    wanted = torch.tensor([[3.0 + 1.5, 4.0 + 3.0], [0.0, 2.0]])
    assert torch.equal(lora.Change(a, b, 0.5).of(matrix), wanted)
    scaled = lora.Change(a, b, 0.5, torch.tensor([10.0, 3.0])).of(matrix)
    assert scaled.norm(dim=-1).tolist() == pytest.approx([10.0, 3.0])
    assert scaled[1].tolist() == [0.0, 3.0]


def test_a_row_of_zeros_has_no_direction_and_stays() -> None:
    change = lora.Change(torch.ones(1, 2), torch.zeros(2, 1), 1.0, torch.tensor([0.0, 5.0]))
    matrix = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    assert torch.equal(change.of(matrix), matrix)


def test_a_depends_on_seed_and_name_alone() -> None:
    one, other = lively_decoder(seed=1), lively_decoder(seed=2)
    first, second = lora.new_changes(one, ADAPT, 5), lora.new_changes(other, ADAPT, 5)
    assert all(torch.equal(first[name].a, second[name].a) for name in first)
    third = lora.new_changes(one, ADAPT, 6)
    assert not any(torch.equal(first[name].a, third[name].a) for name in first)
    a = first["blocks.0.mixer.query"].a
    assert a.abs().max() <= 1 / a.shape[-1] ** 0.5


def test_dropout_acts_in_training_alone() -> None:
    asked = Adapt(rank=2, on=("query",), dropout=0.5).resolved()
    decoder, tokens = lora.adapted(lively_decoder().eval(), asked, 1), some_tokens(1, 9, vocab=40)
    for module in decoder.modules():
        if hasattr(module, "lora_B"):
            nn.init.ones_(module.lora_B)
    assert torch.equal(decoder.logits(tokens), decoder.logits(tokens))
    assert not torch.equal(decoder.train().logits(tokens), decoder.logits(tokens))


def test_what_does_not_fit_is_refused_by_name() -> None:
    decoder = lively_decoder()
    changes = lora.new_changes(decoder, ADAPT, 1)
    with pytest.raises(ShapeError, match=r"blocks\.9\.mixer\.query"):
        lora.attach(decoder, {"blocks.9.mixer.query": changes["blocks.0.mixer.query"]})
    wide = lora.Change(torch.ones(2, 99), torch.ones(16, 2), 1.0)
    with pytest.raises(ShapeError, match="99"):
        lora.attach(decoder, {"blocks.0.mixer.query": wide})
    lora.attach(decoder, changes)
    with pytest.raises(ShapeError, match="already"):
        lora.attach(decoder, changes)


def test_weights_of_a_training_become_changes() -> None:
    decoder = lora.adapted(lively_decoder(), ADAPT, 1)
    weights = {n: each.detach() + 1 for n, each in decoder.named_parameters() if ".lora_" in n}
    changes = lora.changes_with(decoder, weights)
    before = lora.changes_of(decoder)
    for name, change in changes.items():
        assert torch.equal(change.a, before[name].a + 1)
        assert change.scale == before[name].scale == 2.0
    assert not lora.changes_of(lively_decoder())


def test_a_copy_with_an_adapter_shares_the_weights_and_leaves_the_first_as_it_is() -> None:
    decoder, tokens = lively_decoder().eval(), some_tokens(1, 9, vocab=40)
    plain = decoder.logits(tokens)
    changes = lora.new_changes(decoder, ADAPT, 1)
    lively = {p: lora.Change(c.a, torch.ones_like(c.b), c.scale) for p, c in changes.items()}
    other = lora.copy_on(decoder, lively)
    assert not torch.equal(other.logits(tokens), plain)
    assert torch.equal(decoder.logits(tokens), plain)
    own = dict(decoder.named_parameters())
    shared = {n: each for n, each in other.named_parameters() if ".adapters." not in n}
    assert shared.keys() == own.keys()
    assert all(each is own[name] for name, each in shared.items())


@pytest.mark.parametrize("family", ["gpt2", "qwen3"])
def test_trained_norms_of_rows_leave_the_bias_alone(family: str) -> None:
    """As when the change is written into the matrix, which has no part in its bias."""
    decoder = lively_decoder(toy_config(family)).eval()
    tokens = some_tokens(1, 9, vocab=40)
    adapt = Adapt(rank=2, on=("query", "down", "up"), dora=True).resolved()
    changes = {
        path: lora.Change(each.a, torch.full_like(each.b, 0.1), each.scale, each.magnitude * 1.7)
        for path, each in lora.new_changes(decoder, adapt, 1).items()
        if each.magnitude is not None
    }
    assert changes
    attached = lora.copy_on(decoder, changes).logits(tokens)
    lora.merge_changes(decoder, changes)
    torch.testing.assert_close(decoder.logits(tokens), attached, rtol=1e-4, atol=1e-4)
