"""The HTTP interface: OpenAI's completions, and what a server is watched by (Prometheus)."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError, StarletteHTTPException
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from pydantic import BaseModel

from endonym.config import reason_of
from endonym.serve.answers import ApiError, Json, error_json
from endonym.serve.limits import Access, App, Guard, Scope
from endonym.serve.requests import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    PreferenceRequest,
    ProofreadRequest,
    SuggestionRequest,
    refusal,
)
from endonym.serve.scheduler import Scheduler
from endonym.serve.service import Job, Service, chat_job, embeddings, text_job
from endonym.serve.writing import preference, proofread, suggestions

ASKED_PATHS = ("/v1/completions", "/v1/chat/completions", "/v1/embeddings", "/v1/models")
"""What clients of OpenAI's API ask for."""
MOST_SHOWN = 80
GONE = 499
"""The client has closed the connection: nobody reads this answer."""
PAGE = files("endonym.serve") / "page"
KINDS = {"css": "text/css", "js": "text/javascript", "html": "text/html"}
PAGE_FILES = (
    *("style.css", "surprise.css", "write.css"),
    *("shared.js", "write.js", "typed.js", "studio.js", "docs.js"),
)
PAGES = {"/": "index.html", "/studio": "studio.html", "/docs": "docs.html"}
COUNTED = {
    "prompt_tokens": "Tokens of prompts that were read",
    "generated_tokens": "Tokens that were generated",
    "ended": "Sequences that came to their end",
    "cancelled": "Sequences whose client went away",
    "refused": "Sequences that found the queue full",
    "failed": "Sequences that an error or the end of the server cut off",
}
SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
"""Seconds of the histogram."""


OF_A_MODEL = (
    *(CompletionRequest, ChatRequest, EmbeddingRequest),
    *(SuggestionRequest, ProofreadRequest, PreferenceRequest),
)
"""Requests that name a model."""


class ErrorDetail(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorAnswer(BaseModel):
    """An error in OpenAI's form."""

    error: ErrorDetail


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer} for status in (400, 401, 403, 404, 408, 413, 415, 429, 500, 503)
}


