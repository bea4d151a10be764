"""Asks a function in another process with limits: what strangers made may fail, hang or grow there.

The process (`limited/worker.py`) takes one question after the other. When it ends of itself or
takes too much, the question has failed, and the next one gets a new process. Parsers, which send
many units of a file, have their own form of this in `formats/isolation.py`.
"""

import atexit
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass

from endonym.limited.frames import BadFrame, Incoming, Message, framed, write

START = """
import importlib, json, sys
sys.path[:] = json.loads(sys.argv[1])
importlib.import_module(sys.argv[2]).main()
"""
WORKER = "endonym.limited.worker"
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
ONE_THREAD = {"RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
"""Threads of libraries would take address space."""
A_FOLDER = {"TORCHINDUCTOR_CACHE_DIR": tempfile.gettempdir()}
"""torch's compiler, which some models import, makes its folder then: this one is there already."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a question may take: bytes beside the imported libraries, seconds of processor time and
    wall clock."""

    memory_bytes: int
    cpu_seconds: float
    seconds: float


class Failure(Exception):
    """The process did not answer; the sentence says why."""


class LimitedProcess:
    """A function in another process. Started when first asked, and again after it has failed.

    function: `module:name`. It takes a mapping of JSON values, with bytes under "texts" if there
    are any, and gives one.
    """

    def __init__(self, function: str) -> None:
        self.function = function
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._owner = os.getpid()
        atexit.register(self.close)

    def ask(
        self, question: Message, limits: Limits, data: bytes = b"", *, is_last: bool = False
    ) -> Message:
        """The answer. Raises Failure if there is none within the limits.

        is_last: whether the process ends after it.
        """
        message = {"limits": asdict(limits), "question": dict(question)}
        with self._lock:
            try:
                answer = self._answer(framed(message, data), limits)
            finally:
                if is_last:
                    self.close()
        if "failed" in answer:
            raise Failure(str(answer["failed"]))
        return answer

    def _answer(self, message: bytes, limits: Limits) -> Message:
        """Send a message as bytes and wait for the answer. Raises Failure if there is none."""
        is_ours = self._owner == os.getpid()
        if self._process is None or not is_ours or self._process.poll() is not None:
            self.close()
            self._owner = os.getpid()
            self._process = start_process(
                WORKER,
                self.function,
                stderr=subprocess.DEVNULL,
                variables=ONE_THREAD | A_FOLDER,
            )
        process = self._process
        is_late = threading.Event()
        assert process.stdin is not None, "a pipe"
        assert process.stdout is not None, "a pipe"

        def stop() -> None:
            is_late.set()
            process.kill()

        timer = threading.Timer(limits.seconds, stop)
        try:
            timer.start()
            write(process.stdin.fileno(), message)
            answer = Incoming(process.stdout.fileno()).receive()
            if answer is None:
                process.wait()
                raise BadFrame
            return answer
        except (OSError, BadFrame) as error:
            process.kill()
            code = process.wait()
            self.close()
            why = f"it does not end within {limits.seconds:g} seconds"
            raise Failure(why if is_late.is_set() else why_it_ended(code, limits)) from error
        except BaseException:
            self.close()  # an interrupt: the next question must not get this answer
            raise
        finally:
            timer.cancel()
            if timer.is_alive():
                timer.join()  # it may be stopping the process just now
            if is_late.is_set():
                self.close()

    def close(self) -> None:
        """End the process."""
        process = self._process
        self._process = None
        if process is not None:
            end(process, self._owner)


def start_process(
    module: str,
    *arguments: str,
    stderr: int,
    variables: Mapping[str, str] | None = None,
    pass_fds: Collection[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a process that runs the `main` of a module of endonym, with pipes to it and from it.

    arguments: stand in its sys.argv[3:]. Of the environment it sees PASSED_ON and `variables`: no
    keys and no tokens. It has its own session, so that it gets no Ctrl-C.
    """
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-I", "-B", "-c", START, json.dumps(sys.path), module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
        env=passed_on | dict(variables or {}),
        pass_fds=pass_fds,
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and the one it has forked."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def end(process: subprocess.Popen[bytes], owner: int) -> None:
    """End a process and close its pipes; after a fork, it still belongs to the parent."""
    if os.getpid() != owner:
        process.returncode = 0
    elif process.returncode is None:
        kill(process)
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def why_it_ended(code: int, limits: Limits) -> str:
    """Why a process that ended so gave no answer."""
    most = f"{limits.memory_bytes >> 20:,} MiB of memory"
    if code == -signal.SIGXCPU:
        return f"it takes more than {math.ceil(limits.cpu_seconds)} seconds of processor time"
    if code == -signal.SIGALRM:
        return f"it does not end within {limits.seconds:g} seconds"
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"it takes more than {most}, or ends the program that reads it ({how})"
