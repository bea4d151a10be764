"""Sequences share an engine: each as if it were alone, in turn, and none is forgotten."""

import threading
import time
from collections.abc import Iterable
from functools import partial

import pytest
from serving import SlowEngine, toy_language_model

from endonym.generate.sample import SamplerState, Sampling
from endonym.serve.answers import ApiError
from endonym.serve.scheduler import Generation, Scheduler, Update


class Told:
    """The updates of a generation."""

    def __init__(self, scheduler: Scheduler, text: str, length: int = 10, **keys: object) -> None:
        engine = scheduler.engine
        ids = [*engine.before, *engine.vocabulary.encode(text)]
        self.updates: list[Update] = []
        self.ended = threading.Event()
        self.at = 0.0
        self.generation = Generation(ids, length, SamplerState(Sampling(seed=1)), **keys)  # type: ignore[arg-type]
        self.generation.take = self._take

    def _take(self, update: Update) -> None:
        self.updates.append(update)
        if update.reason:
            self.at = time.monotonic()
            self.ended.set()

    @property
    def text(self) -> str:
        assert self.ended.wait(20)
        return "".join(piece.text for each in self.updates for piece in each.pieces)


def all_ended(told: Iterable[Told]) -> None:
    for each in told:
        assert each.ended.wait(20)


def scheduler_of(engine: SlowEngine) -> Scheduler:
    return Scheduler(engine, report=lambda text: None)


TEXTS = ["Әбием мич янында", "Le facteur passe", "ភូមិ", "Un pod vechi de lemn", "Таң", ""]


def test_together_each_text_is_what_it_is_alone() -> None:
    one, many = scheduler_of(SlowEngine(slots=1)), scheduler_of(SlowEngine(slots=4))
    alone = [Told(one, text, 20) for text in TEXTS]
    together = [Told(many, text, 20) for text in TEXTS]
    for scheduler, told in ((one, alone), (many, together)):
        for each in told:
            scheduler.submit([each.generation])
    assert [each.text for each in together] == [each.text for each in alone]
    assert many.engine.steps < one.engine.steps  # type: ignore[attr-defined]
    for scheduler in (one, many):
        scheduler.close()
        assert (scheduler.active, scheduler.waiting) == (0, 0)


def test_a_long_prompt_is_read_in_parts_with_the_same_outcome() -> None:
    text = "Кояшлы көндә урамда балалар уйный"
    whole, parts = SlowEngine(), SlowEngine()
    parts.batch = 3
    told: list[Told] = []
    for engine in (whole, parts):
        scheduler = scheduler_of(engine)
        told.append(Told(scheduler, text, 8, logprobs=1, scored=True))
        scheduler.submit([told[-1].generation])
        assert told[-1].text
        scheduler.close()
    assert parts.steps > whole.steps
    first, second = ([token.nats for token in each.generation.prompt] for each in told)
    assert len(first) == len(toy_language_model().tokenizer.encode(text))
    assert first == pytest.approx(second, abs=1e-4)


def test_a_prompt_is_scored_before_any_text_after_it_that_has_it_too() -> None:
    """Whatever slots are free, and however few tokens a step computes."""
    engine = SlowEngine(slots=3)
    engine.batch = 4
    scheduler = scheduler_of(engine)
    others = [Told(scheduler, "Таң", length) for length in (9, 3, 5)]
    scheduler.submit([each.generation for each in others])
    texts = [Told(scheduler, "Кояшлы көндә урамда", 3, logprobs=0, scored=n == 0) for n in range(6)]
    wanted = len(texts[0].generation.ids) - 1
    early: list[int] = []

    def take(update: Update, told: Told) -> None:
        early.append(wanted - len(texts[0].generation.prompt))
        Told._take(told, update)

    for each in texts:
        each.generation.take = partial(take, told=each)
    scheduler.submit([each.generation for each in texts])
    all_ended(texts)
    assert set(early) == {0}
    scheduler.close()


def test_requests_take_turns_whatever_their_number_of_texts() -> None:
    scheduler = scheduler_of(SlowEngine(slots=1, seconds=0.002))
    greedy = [Told(scheduler, "Таң", 5) for _ in range(3)]
    modest = Told(scheduler, "Кич", 5)
    scheduler.submit([each.generation for each in greedy])
    scheduler.submit([modest.generation])
    all_ended([*greedy, modest])
    assert modest.at < max(each.at for each in greedy)
    scheduler.close()


