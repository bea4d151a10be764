"""From requests to generations, and back to answers."""

import asyncio
import json

import pytest
from serving import SlowEngine, client_of, toy_language_model

from endonym.serve.answers import ApiError
from endonym.serve.requests import CompletionRequest
from endonym.serve.scheduler import Scheduler, Update
from endonym.serve.service import Job, Service, text_job


def planned(**keys: object) -> Job:
    with client_of() as (_, service):
        return asyncio.run(text_job(service, CompletionRequest.model_validate(MODEL | keys)))


def ids_of(**keys: object) -> list[list[int]]:
    return [each.ids for each in planned(**keys).generations]


MODEL: dict[str, object] = {"model": "тел"}
TOKENIZER = toy_language_model().tokenizer


def test_each_prompt_has_its_continuations_in_order() -> None:
    one, two = ([TOKENIZER.end_id, *TOKENIZER.encode(text)] for text in ("Таң", "Кич"))
    assert ids_of(prompt=["Таң", "Кич"], n=2) == [one, one, two, two]
    assert ids_of(prompt="") == [[TOKENIZER.end_id]]
    assert ids_of(prompt=[TOKENIZER.end_id, 7]) == ids_of(prompt=[7])


def test_the_name_of_a_special_in_a_prompt_is_plain_text() -> None:
    (ids,) = ids_of(prompt="<|endoftext|>")
    assert ids.count(TOKENIZER.end_id) == 1
    assert len(ids) > 3


def test_seeds_differ_by_choice_and_are_kept_and_the_prompt_counts_as_said() -> None:
    made, again = (planned(prompt="Таң", n=3, seed=5).generations for _ in range(2))
    seeds = [each.sampler_state.sampling.seed for each in made]
    assert len(set(seeds)) == 3
    assert seeds == [each.sampler_state.sampling.seed for each in again]
    assert all(each.sampler_state.seen == set(each.ids) for each in made)


def test_ids_that_no_token_has_are_told_and_biases_are_of_ids_in_digits() -> None:
    vocab = TOKENIZER.vocab
    assert ids_of(prompt=[vocab - 1], logit_bias={str(vocab - 1): 1.0, "0": -1.0})
    with pytest.raises(ApiError, match=f"id {vocab} in a vocabulary of {vocab}"):
        planned(prompt=[vocab - 1, vocab])
    for name in (str(vocab), "²", "٣", "-1", "1.0", "", "9" * 11):
        with pytest.raises(ApiError, match="is no id of a vocabulary") as told:
            planned(logit_bias={name: 1.0})
        assert (told.value.status, told.value.param) == (400, "logit_bias")


def test_an_unknown_model_is_told_with_those_that_are_here() -> None:
    with pytest.raises(ApiError, match="no model 'x'") as told:
        Service().scheduler("x")
    assert told.value.status == 404


def test_log_probabilities_end_with_the_context(monkeypatch: pytest.MonkeyPatch):
    """64 tokens fit, and one is chosen behind them: however many were asked for."""
    monkeypatch.setattr("endonym.serve.service.MOST_NATS", 1)
    ids = [7] * 20  # and the one that opens them
    for echo, most in ((False, 44), (True, 65)):
        planned(prompt=ids, max_tokens=10**6, logprobs=3, echo=echo)
        with pytest.raises(ApiError, match=f"up to {2 * most * 4} log-probabilities") as told:
            planned(prompt=ids, max_tokens=10**6, logprobs=3, echo=echo, n=2)
        assert told.value.code == "too_many_log_probabilities"


SCORED = [
    ({"echo": True, "logprobs": 0}, [True, False, False] * 2),
    ({"echo": True}, [False] * 6),
    ({"logprobs": 0}, [False] * 6),
]


@pytest.mark.parametrize(("keys", "scored"), SCORED)
def test_only_the_first_text_of_a_prompt_has_it_scored(keys: dict[str, object], scored: list[bool]):
    job = planned(prompt=["Таң", "Кич"], n=3, **keys)
    assert [each.scored for each in job.generations] == scored


@pytest.mark.parametrize(
    ("read", "reasons", "cancelled"),
    [("whole", 3, 0), ("streamed", 3, 0), ("gone", 0, 3), ("left", 0, 3)],
)
def test_what_nobody_reads_any_more_is_cancelled(read: str, reasons: int, cancelled: int) -> None:
    async def receive() -> dict[str, str]:
        await asyncio.sleep(0 if read == "gone" else 60)
        return {"type": "http.disconnect"}

    async def go(service: Service) -> list[dict[str, object]]:
        service.loop = asyncio.get_running_loop()
        keys = {"n": 3, "max_tokens": 30, "min_tokens": 30}
        job = await text_job(service, CompletionRequest.model_validate(MODEL | keys))
        job.begin()
        if read in ("whole", "gone"):
            answer = await job.whole(receive)
            return json.loads(answer)["choices"] if answer else []
        stream, chunks = job.stream(), list[bytes]()
        async for chunk in stream:
            chunks += chunk.split(b"\n\n")
            if read == "left":
                break
        await stream.aclose()  # type: ignore[attr-defined]
        told = [json.loads(each[6:]) for each in chunks if each.startswith(b"data: {")]
        return [choice for each in told for choice in each["choices"]]

    service, engine = Service(), SlowEngine(slots=4, seconds=0.005)
    scheduler = Scheduler(engine, report=lambda text: None, hand_out=service.hand_out)
    service.schedulers["тел"] = scheduler
    choices = asyncio.run(go(service))
    assert [each["finish_reason"] for each in choices if each["finish_reason"]] == (
        ["length"] * reasons
    )
    service.close()
    counts = scheduler.counts
    assert (counts.cancelled + counts.failed, counts.ended) == (cancelled, reasons)
    assert counts.failed == 0 or engine.steps < 30


def test_a_stream_tells_what_came_before_anybody_read() -> None:
    """Of short texts even the end."""

    async def go() -> str:
        job = await text_job(service, CompletionRequest(model="тел", n=2))
        service.schedulers["тел"].submit = lambda sequences: None  # type: ignore[method-assign]
        job.begin()
        for each, reason in zip(job.generations, ("stop", "failed"), strict=True):
            each.take(Update(reason=reason))
        return b"".join([part async for part in job.stream()]).decode()

    with client_of() as (_, service):
        said = asyncio.run(asyncio.wait_for(go(), 20))
        assert service.schedulers["тел"].counts.cancelled == 0
    first, second = said.split("\n\n")[:2]
    assert '"finish_reason": "stop"' in first
    assert "could not be computed" in second
