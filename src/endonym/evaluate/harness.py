"""EleutherAI's lm-evaluation-harness: our items as its tasks, and its figures of a model.

It is run by a process of its own (`harness_process.py`): its tasks bring code and many libraries.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from itertools import chain, count
from pathlib import Path
from typing import Any, NamedTuple

from endonym.disk import packaged_tables
from endonym.errors import EndonymError, RecipeError, quoted
from endonym.evaluate.items import Item
from endonym.evaluate.module_process import ProcessFailed, output_lines
from endonym.evaluate.tables import aligned
from endonym.limited.opened import NEVER, Opened
from endonym.log import number
from endonym.script.letters import as_name
from endonym.store import fingerprint
from endonym.tokenizer.tokenizer import Tokenizer

PACKAGE = "lm_eval"
NAME = "lm-evaluation-harness"
METRICS = ("acc", "acc_bytes")
"""Choices by the whole log-probability of an option, and by that of a byte."""
TASK: dict[str, Any] = {
    "output_type": "multiple_choice",
    "dataset_path": "json",
    "test_split": "train",  # So the reader of JSON calls all that it reads.
    "doc_to_text": "context",
    "doc_to_choice": "options",
    "doc_to_target": "answer",
    "target_delimiter": "",
    "metric_list": [
        {"metric": each, "aggregation": "mean", "higher_is_better": True} for each in METRICS
    ],
}
"""The fields of our items in the harness's words. Nothing stands between context and option: the
blanks between them are the context's, and it hands them on to the option."""
GROUP_CHARS = 60
"""So long may the name of a group be in that of its task: an `uid` may be a whole sentence."""
ADVICE: dict[str, str] = packaged_tables("endonym.evaluate", "harness.toml")["advice"]
FAILURES: dict[str, str] = packaged_tables("endonym.evaluate", "harness.toml")["failures"]
"""How a kind of failure is recognized, by a pattern of its message and the names of its errors; the
first that fits counts."""
HEADS = ["task", "metric", "value", "± error", "items", "version"]


class Result(NamedTuple):
    """A figure of the harness. task: its name there. version: of the task; empty if it has none.

    filter: what it made of the answers before. value: None if it is no number. error: the standard
    error, None if it computes none. items: None of a group of tasks.
    """

    task: str
    version: str
    metric: str
    filter: str
    value: float | None
    error: float | None
    items: int | None
    shots: int | None


class ToRun(NamedTuple):
    """What the harness is to do. folder: of transformers. tasks: names, or patterns of names.
    task_files: a folder that `write_task` has written to, or an empty one: the harness runs in it,
    so that nothing in the working folder counts as its data. device: as torch names it. start: as
    `document_start` gives it."""

    folder: str
    tasks: Sequence[str]
    task_files: str
    device: str
    start: int | None = None


def require_harness() -> None:
    """Raise EndonymError if the harness is not installed."""
    if find_spec(PACKAGE) is None:
        do = 'Install it: pip install "endonym[harness]"'
        raise EndonymError(f"{NAME} is not installed here", where="--harness", do=do)


def document_start(folder: Path, opened: Opened = NEVER) -> int | None:
    """The id of the token before a document in a folder of transformers (`Tokenizer`).

    The harness itself would take the bos token, or else the eos token. None leaves that to it: if
    there are several tokens, or if endonym does not read the tokenizer.
    """
    try:
        start = Tokenizer.load(folder / "tokenizer.json", opened).document_start
    except EndonymError:
        return None
    return start[0] if len(start) == 1 else None


def write_task(name: str, items: Sequence[Item], folder: Path) -> str:
    """Write items as a task of the harness, a YAML file and its data; its name.

    It is called as its file, with the ending: no task of the harness itself is. Items with groups
    are a group of tasks, whose figure is the mean over them, as in our table. The version is a hash
    of the items. Raises RecipeError for texts without an answer, of which the harness has no task,
    and if the folder has a task of this name.
    """
    if any(item.answer is None for item in items):
        message = "its items are texts, whose bits are asked: the harness has no such tasks"
        raise RecipeError(message, where=name, do=f"Judge them without it: --tasks {name}")
    title = as_name(name, "_", len(name))
    if (folder / f"{title}.yaml").exists():
        message = f"another file is the task {title}, too"
        raise RecipeError(message, where=name, do="Rename one of them.")
    about = {"metadata": {"version": fingerprint([*items])[:8]}}
    tasks = list[dict[str, Any]]()
    by_group = _by_group(items)
    for place, (group, own) in enumerate(by_group.items(), start=1):
        task = f"{title}.{group}" if len(by_group) > 1 else title
        data = folder / f"{title}.{place}.jsonl"
        data.write_text("".join(map(_line, own)), encoding="utf-8")
        tasks.append({"task": task, **TASK, **about, "dataset_kwargs": {"data_files": data.name}})
    means = [{"metric": each, "weight_by_size": False} for each in METRICS]
    group = {"group": title, "task": tasks, "aggregate_metric_list": means, **about}
    config = group if len(tasks) > 1 else tasks[0]
    text = json.dumps(config, ensure_ascii=False, indent=1)  # JSON is YAML.
    (folder / f"{title}.yaml").write_text(f"{text}\n", encoding="utf-8")
    return title


