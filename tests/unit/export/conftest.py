"""A small model handed over, for the tests of folders."""

from pathlib import Path

import pytest
from laws.shapes import shape
from toys import lively_decoder

from endonym.export.huggingface import export_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.train import train_tokenizer


@pytest.fixture(scope="session")
def model() -> LanguageModel:
    """A small llama that reads bytes."""
    tokenizer = train_tokenizer(TokenizerConfig(kind="byte"), lambda: iter([]))
    return LanguageModel(lively_decoder(shape("llama", vocab=259, context=64)), tokenizer)


@pytest.fixture
def folder(model: LanguageModel, tmp_path: Path) -> Path:
    """That model, handed over."""
    export_huggingface(model, tmp_path / "handed-over")
    return tmp_path / "handed-over"
