"""A parser that sends what no parser sends, as one that a hostile file has taken over may do."""

import gc
import os
from collections.abc import Iterator
from typing import Any

from endonym.formats.parsers.unit import Options, Unit
from endonym.formats.parsers.worker import Worker
from endonym.limited.frames import framed, write

MESSAGES: dict[str, dict[str, Any]] = {
    "no-end": {},
    "refused": {"end": "refused", "reason": "x"},
    "failed": {"end": "failed", "reason": ["x"]},
    "missing": {"end": "missing", "detail": {"a": "x"}},
    "types": {"unit": {"number": True, "meta": 7, "raw_bytes": "a", "reason": ["x"]}},
    "no-number": {"unit": {"number": 1, "raw_bytes": float("nan")}},
    "no-unit": {"unit": 7},
    "no-field": {"unit": {"number": 1, "size": 9}},
}


def units(path: str, start: int, options: Options) -> Iterator[Unit | None]:
    """Sends a message of a kind, and ends."""
    (worker,) = (each for each in gc.get_objects() if isinstance(each, Worker))
    kind = options["kind"]
    if kind == "where":
        worker.where.say(1 << 50)
        os._exit(3)
    while kind == "flood":
        write(worker.answers, framed({"unit": {}}) * 1_000)
    write(worker.answers, framed(MESSAGES[kind]))
    os._exit(0)
    yield None
