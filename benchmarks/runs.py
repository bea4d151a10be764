"""What the benchmarks that run recipes share: the command, and the figures of what it made."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cells import Cells

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


def last_json(output: str) -> dict[str, Any]:
    """The object that `--json` prints."""
    return json.loads(output.strip().rpartition("\n")[2])


def manifest(store: Path, stage: dict[str, Any]) -> dict[str, Any]:
    """What a stage's artefact says of itself."""
    (path,) = store.glob(f"*/{stage['id']}/manifest.json")
    return json.loads(path.read_text(encoding="utf-8"))


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


def require_new(key: str, stages: list[dict[str, Any]], cells: Cells, work: Path) -> None:
    """Stop before the same model is kept twice: --again needs a store that has not made it yet."""
    (model,) = [stage for stage in stages if stage["name"].startswith("model ")]
    if key in cells and not model["made"]:
        sys.exit(f"{key}: {work / 'store'} holds this model. Remove {work} to measure it again.")


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


def changed_run(
    work: Path, recipe: Path, changes: Mapping[str, Any], threads: int | None = None
) -> dict[str, Any]:
    """Run a recipe with some keys changed, and without baselines; the figures of its model.

    recipe: relative to the work folder, where the store is.
    """
    sets = sets_of({"evaluate.0.baselines": False} | dict(changes))
    finished = last_json(endonym(work, "run", recipe, *sets, "--json", "-q", threads=threads))
    score = row_of(bits_rows(finished["scores"]), split=None)
    assert score is not None
    figures = {"bits_per_byte": score["value"], "interval": [score["low"], score["high"]]}
    return figures | costs_of(work, finished)


def difference_of(comparison: Mapping[str, Any], run: str, base: str) -> list[float]:
    """Bits per byte of a run less those of another one, paired by document, and its interval.

    comparison: of these two, as `compare --json` prints it. One of both is the best, to which the
    other has its difference; its own is zero.
    """
    by_name = {each["name"]: each["difference"] for each in comparison["runs"]}
    if (own := by_name[run])["value"]:
        return [own["value"], own["low"], own["high"]]
    return [-by_name[base][end] for end in ("value", "high", "low")]


def costs_of(work: Path, finished: dict[str, Any]) -> dict[str, Any]:
    """What a finished run took and read. finished: what `run --json` prints."""
    stages = {stage["name"].split()[0]: stage for stage in finished["stages"]}
    numbers = manifest(work / "store", stages["model"])["numbers"]
    return {
        "evaluation": stages["evaluation"]["id"],
        "seconds": sum(
            stage["seconds"]
            for stage in finished["stages"]
            if stage["name"].startswith(("model ", "member ", "teacher "))
        ),
        "step_seconds": training_seconds(work / "store", finished["stages"]),
        **{key: numbers[key] for key in ("parameters", "tokens", "epochs", "steps", "kept_step")},
    }
