"""GGUF files: what they say of themselves, and their sizes."""

from collections import Counter
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from laws.shapes import shape
from toys import lively_decoder, toy_tokenizer

from endonym.errors import ExportError
from endonym.export.gguf import write
from endonym.export.gguf.write import Provenance, export_gguf, require_gguf, require_gguf_adapter
from endonym.export.verify import quantization_of
from endonym.generate.language_model import LanguageModel
from endonym.model.adapt_config import Adapt
from endonym.model.foreign.folder import ForeignConfig
from endonym.model.lora import Change, new_changes


def small(family: str = "llama", **keys: Any) -> LanguageModel:
    tokenizer = toy_tokenizer("bpe")
    config = shape(family, vocab=tokenizer.vocab, context=64, **keys)
    return LanguageModel(lively_decoder(config, seed=1), tokenizer)


def keys_of(path: Path) -> dict[str, Any]:
    reader = gguf.GGUFReader(path)
    return {name: field.contents() for name, field in reader.fields.items()}


def test_a_file_says_what_it_is(tmp_path: Path) -> None:
    model = small()
    about = Provenance("kechkena", "tt", "cc0-1.0", "ab12cd34ef56")
    (file,) = export_gguf(model, tmp_path, ("Q8_0",), about)
    assert file.name == "kechkena-Q8_0.gguf"
    keys = keys_of(file)
    assert keys["general.name"] == "kechkena"
    assert keys["general.languages"] == ["tt"]
    assert keys["general.license"] == "cc0-1.0"
    assert keys["endonym.model"] == "ab12cd34ef56"
    assert keys["general.quantized_by"].startswith("endonym ")
    assert keys["llama.context_length"] == 64
    assert keys["tokenizer.ggml.bos_token_id"] == model.tokenizer.end_id
    assert keys["tokenizer.ggml.eos_token_id"] == model.tokenizer.end_id
    assert (
        keys["tokenizer.ggml.padding_token_id"] == model.tokenizer.pad_id != model.tokenizer.end_id
    )
    assert keys["tokenizer.ggml.add_bos_token"] is True


def test_what_is_not_known_is_not_said(tmp_path: Path) -> None:
    for language in ("", "x-own"):
        (file,) = export_gguf(small(), tmp_path, ("F16",), Provenance(language=language))
        unknown = {"general.license", "general.languages", "endonym.model"}
        assert not unknown & set(keys_of(file))


def test_each_number_format_is_a_file_and_coarser_ones_are_smaller(tmp_path: Path) -> None:
    asked = ("F32", "BF16", "Q8_0", "Q5_K_M", "Q4_K_M")
    files = export_gguf(small(dim=256, ffn={"hidden": 256}), tmp_path, asked, Provenance())
    sizes = [file.stat().st_size for file in files]
    assert sizes == sorted(sizes, reverse=True)
    assert not any(quantization_of(file)[1] for file in files)
    types = Counter(each.tensor_type.name for each in gguf.GGUFReader(files[-1]).tensors)
    assert types["Q4_K"] > types["Q6_K"] > 0


def test_rows_that_do_not_fit_are_named_with_the_type_they_got(tmp_path: Path) -> None:
    (file,) = export_gguf(small(dim=96), tmp_path, ("Q4_K_M",), Provenance())
    kind, note = quantization_of(file)
    assert kind == "Q4_K_M"
    said = "13 of 15 matrices are Q5_0 and Q8_0, as their width 96 is no multiple of 256"
    assert note == f"; {said}"
    (file,) = export_gguf(small("mamba2"), tmp_path, ("Q8_0",), Provenance())
    assert quantization_of(file) == ("Q8_0", ""), "narrow matrices of state spaces are always F32"


def test_weights_in_fp32_are_the_model_s_own(tmp_path: Path) -> None:
    model = small("qwen3")
    (file,) = export_gguf(model, tmp_path, ("F32",), Provenance())
    stored = {tensor.name: tensor.data for tensor in gguf.GGUFReader(file).tensors}
    ours = model.decoder.state_dict()["blocks.1.ffn.down.weight"].numpy()
    np.testing.assert_array_equal(stored["blk.1.ffn_down.weight"], ours)


def test_a_foreign_class_is_refused() -> None:
    sizes = {"vocab": 9, "context": 8, "dim": 4, "layers": 1, "parameters": 9}
    config = ForeignConfig(family="gemma3_text", tied=True, transformers={}, **sizes)
    with pytest.raises(ExportError, match="gemma3_text"):
        require_gguf(config, toy_tokenizer("byte"))


def test_one_alpha_is_right_for_matrices_of_other_scales(tmp_path: Path) -> None:
    config = shape("qwen3")
    changes = {
        "blocks.0.ffn.up": Change(torch.ones(2, 32), torch.ones(96, 2), 2.0),
        "blocks.1.ffn.down": Change(torch.ones(3, 96), torch.ones(32, 3), 0.5),
    }
    path = tmp_path / "a.gguf"
    write.write_gguf_adapter(config, changes, path, name="татар")
    found = gguf.GGUFReader(path)
    said = {key: found.get_field(key).contents() for key in ("general.type", "adapter.type")}
    assert said == {"general.type": "adapter", "adapter.type": "lora"}
    alpha = float(found.get_field("adapter.lora.alpha").contents())
    tensors = {each.name: each.data for each in found.tensors}
    assert tensors.keys() == {
        f"blk.{place}.weight.lora_{part}" for place in ("0.ffn_up", "1.ffn_down") for part in "ab"
    }
    for name, rank, scale in (("blk.0.ffn_up", 2, 2.0), ("blk.1.ffn_down", 3, 0.5)):
        b = tensors[f"{name}.weight.lora_b"]
        assert alpha / rank * float(b.flat[0]) == pytest.approx(scale)


def test_a_foreign_model_and_dora_are_refused() -> None:
    with pytest.raises(ExportError, match="no GGUF form"):
        require_gguf_adapter(object(), {})
    decoder = lively_decoder(shape("llama"))
    dora = new_changes(decoder, Adapt(rank=2, dora=True).resolved(), 1)
    with pytest.raises(ExportError, match="DoRA"):
        require_gguf_adapter(decoder.config, dora)
