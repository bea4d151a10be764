"""Llama, Mistral, Qwen3 and Qwen3 with experts: keys by hand, and what they cannot say."""

from typing import Any

import pytest
import torch
from bare_configs import LLAMA, MISTRAL, QWEN3, QWEN3_MOE, Json, ffn_of, mixer_of, read, refusal
from laws.shapes import lively, shape

from endonym.export.names import to_theirs
from endonym.export.rows import llama
from endonym.export.shapes import config_json

COMMON: Json = {
    "vocab_size": 61,
    "bos_token_id": 3,
    "eos_token_id": 3,
    "tie_word_embeddings": True,
    "max_position_embeddings": 32,
    "dtype": "float32",
    "use_cache": True,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "attention_dropout": 0.0,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
    "rope_theta": 10_000.0,
}
WRITTEN: dict[str, tuple[str, Json, Json]] = {
    "llama": (
        "LlamaForCausalLM",
        {"ffn": {"bias": True}},
        {"model_type": "llama", "attention_bias": False, "mlp_bias": True},
    ),
    "mistral": (
        "MistralForCausalLM",
        {"mixer": {"heads": 4, "kv_heads": 2, "window": 7}},
        {"model_type": "mistral", "sliding_window": 7},
    ),
    "qwen3": (
        "Qwen3ForCausalLM",
        {},
        {"model_type": "qwen3", "attention_bias": False, "use_sliding_window": False},
    ),
    "moe": (
        "Qwen3MoeForCausalLM",
        {"ffn": {"experts": 5, "active": 3, "hidden": 24, "balance_weight": 0.02}},
        {
            "model_type": "qwen3_moe",
            "attention_bias": False,
            "use_sliding_window": False,
            "intermediate_size": 72,
            "moe_intermediate_size": 24,
            "num_experts": 5,
            "num_experts_per_tok": 3,
            "norm_topk_prob": True,
            "decoder_sparse_step": 1,
            "mlp_only_layers": [],
            "router_aux_loss_coef": 0.02,
        },
    ),
}


@pytest.mark.parametrize("family", WRITTEN)
def test_a_shape_is_written_key_by_key(family: str) -> None:
    architecture, keys, own = WRITTEN[family]
    wanted = COMMON | {"architectures": [architecture]} | own
    if family != "moe":
        wanted |= {"intermediate_size": 256}
    written = config_json(shape(family, **{"mixer": {"kv_heads": 2}} | keys), 3)
    assert written == wanted


MISFITS: dict[str, tuple[str, str, Json, str]] = {
    "a layer norm": ("LLAMA", "llama", {"norm": "layer"}, 'norm = "layer"'),
    "learned positions": ("LLAMA", "llama", {"position": "learned"}, 'position = "learned"'),
    "parallel branches": ("LLAMA", "llama", {"parallel": True}, "parallel = true"),
    "a cap": ("QWEN3", "qwen3", {"logit_cap": 3.0}, "logit_cap"),
    "a share that turns": ("LLAMA", "llama", {"mixer": {"rotary_share": 0.5}}, "rotary_share"),
    "a plain feed-forward": ("LLAMA", "llama", {"ffn": {"kind": "plain"}}, 'ffn.kind = "plain"'),
    "experts of a dense class": ("QWEN3", "moe", {}, 'ffn.kind = "experts"'),
    "no experts": ("QWEN3_MOE", "qwen3", {}, 'ffn.kind = "gated"'),
    "no norm of heads": ("QWEN3", "llama", {}, "query_key_norm = False"),
    "a norm of heads": ("LLAMA", "qwen3", {}, "query_key_norm = True"),
    "a window": ("LLAMA", "mistral", {}, "window = 7"),
    "no window": ("MISTRAL", "llama", {}, "window = None"),
    "a bias of Mistral": ("MISTRAL", "mistral", {"mixer": {"bias": True}}, "mixer.bias"),
    "a bias of its feed-forward": ("MISTRAL", "mistral", {"ffn": {"bias": True}}, "ffn.bias"),
    "a bias of Qwen's feed-forward": ("QWEN3", "qwen3", {"ffn": {"bias": True}}, "ffn.bias"),
    "plain experts": ("QWEN3_MOE", "moe", {"ffn": {"gated": False}}, "ffn.gated = false"),
    "a learnt balance": ("QWEN3_MOE", "moe", {"ffn": {"balance": "bias"}}, 'ffn.balance = "bias"'),
    "a state space": ("LLAMA", "mamba", {}, "layers that are not alike, or of another kind"),
    "two kinds of layers": (
        *("LLAMA", "llama", {"mixer": [{"heads": 4}, {"heads": 2}]}),
        "layers that are not alike, or of another kind",
    ),
}


