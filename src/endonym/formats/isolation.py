"""Runs the parsers of untrusted files in a process with limits, and goes on after they fail.

One worker process (`formats/parsers/worker.py`) takes many files, one after the other, and sends
the units of each as they are parsed. If it crashes, hangs, or takes too much memory in unit n, that
unit is one with a reason, and a new process goes on at unit n + 1.
"""

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from endonym.formats.parsers.unit import Options, Refused, Unit
from endonym.formats.source_errors import source_error
from endonym.limited import frames
from endonym.limited.process import WorkerProcess, kill

WORKER = "endonym.formats.parsers.worker"
START_SECONDS = 60.0
CLOSING_SECONDS = 30.0
PIPE_BYTES = 1 << 20
LAST_UNIT = 1 << 60
UNITS_A_FAILURE = 20
TIMEOUTS_IN_A_ROW = 3
SPARE_A_UNIT = 0.5
"""Units in a row that hang; seconds of processor time that a good unit gives to bad ones."""
ENDS = ("done", "stopped", "failed", "refused", "missing")
"""How the parsing of a file may end, as the last message says."""
NO_UNIT = "what the parser sent is no unit of the file"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a parser may take.

    memory_bytes: of the process. unit_cpu_seconds: processor time of one unit. unit_seconds: wall
    clock of one unit, far longer, as a busy machine must not change what is read. file_seconds and
    file_seconds_per_mb: wall clock of one file. failures: after so many units that crash, hang or
    take too much memory, one more for each twenty units that are read, its rest is not read.
    lost_cpu_seconds: processor time that units which hang may take of a small file; of a larger
    one as much more as of wall clock, and a part of a second more for each unit that is read.
    """

    memory_bytes: int = 768 << 20
    unit_cpu_seconds: int = 8
    unit_seconds: float = 60.0
    file_seconds: float = 120.0
    file_seconds_per_mb: float = 60.0
    lost_cpu_seconds: float = 60.0
    failures: int = 30

    def seconds_of(self, raw_bytes: int) -> float:
        """The wall clock of a file of this size."""
        return self.file_seconds + self.file_seconds_per_mb * raw_bytes / 1e6

    def too_much_memory(self) -> str:
        """The message about a parser that took more memory."""
        return f"it took more than {self.memory_bytes >> 20:,} MiB of memory"


LIMITS = Limits()


class ParserProcess(WorkerProcess):
    """One worker process."""

    def __init__(self, limits: Limits) -> None:
        """Start a process and send it its limits. Raises SourceError if it does not start."""
        self.limits = limits
        with tempfile.TemporaryFile() as memory:
            memory.truncate(frames.WHEREABOUTS.size)
            shared = (memory.fileno(),)
            super().__init__(WORKER, stderr=subprocess.PIPE, pass_fds=shared)
            self.progress = frames.Whereabouts(memory.fileno())
            if sys.platform == "linux":  # fewer turns between the two processes
                fcntl.fcntl(self.answers.descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            setup = {"parent": os.getpid(), "whereabouts": memory.fileno()}
            try:
                frames.send(self.requests, asdict(limits) | setup)
                self.receive(START_SECONDS)
            except (Refused, BrokenPipeError) as failure:
                kill(self.process)
                assert self.process.stderr is not None, "a pipe"
                said = self.process.stderr.read().decode("utf-8", "replace").strip()
                self.close()
                why = (said.splitlines() or [str(failure)])[-1][:200]
                raise source_error("no_parser", "[[source]]", why=why) from failure

    def receive(self, seconds: float) -> dict[str, Any]:
        """The next message. Raises Refused if there is none within so many seconds."""
        try:
            message = self.answers.receive(seconds)
        except TimeoutError as error:
            raise Refused("parser_timeout", f"nothing came for {seconds:.0f} s") from error
        except frames.BadFrame as error:
            raise Refused("parser_crashed", "what the parser sent is no message") from error
        if message is None:
            raise self.failure()
        return message

    def failure(self) -> Refused:
        """Why the process has closed its pipe, by how it ended and what it used."""
        end = time.monotonic() + CLOSING_SECONDS
        while (code := self.process.poll()) is None:
            if time.monotonic() >= end:
                return Refused("parser_crashed", "the parser closed its pipe")
            time.sleep(0.001)
        if code == -signal.SIGXCPU:
            seconds = self.limits.unit_cpu_seconds
            return Refused("parser_timeout", f"it took more than {seconds} s of processor time")
        if code == -signal.SIGKILL:
            return Refused("parser_memory", self.limits.too_much_memory())
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return Refused("parser_crashed", f"the parser crashed ({how})")

    def stop(self) -> bool:
        """Give up the current file; whether the process can take another one."""
        end = time.monotonic() + self.limits.unit_seconds
        message = dict[str, Any]()
        try:
            frames.send(self.requests, {"stop": True})
            while message.get("end") != "stopped":
                if time.monotonic() >= end:
                    return False
                message = self.receive(end - time.monotonic())
        except (Refused, OSError):
            return False
        return not message.get("is_last")


class Idle(threading.local):
    """The processes of this thread that wait for a file.

    The system ends a process when the thread that started it ends, so threads share none.
    """

    def __init__(self) -> None:
        self.processes: list[ParserProcess] = []

    def take(self, limits: Limits) -> ParserProcess:
        """A process with these limits, a new one if none waits."""
        for process in [each for each in self.processes[::-1] if each.limits == limits]:
            self.processes.remove(process)
            if process.is_alive:
                return process
            process.close()
        return ParserProcess(limits)


IDLE = Idle()


def parsed_units(
    parser: str, path: Path, options: Options, *, raw_bytes: int, limits: Limits = LIMITS
) -> Iterator[Unit]:
    """The units of a file, by a parser ("module:function"); what fails is a unit with a reason.

    raw_bytes: the size of the file, by which it gets its time. A unit with the number 0 stands for
    the whole file, or its rest. Raises SourceError if a library of the parser is not installed.
    """
    # Links stay as they are.
    where = os.path.abspath(path)  # noqa: PTH100
    request = {"parser": parser, "path": frames.sendable(where), "options": dict(options)}
    parsing = Parsing(request, limits, limits.seconds_of(raw_bytes))
    while not parsing.is_over:
        yield from parsing.go_on()


@dataclass
class Parsing:
    """Where the parsing of a file stands.

    next: the first unit that has not come. spare: seconds of processor time that units which hang
    may still take. failed_ahead: the failure of a later one; the units
    before it were parsed, not yet sent, and are parsed again.
    """

    request: dict[str, Any]
    limits: Limits
    seconds: float

    def __post_init__(self) -> None:
        self.next = 1
        self.failures = self.timeouts = 0
        self.spare = (
            self.limits.lost_cpu_seconds * self.seconds / max(1e-9, self.limits.file_seconds)
        )
        self.failed_ahead: tuple[int, Refused] | None = None
        self.is_over = False

    def go_on(self) -> Iterator[Unit]:
        """The units from `next` on, up to one that fails, which is a unit with a reason."""
        process = IDLE.take(self.limits)
        is_usable = False
        until = self.failed_ahead[0] - 1 if self.failed_ahead else LAST_UNIT
        try:
            frames.send(process.requests, self.request | {"start": self.next, "until": until})
            while "unit" in (message := self.receive_in_time(process)):
                yield self.received(message["unit"], message.get("texts", b""), until)
            is_usable = not message.get("is_last")
            yield from self.end(message)
        except (Refused, BrokenPipeError) as error:
            failure = error if isinstance(error, Refused) else process.failure()
            yield from self.fail(failure, process.progress.unit)
        except GeneratorExit:
            is_usable = process.stop()
            raise
        finally:
            if is_usable:
                IDLE.processes.append(process)
            else:
                process.close()

    def receive_in_time(self, process: ParserProcess) -> dict[str, Any]:
        """The next message, within the time that the file has left. Raises Refused.

        A unit has its own time. Units that are passed over, or not sent yet, show as steps, and
        each gets that time anew.
        """
        if self.seconds <= 0 and not self.failed_ahead:
            raise Refused("parser_timeout", "the time of the file is over")
        while True:
            steps = process.progress.steps
            began = time.monotonic()
            left = self.limits.unit_seconds if self.failed_ahead else self.seconds
            try:
                return process.receive(max(0.0, min(self.limits.unit_seconds, left)))
            except Refused:
                has_moved = process.is_alive and process.progress.steps != steps
                if not has_moved or time.monotonic() - began >= left:
                    raise
            finally:
                self.seconds -= time.monotonic() - began

    def received(self, sent: Any, text: bytes, until: int) -> Unit:
        """The unit of a message. Raises Refused if it is none, or not behind the one before."""
        try:
            unit = Unit(**(sent | {"text": text.decode()}))
        except (TypeError, UnicodeDecodeError) as error:
            raise Refused("parser_crashed", NO_UNIT) from error
        if not is_sound(unit) or not self.next <= unit.number <= until:
            raise Refused("parser_crashed", NO_UNIT)
        self.next = unit.number + 1
        self.timeouts = 0
        self.spare += SPARE_A_UNIT
        return unit

    def end(self, message: dict[str, Any]) -> Iterator[Unit]:
        """Go by the parser's last message; the units that stand for a failure. Raises Refused."""
        ending, reason, detail = (message.get(key, "") for key in ("end", "reason", "detail"))
        if ending not in ENDS or type(reason) is not str or type(detail) is not str:
            raise Refused("parser_crashed", "what the parser sent is no end of a file")
        if ending == "failed":
            raise Refused(reason, detail or self.limits.too_much_memory())
        if ending == "missing":
            raise source_error("no_library", "[[source]]", library=detail)
        if self.failed_ahead:
            yield from self.skip_next(self.failed_ahead[1])
            return
        self.is_over = True
        if ending == "refused":
            yield Unit(0, reason=reason, detail=detail)

    def fail(self, failure: Refused, unit: int) -> Iterator[Unit]:
        """Note a failure in the unit of this number; the units that stand for it, if it is next."""
        if unit == 0:
            self.is_over = True
            yield Unit(0, reason=failure.reason, detail=failure.detail)
        elif unit <= self.next or (self.failed_ahead and unit >= self.failed_ahead[0]):
            yield from self.skip_next(failure)
        else:
            self.failed_ahead = (unit, failure)

    def skip_next(self, failure: Refused) -> Iterator[Unit]:
        """The next unit as one that failed; the rest of the file, too, if it cannot go on."""
        self.failed_ahead = None
        if failure.reason != "parser_failed":  # a crash, a hang, or too much memory
            self.failures += 1
        is_timeout = failure.reason == "parser_timeout"
        self.timeouts = self.timeouts + 1 if is_timeout else 0
        self.spare -= self.limits.unit_cpu_seconds if is_timeout else 0
        yield Unit(self.next, reason=failure.reason, detail=failure.detail)
        self.next += 1
        if self.seconds <= 0:
            why = "its time is over"
        elif self.timeouts >= TIMEOUTS_IN_A_ROW or self.spare <= 0:
            why = "it takes too much processor time"
        elif self.failures >= self.limits.failures + self.next // UNITS_A_FAILURE:
            why = f"after {self.failures} failures"
        else:
            return
        self.is_over = True
        if self.limits.failures > 1:  # of a single picture there is no rest
            yield Unit(0, reason=failure.reason, detail=f"{why}, the rest is not read")


def is_sound(unit: Unit) -> bool:
    """Whether the fields of a unit that was sent are what Unit says."""
    return (
        type(unit.number) is type(unit.raw_bytes) is int
        and unit.raw_bytes >= 0
        and type(unit.reason) is type(unit.detail) is str
        and type(unit.meta) is dict
        and all(type(each) is str for each in unit.meta.values())
    )
