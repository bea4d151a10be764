"""Jobs that run here, in other processes, and on Ray."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from endonym import workers
from endonym.cli.recipe_commands import WorkersType
from endonym.errors import ClusterError, LostWorker, RecipeError, SourceError
from endonym.workers import (
    Cluster,
    Function,
    Inline,
    Job,
    Processes,
    RemoteRunner,
    Result,
    Runner,
    Share,
    SubmittedJob,
    cluster_errors,
    require_reachable,
    runner,
)

ADVANCE = Callable[[int], None]


def double(task: tuple[Path, int], advance: ADVANCE) -> dict[str, Any]:
    """Twice a number; even ones take longer."""
    _, number = task
    time.sleep(0.05 * (number % 2 == 0))
    advance(7)
    return {"double": 2 * number, "by": os.getpid()}


def refuse(task: tuple[Path, int], advance: ADVANCE) -> dict[str, Any]:
    """Fails for two of the numbers; the second one at once."""
    _, number = task
    time.sleep(0.3 * (number == 1))
    if number in (1, 2):
        raise SourceError(f"the file {number} cannot be read", where="тексты", do="Check it.")
    return {}


def die_once(task: tuple[Path, int], advance: ADVANCE) -> dict[str, Any]:
    """Killed the first time, for one number."""
    folder, number = task
    if number == 3 and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"double": 2 * number}


def die(task: tuple[Path, int], advance: ADVANCE) -> dict[str, Any]:
    """Killed each time, for one number."""
    folder, number = task
    if number == 2:
        with (folder / "deaths").open("a") as file:
            file.write("x")
        os.kill(os.getpid(), signal.SIGKILL)
    return {}


def sleep(task: tuple[Path, int], advance: ADVANCE) -> dict[str, Any]:
    """Never ends by itself; says that it has begun."""
    (task[0] / f"{os.getpid()}.began").touch()
    advance(3)
    time.sleep(1)
    advance(1)
    time.sleep(600)
    return {}


def jobs(folder: Path, count: int = 6) -> list[Job]:
    (folder / "double").mkdir(exist_ok=True)
    return [Job((folder, n), folder / "double" / f"{n:05d}.json", 10) for n in range(count)]


def results(crew: Runner, function: Function, given: list[Job]) -> tuple[list[Any], int]:
    """The results, and how much was told of them."""
    told: list[int] = []
    return list(crew.run(function, given, told.append)), sum(told)


@pytest.fixture(params=[1, 2])
def crew(request: pytest.FixtureRequest) -> Iterator[Runner]:
    with runner(request.param) as found:
        yield found


def test_results_come_in_order_with_a_record_each(crew: Runner, tmp_path: Path) -> None:
    found, told = results(crew, double, jobs(tmp_path))
    assert [each["double"] for each in found] == [0, 2, 4, 6, 8, 10]
    assert told == 60
    here = {each["by"] == os.getpid() for each in found}
    assert here == {isinstance(crew, Inline)}
    records = sorted((tmp_path / "double").iterdir())
    assert [json.loads(path.read_text()) for path in records] == found


def test_the_error_of_the_first_failing_job_is_raised_as_it_is(crew: Runner, tmp_path: Path):
    with pytest.raises(SourceError) as caught:
        results(crew, refuse, jobs(tmp_path))
    told = {"message": "the file 1 cannot be read", "where": "тексты", "do": "Check it."}
    assert caught.value.as_dict() == {"kind": "SourceError", **told}


def test_a_killed_worker_costs_nothing_but_time(tmp_path: Path) -> None:
    with runner(2) as crew:
        found, _ = results(crew, die_once, jobs(tmp_path))
        assert [each["double"] for each in found] == [0, 2, 4, 6, 8, 10]
        more, _ = results(crew, double, jobs(tmp_path, 2))
        assert [each["double"] for each in more] == [0, 2]


def test_a_job_that_kills_each_of_its_workers_is_named(tmp_path: Path) -> None:
    with pytest.raises(LostWorker, match="killed, 2 times") as caught, runner(2) as crew:
        results(crew, die, jobs(tmp_path))
    assert caught.value.where == "job double/00002"
    assert (tmp_path / "deaths").read_text() == "xx"


def test_workers_end_in_the_midst_of_their_jobs_when_they_are_closed(tmp_path: Path) -> None:
    crew = Processes(2)
    told: list[int] = []
    running = crew.run(sleep, jobs(tmp_path), told.append)
    with pytest.raises(KeyboardInterrupt):
        interrupted(running, tmp_path, told)
    crew.close()
    pids = [int(path.stem) for path in tmp_path.glob("*.began")]
    assert len(pids) == 2
    assert all(has_ended(pid) for pid in pids)
    assert sum(told) == 8


def interrupted(running: Iterator[Any], folder: Path, told: list[int]) -> None:
    """Press Ctrl-C when both workers have said that they are at four, at once or in parts."""

    def press(number: int, frame: object) -> None:
        if sum(told) == 8:
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, press)
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
    try:
        next(running)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def has_ended(pid: int) -> bool:
    """Whether a process ends within a few seconds."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


