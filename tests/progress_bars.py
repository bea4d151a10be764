"""The progress bars that a command shows, and how far each has come."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from endonym.log import Log


def bars_of(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[float]]:
    """The bars that are shown from now on, by label: what is done, and what there is to do."""
    bars: dict[str, list[float]] = {}

    @contextmanager
    def progress(
        _: Log, what: str, total: float, note: str = "", *, done: int = 0
    ) -> Generator[Any]:
        bars[what] = [done, total]

        def advance(n: float, note: str = "") -> None:
            bars[what][0] += n

        yield advance

    monkeypatch.setattr(Log, "progress", progress)
    return bars
