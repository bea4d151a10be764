"""Both engines are engines."""

import inspect

import pytest

from endonym.serve.engine import Engine, Vocabulary
from endonym.serve.llama_engine import LlamaEngine, LlamaVocabulary
from endonym.serve.own_engine import OwnEngine
from endonym.tokenizer.tokenizer import Tokenizer


@pytest.mark.parametrize(
    ("made", "protocol"),
    [
        (LlamaEngine, Engine),
        (OwnEngine, Engine),
        (LlamaVocabulary, Vocabulary),
        (Tokenizer, Vocabulary),
    ],
)
def test_methods_take_what_the_protocol_says(made: type, protocol: type) -> None:
    for name, method in inspect.getmembers(protocol, inspect.isfunction):
        if not name.startswith("_"):
            wanted = list(inspect.signature(method).parameters)
            assert list(inspect.signature(getattr(made, name)).parameters)[: len(wanted)] == wanted
