"""The names and layouts that transformers gives to our tensors, and back."""

import pytest
import torch
from laws.shapes import SHAPES, lively, shape
from torch import Tensor

from endonym.errors import ExportError
from endonym.export.names import to_ours, to_theirs
from endonym.export.row import nearest
from endonym.export.rows import ROWS
from endonym.model.config import ModelConfig
from endonym.model.decoder import on_meta
from endonym.model.families import FAMILIES

Tensors = dict[str, Tensor]


SAID = {name: config for name, config in SHAPES.items() if nearest(ROWS, config)[1] is None}
SAID["wide falcon"] = shape("falcon", mixer={"kv_heads": 4, "bias": True}, ffn={"bias": True})
ALL = pytest.mark.parametrize("config", SAID.values(), ids=SAID.keys())


def weights_of(config: ModelConfig) -> Tensors:
    """The tensors of a lively decoder."""
    return dict(lively(config).state_dict())


def both_of(config: ModelConfig) -> tuple[Tensors, Tensors]:
    """Those tensors by our names, and by those of their class."""
    ours = weights_of(config)
    return ours, to_theirs(config, ours)


@ALL
def test_every_tensor_goes_over_and_comes_back(config: ModelConfig) -> None:
    ours, row = weights_of(config), [each for each in ROWS if each.misfit(config) is None][-1]
    theirs = to_theirs(config, ours, row)
    assert sum(t.numel() for t in theirs.values()) == sum(t.numel() for t in ours.values())
    back = to_ours(config, theirs, row)
    assert back.keys() == ours.keys()
    assert all(torch.equal(back[name], ours[name]) for name in ours)
    # Their shapes are known without any number.
    stored = to_theirs(config, on_meta(config).state_dict(), row)
    found = {name: tuple(each.shape) for name, each in stored.items()}
    assert found == {name: tuple(tensor.shape) for name, tensor in theirs.items()}


def test_a_shape_that_no_class_says_has_no_names() -> None:
    with pytest.raises(ExportError, match="logit_cap"):
        to_theirs(shape("qwen3", "capped"), weights_of(shape("qwen3", "capped")))


STRANGE = (
    *("score.weight", "model.layers.0.self_attn.q_proj.lora_A", "h.0.attn.c_attn.weight"),
    *("model.layers.0.mlp.experts.0.w1.weight", "transformer.h.0.attn.bias"),
)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tensor_without_a_name_here_is_refused_by_its_own(family: str) -> None:
    _, theirs = both_of(shape(family))
    for name in STRANGE:
        with pytest.raises(ExportError) as caught:
            to_ours(shape(family), theirs | {name: torch.zeros(3)})
        assert name in caught.value.message


def test_experts_are_stored_one_by_one_and_stacked_in_the_order_of_their_numbers() -> None:
    config = shape("moe", ffn={"experts": 12, "active": 2})
    ours, theirs = both_of(config)
    name = "model.layers.0.mlp.experts.{}.up_proj.weight"
    for number in range(12):
        wanted = ours["blocks.0.ffn.up.weight"][number]
        assert torch.equal(theirs[name.format(number)], wanted)
    shuffled = dict(sorted(theirs.items()))
    assert list(shuffled) != list(theirs)
    back = to_ours(config, shuffled)["blocks.0.ffn.up.weight"]
    assert torch.equal(back, ours["blocks.0.ffn.up.weight"])
