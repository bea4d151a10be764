"""How Ollama is told to run a file."""

from types import SimpleNamespace
from typing import Any

import pytest

from endonym.export.card import chosen_file, modelfile
from endonym.tokenizer.chat_template import CHATML, OPENING


def written(template: str | None = None, stops: tuple[str, ...] = ("<|endoftext|>",)) -> str:
    tokenizer: Any = SimpleNamespace(
        chat_template=template, stop_ids=range(len(stops)), token=stops.__getitem__
    )
    decoder: Any = SimpleNamespace(config=SimpleNamespace(context=256))
    return modelfile("tt-Q8_0.gguf", SimpleNamespace(decoder=decoder, tokenizer=tokenizer))


def test_a_base_model_gets_the_prompt_alone_and_our_sampling() -> None:
    lines = written().splitlines()
    assert "FROM ./tt-Q8_0.gguf" in lines
    assert 'TEMPLATE "{{ .Prompt }}"' in lines
    assert 'PARAMETER stop "<|endoftext|>"' in lines
    assert {"PARAMETER num_ctx 256", "PARAMETER num_predict 128"} <= set(lines)
    assert {"PARAMETER temperature 0.8", "PARAMETER repeat_penalty 1.0"} <= set(lines)


def test_a_name_with_quotes_is_quoted() -> None:
    text = written(stops=('<"end">',))
    assert 'PARAMETER stop """<"end">"""' in text


@pytest.mark.parametrize(
    ("files", "file"),
    [
        (["a-BF16.gguf", "a-F16.gguf", "a-Q4_K_M.gguf", "a-Q8_0.gguf"], "a-Q8_0.gguf"),
        (["a-BF16.gguf", "a-F16.gguf"], "a-F16.gguf"),
        (["a-Q4_K_M.gguf", "a-Q5_K_M.gguf"], "a-Q4_K_M.gguf"),
    ],
)
def test_the_smallest_file_that_loses_nothing_is_taken(files: list[str], file: str) -> None:
    assert chosen_file(files) == file


def test_a_model_that_converses_has_its_template_and_stops_where_a_turn_ends() -> None:
    stops = ("<|endoftext|>", "<|im_end|>")
    text = written(CHATML, stops)
    assert written(OPENING + CHATML, stops) == text
    assert "<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>" in text
    assert 'PARAMETER stop "<|im_end|>"' in text.splitlines()
    assert "TEMPLATE" not in written("{{ messages }}")