@pytest.mark.parametrize("case", MISFITS)
def test_a_shape_that_a_class_cannot_say_names_the_key(case: str) -> None:
    row, family, keys, reason = MISFITS[case]
    assert getattr(llama, row).misfit(shape(family, **keys)) == reason


def test_biases_of_attention_are_said_by_llama_and_both_qwens() -> None:
    for family in ("llama", "qwen3", "moe"):
        config = shape(family, mixer={"bias": True})
        assert config_json(config, 0)["attention_bias"] is True
        assert read(config_json(config, 0)) == config


def test_what_a_llama_leaves_out_is_what_transformers_assumes() -> None:
    config = read(LLAMA)
    mixer = mixer_of(config)
    assert (mixer["kv_heads"], mixer["head_width"], mixer["bias"]) == (4, 8, False)
    assert mixer["rope"] == {"base": 10_000.0, "width": 8, "scaling": None}
    assert not config.tied
    assert ffn_of(config) == {"kind": "gated", "hidden": 45, "activation": "silu", "bias": False}


def test_the_first_llamas_say_their_context_by_another_name() -> None:
    rest = {key: value for key, value in LLAMA.items() if key != "max_position_embeddings"}
    assert read(rest, max_sequence_length=48).context == 48
    assert read(LLAMA, max_sequence_length=48) == read(LLAMA)


def test_a_qwen3_must_say_how_wide_its_heads_are() -> None:
    """Its class assumes 128 channels and 32 heads of keys, whatever the width."""
    for data in (QWEN3, QWEN3_MOE):
        for key in ("head_dim", "num_key_value_heads"):
            assert key in refusal({name: value for name, value in data.items() if name != key})


def test_a_scaling_of_the_rotary_positions_is_read() -> None:
    old = {"rope_scaling": {"type": "linear", "factor": 2.0}, "rope_theta": 500.0}
    rope = mixer_of(read(LLAMA, **old))["rope"]
    assert (rope["base"], rope["scaling"]["kind"], rope["scaling"]["factor"]) == (500, "linear", 2)
    new = {"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 16}
    scaling = mixer_of(read(QWEN3, rope_parameters=new))["rope"]["scaling"]
    assert (scaling["low_turns"], scaling["high_turns"], scaling["original_context"]) == (1, 4, 16)


@pytest.mark.parametrize("kind", ["llama3", "yarn"])
def test_a_scaling_without_the_context_before_is_refused(kind: str) -> None:
    message = refusal(LLAMA, rope_scaling={"rope_type": kind, "factor": 8.0})
    assert message == f"config.json does not fit: {kind} needs the original context length"


def test_a_window_longer_than_the_context_is_the_context() -> None:
    assert mixer_of(read(MISTRAL))["window"] == 7
    assert mixer_of(read(MISTRAL, sliding_window=4096))["window"] == 32


@pytest.mark.parametrize("key", ["attention_bias", "mlp_bias"])
def test_a_mistral_has_no_biases(key: str) -> None:
    assert refusal(MISTRAL, **{key: True}).startswith(f"{key} = True")


def test_a_window_of_a_qwen_acts_only_where_it_is_used() -> None:
    for data in (QWEN3, QWEN3_MOE):
        unused = {"sliding_window": 4096, "max_window_layers": 28, "use_sliding_window": False}
        assert read(data, **unused) == read(data)
        assert refusal(data, use_sliding_window=True).startswith("use_sliding_window = True")
    assert refusal(LLAMA, sliding_window=4096).startswith("sliding_window = 4096")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("norm_topk_prob", False),
        ("decoder_sparse_step", 2),
        ("mlp_only_layers", [0]),
        ("num_local_experts", 6),
        ("shared_expert_intermediate_size", 24),
        ("n_shared_experts", 1),
    ],
)
def test_experts_of_another_kind_are_refused_by_name(key: str, value: Any) -> None:
    assert refusal(QWEN3_MOE, **{key: value}).startswith(f"{key} = {value!r}")


