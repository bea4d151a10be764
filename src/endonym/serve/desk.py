"""What helps a person who writes: suggested words, proofreading, and a file of corrections.

It has a thread of its own: a word is wanted between two key presses, while texts are computed.
"""

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Protocol, TypeVar

from endonym.generate.language_model import LanguageModel
from endonym.generate.suggest import Prefix, Suggestion
from endonym.model.count import cache_bytes
from endonym.serve.answers import ApiError

MOST_WRITERS = 8
"""Texts of which a cache is kept."""
MOST_WAITING = 32
"""Requests that wait for the thread; more are refused."""
LETTERS_PER_TOKEN = 16
"""Of the end of a text, so many characters are read for each token of the context."""
T = TypeVar("T")


class Correction(Protocol):
    """What may stand in place of a word, and how many bits it is better."""

    @property
    def word(self) -> str: ...
    @property
    def bits(self) -> float: ...


class Finding(Protocol):
    """A word that is probably wrong. begin, end: its place in the text, in characters."""

    @property
    def begin(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def word(self) -> str: ...
    @property
    def corrections(self) -> Sequence[Correction]: ...


Check = Callable[[str], Sequence[Finding]]
"""Proofreads a text."""


class Writers:
    """Suggests words after the texts of several writers, each with a cache of its own.

    No request names its writer: a text goes on from the kept one whose first half it begins with.
    Used by one thread.
    """

    def __init__(self, model: LanguageModel, memory: int) -> None:
        """memory: bytes that all caches together may take."""
        self.model, config = model, model.decoder.config
        width = model.decoder.readout.weight_VD.element_size()
        self.most = min(MOST_WRITERS, memory // max(1, cache_bytes(config, config.context, width)))
        self._kept: list[tuple[str, Prefix]] = []
        """The one that was used last is the last."""

    def suggest(self, text: str, count: int) -> list[Suggestion]:
        """The likeliest words after a text. Of a text that is too long the end is read."""
        text = end_of(text, LETTERS_PER_TOKEN * self.model.decoder.config.context)
        self.model.suggester.prefix = self._prefix(text)
        return self.model.suggest(text, count)

    def _prefix(self, text: str) -> Prefix:
        """The cache of the text that this one goes on from, or else of a new text."""
        halves = [kept[: len(kept) // 2] for kept, _ in self._kept]
        same = [n for n, half in enumerate(halves) if text.startswith(half)]
        if same:
            _, prefix = self._kept.pop(max(same, key=lambda n: len(halves[n])))
        elif self._kept and len(self._kept) >= self.most:
            _, prefix = self._kept.pop(0)
        else:
            prefix = Prefix(self.model.decoder)
        self._kept.append((text, prefix))
        return prefix


def end_of(text: str, longest: int) -> str:
    """The end of a text that is too long.

    It begins at the same place while a text grows a little, so that a cache stays of use.
    """
    step = max(1, longest // 2)
    return text[-(-max(0, len(text) - longest) // step) * step :]


class Corrections:
    """A JSONL file of preference pairs, to which the corrections of writers are added."""

    def __init__(self, path: Path) -> None:
        self.path, self._lock = path, Lock()

    def add(self, pair: Mapping[str, str]) -> int:
        """Add a pair; returns how many lines the file has now. Raises ApiError if it cannot be.

        The file is read by its owner alone. A line that was cut off by a full disk is ended first.
        """
        line = json.dumps(pair, ensure_ascii=False).encode() + b"\n"
        with self._lock:
            try:
                flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
                with os.fdopen(os.open(self.path, flags, 0o600), "rb+") as file:
                    before = file.read()
                    cut = b"\n" if before and not before.endswith(b"\n") else b""
                    file.write(cut + line)
                return (before + cut).count(b"\n") + 1
            except OSError as error:
                message = f"{self.path} cannot be written: {error.strerror or error}"
                raise ApiError(500, message, code="not_kept") from error


class Desk:
    """Suggests words and proofreads, one request after the other, in its thread.

    writers: of each model that can suggest. checks: of each model that can proofread. corrections:
    where they are kept, if they are. languages: of models, where they are known.
    """

    def __init__(self) -> None:
        self.writers: dict[str, Writers] = {}
        self.checks: dict[str, Check] = {}
        self.languages: dict[str, str] = {}
        self.corrections: Corrections | None = None
        self.waiting = 0
        self._thread = ThreadPoolExecutor(1, "desk")

    async def run(self, work: Callable[[], T]) -> T:
        """What the work gives. Raises ApiError if too much waits already."""
        if self.waiting >= MOST_WAITING:
            message = f"{self.waiting} requests wait already. Try again soon."
            raise ApiError(429, message, code="queue_full", headers={"Retry-After": "1"})
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self.waiting -= 1

    def close(self) -> None:
        """Drop what waits, and end the thread."""
        self._thread.shutdown(cancel_futures=True)
