"""The numbers of a run's training, written as they come.

The journal of each model is the record. After every step what is new in it goes to the run's
`metrics.jsonl`, to TensorBoard's events if that is installed (extra `track`), and to the services
that the recipe names.
"""

import importlib
import shutil
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from endonym.disk import write_atomic
from endonym.errors import RecipeError
from endonym.formats.document_files import json_line
from endonym.log import Log, journal_values, read_jsonl
from endonym.recipe.recipe import Recipe

Line = dict[str, Any]


def require_packages(recipe: Recipe) -> None:
    """Raise RecipeError if a service that the recipe names is not installed."""
    missing = [name for name in recipe.track.to if find_spec(name) is None]
    if missing:
        raise RecipeError(
            f"track.to names {' and '.join(missing)}, which is not installed here",
            where=recipe.path,
            do=f"Install it (pip install {' '.join(missing)}), or take it out of track.to: "
            "metrics.jsonl and TensorBoard's events are written anyway.",
        )


class Metrics:
    """Writes the metrics of a run: follows the journals of its models, one after the other.

    finished: lines of models that are made. inode, offset: of the file that is followed, and how
    many of its bytes are written already.
    """

    def __init__(self, folder: Path, recipe: Recipe, log: Log) -> None:
        self.path = folder / "metrics.jsonl"
        self.recipe = recipe
        self.log = log
        self.events = Events(folder / "tensorboard")
        self.services: list[Service] = []
        self.finished: list[Line] = []
        self.journal = Path()
        self.stage = ""
        self.inode = 0
        self.offset = 0

    def add_finished(self, stage: str, journal: Path) -> None:
        """Add the lines of a model that is made; they come before those of the next one."""
        self.finished += [{"stage": stage, **line} for line in read_jsonl(journal)]

    @contextmanager
    def following(self, stage: str, identity: str, journal: Path) -> Generator[None]:
        """While a model is trained, `update` writes what its journal has got."""
        self.stage = stage
        self.journal = journal
        self.inode = 0
        steps = [line["step"] for line in read_jsonl(journal) if line.get("event") == "step"]
        track = self.recipe.track
        run = self.recipe.run_name
        short_id = identity[:12]
        names = {"name": f"{run} {stage} {identity[:6]}", "group": run}
        names["project"] = track.project or self.recipe.name
        config = {"recipe": run, "stage": stage, "id": short_id}
        for service in track.to:
            start: dict[str, Any] = {**names, "resume": "allow", "config": config}
            start |= {"id": short_id} if service == "wandb" else {}
            self.services.append(Service(service, start, max(steps, default=-1), self.log))
        try:
            yield
        finally:
            for service in self.services:
                service.finish()
            self.services = []
            self.events.close()

    def update(self) -> None:
        """Write what is new in the journal; all of it, if it was rewritten for repeated steps."""
        inode = self.journal.stat().st_ino
        if inode != self.inode:
            self.inode = inode
            self.offset = 0
            write_atomic(self.path, as_jsonl(self.finished))
            self.events.begin(self.finished)
        with self.journal.open("rb") as file:
            file.seek(self.offset)
            data = file.read()
        whole_lines = data[: data.rfind(b"\n") + 1]
        if not whole_lines:
            return
        self.offset += len(whole_lines)
        values = journal_values(whole_lines, self.journal)
        lines = [{"stage": self.stage, **line} for line in values]
        with self.path.open("ab") as file:
            file.write(as_jsonl(lines))
        self.events.write(lines)
        for service in self.services:
            service.send(lines)

    def end(self, *, is_whole: bool) -> None:
        """Write the lines of the models that are made, unless they stand there already.

        is_whole: no model comes after them; else lines of later ones, made before, may follow.
        """
        written = self.path.read_bytes() if self.path.is_file() else b""
        wanted = as_jsonl(self.finished)
        is_right = written == wanted if is_whole else written.startswith(wanted)
        if not is_right:
            write_atomic(self.path, wanted)
            if self.events.steps != sum(line.get("event") == "step" for line in self.finished):
                self.events.begin(self.finished)
                self.events.close()


def as_jsonl(lines: Sequence[Line]) -> bytes:
    """Lines as JSON, one object a line."""
    return b"".join(map(json_line, lines))


def numbers(line: Line) -> dict[str, float]:
    """The metrics of a step's line."""
    if line.get("event") != "step":
        return {}
    return {k: float(v) for k, v in line.items() if isinstance(v, int | float) and k != "step"}


class Events:
    """TensorBoard's events of a run; nothing is written if TensorBoard is not installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.steps = 0
        self._writer: Any = None
        self._event: Any = None

    def begin(self, lines: Sequence[Line]) -> None:
        """Begin a new file with these lines, in place of all files before.

        A TensorBoard that is open forgets what it has shown.
        """
        self.close()
        self.steps = 0
        try:
            # Protobuf makes its classes at import.
            event_pb2: Any = importlib.import_module("tensorboard.compat.proto.event_pb2")
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self._writer = EventFileWriter(str(self.folder))
        self._event = event_pb2.Event
        status = event_pb2.SessionLog.START
        self._writer.add_event(self._event(step=0, session_log={"status": status}))
        self.write(lines)

    def write(self, lines: Sequence[Line]) -> None:
        """Write the numbers of steps, and flush them."""
        if self._writer is None:
            return
        for line in lines:
            values = [
                {"tag": f"{line['stage']}/{key}", "simple_value": value}
                for key, value in numbers(line).items()
            ]
            if values:
                self.steps += 1
                self._writer.add_event(self._event(step=line["step"], summary={"value": values}))
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class Service:
    """wandb or trackio, which have the same functions: init, log, finish.

    start: the arguments of init. sent: the last step that it has.
    Each step is sent once: not again when it is repeated after a kill or a rollback. Whatever the
    service raises ends the tracking with a warning, and never the training.
    """

    def __init__(self, name: str, start: dict[str, Any], sent: int, log: Log) -> None:
        self.name = name
        self.sent = sent
        self.log = log
        self.is_on = True
        self._call("init", **start)

    def send(self, lines: Sequence[Line]) -> None:
        """Send the numbers of steps that were not sent yet."""
        for line in lines:
            if line.get("event") == "step" and line["step"] > self.sent:
                self.sent = line["step"]
                self._call("log", numbers(line), step=line["step"])

    def finish(self) -> None:
        """Say that no more steps come."""
        self._call("finish")

    def _call(self, function: str, *arguments: Any, **keys: Any) -> None:
        """Call a function of the package; if it fails, warn, and call it no more."""
        if not self.is_on:
            return
        try:
            with redirect_stdout(sys.stderr):
                getattr(importlib.import_module(self.name), function)(*arguments, **keys)
        except Exception as error:  # noqa: BLE001 - a stranger's package, network and account
            self.is_on = False
            self.log.warn(
                f"tracking with {self.name} has stopped: {type(error).__name__}: {error}. Training "
                f"goes on, and metrics.jsonl has every step (last one sent: {self.sent})"
            )
