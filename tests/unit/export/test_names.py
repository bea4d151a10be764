"""The names that transformers gives to our tensors."""

import pytest
import torch
from laws.shapes import SHAPES, lively, shape

from endonym.errors import ExportError
from endonym.export.names import NAMES, row_of, to_ours, to_theirs
from endonym.model.config import ModelConfig
from endonym.model.families import FAMILIES

Tensors = dict[str, torch.Tensor]
ALL = pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES.keys())


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
def test_a_shape_is_read_from_its_parts_not_from_its_name(config: ModelConfig) -> None:
    assert row_of(config.model_copy(update={"family": "anything"})) == config.family


def test_a_qwen3_without_head_norms_is_a_llama() -> None:
    config = shape("qwen3")
    mixer = config.mixer.model_copy(update={"query_key_norm": False})
    assert row_of(config.model_copy(update={"mixer": mixer})) == "llama"


def test_every_family_has_its_names() -> None:
    assert NAMES.keys() == FAMILIES.keys()


@pytest.mark.parametrize(
    "changes",
    [
        {"norm": "layer"},
        {"position": "learned"},
        {"bias": True},
        {"parallel": True},
        {"ffn": shape("gpt2").ffn},
        {"ffn": shape("llama").ffn.model_copy(update={"activation": "gelu"})},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_shape_that_no_class_says_cannot_be_handed_over(changes: dict) -> None:
    config = shape("llama").model_copy(update=changes)
    with pytest.raises(ExportError, match="no transformers class") as caught:
        to_theirs(config, {})
    assert caught.value.do


def test_an_untied_gpt2_cannot_be_handed_over() -> None:
    with pytest.raises(ExportError, match="no transformers class"):
        row_of(shape("gpt2").model_copy(update={"tied": False}))


def test_llama_names_are_theirs_letter_by_letter() -> None:
    ours = weights_of(shape("llama", "untied"))
    theirs = to_theirs(shape("llama", "untied"), ours)
    pairs = {
        "model.embed_tokens.weight": "embedding.weight",
        "model.layers.1.self_attn.o_proj.weight": "blocks.1.mixer.output.weight",
        "model.layers.0.mlp.gate_proj.weight": "blocks.0.ffn.gate.weight",
        "model.layers.1.post_attention_layernorm.weight": "blocks.1.ffn_norm.weight",
        "model.norm.weight": "norm.weight",
        "lm_head.weight": "head.weight",
    }
    for their, our in pairs.items():
        assert torch.equal(theirs[their], ours[our])
    assert len(theirs) == len(ours)


def test_gpt2_matrices_stand_with_inputs_first_and_three_of_them_joined() -> None:
    ours = weights_of(shape("gpt2", "odd-ffn"))
    theirs = to_theirs(shape("gpt2", "odd-ffn"), ours)
    joined = theirs["transformer.h.1.attn.c_attn.weight"]
    assert joined.shape == (32, 96)
    assert torch.equal(joined[:, 32:64], ours["blocks.1.mixer.key.weight"].T)
    assert torch.equal(
        theirs["transformer.h.1.attn.c_attn.bias"][64:], ours["blocks.1.mixer.value.bias"]
    )
    assert theirs["transformer.h.0.mlp.c_fc.weight"].shape == (32, 37)
    assert theirs["transformer.wte.weight"].shape == (61, 32)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "name", ["score.weight", "model.layers.0.self_attn.q_proj.lora_A", "h.0.attn.c_attn.weight"]
)
def test_a_tensor_without_a_name_here_is_refused_by_its_own(family: str, name: str) -> None:
    theirs = to_theirs(shape(family), weights_of(shape(family))) | {name: torch.zeros(3)}
    with pytest.raises(ExportError) as caught:
        to_ours(shape(family), theirs)
    assert name in caught.value.message


def test_a_second_copy_of_a_tied_head_is_left_where_it_is() -> None:
    config = shape("llama")
    theirs = to_theirs(config, weights_of(config))
    theirs["lm_head.weight"] = theirs["model.embed_tokens.weight"]
    assert "head.weight" not in to_ours(config, theirs)
