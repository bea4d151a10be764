"""A program that kills runs: `python killing.py FOLDER KILLS SEED`, its findings as JSON.

It imports everything once and forks a child for each run, so that a kill does not cost the seconds
that starting costs. A moment is either a time within a stage, or the n-th write of a stage, before
which the child kills itself. When a run is whole in spite of its kills, a new one begins with an
empty store, until all kills are spent.
"""

import hashlib
import itertools
import json
import os
import random
import re
import select
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from endonym import device
from endonym.pipeline import progress

STAGES = (
    *("source", "corpus", "tokenizer", "shards", "examples", "model", "evaluation", "export"),
)
NEEDED = (
    "endonym.cli.recipe_commands",
    "endonym.commands.run",
    "endonym.pipeline.training",
    "endonym.data.examples",
    "endonym.pipeline.evaluation",
    "endonym.tokenizer.train",
    "tensorboard.summary.writer.event_file_writer",
    "torch._dynamo",
    "transformers.models.auto.modeling_auto",
    "transformers.models.qwen3.modeling_qwen3",
    "pandas",
    "gguf",
    "endonym.export.huggingface",
    "endonym.export.verify",
)
"""What a run would import, which takes longer than the run itself."""
WRITES = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate")
LATE = "model after a checkpoint"
REFERENCE = "reference-"
"""Files of a training on preference pairs, written before its first step."""
ROUND = (*STAGES[1:5], LATE, LATE, REFERENCE, LATE, "export", "evaluation", "source", "model", "")
"""Each LATE is of another model but the first."""
SURE = 4
"""So many kills hit their stage in any case."""
BEGINS = re.compile(r"^((\w+)\b.*?) +[0-9a-f]{12}  …$")
LOCK = re.compile(r"/locks/((\w+)-[0-9a-f]{12})$")
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Moment:
    """When to kill: a share of a stage's time, or the n-th of its writes. "" is the whole run.

    stage: a kind; with `write` also a single stage (kind-id), or REFERENCE for these files.
    """

    stage: str
    share: float = 0.0
    write: int = 0


