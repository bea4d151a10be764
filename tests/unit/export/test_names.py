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


def both_of(config: ModelConfig) -> tuple[Tensors, Tensors]:
    """Those tensors by our names, and by those of their class."""
    ours = weights_of(config)
    return ours, to_theirs(config, ours)


@ALL
def test_every_tensor_goes_over_and_comes_back(config: ModelConfig) -> None:
    ours, theirs = both_of(config)
    assert sum(t.numel() for t in theirs.values()) == sum(t.numel() for t in ours.values())
    back = to_ours(config, theirs)
    assert back.keys() == ours.keys()
    assert all(torch.equal(back[name], ours[name]) for name in ours)
    # Their shapes are known without any number.
    stored = to_theirs(config, on_meta(config).state_dict())
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


def test_queries_keys_and_values_by_group_are_cut_apart_group_by_group() -> None:
    """Two groups of two query heads: q0 q1 k0 v0 q2 q3 k1 v1, eight rows each."""
    ours, theirs = both_of(shape("falcon", "one-norm-grouped"))
    joined = theirs["transformer.h.1.self_attention.query_key_value.weight"]
    query, key, value = (
        ours[f"blocks.1.mixer.{part}.weight"].split(8) for part in ("query", "key", "value")
    )
    wanted = [query[0], query[1], key[0], value[0], query[2], query[3], key[1], value[1]]
    assert torch.equal(joined, torch.cat(wanted))


@pytest.mark.parametrize("family", ["mamba", "mamba2"])
def test_taps_of_a_convolution_get_a_middle_axis_and_lose_it(family: str) -> None:
    ours, theirs = both_of(shape(family))
    taps = ours["blocks.1.mixer.convolution.weight"]
    found = theirs["backbone.layers.1.mixer.conv1d.weight"]
    assert found.shape == (taps.shape[0], 1, taps.shape[1])
    assert torch.equal(found[:, 0], taps)


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


FALCON_PAIRS = {
    "transformer.word_embeddings.weight": "embedding.weight",
    "transformer.ln_f.bias": "norm.bias",
    "transformer.h.0.self_attention.dense.weight": "blocks.0.mixer.output.weight",
    "transformer.h.1.mlp.dense_h_to_4h.weight": "blocks.1.ffn.up.weight",
    "transformer.h.1.mlp.dense_4h_to_h.weight": "blocks.1.ffn.down.weight",
}
MAMBA_PAIRS = {
    "backbone.embeddings.weight": "embedding.weight",
    "backbone.norm_f.weight": "norm.weight",
    "lm_head.weight": "head.weight",
    "backbone.layers.1.norm.weight": "blocks.1.norm.weight",
    "backbone.layers.1.mixer.A_log": "blocks.1.mixer.A_log",
    "backbone.layers.0.mixer.D": "blocks.0.mixer.skip",
    "backbone.layers.0.mixer.in_proj.bias": "blocks.0.mixer.input.bias",
    "backbone.layers.0.mixer.out_proj.weight": "blocks.0.mixer.output.weight",
    "backbone.layers.0.mixer.conv1d.bias": "blocks.0.mixer.convolution.bias",
}
PAIRS: list[tuple[str, str, dict[str, str]]] = [
    (
        *("qwen3", "untied"),
        {
            "model.embed_tokens.weight": "embedding.weight",
            "model.layers.1.input_layernorm.weight": "blocks.1.norm.weight",
            "model.layers.0.self_attn.q_proj.bias": "blocks.0.mixer.query.bias",
            "model.layers.1.self_attn.k_norm.weight": "blocks.1.mixer.key_norm.weight",
            "model.layers.1.self_attn.o_proj.weight": "blocks.1.mixer.output.weight",
            "model.layers.0.mlp.gate_proj.weight": "blocks.0.ffn.gate.weight",
            "model.layers.1.post_attention_layernorm.weight": "blocks.1.ffn_norm.weight",
            "model.norm.weight": "norm.weight",
            "lm_head.weight": "head.weight",
        },
    ),
    (
        *("gptneox", "untied"),
        {
            "gpt_neox.embed_in.weight": "embedding.weight",
            "embed_out.weight": "head.weight",
            "gpt_neox.final_layer_norm.bias": "norm.bias",
            "gpt_neox.layers.0.input_layernorm.weight": "blocks.0.norm.weight",
            "gpt_neox.layers.0.post_attention_layernorm.weight": "blocks.0.ffn_norm.weight",
            "gpt_neox.layers.0.attention.dense.bias": "blocks.0.mixer.output.bias",
            "gpt_neox.layers.1.mlp.dense_h_to_4h.weight": "blocks.1.ffn.up.weight",
            "gpt_neox.layers.1.mlp.dense_4h_to_h.weight": "blocks.1.ffn.down.weight",
        },
    ),
    (
        *("gpt2", "odd-ffn"),
        {
            "transformer.wte.weight": "embedding.weight",
            "transformer.wpe.weight": "positions.weight",
            "transformer.h.1.ln_2.bias": "blocks.1.ffn_norm.bias",
        },
    ),
    (
        *("mamba", "untied"),
        MAMBA_PAIRS
        | {
            "backbone.layers.1.mixer.x_proj.weight": "blocks.1.mixer.select.weight",
            "backbone.layers.1.mixer.dt_proj.bias": "blocks.1.mixer.step.bias",
        },
    ),
    (
        *("mamba2", "untied"),
        MAMBA_PAIRS
        | {
            "backbone.layers.1.mixer.dt_bias": "blocks.1.mixer.step_bias",
            "backbone.layers.1.mixer.norm.weight": "blocks.1.mixer.norm.weight",
        },
    ),
]


