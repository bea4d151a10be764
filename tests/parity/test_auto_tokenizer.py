"""Law 20, the tokenizer: `AutoTokenizer` reads a folder we wrote and gives the same ids."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from laws.shapes import shape
from toys import toy_decoder

from endonym.export.huggingface import export_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.model.families import FAMILIES
from endonym.tokenizer.tokenizer import END_OF_TEXT, Tokenizer

HARD = [
    "",
    "  two spaces  before,\ttabs\n\n\nand lines  \n",
    "Şapte şoareci, ţânţari cu sedilă; ș și ț cu virgulă.",
    "L’été 2024 : 1 234,50 € — « déjà » !",
    "ក្មេងៗលេងបាល់នៅក្រោមដើមស្វាយធំ។",
    "Ә мин 👩‍🌾 күрдем: ﷺ, e\u0301 һәм é, \u200b.",
]


@pytest.mark.parametrize("kind", ["bpe", "unigram", "char", "byte"])
@pytest.mark.parametrize("family", FAMILIES)
def test_auto_tokenizer_gives_our_ids_and_our_text(
    transformers: ModuleType,
    tokenizers: dict[str, Tokenizer],
    language_sentences: Callable[[str], list[str]],
    tmp_path: Path,
    kind: str,
    family: str,
) -> None:
    ours = tokenizers[kind]
    config = shape(family, vocab=ours.vocab)
    export_huggingface(LanguageModel(toy_decoder(config), ours), tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    languages = ("tatar", "khmer", "romanian", "french")
    english = ["The ferryman counted his passengers twice, then himself."]
    for text in [*(s for name in languages for s in language_sentences(name)), *english, *HARD]:
        ids = ours.encode(text)
        assert theirs(text)["input_ids"] == ids
        assert theirs.decode(ids) == text


def test_auto_tokenizer_knows_the_end_of_a_text(
    transformers: ModuleType, exported: Callable[[str, str], tuple[LanguageModel, Path]]
) -> None:
    model, folder = exported("qwen3", "plain")
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    assert (theirs.eos_token, theirs.eos_token_id) == (END_OF_TEXT, model.tokenizer.end_id)
    assert theirs.bos_token_id == model.tokenizer.end_id
    assert theirs.model_max_length == model.decoder.config.context
    assert len(theirs) == model.tokenizer.vocab
    assert theirs.decode([model.tokenizer.end_id], skip_special_tokens=True) == ""
