"""`endonym evaluate --harness`, with a program in the place of lm-evaluation-harness."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from endonym.commands import harness as commands
from endonym.errors import RecipeError
from endonym.evaluate import harness
from endonym.evaluate.items import Item

Command = Callable[..., Any]
Patch = pytest.MonkeyPatch

PAIRS = [
    {"good": "Балалар мәктәпкә баралар.", "bad": "Балалар мәктәпкә бара идем.", "uid": "сан"},
    {"good": "Мин китап укыйм.", "bad": "Мин китап укый.", "uid": "зат"},
    {"good": "Син китап укыйсың.", "bad": "Син китап укый.", "uid": "зат"},
]
TASKS = """
from pathlib import Path
import json


class Loaded:  # A task, or a group of tasks, as lm-evaluation-harness names them.
    def __init__(self, name, config=None):
        self.name, self.config = name, config or {}
        parts = self.config["task"] if "group" in self.config else []
        self.tasks = [Loaded(f"{name}::{each['task']}", each) for each in parts]


class TaskManager:
    all_subtasks = ["blimp_island", "blimp_drop", "xnli_fr"]
    failing = ["yaml", "langs", "long", "empty", "bare", "memory", "killed", "ended", "full"]
    all_tasks = [*all_subtasks, "blimp_all", *failing]

    def __init__(self, include_path, metadata):
        assert (Path(metadata["pretrained"]) / "config.json").is_file()
        assert Path(include_path).samefile("."), "it runs beside its own files"
        files = {each.stem: each.read_text(encoding="utf-8") for each in Path().glob("*.yaml")}
        self.files = {name: json.loads(text) for name, text in files.items()}
        self.all_tasks = [*self.all_tasks, *self.files]

    def match_tasks(self, names):
        return [each for each in self.all_tasks for name in names if Path(each).match(name)]

    def load(self, names):
        print("a table that nobody asked for")
        if names == ["xnli_fr"]:
            raise ConnectionError("Couldn't reach 'facebook/xnli' on the Hub")
        if names == ["yaml"]:
            message = "while scanning a key\\n  in a.yaml, line 2\\n"
            raise ValueError(message) from OSError("its YAML")
        if names == ["langs"]:
            import a_package_that_nobody_has
        made = Loaded(names[0], self.files.get(names[0]))
        if made.tasks:
            return {"tasks": {each.name: each for each in made.tasks}, "groups": {made.name: made}}
        return {"tasks": {made.name: made}, "groups": {}}
"""
EVALUATOR = """
from pathlib import Path
import atexit
import os
import signal
import sys

BAR = "Running:  50%|#####     | 2/4 [00:01<00:01, 1.9it/s]"
SHORT, LONG = (("Кояш", " чыкты"), [1], [2, 3]), (("Кояш", " чыга " * 30), [1], [2] * 9)
def bare(model):
    assert 2 < 1
def memory(model):
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")
def ended(model):
    print("it gives up", file=sys.stderr)
    print(BAR, file=sys.stderr)
    os._exit(3)
def full(model):
    raise OSError(28, "No space left on device")
FAILURES = {
    "long": lambda model: model._loglikelihood_tokens([SHORT, LONG, SHORT, LONG]),
    "empty": lambda model: model._loglikelihood_tokens([SHORT, (("Мәк", "тәп"), [1], [])]),
    "killed": lambda model: os.kill(os.getpid(), signal.SIGKILL),
    **{"bare": bare, "memory": memory, "ended": ended, "full": full},
}


def simple_evaluate(model, tasks, task_manager, log_samples):
    (loaded,) = tasks  # Names would be loaded once more.
    task = loaded.name
    if task in FAILURES:
        atexit.register(print, BAR, file=sys.stderr)
        FAILURES[task](model)
    if loaded.config:
        lines = {
            each.name: Path(each.config["dataset_kwargs"]["data_files"]).read_text(encoding="utf-8")
            for each in loaded.tasks or tasks
        }
        sizes = {name: len(text.splitlines()) for name, text in lines.items()}
        figures = {"acc,none": 0.75, "acc_stderr,none": "N/A"}
        results = {name: {"acc,none": 0.5} for name in sizes} | {task: figures}
    else:
        sizes = {task: 7}
        figures = {"acc,none": 0.5, "acc_stderr,none": 0.25, "f1,strict": float("nan")}
        results = {task: {"alias": task} | figures}
    return {
        "results": results,
        "versions": {each: 1.0 for each in sizes} | {"of none": "N/A"},
        "n-samples": {each: {"original": 9, "effective": size} for each, size in sizes.items()},
        "n-shot": {each: 0 for each in sizes},
        "samples": {},
    }
