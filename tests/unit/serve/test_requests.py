"""What clients may ask."""

import pytest
from pydantic import ValidationError

from endonym.generate.sample import Sampling
from endonym.serve.requests import ChatRequest, CompletionRequest


def test_what_is_left_out_is_as_in_generate() -> None:
    asked = CompletionRequest(model="тел")
    assert asked.sampling(7) == Sampling(seed=7)
    assert (asked.length(), asked.stops(), asked.prompts()) == (200, [], [""])
    nothing = CompletionRequest.model_validate(
        {"model": "тел", "temperature": None, "max_tokens": None, "n": None, "stop": None}
    )
    assert nothing.sampling(7) == Sampling(seed=7)


@pytest.mark.parametrize(("prompt", "prompts"), [
    ("Таң", ["Таң"]), (["Таң", "Кич"], ["Таң", "Кич"]), ([1, 2], [[1, 2]]),
    ([[1, 2], [3]], [[1, 2], [3]]), ([[]], [[]]),
])  # fmt: skip
def test_a_prompt_is_a_text_or_ids_or_several(prompt: object, prompts: list[object]) -> None:
    assert CompletionRequest.model_validate({"model": "т", "prompt": prompt}).prompts() == prompts


REFUSED = [
    {"best_of": 2},
    {"frequency_penalty": 0.5},
    {"unknown": 1},
    {"logprobs": 21},
    {"n": 0},
    {"prompt": []},
    {"stream_options": {"include_usage": True}},
    {"stream": True, "stream_options": {"include_obfuscation": True}},
    {"prompt": ["Таң", 5]},
    {"stop": ["Таң"] * 17},
]


@pytest.mark.parametrize("keys", REFUSED)
def test_what_cannot_be_done_is_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CompletionRequest.model_validate({"model": "т"} | keys)


def test_options_of_a_stream_are_taken_with_a_stream() -> None:
    given = {"model": "т", "stream": True, "stream_options": {"include_obfuscation": False}}
    assert CompletionRequest.model_validate(given).stream_options is not None
    assert CompletionRequest.model_validate({"model": "т", "stream_options": None})


def test_the_newer_name_of_a_length_counts_before_the_older_one() -> None:
    given = {"model": "т", "messages": [{"role": "user", "content": "Сәлам"}]}
    lengths = [{"max_tokens": 5}, {"max_completion_tokens": 7}]
    found = [ChatRequest.model_validate(given | each).length() for each in [*lengths, {}]]
    assert found == [5, 7, 200]
    assert ChatRequest.model_validate(given | lengths[0] | lengths[1]).length() == 7


def test_the_best_of_all_texts_are_all_of_them() -> None:
    given = {"model": "т", "n": 3, "best_of": 3}
    assert CompletionRequest.model_validate(given).best_of == 3
    with pytest.raises(ValidationError, match="not ranked"):
        CompletionRequest.model_validate(given | {"best_of": 1})


def test_contents_in_parts_are_joined_if_all_are_text() -> None:
    parts = [{"type": "text", "text": "Сәлам, "}, {"type": "text", "text": "дөнья"}]
    given = {"model": "т", "messages": [{"role": "user", "content": parts}], "logprobs": True}
    asked = ChatRequest.model_validate(given)
    assert (asked.messages[0].text, asked.likeliest()) == ("Сәлам, дөнья", 0)
    several = [given | {"top_logprobs": 3, "logprobs": each} for each in (True, False)]
    assert [ChatRequest.model_validate(each).likeliest() for each in several] == [3, None]
    picture = {"type": "image_url", "image_url": {"url": "x"}}
    for other in (picture, {"type": "text"}, {"type": "text", "text": 5}, "text", None):
        with pytest.raises(ValidationError):
            ChatRequest.model_validate(
                {"model": "т", "messages": [{"role": "user", "content": [*parts, other]}]}
            )
