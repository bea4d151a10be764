"""From a request to generations, and from their updates to an answer or a stream."""

import asyncio
import json
import secrets
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np

from endonym.errors import RecipeError
from endonym.generate.sample import SamplerState, beginning
from endonym.serve.answers import (
    ApiError,
    ChatForm,
    Form,
    Json,
    TextForm,
    error_json,
    json_bytes,
    pieces_of,
)
from endonym.serve.desk import Desk
from endonym.serve.engine import Engine, Vector, chat_ids
from endonym.serve.limits import Receive
from endonym.serve.pieces import TextPiece, Token
from endonym.serve.requests import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    each_alone,
)
from endonym.serve.scheduler import Generation, News, Scheduler, Update, take_each

LONGEST_ID = 10
"""Digits."""
MOST_NATS = 1 << 19
"""Log-probabilities of one answer: about 50 MB while it is made."""
T = TypeVar("T")
Numbered = tuple[int, Update]
"""An update with the number of its text in the request."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """The ids of a prompt. n_sent: how many of the last ones came from the client.

    not_first: what its continuation may not begin with (`beginning`). read: the text, if it was
    one, as the training text is spelled.
    """

    ids: list[int]
    n_sent: int
    not_first: str = ""
    read: str | None = None


class Service:
    """The models by their names; brings the news of their threads to the event loop.

    report: is told of faults.
    """

    def __init__(self, report: Callable[[str], None] = lambda text: None) -> None:
        self.report = report
        self.schedulers: dict[str, Scheduler] = {}
        self.desk = Desk()
        self.templates = ThreadPoolExecutor(1, "templates")
        """Fills in chat templates, one at a time: one that hangs holds up nothing else."""
        self.loop: asyncio.AbstractEventLoop | None = None

    def hand_out(self, news: News) -> None:
        """Bring news to the event loop. Schedulers call it from their threads."""
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
        schedulers = self.schedulers.values()
        if any(each.has_died for each in schedulers):
            return "failed"
        return "ending" if any(each.is_ending for each in schedulers) else "ok"

    def end(self) -> None:
        """End all generations, and take no new ones."""
        for scheduler in self.schedulers.values():
            scheduler.stop()

    def close(self) -> None:
        """End, and free the engines. Only when the event loop and its threads have ended."""
        self.end()
        self.templates.shutdown(cancel_futures=True)
        self.desk.close()
        for scheduler in self.schedulers.values():
            scheduler.close()

    def scheduler_with_room(self, name: str, count: int) -> Scheduler:
        """The scheduler of a model. Raises ApiError if so many texts could not be queued now."""
        scheduler = self.scheduler(name)
        if count > scheduler.capacity:
            message = f"{count} texts in one request; at most {scheduler.capacity}"
            raise ApiError(400, message, param="n", code="too_many_texts")
        scheduler.require_place(count)
        return scheduler


async def text_job(service: Service, body: CompletionRequest) -> "Job":
    """The generations of `/v1/completions`. Raises ApiError if they cannot be."""
    texts = body.prompts()
    scheduler = service.scheduler_with_room(body.model, len(texts) * (body.n or 1))
    engine = scheduler.engine
    prompts: list[Prompt] = []
    for each in texts:
        if isinstance(each, str):
            require_readable(each, scheduler, "prompt")
            # What is sent back must be what came, if the client does not say otherwise.
            is_kept = body.echo and not body.spelled
            read = each if is_kept else await asyncio.to_thread(engine.spelled, each)
            text, not_first = beginning(read, inside_word=body.inside_word)
            ids = await asyncio.to_thread(engine.vocabulary.text_ids, text)
            prompt = fitting(ids, engine, "prompt", n_sent=len(ids) - n_before(ids, engine))
            prompts.append(replace(prompt, not_first=not_first, read=read))
            continue
        require_known(each, engine, "prompt")
        prompts.append(fitting(begun(each, engine), engine, "prompt", n_sent=len(each)))
    form = TextForm(engine.vocabulary, body.logprobs is not None)
    return Job(scheduler, body, prompts, form)


async def embeddings(service: Service, body: EmbeddingRequest, receive: Receive) -> bytes | None:
    """The answer to `/v1/embeddings`; None if the client has gone. Raises ApiError for no text.

    Each vector is the mean of the last hidden states over a text's tokens, scaled to length 1.
    """
    scheduler = service.scheduler(body.model)
    rows = list[list[int]]()
    engine = scheduler.engine
    for each in each_alone(body.input):
        if isinstance(each, str):
            # A character has up to 4 bytes.
            text = each[: scheduler.most_bytes // 4] if body.truncate else each
            require_readable(text, scheduler, "input")
            ids = await asyncio.to_thread(engine.vocabulary.text_ids, text) if text else []
        else:
            ids = each
        require_known(ids, engine, "input")
        ids = begun(ids, engine) if ids else []
        if len(ids) <= len(engine.before):
            message = "a text without a token has no embedding"
            raise ApiError(400, message, param="input", code="no_token")
        ids = ids[: engine.context] if body.truncate else ids
        rows.append(fitting(ids, engine, "input", n_sent=len(ids)).ids)
    futures = scheduler.mean_states(rows)
    try:
        means = await unless_gone(asyncio.gather(*map(asyncio.wrap_future, futures)), receive)
    finally:
        for each in futures:
            each.cancel()
    if means is None:
        return None
    usage = sum(len(row) - len(engine.before) for row in rows)
    return await asyncio.to_thread(embeddings_json, body, means, usage)


def embeddings_json(body: EmbeddingRequest, means: Sequence[Vector], tokens: int) -> bytes:
    """The JSON of embeddings. May take seconds: called in a thread."""
    data = list[Json]()
    for number, mean_D in enumerate(means):
        length = float(np.linalg.norm(mean_D))
        if not 0 < length < np.inf:
            raise ApiError(500, f"the model's numbers for text {number} are none", param="input")
        if body.dimensions not in (None, len(mean_D)):
            message = f"this model's features have {len(mean_D)} numbers, and are not cut"
            raise ApiError(400, f"dimensions: {message}", param="dimensions")
        unit_D = (mean_D / length).astype("<f4")
        is_plain = body.encoding_format == "float"
        shown = unit_D.tolist() if is_plain else b64encode(unit_D.tobytes()).decode("ascii")
        data.append({"object": "embedding", "index": number, "embedding": shown})
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    answer = {"object": "list", "data": data, "model": body.model, "usage": usage}
    return json_bytes(answer)


async def chat_job(service: Service, body: ChatRequest) -> "Job":
    """The generation of `/v1/chat/completions`. Raises ApiError for a base model."""
    scheduler = service.scheduler_with_room(body.model, body.n or 1)
    engine = scheduler.engine
    if engine.template is None:
        raise ApiError(
            400,
            f"{body.model} is a base model: it continues texts and has no chat template. "
            "Send the beginning of a text to /v1/completions.",
            param="model",
            code="no_chat_template",
        )
    messages = [
        {"role": known_role(message.role, engine.template), "content": message.text}
        for message in body.messages
    ]
    for each in messages:
        require_readable(each["content"], scheduler, "messages")
    try:
        loop = asyncio.get_running_loop()
        ids = await loop.run_in_executor(service.templates, chat_ids, engine, messages)
    except RecipeError as error:
        raise ApiError(400, error.message, param="messages") from error
    prompt = fitting(ids, engine, "messages", n_sent=len(ids) - n_before(ids, engine))
    form = ChatForm(engine.vocabulary, bool(body.logprobs))
    return Job(scheduler, body, [prompt], form)


def known_role(role: str, template: str) -> str:
    """A role as a chat template names it.

    "developer" is the newer name of "system". Most templates leave messages with it out, or refuse
    them.
    """
    is_unknown = role == "developer" and role not in template
    return "system" if is_unknown else role


def begun(ids: Sequence[int], engine: Engine) -> list[int]:
    """The ids that a client sends, behind those that the model reads before a text.

    These stand there once, whether the client sends them or not.
    """
    before = [] if n_before(ids, engine) else engine.before
    return [*before, *ids] or [*engine.document_start]


def n_before(ids: Sequence[int], engine: Engine) -> int:
    """How many of the first ids are those that the model reads before a text."""
    before = engine.before or (() if ids != list(engine.document_start) else engine.document_start)
    return len(before) if tuple(ids[: len(before)]) == before else 0


def fitting(ids: list[int], engine: Engine, param: str, *, n_sent: int) -> Prompt:
    """A prompt of these ids. Raises ApiError if no token fits behind it. n_sent: as in Prompt."""
    if len(ids) > engine.context:
        raise _too_long(f"{len(ids)} tokens with those that open a text", engine, param)
    return Prompt(ids, n_sent)


def require_known(ids: Sequence[int], engine: Engine, param: str) -> None:
    """Raise ApiError for ids that the vocabulary has not."""
    unknown = next((index for index in ids if index >= engine.vocabulary.vocab), None)
    if unknown is not None:
        message = f"id {unknown} in a vocabulary of {engine.vocabulary.vocab}"
        raise ApiError(400, message, param=param)


def require_unicode(text: str, param: str) -> int:
    """The bytes of a text. Raises ApiError for a text that is no Unicode."""
    try:
        return len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        message = f"half of a character (a lone surrogate) at character {error.start}"
        raise ApiError(400, message, param=param) from error


def require_readable(text: str, scheduler: Scheduler, param: str) -> None:
    """Raise ApiError for a text that is no Unicode, or longer than any context."""
    size = require_unicode(text, param)
    if size > scheduler.most_bytes:
        raise _too_long(f"{size} bytes", scheduler.engine, param)


def _too_long(length: str, engine: Engine, param: str) -> ApiError:
    message = f"{length}, but the model's context is {engine.context} tokens"
    return ApiError(400, message, param=param, code="context_length_exceeded")


class Job:
    """One request: its generations, `n` for each prompt, and the answer that they make.

    Draws depend on seed, number and prompt. Raises ApiError for more log-probabilities than an
    answer may hold, and for a bias of what is no id.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        body: CompletionRequest | ChatRequest,
        prompts: list[Prompt],
        form: Form,
    ) -> None:
        self.scheduler = scheduler
        self.body = body
        self.prompts = prompts
        self.form = form
        self.id = f"{form.prefix}-{secrets.token_hex(12)}"
        self.created = int(time.time())
        defaults = scheduler.engine.defaults
        length = body.length(defaults)
        logprobs = body.likeliest()
        times = body.n or 1
        if logprobs is not None:
            room = scheduler.engine.context + 1
            numbers_each = 1 + logprobs
            n_tokens = 0
            for size in (len(prompt.ids) for prompt in prompts):
                n_tokens += (size if body.echo else 0) + min(length, room - size)
            count = n_tokens * times * numbers_each
            # One text of a whole context may always have them.
            most = max(MOST_NATS, room * numbers_each)
            if count > most:
                message = f"up to {count} log-probabilities in one answer; at most {most}"
                raise ApiError(400, message, param="logprobs", code="too_many_log_probabilities")
        seed = secrets.randbits(60) if body.seed is None else body.seed
        bias = logit_bias(body, scheduler.engine)
        self.generations = [
            Generation(
                [*prompt.ids],
                length,
                SamplerState(
                    body.sampling(seed + number, defaults),
                    prompt.ids,
                    min_tokens=body.min_tokens,
                    bias=bias,
                    not_first=prompt.not_first,
                ),
                stop=body.stops(),
                logprobs=logprobs,
                scored=bool(body.echo) and logprobs is not None and not number,
            )
            for prompt in prompts
            for number in range(times)
        ]
        self._begun: set[int] = set()
        self._news: list[Numbered] = []
        self._changed = asyncio.Event()
        self._ended = asyncio.Event()
        self._left = len(self.generations)

    def begin(self) -> None:
        """Queue the generations. Raises ApiError if there is no place."""
        for number, each in enumerate(self.generations):
            each.take = partial(self._take, number)
        self.scheduler.submit(self.generations)

    def _take(self, number: int, update: Update) -> None:
        """Note an update of a text, which may be its last."""
        self._news.append((number, update))
        self._left -= update.reason is not None
        self._changed.set()
        if not self._left:
            self._ended.set()

    def _cancel(self) -> None:
        if self._left:
            self.scheduler.cancel(self.generations)

    async def whole(self, receive: Receive) -> bytes | None:
        """The answer at once; None if the client has gone. Raises ApiError if the engine failed."""
        try:
            await unless_gone(self._ended.wait(), receive)
        finally:
            self._cancel()
        if not self._ended.is_set():
            return None
        if any(update.reason == "failed" for _, update in self._news):
            raise self.scheduler.failure()
        return await asyncio.to_thread(self._answer)

    def _answer(self) -> bytes:
        """The JSON of a whole answer. May take seconds: called in a thread."""
        pieces: list[list[TextPiece]] = [[] for _ in self.generations]
        reasons: dict[int, str | None] = {}
        for number, update in self._news:
            pieces[number] += [*self._prompt(number), *update.pieces]
            reasons[number] = update.reason
        choices = [self.form.whole(n, each, reasons[n]) for n, each in enumerate(pieces)]
        answer = self._json(self.form.whole_kind, choices, self._usage()) | self._read()
        return json_bytes(answer)

    async def stream(self) -> AsyncIterator[bytes]:
        """The answer as server-sent events, each a chunk. Left early, everything is cancelled."""
        kind = self.form.chunk_kind
        openings = [self.form.opening(n) for n in range(len(self.generations))]
        try:
            yield b"".join(_event(self._json(kind, [opening])) for opening in openings if opening)
            if read := self._read():
                yield _event(self._json(kind, []) | read)
            while self._left or self._news:
                await self._changed.wait()
                self._changed.clear()
                news = self._news
                self._news = []
                has_prompts = self.body.echo and any(n not in self._begun for n, _ in news)
                yield await asyncio.to_thread(self._sent, news) if has_prompts else self._sent(news)
                if any(update.reason == "failed" for _, update in news):
                    return
        finally:
            self._cancel()
        options = self.body.stream_options
        if options is not None and options.include_usage:
            yield _event(self._json(kind, [], self._usage()))
        yield b"data: [DONE]\n\n"

    def _sent(self, news: Sequence[Numbered]) -> bytes:
        """The chunks that are sent of some updates; with log-probabilities, one for each piece."""
        events: list[bytes] = []
        for number, update in news:
            if update.reason == "failed":
                events.append(_event(error_json(self.scheduler.failure())))
                continue
            pieces = [*self._prompt(number), *update.pieces]
            chunks = [(piece,) for piece in pieces]
            last = chunks.pop() if chunks and not pieces[-1].text else ()
            choices = [self.form.chunk(number, chunk, None) for chunk in chunks]
            if last or update.reason:
                choices.append(self.form.chunk(number, last, update.reason))
            events += [_event(self._json(self.form.chunk_kind, [choice])) for choice in choices]
        return b"".join(events)

    def _prompt(self, number: int) -> list[TextPiece]:
        """The prompt of a text as pieces, if it is part of the answer; once for each text.

        The first text of each prompt has its log-probabilities.
        """
        if not self.body.echo or number in self._begun:
            return []
        self._begun.add(number)
        times = len(self.generations) // len(self.prompts)
        prompt = self.prompts[number // times]
        first = number - number % times  # text of the same prompt
        scored = self.generations[first].prompt
        tokens = [Token(prompt.ids[0]), *(scored or map(Token, prompt.ids[1:]))]
        tokens = tokens[len(prompt.ids) - prompt.n_sent :]
        pieces = pieces_of(self.scheduler.engine.vocabulary, tokens)
        if prompt.read and pieces and pieces[0].text[:1] == " " != prompt.read[0]:
            # The space that some tokenizers put before a text was not sent.
            pieces[0] = replace(pieces[0], text=pieces[0].text[1:])
        is_scored = self.body.likeliest() is not None
        return pieces if is_scored else [TextPiece("".join(piece.text for piece in pieces), ())]

    def _read(self) -> Json:
        """The prompts as they were read, if that was asked for."""
        return {"prompt": [each.read for each in self.prompts]} if self.body.spelled else {}

    def _usage(self) -> Json:
        """Tokens of the request; the one that opens a document is not counted."""
        sent = sum(prompt.n_sent for prompt in self.prompts)
        answer = sum(generation.sampler_state.made for generation in self.generations)
        return {"prompt_tokens": sent, "completion_tokens": answer, "total_tokens": sent + answer}

    def _json(self, kind: str, choices: Sequence[Json], usage: Json | None = None) -> Json:
        head = {"id": self.id, "object": kind, "created": self.created, "model": self.body.model}
        return {**head, "choices": choices} | ({"usage": usage} if usage else {})


async def unless_gone(work: Awaitable[T], receive: Receive) -> T | None:
    """What `work` gives; None if the client closes the connection before, and it is cancelled."""
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for each in (working, gone):
            each.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    """Returns when the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


def logit_bias(body: CompletionRequest | ChatRequest, engine: Engine) -> Mapping[int, float]:
    """The bias of each id. Raises ApiError for what is no id."""
    vocab = engine.vocabulary.vocab
    for name in body.logit_bias or {}:
        is_number = name.isascii() and name.isdigit() and len(name) <= LONGEST_ID
        if not is_number or int(name) >= vocab:
            message = f"{name[: 2 * LONGEST_ID]!r} is no id of a vocabulary of {vocab}"
            raise ApiError(400, message, param="logit_bias")
    return {int(name): bias for name, bias in (body.logit_bias or {}).items()}


def _event(value: Json) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()
