"""Asks a function in another process with limits: what strangers made may fail, hang or grow there.

The process (`limited/worker.py`) takes one question after the other. When it ends of itself or
takes too much, the question has failed, and the next one gets a new process. Parsers, which send
many units of a file, have their own form of this in `formats/isolation.py`.
"""

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
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


class WorkerProcess:
    """A process that runs the `main` of a module of endonym, with pipes to it and from it.

    arguments: stand in its sys.argv[3:]. Of the environment it sees PASSED_ON and `variables`: no
    keys and no tokens. It has its own session, so that it gets no Ctrl-C. It ends with this object.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        stderr: int,
        variables: Mapping[str, str] | None = None,
        pass_fds: Collection[int] = (),
    ) -> None:
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self.owner = os.getpid()
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-c", START, json.dumps(sys.path), module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
            env=passed_on | dict(variables or {}),
            pass_fds=pass_fds,
        )
        self.close = weakref.finalize(self, end, self.process, self.owner)
        assert self.process.stdin is not None, "a pipe"
        assert self.process.stdout is not None, "a pipe"
        self.requests = self.process.stdin.fileno()
        self.answers = Incoming(self.process.stdout.fileno())

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked; after a fork, it belongs to the parent."""
        return self.owner == os.getpid() and self.process.poll() is None


class LimitedProcess:
    """A function in another process. Started when first asked, and again after it has failed.

    function: `module:name`. It takes a mapping of JSON values, with bytes under "texts" if there
    are any, and gives one.
    """

    def __init__(self, function: str) -> None:
        self.function = function
        self._worker: WorkerProcess | None = None
        self._lock = threading.Lock()

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
        if self._worker is None or not self._worker.is_alive:
            self.close()
            self._worker = WorkerProcess(
                WORKER, self.function, stderr=subprocess.DEVNULL, variables=ONE_THREAD | A_FOLDER
            )
        worker = self._worker
        try:
            write(worker.requests, message)
            answer = worker.answers.receive(limits.seconds)
            if answer is None:
                worker.process.wait(limits.seconds)
                raise BadFrame
            return answer
        except (TimeoutError, subprocess.TimeoutExpired) as error:
            self.close()
            raise Failure(f"it does not end within {limits.seconds:g} seconds") from error
        except (OSError, BadFrame) as error:
            self.close()
            raise Failure(why_it_ended(worker.process.returncode, limits)) from error
        except BaseException:
            self.close()  # an interrupt: the next question must not get this answer
            raise

    def close(self) -> None:
        """End the process."""
        if self._worker is not None:
            self._worker.close()
        self._worker = None


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
