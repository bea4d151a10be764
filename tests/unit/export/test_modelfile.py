"""How Ollama is told to run a file."""

import pytest

from endonym.export.modelfile import chosen_file, modelfile
from endonym.tokenizer.chat_template import CHATML, OPENING


def test_a_base_model_gets_the_prompt_alone_and_our_sampling() -> None:
    lines = modelfile(
        "tt-Q8_0.gguf", context=256, stops=["<|endoftext|>"], max_tokens=128
    ).splitlines()
    assert "FROM ./tt-Q8_0.gguf" in lines
    assert 'TEMPLATE "{{ .Prompt }}"' in lines
    assert 'PARAMETER stop "<|endoftext|>"' in lines
    assert {"PARAMETER num_ctx 256", "PARAMETER num_predict 128"} <= set(lines)
    assert {"PARAMETER temperature 0.8", "PARAMETER repeat_penalty 1.0"} <= set(lines)


def test_a_name_with_quotes_is_quoted() -> None:
    text = modelfile("a.gguf", context=8, stops=['<"end">'], max_tokens=1)
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
    stops = ["<|endoftext|>", "<|im_end|>"]
    given = {"context": 8, "max_tokens": 1, "stops": stops}
    text = modelfile("a.gguf", template=CHATML, **given)
    assert modelfile("a.gguf", template=OPENING + CHATML, **given) == text
    assert "<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>" in text
    assert 'PARAMETER stop "<|im_end|>"' in text.splitlines()
    assert "TEMPLATE" not in modelfile("a.gguf", template="{{ messages }}", **given)
