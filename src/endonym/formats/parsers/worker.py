"""The process in which parsers run: it takes one file after the other, and sends its units.

`formats/isolation.py` starts it. It dies with its parent, and ends for good when a unit takes too
much time or memory. The process that was started forks it, waits, and ends as it ends. Where the
kernel has Landlock it cannot change the disk (limited/landlock.py); elsewhere no file can grow.
"""

import ctypes
import os
import pkgutil
import re
import resource
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from endonym.formats.parsers.unit import Refused, Unit
from endonym.limited import frames
from endonym.limited.landlock import restrict_by_landlock
from endonym.limited.worker import cap, own_pipes

PR_SET_PDEATHSIG = 1
MAX_FILES = 64
"""Files that a parser may have open."""
MAX_UNIT_BYTES = 64 << 20
"""As MAX_DOCUMENT_BYTES of formats/io/content.py."""
HELD_BYTES = 1 << 17
HELD_SECONDS = 0.01
"""Units are held back until there is so much of them, or so long."""
RENEWED_SECONDS = 0.2
DETAIL_CHARS = 300
RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in a unit of ru_maxrss."""
MEMORY_SHARE = 0.75
"""A process that crashed with more of its memory in use is taken to have had too little."""
RENEWED_SHARE = 0.4
"""A process that has used more of its memory takes no other file: what is left of it, and its peak,
would change what the next file comes to."""
ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


def main() -> None:
    """Serve requests until the other side closes. The first message has the limits."""
    requests, answers = own_pipes()
    limits = requests.receive()
    if limits is None:
        return
    die_with(limits["parent"])
    starter = os.getpid()
    if worker := os.fork():
        watch(worker, limits["memory_bytes"])
    die_with(starter)
    where = frames.Whereabouts(limits["whereabouts"])
    # No file may grow, no process or thread be started; the last does not bind the user root.
    limited = {resource.RLIMIT_AS: limits["memory_bytes"], resource.RLIMIT_NOFILE: MAX_FILES}
    forbidden = (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_NPROC)
    cap(limited | dict.fromkeys(forbidden, 0))
    worker = Worker(requests, answers, where, limits["unit_cpu_seconds"])
    frames.send(answers, {"ready": True})
    os.dup2(0, 2)  # Errors are said in messages; libraries print warnings of their own.
    restrict_by_landlock()
    while (request := requests.receive()) is not None:
        if "stop" in request:
            frames.send(answers, {"end": "stopped"})
        elif not worker.serve(request):
            return


def watch(worker: int, memory_bytes: int) -> NoReturn:
    """End as the worker ends; by SIGKILL if it crashed with most of its memory in use.

    A process that is started by a large one begins with the other's peak of memory (Linux keeps it
    over exec), so the peak is only known of a process that is forked from a small one.
    """
    os.closerange(0, MAX_FILES)
    _, status, usage = os.wait4(worker, 0)
    code = os.waitstatus_to_exitcode(status)
    used = usage.ru_maxrss * RSS_UNIT
    if code != -signal.SIGXCPU and used > MEMORY_SHARE * memory_bytes:
        code = -signal.SIGKILL
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [-code])
        if code != -signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def die_with(parent: int) -> None:
    """End this process when its parent ends, also in the middle of a parser's loop (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)


def end_message(end: str, reason: str, detail: str) -> dict[str, str]:
    """How the parsing of a file ended, as the last message says it."""
    return {"end": end, "reason": reason, "detail": detail[:DETAIL_CHARS]}


@dataclass
class Worker:
    """Parses files. Units are sent together, some milliseconds' worth of them."""

    requests: frames.Incoming
    answers: int
    where: frames.Whereabouts
    cpu_seconds: int

    def __post_init__(self) -> None:
        self.cpu_renewed_at = -1.0
        self.held = bytearray()
        self.sent_at = 0.0

    def renew_cpu(self) -> None:
        """Let this process compute for the seconds of a unit; then the system ends it.

        Within a part of a second, the last limit still holds.
        """
        if time.monotonic() - self.cpu_renewed_at >= RENEWED_SECONDS:
            total_seconds = int(time.process_time()) + self.cpu_seconds
            cap({resource.RLIMIT_CPU: total_seconds}, for_good=False)
            self.cpu_renewed_at = time.monotonic()

    def serve(self, request: dict[str, Any]) -> bool:
        """Parse one file; False if this process should not be used again."""
        end = {"end": "done"}
        path = request["path"]
        try:
            self.where.say(0)
            self.renew_cpu()
            parser = pkgutil.resolve_name(request["parser"])
            with frames.readable(request["path"]) as path:
                units = parser(path, request["start"], request["options"])
                if self.send_units(units, request["start"], request["until"]):
                    end = {"end": "stopped"}
        except Refused as refusal:
            end = end_message("refused", refusal.reason, refusal.detail)
        except ModuleNotFoundError as error:
            end = end_message("missing", "", str(error.name))
        except MemoryError:
            end = end_message("failed", "parser_memory", "")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's file
            detail = f"{type(error).__name__}: {error}".replace(path, "the file")
            end = end_message("failed", "parser_failed", ADDRESS.sub("…", detail))
        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT
        is_worn = most != resource.RLIM_INFINITY and used > RENEWED_SHARE * most
        is_last = is_worn or end.get("reason") == "parser_memory"
        self.flush(end | {"is_last": is_last})
        return not is_last

    def send_units(self, units: Iterator[Unit | None], start: int, until: int) -> bool:
        """Send the units up to number `until`; whether the other side has stopped it."""
        number = start
        self.where.say(number)
        for unit in units:
            if unit is not None:
                self.hold(unit)
                number = unit.number + 1
                if number > until:
                    break
            self.where.say(number)
            self.renew_cpu()
            if len(self.held) >= HELD_BYTES or time.monotonic() >= self.sent_at + HELD_SECONDS:
                self.flush()
                if self.requests.is_waiting():
                    assert self.requests.receive() is not None, "a reader that has ended"
                    return True
        return False

    def hold(self, unit: Unit) -> None:
        """Keep a unit until it is sent. One whose text is too long is no document."""
        if len(unit.text) * 4 > MAX_UNIT_BYTES and len(unit.text.encode()) > MAX_UNIT_BYTES:
            limit = MAX_UNIT_BYTES >> 20
            detail = f"{len(unit.text):,} characters; a document may have {limit} MiB"
            unit = Unit(unit.number, "", unit.meta, unit.raw_bytes, "too_long", detail)
        # dataclasses.asdict would copy every line of a page.
        fields = {name: getattr(unit, name) for name in Unit.__slots__ if name != "text"}
        self.held += frames.framed({"unit": fields}, frames.utf8(unit.text))

    def flush(self, last: dict[str, Any] | None = None) -> None:
        """Send the units that are held, each as a message, and a last one."""
        frames.write(self.answers, self.held)
        if last is not None:
            frames.send(self.answers, last)
        self.held = bytearray()
        self.sent_at = time.monotonic()
