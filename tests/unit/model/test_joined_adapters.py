"""Two adapters, one trained on top of the other, are one adapter of the base."""

from itertools import product

import pytest
import torch
from laws.shapes import SHAPES, some_tokens
from parity.test_peft import lively_changes
from toys import lively_decoder

from endonym.errors import ShapeError
from endonym.model.adapt_config import Adapt
from endonym.model.lora import Change, copy_on, joined, merge_changes

NAMES = ("llama-grouped", "gpt2-plain", "falcon-one-norm-grouped", "moe-plain", "mamba-plain")
ON = ((("mixer",), ("mixer",)), (("query", "down"), ("value", "down")), (("query",), ("ffn",)))
OF_MAMBA = ((("input",), ("input", "select")), (("select",), ("input",)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("is_first_dora", "is_second_dora"), [*product((False, True), repeat=2)])
@torch.no_grad()
def test_the_base_with_both_as_one_gives_what_both_give_one_after_the_other(
    name: str, is_first_dora: bool, is_second_dora: bool
) -> None:
    config, tokens = SHAPES[name], some_tokens(2, 17)
    for on_first, on_second in OF_MAMBA if name.startswith("mamba") else ON:
        base = lively_decoder(config, seed=1, noise=0.1)
        merged = lively_decoder(config, seed=1, noise=0.1)
        first = lively_changes(merged, Adapt(rank=3, on=on_first, dora=is_first_dora))
        merge_changes(merged, first)
        settings = Adapt(rank=5, alpha=3.0, on=on_second, dora=is_second_dora)
        second = lively_changes(merged, settings)
        one = joined(first, second, lambda base=base: base)
        assert one.keys() == {**first, **second}.keys()
        has_magnitudes = is_first_dora or is_second_dora
        assert {each.magnitude is not None for each in one.values()} == {has_magnitudes}
        ranks = {each.rank for each in one.values()}
        assert ranks <= {3, 5, 8}
        assert (8 in ranks) == bool(first.keys() & second.keys())
        expected = copy_on(merged, second).logits(tokens)
        found = copy_on(base, one).logits(tokens)
        assert (base.logits(tokens) - merged.logits(tokens)).abs().max() > 0.1
        assert (expected - merged.logits(tokens)).abs().max() > 0.1
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-4)


@torch.no_grad()
def test_a_row_that_the_first_adapter_has_put_to_zero_cannot_be_built_on() -> None:
    base = lively_decoder(SHAPES["llama-plain"], seed=1)
    first = lively_changes(base, Adapt(rank=2, on=("query",), dora=True))
    name, change = next(iter(first.items()))
    assert change.magnitude is not None
    magnitude = change.magnitude.clone()
    magnitude[3] = 0.0
    lost = first | {name: Change(change.a, change.b, change.scale, magnitude)}
    with pytest.raises(ShapeError, match="magnitude of zero"):
        joined(lost, first, lambda: base)
