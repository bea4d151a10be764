"""A shape as config.json, and what of a stranger's config.json is refused, whatever its class."""

import re
from typing import Any

import pytest
from bare_configs import BARE, PLACE, Json, read, refusal
from foreign_folders import made
from laws.shapes import SHAPES, shape

from endonym.errors import ExportError
from endonym.export import shapes
from endonym.export.row import nearest
from endonym.export.shapes import (
    ANY_VALUE,
    ONLY,
    ROWS,
    config_json,
    is_harmless,
    row_of,
)
from endonym.model.config import ModelConfig

REFUSED = {
    "qwen3-part-rotary": "Qwen3ForCausalLM does not support mixer.rotary_share = 0.5",
    "gpt2-grouped": "GPT2LMHeadModel does not support grouped kv_heads",
    "mamba2-hybrid": "Mamba2ForCausalLM does not support layers that are not alike",
    "moe-odd-ffn": "Qwen3MoeForCausalLM does not support expert width not divisible by 8",
}
"""The shapes that no class says, and what of them the family's own cannot."""


SAID = {name: config for name, config in SHAPES.items() if nearest(ROWS, config)[1] is None}
ALL_SAID = pytest.mark.parametrize("config", SAID.values(), ids=SAID.keys())
ALL_BARE = pytest.mark.parametrize("kind", BARE)


@pytest.mark.parametrize("name", REFUSED)
def test_a_shape_that_no_class_says_names_what_its_own_cannot(name: str) -> None:
    with pytest.raises(ExportError) as caught:
        config_json(SHAPES[name], 0)
    assert caught.value.message.startswith(REFUSED[name])
    assert "no other class of transformers has this shape" in caught.value.message
    assert caught.value.where == "export huggingface"
    assert caught.value.do


@ALL_SAID
def test_a_shape_comes_back_from_its_config_json(config: ModelConfig) -> None:
    """All but how its branches started, which no file says and no answer depends on."""
    back = shapes.read_config(config_json(config, 3), PLACE)
    wanted = {"residual_init": "zero", "family": row_of(config).family}
    assert back == config.model_copy(update=wanted)


@ALL_SAID
def test_the_context_is_written_as_it_was_trained(config: ModelConfig) -> None:
    written = config_json(config, 3)
    assert written[row_of(config).context_key] == 32
    assert written["max_position_embeddings"] == 32
    assert written["eos_token_id"] == written["bos_token_id"] == 3
    assert written["vocab_size"] == 61
    assert written["tie_word_embeddings"] is config.tied
    assert written["architectures"] == [row_of(config).architecture]
    assert not any(key.startswith(("auto", "trust")) for key in written)


def test_a_shape_is_read_from_its_parts_not_from_its_name() -> None:
    for config in SAID.values():
        named = config.model_copy(update={"family": "anything"})
        assert row_of(named) is row_of(config)


OTHER_CLASSES = [
    ("qwen3", {"mixer": {"query_key_norm": False}}, "llama"),
    ("qwen3", {"mixer": {"query_key_norm": False, "window": 5}}, "mistral"),
    ("qwen3", {"ffn": {"kind": "experts", "experts": 3}}, "moe"),
    ("llama", {"mixer": {"query_key_norm": True}}, "qwen3"),
    ("gptneox", {"mixer": {"kv_heads": 1}}, "falcon"),
    ("gptneox", {"parallel": True, "mixer": {"kv_heads": 2}}, "falcon"),
    ("falcon", {"mixer": {"kv_heads": 4, "bias": True}, "ffn": {"bias": True}}, "gptneox"),
    ("llama", {"mixer": {"kind": "mamba", "heads": None}, "ffn": {"kind": "none"}}, "mamba"),
]


@pytest.mark.parametrize(("family", "keys", "row"), OTHER_CLASSES)
def test_a_shape_of_another_class_goes_to_that(family: str, keys: dict[str, Any], row: str):
    assert row_of(shape(family, **keys)).family == row


@ALL_BARE
def test_the_fewest_keys_are_enough(kind: str) -> None:
    config = read(BARE[kind])
    assert (config.vocab, config.dim, config.layers) == (61, 32, 2)
    assert config.context == (2048 if kind.startswith("mamba") else 32)
    assert next(row for row in ROWS if row.model_type == kind).misfit(config) is None


@ALL_BARE
def test_what_is_read_is_read_again_from_what_is_written(kind: str) -> None:
    config = read(BARE[kind])
    assert read(config_json(config, 0)) == config