def _by_group(items: Sequence[Item]) -> dict[str, list[Item]]:
    """The items of each group, by its name as one short word; alike words get a number."""
    words = dict[str, str]()
    found = dict[str, list[Item]]()
    for item in items:
        if item.group not in words:
            word = as_name(item.group, "_", GROUP_CHARS).strip("_") or "others"
            names = chain([word], (f"{word}_{n}" for n in count(2)))
            words[item.group] = next(each for each in names if each not in found)
        found.setdefault(words[item.group], []).append(item)
    return found


def _line(item: Item) -> str:
    """An item as a line of the data."""
    context = item.context + item.blanks
    record = {"context": context, "options": item.options, "answer": item.answer}
    return json.dumps(record, ensure_ascii=False) + "\n"


def run_harness(
    asked: ToRun, environment: Mapping[str, str], say: Callable[[str], None], *, offline: str = ""
) -> tuple[str, list[Result]]:
    """The version of the harness and its figures, those of a group before those of its tasks.

    say: is told what is done. offline: what to do where data cannot be fetched. Raises RecipeError
    for a name that is no task of it, EndonymError with its own message if the harness fails.
    """
    version = ""
    results = list[Result]()
    task = NAME
    try:
        for line in output_lines(
            "endonym.evaluate.harness_process", json.dumps(asked._asdict()).encode(), environment
        ):
            told = json.loads(line)
            if "unknown" in told:
                near = f"Did you mean {told['near'][0]}? " if told["near"] else ""
                others = f"{near}lm_eval ls tasks lists them. A file of items is named by its path."
                raise RecipeError(f"{NAME} has no such task", where=told["unknown"], do=others)
            version = told.get("version", version)
            task = told.get("task", task)
            if "failed" in told:
                raise failure(told["failed"], task, offline)
            if "said" in told:
                say(told["said"])
            results += _results(told.get("results", {}))
    except ProcessFailed as ended:
        do = advice(str(ended), task, offline)
        raise EndonymError(f"the process of {NAME} {ended}", where=task, do=do) from ended
    return version, results


def failure(told: Mapping[str, Any], task: str, offline: str) -> EndonymError:
    """The error for what the harness says of its own (`harness_process.failure`)."""
    kinds = told["kinds"]
    said = told["message"]
    if "NotJudged" in kinds:
        return EndonymError(said, where=task, do=ADVICE["not_judged"])
    message = f"{NAME} failed with {kinds[0]}: {said or 'it says nothing'} ({told['place']})"
    if told["package"]:
        do = ADVICE["package"].format(package=told["package"])
    else:
        do = advice(f"{said} {' '.join(kinds)}", task, offline)
    return EndonymError(message, where=task, do=do)


def advice(said: str, task: str, offline: str) -> str:
    """What to do after a failure. said: its message, and the kinds of its errors."""
    fitting = (kind for kind, pattern in FAILURES.items() if re.search(pattern, said, re.I))
    kind = next(fitting, "else")
    if kind == "network" and offline:
        return offline
    return ADVICE[kind].format(task=quoted(task))


def _results(found: Mapping[str, Any]) -> Iterator[Result]:
    """The figures in what the harness returns for a task or a group, that of a group first."""
    sizes: Mapping[str, Any] = found.get("n-samples", {})
    figures_of: Mapping[str, Any] = found.get("results", {})
    for task, figures in sorted(figures_of.items(), key=lambda each: each[0] in sizes):
        for key, value in figures.items():
            metric, is_figure, kind = key.partition(",")
            if is_figure and not metric.endswith("_stderr"):
                yield Result(
                    task,
                    str(found["versions"].get(task, "")).replace("N/A", ""),
                    metric,
                    kind,
                    _number(value),
                    _number(figures.get(f"{metric}_stderr,{kind}")),
                    sizes.get(task, {}).get("effective"),
                    found["n-shot"].get(task),
                )


def _number(value: Any) -> float | None:
    """A figure, if it is one."""
    return value if isinstance(value, int | float) and abs(value) < float("inf") else None


def table(results: Sequence[Result]) -> str:
    """The figures as aligned text; what is not known is empty."""
    rows = [HEADS]
    for each in results:
        figures = ["" if n is None else f"{n:.4f}" for n in (each.value, each.error)]
        items = "" if each.items is None else number(each.items)
        metric = each.metric if each.filter in ("", "none") else f"{each.metric}, {each.filter}"
        rows.append([each.task, metric, *figures, items, each.version])
    return aligned(rows, left=2)
