"""Adapters in llama.cpp: added to its base there, they give the logits that they give here."""

from pathlib import Path

import pytest
import torch
from laws.shapes import NAMED, shape, some_tokens
from toys import lively_decoder, toy_tokenizer

from endonym.errors import Damaged, ExportError
from endonym.export.gguf.rows import architecture_of, limits_of
from endonym.export.gguf.write import (
    Provenance,
    export_gguf,
    require_gguf_adapter,
    write_gguf_adapter,
)
from endonym.generate.language_model import LanguageModel
from endonym.generate.llama_cpp import LlamaCpp
from endonym.model.adapt_config import Adapt
from endonym.model.config import ModelConfig
from endonym.model.decoder import Decoder
from endonym.model.lora import Change, copy_on, new_changes

pytest.importorskip("xllamacpp")

CLOSE, CLOSE_GELU = 5e-4, 1e-2
"""llama.cpp computes GELU by its tanh form in fp16."""
ON = {"all": ("all",), "some": ("query", "down"), "ssm": ("input",)}


def changes_for(decoder: Decoder, on: tuple[str, ...], *, dora: bool = False) -> dict[str, Change]:
    generator = torch.Generator().manual_seed(0)
    adapt = Adapt(rank=3, on=on, dora=dora).resolved()
    return {
        name: Change(
            each.a, 0.2 * torch.randn(each.b.shape, generator=generator), each.scale, each.magnitude
        )
        for name, each in new_changes(decoder, adapt, 1).items()
    }


def shaped(name: str) -> ModelConfig:
    return shape(*NAMED[name], vocab=toy_tokenizer("bpe").vocab)


def cases() -> list[tuple[str, str]]:
    """Every shape that llama.cpp computes, with all matrices; a family's plain one with some."""
    found: list[tuple[str, str]] = []
    for name in NAMED:
        try:
            architecture_of(shaped(name))
        except ExportError:
            continue
        found.append((name, "all"))
        if name.endswith("-plain"):
            found.append((name, "ssm" if name.startswith("mamba") else "some"))
    return found


@pytest.mark.parametrize(("name", "on"), cases())
@torch.no_grad()
def test_llama_cpp_adds_our_adapter_to_its_base(name: str, on: str, tmp_path: Path) -> None:
    config, tokenizer = shaped(name), toy_tokenizer("bpe")
    decoder, tokens = lively_decoder(config, seed=1), some_tokens(1, 17, vocab=config.vocab)
    (file,) = export_gguf(LanguageModel(decoder, tokenizer), tmp_path, ("F32",), Provenance())
    changes = changes_for(decoder, ON[on])
    write_gguf_adapter(config, changes, tmp_path / "adapter.gguf", name="татар")
    plain = decoder.logits(tokens)[0].log_softmax(-1)
    ours = copy_on(decoder, changes).logits(tokens)[0].log_softmax(-1)
    with LlamaCpp(file, adapter=tmp_path / "adapter.gguf", cache="f32") as runtime:
        theirs = torch.tensor(runtime.logits(tokens[0].tolist())).log_softmax(-1)
    is_gelu = bool(limits_of(config)) or "gpt2" in name
    assert (plain - ours).abs().max() > 0.3
    assert (theirs - ours).abs().max() < (CLOSE_GELU if is_gelu else CLOSE)


def test_dora_and_models_without_a_gguf_form_are_refused(tmp_path: Path) -> None:
    decoder = lively_decoder(shaped("llama-plain"), seed=1)
    changes = changes_for(decoder, ("query",), dora=True)
    with pytest.raises(ExportError, match="no norms of rows"):
        write_gguf_adapter(decoder.config, changes, tmp_path / "a.gguf", name="x")
    assert not (tmp_path / "a.gguf").exists()
    with pytest.raises(ExportError, match="cannot compute this model"):
        require_gguf_adapter(shaped("mamba2-hybrid"), {})


def test_an_adapter_of_another_shape_is_told(tmp_path: Path) -> None:
    base = lively_decoder(shaped("llama-plain"), seed=1)
    other = lively_decoder(shaped("llama-odd-ffn"), seed=1)
    model = LanguageModel(base, toy_tokenizer("bpe"))
    (file,) = export_gguf(model, tmp_path, ("F32",), Provenance())
    path = tmp_path / "a.gguf"
    write_gguf_adapter(other.config, changes_for(other, ("up",)), path, name="x")
    with pytest.raises(Damaged, match="cannot add this adapter"):
        LlamaCpp(file, adapter=path)
