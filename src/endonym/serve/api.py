"""The HTTP interface: OpenAI's completions, and what a server is watched by."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError, StarletteHTTPException
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

from endonym.serve.answers import ApiError, Json, error_json
from endonym.serve.limits import Access, App, Guard
from endonym.serve.metrics import Metrics
from endonym.serve.requests import ChatRequest, CompletionRequest
from endonym.serve.service import Job, Service, chat_job, text_job

GONE = 499
"""The client has closed the connection: nobody reads this answer."""
PAGE = files("endonym.serve") / "page"
KINDS = {"css": "text/css", "js": "text/javascript", "html": "text/html"}
PAGE_FILES = ("style.css", "studio.js", "docs.js")


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
    status: {"model": ErrorAnswer} for status in (400, 401, 403, 404, 408, 413, 429, 500, 503)
}


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
    _add_errors(app)
    _add_completions(app, service)
    _add_watching(app, service, metrics)
    _add_pages(app)
    _name_models(app, service)
    return Guard(app, access, answered=metrics.answered, report=service.report)


def _name_models(app: FastAPI, service: Service) -> None:
    """Say in the description of the interface which models there are."""
    described = app.openapi

    def openapi() -> Json:
        found = described()
        for request in (CompletionRequest, ChatRequest):
            keys = found["components"]["schemas"][request.__name__]["properties"]
            keys["model"]["enum"] = [*service.schedulers]
        return found

    app.openapi = openapi


def _add_errors(app: FastAPI) -> None:
    """Every error in OpenAI's form."""

    @app.exception_handler(ApiError)
    async def refused(request: Request, error: ApiError) -> Response:
        content = error_json(error.status, error.message, error.param, error.code)
        return JSONResponse(content, error.status, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        is_json = first["type"] == "json_invalid"
        place = [str(each) for each in first["loc"] if each != "body"]
        reason = first.get("ctx", {}).get("error", "") if is_json else first["msg"]
        param = None if is_json or not place else place[0]
        reason = reason.removeprefix("Value error, ")
        message = f"invalid JSON: {reason}" if is_json else f"{'.'.join(place) or 'body'}: {reason}"
        return JSONResponse(error_json(400, message, param), 400)

    @app.exception_handler(StarletteHTTPException)
    async def other(request: Request, error: StarletteHTTPException) -> Response:
        message = f"{request.method} {request.url.path}: {error.detail}"
        return JSONResponse(
            error_json(error.status_code, message), error.status_code, error.headers
        )

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        return JSONResponse(error_json(500, "internal error of the server"), 500)


async def _answered(job: Job, request: Request, *, is_stream: bool) -> Response:
    reader = job.begin()
    if is_stream:
        return StreamingResponse(
            job.stream(reader),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
    answer = await job.whole(reader, request.receive)
    if answer is None:
        return Response(status_code=GONE)
    return Response(answer, media_type="application/json")


def _add_completions(app: FastAPI, service: Service) -> None:
    @app.post("/v1/completions")
    async def completions(asked: CompletionRequest, request: Request) -> Response:
        """Continue texts."""
        job = await text_job(service, asked)
        return await _answered(job, request, is_stream=bool(asked.stream))

    @app.post("/v1/chat/completions")
    async def chat_completions(asked: ChatRequest, request: Request) -> Response:
        """Answer in a conversation, by models with a chat template."""
        job = await chat_job(service, asked)
        return await _answered(job, request, is_stream=bool(asked.stream))


def _add_watching(app: FastAPI, service: Service, metrics: Metrics) -> None:
    created = int(time.time())

    def model_json(name: str) -> Json:
        engine = service.scheduler(name).engine
        said = {"id": name, "object": "model", "created": created, "owned_by": "endonym"}
        told = {
            "engine": engine.name,
            "context": engine.context,
            "chat": engine.template is not None,
        }
        return {**said, **told}

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
    """The page and its files; no file comes from elsewhere."""

    def answer(name: str) -> Response:
        kind = KINDS[name.rpartition(".")[2]]
        content = (PAGE / name).read_bytes()
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})

    @app.get("/", include_in_schema=False)
    async def studio() -> Response:
        return answer("index.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return answer("docs.html")

    @app.get("/page/{name}", include_in_schema=False)
    async def page_file(name: str) -> Response:
        if name not in PAGE_FILES:
            raise StarletteHTTPException(404, "Not Found")
        return answer(name)