@ALL_BARE
def test_keys_that_change_no_logit_are_no_obstacle(kind: str) -> None:
    harmless: Json = {
        **{"torch_dtype": "bfloat16", "dtype": "float16", "transformers_version": "4.51.0"},
        **{"_name_or_path": "somebody/something", "eos_token_id": [1, 2], "pad_token_id": None},
        **{"initializer_range": 0.02, "use_cache": False, "rope_scaling": None},
        **{"sliding_window": None if kind != "mistral" else 7, "layer_types": None},
        "a_key_of_tomorrow": None,
    }
    assert read(BARE[kind], **harmless) == read(BARE[kind])


HARMFUL: Json = {
    **{"trust_remote_code": True, "use_sliding_window": True, "add_cross_attention": True},
    **{"scale_attn_weights": False, "alibi": True, "use_conv_bias": False, "is_decoder": True},
    **{"quantization_config": {"bits": 4}, "a_key_of_tomorrow": 1, "partial_rotary_factor": 0.5},
    **{"final_logit_softcapping": 30.0, "shared_expert_intermediate_size": 5},
}
KINDS = ("full_attention", "sliding_attention")
LAYER_TYPES = [("layer_types", value) for value in ([*KINDS], [KINDS[0]], KINDS[0])]


@ALL_BARE
def test_a_key_that_could_change_an_answer_is_refused_by_name(kind: str) -> None:
    for key, value in (*HARMFUL.items(), *LAYER_TYPES):
        with pytest.raises(ExportError) as caught:
            read(BARE[kind], **{key: value})
        assert caught.value.message.startswith(f"{key} = {value!r}")
        assert caught.value.where == PLACE
        assert kind in caught.value.do


@ALL_BARE
@pytest.mark.parametrize("value", [{"AutoModelForCausalLM": "modeling.Model"}, ["Model"], 1])
def test_code_from_the_folder_is_refused_before_anything_is_read(kind: str, value: object) -> None:
    with pytest.raises(ExportError, match="auto_map asks for code") as caught:
        read(BARE[kind], auto_map=value, vocab_size="none")
    assert caught.value.where == PLACE
    assert "runs no code" in caught.value.do


@ALL_BARE
@pytest.mark.parametrize("value", [{}, None])
def test_an_empty_auto_map_asks_for_no_code(kind: str, value: object) -> None:
    assert read(BARE[kind], auto_map=value) == read(BARE[kind])


ASSUMED = {("mistral", "num_key_value_heads"), ("qwen3_moe", "norm_topk_prob")}
ASSUMED |= {("falcon", "max_position_embeddings")}
NEEDED = [(kind, key) for kind, data in BARE.items() for key in data if (kind, key) not in ASSUMED]


def test_a_missing_key_is_named() -> None:
    for kind, key in NEEDED:
        message = refusal({name: value for name, value in BARE[kind].items() if name != key})
        assert key in message or (kind, key) == ("mistral", "sliding_window")


@pytest.mark.parametrize("kind", ["bert", None, ["llama"], "LLAMA", "gemma3"])
def test_a_class_that_we_do_not_have_is_refused_with_those_that_we_have(kind: object) -> None:
    message = refusal(BARE["llama"], model_type=kind)
    assert message.startswith(f"model_type {kind!r} is not one of qwen3, llama, mistral, gpt2")


SENSELESS = [
    ("llama", "num_attention_heads", 5, "5 heads"),
    ("llama", "num_attention_heads", 0, "mixer.heads"),
    ("llama", "num_attention_heads", "vier", "'vier' for mixer.heads"),
    ("llama", "num_key_value_heads", 3, "3 kv_heads"),
    ("llama", "hidden_size", -32, "-32 for dim"),
    ("llama", "vocab_size", 0, "0 for vocab"),
    ("llama", "vocab_size", [61], "[61] for vocab"),
    ("llama", "max_position_embeddings", -1, "-1 for context"),
    ("llama", "rms_norm_eps", float("nan"), "nan for norm_epsilon"),
    ("llama", "hidden_act", "quick_gelu", "'quick_gelu' for ffn.activation"),
    ("llama", "hidden_act", ["silu"], "does not fit"),
    ("llama", "rope_theta", "x", "'x' for mixer.rope_base"),
    ("llama", "attention_dropout", 1.0, "1.0 for attention_dropout"),
    ("llama", "tie_word_embeddings", "yes", "tie_word_embeddings = 'yes'"),
    ("qwen3", "head_dim", 7, "but 7 of 7 rotate"),
    ("qwen3", "num_hidden_layers", 0, "0 for layers"),
    ("qwen3", "hidden_size", "32", "hidden_size = '32'"),
    ("mistral", "sliding_window", 0, "0 for mixer.window"),
    ("mistral", "sliding_window", "7", "does not fit"),
    ("qwen3_moe", "num_experts_per_tok", 6, "6 active experts of 5"),
    ("gpt2", "n_head", 5, "5 heads"),
    ("gpt2", "n_inner", 1.5, "1.5 for ffn.hidden"),
    ("falcon", "num_attention_heads", "4", "num_attention_heads = '4'"),
    ("mamba", "expand", 1.5, "1.5 for mixer.expand"),
    ("mamba2", "head_dim", 48, "heads of 48 channels"),
]


