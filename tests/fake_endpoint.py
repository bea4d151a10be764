"""A server with OpenAI's `/chat/completions` on loopback, with faults by the number in a prompt."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any

from fake_web import Silent, served

STALL = 8.0


@dataclass
class Reply:
    """What the server answers. cut: so many bytes are sent, and the connection is closed.

    times: how often the body is sent.
    """

    body: str | bytes | Mapping[str, Any] = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    cut: int | None = None
    times: int = 1

    @property
    def data(self) -> bytes:
        """The bytes of the body."""
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


Behaviour = Callable[[int, int, Mapping[str, Any]], Reply | None]
"""From the number in a prompt, how often it was asked, and the request; None: a good answer."""


def answer(text: Any, why: str = "stop", **usage: int) -> dict[str, Any]:
    """An answer as OpenAI's."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": why}
    return {"choices": [choice], **({"usage": usage} if usage else {})}


def good(number: int) -> str:
    """The right answer to a prompt."""
    return f"Куян {number} елга буена барды. Iepurele {number} a plecat la râu."


def last_number(prompt: str) -> int:
    """The number at the end of a prompt."""
    return int(prompt.rsplit(" ", 1)[1])


class Fake:
    """The server's memory: how often each prompt was asked, the requests, and bodies written."""

    def __init__(self, behave: Behaviour, number_in: Callable[[str], int] = last_number) -> None:
        self.behave, self.asked, self.number_in = behave, Counter[int](), number_in
        self.requests: list[Mapping[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.at_once = self.most_at_once = self.written = 0
        self.lock = threading.Lock()
        self.address = ""

    def reply(self, request: Mapping[str, Any], headers: Mapping[str, str]) -> Reply:
        """The answer to a request."""
        number = self.number_in(request["messages"][-1]["content"])
        with self.lock:
            self.asked[number] += 1
            times = self.asked[number]
            self.requests.append(request)
            self.headers.append(headers)
        reply = self.behave(number, times, request)
        return reply or Reply(answer(good(number), total_tokens=20))


@contextmanager
def fake_endpoint(
    behave: Behaviour = lambda *_: None, number_in: Callable[[str], int] = last_number
) -> Generator[Fake]:
    """A server in threads of this process. number_in: of a prompt."""
    fake = Fake(behave, number_in)

    class Handler(Silent):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            try:
                self._answer()
            except OSError:
                self.close_connection = True  # the client has gone

        def _answer(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/chat/completions"
            with fake.lock:
                fake.at_once += 1
                fake.most_at_once = max(fake.most_at_once, fake.at_once)
            try:
                reply = fake.reply(json.loads(data), dict(self.headers))
                time.sleep(reply.seconds)
            finally:
                with fake.lock:
                    fake.at_once -= 1
            sent = reply.data
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(sent) * reply.times))
            self.end_headers()
            for _ in range(reply.times):
                self.wfile.write(sent[: reply.cut])
                fake.written += 1
            if reply.cut is not None:
                self.close_connection = True

    class Server(ThreadingHTTPServer):
        request_queue_size = 64
        block_on_close = False

        def handle_error(self, *_: Any) -> None:
            """Clients go away: that is what is tested."""

    with served(Handler, Server) as address:
        fake.address = f"{address}/v1"
        yield fake
