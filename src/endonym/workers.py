"""Runs jobs: here, in processes of this machine, or on a cluster of Ray.

A job is a function from files to files. Its record, a small JSON file, is written last: where it
stands, the job is done and is not done again. So a run that was killed goes on. Results come in the
order of the jobs, and no job knows how many others run beside it: the files are the same for any
number of workers.

How many run, where, and what is done when a worker is lost, is left to `concurrent.futures` and to
Ray. Both hand jobs to their own processes pickled; nothing that is pickled lies on disk.
"""

import errno
import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent import futures
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from endonym.disk import json_bytes
from endonym.errors import ClusterError, LostWorker, RecipeError

Advance = Callable[[int], None]
Result = dict[str, Any]
Function = Callable[[Any, Advance], Result]
"""From a task to what its record says. It tells how many bytes more it has worked on."""

TELL_SECONDS = 0.5
"""How often progress is told and read."""
TRIES = 2
REACH_SECONDS = 20
MOST_SAID = 4
SAID_CHARS = 500
"""Lines and characters of what Ray says of an error."""
RAY = "ray"


@dataclass(frozen=True, slots=True)
class Job:
    """A task, the file of its record, and its size in bytes for the progress."""

    task: Any
    record: Path
    size: int = 0

    @property
    def name(self) -> str:
        """The job as a message names it."""
        return f"job {self.record.parent.name}/{self.record.stem}"

    @property
    def progress_file(self) -> Path:
        """The file in which a worker says how far it is."""
        return self.record.with_suffix(".told")


class Runner(Protocol):
    """Runs jobs of one function, `count` at a time."""

    count: int

    def run(self, function: Function, jobs: Iterable[Job], advance: Advance) -> Iterator[Result]:
        """The results of all jobs, in their order. advance: is told the bytes done, of each job
        its size in all. An error of a job is raised as it is."""
        ...


def perform(function: Function, job: Job, advance: Advance) -> Result:
    """Do one job and write its record."""
    result = function(job.task, advance)
    part = job.record.with_name(f"{job.record.name}.{uuid.uuid4().hex}.part")
    part.write_bytes(json_bytes(result))
    part.replace(job.record)
    return result


def perform_remotely(function: Function, job: Job) -> Result:
    """Do one job in a worker, which says in a file how far it is."""
    done_bytes = 0
    due = time.monotonic() + TELL_SECONDS

    def tell(n_bytes: int) -> None:
        nonlocal done_bytes, due
        done_bytes += n_bytes
        if time.monotonic() >= due:
            job.progress_file.write_text(str(done_bytes), encoding="utf-8")
            due = time.monotonic() + TELL_SECONDS

    try:
        return perform(function, job, tell)
    finally:
        job.progress_file.unlink(missing_ok=True)


@dataclass
class Share:
    """How much of a job was told already, so that each job counts with its size in all."""

    job: Job
    advance: Advance

    def __post_init__(self) -> None:
        self.told = 0

    def more(self, size: int) -> None:
        """Tell that so many bytes more were worked on."""
        size = min(size, self.job.size - self.told)
        self.told += size
        self.advance(size)

    def look(self) -> None:
        """Read how far a worker is, and tell it."""
        with suppress(OSError, ValueError):
            self.more(max(0, int(self.job.progress_file.read_text(encoding="utf-8")) - self.told))


class Inline:
    """Runs one job after the other in this process."""

    count = 1

    def run(self, function: Function, jobs: Iterable[Job], advance: Advance) -> Iterator[Result]:
        """See Runner."""
        for job in jobs:
            share = Share(job, advance)
            result = perform(function, job, share.more)
            share.more(job.size)
            yield result


@dataclass(slots=True)
class SubmittedJob:
    """A job that a worker has or had, and its result in time."""

    share: Share
    future: Future[Result]


class RemoteRunner(ABC):
    """Runs jobs in other processes: twice as many wait or run as there are workers."""

    count: int

    def run(self, function: Function, jobs: Iterable[Job], advance: Advance) -> Iterator[Result]:
        """See Runner."""
        waiting = iter(jobs)
        running = list[SubmittedJob]()
        submitted: deque[SubmittedJob] = deque()
        while True:
            for job in islice(waiting, 2 * self.count - len(running)):
                new = SubmittedJob(Share(job, advance), self.submit(function, job))
                submitted.append(new)
                running.append(new)
            if not submitted:
                return
            if submitted[0].future.done():
                result = self.result(function, submitted)
                share = submitted.popleft().share
                share.more(share.job.size)
                yield result
                continue
            pending = [each.future for each in running]
            futures.wait(pending, TELL_SECONDS, futures.FIRST_COMPLETED)
            running = [each for each in running if not each.future.done()]
            for each in running:
                each.share.look()

    @abstractmethod
    def submit(self, function: Function, job: Job) -> Future[Result]:
        """Give a job to a worker."""

    @abstractmethod
    def result(self, function: Function, submitted: Sequence[SubmittedJob]) -> Result:
        """The result of the first job, which has ended. Raises what the job raised."""


