"""A server of `fake_endpoint` without a network, on a clock that jumps to what comes next."""

import asyncio
import json
import selectors
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fake_endpoint import Behaviour, Fake

from endonym.log import Log
from endonym.synthesis import endpoint
from endonym.synthesis.endpoint import Endpoint
from endonym.synthesis.shards import Answer, Ask

ADDRESS = "http://zur.example/v1"
TODAY = 1_792_567_680.0
"""What the clock of the day says when the other one says 0."""
TRUSTED = object()


class Jumps(selectors.SelectSelector):
    """Waits for nothing: the time that would be waited is over."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "nothing would ever happen"
        self.now += timeout
        return super().select(0)


class Told(Log):
    """Keeps the lines that are shown."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def _write(self, text: str, *, is_shown: bool, style: str = "") -> None:
        self.said += [text] if is_shown else []


@dataclass
class Clocked:
    """A server, and what an endpoint asked it. asked: when, and for which prompt.

    share: how long a wait by chance is between the shortest (0) and the longest (1).
    """

    behave: Behaviour = lambda *_: None
    share: float = 1.0
    fails: dict[int, Exception] = field(default_factory=dict)
    """What is raised in place of an answer, by the number in the prompt."""
    asked: list[tuple[float, int]] = field(default_factory=list)
    addresses: set[str] = field(default_factory=set)
    clients: list[dict[str, Any]] = field(default_factory=list)
    taken: list[Answer] = field(default_factory=list)
    log: Told = field(default_factory=Told)

    def __post_init__(self) -> None:
        self.clock, self.fake = Jumps(), Fake(self.behave)

    async def handle(self, request: httpx.Request) -> httpx.Response:
        """The answer of the server."""
        sent = json.loads(request.content)
        reply = self.fake.reply(sent, dict(request.headers))
        number = int(sent["messages"][-1]["content"].rsplit(" ", 1)[1])
        self.asked.append((round(self.clock.now, 2), number))
        assert len(self.asked) < 1_000, "it comes to no end"
        kind = request.headers["Content-Type"]
        self.addresses.add(f"{request.method} {request.url} {kind}")
        await asyncio.sleep(reply.seconds)
        if number in self.fails:
            raise self.fails[number]
        # As it comes, and not read before.
        body = httpx.ByteStream(reply.data)
        return httpx.Response(reply.status, headers=reply.headers, stream=body)

    def write(self, count: int, prompt: str = "Хикәя яз,", **given: Any) -> list[Answer]:
        """The answers to so many prompts, in the order in which they were taken.

        As of a command: the same one goes on with the prompts that are not done.
        """
        self.clock = Jumps()  # a loop closes its own
        done = {each.ask.index for each in self.taken if each.is_last}
        fields = {"model": "зур", "max_tokens": 64}
        asked = {"fields": fields, "concurrency": 1, "log": self.log, **given}
        asks = iter([Ask(n, f"{prompt} {n}", 70 + n) for n in range(count) if n not in done])
        self._patched(lambda: Endpoint(ADDRESS, **asked).answer_all(asks, self.taken.append))
        return self.taken

    def _patched(self, work: Any) -> None:
        real, transport = httpx.AsyncClient, httpx.MockTransport(self.handle)

        def client(**given: Any) -> httpx.AsyncClient:
            self.clients.append(given)
            return real(headers=given["headers"], transport=transport)

        def loop() -> asyncio.AbstractEventLoop:
            made = asyncio.SelectorEventLoop(self.clock)
            made.time = lambda: self.clock.now  # type: ignore[method-assign]
            return made

        def run(main: Any) -> None:
            with asyncio.Runner(loop_factory=loop) as runner:
                runner.run(main)

        clock = SimpleNamespace(
            monotonic=lambda: self.clock.now, time=lambda: TODAY + self.clock.now
        )
        chance = SimpleNamespace(uniform=lambda low, high: low + (high - low) * self.share)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(httpx, "AsyncClient", client)
            patch.setattr(httpx, "create_ssl_context", lambda: TRUSTED)
            patch.setattr(asyncio, "run", run)
            patch.setattr(endpoint, "time", clock)
            patch.setattr(endpoint, "random", chance)
            work()
