"""Pairs of BLiMP and CLAMS are judged here as lm-evaluation-harness judges them, item by item."""

import gzip
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from endonym.evaluate.harness import write_task
from endonym.evaluate.items import are_right, judge, read_items
from endonym.generate.language_model import LanguageModel

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(find_spec("lm_eval") is None, reason="lm-evaluation-harness is not here"),
]

GOLD = Path(__file__).parents[3] / "shared" / "data" / "eval"
SETS = {"blimp": "blimp_en.jsonl.gz", "clams": "clams_fr.jsonl"}
PAIRS = 8
"""Of each phenomenon: BLiMP has 67 of them."""
CHOICES = [
    {
        "context": "Балалар мәктәпкә",
        "options": ["баралар.", "бара идем."],
        "answer": 0,
        "uid": "сан",
    },
    {"context": "ក្មេងៗ", "options": ["ទៅសាលា", "សាលាទៅ"], "answer": "b", "uid": "លំដាប់ ពាក្យ"},
    {"context": "Copiii merg la ", "options": ["școală.", "școala pe."], "answer": 0},
    {"context": "Les enfants vont\n", "options": ["à l'école.", "école à."], "answer": "a"},
    {"question": "Кояш кайда?", "options": [" Күктә.", " Күлдә.", " Өйдә."], "answer": 2},
]
SCRIPT = """
import json, os, sys
from lm_eval.evaluator import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
model, folder, out, *tasks = sys.argv[1:]
os.chdir(folder)
lm, manager = HFLM(pretrained=model, device="cpu", batch_size=32), TaskManager(include_path=folder)
found = simple_evaluate(model=lm, tasks=tasks, task_manager=manager, log_samples=True)
samples = [each for of_task in found["samples"].values() for each in of_task]
rows = [[each["doc"], [ll for ll, _ in each["filtered_resps"]], each["acc"]] for each in samples]
json.dump(rows, open(out, "w"))
"""


def written(path: Path, records: list[Any]) -> Path:
    lines = (json.dumps(each, ensure_ascii=False) for each in records)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A few pairs of each phenomenon of both sets, spread evenly, in a file each."""
    if not GOLD.is_dir():
        pytest.skip("../shared/data is not beside the project")
    folder, found = tmp_path_factory.mktemp("gold"), dict[str, Path]()
    for name, file in SETS.items():
        reader = gzip.open if file.endswith(".gz") else open
        with reader(GOLD / file, "rt", encoding="utf-8") as lines:
            by_phenomenon = defaultdict[str, list[Any]](list)
            for line in lines:
                record = json.loads(line)
                by_phenomenon[record["uid"]].append(record)
        some = [each[:: max(1, len(each) // PAIRS)][:PAIRS] for each in by_phenomenon.values()]
        found[name] = written(folder / f"{name}.jsonl", [each for part in some for each in part])
    return found


Judged = dict[str, tuple[list[float], bool]]


@pytest.fixture(scope="module")
def files(gold: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Those pairs, and choices after contexts."""
    choices = tmp_path_factory.mktemp("choices") / "choices.jsonl"
    return {**gold, "choices": written(choices, CHOICES)}


@pytest.fixture(scope="module")
def theirs(
    files: dict[str, Path],
    exported: Callable[[str, str], tuple[LanguageModel, Path]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Judged:
    """What the harness finds of each item, by its context and options: the log-probabilities of the
    options, and whether it is right."""
    _, model = exported("qwen3", "plain")
    folder, out = tmp_path_factory.mktemp("tasks"), tmp_path_factory.mktemp("out") / "out.json"
    tasks = [write_task(each.name, read_items(each).items, folder) for each in files.values()]
    command = [sys.executable, "-c", SCRIPT, *map(str, (model, folder, out)), *tasks]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    rows = json.loads(out.read_text(encoding="utf-8"))
    return {json.dumps([doc["context"], doc["options"]]): (lls, acc == 1) for doc, lls, acc in rows}


@pytest.mark.parametrize("name", [*SETS, "choices"])
def test_items_have_the_same_log_probabilities_and_are_right_alike(
    name: str,
    files: dict[str, Path],
    theirs: Judged,
    exported: Callable[[str, str], tuple[LanguageModel, Path]],
) -> None:
    model, _ = exported("qwen3", "plain")
    items = read_items(files[name]).items
    nats = judge(model, items, lambda _: None).nats
    right, ends = are_right(items, nats), np.cumsum([0, *(len(each.options) for each in items)])
    assert 0 < sum(right) < len(items) or name == "choices"
    for item, is_right, (begin, end) in zip(items, right, pairwise(ends), strict=True):
        key = json.dumps([item.context + item.blanks, list(item.options)])
        their_nats, is_right_there = theirs[key]
        assert -nats[begin:end] == pytest.approx(their_nats, abs=1e-3)
        assert is_right_there == is_right, key


def test_accuracies_of_both_sets_equal_those_of_the_harness(
    gold: dict[str, Path],
    exported: Callable[[str, str], tuple[LanguageModel, Path]],
    command: Callable[..., Any],
) -> None:
    _, folder = exported("qwen3", "plain")
    theirs, ours = (
        command("evaluate", folder, *(f"{flag}={path}" for path in gold.values()), "--json")
        for flag in ("--harness", "--tasks")
    )
    assert theirs.code == ours.code == 0, theirs.err + ours.err
    metrics = {"accuracy": "acc", "accuracy_per_byte": "acc_bytes"}
    mine = {
        (each["split"], each["source"], metrics[each["metric"]]): each
        for each in ours.json()["scores"]
        if each["source"] is not None or each["weighting"] == "sources"
    }
    found = {
        (*task_of(each["task"]), each["metric"]): each["value"]
        for each in theirs.json()["harness"]["results"]
    }
    assert found.keys() == mine.keys()
    assert len(found) > 2 * 67
    for key, value in found.items():
        assert value == pytest.approx(mine[key]["value"], abs=1e-9), key


def task_of(name: str) -> tuple[str, str | None]:
    """The file and the group of a task: `blimp.jsonl`, or `blimp.jsonl::blimp.jsonl.drop`."""
    file, _, task = name.partition("::")
    return file, task.removeprefix(f"{file}.") or None
