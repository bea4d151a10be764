"""Classes of transformers: keys by hand, and what each cannot say."""

import pytest
from bare_configs import (
    FALCON,
    GPT2,
    GPT_NEOX,
    LLAMA,
    MAMBA,
    MAMBA2,
    MISTRAL,
    QWEN3,
    QWEN3_MOE,
    Json,
    ffn_of,
    mixer_of,
    read,
    refusal,
)
from laws.shapes import shape

from endonym.export.shapes import ROWS, config_json

CLASSES = {row.family: row for row in ROWS}
ROPE: Json = {
    "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
    "rope_theta": 10_000.0,
}
COMMON: Json = {
    **{"vocab_size": 61, "bos_token_id": 3, "eos_token_id": 3, "tie_word_embeddings": True},
    **{"max_position_embeddings": 32, "dtype": "float32", "use_cache": True},
}
SIZES: Json = COMMON | {"hidden_size": 32, "num_hidden_layers": 2}
OF_LLAMA: Json = {
    **(SIZES | ROPE),
    **{"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "hidden_act": "silu"},
    **{"rms_norm_eps": 1e-6, "attention_dropout": 0.0, "intermediate_size": 256},
}
OF_FALCON: Json = {
    **(SIZES | ROPE),
    **{"architectures": ["FalconForCausalLM"], "model_type": "falcon"},
    **{"num_attention_heads": 4, "ffn_hidden_size": 128, "activation": "gelu", "bias": False},
    **{"layer_norm_epsilon": 1e-5, "alibi": False, "hidden_dropout": 0.0, "attention_dropout": 0.0},
}
OF_MAMBA: Json = SIZES | {
    **{"state_size": 4, "expand": 2, "use_bias": True, "use_conv_bias": True},
    **{"hidden_act": "silu", "layer_norm_epsilon": 1e-5},
}


def form(kv_heads: int, *, parallel: bool = True, norms: int | None = None) -> Json:
    """The keys of a Falcon that differ between the forms. norms: only the new form has them."""
    keys = {"num_kv_heads": kv_heads, "multi_query": kv_heads == 1, "parallel_attn": parallel}
    own = {} if norms is None else {"num_ln_in_parallel_attn": norms}
    return OF_FALCON | keys | own | {"new_decoder_architecture": norms is not None}


EXPERTS: Json = {"experts": 5, "active": 3, "hidden": 24, "balance_weight": 0.02}
WRITTEN: list[tuple[str, str | None, Json, Json]] = [
    (
        *("gpt2", None, {"dropout": 0.1, "attention_dropout": 0.2, "embedding_dropout": 0.3}),
        COMMON
        | {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_positions": 32}
        | {"n_ctx": 32, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_inner": 128}
        | {"activation_function": "gelu_new", "layer_norm_epsilon": 1e-5}
        | {"resid_pdrop": 0.1, "embd_pdrop": 0.3, "attn_pdrop": 0.2},
    ),
    (
        *("gptneox", "parallel", {"dropout": 0.1, "attention_dropout": 0.2}),
        SIZES
        | {"architectures": ["GPTNeoXForCausalLM"], "model_type": "gpt_neox"}
        | {"rope_parameters": ROPE["rope_parameters"] | {"partial_rotary_factor": 0.25}}
        | {"rope_theta": 10_000.0, "rotary_pct": 0.25, "rotary_emb_base": 10_000.0}
        | {"num_attention_heads": 4, "intermediate_size": 128, "hidden_act": "gelu"}
        | {"layer_norm_eps": 1e-5, "use_parallel_residual": True, "attention_bias": True}
        | {"attention_dropout": 0.2, "hidden_dropout": 0.1},
    ),
    ("falcon", "plain", {}, form(1, norms=2)),
    ("falcon", "grouped", {}, form(2, norms=2)),
    ("falcon", "one-norm", {}, form(1)),
    ("falcon", "one-norm-full", {}, form(4)),
    ("falcon", "one-norm-grouped", {}, form(2, norms=1)),
    ("falcon", "serial", {}, form(1, parallel=False) | {"bias": True}),
    (
        *("llama", None, {"mixer": {"kv_heads": 2}, "ffn": {"bias": True}}),
        OF_LLAMA
        | {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
        | {"attention_bias": False, "mlp_bias": True},
    ),
    (
        *("mistral", None, {"mixer": {"heads": 4, "kv_heads": 2, "window": 7}}),
        OF_LLAMA
        | {"architectures": ["MistralForCausalLM"], "model_type": "mistral", "sliding_window": 7},
    ),
    (
        *("qwen3", None, {"mixer": {"kv_heads": 2, "bias": True}}),
        OF_LLAMA
        | {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}
        | {"attention_bias": True, "use_sliding_window": False},
    ),
    (
        *("moe", None, {"mixer": {"kv_heads": 2, "bias": True}, "ffn": EXPERTS}),
        OF_LLAMA
        | {"architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe"}
        | {"attention_bias": True, "use_sliding_window": False, "intermediate_size": 72}
        | {"moe_intermediate_size": 24, "num_experts": 5, "num_experts_per_tok": 3}
        | {"norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": []}
        | {"router_aux_loss_coef": 0.02},
    ),
    (
        *("mamba", "biases", {}),
        OF_MAMBA
        | {"architectures": ["MambaForCausalLM"], "model_type": "mamba", "conv_kernel": 2}
        | {"intermediate_size": 64, "time_step_rank": 5},
    ),
    (
        *("mamba2", "groups", {}),
        OF_MAMBA
        | {"architectures": ["Mamba2ForCausalLM"], "model_type": "mamba2", "conv_kernel": 3}
        | {"num_heads": 4, "head_dim": 16, "n_groups": 2, "chunk_size": 256},
    ),
]


@pytest.mark.parametrize(("family", "variant", "keys", "wanted"), WRITTEN)
def test_a_shape_is_written_key_by_key(family: str, variant: str | None, keys: Json, wanted: Json):
    config = shape(family, variant, **keys) if variant else shape(family, **keys)
    assert config_json(config, 3) == wanted


def test_a_share_of_one_is_written_too_since_that_of_neox_is_a_quarter() -> None:
    written = config_json(shape("gptneox"), 3)
    assert written["rotary_pct"] == written["rope_parameters"]["partial_rotary_factor"] == 1.0


ALIKE = "layers that are not alike, or of another kind"
GROUPED = "grouped kv_heads"
APART = "grouped kv_heads without parallel branches"
MISFITS: list[tuple[str, str, Json, str]] = [
    ("gpt2", "gpt2", {"norm": "rms"}, 'norm = "rms"'),
    ("gpt2", "gpt2", {"position": "rope"}, 'position = "rope"'),
    ("gpt2", "gpt2", {"position": "none"}, 'position = "none"'),
    ("gpt2", "gpt2", {"parallel": True}, "parallel = true"),
    ("gpt2", "gpt2", {"logit_cap": 3.0}, "logit_cap = 3.0"),
    ("gpt2", "gpt2", {"ffn": {"kind": "gated"}}, 'ffn.kind = "gated"'),
    ("gpt2", "gpt2", {"mixer": {"kv_heads": 2}}, APART),
    ("gpt2", "gpt2", {"mixer": {"head_width": 12}}, "mixer.head_width other than dim / heads"),
    ("gpt2", "gpt2", {"mixer": {"query_key_norm": True}}, "mixer.query_key_norm = true"),
    ("gpt2", "gpt2", {"mixer": {"window": 5}}, "mixer.window = 5"),
    ("gpt2", "gpt2", {"mixer": {"bias": False}}, "mixer.bias = false"),
    ("gpt2", "gpt2", {"ffn": {"bias": False}}, "ffn.bias = false"),
    ("gpt2", "gpt2", {"ffn": {"kind": "experts"}}, 'ffn.kind = "experts"'),
    ("gptneox", "gptneox", {"norm": "rms"}, 'norm = "rms"'),
    ("gptneox", "gptneox", {"position": "learned"}, 'position = "learned"'),
    ("gptneox", "gptneox", {"parallel": True, "shared_norm": True}, "shared_norm = true"),
    ("gptneox", "gptneox", {"ffn": {"bias": False}}, "ffn.bias = false"),
    ("gptneox", "gptneox", {"parallel": True, "mixer": {"kv_heads": 2}}, GROUPED),
    ("gptneox", "gptneox", {"mixer": {"kv_heads": 1}}, "kv_heads = 1"),
    ("falcon", "falcon", {"norm": "rms"}, 'norm = "rms"'),
    ("falcon", "falcon", {"position": "learned"}, 'position = "learned"'),
    ("falcon", "falcon", {"ffn": {"bias": True}}, "biases of the mixer or the feed-forward alone"),
    ("falcon", "falcon", {"mixer": {"rotary_share": 0.5}}, "mixer.rotary_share = 0.5"),
    ("falcon", "falcon", {"parallel": False, "mixer": {"kv_heads": 2}}, APART),
    ("llama", "llama", {"norm": "layer"}, 'norm = "layer"'),
    ("llama", "llama", {"position": "learned"}, 'position = "learned"'),
    ("llama", "llama", {"parallel": True}, "parallel = true"),
    ("qwen3", "qwen3", {"logit_cap": 3.0}, "logit_cap = 3.0"),
    ("llama", "llama", {"mixer": {"rotary_share": 0.5}}, "mixer.rotary_share = 0.5"),
    ("llama", "llama", {"ffn": {"kind": "plain"}}, 'ffn.kind = "plain"'),
    ("qwen3", "moe", {}, 'ffn.kind = "experts"'),
    ("moe", "qwen3", {}, 'ffn.kind = "gated"'),
    ("qwen3", "llama", {}, "mixer.query_key_norm = false"),
    ("llama", "qwen3", {}, "mixer.query_key_norm = true"),
    ("llama", "mistral", {}, "mixer.window = 7"),
    ("mistral", "llama", {}, "mixer.window = null"),
    ("mistral", "mistral", {"mixer": {"bias": True}}, "mixer.bias = true"),
    ("mistral", "mistral", {"ffn": {"bias": True}}, "ffn.bias = true"),
    ("qwen3", "qwen3", {"ffn": {"bias": True}}, "ffn.bias = true"),
    ("moe", "moe", {"ffn": {"gated": False}}, "ffn.gated = false"),
    ("moe", "moe", {"ffn": {"balance": "bias"}}, 'ffn.balance = "bias"'),
    ("llama", "mamba", {}, ALIKE),
    ("llama", "llama", {"mixer": [{"heads": 4}, {"heads": 2}]}, ALIKE),
    ("mamba", "mamba2", {}, ALIKE),
    ("mamba2", "mamba", {}, ALIKE),
    ("mamba", "mamba", {"ffn": {"kind": "gated"}}, 'ffn.kind = "gated"'),
    ("mamba", "mamba", {"norm": "layer"}, 'norm = "layer"'),
    ("mamba2", "mamba2", {"position": "learned"}, 'position = "learned"'),
    ("mamba2", "mamba2", {"logit_cap": 3.0}, "logit_cap = 3.0"),
]


def test_a_shape_that_a_class_cannot_say_names_the_key() -> None:
    for row, family, keys, reason in MISFITS:
        assert CLASSES[row].misfit(shape(family, **keys)) == reason, (row, family, keys)


def test_what_a_gpt2_leaves_out_is_what_transformers_assumes() -> None:
    config = read(GPT2, n_inner=None)
    plain = {"kind": "plain", "hidden": 128, "activation": "gelu_tanh", "bias": True}
    assert ffn_of(config) == plain
    assert (config.tied, mixer_of(config)["bias"]) == (True, True)
    assert (config.dropout, config.embedding_dropout, mixer_of(config)["dropout"]) == (0, 0, 0)
    config = read(GPT2, resid_pdrop=0.1, embd_pdrop=0.2, attn_pdrop=0.3)
    dropouts = (config.dropout, config.embedding_dropout, mixer_of(config)["dropout"])
    assert dropouts == (0.1, 0.2, 0.3)
    spelt = {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu"}
    for name, ours in spelt.items():
        assert ffn_of(read(GPT2, activation_function=name))["activation"] == ours


def test_what_a_neox_leaves_out_is_what_transformers_assumes() -> None:
    config, mixer = read(GPT_NEOX), mixer_of(read(GPT_NEOX))
    assert mixer["rope"] == {"base": 10_000.0, "width": 2, "scaling": None}
    assert (mixer["bias"], ffn_of(config)["activation"]) == (True, "gelu")
    assert (config.parallel, config.shared_norm, config.tied) == (True, False, False)
    said = {"use_parallel_residual": False, "attention_bias": False, "rotary_pct": 0.5}
    config = read(GPT_NEOX, rotary_emb_base=500, tie_word_embeddings=True, **said)
    assert (config.parallel, config.tied, mixer_of(config)["bias"]) == (False, True, False)
    assert mixer_of(config)["rope"] == {"base": 500.0, "width": 4, "scaling": None}


NEW = {"new_decoder_architecture": True}
FORMS: list[tuple[Json, tuple[bool, bool, int]]] = [
    ({}, (True, True, 1)),
    ({"multi_query": False}, (True, True, 4)),
    ({"multi_query": True, "num_kv_heads": 4}, (True, True, 1)),
    ({"parallel_attn": False}, (False, False, 1)),
    ({"parallel_attn": False, "multi_query": False, "bias": True}, (False, False, 4)),
    (NEW | {"num_kv_heads": 2}, (True, False, 2)),
    (NEW, (True, False, 4)),
    (NEW | {"parallel_attn": False}, (True, False, 4)),
    (NEW | {"num_kv_heads": 1, "num_ln_in_parallel_attn": 1}, (True, True, 1)),
    (NEW | {"num_kv_heads": 2, "num_ln_in_parallel_attn": 1}, (True, True, 2)),
    (NEW | {"num_kv_heads": 4, "num_ln_in_parallel_attn": 1}, (True, True, 4)),
    (NEW | {"num_ln_in_parallel_attn": 2}, (True, False, 4)),
]


@pytest.mark.parametrize(("keys", "wanted"), FORMS)
def test_the_keys_of_either_form_of_a_falcon_are_read(keys: Json, wanted: tuple[bool, bool, int]):
    config, bias = read(FALCON, **keys), keys.get("bias", False)
    assert (config.parallel, config.shared_norm, mixer_of(config)["kv_heads"]) == wanted
    assert (config.tied, mixer_of(config)["bias"]) == (True, bias)
    assert ffn_of(config) == {"kind": "plain", "hidden": 128, "activation": "gelu", "bias": bias}


def test_what_a_llama_leaves_out_is_what_transformers_assumes() -> None:
    config, mixer = read(LLAMA), mixer_of(read(LLAMA))
    assert (mixer["kv_heads"], mixer["head_width"], mixer["bias"]) == (4, 8, False)
    assert mixer["rope"] == {"base": 10_000.0, "width": 8, "scaling": None}
    assert not config.tied
    assert ffn_of(config) == {"kind": "gated", "hidden": 45, "activation": "silu", "bias": False}


def without(data: Json, *keys: str) -> Json:
    return {name: value for name, value in data.items() if name not in keys}


def test_the_first_llamas_say_their_context_by_another_name() -> None:
    assert read(without(LLAMA, "max_position_embeddings"), max_sequence_length=48).context == 48
    assert read(LLAMA, max_sequence_length=48) == read(LLAMA)


def test_a_qwen3_must_say_how_wide_its_heads_are() -> None:
    """Its class assumes 128 channels and 32 heads of keys, whatever the width."""
    for data in (QWEN3, QWEN3_MOE):
        for key in ("head_dim", "num_key_value_heads"):
            assert key in refusal(without(data, key))


def test_a_scaling_of_the_rotary_positions_is_read() -> None:
    old = {"rope_scaling": {"type": "linear", "factor": 2.0}, "rope_theta": 500.0}
    rope = mixer_of(read(LLAMA, **old))["rope"]
    assert (rope["base"], rope["scaling"]["kind"], rope["scaling"]["factor"]) == (500, "linear", 2)
    new = {"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 16}
    scaling = mixer_of(read(QWEN3, rope_parameters=new))["rope"]["scaling"]
    assert (scaling["low_turns"], scaling["high_turns"], scaling["original_context"]) == (1, 4, 16)
    for kind in ("llama3", "yarn"):
        message = refusal(LLAMA, rope_scaling={"rope_type": kind, "factor": 8.0})
        assert message == f"config.json does not fit: {kind} needs the original context length"


def test_the_window_of_a_mistral_is_at_most_the_context_or_none() -> None:
    """Where the key is left out, transformers assumes 4 096; null says none."""
    for window, ours in ((7, 7), (4096, 32), (None, None)):
        assert mixer_of(read(MISTRAL | {"sliding_window": window}))["window"] == ours
    assert "sliding_window" in refusal(without(MISTRAL, "sliding_window"))


def test_a_window_of_a_qwen_acts_only_where_it_is_used() -> None:
    for data in (QWEN3, QWEN3_MOE):
        unused = {"sliding_window": 4096, "max_window_layers": 28, "use_sliding_window": False}
        assert read(data, **unused) == read(data)


def test_experts_say_how_they_are_chosen() -> None:
    """transformers assumes shares that are not renormalised, which one expert's never are."""
    both = QWEN3_MOE | {"num_local_experts": 5}
    assert read(both) == read(without(both, "num_experts")) == read(QWEN3_MOE)
    alone = {"num_experts_per_tok": 1}
    assert ffn_of(read(QWEN3_MOE, norm_topk_prob=False, **alone))["active"] == 1
    assert refusal(QWEN3_MOE, norm_topk_prob=True, **alone).startswith("norm_topk_prob = True")
    assert "norm_topk_prob" in refusal(without(QWEN3_MOE, "norm_topk_prob"))
    assert ffn_of(read(QWEN3_MOE))["balance_weight"] == 0.001
    assert ffn_of(read(QWEN3_MOE, router_aux_loss_coef=0.5))["balance_weight"] == 0.5
    assert read(QWEN3_MOE, output_router_logits=True, intermediate_size=7) == read(QWEN3_MOE)


def test_what_a_mamba_leaves_out_is_what_transformers_assumes() -> None:
    first, second = read(MAMBA), read(MAMBA2)
    one = {"kind": "mamba", "inner": 64, "state": 4, "conv_width": 4, "step_rank": 2, "bias": False}
    two = {"kind": "mamba2", "heads": 4, "head_width": 16, "state": 4, "groups": 2}
    assert mixer_of(first) == mixer_of(read(MAMBA, time_step_rank="auto")) == one
    assert mixer_of(second) == two | {"conv_width": 4, "bias": False}
    assert (first.tied, second.tied) == (True, False)
    assert first.context == second.context == 2048
    assert read(MAMBA, max_position_embeddings=77).context == 77


PUBLISHED: Json = {
    "architectures": ["MambaForCausalLM"],
    **{"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0, "vocab_size": 50280},
    **{"conv_kernel": 4, "d_inner": 1536, "d_model": 768, "expand": 2, "fused_add_norm": True},
    **{"hidden_act": "silu", "hidden_size": 768, "initializer_range": 0.1},
    **{"intermediate_size": 1536, "layer_norm_epsilon": 1e-05, "model_type": "mamba"},
    **{"n_layer": 24, "num_hidden_layers": 24, "pad_vocab_size_multiple": 8, "rms_norm": True},
    **{"rescale_prenorm_residual": False, "residual_in_fp32": True, "ssm_cfg": {}},
    **{"state_size": 16, "time_step_floor": 0.0001, "time_step_init_scheme": "random"},
    **{"time_step_max": 0.1, "time_step_min": 0.001, "time_step_rank": 48, "time_step_scale": 1.0},
    **{"torch_dtype": "float32", "transformers_version": "4.39.0.dev0", "use_bias": False},
    **{"use_cache": True, "use_conv_bias": True},
}
"""As state-spaces/mamba-130m-hf writes it."""


def test_a_published_mamba_is_read() -> None:
    config = read(PUBLISHED)
    assert (config.dim, config.layers, config.vocab, config.tied) == (768, 24, 50280, True)
    assert mixer_of(config) == {
        **{"kind": "mamba", "inner": 1536, "state": 16, "conv_width": 4},
        **{"step_rank": 48, "bias": False},
    }


def test_older_keys_stand_for_the_newer_ones() -> None:
    older = without(MAMBA, *CLASSES["mamba"].aliases, "hidden_size", "num_hidden_layers")
    older |= {"d_model": MAMBA["hidden_size"], "n_layer": MAMBA["num_hidden_layers"]}
    assert read(older) == read(MAMBA)


INFINITY = float("inf")
HARMLESS: list[tuple[Json, Json]] = [
    (GPT2, {"n_ctx": 1024, "summary_type": "cls_index", "summary_use_proj": True}),
    (GPT2, {"summary_first_dropout": 0.1, "scale_attn_weights": True}),
    (GPT2, {"add_cross_attention": False}),
    (GPT_NEOX, {"is_decoder": False, "classifier_dropout": 0.1}),
    (MAMBA, {"chunk_size": 64, "residual_in_fp32": False, "rescale_prenorm_residual": True}),
    (MAMBA2, {"time_step_min": 0.01, "time_step_floor": 0.5, "time_step_rank": 128}),
    (MAMBA2, {"time_step_limit": [0.0, INFINITY]}),
    (MAMBA2, {"time_step_limit": [0, INFINITY]}),
    (MAMBA2, {"time_step_limit": [0.0, {"__float__": "Infinity"}]}),
]


def test_keys_of_other_heads_and_of_nothing_are_no_obstacle() -> None:
    for data, keys in HARMLESS:
        assert read(data, **keys) == read(data), keys


REFUSED: list[tuple[Json, Json]] = [
    (GPT2, {"add_cross_attention": True, "scale_attn_by_inverse_layer_idx": True}),
    (GPT2, {"scale_attn_weights": False, "reorder_and_upcast_attn": True, "n_head_kv": 1}),
    (GPT2, {"n_embed": 32, "hidden_act": "gelu"}),
    (GPT_NEOX, {"is_decoder": True, "partial_rotary_factor": 0.5, "rotary_ndims": 4}),
    (FALCON, {"alibi": True, "apply_residual_connection_post_layernorm": True, "n_head_kv": 2}),
    (MISTRAL, {"attention_bias": True, "mlp_bias": True}),
    # transformers 5 looks at layer_types first: its logits are those without a window.
    (MISTRAL, {"layer_types": ["full_attention"] * 2}),
    # It ignores this key: its logits are those of a base of 10 000.
    (LLAMA, {"rotary_emb_base": 500.0, "sliding_window": 4096}),
    (QWEN3, {"use_sliding_window": True}),
    (QWEN3_MOE, {"norm_topk_prob": False, "decoder_sparse_step": 2, "mlp_only_layers": [0]}),
    (QWEN3_MOE, {"num_local_experts": 6, "n_shared_experts": 1, "use_sliding_window": True}),
    (QWEN3_MOE, {"shared_expert_intermediate_size": 24}),
    (MAMBA, {"d_model": 64, "d_inner": 65, "n_layer": 3, "intermediate_size": 65}),
    (MAMBA, {"rms_norm": False, "use_conv_bias": False, "hidden_act": "gelu"}),
    (MAMBA, {"ssm_cfg": {"layer": "Mamba2"}, "attn_layer_idx": [3]}),
    (MAMBA2, {"num_heads": 8, "norm_before_gate": True, "rms_norm": False}),
    (MAMBA2, {"use_conv_bias": False, "hidden_act": "gelu", "attn_layer_idx": [3]}),
    *((MAMBA2, {"time_step_limit": limit}) for limit in ([0.001, 0.1], [0.001, INFINITY], [0.0])),
    *((MAMBA2, {"time_step_limit": limit}) for limit in ("x", [0.0, None], [0.0, {}], 0.0)),
]


def test_a_key_that_could_change_an_answer_is_refused_by_name() -> None:
    for data, keys in REFUSED:
        for key, value in keys.items():
            assert refusal(data, **{key: value}).startswith(f"{key} = {value!r}")