class OneSlow(RemoteRunner):
    """All jobs but the first end at once."""

    count = 4

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self.given = list[Future[Result]]()

    def submit(self, function: Function, job: Job) -> Future[Result]:
        """See RemoteRunner."""
        self.given.append(Future())
        count = len(self.given)
        if count > 1:
            self.given[-1].set_result({"number": count})
        if count == self.jobs:
            self.given[0].set_result({"number": 1})
        return self.given[-1]

    def result(self, function: Function, submitted: Sequence[SubmittedJob]) -> Result:
        """See RemoteRunner."""
        return submitted[0].future.result()


def test_jobs_that_wait_for_a_slow_one_are_not_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = list[int]()
    wait = workers.futures.wait

    def counted(running: Sequence[Future[Result]], *more: Any) -> Any:
        looked.append(len(running))
        return wait(running, *more)

    monkeypatch.setattr(workers.futures, "wait", counted)
    found, told = results(OneSlow(500), double, jobs(tmp_path, 500))
    assert [each["number"] for each in found] == list(range(1, 501))
    assert told == 5_000
    assert 0 < sum(looked) < 3 * 500


def raised(error: Exception) -> BaseException:
    """What becomes of an error that Ray raises for a job."""
    with pytest.raises(Exception) as caught, cluster_errors("job clean/00002"):  # noqa: PT011
        raise error
    return caught.value


def test_errors_of_a_job_come_from_ray_as_they_are() -> None:
    ray = pytest.importorskip("ray.exceptions")
    cause = SourceError("the file cannot be read", where="тексты", do="Check it.")
    assert raised(ray.RayTaskError("clean", "Traceback …", cause)) is cause
    other = ValueError("a mistake of ours")
    assert raised(other) is other


def test_errors_of_ray_itself_say_what_ray_says_and_what_to_do() -> None:
    ray = pytest.importorskip("ray.exceptions")
    for error in (
        ray.RuntimeEnvSetupError("conda is missing"),
        ray.RayTaskError("clean", "Traceback …", ray.RaySystemError("conda is missing")),
        ray.UserCodeException("conda is missing"),
        ConnectionError("there is no cluster at 10.0.0.1: conda is missing"),
    ):
        found = raised(error)
        assert isinstance(found, ClusterError)
        assert found.where == "job clean/00002"
        assert "ray status" in found.do
    assert "conda is missing" in found.message
    shown = (
        '\x1b[36mray::Map()\x1b[39m (pid=7)\n  File "a.py", line 7\nendonym.SourceError: текст\n\n'
    )
    shown += "The above exception was the direct cause of the following exception:\n\nUDF failed"
    found = raised(ray.RayTaskError("keys", shown, ray.UserCodeException("UDF failed")))
    assert isinstance(found, ClusterError)
    assert found.message == "endonym.SourceError: текст"
    full = ray.RayTaskError("keys", "", ray.UserCodeException("No space left on device"))
    assert isinstance(raised(full), OSError)


@pytest.mark.parametrize("is_lost", [True, False])
def test_ended_workers_are_lost(tmp_path: Path, *, is_lost: bool):
    ray = pytest.importorskip("ray")
    error = ray.exceptions.WorkerCrashedError() if is_lost else ray.exceptions.OutOfDiskError("/")

    failed: Future[Result] = Future()
    failed.set_exception(error)
    (job,) = jobs(tmp_path, 1)
    crew = Cluster.__new__(Cluster)
    with pytest.raises(LostWorker if is_lost else ClusterError) as caught:
        crew.result(double, [SubmittedJob(Share(job, lambda size: None), failed)])
    assert caught.value.where == "job double/00000"


PARENT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from unit import test_workers as given
from endonym.workers import Processes
if __name__ == "__main__":
    folder = Path({folder!r})
    list(Processes(2).run(given.sleep, given.jobs(folder), lambda size: None))
"""


def test_workers_end_with_their_parent_however_it_ends(tmp_path: Path) -> None:
    tests = str(Path(__file__).parents[1])
    script = tmp_path / "parent.py"
    script.write_text(PARENT.format(tests=tests, folder=str(tmp_path)))
    parent = subprocess.Popen([sys.executable, str(script)])
    for _ in range(600):
        if len(list(tmp_path.glob("*.began"))) == 2:
            break
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    pids = [int(path.stem) for path in tmp_path.glob("*.began")]
    assert len(pids) == 2
    assert all(has_ended(pid) for pid in pids)


def test_without_ray_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "find_spec", lambda name: None)
    with pytest.raises(RecipeError, match="Ray is not installed") as caught, runner("ray"):
        pass
    assert 'pip install "endonym[cluster]"' in caught.value.do


def test_a_cluster_that_does_not_answer_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        require_reachable(f"127.0.0.1:{port}")
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
    with pytest.raises(ClusterError, match="nothing answers") as caught:
        WorkersType().convert("ray", None, None)
    assert caught.value.where == f"RAY_ADDRESS=127.0.0.1:{port}"
    assert "ray start --head" in caught.value.do


@pytest.mark.parametrize("address", ["", "auto", "local"])
def test_addresses_that_ray_knows_are_left_to_it(address: str) -> None:
    require_reachable(address)