@pytest.mark.parametrize(("kind", "key", "value", "text"), SENSELESS)
def test_a_senseless_size_is_refused_with_its_key(kind: str, key: str, value: object, text: str):
    with pytest.raises(ExportError) as caught:
        read(BARE[kind], **{key: value})
    assert text in caught.value.message
    assert caught.value.where == PLACE


def test_nonsense_in_a_key_that_is_spelt_anew_is_refused_too() -> None:
    assert refusal(BARE["llama"], layer_types=[["full_attention"]]).startswith("layer_types = ")
    for least in ("x", None):
        message = refusal(BARE["mamba2"], time_step_limit=[least, float("inf")])
        assert message.startswith("time_step_limit = ")


DYNAMIC: Json = {"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}
PARTIAL: Json = {"rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 0.5}}


@pytest.mark.parametrize("rope", [DYNAMIC, PARTIAL])
def test_rotary_positions_that_are_refused_say_in_which_file(rope: Json) -> None:
    assert refusal(BARE["llama"], **rope)


"""Words with values that another folder may have."""


def test_words_that_a_model_computes_with_are_not_harmless() -> None:
    words = "rope_theta hidden_act sliding_window attention_bias rms_norm_eps башка"
    for key in words.split():
        assert not is_harmless(key, None)
        assert key not in ANY_VALUE


def test_some_words_are_harmless_with_some_values_only() -> None:
    for word in ("temperature", "num_labels", "_name_or_path", "pretraining_tp", "use_cache"):
        assert is_harmless(word, "anything")
    for key, good, bad in (
        ("is_decoder", False, True),
        ("pruned_heads", {}, {"0": [1]}),
        ("chunk_size_feed_forward", 0, 64),
        *(("_attn_implementation", each, "linear") for each in ("sdpa", "eager", "flex_attention")),
    ):
        assert is_harmless(key, good)
        assert not is_harmless(key, bad)
    assert not ANY_VALUE & set(ONLY)


OLD_BUFFERS = [
    *(("gpt2", name) for name in ("transformer.h.0.attn.bias", "h.11.attn.masked_bias")),
    ("gpt_neox", "gpt_neox.layers.3.attention.bias"),
    ("gpt_neox", "gpt_neox.layers.3.attention.rotary_emb.inv_freq"),
    ("falcon", "transformer.h.2.self_attention.rotary_emb.inv_freq"),
    ("llama", "model.layers.7.self_attn.rotary_emb.inv_freq"),
    ("mistral", "model.rotary_emb.cos_cached"),
]
OLD_WEIGHTS = [
    *("transformer.h.0.attn.c_attn.bias", "transformer.h.0.attn.bias.weight"),
    *("gpt_neox.layers.3.attention.dense.bias", "transformer.h.2.self_attention.dense.weight"),
    *("model.layers.7.self_attn.bias", "model.layers.7.self_attn.q_proj.bias"),
]


def is_buffer(name: str, model_type: str) -> bool:
    """Whether a tensor is one that its class now computes; of a class without a row, as most do."""
    row = next((row for row in ROWS if row.model_type == model_type), ROWS[0])
    return re.search(row.buffers, name) is not None


def test_buffers_of_old_folders_are_told_from_weights() -> None:
    for model_type, name in OLD_BUFFERS:
        assert is_buffer(name, model_type), name
        assert not any(is_buffer(weight, model_type) for weight in OLD_WEIGHTS)
    assert not is_buffer("h.0.attn.bias", "llama")


def test_no_weight_of_a_class_is_taken_for_a_buffer() -> None:
    for kind in ("llama", "qwen2", "qwen3", "mixtral", "bloom", "falcon_mamba", "phi"):
        network = made(kind)
        names = [name for name, _ in network.named_parameters()]
        assert len(names) > 8
        assert not [name for name in names if is_buffer(name, network.config.model_type)]