class Processes(RemoteRunner):
    """Runs jobs in processes of this machine.

    They start from nothing, as threads of this one would make forks unsafe. Each holds one end of
    a pipe. They end when the other end closes: with `close`, in the midst of a job, or with this
    process, however it ends.

    A worker that is killed breaks the pool, and nobody knows which job it had. So the jobs that
    were under way are done again one by one, each in a process of its own. One that is killed again
    is named in a LostWorker.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.pool: ProcessPoolExecutor | None = None

    def submit(self, function: Function, job: Job) -> Future[Result]:
        """See RemoteRunner. A process that starts here inherits that Ctrl-C waits."""
        if self.pool is None:
            context = multiprocessing.get_context("spawn")
            theirs, self.lifeline = context.Pipe(duplex=False)
            self.pool = ProcessPoolExecutor(
                self.count, mp_context=context, initializer=become_worker, initargs=(theirs,)
            )
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            return self.pool.submit(perform_remotely, function, job)
        except BrokenProcessPool as broken:  # A worker died since the last job was submitted.
            failed: Future[Result] = Future()
            failed.set_exception(broken)
            return failed
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def result(self, function: Function, submitted: Sequence[SubmittedJob]) -> Result:
        """See RemoteRunner."""
        if isinstance(submitted[0].future.exception(), BrokenProcessPool):
            self.close()
            for each in submitted:
                if isinstance(each.future.exception(), BrokenProcessPool):
                    each.future = done_alone(function, each.share.job)
        return submitted[0].future.result()

    def close(self) -> None:
        """End the workers at once: what they have under way is made again by the next run."""
        if self.pool is not None:
            self.lifeline.close()
            self.pool.shutdown(cancel_futures=True)
            self.pool = None


def done_alone(function: Function, job: Job) -> Future[Result]:
    """Do a job, which was under way when a worker was killed, in a process of its own.

    Raises LostWorker if that is killed, too.
    """
    alone = Processes(1)
    try:
        future = alone.submit(function, job)
        if isinstance(future.exception(), BrokenProcessPool):
            raise lost(job)
        return future
    finally:
        alone.close()


def lost(job: Job) -> LostWorker:
    """The error for a job whose worker was killed each time."""
    return LostWorker(
        f"the worker was killed, {TRIES} times (if nobody did it, memory ran out)",
        where=job.name,
        do="What was finished is kept: the same command goes on. With fewer --workers each has "
        "more memory.",
    )


def become_worker(lifeline: Connection) -> None:
    """Make a new process a worker: Ctrl-C is its parent's matter, and it ends with its parent."""

    def end_with_parent() -> None:
        with suppress(EOFError, OSError):
            lifeline.recv_bytes()  # Nothing is ever sent: it returns when the pipe closes.
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()


class Cluster(RemoteRunner):
    """Runs jobs as tasks of Ray, which must see the files of all jobs under the same paths.

    It takes the cluster that RAY_ADDRESS names, or that runs on this machine, or starts one here.
    Ray itself tries a task once more whose worker or machine is lost.
    """

    def __init__(self) -> None:
        import ray

        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.WARNING}
        with cluster_errors(f"--workers {RAY}"):
            ray.init(include_dashboard=False, ignore_reinit_error=True, **quiet)
        self.count = max(1, int(ray.cluster_resources().get("CPU", 1)))

    def submit(self, function: Function, job: Job) -> Future[Result]:
        """See RemoteRunner."""
        import ray

        task: Any = ray.remote(max_retries=TRIES - 1)(perform_remotely)
        return task.remote(function, job).future()

    def result(self, function: Function, submitted: Sequence[SubmittedJob]) -> Result:
        """See RemoteRunner."""
        from ray.exceptions import NodeDiedError, OutOfMemoryError, WorkerCrashedError

        job = submitted[0].share.job
        with cluster_errors(job.name):
            try:
                return submitted[0].future.result()
            except (WorkerCrashedError, NodeDiedError, OutOfMemoryError) as error:
                raise lost(job) from error

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        import ray

        ray.shutdown()


@contextmanager
def cluster_errors(where: str) -> Generator[None]:
    """Raise an error of a job as it is, and one of Ray as a ClusterError with Ray's own words.

    Of an error that Ray shows with its trace it is the first cause, without places in code.
    """
    from ray.exceptions import RayError, RayTaskError, UserCodeException

    try:
        yield
    except (RayError, UserCodeException, ConnectionError) as error:
        cause = error.cause if isinstance(error, RayTaskError) else error
        if not isinstance(cause, RayError | UserCodeException) and cause is not error:
            raise cause from error
        text = str(error).strip() or str(cause)
        full = os.strerror(errno.ENOSPC)
        if full in text:
            raise OSError(errno.ENOSPC, full) from error
        lines = text.partition("\n\nThe above exception was the direct cause")[0].splitlines()
        words = [line for line in lines if line and not line.startswith((" ", "\x1b", "Traceback"))]
        raise ClusterError(
            "\n".join(words[-MOST_SAID:]) or text[:SAID_CHARS],
            where=where,
            do="What was finished is kept: the same command goes on. `ray status` says how the "
            "cluster is; with --workers and a number there is none.",
        ) from error


def require_reachable(address: str) -> None:
    """Raise ClusterError if nothing answers at host:port; Ray would try for minutes in silence."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdecimal():
        return  # "auto", "local", or nothing: Ray knows.
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"nothing answers there: {error}",
            where=f"RAY_ADDRESS={address}",
            do="Start the cluster (`ray start --head --port 6379`), or name the address that it "
            "prints. Without RAY_ADDRESS, --workers ray starts a cluster on this machine.",
        ) from error


@contextmanager
def runner(workers: int | str) -> Generator[Runner]:
    """What runs the jobs: so many processes (1: this one), or Ray.

    Raises RecipeError if Ray is not installed.
    """
    if workers == 1:
        yield Inline()
        return
    if workers == RAY and find_spec("ray") is None:
        do = 'Install it: pip install "endonym[cluster]", or give a number of processes.'
        raise RecipeError("Ray is not installed here", where=f"--workers {RAY}", do=do)
    chosen = Cluster() if workers == RAY else Processes(int(workers))
    try:
        yield chosen
    finally:
        chosen.close()
