"""The worker: what it sends, when, and what it may not do. Its ends are in test_isolation.py."""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from text_samples import TATAR

from endonym.formats.parsers import worker
from endonym.formats.parsers.unit import Options, Refused, Unit
from endonym.formats.parsers.worker import CpuLimit, Worker, confine, fields, too_long
from endonym.limited.frames import WHEREABOUTS, Incoming, Whereabouts, send


class Served:
    """A worker in this process, whose answers are read from its pipe."""

    def __init__(self) -> None:
        self.requests, self.asks = os.pipe()
        answers, self.answers = os.pipe()
        self.incoming = Incoming(answers)
        with tempfile.TemporaryFile() as file:
            file.truncate(WHEREABOUTS.size)
            self.where = Whereabouts(file.fileno())
        limit = CpuLimit(1_000)
        self.worker = Worker(Incoming(self.requests), self.answers, self.where, limit)

    def said(self, **request: Any) -> list[dict[str, Any]]:
        asked = {
            "parser": "made_parser:units",
            "path": "/x",
            "start": 1,
            "until": 99,
            "options": {},
        }
        assert self.worker.serve(asked | request) is not None
        found: list[dict[str, Any]] = []
        while self.incoming.is_waiting():
            message = self.incoming.receive()
            assert message is not None
            texts, units = message.get("texts", b""), message.get("units", [])
            for each in units:
                text, texts = texts[: each["text"]], texts[each["text"] :]
                found.append({"unit": each | {"text": text.decode()}})
            if not units:
                found.append(message)
        return found


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A worker in this process, which must not end when its processor time is up."""
    processor_time = resource.getrlimit(resource.RLIMIT_CPU)
    module = ModuleType("made_parser")

    def units(path: str, start: int, options: Options) -> Iterator[Unit | None]:
        if options.get("refuse"):
            raise Refused("damaged", "юк")
        return (Unit(number, TATAR[number - 1]) for number in range(start, 7))

    module.units = units  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "made_parser", module)
    yield Served()
    resource.setrlimit(resource.RLIMIT_CPU, processor_time)


def test_units_come_in_order_and_then_the_end(served: Served):
    *units, end = served.said()
    assert [each["unit"]["text"] for each in units] == TATAR
    assert end == {"done": True}
    assert served.where.unit == 7


def test_a_request_may_begin_and_end_within_a_file(served: Served):
    *units, end = served.said(start=3, until=4)
    assert [each["unit"]["number"] for each in units] == [3, 4]
    assert end == {"done": True}


def test_a_refusal_is_said_and_no_unit_was_in_work(served: Served):
    assert served.said(options={"refuse": True}) == [{"refused": "damaged", "detail": "юк"}]
    assert served.where.unit == 0


def test_a_stop_is_obeyed_after_the_next_unit(served: Served, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker, "HELD_SECONDS", 0.0)
    send(served.asks, {"stop": True})
    found = served.said()
    assert found[-1] == {"stopped": True}
    assert len(found) == 2


def test_a_text_that_is_too_long_is_a_unit_without_text(
    served: Served, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(worker, "MAX_UNIT_BYTES", 100)
    found = served.said()
    long = [each["unit"]["number"] for each in found[:-1] if each["unit"]["reason"] == "too_long"]
    assert long == [n for n, each in enumerate(TATAR, 1) if len(each.encode()) > 100]
    assert all(not each["unit"]["text"] for each in found[:-1] if each["unit"]["reason"])


def test_the_fields_of_a_unit_are_those_that_make_it_again():
    unit = Unit(2, TATAR[0], {"a": "b"}, 5, "", "", [[1, 2]])
    assert Unit(**(fields(unit, 9) | {"text": TATAR[0]})) == unit
    assert fields(too_long(unit), 0)["reason"] == "too_long"


def test_limits_hold_in_the_process_that_asks_for_them():
    code = (
        "import resource\nfrom endonym.formats.parsers.worker import CpuLimit, confine\n"
        "confine(900 << 20)\nCpuLimit(5).renew()\n"
        "print([resource.getrlimit(each)[0] for each in (resource.RLIMIT_AS, resource.RLIMIT_FSIZE,"
        " resource.RLIMIT_CORE, resource.RLIMIT_CPU)])"
    )
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, check=True
    )
    *fixed, cpu = map(int, done.stdout.decode().strip("[]\n").split(","))
    assert fixed == [900 << 20, 0, 0]
    assert 5 <= cpu <= 7
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 0
    assert callable(confine)
    assert Path(worker.__file__).is_file()
