"""The process in which parsers run: it takes one file after the other, and sends its units.

`text/isolation.py` starts it. It has no use of the disk but to read, dies with its parent, and ends
for good when a unit takes too much time or memory.
"""

import ctypes
import importlib
import os
import re
import resource
import signal
import sys
from typing import Any

from endonym.text.parsers.frames import Incoming, send
from endonym.text.parsers.unit import Refused, Unit

PR_SET_PDEATHSIG = 1
MAX_FILES = 64
"""Files that a parser may have open."""
MAX_UNIT_BYTES = 64 << 20
"""As MAX_DOCUMENT_BYTES of text/io/origin.py."""
DETAIL_CHARS = 300
ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


def main() -> None:
    """Serve requests until the other side closes. The first message has the limits."""
    requests, answers = own_pipes()
    limits = requests.receive()
    if limits is None:
        return
    die_with(limits["parent"])
    confine(limits["memory_bytes"])
    allow_cpu(limits["unit_cpu_seconds"])
    send(answers, {"ready": True})
    be_silent()
    while (request := requests.receive()) is not None:
        if "stop" in request:
            send(answers, {"stopped": True})
            continue
        allow_cpu(limits["unit_cpu_seconds"])
        if not serve(request, requests, answers, limits["unit_cpu_seconds"]):
            return


def own_pipes() -> tuple[Incoming, int]:
    """The two pipes under numbers of their own: a parser that prints must not write into one."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    return Incoming(requests), answers


def be_silent() -> None:
    """Errors are said in messages; libraries print warnings of their own."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 2)
    os.close(nothing)


def die_with(parent: int) -> None:
    """End this process when its parent ends, also in the middle of a parser's loop (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)


def confine(memory_bytes: int) -> None:
    """Limit memory and open files; forbid to write files and memory images."""
    for what, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_NOFILE, MAX_FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def allow_cpu(seconds: int) -> None:
    """Let this process compute for so many seconds more; then the system ends it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(usage.ru_utime + usage.ru_stime) + seconds, hard))


def fields(unit: Unit) -> dict[str, Any]:
    """A unit as JSON can hold it; dataclasses.asdict would copy every line of a page."""
    return {name: getattr(unit, name) for name in Unit.__slots__}


def too_long(unit: Unit) -> Unit:
    """A unit that is no document, as its text is too long."""
    detail = f"{len(unit.text):,} characters; a document may have {MAX_UNIT_BYTES >> 20} MiB"
    return Unit(unit.number, "", unit.meta, unit.raw_bytes, "too_long", detail)


def serve(request: dict[str, Any], requests: Incoming, answers: int, cpu_seconds: int) -> bool:
    """Parse one file; False if this process should not be used again."""
    try:
        parser = importlib.import_module(request["parser"])
        found = parser.units(request["path"], request["start"], request["options"])
        send(answers, {"going": True})
        for unit in found:
            if unit is None:
                message = {"going": True}
            elif len(unit.text) * 4 > MAX_UNIT_BYTES and len(unit.text.encode()) > MAX_UNIT_BYTES:
                message = {"unit": fields(too_long(unit))}
            else:
                message = {"unit": fields(unit)}
            send(answers, message)
            allow_cpu(cpu_seconds)
            if requests.is_waiting():
                stop = requests.receive()
                if stop is not None:
                    send(answers, {"stopped": True})
                return stop is not None
        send(answers, {"done": True})
        return True
    except Refused as refusal:
        send(answers, {"refused": refusal.reason, "detail": refusal.detail[:DETAIL_CHARS]})
        return True
    except ModuleNotFoundError as error:
        send(answers, {"missing": str(error.name)})
        return True
    except MemoryError:
        send(answers, {"failed": "parser_memory"})
        return False
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's file
        detail = f"{type(error).__name__}: {error}".replace(request["path"], "the file")
        detail = ADDRESS.sub("…", detail)[:DETAIL_CHARS]
        send(answers, {"failed": "parser_failed", "detail": detail})
        return True
