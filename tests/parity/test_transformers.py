"""Law 20: a model handed over answers alike in `transformers`, and comes back as it was."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from laws.shapes import some_tokens

from endonym.export.huggingface import export_huggingface, import_huggingface
from endonym.export.shapes import row_of
from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import Sampling
from endonym.model.count import parameters
from endonym.tokenizer.tokenizer import Tokenizer

HandedOver = tuple[LanguageModel, Path]
CLOSE = {"rtol": 0.0, "atol": 1e-4}
PROMPT = "Әбием мич янында утырып, миңа кечкенә чагы турында"
LLAMA = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "intermediate_size": 45,
    "max_position_embeddings": 330,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 128,
}
YARN = {"rope_type": "yarn", "rope_theta": 5e5, "factor": 4.0}
GPT2 = {"n_positions": 330, "n_embd": 32, "n_layer": 2, "n_head": 4}
NEOX = {key: LLAMA[key] for key in LLAMA if key != "num_key_value_heads"}
FALCON = {key: NEOX[key] for key in NEOX if key != "intermediate_size"}
MAMBA = {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 5}
MAMBA2 = MAMBA | {"num_heads": 4, "head_dim": 16}
MOE = LLAMA | {"head_dim": 8, "num_experts": 5, "num_experts_per_tok": 2, "norm_topk_prob": True}
FOREIGN = {
    "llama": ("LlamaConfig", LLAMA | {"num_key_value_heads": 2, "rope_theta": 5000.0}),
    "llama, tied": ("LlamaConfig", LLAMA | {"tie_word_embeddings": True, "head_dim": 12}),
    "llama, biases": ("LlamaConfig", LLAMA | {"attention_bias": True, "mlp_bias": True}),
    "llama 3.1": ("LlamaConfig", LLAMA | {"rope_parameters": LLAMA3, "hidden_act": "gelu"}),
    "llama, linear": ("LlamaConfig", LLAMA | {"rope_scaling": {"type": "linear", "factor": 2.0}}),
    "llama, yarn": (
        "LlamaConfig",
        LLAMA | {"rope_parameters": YARN | {"original_max_position_embeddings": 128}},
    ),
    "mistral": ("MistralConfig", LLAMA | {"sliding_window": 100, "num_key_value_heads": 2}),
    "mistral, no window": ("MistralConfig", LLAMA | {"sliding_window": None}),
    "mistral, wide window": ("MistralConfig", LLAMA | {"sliding_window": 4096}),
    "qwen3": ("Qwen3Config", LLAMA | {"num_key_value_heads": 1, "head_dim": 10}),
    "qwen3, tied": ("Qwen3Config", LLAMA | {"tie_word_embeddings": True, "head_dim": 8}),
    "qwen3, biases": ("Qwen3Config", LLAMA | {"attention_bias": True, "head_dim": 8}),
    "gpt2": ("GPT2Config", GPT2),
    "gpt2, inner": ("GPT2Config", GPT2 | {"n_inner": 45, "activation_function": "relu"}),
    "gptneox": ("GPTNeoXConfig", NEOX),
    "gptneox, serial": (
        "GPTNeoXConfig",
        NEOX | {"use_parallel_residual": False, "rotary_pct": 1.0, "tie_word_embeddings": True},
    ),
    "gptneox, few biases": ("GPTNeoXConfig", NEOX | {"attention_bias": False}),
    "falcon": ("FalconConfig", FALCON),
    "falcon, new": ("FalconConfig", FALCON | {"new_decoder_architecture": True, "num_kv_heads": 2}),
    "falcon, new, one norm": (
        "FalconConfig",
        FALCON
        | {"new_decoder_architecture": True, "num_kv_heads": 2, "num_ln_in_parallel_attn": 1},
    ),
    "falcon, serial": ("FalconConfig", FALCON | {"parallel_attn": False, "bias": True}),
    "falcon, many keys": ("FalconConfig", FALCON | {"multi_query": False}),
    "falcon, like gptneox": (
        "FalconConfig",
        FALCON | {"parallel_attn": False, "multi_query": False, "bias": True},
    ),
    "mamba": ("MambaConfig", MAMBA),
    "mamba, biases": ("MambaConfig", MAMBA | {"use_bias": True, "conv_kernel": 3, "expand": 3}),
    "mamba2": ("Mamba2Config", MAMBA2 | {"n_groups": 1}),
    "mamba2, groups": ("Mamba2Config", MAMBA2 | {"n_groups": 2, "tie_word_embeddings": True}),
    "moe": ("Qwen3MoeConfig", MOE | {"moe_intermediate_size": 24}),
    "moe, one": (
        "Qwen3MoeConfig",
        MOE | {"moe_intermediate_size": 24, "num_experts_per_tok": 1, "norm_topk_prob": False},
    ),
}
"""Folders that `transformers` writes itself, with its own defaults where nothing is said."""


def test_transformers_gives_the_same_logits_and_counts_the_same_parameters(
    handed_over: HandedOver, theirs: Any
) -> None:
    model, _ = handed_over
    assert theirs.num_parameters() == parameters(model.decoder.config).total
    tokens_BT = some_tokens(2, 300, vocab=model.tokenizer.vocab)
    with torch.no_grad():
        wanted, found = model.decoder.logits(tokens_BT), theirs(tokens_BT).logits
    assert wanted.std() > 0.5
    torch.testing.assert_close(found, wanted, **CLOSE)


def test_transformers_generates_the_same_ids_from_its_cache(
    handed_over: HandedOver, theirs: Any
) -> None:
    model, _ = handed_over
    if getattr(model.decoder.config.mixers[0], "window", None) == 1:
        pytest.skip("transformers' cache for a window of one key keeps all of them")
    ids = [model.tokenizer.end_id, *model.tokenizer.encode(PROMPT)]
    row = torch.tensor([ids])
    answer = theirs.generate(
        row, attention_mask=torch.ones_like(row), do_sample=False, max_new_tokens=24
    )
    ours = model.stream(PROMPT, max_tokens=24, sampling=Sampling(temperature=0, inside_word=True))
    assert list(ours)
    ending = [model.tokenizer.end_id] if ours.finish_reason == "end" else []
    assert answer[0, len(ids) :].tolist() == [*ours.ids, *ending]


def test_a_model_comes_back_as_it_was(handed_over: HandedOver) -> None:
    model, folder = handed_over
    back = import_huggingface(folder)
    names = {"family": row_of(model.decoder.config).family, "residual_init": "zero"}
    assert back.decoder.config == model.decoder.config.model_copy(update=names)
    texts = [json.loads(each.tokenizer.to_json()) for each in (back, model)]
    for text in texts:
        del text["post_processor"]  # The folder's puts the start token before a text.
    assert texts[0] == texts[1]
    wanted, found = model.decoder.state_dict(), back.decoder.state_dict()
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)


def test_exporting_what_was_imported_gives_the_same_bytes(
    handed_over: HandedOver, tmp_path: Path
) -> None:
    _, folder = handed_over
    export_huggingface(import_huggingface(folder), tmp_path)
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    for name in names:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def assert_reads(transformers: ModuleType, theirs: torch.nn.Module, folder: Path) -> None:
    """A folder that transformers wrote gives its own logits when we read it."""
    model = import_huggingface(folder)
    again = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tokens_BT = some_tokens(2, 300, vocab=model.tokenizer.vocab)
    with torch.no_grad():
        found = model.decoder.logits(tokens_BT)
        torch.testing.assert_close(found, theirs(tokens_BT).logits, **CLOSE)
        torch.testing.assert_close(found, again(tokens_BT).logits, **CLOSE)


def write_foreign(theirs: torch.nn.Module, tokenizer: Tokenizer, folder: Path) -> torch.nn.Module:
    """A model with every weight away from its start, saved by its own library."""
    generator = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    theirs.eval().save_pretrained(folder)
    (folder / "tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
    return theirs


@pytest.mark.parametrize(("name", "keys"), FOREIGN.values(), ids=FOREIGN.keys())
def test_a_folder_that_transformers_wrote_gives_its_own_logits(
    transformers: ModuleType, tokenizer: Tokenizer, tmp_path: Path, name: str, keys: dict
) -> None:
    config = getattr(transformers, name)(vocab_size=tokenizer.vocab, **keys)
    theirs = transformers.AutoModelForCausalLM.from_config(config)
    assert_reads(transformers, write_foreign(theirs, tokenizer, tmp_path), tmp_path)
