"""What the benchmarks that run recipes share: the command, and the figures of what it made."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from endonym.evaluate.score import Score, headline
from endonym.log import read_jsonl


def endonym(work: Path, *words: object, threads: int | None = None) -> str:
    """Run the command in the work folder; its talk goes to the terminal. threads: of torch."""
    command = [sys.executable, "-m", "endonym.cli.main", *map(str, words)]
    limits = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    environment = os.environ | limits
    return subprocess.run(
        command, cwd=work, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def last_json(output: str) -> dict[str, Any]:
    """The object that `--json` prints."""
    return json.loads(output.strip().splitlines()[-1])


def manifest(store: Path, stage: dict[str, Any]) -> dict[str, Any]:
    """What a stage's artefact says of itself."""
    (path,) = store.glob(f"*/{stage['id']}/manifest.json")
    return json.loads(path.read_text(encoding="utf-8"))


def training_seconds(store: Path, stages: list[dict[str, Any]]) -> float:
    """Seconds of all optimiser steps, over as many processes as it took."""
    (model,) = [stage for stage in stages if stage["name"].startswith("model ")]
    lines = read_jsonl(store / "journal" / f"model-{model['id']}.jsonl")
    return round(sum(line.get("seconds", 0.0) for line in lines), 1)


def sets_of(changes: Mapping[str, Any]) -> Iterator[str]:
    """Keys and values as words of `--set`."""
    for key, value in changes.items():
        yield "--set"
        yield f"{key}={value if isinstance(value, str) else json.dumps(value)}"


def changed_run(
    work: Path, recipe: Path, changes: Mapping[str, Any], threads: int | None = None
) -> dict[str, Any]:
    """Run a recipe with some keys changed, and without baselines; the figures of its model.

    recipe: relative to the work folder, where the store is.
    """
    words = sets_of({"evaluate.0.baselines": False} | dict(changes))
    finished = last_json(endonym(work, "run", recipe, *words, "--json", "-q", threads=threads))
    stages = {stage["name"].split()[0]: stage for stage in finished["stages"]}
    numbers = manifest(work / "store", stages["model"])["numbers"]
    score = headline([Score(**each) for each in finished["scores"]], model="model")
    assert score is not None
    return {
        "bits_per_byte": score.value,
        "interval": [score.low, score.high],
        "evaluation": stages["evaluation"]["id"],
        "seconds": stages["model"]["seconds"],
        "step_seconds": training_seconds(work / "store", finished["stages"]),
        **{key: numbers[key] for key in ("parameters", "tokens", "epochs", "steps", "kept_step")},
    }
