"""Files for FUTO Keyboard: their form, what they promise, what is refused, and their proof."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from laws.shapes import shape
from toys import lively_decoder, toy_texts, toy_tokenizer

from endonym.errors import ExportError
from endonym.export.config import Export
from endonym.export.gguf.keyboard import (
    CORRECTION,
    PREDICTION,
    code_of,
    export_keyboard,
    features_of,
    require_keyboard,
)
from endonym.export.gguf.keyboard_file import tokenizer_in
from endonym.export.gguf.write import Provenance
from endonym.export.verify import verify_export
from endonym.generate.language_model import LanguageModel
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.keyboard import CORRECTED, NAMES, sentencepiece_model
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.train import train_tokenizer

ABOUT = Provenance(name="әкият", language="tt", made_of="ab12cd34ef56")


def toy_model(variant: str = "plain") -> LanguageModel:
    tokenizer = toy_tokenizer("keyboard")
    config = shape("llama", variant, vocab=tokenizer.vocab, context=64)
    return LanguageModel(lively_decoder(config, seed=1), tokenizer)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (path,) = export_keyboard(toy_model(), tmp_path_factory.mktemp("out"), ("F16",), ABOUT)
    return path


def values(path: Path) -> dict[str, Any]:
    return {name: each.contents() for name, each in gguf.GGUFReader(path).fields.items()}


def test_the_file_is_what_an_old_llama_cpp_reads(written: Path) -> None:
    data, found = written.read_bytes(), values(written)
    assert (data[:4], int.from_bytes(data[4:8], "little")) == (b"GGUF", 2)
    names = found["tokenizer.ggml.tokens"]
    assert names[:7] == NAMES[:7]
    assert len({*names}) == len(names) == toy_tokenizer("keyboard").vocab
    tensors = {each.name: each for each in gguf.GGUFReader(written).tensors}
    assert tensors["output.weight"].shape[1] == tensors["token_embd.weight"].shape[1] == len(names)
    assert {each.tensor_type.name for each in tensors.values()} == {"F16", "F32"}


def test_the_file_says_what_the_keyboard_asks(written: Path) -> None:
    found = values(written)
    assert found["keyboardlm.languages"] == "tt"
    assert found["keyboardlm.features"] == PREDICTION == "base_v1 inverted_space"
    assert found["keyboardlm.ext_tokenizer_type"] == "sentencepiece"
    assert found["keyboardlm.finetuning_count"] == 0
    assert tokenizer_in(written) == sentencepiece_model(toy_tokenizer("keyboard"))
    field = gguf.GGUFReader(written).get_field("keyboardlm.ext_tokenizer_data")
    assert field is not None
    assert field.types == [gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.UINT8]


def test_the_proof_compares_ids_by_sentencepiece_and_logits_by_llama_cpp(written: Path) -> None:
    checks = verify_export(written, toy_model(), toy_texts()[:20])
    assert all(check.ok for check in checks), checks
    assert all("sentencepiece" in check.runtime for check in checks)
    texts = [text.upper() for text in toy_texts()]
    config = TokenizerConfig(kind="keyboard", vocab=toy_tokenizer("keyboard").vocab)
    other = LanguageModel(toy_model().decoder, train_tokenizer(config, lambda: iter(texts)))
    ids = verify_export(written, other, toy_texts()[:20])[0]
    assert (ids.check, ids.ok) == ("ids", False)


def test_corrections_are_promised_once_they_are_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    model = toy_model()
    assert features_of(model) == PREDICTION
    logits = model.decoder.logits
    seen: list[list[int]] = []

    def corrected(tokens_BT: torch.Tensor) -> torch.Tensor:
        seen.append(tokens_BT[0].tolist())
        logits_BTV = logits(tokens_BT)
        logits_BTV[..., NAMES.index(CORRECTED)] += 1000
        return logits_BTV

    monkeypatch.setattr(model.decoder, "logits", corrected)
    assert features_of(model) == CORRECTION
    ids = {name: index for index, name in enumerate(NAMES)}
    de = model.tokenizer.id_of("de ")
    assert [1, ids["<XBU>"], ids["<CHAR_D>"], ids["<CHAR_E>"], ids["<XBC>"], de] in seen


@pytest.mark.parametrize(
    ("family", "kind", "said"),
    [
        ("llama", "bpe", r'kind "bpe"(.|\n)*kind = "keyboard"(.|\n)*family = "llama"'),
        ("qwen3", "keyboard", r"qwen3 has mixer.query_key_norm(.|\n)*Write family = .llama."),
        ("mamba", "keyboard", r"mamba has layers(.|\n)*Write family = .llama."),
    ],
)
def test_what_the_keyboard_cannot_run_is_refused_with_the_keys_to_set(
    family: str, kind: str, said: str
) -> None:
    tokenizer = toy_tokenizer(kind)
    with pytest.raises(ExportError, match=said):
        require_keyboard(shape(family, vocab=tokenizer.vocab), tokenizer)


def test_the_keyboard_gets_the_code_of_a_language_and_no_made_up_one(tmp_path: Path) -> None:
    assert [code_of(each) for each in ("brx", "tt-Cyrl", "ro")] == ["brx", "tt", "ro"]
    for language in ("x-tatar", ""):
        with pytest.raises(ExportError, match=f"language is '{language}'"):
            export_keyboard(toy_model(), tmp_path, ("F16",), replace(ABOUT, language=language))
    assert [*tmp_path.iterdir()] == []


def test_a_vocabulary_that_is_too_small_is_refused() -> None:
    config = TokenizerConfig(kind="keyboard", vocab=400)
    tokenizer: Tokenizer = train_tokenizer(config, lambda: iter(toy_texts()))
    with pytest.raises(ExportError, match="at least 562 ids; the model has 400 rows"):
        require_keyboard(shape("llama", vocab=400), tokenizer)


def test_number_formats_that_the_keyboard_lacks_are_refused() -> None:
    assert Export(format="keyboard").quantizations == ("Q8_0",)
    assert Export(format="keyboard", quantize=("F16",)).quantizations == ("F16",)
    with pytest.raises(ValueError, match='"keyboard" has F16 and Q8_0, not BF16'):
        Export(format="keyboard", quantize=("BF16",))