def test_a_cancelled_text_frees_its_slot_and_a_full_queue_is_told() -> None:
    engine = SlowEngine(slots=1, seconds=0.01)
    scheduler = scheduler_of(engine)
    scheduler.capacity = 4
    long = Told(scheduler, "Таң", 60)
    scheduler.submit([long.generation])
    queued = [Told(scheduler, "Кич", 2) for _ in range(4)]
    time.sleep(0.05)
    scheduler.submit([each.generation for each in queued])
    with pytest.raises(ApiError, match="4 sequences wait already") as told:
        scheduler.submit([Told(scheduler, "Төн").generation])
    assert 1 <= int(told.value.headers["Retry-After"]) <= 60
    scheduler.cancel([long.generation, queued[0].generation])
    all_ended(queued[1:])
    assert scheduler.counts.cancelled == 2
    assert not long.ended.is_set()
    assert not queued[0].ended.is_set()
    scheduler.close()


def test_texts_whose_client_has_gone_leave_the_queue_at_once() -> None:
    scheduler = scheduler_of(SlowEngine(slots=1, seconds=0.02))
    long = Told(scheduler, "Таң", 60)
    scheduler.submit([long.generation])
    while not scheduler.active:
        time.sleep(0.001)
    gone = [Told(scheduler, "Кич", 60).generation for _ in range(scheduler.capacity)]
    one = Told(scheduler, "Төн", 2)
    scheduler.submit(gone[:4])
    scheduler.submit([*gone[4:-1], one.generation])
    scheduler.cancel(gone)  # one was never queued
    assert (scheduler.waiting, scheduler.counts.cancelled) == (1, len(gone) - 1)
    scheduler.submit([Told(scheduler, "Көн", 2).generation for _ in range(scheduler.capacity - 1)])
    scheduler.cancel([long.generation])
    assert one.ended.wait(20)
    assert one.updates[-1].reason in ("stop", "length")
    scheduler.close()


@pytest.mark.parametrize("part", ["_admit", "_step"])
def test_an_error_fails_its_texts_and_not_the_next(monkeypatch: pytest.MonkeyPatch, part: str):
    said: list[str] = []
    scheduler = Scheduler(SlowEngine(), report=said.append)
    broken, whole = Told(scheduler, "Таң"), Told(scheduler, "Таң")
    with monkeypatch.context() as patched:
        patched.setattr(scheduler, part, lambda: [].pop())
        scheduler.submit([broken.generation])
        assert broken.ended.wait(20)
    assert broken.updates[-1].reason == "failed"
    assert "IndexError" in said[0]
    scheduler.submit([whole.generation])
    assert whole.ended.wait(20)
    assert whole.updates[-1].reason in ("stop", "length")
    assert not scheduler.has_died
    scheduler.close()


def test_a_thread_that_dies_fails_its_texts_and_takes_no_more() -> None:
    said: list[str] = []
    engine = SlowEngine()
    scheduler = Scheduler(engine, report=said.append)
    engine.seconds = -1.0
    engine.release = lambda slot: [].pop()  # type: ignore[method-assign]
    told = Told(scheduler, "Таң")
    scheduler.submit([told.generation])
    assert told.ended.wait(20)
    assert told.updates[-1].reason == "failed"
    with pytest.raises(ApiError, match="could not be computed"):
        scheduler.submit([Told(scheduler, "Кич").generation])
    assert "no longer computed" in said[-1]
    scheduler.close()


def test_closing_ends_all_texts_and_no_new_ones_are_taken() -> None:
    scheduler = scheduler_of(SlowEngine(slots=1, seconds=0.01))
    told = [Told(scheduler, "Таң", 60) for _ in range(3)]
    scheduler.submit([each.generation for each in told])
    scheduler.close()
    assert all(each.updates[-1].reason == "failed" for each in told)
    with pytest.raises(ApiError, match="is ending"):
        scheduler.submit([Told(scheduler, "Кич").generation])


