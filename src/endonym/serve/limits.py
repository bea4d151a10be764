"""What a request must keep before it is read: host, origin, key, size and time of its body."""

import asyncio
import hashlib
import hmac
import ipaddress
import json
import re
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

from endonym.serve.answers import ApiError, error_json

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_BYTES = 1 << 20
BODY_SECONDS = 20.0
"""A whole body must come within them."""
DRAIN_SECONDS = 5.0
"""The rest of a body that is too large is dropped for so long, so that its sender hears why."""
MOST_VALUES = 20_000
SMALL_BYTES = 1 << 15
"""Values of a body, but for numbers in lists, such as ids; a small body is not counted."""
STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
"""A string of JSON. One without its end goes on to that of the body, so that it is read once."""
OPEN_PATHS = frozenset({"/", "/studio", "/health", "/docs"})
"""Need no key; nor do the files of the page."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask. hosts: names that the Host header may have; addresses are allowed as well off
    loopback. No web page of another origin may ask, and none can by a name of its own that leads
    here (DNS rebinding). proxies: names, some with a port, of proxies before this server: pages
    that came through them may ask, whatever Host a proxy makes of theirs.
    """

    hosts: frozenset[str]
    is_loopback: bool
    key: str | None = None
    proxies: frozenset[str] = frozenset()

    def check(self, scope: Scope) -> None:
        """Raise ApiError if this request is not allowed."""
        headers = {name.decode("latin-1"): value for name, value in scope["headers"]}
        host = headers.get("host", b"").decode("latin-1")
        if not self._is_ours(host):
            message = f"this server is not called {host!r}"
            raise ApiError(403, message, code="host_not_allowed")
        origin = headers.get("origin", b"").decode("latin-1")
        if origin and not self._may_ask(origin, host):
            message = f"pages of {origin!r} may not use this server"
            raise ApiError(403, message, code="origin_not_allowed")
        path = scope["path"]
        if self.key is None or path in OPEN_PATHS or path.startswith("/page/"):
            return
        kind, _, sent_key = headers.get("authorization", b"").decode("latin-1").partition(" ")
        keys = (each.encode("utf-8", "replace") for each in (sent_key.strip(), self.key))
        # Keys of any length are compared in a time that tells nothing about them.
        is_same = hmac.compare_digest(*(hashlib.sha256(key).digest() for key in keys))
        if kind.lower() != "bearer" or not is_same:
            raise ApiError(
                401,
                "this server needs its key: Authorization: Bearer KEY",
                code="invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self.hosts:
            return True
        try:
            return not self.is_loopback and bool(ipaddress.ip_address(name))
        except ValueError:
            return False

    def _may_ask(self, origin: str, host: str) -> bool:
        """Whether a page from there may ask."""
        try:
            return urlsplit(origin).netloc.lower() in {host.lower(), *self.proxies}
        except ValueError:
            return False


@dataclass(slots=True)
class Guard:
    """Reads a whole body, within its limits, before the application sees the request.

    answered: is told the status and the seconds of each answer; report: of faults.
    """

    app: App
    access: Access
    answered: Callable[[Scope, int, float], None] = lambda scope, status, seconds: None
    report: Callable[[str], None] = lambda text: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. HEAD is answered as GET, without the body. A path may end in a slash."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_head = scope["method"] == "HEAD"
        path = scope["path"].rstrip("/") or "/"
        scope = {**scope, "path": path, "method": "GET" if is_head else scope["method"]}
        started = time.monotonic()
        is_answered = False
        messages = list[Message]()

        async def receive_again() -> Message:
            """The body that was read already, then what the connection says."""
            return messages.pop() if messages else await receive()

        async def send_marked(message: Message) -> None:
            """Send on, with HEADERS; the status of the answer is told to `answered`."""
            nonlocal is_answered
            if message["type"] == "http.response.start":
                is_answered = True
                added = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
                message["headers"] = [*message.get("headers", ()), *added]
                self.answered(scope, message["status"], time.monotonic() - started)
            elif is_head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        try:
            self.access.check(scope)
            body = await read_body(scope, receive)
            if body is None:
                return
            if len(body) > SMALL_BYTES:
                await asyncio.to_thread(require_few_values, body)
            messages.append({"type": "http.request", "body": body, "more_body": False})
            await self.app(scope, receive_again, send_marked)
        except ApiError as error:
            await _refuse(error, send_marked)
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{PurePath(last.filename).name}, line {last.lineno}"
            self.report(f"{scope['method']} {scope['path']!r}: {error!r} in {place}")
            if not is_answered:
                await _refuse(ApiError(500, "internal error of the server"), send_marked)
            raise


async def read_body(scope: Scope, receive: Receive) -> bytes | None:
    """The body; None if the client has gone. Raises ApiError if it is too large or too slow.

    A body that is too large is drained for DRAIN_SECONDS, so that its sender hears why.
    """
    headers = dict(scope["headers"])
    announced = headers.get(b"content-length", b"0")
    is_large = not announced.isdigit() or int(announced) > BODY_BYTES
    if is_large and headers.get(b"expect", b"").lower() == b"100-continue":
        raise _too_large()
    chunks: list[bytes] = []
    size = 0
    is_draining = False
    try:
        async with asyncio.timeout(BODY_SECONDS) as deadline:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                chunk = message.get("body", b"")
                size += len(chunk)
                chunks.append(chunk)
                if not is_draining and (is_large or size > BODY_BYTES):
                    is_draining = True
                    deadline.reschedule(asyncio.get_running_loop().time() + DRAIN_SECONDS)
                if is_draining:
                    chunks.clear()
                if not message.get("more_body"):
                    break
    except TimeoutError:
        if not is_draining:
            raise ApiError(
                408,
                f"the body did not come within {BODY_SECONDS:.0f} seconds",
                code="timeout",
                headers={"Connection": "close"},
            ) from None
    if is_draining:
        raise _too_large()
    return b"".join(chunks)


def require_few_values(body: bytes) -> None:
    """Raise ApiError for JSON of more values than any request has.

    Each value is checked, and named if it is wrong, which takes a hundred times the memory of its
    bytes. What is no JSON passes: it is refused where it is read.
    """
    without_strings = STRING.sub(b"", body)
    # Lists and objects alone take many times their bytes: a body of so many is not read at all.
    count = without_strings.count(b"]") + without_strings.count(b"}") - 1
    if count <= MOST_VALUES:
        try:
            uncounted = [json.loads(body)]
        except (ValueError, RecursionError):
            return
        count = 0
        while uncounted and count <= MOST_VALUES:
            value = uncounted.pop()
            inner = []
            if isinstance(value, dict):
                inner = [*value.values()]
            elif isinstance(value, list):
                inner = [each for each in value if not isinstance(each, int | float)]
            count += len(inner)
            uncounted += inner
    if count > MOST_VALUES:
        message = f"a body may hold {MOST_VALUES} values beside numbers in lists"
        raise ApiError(400, message, code="too_many_values")


def _too_large() -> ApiError:
    return ApiError(
        413,
        f"a body may have {BODY_BYTES} bytes",
        code="body_too_large",
        headers={"Connection": "close"},
    )


async def _refuse(error: ApiError, send: Send) -> None:
    """Answer with an error in OpenAI's form."""
    content = json.dumps(error_json(error)).encode()
    length = str(len(content))
    headers = {"Content-Type": "application/json", "Content-Length": length, **error.headers}
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": pairs})
    await send({"type": "http.response.body", "body": content})
