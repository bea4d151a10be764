"""What a request reads of its generations, on the event loop."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import partial

from endonym.serve.limits import Receive
from endonym.serve.scheduler import Generation, Scheduler, Update

Numbered = tuple[int, Update]


class Reader:
    """The updates of some generations, as they come or all at the end."""

    def __init__(self, scheduler: Scheduler, generations: Sequence[Generation]) -> None:
        self._scheduler, self._generations = scheduler, generations
        self._news: list[Numbered] = []
        self._changed, self._ended = asyncio.Event(), asyncio.Event()
        self._left = len(generations)
        for number, each in enumerate(generations):
            each.take = partial(self._take, number)

    def _take(self, number: int, update: Update) -> None:
        self._news.append((number, update))
        self._left -= update.reason is not None
        self._changed.set()
        if not self._left:
            self._ended.set()

    def begin(self) -> None:
        """Queue the generations. Raises Full."""
        self._scheduler.submit(self._generations)

    async def updates(self) -> AsyncIterator[list[Numbered]]:
        """What came since the last time, again and again. Left early, everything is cancelled."""
        try:
            while self._left or self._news:
                await self._changed.wait()
                self._changed.clear()
                news, self._news = self._news, []
                yield news
        finally:
            self._cancel()

    async def all(self, receive: Receive) -> list[Numbered] | None:
        """All updates, when the last has come; None if the client has gone."""
        ended = asyncio.ensure_future(self._ended.wait())
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait((ended, gone), return_when=asyncio.FIRST_COMPLETED)
            return self._news if self._ended.is_set() else None
        finally:
            self._cancel()
            for each in (ended, gone):
                each.cancel()
                with suppress(asyncio.CancelledError):
                    await each

    def _cancel(self) -> None:
        if self._left:
            self._scheduler.cancel(self._generations)


async def _gone(receive: Receive) -> None:
    """Returns when the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