def test_a_request_of_nothing_is_a_fault_of_the_caller_and_tokens_of_others_are_counted() -> None:
    scheduler = scheduler_of(SlowEngine())
    with pytest.raises(ValueError, match="without sequences"):
        scheduler.submit([])
    told = Told(scheduler, "Таң", 5)
    scheduler.submit([told.generation])
    assert told.text
    prompt = len(toy_language_model().tokenizer.encode("Таң")) + 1
    assert scheduler.counts.prompt_tokens == prompt
    assert scheduler.counts.generated_tokens == told.generation.sampler_state.made
    scheduler.close()


@pytest.mark.parametrize("long", [1, 1_000])
def test_a_text_of_the_longest_tokens_is_still_encoded(monkeypatch: pytest.MonkeyPatch, long: int):
    """long: what an unknown token may stand for, here less and more than any of the vocabulary."""
    monkeypatch.setattr("endonym.serve.scheduler.LONG_TOKEN", long)
    scheduler = scheduler_of(SlowEngine(context=64))
    vocabulary = toy_language_model().tokenizer
    longest = max((vocabulary.bytes_of(index) for index in range(vocabulary.vocab)), key=len)
    assert len(longest) > len("ә".encode())
    assert scheduler.most_bytes == 64 * max(long, len(longest))
    scheduler.close()


def test_a_text_ends_with_the_token_that_fills_the_context() -> None:
    """What is chosen behind the last place needs no place: it is not computed."""
    scheduler = scheduler_of(SlowEngine(context=24))
    told = Told(scheduler, "Таң", 1_000)
    told.generation.sampler_state.min_tokens = 1_000
    scheduler.submit([told.generation])
    assert told.ended.wait(20)
    assert told.updates[-1].reason == "length"
    assert len(told.generation.ids) == 24 + 1
    scheduler.close()


def test_a_text_goes_on_while_a_long_prompt_is_read() -> None:
    engine = SlowEngine(slots=2)
    engine.batch = 3
    scheduler = scheduler_of(engine)
    prompt, text = Told(scheduler, "Кояшлы көндә урамда балалар уйный", 3), Told(scheduler, "", 3)
    length, read = len(prompt.generation.ids), list[int]()

    def take(update: Update) -> None:
        read.append(prompt.generation.past)
        text._take(update)

    text.generation.take = take
    scheduler.submit([prompt.generation, text.generation])
    assert text.ended.wait(20)
    assert read[-1] < length
    assert prompt.ended.wait(20)
    scheduler.close()


def test_when_to_come_again_is_known_from_the_texts_that_have_ended() -> None:
    engine = SlowEngine(slots=1)
    scheduler = scheduler_of(engine)
    for _ in range(30):
        told = Told(scheduler, "Таң", 1)
        scheduler.submit([told.generation])
        assert told.ended.wait(20)
    engine.seconds = 0.05
    long = Told(scheduler, "Таң", 60)
    scheduler.submit([long.generation, *(Told(scheduler, "Кич").generation for _ in range(16))])
    with pytest.raises(ApiError) as full:
        scheduler.submit([Told(scheduler, "Төн").generation])
    assert int(full.value.headers["Retry-After"]) < 12, (
        "at first a second is expected of each of seventeen"
    )
    scheduler.close()


def test_free_slots_are_places_too() -> None:
    engine = SlowEngine(slots=3, seconds=0.3)
    scheduler = scheduler_of(engine)
    long = Told(scheduler, "Таң", 60)
    scheduler.submit([long.generation])
    while not scheduler.active:
        time.sleep(0.001)
    scheduler.submit([Told(scheduler, "Кич").generation])  # waits for the end of this step
    scheduler.submit([Told(scheduler, "Төн").generation for _ in range(scheduler.capacity)])
    assert scheduler.counts.refused == 0
    scheduler.close()


def test_what_waits_when_the_engine_fails_ends_once_and_is_not_computed_later() -> None:
    engine = SlowEngine(slots=1)
    scheduler = scheduler_of(engine)
    engine.seconds = -1.0
    first = [Told(scheduler, text) for text in ("Таң", "Кич", "Төн")]
    scheduler.submit([each.generation for each in first])
    all_ended(first)
    engine.seconds = 0.0
    last = Told(scheduler, "Көн", 3)
    scheduler.submit([last.generation])
    assert last.ended.wait(20)
    scheduler.close()
    assert [[update.reason for update in each.updates] for each in first] == [["failed"]] * 3
    assert (scheduler.counts.failed, scheduler.counts.ended) == (3, 1)