"""
MODELS = """
class HFLM:
    max_length = 8

    def __init__(self, pretrained, device, batch_size, prefix_token_id):
        assert device == "cpu"
        assert prefix_token_id == 0, "the end-of-text token of models made here"

    def _loglikelihood_tokens(self, requests):
        raise AssertionError
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: Patch) -> None:
    """A package that looks like the harness, and no network."""
    site = tmp_path / "site"
    files = {
        "lm_eval/__init__.py": "",
        "lm_eval/tasks.py": TASKS,
        "lm_eval/evaluator.py": EVALUATOR,
        "lm_eval/models/__init__.py": "",
        "lm_eval/models/huggingface.py": MODELS,
        "lm_eval-0.4.99.dist-info/METADATA": "Name: lm_eval\nVersion: 0.4.99\n",
    }
    for name, text in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text, encoding="utf-8")
    source = str(Path(harness.__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", f"{site}:{source}")
    monkeypatch.setattr(harness, "PACKAGE", "endonym")
    monkeypatch.setattr(commands, "reaches_hub", lambda: False)


@pytest.fixture
def judged(finished: Path, command: Command) -> Callable[..., Any]:
    """What `evaluate --harness` says of the small run."""
    run, store = finished / "runs" / "kechkena", finished / "store"
    return lambda *given: command("evaluate", run, *given, "--store", store)


def written(path: Path, records: list[Any]) -> Path:
    path.write_text("\n".join(map(json.dumps, records)) + "\n", encoding="utf-8")
    return path


def test_figures_of_its_tasks_come_with_both_versions(
    program: None, judged: Callable[..., Any]
) -> None:
    said = judged("--harness", "blimp_*", "--json")
    assert said.code == 0, said.err
    found = said.json()["harness"]
    assert (found["name"], found["version"]) == ("lm-evaluation-harness", "0.4.99")
    results = [harness.Result(**each) for each in found["results"]]
    assert [(each.task, each.metric) for each in results] == [
        (task, metric) for task in ("blimp_island", "blimp_drop") for metric in ("acc", "f1")
    ]
    first, second = results[:2]
    assert (first.version, first.value, first.error, first.items) == ("1.0", 0.5, 0.25, 7)
    assert (second.filter, second.value, second.error) == ("strict", None, None)
    shown = judged("--harness", "blimp_island,blimp_drop")
    assert "lm-evaluation-harness 0.4.99" in shown.out
    rows = [line.split() for line in shown.out.splitlines()]
    assert ["blimp_drop", "acc", "0.5000", "0.2500", "7", "1.0"] in rows
    assert "nobody asked for" not in shown.out
    assert "exporting" not in shown.err, "the run has exported it"
    nothing = judged("--harness", " , ")
    assert nothing.code == 2
    assert "no task is named" in nothing.err


def test_files_of_items_become_its_tasks_and_stay_where_asked(
    program: None, judged: Callable[..., Any], tmp_path: Path
) -> None:
    file, kept = written(tmp_path / "парлар.jsonl", PAIRS), tmp_path / "биремнәр"
    said = judged("--harness", file, "--task-files", kept, "--json")
    assert said.code == 0, said.err
    results = [harness.Result(**each) for each in said.json()["harness"]["results"]]
    assert [(each.task, each.items) for each in results] == [
        ("парлар.jsonl", None),
        ("парлар.jsonl::парлар.jsonl.сан", 1),
        ("парлар.jsonl::парлар.jsonl.зат", 2),
    ]
    assert said.json()["overlap"] == {
        "парлар.jsonl": {"texts": 3, "found": 0, "lost": [], "has_answers": False}
    }
    names = {each.name for each in kept.iterdir()}
    assert names == {"парлар.jsonl.yaml", "парлар.jsonl.1.jsonl", "парлар.jsonl.2.jsonl"}
    assert "--include_path . --tasks парлар.jsonl" in said.err
    again = judged("--harness", file, "--task-files", kept)
    assert again.code == 1
    assert "not empty" in again.err


def test_a_file_that_is_called_as_one_of_its_tasks_does_not_stand_for_it(
    program: None, judged: Callable[..., Any], tmp_path: Path, monkeypatch: Patch
) -> None:
    """A name with the ending of records is a file, every other one a task of the harness."""
    (tmp_path / "blimp_drop").mkdir()
    file = written(tmp_path / "blimp_drop.jsonl", PAIRS[1:])
    monkeypatch.chdir(tmp_path)
    said = judged(f"--harness=blimp_drop,{file.name}", "--json")
    assert said.code == 0, said.err
    results = [harness.Result(**each) for each in said.json()["harness"]["results"]]
    assert {(each.task, each.items) for each in results} == {
        ("blimp_drop", 7),
        ("blimp_drop.jsonl", 2),
    }


@pytest.mark.parametrize(
    ("task", "code", "words"),
    [
        ("blimp_iland", 2, "Did you mean blimp_island?"),
        ("none.jsonl", 2, "no such file"),
        ("xnli_fr", 1, "Couldn't reach 'facebook/xnli' on the Hub"),
        ("yaml", 1, "ValueError: while scanning a key in a.yaml, line 2: its YAML"),
        ("langs", 1, "pip install a_package_that_nobody_has"),
        ("long", 1, "2 of 4 options are longer than the model's context of 8 tokens"),
        ("empty", 1, "1 of 2 options have no token of their own"),
        ("bare", 1, "AssertionError: assert 2 < 1 does not hold (evaluator.py, line "),
        ("memory", 1, "Free memory: "),
        ("killed", 1, "ended with -9: the system has killed it, mostly because memory ran out"),
        ("ended", 1, "ended with 3: it gives up"),
        ("full", 1, "Free space on the disk"),
    ],
)
def test_what_it_cannot_do_is_told_without_a_traceback(
    task: str, code: int, words: str, program: None, judged: Callable[..., Any]
) -> None:
    said = judged("--harness", task)
    assert said.code == code
    assert task in said.err
    assert words in said.err
    assert "Traceback" not in said.err
    assert "it/s" not in said.err, "no progress bar is a reason"
    assert ("cannot be reached from here" in said.err) == (task == "xnli_fr")


def test_texts_without_an_answer_are_no_task_of_it(
    program: None, judged: Callable[..., Any], tmp_path: Path
) -> None:
    file = written(tmp_path / "a.jsonl", [{"context": "Кояш", "text": " чыкты."}])
    said = judged("--harness", file)
    assert said.code == 2
    assert "--tasks" in said.err


def test_without_it_the_error_names_the_command_that_installs_it(
    judged: Callable[..., Any], monkeypatch: Patch
) -> None:
    monkeypatch.setattr(harness, "PACKAGE", "no_such_package")
    said = judged("--harness", "blimp")
    assert said.code == 1
    assert 'pip install "endonym[harness]"' in said.err


def test_items_are_written_with_the_blanks_between_context_and_option(tmp_path: Path) -> None:
    items = [
        Item("Copiii merg la", ("școală.", "școala pe."), 0, "articol", blanks=" "),
        Item("ក្មេងៗ", ("ទៅ​សាលា", "សាលា​ទៅ"), 1, "លំដាប់ ពាក្យ"),
    ]
    name = harness.write_task("a/Întrebări 2.jsonl.gz", items, tmp_path)
    assert name == "a_Întrebări_2.jsonl.gz"
    config = json.loads((tmp_path / f"{name}.yaml").read_text(encoding="utf-8"))
    assert config["aggregate_metric_list"][0] == {"metric": "acc", "weight_by_size": False}
    names = [each["task"] for each in config["task"]]
    assert names == [f"{name}.articol", f"{name}.លំដាប់_ពាក្យ"]
    records = [
        json.loads((tmp_path / each["dataset_kwargs"]["data_files"]).read_text(encoding="utf-8"))
        for each in config["task"]
    ]
    assert records == [
        {"context": "Copiii merg la ", "options": ["școală.", "școala pe."], "answer": 0},
        {"context": "ក្មេងៗ", "options": ["ទៅ​សាលា", "សាលា​ទៅ"], "answer": 1},
    ]
    assert harness.write_task("b c.jsonl", items[:1], tmp_path) == "b_c.jsonl"
    with pytest.raises(RecipeError, match=r"another file is the task b_c\.jsonl"):
        harness.write_task("b_c.jsonl", items, tmp_path)
    config = json.loads((tmp_path / "b_c.jsonl.yaml").read_text(encoding="utf-8"))
    assert config["task"] == "b_c.jsonl"


def test_groups_with_names_that_are_alike_or_long_stay_apart(tmp_path: Path) -> None:
    sentence = "Балалар иртән мәктәпкә баралар, кич белән өйгә кайталар һәм китап укыйлар. " * 4
    groups = ["сүз тәртибе", "сүз_тәртибе", "", "others", sentence, sentence + "Ә без?"]
    items = [Item("", ("баралар", "бара"), 0, group) for group in (*groups, *groups)]
    name = harness.write_task("парлар.jsonl", items, tmp_path)
    config = json.loads((tmp_path / f"{name}.yaml").read_text(encoding="utf-8"))
    tasks = {each["task"].removeprefix(f"{name}."): each for each in config["task"]}
    short = "Балалар_иртән_мәктәпкә_баралар_кич_белән_өйгә_кайталар_һәм_к"
    words = ["сүз_тәртибе", "сүз_тәртибе_2", "others", "others_2", short, f"{short}_2"]
    assert list(tasks) == words
    for each in tasks.values():
        text = (tmp_path / each["dataset_kwargs"]["data_files"]).read_text(encoding="utf-8")
        assert len(text.splitlines()) == 2


def test_flags_of_the_harness_stand_alone(judged: Callable[..., Any]) -> None:
    assert judged("--task-files", "a").code == 2
    assert judged("--harness", "blimp", "--tasks", "a.jsonl").code == 2


def test_names_alone_leave_no_task_files(
    program: None, judged: Callable[..., Any], tmp_path: Path
) -> None:
    said = judged("--harness", "blimp_island", "--task-files", tmp_path / "a")
    assert said.code == 2
    assert not (tmp_path / "a").exists()