def test_the_number_of_experts_may_go_by_its_older_name() -> None:
    both = QWEN3_MOE | {"num_local_experts": 5}
    older = {name: value for name, value in both.items() if name != "num_experts"}
    assert read(both) == read(older) == read(QWEN3_MOE)


def test_one_active_expert_is_not_renormalised() -> None:
    alone = {"num_experts_per_tok": 1}
    assert ffn_of(read(QWEN3_MOE, norm_topk_prob=False, **alone))["active"] == 1
    assert refusal(QWEN3_MOE, norm_topk_prob=True, **alone).startswith("norm_topk_prob = True")


def test_the_balance_of_experts_is_a_weight_that_no_answer_depends_on() -> None:
    assert ffn_of(read(QWEN3_MOE))["balance_weight"] == 0.001
    assert ffn_of(read(QWEN3_MOE, router_aux_loss_coef=0.5))["balance_weight"] == 0.5
    assert read(QWEN3_MOE, output_router_logits=True, intermediate_size=7) == read(QWEN3_MOE)


PAIRS = {
    "model.embed_tokens.weight": "embedding.weight",
    "model.layers.1.input_layernorm.weight": "blocks.1.norm.weight",
    "model.layers.0.self_attn.q_proj.bias": "blocks.0.mixer.query.bias",
    "model.layers.1.self_attn.k_norm.weight": "blocks.1.mixer.key_norm.weight",
    "model.layers.1.self_attn.o_proj.weight": "blocks.1.mixer.output.weight",
    "model.layers.0.mlp.gate_proj.weight": "blocks.0.ffn.gate.weight",
    "model.layers.1.post_attention_layernorm.weight": "blocks.1.ffn_norm.weight",
    "model.norm.weight": "norm.weight",
    "lm_head.weight": "head.weight",
}


def test_names_are_theirs_letter_by_letter() -> None:
    config = shape("qwen3", "untied", mixer={"bias": True})
    ours = dict(lively(config).state_dict())
    theirs = to_theirs(config, ours)
    assert len(theirs) == len(ours)
    for their, our in PAIRS.items():
        assert torch.equal(theirs[their], ours[our]), their


def test_a_router_and_its_experts_have_names_of_their_own() -> None:
    ours = dict(lively(shape("moe")).state_dict())
    theirs = to_theirs(shape("moe"), ours)
    assert torch.equal(theirs["model.layers.1.mlp.gate.weight"], ours["blocks.1.ffn.router.weight"])
    for part in ("gate", "up", "down"):
        name = f"model.layers.0.mlp.experts.3.{part}_proj.weight"
        assert torch.equal(theirs[name], ours[f"blocks.0.ffn.{part}.weight"][3])


def test_a_mistral_without_a_window_is_a_llama_in_all_but_name() -> None:
    """Where the key is left out, transformers assumes 4 096; null says none."""
    assert mixer_of(read(MISTRAL | {"sliding_window": None}))["window"] is None
    data = {name: value for name, value in MISTRAL.items() if name != "sliding_window"}
    assert "sliding_window" in refusal(data)


def test_layers_of_a_mistral_that_are_said_to_see_everything_are_not_given_a_window() -> None:
    """transformers 5 looks at layer_types first: its logits are those without a window."""
    refusal(MISTRAL, layer_types=["full_attention"] * 2)


def test_experts_that_do_not_say_whether_shares_are_renormalised_are_refused() -> None:
    """transformers assumes false there."""
    bare = {name: value for name, value in QWEN3_MOE.items() if name != "norm_topk_prob"}
    assert "norm_topk_prob" in refusal(bare)


def test_a_base_in_the_key_of_another_class_is_not_a_llamas_base() -> None:
    """transformers ignores it: its logits are those of a base of 10 000."""
    refusal(LLAMA, rotary_emb_base=500.0)