class Writes:
    """Counts what a child changes on disk, by stage; kills it before the write of a moment."""

    def __init__(self, folder: Path, moment: Moment | None) -> None:
        self.folder, self.moment = str(folder), moment
        self.counts: Counter[str] = Counter()
        self.stages = ("start",)

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook: sees every file that Python opens, renames or removes."""
        if event not in WRITES and not (event == "open" and is_writing(arguments)):
            return
        path = os.fspath(arguments[0]) if not isinstance(arguments[0], int) else ""
        if not str(path).startswith(self.folder):
            return
        lock = LOCK.search(str(path))
        if lock:
            self.stages = (lock[2], lock[1])
        stages = (*self.stages, REFERENCE) if REFERENCE in str(path) else self.stages
        self.counts.update(stages)
        aim = self.moment
        if aim and aim.write and aim.stage in stages and aim.write == self.counts[aim.stage]:
            os.kill(os.getpid(), signal.SIGKILL)


def is_writing(arguments: tuple[Any, ...]) -> bool:
    """Whether `open` was asked for something else than reading."""
    _, mode, flags = arguments
    if isinstance(mode, str):
        return any(sign in mode for sign in "wax+")
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


@dataclass(slots=True)
class Ended:
    """How a child ended: its exit code (-9 if killed), the last stage it began, its times.

    name: of that stage, such as "model answers".
    """

    code: int
    stage: str = "start"
    name: str = "start"
    began: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    said: str = ""


def fork(recipe: Path, home: Path, moment: Moment | None) -> tuple[int, int]:
    """Start `endonym run` in a child; gives its id and the pipe of its stderr."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return child, reader
    os.close(reader)
    os.dup2(writer, 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    home.mkdir(parents=True, exist_ok=True)
    writes = Writes(home, moment)
    sys.addaudithook(writes.hook)
    code = 70
    try:
        command = ["-v", "run", str(recipe), "--store", str(home / "store")]
        code = import_module("endonym.cli.main").answer(command)
        (home / "writes.json").write_text(json.dumps(writes.counts), encoding="utf-8")
    finally:
        os._exit(code)


def run(recipe: Path, home: Path, moment: Moment | None, times: dict[str, float]) -> Ended:
    """A run from its fork to its end, killed at the moment if it comes."""
    started = time.perf_counter()
    child, pipe = fork(recipe, home, moment)
    ended = Ended(0)
    due = started + PATIENCE_SECONDS
    if moment and not moment.write and not moment.stage:
        due = started + moment.share * times[""]

    def heard(line: str) -> None:
        nonlocal due
        begins = BEGINS.match(line)
        if begins:
            ended.name, ended.stage = begins[1], begins[2]
            ended.began.setdefault(ended.stage, time.perf_counter() - started)
            if moment and not moment.write and moment.stage == ended.stage:
                due = time.perf_counter() + moment.share * times[ended.stage]

    ended.said = listen(pipe, lambda: due, heard)
    os.kill(child, signal.SIGKILL)
    ended.code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    ended.seconds = time.perf_counter() - started
    return ended


def listen(pipe: int, due: Callable[[], float], heard: Callable[[str], None]) -> str:
    """Read lines until the pipe closes or the time has come; gives all that was said."""
    said, rest = b"", b""
    while (left := due() - time.perf_counter()) > 0:
        if select.select([pipe], [], [], left)[0]:
            data = os.read(pipe, 65_536)
            if not data:
                time.sleep(0.02)
                break
            said, rest = said + data, rest + data
            *lines, rest = rest.split(b"\n")
            for line in lines:
                heard(line.decode("utf-8"))
    os.close(pipe)
    return said.decode("utf-8", "replace")


def stage_times(ended: Ended) -> dict[str, float]:
    """Seconds of each stage in an undisturbed run; "" is the whole of it."""
    marks = [*ended.began.values(), ended.seconds]
    times = {name: marks[n + 1] - marks[n] for n, name in enumerate(ended.began)}
    return {**times, "": ended.seconds}


def contents(home: Path) -> dict[str, str]:
    """SHA-256 of every file of every artefact, whole or not."""
    return {
        path.relative_to(home).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for stage in STAGES
        for path in sorted((home / "store" / stage).rglob("*"))
        if path.is_file()
    }


def journalled(home: Path) -> list[list[int]]:
    """The steps in the journals of the models, as they stand; those of the longest first."""
    found: list[list[int]] = []
    for journal in (home / "store" / "journal").glob("model-*.jsonl"):
        lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
        found.append([line["step"] for line in lines if line.get("event") == "step"])
    return sorted(found, key=len, reverse=True)


def kill_moments(chance: random.Random, writes: dict[str, int]) -> Iterator[Moment]:
    """Endlessly: each stage in its turn, by a time or by a write, then any time of the whole.

    The first by writes, which hit the stage however fast the machine is just then.
    """
    models = itertools.cycle([name for name in writes if name.startswith("model-")][1:])
    for number, stage in enumerate(itertools.cycle(ROUND)):
        if stage == LATE:
            model = next(models)
            # What is written last may come when the next stage has begun.
            yield Moment(model, write=chance.randint(writes[model] // 3, writes[model] * 3 // 4))
        elif stage == REFERENCE or number < SURE or (stage and chance.random() < 0.5):
            yield Moment(stage, write=chance.randint(1, writes[stage]))
        else:
            yield Moment(stage, share=chance.random())


@dataclass(slots=True)
class Findings:
    """What happened to the runs that were killed."""

    kills: Counter[str] = field(default_factory=Counter)
    killed: list[str] = field(default_factory=list)
    rounds: int = 0
    resumed: int = 0
    differing: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    journals: list[list[list[int]]] = field(default_factory=list)

    def note(self, ended: Ended) -> None:
        """Count one run, however it ended."""
        self.resumed += "goes on from step" in ended.said
        if ended.code == -signal.SIGKILL:
            self.kills[ended.stage] += 1
            self.killed.append(ended.name)
        elif ended.code != 0:
            self.faults.append(ended.said[-400:])


def finish(recipe: Path, home: Path, found: Findings, whole: dict[str, str]) -> None:
    """Let a killed run end in peace, compare its artefacts with the undisturbed ones, forget it."""
    ended = run(recipe, home, None, {})
    found.note(ended)
    now = contents(home)
    differing = {path for path in {*now, *whole} if now.get(path) != whole.get(path)}
    found.differing += sorted(differing)
    found.journals.append(journalled(home))
    found.rounds += 1
    shutil.rmtree(home)


def torment(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill runs of the folder's recipe; say where, and whether the artefacts came out the same."""
    recipe, calm, home = folder / "recipe.toml", folder / "calm", folder / "killed"
    undisturbed = run(recipe, calm, None, {})
    assert undisturbed.code == 0, undisturbed.said
    times, whole = stage_times(undisturbed), contents(calm)
    writes = json.loads((calm / "writes.json").read_text(encoding="utf-8"))
    found, chance = Findings(), random.Random(seed)
    for moment in kill_moments(chance, writes):
        for _ in range(2):  # on what is there; if all of that was made already, from nothing
            ended = run(recipe, home, moment, times)
            found.note(ended)
            if ended.code != 0:
                break
            finish(recipe, home, found, whole)
        if found.kills.total() >= kills:
            break
    finish(recipe, home, found, whole)
    return {
        "artefacts": len(whole),
        "kills": found.kills,
        "killed": found.killed,
        "rounds": found.rounds,
        "resumed": found.resumed,
        "differing": found.differing,
        "faults": found.faults,
        "journals": found.journals,
        "calm_journal": journalled(calm),
        "seconds": times,
        "writes": writes,
    }


def main() -> None:
    """Answer the command line, on one core: a test's threads would wait for its neighbours'."""
    one = random.Random(os.getpid()).choice(sorted(os.sched_getaffinity(0)))
    os.sched_setaffinity(0, {one})
    folder, kills, seed = Path(sys.argv[1]).absolute(), int(sys.argv[2]), int(sys.argv[3])
    for name in NEEDED:
        import_module(name)
    # As tests/conftest.py does: this machine is measured in an instant, and samples are short.
    device.PROBE_SECONDS, progress.SAMPLE_TOKENS = 0.05, 8
    threads = os.listdir("/proc/self/task")  # noqa: PTH208
    assert len(threads) == 1, f"{len(threads)} threads: forking would not be safe"
    sys.stdout.write(json.dumps(torment(folder, kills, seed)) + "\n")


if __name__ == "__main__":
    main()
