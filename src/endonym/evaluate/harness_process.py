"""The process in which lm-evaluation-harness runs (`python -m endonym.evaluate.harness_process`).

It reads one request (`harness.ToRun`) and writes lines of JSON: what it does, and the figures of
each task once it is done.
"""

import difflib
import importlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib.metadata import version
from typing import Any

BATCH = 32
KEPT = ("results", "versions", "n-samples", "n-shot")


def answers(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The lines that answer a request. All tasks are loaded before the first is judged."""
    folder, names = request["folder"], list[str]()
    os.chdir(request["task_files"])  # They name their data by its place there.
    tasks: Any = importlib.import_module("lm_eval.tasks")
    metadata = {"pretrained": folder}
    manager = tasks.TaskManager(include_path=request["task_files"], metadata=metadata)
    for name in request["tasks"]:
        found = manager.match_tasks([name])
        if not found:
            near = difflib.get_close_matches(name, manager.all_tasks, n=1)
            yield {"unknown": name, "near": near}
            return
        if "*" in name:  # A pattern matches groups as well as the tasks in them.
            found = [each for each in found if each in manager.all_subtasks] or found
        names += [each for each in found if each not in names]
    loaded = dict[str, list[Any]]()
    for name in names:
        yield {"task": name, "said": f"loading {name}"}
        found = manager.load([name])
        is_group = name in found["groups"]  # Its tasks are in it; a tag is its tasks.
        loaded[name] = [found["groups"][name]] if is_group else [*found["tasks"].values()]
    models: Any = importlib.import_module("lm_eval.models.huggingface")
    model = models.HFLM(pretrained=folder, device=request["device"], batch_size=BATCH)
    evaluator: Any = importlib.import_module("lm_eval.evaluator")
    told = {"version": version("lm_eval")}
    for name, tasks_of_name in loaded.items():
        yield {"task": name, "said": f"judging {name}", **told}
        found = evaluator.simple_evaluate(
            model=model, tasks=tasks_of_name, task_manager=manager, log_samples=False
        )
        yield {"results": {key: found[key] for key in KEPT}}


def main() -> None:
    """Answer the request on standard input."""
    lines, request = sys.stdout, json.load(sys.stdin)
    with redirect_stdout(sys.stderr):  # What libraries print is no answer.
        for answer in answers(request):
            lines.write(json.dumps(answer, default=float) + "\n")
            lines.flush()


if __name__ == "__main__":
    main()