@pytest.mark.parametrize(("family", "variant", "pairs"), PAIRS, ids=[each[0] for each in PAIRS])
def test_names_are_theirs_letter_by_letter(family: str, variant: str, pairs: dict[str, str]):
    ours, theirs = both_of(shape(family, variant, mixer={"bias": True}))
    for their, our in pairs.items():
        assert torch.equal(theirs[their], ours[our]), their
    assert len(theirs) == len(ours) or family in ("gpt2", "gptneox"), "whose parts are joined"


def test_a_router_and_its_experts_have_names_of_their_own() -> None:
    ours, theirs = both_of(shape("moe"))
    assert torch.equal(theirs["model.layers.1.mlp.gate.weight"], ours["blocks.1.ffn.router.weight"])
    for part in ("gate", "up", "down"):
        name = f"model.layers.0.mlp.experts.3.{part}_proj.weight"
        assert torch.equal(theirs[name], ours[f"blocks.0.ffn.{part}.weight"][3])


def test_matrices_of_gpt2_stand_with_inputs_first_and_three_of_them_side_by_side() -> None:
    ours, theirs = both_of(shape("gpt2", "odd-ffn"))
    joined = theirs["transformer.h.1.attn.c_attn.weight"]
    assert joined.shape == (32, 96)
    for i, part in enumerate(("query", "key", "value")):
        cut = slice(32 * i, 32 * i + 32)
        assert torch.equal(joined[:, cut], ours[f"blocks.1.mixer.{part}.weight"].T)
        bias = theirs["transformer.h.1.attn.c_attn.bias"][cut]
        assert torch.equal(bias, ours[f"blocks.1.mixer.{part}.bias"])
    turned = {"mlp.c_fc": "ffn.up", "mlp.c_proj": "ffn.down", "attn.c_proj": "mixer.output"}
    for their, our in turned.items():
        weight = theirs[f"transformer.h.0.{their}.weight"]
        assert torch.equal(weight, ours[f"blocks.0.{our}.weight"].T)


def test_each_head_of_neox_has_its_query_key_and_value_in_turn() -> None:
    ours, theirs = both_of(shape("gptneox", "untied"))
    for kind in ("weight", "bias"):
        joined = theirs[f"gpt_neox.layers.1.attention.query_key_value.{kind}"]
        parts = [ours[f"blocks.1.mixer.{part}.{kind}"] for part in ("query", "key", "value")]
        heads = [part[8 * head : 8 * head + 8] for head in range(4) for part in parts]
        assert torch.equal(joined, torch.cat(heads))


NORMS = {
    "plain": {"norm": "ln_attn", "ffn_norm": "ln_mlp"},
    "one-norm": {"norm": "input_layernorm"},
    "serial": {"norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"},
}


@pytest.mark.parametrize("variant", NORMS)
def test_norms_of_a_falcon_are_named_after_the_form(variant: str) -> None:
    ours, theirs = both_of(shape("falcon", variant))
    kinds = ("weight", "bias")
    pairs = {
        f"transformer.h.1.{their}.{kind}": f"blocks.1.{our}.{kind}"
        for our, their in NORMS[variant].items()
        for kind in kinds
    }
    block = [name for name in theirs if name.startswith("transformer.h.1.")]
    assert {name for name in block if "ln_" in name or "norm" in name} == set(pairs)
    for their, our in (pairs | FALCON_PAIRS).items():
        assert torch.equal(theirs[their], ours[our]), their
