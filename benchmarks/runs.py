"""What the benchmarks that run recipes share: the command, and the figures of what it made."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark import Bench, Unavailable

from endonym.log import read_jsonl

SPLIT = "test"
"""What judges. It stands in the names of cells: older ones were judged by "val", which also
chose."""
Row = dict[str, Any]


def endonym(work: Path, *args: object, threads: int | None = None, given: str | None = None) -> str:
    """Run the command in the work folder; its talk goes to the terminal.

    threads: of torch. given: what it reads from a pipe.
    """
    command = [sys.executable, "-m", "endonym.cli.main", *map(str, args)]
    limits = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    environment = os.environ | limits
    return subprocess.run(
        command,
        cwd=work,
        env=environment,
        check=True,
        input=given,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def peer_python(bench: Bench, *packages: str) -> str:
    """The Python of a virtual environment that has the packages of a peer; made once."""
    folder = bench.work / "peers" / packages[0]
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        command = [str(python), "-m", "pip", "install", "--quiet", *packages]
        if subprocess.run(command, check=False).returncode:
            raise Unavailable(f"pip cannot install {', '.join(packages)}")
        (folder / "installed").touch()
    return str(python)


def last_json(output: str) -> dict[str, Any]:
    """The object that `--json` prints."""
    return json.loads(output.strip().rpartition("\n")[2])


def manifest(store: Path, stage: dict[str, Any]) -> dict[str, Any]:
    """What a stage's artefact says of itself."""
    (path,) = store.glob(f"*/{stage['id']}/manifest.json")
    return json.loads(path.read_text(encoding="utf-8"))


def totals(split: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Documents, tokens and bytes of all sources of a split."""
    names = sorted({name for source in split.values() for name in source})
    return {name: sum(source.get(name, 0) for source in split.values()) for name in names}


def read_bytes(store: Path, stages: list[dict[str, Any]]) -> int:
    """How much of its training text a model has read. Text that is read again counts once."""
    by_kind = {stage["name"].split()[0]: stage for stage in stages}
    model, shards = (manifest(store, by_kind[kind])["numbers"] for kind in ("model", "shards"))
    return round(min(1.0, model["epochs"]) * totals(shards["train"])["bytes"])


def training_seconds(store: Path, stages: list[dict[str, Any]]) -> float:
    """Seconds of all optimizer steps, of members too, over as many processes as it took."""
    kinds = [(stage["name"].split()[0], stage["id"]) for stage in stages]
    trained = [each for each in kinds if each[0] in ("model", "member", "teacher")]
    journals = [read_jsonl(store / "journal" / f"{kind}-{made}.jsonl") for kind, made in trained]
    return round(sum(line.get("seconds", 0.0) for lines in journals for line in lines), 1)


def sets_of(changes: Mapping[str, Any]) -> Iterator[str]:
    """Keys and values as arguments of `--set`."""
    for key, value in changes.items():
        yield "--set"
        yield f"{key}={value if isinstance(value, str) else json.dumps(value)}"


def bits_rows(scores: Sequence[Row]) -> list[Row]:
    """The rows of bits per byte among the scores of `run --json`, without what they share."""
    shared = ("metric", "unit")
    kept = (row for row in scores if row["metric"] == "bits_per_byte")
    return [{name: value for name, value in row.items() if name not in shared} for row in kept]


def row_of(
    rows: Sequence[Row], *, model: str = "model", text: str = "document", split: str | None = SPLIT
) -> Row | None:
    """The headline of a text: the mean over sources; of all if fewer than two are averaged.

    None if such text was not scored. split None: whichever it is.
    """
    wanted = (model, text, None)
    found = [
        row
        for row in rows
        if (row["model"], row["text"], row["source"]) == wanted and split in (None, row["split"])
    ]
    return min(found, key=lambda row: row["weighting"] != "sources", default=None)
