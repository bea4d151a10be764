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


class TaskManager:
    all_subtasks = ["blimp_island", "blimp_drop", "xnli_fr"]
    all_tasks = [*all_subtasks, "blimp_all"]

    def __init__(self, include_path, metadata):
        assert (Path(metadata["pretrained"]) / "config.json").is_file()
        files = Path(include_path or "-").glob("*.yaml")
        self.all_tasks = [*self.all_tasks, *(each.stem for each in files)]

    def match_tasks(self, names):
        return [each for each in self.all_tasks for name in names if Path(each).match(name)]

    def load(self, names):
        print("a table that nobody asked for")
        if names == ["xnli_fr"]:
            raise ConnectionError("Couldn't reach 'facebook/xnli' on the Hub")
"""
EVALUATOR = """
from pathlib import Path
import json


def simple_evaluate(model, tasks, task_manager, log_samples):
    (task,) = tasks
    if Path(f"{task}.yaml").exists():
        config = json.loads(Path(f"{task}.yaml").read_text(encoding="utf-8"))
        parts = {each["task"]: each for each in config.get("task", [])} or {config["task"]: config}
        lines = {
            name: Path(each["dataset_kwargs"]["data_files"]).read_text(encoding="utf-8")
            for name, each in parts.items()
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
    def __init__(self, pretrained, device, batch_size):
        assert device == "cpu"
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
        ("парлар", None),
        ("парлар.сан", 1),
        ("парлар.зат", 2),
    ]
    assert said.json()["overlap"] == {
        "парлар.jsonl": {"texts": 3, "found": 0, "lost": [], "has_answers": False}
    }
    names = {each.name for each in kept.iterdir()}
    assert names == {"парлар.yaml", "парлар.сан.jsonl", "парлар.зат.jsonl"}
    assert "--include_path . --tasks парлар" in said.err
    again = judged("--harness", file, "--task-files", kept)
    assert again.code == 1
    assert "not empty" in again.err


@pytest.mark.parametrize(
    ("task", "code", "words"),
    [
        ("blimp_iland", 2, "Did you mean blimp_island?"),
        ("none.jsonl", 2, "no such file"),
        ("xnli_fr", 1, "Couldn't reach 'facebook/xnli' on the Hub"),
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
    assert name == "a_Întrebări_2"
    config = json.loads((tmp_path / f"{name}.yaml").read_text(encoding="utf-8"))
    assert config["aggregate_metric_list"][0] == {"metric": "acc", "weight_by_size": False}
    names = [each["task"] for each in config["task"]]
    assert names == ["a_Întrebări_2.articol", "a_Întrebări_2.លំដាប់_ពាក្យ"]
    records = [
        json.loads((tmp_path / each["dataset_kwargs"]["data_files"]).read_text(encoding="utf-8"))
        for each in config["task"]
    ]
    assert records == [
        {"context": "Copiii merg la ", "options": ["școală.", "școala pe."], "answer": 0},
        {"context": "ក្មេងៗ", "options": ["ទៅ​សាលា", "សាលា​ទៅ"], "answer": 1},
    ]
    assert harness.write_task("b.jsonl", items[:1], tmp_path) == "b"
    with pytest.raises(RecipeError, match="another file is the task b"):
        harness.write_task("b.2.csv", items, tmp_path)
    assert json.loads((tmp_path / "b.yaml").read_text(encoding="utf-8"))["task"] == "b"


def test_flags_of_the_harness_stand_alone(judged: Callable[..., Any]) -> None:
    assert judged("--task-files", "a").code == 2
    assert judged("--harness", "blimp", "--tasks", "a.jsonl").code == 2


def test_names_alone_leave_no_task_files(
    program: None, judged: Callable[..., Any], tmp_path: Path
) -> None:
    said = judged("--harness", "blimp_island", "--task-files", tmp_path / "a")
    assert said.code == 2
    assert not (tmp_path / "a").exists()
