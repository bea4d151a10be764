"""A proof must fail where an export is not the model."""

import json
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from laws.shapes import shape
from toys import lively_decoder, toy_texts

from endonym.errors import Damaged, ExportError
from endonym.export import verify
from endonym.export.gguf import vocabulary
from endonym.export.gguf.write import Provenance, export_gguf
from endonym.export.huggingface import export_huggingface
from endonym.export.verify import Check, Gguf, quantization_of, require_ok, verify_export
from endonym.generate.language_model import LanguageModel
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.strange import STRANGE
from endonym.tokenizer.train import train_tokenizer


def small(seed: int = 1, vocab: int = 1500) -> LanguageModel:
    """A model whose tokenizer has merges on both sides of a mark."""
    asked = TokenizerConfig(kind="bpe", vocab=vocab, min_count=1)
    tokenizer = train_tokenizer(asked, lambda: iter(toy_texts()))
    config = shape("qwen3", vocab=tokenizer.vocab, context=64)
    return LanguageModel(lively_decoder(config, seed=seed), tokenizer)


def failed(checks: list[Check]) -> list[str]:
    return [each.check for each in checks if not each.ok]


@pytest.fixture
def model() -> LanguageModel:
    return small()


def test_whole_exports_pass_every_check(model: LanguageModel, tmp_path: Path) -> None:
    export_gguf(model, tmp_path / "gguf", ("F32", "Q8_0"), Provenance("kechkena"))
    export_huggingface(model, tmp_path / "hf")
    texts = toy_texts()
    checks = verify_export(tmp_path / "gguf", model, texts)
    assert [(each.file, each.check) for each in checks][::5] == [
        ("kechkena-F32.gguf", "ids"),
        ("kechkena-Q8_0.gguf", "ids"),
    ]
    checks += verify_export(tmp_path / "hf", model, texts, name="kechkena")
    assert failed(checks) == []
    assert {each.runtime.partition(" ")[0] for each in checks} == {"llama.cpp", "transformers"}
    require_ok(checks)


def test_a_wrong_pre_tokenizer_is_found(
    model: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = dict.fromkeys(vocabulary.SPLITS, "gpt-2")
    monkeypatch.setattr(vocabulary, "SPLITS", wrong)
    export_gguf(model, tmp_path, ("F32",), Provenance())
    monkeypatch.undo()
    checks = verify_export(tmp_path, model, toy_texts())
    assert failed(checks) == ["ids"]
    with pytest.raises(ExportError, match=r"ids: \d+ of \d+ lines differ"):
        require_ok(checks)


def test_weights_of_another_model_are_found(model: LanguageModel, tmp_path: Path) -> None:
    export_gguf(small(seed=2), tmp_path, ("F16",), Provenance())
    assert failed(verify_export(tmp_path, model, toy_texts())) == ["likeliest", "bits_per_byte"]


def test_bits_per_byte_that_fall_are_no_proof_either(
    model: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_gguf(model, tmp_path, ("Q8_0",), Provenance())

    class Flattering(Gguf):
        def __init__(self, path: Path, context: int, threads: int = 2) -> None:
            super().__init__(path, context, threads)
            own = self.logits
            self.logits = lambda ids: own(ids) + 3 * np.eye(self._engine.vocab)[[*ids[1:], 0]]

    monkeypatch.setattr(verify, "Gguf", Flattering)
    checks = verify_export(tmp_path, model, toy_texts())
    assert checks[-1].value < 0
    assert failed(checks) == ["bits_per_byte"]


def test_one_wrong_matrix_is_found_in_a_transformers_folder(
    model: LanguageModel, tmp_path: Path
) -> None:
    other = small()
    with torch.no_grad():
        other.decoder.get_parameter("blocks.1.mixer.key.weight").neg_()
    export_huggingface(other, tmp_path)
    assert "likeliest" in failed(verify_export(tmp_path, model, toy_texts()))


def test_a_tokenizer_that_reads_specials_by_name_is_found(
    model: LanguageModel, tmp_path: Path
) -> None:
    export_huggingface(model, tmp_path)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings["split_special_tokens"] = False
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    checks = verify_export(tmp_path, model, toy_texts())
    assert "ids" in failed(checks)
    assert "<|endoftext|>" in checks[0].example


def test_without_texts_the_strange_strings_are_compared(
    model: LanguageModel, tmp_path: Path
) -> None:
    export_gguf(model, tmp_path, ("F32",), Provenance())
    checks = verify_export(tmp_path, model, [])
    assert [each.check for each in checks] == ["ids", "decoding"]
    assert checks[0].unit == f"of {len(STRANGE)} lines differ"


@pytest.mark.parametrize("data", [b"", b"GGUF", b"not a model at all" * 9])
def test_a_file_that_is_no_gguf_is_damaged(
    model: LanguageModel, tmp_path: Path, data: bytes
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(data)
    with pytest.raises(Damaged):
        verify_export(path, model, toy_texts())


def test_the_number_format_is_read_from_the_file(model: LanguageModel, tmp_path: Path) -> None:
    for file in export_gguf(model, tmp_path, ("F32", "BF16", "Q4_K_M"), Provenance()):
        assert quantization_of(file.path) == file.quantization


def test_a_number_format_of_others_is_refused(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "x.gguf", "llama")
    writer.add_file_type(10)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with pytest.raises(Damaged, match="file type 10"):
        quantization_of(tmp_path / "x.gguf")


def test_a_folder_without_a_model_is_said_before_transformers_is_asked(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Әкият\n", encoding="utf-8")
    with pytest.raises(Damaged, match=r"neither a GGUF file nor a config\.json"):
        verify_export(tmp_path, small(), toy_texts())
