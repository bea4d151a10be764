"""What helps a person who writes: suggested words, proofreading, and a file of corrections.

It has threads of its own: a word is wanted between two key presses, while texts are computed.
"""

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TypeVar

from endonym.generate.language_model import LanguageModel
from endonym.generate.proofread import Proofreader
from endonym.generate.suggest import Prefix, Suggestion
from endonym.model.count import cache_bytes
from endonym.serve.answers import ApiError

MOST_WRITERS = 8
"""Texts of which a cache is kept."""
MOST_WAITING = 32
"""Requests that wait for a thread; more are refused."""
LETTERS_PER_TOKEN = 16
"""Of the end of a text, so many characters are read for each token of the context."""
T = TypeVar("T")


class Writers:
    """Suggests words after the texts of several writers, each with a cache of its own.

    No request names its writer: a text goes on from the kept one whose first half it begins with.
    Used by one thread.
    """

    def __init__(self, model: LanguageModel, memory: int) -> None:
        """memory: bytes that all caches together may take."""
        self.model = model
        config = model.decoder.config
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
        self.path = path
        self._lock = Lock()
        self._lines: int | None = None
        """Whole lines of the file; None until they are counted, at the first pair."""

    def add(self, pair: Mapping[str, str]) -> int:
        """Add a pair; returns how many lines the file has now. Raises ApiError if it cannot be.

        A new file is read by its owner alone. A line that was cut off by a full disk is ended
        first. What other programs add while this one runs is not counted.
        """
        line = json.dumps(pair, ensure_ascii=False).encode() + b"\n"
        with self._lock:
            try:
                flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
                with os.fdopen(os.open(self.path, flags, 0o600), "rb+") as file:
                    if self._lines is None:
                        self._lines = sum(each.endswith(b"\n") for each in file)
                    size = file.seek(0, os.SEEK_END)
                    file.seek(max(0, size - 1))
                    is_cut = file.read(1) not in (b"", b"\n")
                    file.write(b"\n" * is_cut + line)
                self._lines += 1 + is_cut
                return self._lines
            except OSError as error:
                message = f"{self.path} cannot be written: {error.strerror or error}"
                raise ApiError(500, message, code="not_kept") from error


class OneByOne:
    """Runs work in a thread of its own, one piece after the other."""

    def __init__(self, name: str) -> None:
        self.waiting = 0
        self._thread = ThreadPoolExecutor(1, name)

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


@dataclass(slots=True)
class Desk:
    """What the models of a server have for writers, by their names.

    writers: of those that can suggest. readers: of those that can proofread. languages: where they
    are known. corrections: where they are kept, if they are. A word does not wait for a text that
    is proofread: each kind has a thread.
    """

    writers: dict[str, Writers] = field(default_factory=dict)
    readers: dict[str, Proofreader] = field(default_factory=dict)
    languages: dict[str, str] = field(default_factory=dict)
    corrections: Corrections | None = None
    suggesting: OneByOne = field(default_factory=lambda: OneByOne("suggesting"))
    proofreading: OneByOne = field(default_factory=lambda: OneByOne("proofreading"))

    def close(self) -> None:
        """End both threads."""
        self.suggesting.close()
        self.proofreading.close()
