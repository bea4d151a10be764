"""The worker: what it sends, and when. What it may not do, and its ends: test_isolation.py."""

import os
import resource
import sys
import tempfile
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from text_samples import TATAR

from endonym.formats.parsers import worker
from endonym.formats.parsers.unit import Options, Refused, Unit
from endonym.formats.parsers.worker import Worker
from endonym.limited.frames import WHEREABOUTS, Incoming, Whereabouts, send

ASKED = {"parser": "made_parser:units", "path": "/x", "start": 1, "until": 99, "options": {}}


class Served:
    """A worker in this process, whose answers are read from its pipe."""

    def __init__(self) -> None:
        self.requests, self.asks = os.pipe()
        answers, self.answers = os.pipe()
        self.incoming = Incoming(answers)
        with tempfile.TemporaryFile() as file:
            file.truncate(WHEREABOUTS.size)
            self.where = Whereabouts(file.fileno())
        self.worker = Worker(Incoming(self.requests), self.answers, self.where, 1_000)

    def said(self, **request: Any) -> tuple[list[Unit], dict[str, Any]]:
        """The units that were sent, and the end."""
        self.worker.serve(ASKED | request)
        found = list[Unit]()
        while (message := self.incoming.receive()) and "unit" in message:
            found.append(Unit(**message["unit"], text=message.get("texts", b"").decode()))
        assert message is not None
        return found, message


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A worker in this process, which must not end when its processor time is up."""
    processor_time = resource.getrlimit(resource.RLIMIT_CPU)
    module = ModuleType("made_parser")

    def units(path: str, start: int, options: Options) -> Iterator[Unit | None]:
        if options.get("refuse"):
            raise Refused("damaged", "юк")
        return (Unit(n, TATAR[n - 1], {"a": "b"}, 5, data=[[1, 2]]) for n in range(start, 7))

    module.units = units  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "made_parser", module)
    yield Served()
    resource.setrlimit(resource.RLIMIT_CPU, processor_time)


def test_units_come_whole_and_in_order_and_then_the_end(served: Served):
    whole = [Unit(n, text, {"a": "b"}, 5, data=[[1, 2]]) for n, text in enumerate(TATAR, 1)]
    assert served.said() == (whole, {"end": "done", "is_last": False})
    assert served.where.unit == 7
    assert served.said(start=3, until=4) == (whole[2:4], {"end": "done", "is_last": False})


def test_a_refusal_is_said_and_no_unit_was_in_work(served: Served):
    end = {"end": "refused", "reason": "damaged", "detail": "юк", "is_last": False}
    assert served.said(options={"refuse": True}) == ([], end)
    assert served.where.unit == 0


def test_a_stop_is_obeyed_after_the_next_unit(served: Served, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker, "HELD_SECONDS", 0.0)
    send(served.asks, {"stop": True})
    units, end = served.said()
    assert (len(units), end) == (1, {"end": "stopped", "is_last": False})


def test_a_too_long_text_is_a_unit_without_text(served: Served, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker, "MAX_UNIT_BYTES", 100)
    units, _ = served.said()
    long = [each.number for each in units if each.reason == "too_long"]
    assert long == [n for n, each in enumerate(TATAR, 1) if len(each.encode()) > 100]
    assert all(not each.text for each in units if each.reason)
