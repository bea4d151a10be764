"""The steps of making a corpus, each a map over jobs, whose files stay until all is done.

`NAME/00012.json` is the record of the twelfth job of a step, `NAME.json` stands there when the
whole step is done, with what all its records say. A run that was killed goes on from these. Files
are not flushed one by one: after a power cut, those that are not whole are made again.
"""

import shutil
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from endonym.device import cores, free_memory_bytes
from endonym.disk import json_bytes, packaged_tables, read_if_good
from endonym.formats.config import Source
from endonym.formats.document_files import is_whole, write_file
from endonym.formats.files import RawFile
from endonym.workers import Function, Job, Result, Runner

STEP_WORDS = packaged_tables("endonym.corpus", "steps.toml")
Sources = Sequence[tuple[Source, Sequence[RawFile]]]
EvaluationFile = tuple[str, Iterable[str]]
"""The name of a file, and its texts."""
Progress = Callable[[str, float], AbstractContextManager[Callable[..., None]]]
"""What is done and its size; gives what is told how much of it is done (see Log.progress)."""
LARGE_BYTES = 50_000_000
"""Of raw files together, from which on several processes make the corpus."""
WORKER_BYTES = 1 << 30
"""What a worker may need: it holds a few copies of a chunk, or of one document of 64 MiB."""


def suitable_workers(raw_bytes: int) -> int:
    """How many processes make a corpus: one for small texts, as others take a second to start.

    For large ones one for each core, but not more than there is memory for.
    """
    if raw_bytes < LARGE_BYTES:
        return 1
    return max(1, min(cores(), free_memory_bytes() // WORKER_BYTES))


@contextmanager
def no_progress(what: str, total: float) -> Generator[Callable[..., None]]:
    """Progress that nobody sees."""
    yield lambda size: None


class Work:
    """The folder of all steps, what runs their jobs, and who is told of the progress."""

    def __init__(self, folder: Path, runner: Runner, progress: Progress = no_progress) -> None:
        # Workers of a cluster have another current folder.
        self.folder = folder.absolute()
        self.runner = runner
        self.progress = progress

    def place(self, name: str) -> Path:
        """The folder of a step, in which its jobs write."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def results(self, name: str) -> list[Result] | None:
        """What the jobs of a finished step returned; None if it is not finished."""
        return read_if_good(self.folder / f"{name}.json").get("results")

    def finished(self, name: str) -> list[Result] | None:
        """What the jobs of a finished step returned, if all its files are whole; else None."""
        results = self.results(name)
        return results if results is not None and self._are_whole(name, results) else None

    def once(self, name: str, make: Callable[[], Result]) -> Result:
        """Run a step of one job in this process, unless an earlier run did; what it returned."""
        found = self.finished(name)
        if found is None:
            self.place(name)
            found = [make()]
            write_file(self.folder, f"{name}.json", json_bytes({"results": found}))
        return found[0]

    def step(
        self, name: str, function: Function, tasks: Sequence[Any], sizes: Sequence[int]
    ) -> list[Result]:
        """Run the jobs of a step that are not done yet; what all of them returned, in order.

        sizes: of the tasks in bytes, for the progress.
        """
        folder = self.place(name)
        jobs = [
            Job(task, folder / f"{number:05d}.json", size)
            for number, (task, size) in enumerate(zip(tasks, sizes, strict=True))
        ]
        records = ((job.record, read_if_good(job.record)) for job in jobs)
        done = {path: each for path, each in records if each and self._are_whole(name, [each])}
        what = STEP_WORDS.get(name.rstrip("0123456789"), name)
        with self.progress(what, sum(sizes)) as advance:
            advance(sum(job.size for job in jobs if job.record in done))
            left = (job for job in jobs if job.record not in done)
            made = self.runner.run(function, left, advance)
            results = [done[job.record] if job.record in done else next(made) for job in jobs]
        write_file(self.folder, f"{name}.json", json_bytes({"results": results}))
        return results

    def _are_whole(self, name: str, results: Sequence[Result]) -> bool:
        folder = self.folder / name
        return all(is_whole(folder, file) for result in results for file in result.get("files", ()))

    def forget(self, name: str) -> None:
        """Delete the files of a step that nothing needs any more."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
