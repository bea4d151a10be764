"""From a request to generations, and from their updates to an answer or a stream."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from endonym.errors import RecipeError
from endonym.generate.sample import SamplerState
from endonym.serve.answers import (
    ApiError,
    ChatForm,
    Form,
    Json,
    TextForm,
    error_json,
    pieces_of,
    usage_json,
)
from endonym.serve.chat import chat_ids
from endonym.serve.engine import Engine
from endonym.serve.limits import Receive
from endonym.serve.pieces import TextPiece, Token
from endonym.serve.reader import Numbered, Reader
from endonym.serve.requests import Asked, ChatRequest, CompletionRequest
from endonym.serve.scheduler import Broken, Full, Generation, News, Scheduler, take_each

LONGEST_ID = 10
"""Digits."""

MOST_NATS = 1 << 19
"""Log-probabilities of one answer: about 50 MB while it is made."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """The ids of a prompt. given: how many of the last ones came from the client."""

    ids: list[int]
    given: int


class Service:
    """The models by their names; brings the news of their threads to the event loop.

    report: is told of faults.
    """

    def __init__(self, report: Callable[[str], None] = lambda text: None) -> None:
        self.report = report
        self.schedulers: dict[str, Scheduler] = {}
        self.templates = ThreadPoolExecutor(1, "templates")
        """Fills in chat templates, one at a time: one that hangs holds up nothing else."""
        self.is_ending = False
        self.loop: asyncio.AbstractEventLoop | None = None

    def hand_out(self, news: News) -> None:
        """Called by schedulers."""
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(take_each, news)

    def scheduler(self, name: str) -> Scheduler:
        """The scheduler of a model. Raises ApiError if there is no such model."""
        if name not in self.schedulers:
            message = f"there is no model {name!r} here; there is: {', '.join(self.schedulers)}"
            raise ApiError(404, message, param="model", code="model_not_found")
        return self.schedulers[name]

    @property
    def state(self) -> str:
        """How it is: ok, ending, or failed if a model is no longer computed."""
        if self.is_ending:
            return "ending"
        return "failed" if any(each.has_died for each in self.schedulers.values()) else "ok"

    def end(self) -> None:
        """End all generations, and take no new ones."""
        self.is_ending = True
        for each in self.schedulers.values():
            each.stop()

    def close(self) -> None:
        """End, and free the engines. Only when the event loop and its threads have ended."""
        self.end()
        self.templates.shutdown(cancel_futures=True)
        for each in self.schedulers.values():
            each.close()

    def failure(self) -> ApiError:
        """What a request is told whose texts are not computed."""
        if self.is_ending:
            return ApiError(503, "the server is ending", code="server_ending")
        return ApiError(500, "the model could not be computed; the server's log says why")

    @contextmanager
    def queueing(self) -> Generator[None]:
        """Around a question to a queue: its refusals become ApiErrors."""
        if self.is_ending:
            raise self.failure()
        try:
            yield
        except Broken as error:
            raise self.failure() from error
        except Full as error:
            headers = {"Retry-After": str(error.seconds)}
            message = f"{error.message}. {error.do}"
            raise ApiError(429, message, code="queue_full", headers=headers) from error

    def require_place(self, count: int, scheduler: Scheduler) -> None:
        """Raise ApiError if the texts of a request could not be queued now."""
        if count > scheduler.capacity:
            message = f"{count} texts in one request; at most {scheduler.capacity}"
            raise ApiError(400, message, param="n", code="too_many_texts")
        with self.queueing():
            scheduler.require_place(count)


async def text_job(service: Service, asked: CompletionRequest) -> "Job":
    """The generations of `/v1/completions`. Raises ApiError if they cannot be."""
    scheduler = service.scheduler(asked.model)
    engine = scheduler.engine
    given = asked.prompts()
    service.require_place(len(given) * (asked.n or 1), scheduler)
    prompts = [await opened(scheduler, each) for each in given]
    form = TextForm(engine.vocabulary, asked.logprobs is not None)
    job = Job(service, scheduler, prompts, form, asked.model, bool(asked.echo))
    job.plan(asked, asked.length(), asked.logprobs)
    return job


async def chat_job(service: Service, asked: ChatRequest) -> "Job":
    """The generation of `/v1/chat/completions`. Raises ApiError for a base model."""
    scheduler = service.scheduler(asked.model)
    engine = scheduler.engine
    service.require_place(asked.n or 1, scheduler)
    if engine.template is None:
        raise ApiError(
            400,
            f"{asked.model} is a base model: it continues texts and has no chat template. "
            "Send the beginning of a text to /v1/completions.",
            param="model",
            code="no_chat_template",
        )
    messages = [{"role": each.role, "content": each.content} for each in asked.messages]
    for each in messages:
        require_readable(each["content"], scheduler, "messages")
    try:
        loop = asyncio.get_running_loop()
        ids = await loop.run_in_executor(service.templates, chat_ids, engine, messages)
    except RecipeError as error:
        raise ApiError(400, error.message, param="messages") from error
    prompt = Prompt(ids if ids[:1] == [engine.opening] else [engine.opening, *ids], len(ids))
    require_room(prompt.ids, engine, "messages")
    form = ChatForm(engine.vocabulary, bool(asked.logprobs))
    job = Job(service, scheduler, [prompt], form, asked.model)
    job.plan(asked, asked.length(), asked.likeliest())
    return job


async def opened(scheduler: Scheduler, prompt: str | list[int]) -> Prompt:
    """A prompt at the start of a document. Raises ApiError if the model cannot read it."""
    engine = scheduler.engine
    if isinstance(prompt, str):
        require_readable(prompt, scheduler, "prompt")
        ids = await asyncio.to_thread(engine.vocabulary.encode, prompt)
    else:
        ids = prompt
        beyond = next((each for each in ids if each >= engine.vocabulary.vocab), None)
        if beyond is not None:
            message = f"id {beyond} in a vocabulary of {engine.vocabulary.vocab}"
            raise ApiError(400, message, param="prompt")
    is_open = not isinstance(prompt, str) and ids[:1] == [engine.opening]
    found = Prompt(ids if is_open else [engine.opening, *ids], len(ids))
    require_room(found.ids, engine, "prompt")
    return found


def require_readable(text: str, scheduler: Scheduler, param: str) -> None:
    """Raise ApiError for a text that is no Unicode, or longer than any context."""
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        message = f"half of a character (a lone surrogate) at character {error.start}"
        raise ApiError(400, message, param=param) from error
    if size > scheduler.most_bytes:
        raise _too_long(f"{size} bytes", scheduler.engine, param)


def require_room(ids: Sequence[int], engine: Engine, param: str) -> None:
    """Raise ApiError if no token fits behind these."""
    if len(ids) > engine.context:
        raise _too_long(f"{len(ids)} tokens with the one that opens a text", engine, param)


def _too_long(found: str, engine: Engine, param: str) -> ApiError:
    message = f"{found}, but the model's context is {engine.context} tokens"
    return ApiError(400, message, param=param, code="context_length_exceeded")


@dataclass(slots=True)
class Job:
    """One request: its generations, and how they are told."""

    service: Service
    scheduler: Scheduler
    prompts: list[Prompt]
    form: Form
    model: str
    echo: bool = False
    generations: list[Generation] = field(default_factory=list[Generation])
    has_usage: bool = False
    id: str = field(init=False)
    created: int = field(init=False)
    _begun: set[int] = field(default_factory=set[int])

    def __post_init__(self) -> None:
        self.id, self.created = f"{self.form.prefix}-{secrets.token_hex(12)}", int(time.time())

    def plan(self, asked: Asked, length: int, logprobs: int | None) -> None:
        """Make the generations: `n` for each prompt. Draws depend on seed, number and prompt."""
        if logprobs is not None:
            self._require_modest(asked.n or 1, length, logprobs)
        seed = secrets.randbits(60) if asked.seed is None else asked.seed
        bias = logit_bias(asked, self.scheduler.engine)
        self.has_usage = asked.stream_options is not None and asked.stream_options.include_usage
        for prompt in self.prompts:
            for number in range(asked.n or 1):
                sampling = asked.sampling(seed + number)
                sampler_state = SamplerState(
                    sampling, prompt.ids, min_tokens=asked.min_tokens, bias=bias
                )
                self.generations.append(
                    Generation(
                        [*prompt.ids],
                        length,
                        sampler_state,
                        stop=asked.stops(),
                        logprobs=logprobs,
                        scored=self.echo and logprobs is not None and not number,
                    )
                )

    def _require_modest(self, times: int, length: int, logprobs: int) -> None:
        """Raise ApiError for more log-probabilities than an answer may hold.

        One text of a whole context may always have them.
        """
        room, each = self.scheduler.engine.context + 1, 1 + logprobs
        prompts = [len(prompt.ids) for prompt in self.prompts]
        told = sum(self.echo * size + min(length, room - size) for size in prompts) * times * each
        if told > (most := max(MOST_NATS, room * each)):
            message = f"up to {told} log-probabilities in one answer; at most {most}"
            raise ApiError(400, message, param="logprobs", code="too_many_log_probabilities")

    def begin(self) -> Reader:
        """Queue the generations. Raises ApiError if there is no place."""
        reader = Reader(self.scheduler, self.generations)
        with self.service.queueing():
            reader.begin()
        return reader

    async def whole(self, reader: Reader, receive: Receive) -> bytes | None:
        """The answer at once; None if the client has gone. Raises ApiError if the engine failed."""
        news = await reader.all(receive)
        if news is None:
            return None
        if any(update.reason == "failed" for _, update in news):
            raise self.service.failure()
        return await asyncio.to_thread(self._answer, news)

    def _answer(self, news: Sequence[Numbered]) -> bytes:
        """The JSON of a whole answer. May take seconds: called in a thread."""
        pieces: list[list[TextPiece]] = [[] for _ in self.generations]
        reasons: dict[int, str | None] = {}
        for number, update in news:
            pieces[number] += [*self._prompt(number), *update.pieces]
            reasons[number] = update.reason
        choices = [self.form.whole(n, each, reasons[n]) for n, each in enumerate(pieces)]
        found = self._json(self.form.whole_kind, choices, self._usage())
        return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()

    async def stream(self, reader: Reader) -> AsyncIterator[bytes]:
        """The answer as server-sent events, each a chunk."""
        kind = self.form.chunk_kind
        openings = [self.form.opening(n) for n in range(len(self.generations))]
        yield b"".join(_event(self._json(kind, [each])) for each in openings if each)
        async for news in reader.updates():
            has_prompts = self.echo and any(number not in self._begun for number, _ in news)
            yield await asyncio.to_thread(self._told, news) if has_prompts else self._told(news)
            if any(update.reason == "failed" for _, update in news):
                return
        if self.has_usage:
            yield _event(self._json(kind, [], self._usage()))
        yield b"data: [DONE]\n\n"

    def _told(self, news: Sequence[Numbered]) -> bytes:
        """The chunks of some updates."""
        return b"".join(event for each in news for event in self._events(each))

    def _events(self, numbered: Numbered) -> list[bytes]:
        """The chunks of one update; with log-probabilities, one for each piece."""
        number, update = numbered
        if update.reason == "failed":
            error = self.service.failure()
            return [_event(error_json(error.status, error.message, code=error.code))]
        pieces = [*self._prompt(number), *update.pieces]
        chunks = [(piece,) for piece in pieces]
        last = chunks.pop() if chunks and not pieces[-1].text else ()
        events = [self.form.chunk(number, each, None) for each in chunks]
        if last or update.reason:
            events.append(self.form.chunk(number, last, update.reason))
        return [_event(self._json(self.form.chunk_kind, [each])) for each in events]

    def _prompt(self, number: int) -> list[TextPiece]:
        """The prompt as pieces, once, if it is part of the answer. The first of its texts has it
        scored.
        """
        if not self.echo or number in self._begun:
            return []
        self._begun.add(number)
        times = len(self.generations) // len(self.prompts)
        prompt = self.prompts[number // times]
        scored = self.generations[number - number % times].prompt
        tokens = scored or [Token(index) for index in prompt.ids[1:]]
        if prompt.given == len(prompt.ids):
            tokens = [Token(prompt.ids[0]), *tokens]
        pieces = pieces_of(self.scheduler.engine.vocabulary, tokens)
        return pieces if scored else [TextPiece("".join(each.text for each in pieces), ())]

    def _usage(self) -> Json:
        made = sum(each.sampler_state.made for each in self.generations)
        return usage_json(sum(each.given for each in self.prompts), made)

    def _json(self, kind: str, choices: Sequence[Json], usage: Json | None = None) -> Json:
        found = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        return {**found, "choices": choices} | ({"usage": usage} if usage else {})


def logit_bias(asked: Asked, engine: Engine) -> dict[int, float]:
    """The bias of each id. Raises ApiError for what is no id."""
    found: dict[int, float] = {}
    for name, bias in (asked.logit_bias or {}).items():
        is_number = name.isascii() and name.isdigit() and len(name) <= LONGEST_ID
        if not is_number or int(name) >= engine.vocabulary.vocab:
            message = (
                f"{name[: 2 * LONGEST_ID]!r} is no id of a vocabulary of {engine.vocabulary.vocab}"
            )
            raise ApiError(400, message, param="logit_bias")
        found[int(name)] = bias
    return found


def _event(value: Json) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()
