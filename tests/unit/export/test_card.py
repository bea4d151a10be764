"""The README of a model that is handed over."""

from importlib.metadata import version
from pathlib import Path

import pytest

from endonym.export.card import INSTALL, Card, readme
from endonym.export.huggingface import export_huggingface
from endonym.generate.language_model import LanguageModel

MADE = f"made with endonym {version('endonym')}."


@pytest.mark.parametrize(
    ("language", "head"),
    [("tt", "language:\n- tt\n"), ("zh-Hant", "language:\n- zh\n"), ("x-own", ""), ("", "")],
)
def test_the_head_names_the_language_if_the_hub_has_a_code_for_it(
    model: LanguageModel, language: str, head: str
) -> None:
    text = readme(Card("китап", language), model, "qwen3")
    assert text.startswith(
        f"---\n{head}library_name: transformers\npipeline_tag: text-generation\n"
    )
    assert "\n# китап\n" in text
    assert text.count("\n---\n") == 1


def test_it_says_what_the_model_is_in_figures(model: LanguageModel, tmp_path: Path) -> None:
    export_huggingface(model, tmp_path, Card("әкият", "tt"))
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    parameters = sum(each.numel() for each in model.decoder.parameters())
    assert "\n# әкият\n\nA base language model of the language `tt`, made with endonym" in text
    assert f" {MADE} It continues texts;" in text
    assert "\nllama: 2 layers of 32 channels (" in text
    assert f");\n{parameters:,} parameters, a vocabulary of 259, a context of 64 tokens.\n" in text
    assert f"\n`{INSTALL}`, then:\n" in text
    assert max(map(len, text.splitlines())) <= 120
