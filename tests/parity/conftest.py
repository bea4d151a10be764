"""The library our exports are proven against, kept offline, and models to hand over to it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from laws.shapes import NAMED, shape
from toys import lively_decoder

from endonym.export.huggingface import export_huggingface
from endonym.export.row import nearest
from endonym.export.rows import ROWS
from endonym.generate.language_model import LanguageModel
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.train import train_tokenizer

CONTEXT = 330


@pytest.fixture(scope="session")
def transformers() -> Iterator[ModuleType]:
    """The library, imported once, forbidden to look anything up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("TRANSFORMERS_OFFLINE", "1")
        import transformers

        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        yield transformers


@pytest.fixture(scope="session")
def tokenizers(language_sentences: Callable[[str], list[str]]) -> dict[str, Tokenizer]:
    """One of each kind, made from four languages."""
    texts = [
        s for name in ("tatar", "romanian", "french", "khmer") for s in language_sentences(name)
    ]
    asked = {
        "bpe": TokenizerConfig(kind="bpe", vocab=420),
        "unigram": TokenizerConfig(kind="unigram", vocab=700),
        "keyboard": TokenizerConfig(kind="keyboard", vocab=700),
        "char": TokenizerConfig(kind="char"),
        "byte": TokenizerConfig(kind="byte"),
    }
    return {kind: train_tokenizer(config, lambda: iter(texts)) for kind, config in asked.items()}


@pytest.fixture(scope="session")
def tokenizer(tokenizers: dict[str, Tokenizer]) -> Tokenizer:
    """Pairs of bytes, 420 ids."""
    return tokenizers["bpe"]


Exported = tuple[LanguageModel, Path]


@pytest.fixture(scope="session")
def exported(
    tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Exported]:
    """Makes a lively model of a family and variant, and its folder, once."""
    made: dict[tuple[str, str], Exported] = {}

    def make(family: str, variant: str) -> Exported:
        if (family, variant) not in made:
            config = shape(family, variant, vocab=tokenizer.vocab, context=CONTEXT)
            model = LanguageModel(lively_decoder(config, seed=6, noise=0.2), tokenizer)
            folder = tmp_path_factory.mktemp(f"{family}-{variant}")
            export_huggingface(model, folder)
            made[family, variant] = (model, folder)
        return made[family, variant]

    return make


SAID = {name: which for name, which in NAMED.items() if nearest(ROWS, shape(*which))[1] is None}
"""What a class of transformers has the shape of."""


@pytest.fixture(params=SAID.values(), ids=SAID.keys())
def handed_over(
    request: pytest.FixtureRequest, exported: Callable[[str, str], Exported]
) -> Exported:
    """A model of each family and variant, and its folder."""
    family, variant = request.param
    return exported(family, variant)


@pytest.fixture(scope="session")
def opened() -> dict[Path, torch.nn.Module]:
    """The models of folders that the library has opened."""
    return {}


@pytest.fixture
def theirs(
    handed_over: Exported, transformers: ModuleType, opened: dict[Path, torch.nn.Module]
) -> torch.nn.Module:
    """What the library opens in that folder, in evaluation mode; not to be changed."""
    _, folder = handed_over
    if folder not in opened:
        opened[folder] = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    return opened[folder]
