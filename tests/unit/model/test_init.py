"""Initial weights."""

import math

import pytest
import torch
from laws.shapes import SHAPES, shape

from endonym.model.config import ModelConfig
from endonym.model.decoder import Decoder, on_meta
from endonym.model.families import FAMILIES
from endonym.model.init import TABLE, initialise, new_decoder, rule_of

WIDE = 128


def measured(family: str, variant: str = "plain", vocab: int = 3000) -> dict[str, torch.Tensor]:
    """The parameters of a new decoder of 128 channels."""
    config = shape(family, variant, vocab=vocab, context=200, dim=WIDE)
    return dict(new_decoder(config, 7).named_parameters())


def deviation(tensor: torch.Tensor) -> float:
    return tensor.detach().double().pow(2).mean().sqrt().item()


@pytest.mark.parametrize("family", FAMILIES)
def test_what_closes_a_branch_starts_at_zero(family: str) -> None:
    found = measured(family)
    closing = [name for name in found if name.endswith(("mixer.output.weight", "down.weight"))]
    assert len(closing) == 4
    assert all((found[name] == 0).all() for name in closing)


@pytest.mark.parametrize("family", FAMILIES)
def test_norms_start_at_one_and_shifts_at_zero(family: str) -> None:
    for name, tensor in measured(family).items():
        if name.endswith(".bias"):
            assert (tensor == 0).all(), name
        elif "norm" in name:
            assert (tensor == 1).all(), name


@pytest.mark.parametrize("family", FAMILIES)
def test_matrices_start_with_one_over_the_root_of_their_inputs(family: str) -> None:
    found = measured(family)
    names = [name for name in found if name.endswith(("query.weight", "key.weight", "up.weight"))]
    assert len(names) == 6
    for name in names:
        assert deviation(found[name]) == pytest.approx(WIDE**-0.5, rel=0.03), name


@pytest.mark.parametrize("family", FAMILIES)
def test_tables_start_with_three_tenths_of_the_root_of_the_width(family: str) -> None:
    found = measured(family)
    tables = [name for name in found if name in ("embedding.weight", "positions.weight")]
    for name in tables:
        assert deviation(found[name]) == pytest.approx(0.3 / WIDE**0.5, rel=0.03), name


def test_an_untied_head_starts_as_wide_as_its_table() -> None:
    found = measured("llama", "untied", vocab=100)
    for name in ("embedding.weight", "head.weight"):
        assert deviation(found[name]) == pytest.approx(0.3 / WIDE**0.5, rel=0.03), name


def test_a_tied_table_of_few_ids_starts_narrower() -> None:
    found = measured("llama", vocab=100)
    assert deviation(found["embedding.weight"]) == pytest.approx(math.log(5) / WIDE, rel=0.03)


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES.keys())
def test_every_parameter_has_a_rule(config: ModelConfig) -> None:
    rules = {rule_of(name) for name, _ in on_meta(config).named_parameters()}
    assert rules <= {rule for _, rule in TABLE}


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES.keys())
def test_nothing_is_left_of_what_was_there_before(config: ModelConfig) -> None:
    before = Decoder(config)
    with torch.no_grad():
        for parameter in before.parameters():
            parameter.fill_(torch.nan)
    fresh = new_decoder(config, 3).state_dict()
    for name, tensor in initialise(before, 3).state_dict().items():
        assert torch.equal(tensor, fresh[name]), name


def test_a_parameter_depends_on_seed_name_and_shape_alone() -> None:
    small, deep = (new_decoder(shape("llama", layers=layers), 5) for layers in (2, 3))
    other = new_decoder(shape("llama", layers=2), 6)
    for name, tensor in small.state_dict().items():
        assert torch.equal(tensor, deep.state_dict()[name]), name
    name = "blocks.1.mixer.query.weight"
    assert not torch.equal(small.state_dict()[name], other.state_dict()[name])
    first = small.state_dict()["blocks.0.mixer.query.weight"]
    assert not torch.equal(first, small.state_dict()[name])
