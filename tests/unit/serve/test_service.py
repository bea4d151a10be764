"""From requests to generations."""

import asyncio

import pytest
from serving import client_of, toy_language_model

from endonym.serve.answers import ApiError
from endonym.serve.requests import CompletionRequest
from endonym.serve.service import Service, text_job


def planned(**keys: object) -> list[list[int]]:
    """The ids of the generations of a request."""
    with client_of() as (_, service):
        asked = CompletionRequest.model_validate({"model": "тел"} | keys)
        job = asyncio.run(text_job(service, asked))
        return [each.ids for each in job.generations]


def test_each_prompt_has_its_continuations_in_order() -> None:
    tokenizer = toy_language_model().tokenizer
    one, two = ([tokenizer.end_id, *tokenizer.encode(text)] for text in ("Таң", "Кич"))
    assert planned(prompt=["Таң", "Кич"], n=2) == [one, one, two, two]
    assert planned(prompt="") == [[tokenizer.end_id]]
    assert planned(prompt=[tokenizer.end_id, 7]) == planned(prompt=[7])


def test_the_name_of_a_special_in_a_prompt_is_plain_text() -> None:
    (ids,) = planned(prompt="<|endoftext|>")
    assert ids.count(toy_language_model().tokenizer.end_id) == 1
    assert len(ids) > 3


def test_seeds_differ_by_choice_and_are_kept() -> None:
    with client_of() as (_, service):
        asked = CompletionRequest(model="тел", n=3, seed=5)
        first, again = (asyncio.run(text_job(service, asked)).generations for _ in range(2))
    seeds = [each.sampler_state.sampling.seed for each in first]
    assert len(set(seeds)) == 3
    assert seeds == [each.sampler_state.sampling.seed for each in again]


def test_what_the_prompt_says_counts_as_said() -> None:
    with client_of() as (_, service):
        asked = CompletionRequest(model="тел", prompt="Таң ата", repetition_penalty=1.3)
        (made,) = asyncio.run(text_job(service, asked)).generations
    assert made.sampler_state.seen == set(made.ids)


def test_an_id_that_no_token_has_is_told() -> None:
    vocab = toy_language_model().tokenizer.vocab
    assert planned(prompt=[vocab - 1])[0][-1] == vocab - 1
    with pytest.raises(ApiError, match=f"id {vocab} in a vocabulary of {vocab}"):
        planned(prompt=[vocab - 1, vocab])


def test_an_unknown_model_is_told_with_those_that_are_here() -> None:
    service = Service()
    with pytest.raises(ApiError, match="no model 'x'") as told:
        service.scheduler("x")
    assert told.value.status == 404


@pytest.mark.parametrize("name", ["²", "٣", "-1", "1.0", "", "9" * 11])
def test_a_bias_is_of_an_id_in_digits(name: str) -> None:
    with pytest.raises(ApiError, match="is no id of a vocabulary") as told:
        planned(logit_bias={name: 1.0})
    assert (told.value.status, told.value.param) == (400, "logit_bias")


def test_a_bias_is_of_an_id_that_there_is() -> None:
    vocab = toy_language_model().tokenizer.vocab
    assert planned(logit_bias={str(vocab - 1): 1.0, "0": -1.0})
    with pytest.raises(ApiError, match="is no id"):
        planned(logit_bias={str(vocab): 1.0})


def test_log_probabilities_are_counted_up_to_the_end_of_the_context(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """64 tokens fit, and one is chosen behind them: however many were asked for."""
    monkeypatch.setattr("endonym.serve.service.MOST_NATS", 1)
    ids = [7] * 20  # and the one that opens them
    for echo, most in ((False, 44), (True, 65)):
        planned(prompt=ids, max_tokens=10**6, logprobs=3, echo=echo)
        with pytest.raises(ApiError, match=f"up to {2 * most * 4} log-probabilities") as told:
            planned(prompt=ids, max_tokens=10**6, logprobs=3, echo=echo, n=2)
        assert told.value.code == "too_many_log_probabilities"


def test_only_the_first_text_of_a_prompt_has_it_scored() -> None:
    with client_of() as (_, service):
        keys = {"model": "тел", "prompt": ["Таң", "Кич"], "n": 3}
        for more, wanted in (
            ({"echo": True, "logprobs": 0}, [True, False, False] * 2),
            ({"echo": True}, [False] * 6),
            ({"logprobs": 0}, [False] * 6),
        ):
            asked = CompletionRequest.model_validate(keys | more)
            job = asyncio.run(text_job(service, asked))
            assert [each.scored for each in job.generations] == wanted
