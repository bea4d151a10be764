"""What changes no logit of a published folder, by what `transformers` computes with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_folders import made, quiet_transformers

from endonym.export.shapes import ANY_VALUE, ONLY, is_buffer, is_harmless

CHANGED: dict[str, Any] = {
    "bos_token_id": 7,
    "eos_token_id": [3, 4],
    "initializer_range": 0.5,
    "use_cache": False,
    "pretraining_tp": 2,
    "temperature": 0.3,
    "num_labels": 5,
    "_name_or_path": "ana/tatar-hikaya",
    "chunk_size_feed_forward": 0,
    "is_decoder": False,
}
"""Words with values that another folder may have."""


@pytest.mark.parametrize("key", CHANGED)
@torch.no_grad()
def test_transformers_gives_the_same_logits_whatever_a_harmless_word_says(
    key: str, tmp_path: Path, language_sentences: Callable[[str], list[str]]
) -> None:
    assert is_harmless(key, CHANGED[key])
    network = made("llama")
    network.save_pretrained(tmp_path)
    config = quiet_transformers().AutoConfig.from_pretrained(tmp_path)
    setattr(config, key, CHANGED[key])
    other = type(network).from_pretrained(tmp_path, config=config).eval()
    text = (language_sentences("tatar")[0] + language_sentences("khmer")[0]).encode()
    ids = torch.tensor([list(text)[:60]])
    torch.testing.assert_close(other(ids).logits, network(ids).logits)


@pytest.mark.parametrize(
    "key", ["rope_theta", "hidden_act", "sliding_window", "attention_bias", "rms_norm_eps", "башка"]
)
def test_words_that_a_model_computes_with_are_not_harmless(key: str) -> None:
    assert not is_harmless(key, None)
    assert key not in ANY_VALUE


def test_some_words_are_harmless_with_some_values_only() -> None:
    assert is_harmless("is_decoder", False)
    assert not is_harmless("is_decoder", True)
    assert is_harmless("pruned_heads", {})
    assert not is_harmless("pruned_heads", {"0": [1]})
    assert is_harmless("chunk_size_feed_forward", 0)
    assert not is_harmless("chunk_size_feed_forward", 64)
    assert all(is_harmless("_attn_implementation", v) for v in ("sdpa", "eager", "flex_attention"))
    assert not is_harmless("_attn_implementation", "linear")
    assert not ANY_VALUE & set(ONLY)


@pytest.mark.parametrize(
    ("name", "model_type", "is_one"),
    [
        ("transformer.h.0.attn.bias", "gpt2", True),
        ("h.11.attn.masked_bias", "gpt2", True),
        ("transformer.h.0.attn.c_attn.bias", "gpt2", False),
        ("transformer.h.0.attn.bias.weight", "gpt2", False),
        ("gpt_neox.layers.3.attention.bias", "gpt_neox", True),
        ("gpt_neox.layers.3.attention.rotary_emb.inv_freq", "gpt_neox", True),
        ("gpt_neox.layers.3.attention.dense.bias", "gpt_neox", False),
        ("transformer.h.2.self_attention.rotary_emb.inv_freq", "falcon", True),
        ("transformer.h.2.self_attention.dense.weight", "falcon", False),
        ("model.layers.7.self_attn.rotary_emb.inv_freq", "llama", True),
        ("model.rotary_emb.cos_cached", "mistral", True),
        ("model.layers.7.self_attn.bias", "llama", False),
        ("h.0.attn.bias", "llama", False),
        ("model.layers.7.self_attn.q_proj.bias", "qwen2", False),
    ],
)
def test_buffers_of_old_folders_are_told_from_weights(
    name: str, model_type: str, *, is_one: bool
) -> None:
    assert is_buffer(name, model_type) is is_one


def test_no_weight_of_a_class_is_taken_for_a_buffer() -> None:
    for kind in ("llama", "qwen2", "qwen3", "mixtral", "bloom", "falcon_mamba", "phi"):
        network = made(kind)
        names = [name for name, _ in network.named_parameters()]
        assert len(names) > 8
        assert not [name for name in names if is_buffer(name, network.config.model_type)]