class Metrics(Collector):
    """Counts requests, and asks the schedulers for the rest."""

    def __init__(self, schedulers: Mapping[str, Scheduler]) -> None:
        self._schedulers = schedulers
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "endonym_requests", "Requests", ["path", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "endonym_first_byte_seconds",
            "From a request's head to the head of its answer",
            ["path"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self._registry.register(self)

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        """Count an answer. Paths that no route has are one."""
        path = getattr(scope.get("route"), "path", "other")
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def text(self) -> bytes:
        """All figures."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """What schedulers have counted by themselves: one family for each figure."""
        for name, meaning in COUNTED.items():
            family = CounterMetricFamily(f"endonym_{name}", meaning, labels=["model"])
            for model, each in self._schedulers.items():
                family.add_metric([model], getattr(each.counts, name))
            yield family
        for name in ("active", "waiting"):
            meaning = f"Sequences that are {'computed' if name == 'active' else 'queued'} now"
            gauge = GaugeMetricFamily(f"endonym_{name}_sequences", meaning, labels=["model"])
            for model, each in self._schedulers.items():
                gauge.add_metric([model], getattr(each, name))
            yield gauge


def build_app(service: Service, access: Access) -> App:
    """The application, behind its guard."""
    metrics = Metrics(service.schedulers)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        service.loop = asyncio.get_running_loop()
        yield
        service.end()

    app = FastAPI(
        title="endonym",
        description="Continues texts with language models, in the form of OpenAI's API.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=ERRORS,
    )
    plain_openapi = app.openapi

    def openapi() -> Json:
        """The description of the interface, which says what models there are."""
        description = plain_openapi()
        for request in OF_A_MODEL:
            keys = description["components"]["schemas"][request.__name__]["properties"]
            keys["model"]["enum"] = [*service.schedulers]
        return description

    app.openapi = openapi
    _add_errors(app)
    _add_completions(app, service)
    _add_writing(app, service)
    _add_watching(app, service, metrics)
    _add_pages(app)
    return Guard(app, access, answered=metrics.answered, report=service.report)


def _add_errors(app: FastAPI) -> None:
    """Let the application answer with every error in OpenAI's form."""

    @app.exception_handler(ApiError)
    async def refused(request: Request, error: ApiError) -> Response:
        return JSONResponse(error_json(error), error.status, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        require_json(request, await request.body())
        first = error.errors()[0]
        place = [str(part) for part in first["loc"] if part != "body"]
        reason = refusal(place[-1]) if first["type"] == "extra_forbidden" else reason_of(first)
        message = f"{'.'.join(place) or 'body'}: {reason}"
        param = place[0] if place else None
        if first["type"] == "json_invalid":
            problem = first.get("ctx", {}).get("error", "")
            message = f"invalid JSON: {problem} at character {place[0]}"
            param = None
        return await refused(request, ApiError(400, message, param=param))

    @app.exception_handler(StarletteHTTPException)
    async def other(request: Request, error: StarletteHTTPException) -> Response:
        message = f"{request.method} {request.url.path}: {error.detail}"
        encoding = request.headers.get("content-encoding", "identity")
        if error.__cause__ and encoding != "identity":
            message = f"the body is compressed ({encoding[:MOST_SHOWN]}): send it as it is"
        elif isinstance(error.__cause__, UnicodeDecodeError):
            message = f"the body is not UTF-8: byte {error.__cause__.start} is none of a character"
        elif isinstance(error.__cause__, RecursionError):
            message = "invalid JSON: its lists are nested too deeply"
        elif error.status_code == 404:
            message += (
                f". This server has {', '.join(ASKED_PATHS)}; a client's base URL ends in /v1"
            )
        headers = dict(error.headers or {})
        return await refused(request, ApiError(error.status_code, message, headers=headers))

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        return await refused(request, ApiError(500, "internal error of the server"))


def require_json(request: Request, body: bytes) -> None:
    """Raise ApiError if a body is empty, or not sent as JSON: then it was not read as such.

    A page of another origin may send text or forms without asking, so these are not read as JSON.
    """
    if not body:
        raise ApiError(400, "the request has no body: send a JSON object", code="no_body")
    wanted = "Content-Type: application/json"
    code = "unsupported_content_type"
    header = request.headers.get("content-type", "")
    kind = header.partition(";")[0].strip().lower()
    if not kind:
        raise ApiError(415, f"the request has no content type. Send the header {wanted}", code=code)
    if not re.fullmatch(r"application/(.+\+)?json", kind):
        message = f"the content type is {kind[:MOST_SHOWN]!r}. Send JSON, with the header {wanted}"
        raise ApiError(415, message, code=code)


async def _answered(job: Job, request: Request, *, is_stream: bool) -> Response:
    """The answer to a request, as a whole or as a stream. Raises ApiError if it finds no place."""
    job.begin()
    if is_stream:
        return StreamingResponse(
            job.stream(),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
    return _whole(await job.whole(request.receive))


def _whole(answer: bytes | None) -> Response:
    """A whole answer; None if nobody reads it."""
    if answer is None:
        return Response(status_code=GONE)
    return Response(answer, media_type="application/json")


def _add_completions(app: FastAPI, service: Service) -> None:
    """Add the routes that continue texts, answer in conversations, and give features of texts."""

    @app.post("/v1/completions")
    async def completions(body: CompletionRequest, request: Request) -> Response:
        """Continue texts."""
        job = await text_job(service, body)
        return await _answered(job, request, is_stream=bool(body.stream))

    @app.post("/v1/chat/completions")
    async def chat_completions(body: ChatRequest, request: Request) -> Response:
        """Answer in a conversation, by models with a chat template."""
        job = await chat_job(service, body)
        return await _answered(job, request, is_stream=bool(body.stream))

    @app.post("/v1/embeddings")
    async def text_embeddings(body: EmbeddingRequest, request: Request) -> Response:
        """Features of texts: means of the last hidden states, scaled to length 1."""
        return _whole(await embeddings(service, body, request.receive))


def _add_writing(app: FastAPI, service: Service) -> None:
    """Add the routes that help a person who writes."""

    @app.post("/v1/suggestions")
    async def suggested_words(body: SuggestionRequest, request: Request) -> Response:
        """The likeliest words after a text. `rest` is what a word adds to the text, `blank` says
        whether a blank parts it from the next one."""
        return _whole(await suggestions(service, body, request.receive))

    @app.post("/v1/proofread")
    async def proofread_text(body: ProofreadRequest, request: Request) -> Response:
        """Words of a text that are probably wrong, with corrections. Places are in characters.
        `unchecked_lines` counts lines that seem to be in another language."""
        return _whole(await proofread(service, body, request.receive))

    @app.post("/v1/preferences")
    async def kept_preference(body: PreferenceRequest) -> Json:
        """Keep a correction in the file that the server was started with (`--keep`)."""
        return await preference(service, body)


def _add_watching(app: FastAPI, service: Service, metrics: Metrics) -> None:
    """Add the routes by which a server is watched: its models, its health, its figures."""
    created = int(time.time())

    def model_json(name: str) -> Json:
        engine = service.scheduler(name).engine
        as_openai = {"id": name, "object": "model", "created": created, "owned_by": "endonym"}
        more = {"engine": engine.name, "context": engine.context}
        more["turns"] = engine.turns
        desk = service.desk
        helps = {"suggestions": name in desk.writers, "proofreading": name in desk.readers}
        helps |= {"corrections": desk.corrections is not None}
        chat = {"chat": engine.template is not None}
        return {**as_openai, **more, **chat, **helps, "language": desk.languages.get(name, "")}

    @app.get("/v1/models")
    async def models() -> Json:
        """The models here."""
        return {"object": "list", "data": [model_json(name) for name in service.schedulers]}

    @app.get("/v1/models/{name:path}")
    async def model(name: str) -> Json:
        """One model."""
        return model_json(name)

    @app.get("/health")
    async def health() -> Response:
        """Whether requests are taken, and every model is computed."""
        state = service.state
        return JSONResponse({"status": state}, 200 if state == "ok" else 503)

    @app.get("/metrics")
    async def figures() -> Response:
        """Figures for Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_pages(app: FastAPI) -> None:
    """Add the routes of the page and its files; no file comes from elsewhere."""

    async def answer(name: str) -> Response:
        kind = KINDS[name.rpartition(".")[2]]
        content = (PAGE / name).read_bytes()
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    for path, name in PAGES.items():
        app.add_api_route(path, partial(answer, name), include_in_schema=False)

    @app.get("/page/{name}", include_in_schema=False)
    async def page_file(name: str) -> Response:
        if name not in PAGE_FILES:
            raise StarletteHTTPException(404, "Not Found")
        return await answer(name)
