"""Folders as the hub has them: all words of a class, those of older ones, and their buffers."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from laws.shapes import some_tokens
from parity.test_transformers import CLOSE, FOREIGN, write_foreign
from safetensors.torch import load_file, save_file
from toys import toy_tokenizer

from endonym.errors import Damaged, ExportError
from endonym.export.huggingface import import_huggingface
from endonym.export.shapes import folder_shape
from endonym.model.foreign.decoder import ForeignDecoder
from endonym.model.foreign.folder import ForeignConfig

OLD_WORDS: dict[str, Any] = {
    "pruned_heads": {},
    "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
    "gradient_checkpointing": False,
    "finetuning_task": None,
    "is_decoder": False,
    "is_encoder_decoder": False,
    "add_cross_attention": False,
    "tie_encoder_decoder": False,
    "cross_attention_hidden_size": None,
    "chunk_size_feed_forward": 0,
    "output_past": True,
    "output_attentions": False,
    "output_hidden_states": False,
    "return_dict": True,
    "torchscript": False,
    "use_bfloat16": False,
    "tf_legacy_loss": False,
    "max_length": 20,
    "min_length": 0,
    "do_sample": False,
    "early_stopping": False,
    "num_beams": 1,
    "num_beam_groups": 1,
    "diversity_penalty": 0.0,
    "temperature": 1.0,
    "top_k": 50,
    "top_p": 1.0,
    "typical_p": 1.0,
    "repetition_penalty": 1.0,
    "length_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "bad_words_ids": None,
    "num_return_sequences": 1,
    "output_scores": False,
    "return_dict_in_generate": False,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "remove_invalid_values": False,
    "exponential_decay_length_penalty": None,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
    "id2label": {"0": "LABEL_0", "1": "LABEL_1"},
    "label2id": {"LABEL_0": 0, "LABEL_1": 1},
    "num_labels": 2,
    "tokenizer_class": "GPT2Tokenizer",
    "prefix": "[CLS]",
    "sep_token_id": None,
    "decoder_start_token_id": None,
    "problem_type": None,
    "_name_or_path": "somebody/something",
    "_commit_hash": "0123abcd",
    "_attn_implementation_autoset": True,
    "_attn_implementation": "sdpa",
    "torch_dtype": "float16",
    "use_flash_attention_2": True,
    "_flash_attn_2_enabled": True,
    "attn_implementation": "flash_attention_3",
    "neftune_noise_alpha": 5,
    "transformers.js_config": {"kv_cache_dtype": {"fp16": "float16"}},
    "xla_device": None,
    "eos_token_ids": 0,
}
"""What transformers 2 to 4 (`PretrainedConfig.to_dict`) and other programs wrote of every model."""
OWN_WORDS: dict[str, dict[str, Any]] = {
    "gpt2": {
        "n_ctx": 330,
        "n_special": 0,
        "afn": "gelu_new",
        "predict_special_tokens": True,
        "hidden_size": 32,
        "summary_type": "cls_index",
        "summary_use_proj": True,
        "summary_activation": None,
        "summary_proj_to_labels": True,
        "summary_first_dropout": 0.1,
    },
    "llama": {
        "max_sequence_length": 2048,
        "pretraining_tp": 1,
        "rope_scaling": None,
        "is_llama_config": True,
        "rope_interleaved": False,
    },
    "mistral": {"attention_bias": False},
    "qwen3": {"max_window_layers": 36, "sliding_window": None, "use_mrope": False},
    "moe": {"max_window_layers": 36, "sliding_window": None, "output_router_logits": False},
    "gptneox": {"attention_probs_dropout_prob": 0, "hidden_dropout_prob": 0, "rotary_pct": 0.25},
    "falcon": {
        "apply_residual_connection_post_layernorm": False,
        "n_layer": 2,
        "n_head": 4,
        "auto_map": {
            "AutoConfig": "configuration_falcon.FalconConfig",
            "AutoModelForCausalLM": "modeling_falcon.FalconForCausalLM",
        },
        "architectures": ["FalconForCausalLM"],
    },
    "mamba": {"d_model": 32, "n_layer": 2, "fused_add_norm": True, "ssm_cfg": {}, "rms_norm": True},
    "mamba2": {"rms_norm": True, "pad_vocab_size_multiple": 16},
}
MASK = torch.ones(1, 1, 8, 8, dtype=torch.uint8).tril()
ANGLES = torch.arange(4.0)
OLD_BUFFERS: dict[str, dict[str, torch.Tensor]] = {
    "gpt2": {
        "transformer.h.{n}.attn.bias": MASK,
        "transformer.h.{n}.attn.masked_bias": torch.tensor(-1e4),
    },
    "llama": {"model.layers.{n}.self_attn.rotary_emb.inv_freq": ANGLES},
    "mistral": {"model.layers.{n}.self_attn.rotary_emb.inv_freq": ANGLES},
    "qwen3": {"model.rotary_emb.inv_freq": ANGLES},
    "gptneox": {
        "gpt_neox.layers.{n}.attention.bias": MASK.bool(),
        "gpt_neox.layers.{n}.attention.masked_bias": torch.tensor(-1e9),
        "gpt_neox.layers.{n}.attention.rotary_emb.inv_freq": ANGLES,
    },
    "falcon": {"transformer.h.{n}.self_attention.rotary_emb.inv_freq": ANGLES},
}
KINDS = ("gpt2", "llama", "mistral", "qwen3", "gptneox", "falcon", "mamba", "mamba2", "moe")


@pytest.fixture(params=KINDS)
def published(
    request: pytest.FixtureRequest, transformers: ModuleType, tmp_path: Path
) -> tuple[str, torch.nn.Module, Path]:
    """A folder with every word of its class, those of older ones, and their buffers."""
    name, keys = FOREIGN[request.param]
    torch.manual_seed(3)
    tokenizer = toy_tokenizer("bpe")
    config = getattr(transformers, name)(**keys, vocab_size=tokenizer.vocab)
    network = write_foreign(
        transformers.AutoModelForCausalLM.from_config(config), tokenizer, tmp_path
    )
    own = {k: v for k, v in OLD_WORDS.items() if k not in json.loads(config.to_json_string(False))}
    rewrite(tmp_path, json.loads(config.to_json_string(False)) | own | OWN_WORDS[request.param])
    path = tmp_path / "model.safetensors"
    added = {
        key.format(n=layer): each.clone()
        for key, each in OLD_BUFFERS.get(request.param, {}).items()
        for layer in range(2)
    }
    save_file(load_file(path) | added, path, metadata={"format": "pt"})
    return request.param, network, tmp_path


def rewrite(folder: Path, words: dict[str, Any]) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | words), encoding="utf-8")


def logits_of(folder: Path, network: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    model = import_huggingface(folder)
    tokens_BT = some_tokens(2, 60, vocab=model.tokenizer.vocab)
    with torch.no_grad():
        return model.decoder.logits(tokens_BT), network(tokens_BT).logits


def test_old_words_and_buffers_are_no_obstacle_and_change_no_logit(
    published: tuple[str, torch.nn.Module, Path],
) -> None:
    _, network, folder = published
    folder_shape(folder)
    found, wanted = logits_of(folder, network)
    assert wanted.std() > 0.5
    torch.testing.assert_close(found, wanted, **CLOSE)


@pytest.mark.parametrize("published", ["gpt2", "llama"], indirect=True)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("pruned_heads", {"0": [1]}),
        ("is_encoder_decoder", True),
        ("chunk_size_feed_forward", 64),
        ("_attn_implementation", "kernels-community/attention"),
        ("tie_encoder_decoder", True),
    ],
)
def test_a_harmful_value_of_a_harmless_word_is_refused_with_those_that_can_be_read(
    published: tuple[str, torch.nn.Module, Path], key: str, value: object
) -> None:
    _, _, folder = published
    rewrite(folder, {key: value})
    with pytest.raises(ExportError, match=f"{key} = ") as caught:
        import_huggingface(folder)
    assert f"Only {key} = " in caught.value.do


HARMFUL = {
    "llama": ("rope_interleaved", True),
    "gpt2": ("scale_attn_by_inverse_layer_idx", True),
    "falcon": ("apply_residual_connection_post_layernorm", True),
    "mistral": ("attention_bias", True),
    "qwen3": ("use_mrope", True),
    "moe": ("use_sliding_window", True),
    "mamba": ("rms_norm", False),
    "mamba2": ("rms_norm", False),
    "gptneox": ("is_decoder", True),
}


@pytest.mark.parametrize("published", HARMFUL, indirect=True)
def test_a_harmful_value_of_a_word_of_its_own_is_refused_by_name(
    published: tuple[str, torch.nn.Module, Path],
) -> None:
    kind, _, folder = published
    key, value = HARMFUL[kind]
    rewrite(folder, {key: value})
    with pytest.raises(ExportError, match=f"{key} = {value}") as caught:
        import_huggingface(folder)
    assert f"Only {key} = " in caught.value.do


def test_what_only_the_class_of_transformers_computes_is_computed_there(
    transformers: ModuleType, tmp_path: Path
) -> None:
    """Falcon RW was published so: ALiBi, and its class as code, which is never run."""
    name, keys = FOREIGN["falcon"]
    torch.manual_seed(3)
    tokenizer = toy_tokenizer("bpe")
    keys = keys | {"alibi": True, "vocab_size": tokenizer.vocab}
    network = transformers.AutoModelForCausalLM.from_config(getattr(transformers, name)(**keys))
    write_foreign(network, tokenizer, tmp_path)
    rewrite(tmp_path, {"auto_map": OWN_WORDS["falcon"]["auto_map"]})
    shape = folder_shape(tmp_path)
    assert isinstance(shape, ForeignConfig)
    assert "auto_map" not in shape.transformers
    assert isinstance(import_huggingface(tmp_path).decoder, ForeignDecoder)
    found, wanted = logits_of(tmp_path, network)
    torch.testing.assert_close(found, wanted, **CLOSE)


def test_names_without_the_prefix_of_their_class_are_those_with_it(
    published: tuple[str, torch.nn.Module, Path],
) -> None:
    """So GPT-2 was published: h.0.attn.c_attn.weight."""
    _, network, folder = published
    path = folder / "model.safetensors"
    prefix = network.base_model_prefix + "."
    save_file({k.removeprefix(prefix): v for k, v in load_file(path).items()}, path)
    found, wanted = logits_of(folder, network)
    torch.testing.assert_close(found, wanted, **CLOSE)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_read_as_it_was_rounded(
    published: tuple[str, torch.nn.Module, Path], kind: torch.dtype
) -> None:
    _, network, folder = published
    path = folder / "model.safetensors"
    rounded = {k: v.to(kind) if v.is_floating_point() else v for k, v in load_file(path).items()}
    save_file(rounded, path)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.to(kind))
    found, wanted = logits_of(folder, network)
    torch.testing.assert_close(found, wanted, **CLOSE)


def test_a_tensor_that_is_no_buffer_is_still_refused(
    published: tuple[str, torch.nn.Module, Path],
) -> None:
    _, _, folder = published
    path = folder / "model.safetensors"
    tensors = load_file(path)
    prefix = next(iter(tensors)).split(".")[0]
    save_file(tensors | {f"{prefix}.extra.weight": torch.zeros(3)}, path)
    with pytest.raises(Damaged, match="has unknown"):
        import_huggingface(folder)


@pytest.mark.parametrize("published", ["falcon"], indirect=True)
def test_code_of_another_class_is_refused_though_the_class_is_known(
    published: tuple[str, torch.nn.Module, Path],
) -> None:
    _, _, folder = published
    rewrite(folder, {"auto_map": {"AutoModelForCausalLM": "modeling_falcon.MyFalcon"}})
    with pytest.raises(ExportError, match="auto_map asks for code"):
        import_huggingface(folder)
