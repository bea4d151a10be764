"""The process in which lm-evaluation-harness runs (`python -m endonym.evaluate.harness_process`).

It reads one request (`harness.ToRun`) and writes lines of JSON: what it does, the figures of each
task once it is done, and why it has failed.
"""

import difflib
import importlib
import json
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from importlib.metadata import version
from pathlib import PurePath
from typing import Any

NAME = "lm-evaluation-harness"
BATCH = 32
MOST_CHARS = 1000
"""So much of an error's message is handed on."""
KEPT = ("results", "versions", "n-samples", "n-shot")


def answers(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The lines that answer a request. All tasks are loaded before the first is judged."""
    folder = request["folder"]
    names = list[str]()
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
    model = opened(folder, request["device"], request["start"])
    evaluator: Any = importlib.import_module("lm_eval.evaluator")
    told = {"version": version("lm_eval")}
    for name, tasks_of_name in loaded.items():
        yield {"task": name, "said": f"judging {name}", **told}
        found = evaluator.simple_evaluate(
            model=model, tasks=tasks_of_name, task_manager=manager, log_samples=False
        )
        yield {"results": {key: found[key] for key in KEPT}}


def opened(folder: str, device: str, start: int | None) -> Any:
    """The model of a folder as the harness runs it. start: as in `harness.ToRun`."""
    models: Any = importlib.import_module("lm_eval.models.huggingface")
    keys = {"device": device, "batch_size": BATCH, "prefix_token_id": start}
    return checked(models.HFLM)(pretrained=folder, **keys)


def all_answers(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The same, with the reason at the end if it fails."""
    try:
        yield from answers(request)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # its tasks bring code of their own
        traceback.print_exc()
        yield {"failed": failure(error)}


class NotJudged(Exception):
    """The harness has no judgement of some options: how many, and why."""


def checked(model: Any) -> Any:
    """A class of the harness's models that says which options it cannot judge, where the harness
    itself has assertions without a message.

    Deviation: a whole document is read after one start token. The harness puts one before the ids
    of a document, also where the tokenizer has put one there already, and then judges the second
    one as a part of the text.
    """

    class Checked(model):
        def loglikelihood_rolling(self, *arguments: Any, **keys: Any) -> Any:
            setting = self.add_bos_token
            self.add_bos_token = False
            try:
                return super().loglikelihood_rolling(*arguments, **keys)
            finally:
                self.add_bos_token = setting

        def _loglikelihood_tokens(self, requests: Any, *arguments: Any, **keys: Any) -> Any:
            require_judgeable(requests, self.max_length)
            return super()._loglikelihood_tokens(requests, *arguments, **keys)

    return Checked


def require_judgeable(requests: Sequence[tuple[Any, Sequence[int], Sequence[int]]], context: int):
    """Raise NotJudged for options without a token, and for those longer than the context.

    requests: the texts of a context and an option, then the ids of both.
    """
    sizes = [len(option) for _, _, option in requests]
    empty = [number for number, size in enumerate(sizes) if not size]
    too_long = [number for number, size in enumerate(sizes) if size > context]
    for numbers, why in (
        (empty, "have no token of their own in the model's tokenizer"),
        (too_long, f"are longer than the model's context of {context} tokens"),
    ):
        if numbers:
            texts = requests[numbers[0]][0]
            first = str(texts[1] if texts else "")[:80]
            raise NotJudged(
                f"{len(numbers)} of {len(sizes)} options {why}, so that {NAME} cannot judge them; "
                f"the longest has {max(sizes)} tokens, and the first of them is “{first}”"
            )


def failure(error: BaseException) -> dict[str, Any]:
    """Why the harness has failed: the kind of the error, its message, and where it was raised.

    The message of the error that caused it is part of the message; an assertion without a message
    has its source line instead.
    """
    errors = [error]
    while (cause := errors[-1].__cause__ or errors[-1].__context__) and cause not in errors:
        errors.append(cause)
    messages = list[str]()
    for one in (errors[0], errors[-1]):
        text = " ".join(str(one).split())
        if text and not any(text in message for message in messages):
            messages.append(text)
    last = (traceback.extract_tb(error.__traceback__) or [None])[-1]
    place = f"{PurePath(last.filename).name}, line {last.lineno}" if last else ""
    if last and not messages:
        messages.append(f"{last.line} does not hold")
    kinds = [type(one).__name__ for one in errors]
    package = next((one.name for one in errors if isinstance(one, ModuleNotFoundError)), None)
    message = ": ".join(messages)[:MOST_CHARS]
    return {"kinds": kinds, "message": message, "place": place, "package": package}


def main() -> None:
    """Answer the request on standard input."""
    lines = sys.stdout
    request = json.load(sys.stdin)
    with redirect_stdout(sys.stderr):  # What libraries print is no answer.
        for answer in all_answers(request):
            lines.write(json.dumps(answer, default=float) + "\n")
            lines.flush()


if __name__ == "__main__":
    main()
