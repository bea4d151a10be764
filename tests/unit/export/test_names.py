"""The names and layouts that transformers gives to our tensors, and back."""

import pytest
import torch
from laws.shapes import SHAPES, lively, shape
from torch import Tensor

from endonym.errors import ExportError
from endonym.export.names import to_ours, to_theirs
from endonym.export.shapes import row_of
from endonym.model.config import ModelConfig
from endonym.model.decoder import on_meta
from endonym.model.families import FAMILIES

Tensors = dict[str, Tensor]


def can_be_said(config: ModelConfig) -> bool:
    try:
        row_of(config)
    except ExportError:
        return False
    return True


SAID = {name: config for name, config in SHAPES.items() if can_be_said(config)}
ALL = pytest.mark.parametrize("config", SAID.values(), ids=SAID.keys())


def weights_of(config: ModelConfig) -> Tensors:
    """The tensors of a lively decoder."""
    return dict(lively(config).state_dict())


@ALL
def test_every_tensor_goes_over_and_comes_back(config: ModelConfig) -> None:
    ours = weights_of(config)
    theirs = to_theirs(config, ours)
    assert sum(t.numel() for t in theirs.values()) == sum(t.numel() for t in ours.values())
    back = to_ours(config, theirs)
    assert back.keys() == ours.keys()
    assert all(torch.equal(back[name], ours[name]) for name in ours)


@ALL
def test_their_shapes_are_known_without_any_number(config: ModelConfig) -> None:
    theirs = to_theirs(config, weights_of(config))
    stored = to_theirs(config, on_meta(config).state_dict())
    found = {name: tuple(each.shape) for name, each in stored.items()}
    assert found == {name: tuple(tensor.shape) for name, tensor in theirs.items()}


def test_a_shape_that_no_class_says_has_no_names() -> None:
    with pytest.raises(ExportError, match="logit_cap"):
        to_theirs(shape("qwen3", "capped"), weights_of(shape("qwen3", "capped")))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "name",
    [
        "score.weight",
        "model.layers.0.self_attn.q_proj.lora_A",
        "h.0.attn.c_attn.weight",
        "model.layers.0.mlp.experts.0.w1.weight",
        "transformer.h.0.attn.bias",
    ],
)
def test_a_tensor_without_a_name_here_is_refused_by_its_own(family: str, name: str) -> None:
    theirs = to_theirs(shape(family), weights_of(shape(family))) | {name: torch.zeros(3)}
    with pytest.raises(ExportError) as caught:
        to_ours(shape(family), theirs)
    assert name in caught.value.message


def test_queries_keys_and_values_by_group_are_cut_apart_group_by_group() -> None:
    """Two groups of two query heads: q0 q1 k0 v0 q2 q3 k1 v1, eight rows each."""
    config = shape("falcon", "one-norm-grouped")
    ours = weights_of(config)
    joined = to_theirs(config, ours)["transformer.h.1.self_attention.query_key_value.weight"]
    query, key, value = (
        ours[f"blocks.1.mixer.{part}.weight"].split(8) for part in ("query", "key", "value")
    )
    wanted = [query[0], query[1], key[0], value[0], query[2], query[3], key[1], value[1]]
    assert torch.equal(joined, torch.cat(wanted))


@pytest.mark.parametrize("family", ["mamba", "mamba2"])
def test_taps_of_a_convolution_get_a_middle_axis_and_lose_it(family: str) -> None:
    ours = weights_of(shape(family))
    theirs = to_theirs(shape(family), ours)
    taps = ours["blocks.1.mixer.convolution.weight"]
    found = theirs["backbone.layers.1.mixer.conv1d.weight"]
    assert found.shape == (taps.shape[0], 1, taps.shape[1])
    assert torch.equal(found[:, 0], taps)


def test_experts_are_stored_one_by_one_and_stacked_in_the_order_of_their_numbers() -> None:
    config = shape("moe", ffn={"experts": 12, "active": 2})
    ours = weights_of(config)
    theirs = to_theirs(config, ours)
    name = "model.layers.0.mlp.experts.{}.up_proj.weight"
    for number in range(12):
        wanted = ours["blocks.0.ffn.up.weight"][number]
        assert torch.equal(theirs[name.format(number)], wanted)
    shuffled = dict(sorted(theirs.items()))
    assert list(shuffled) != list(theirs)
    back = to_ours(config, shuffled)["blocks.0.ffn.up.weight"]
    assert torch.equal(back, ours["blocks.0.ffn.up.weight"])
