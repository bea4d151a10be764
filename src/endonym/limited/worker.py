"""The process that `limited/process.py` starts: it answers questions by one function.

It ends when the other side has closed, when a question takes too much processor time or wall clock,
and when there is no memory for it. Where the kernel has Landlock it cannot change the disk.
"""

import importlib
import math
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from endonym.limited.frames import Incoming, Message, send
from endonym.limited.landlock import restrict_by_landlock

MAX_FILES = 128
START_SECONDS = 600
"""Within which the first question must be there: until then it has no limits of its own."""
ENOUGH_CHARS = 2_000
"""Of what an error says."""


def main() -> None:
    """Answer questions by the function that `sys.argv[3]` names as module:function."""
    questions, answers = own_pipes()
    signal.alarm(START_SECONDS)
    module, _, name = sys.argv[3].partition(":")
    function = getattr(importlib.import_module(module), name)
    cap({resource.RLIMIT_NOFILE: MAX_FILES, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0})
    loaded_bytes = address_space()
    restrict_by_landlock()
    while (message := questions.receive()) is not None:
        set_limits(message["limits"], loaded_bytes)
        send(answers, answer(function, message))
        signal.setitimer(signal.ITIMER_REAL, 0)  # cancel the alarm


def answer(function: Callable[[Message], Message], message: Message) -> Message:
    """What the function gives, or why it failed."""
    question = message["question"]
    if "texts" in message:
        question = question | {"texts": message["texts"]}
    try:
        return function(question)
    except MemoryError:
        most = message["limits"]["memory_bytes"] >> 20
        return {"failed": f"it takes more than {most:,} MiB of memory"}
    except BaseException as error:  # noqa: BLE001 - panics of Rust are no Exception
        return {"failed": (str(error) or type(error).__name__)[:ENOUGH_CHARS]}


def own_pipes() -> tuple[Incoming, int]:
    """The two pipes under numbers of their own: a library that prints must not write into one."""
    requests = os.dup(0)
    answers = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    return Incoming(requests), answers


def cap(limits: Mapping[int, int], *, for_good: bool = True) -> None:
    """Limit each of these resources (resource.RLIMIT_…), for good or until the next call."""
    for kind, limit in limits.items():
        _, hard = resource.getrlimit(kind)
        soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (soft, soft if for_good else hard))


def address_space() -> int:
    """Bytes of address space that this process has; 0 where there is no /proc."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    except OSError:
        return 0
    return int(pages) * resource.getpagesize()


def set_limits(limits: Message, loaded_bytes: int = 0) -> None:
    """Limit what the next question may take. limits: the fields of `process.Limits`.

    loaded_bytes: address space of the function's module, which is not the question's: torch for a
    GPU has gigabytes.

    The asking program stops a long one, too. If that was killed, this does: SIGXCPU and SIGALRM end
    a process.
    """
    cpu_seconds = math.ceil(time.process_time() + limits["cpu_seconds"]) + 1
    memory_bytes = limits["memory_bytes"] + loaded_bytes
    cap({resource.RLIMIT_AS: memory_bytes, resource.RLIMIT_CPU: cpu_seconds}, for_good=False)
    signal.setitimer(signal.ITIMER_REAL, limits["seconds"] + 1.0)
