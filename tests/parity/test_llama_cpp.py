"""Law 20 for GGUF: llama.cpp gives our ids and our logits, for every shape that it can compute."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from laws.shapes import NAMED, shape
from toys import lively_decoder

from endonym.errors import ExportError
from endonym.export.gguf.rows import architecture_of
from endonym.export.gguf.write import Provenance, export_gguf
from endonym.generate.language_model import LanguageModel
from endonym.generate.llama_cpp import LlamaCpp
from endonym.tokenizer.tokenizer import Tokenizer

CONTEXT = 96
EXACT, GELU_TABLE = 5e-5, 2e-3
"""Largest difference, as a share of the largest logit. llama.cpp reads GELU from a table of half
precision."""
REFUSED = {
    "qwen3-part-rotary": "rotary_share",
    "qwen3-windowed": "window together with query_key_norm",
    "qwen3-capped": "logit_cap",
    "qwen3-layer-norm": "norm",
    "qwen3-parallel": "parallel = true",
    "qwen3-scaled": "mixer.bias = true",
    "qwen3-two-windows": "not alike",
    "qwen3-some-experts": "not alike",
    "gpt2-grouped": "kv_heads",
    "gpt2-one-kv-head": "kv_heads",
    "gpt2-wide-heads": "head_width",
    "gptneox-grouped": "kv_heads",
    "gptneox-one-kv-head": "kv_heads",
    "gptneox-wide-heads": "head_width",
    "gptneox-few-biases": "bias = false",
    "falcon-wide-heads": "head_width",
    "falcon-serial": "parallel = false",
    "mamba-biases": "mixer.bias = true",
    "mamba2-groups": "mixer.bias = true",
    "mamba2-hybrid": "not alike",
    "moe-one-active": "single active expert",
    "moe-plain-experts": "ffn.gated = false",
    "moe-biased-choice": 'balance = "bias"',
}


@pytest.mark.parametrize("name", NAMED)
def test_llama_cpp_gives_our_logits_or_says_why_it_cannot(
    name: str,
    tokenizer: Tokenizer,
    language_sentences: Callable[[str], list[str]],
    tmp_path: Path,
) -> None:
    config = shape(*NAMED[name], vocab=tokenizer.vocab + 3, context=CONTEXT)
    if name in REFUSED:
        with pytest.raises(ExportError, match=REFUSED[name]):
            architecture_of(config)
        return
    model = LanguageModel(lively_decoder(config, seed=1), tokenizer)
    (file,) = export_gguf(model, tmp_path, ("F32",), Provenance(name=name))
    text = "\n".join(language_sentences("tatar") + language_sentences("khmer"))
    ids = [tokenizer.end_id, *tokenizer.encode(text)][:CONTEXT]
    with torch.inference_mode():
        ours = model.decoder.logits(torch.tensor([ids]))[0].numpy()
    with LlamaCpp(file, cache="f32") as engine:
        theirs = engine.logits(ids)
    bound = GELU_TABLE if config.ffns[0].kind == "plain" else EXACT
    assert np.abs(ours - theirs).max() < bound * np.abs(ours).max()


@pytest.mark.parametrize("kind", ["bpe", "unigram", "char", "byte"])
def test_llama_cpp_gives_our_ids(
    kind: str,
    tokenizers: dict[str, Tokenizer],
    language_sentences: Callable[[str], list[str]],
    tmp_path: Path,
) -> None:
    ours = tokenizers[kind]
    model = LanguageModel(lively_decoder(shape("qwen3", vocab=ours.vocab), seed=1), ours)
    (file,) = export_gguf(model, tmp_path, ("F16",), Provenance())
    with LlamaCpp(file, context=0) as engine:
        for language in ("tatar", "khmer", "romanian", "french"):
            for sentence in language_sentences(language):
                assert engine.encode(sentence) == ours.encode(sentence)
                begun = [ours.start_id, *ours.encode(sentence)]
                assert engine.encode(sentence, opens=True, by_name=True) == begun
                assert engine.decode(ours.encode(sentence)) == sentence
