"""From texts to a model that answers: trained on texts, on conversations and on pairs; exported;
asked at a pipe and over HTTP; and adapters of one base side by side."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from journeys.test_going_on import artifacts
from made_conversations import conversations, pairs, said, write_lines
from serving import served

from endonym.commands.check import check
from endonym.commands.inspect import look
from endonym.commands.load import load_model
from endonym.export.history import history_of
from endonym.generate.language_model import LanguageModel
from endonym.log import Log
from endonym.pipeline import sources
from endonym.recipe.recipe import Recipe
from endonym.runs.find import planned
from endonym.store import Store, open_artifact

pytest.importorskip("xllamacpp")
pytestmark = pytest.mark.slow
Say = Callable[..., Any]
CHAT = """
[chat]
max_rejected = 0.3

[[phase]]
name = "answers"
objective = "chat"
data = "conversations.jsonl"
steps = 60
batch_tokens = 512
lr = 2e-2
number_format = "fp32"
adapt = { rank = 8, on = ["all"] }
"""
LIKED = """
[[phase]]
name = "liked"
objective = "preferences"
data = "pairs.jsonl"
steps = 6
batch_tokens = 512
eval_every_steps = 3
number_format = "fp32"
"""
GGUF = '\n[[export]]\nformat = "gguf"\nquantize = ["F16"]\n'
QUESTIONS = ["алма 1. Нинди?", "Сәлам!", "ស្វាយ 3. តើវាមានពណ៌អ្វី?"]


def recipe_of_answers(recipe: Path, name: str, extra: str, answers: list[dict[str, Any]]) -> Path:
    """The small recipe under another name with longer rows, going on with conversations."""
    text = recipe.read_text(encoding="utf-8").replace('"kechkena"', f'"{name}"')
    text = text.replace("context = 32", "context = 128")
    recipe.write_text(text + CHAT + extra, encoding="utf-8")
    write_lines(recipe.parent / "conversations.jsonl", answers)
    write_lines(recipe.parent / "pairs.jsonl", pairs(24))
    return recipe


@pytest.fixture(scope="module")
def finished_answers(
    tmp_path_factory: pytest.TempPathFactory, small_recipe: Callable[[Path], Path], command: Say
) -> Path:
    """A folder with two runs on one base: one ends with preferences, one with conversations."""
    folder = tmp_path_factory.mktemp("answers")
    same = [said(f"{number}. Сәлам!", "Әйе.") for number in range(24)]
    runs = (("liked", LIKED + GGUF, conversations(24)), ("greeting", "", same))
    for name, extra, answers in runs:
        recipe = recipe_of_answers(small_recipe(folder / name), name, extra, answers)
        told = command("run", recipe, "--store", folder / "store")
        assert told.code == 0, told.err
    return folder


def model_of(folder: Path, run: str, phase: str) -> Path:
    """The model of a phase of a run."""
    stages = planned(folder / "runs" / run)
    (found,) = (each["id"] for each in stages if each["name"] == f"model {phase}")
    return Store(folder / "store").folder("model", found)


def piped(folder: Path, questions: list[str], *arguments: object) -> list[str]:
    """What `endonym chat` answers to lines of its standard input."""
    command = [sys.executable, "-m", "endonym", "chat", *map(str, arguments)]
    command += ["--store", str(folder / "store"), "--temperature", "0", "--json"]
    done = subprocess.run(
        command,
        input="".join(f"{question}\n" for question in questions),
        capture_output=True,
        encoding="utf-8",
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["text"] for line in done.stdout.splitlines()]


@pytest.fixture
def typed(command: Say, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What `endonym chat` answers to one line of standard input, within this process."""

    def answer(folder: Path, question: str, *arguments: object) -> str:
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{question}\n"))
        given = ("--store", folder / "store", "--temperature", "0", "--json")
        told = command("chat", *arguments, *given)
        assert told.code == 0, told.err
        (line,) = told.out.splitlines()
        return json.loads(line)["text"]

    return answer


def asked(address: str, model: str, question: str) -> httpx.Response:
    """The server's answer to one message."""
    keys = {"model": model, "temperature": 0, "messages": [{"role": "user", "content": question}]}
    return httpx.post(f"{address}/v1/chat/completions", json=keys, timeout=60)


def test_each_phase_has_made_its_model(finished_answers: Path) -> None:
    liked = model_of(finished_answers, "liked", "liked")
    model = LanguageModel.load(liked)
    assert model.tokenizer.chat_template is not None
    assert model.tokenizer.turn_ends == ("<|im_end|>",)
    base = LanguageModel.load(model_of(finished_answers, "liked", "pretrain"))
    assert base.tokenizer.stop_ids == (model.tokenizer.end_id,)
    run, store = finished_answers / "runs" / "liked", Store(finished_answers / "store")
    assert load_model(str(run), store).turns == 1, "single questions were learnt"
    assert len(artifacts(finished_answers / "store", "model")) == 4  # the base is the same one
    report = (finished_answers / "runs" / "liked" / "report.html").read_text(encoding="utf-8")
    assert "Held-out pairs judged rightly, in per cent" in report
    assert "are judged rightly at step 6, by a margin of" in report
    assert '<section id="answers">' in report
    report = (finished_answers / "runs" / "greeting" / "report.html").read_text(encoding="utf-8")
    assert "of the conversations that it learnt: 8 answered as written." in report
    assert "<h3>Questions of its training</h3>" in report
    greeting = finished_answers / "runs" / "greeting"
    _, *examples = look(store, str(greeting), "examples", dropped=None, count=2).text.split("\n\n")
    assert len(examples) == 2
    for each in examples:  # as the model reads them, with what it learns
        assert re.fullmatch(r"<\|im_start\|>user\n[^«]+«[^«]+<\|im_end\|>»\n?", each), each
    exports = (finished_answers / "store" / "export").glob("*/README.md")
    readmes = [each.read_text(encoding="utf-8") for each in exports]
    liked = [each for each in readmes if re.search(r"\* `pairs\.jsonl`: \d+ of 24 pref", each)]
    assert liked
    assert all(re.search(r"\* `conversations\.jsonl`: \d+ of 24 conv", each) for each in liked)


def test_check_counts_what_is_made_and_the_tokens_of_texts_alone_as_epochs(
    finished_answers: Path, tmp_path: Path
) -> None:
    """Also where the examples of another phase are not made yet: these are estimated."""
    project, store = tmp_path / "liked", Store(finished_answers / "store")
    shutil.copytree(finished_answers / "liked", project)
    recipe = Recipe.load(project / "recipe.toml")
    sources.hash_all(sources.find(recipe), store, Log(quiet=True))
    found = check(recipe, store)
    assert found.text_tokens == 40 * 256 < found.train_tokens
    counted = found.facts.examples
    write_lines(project / "pairs.jsonl", pairs(12))
    sources.hash_all(sources.find(recipe), store, Log(quiet=True))
    assert check(recipe, store).facts.examples[1] == counted[1]
    assert check(recipe, store).facts.examples[2] != counted[2]


def test_a_pipe_the_server_and_the_exported_file_give_the_same_answer(
    finished_answers: Path, typed: Callable[..., str]
) -> None:
    (gguf,) = (finished_answers / "store" / "export").glob("*/*.gguf")
    at_pipe = piped(finished_answers, QUESTIONS[:1], "liked")
    assert typed(finished_answers, QUESTIONS[0], gguf) == at_pipe[0]
    store = ("--store", finished_answers / "store")
    with served("liked", *store) as (address, _):
        found = asked(address, "liked", QUESTIONS[0])
        assert found.status_code == 200, found.text
        (choice,) = found.json()["choices"]
        assert (choice["message"]["role"], choice["message"]["content"]) == (
            "assistant",
            at_pipe[0],
        )


def test_an_adapter_of_conversations_answers_on_its_base(
    finished_answers: Path, command: Say, typed: Callable[..., str]
) -> None:
    base = model_of(finished_answers, "greeting", "pretrain")
    answer = typed(finished_answers, "30. Сәлам!", base, "--adapter", "greeting")
    assert answer == "Әйе."
    assert typed(finished_answers, "30. Сәлам!", "greeting") == answer
    alone = finished_answers / "adapter"
    told = command(
        *("export", "greeting", "--to", "adapter", "--out", alone),
        *("--store", finished_answers / "store"),
    )
    assert told.code == 0, told.err
    assert typed(finished_answers, "30. Сәлам!", base, "--adapter", alone) == answer


def test_two_adapters_of_one_base_are_two_models_of_a_server(
    finished_answers: Path, typed: Callable[..., str]
) -> None:
    base = model_of(finished_answers, "greeting", "pretrain")
    answers = [model_of(finished_answers, run, "answers") for run in ("liked", "greeting")]
    adapters = [part for each in answers for part in ("--adapter", each)]
    with served(base, *adapters, "--store", finished_answers / "store") as (address, _):
        told = httpx.get(f"{address}/v1/models").json()["data"]
        names = [base.name, *(each.name for each in answers)]
        assert [each["id"] for each in told] == names
        assert [each["chat"] for each in told] == [False, True, True]
        replies = [asked(address, name, "30. Сәлам!") for name in names]
        assert [each.status_code for each in replies] == [400, 200, 200]
        texts = [each.json()["choices"][0]["message"]["content"] for each in replies[1:]]
        assert texts[1] == "Әйе." != texts[0]
        for name, text in zip(names[1:], texts, strict=True):
            path = finished_answers / "store" / "model" / name
            assert typed(finished_answers, "30. Сәлам!", path) == text


ALONE = """
name = "{name}"
language = "tt"

[model]
folder = {folder}

[[phase]]
name = "answers"
objective = "chat"
data = "conversations.jsonl"
steps = 4
batch_tokens = 512
lr = 1e-3
number_format = "fp32"

[[export]]
format = "huggingface"
"""


def require_no_figures_of_texts(name: str, out: Path, store: Path, command: Say) -> None:
    """A run without texts has none held out, none to compare and none to hand over."""
    asked_for = {
        "none are held out": (("evaluate", name), ("evaluate", name, "--split", "dev")),
        "no held-out documents to compare": (("compare", name, "liked"),),
        "no corpus to export": (("export", name, "--to", "dataset", "--out", out),),
    }
    for why, calls in asked_for.items():
        for call in calls:
            told = command(*call, "--store", store)
            assert (told.code != 0, told.out) == (True, ""), call
            assert why in told.err
            assert "Traceback" not in told.err
    assert not out.exists()
    assert command("look", name, "corpus", "--store", store).out.startswith("no texts")
    assert "next: endonym chat " in command("status", name, "--store", store).out
    page = (store.parent / "runs" / name / "report.html").read_text(encoding="utf-8")
    assert all(each not in page for each in ('id="corpus"', "training text", "Fit on dev text"))


@pytest.mark.parametrize("way", ["artefact", "export"])
def test_conversations_alone_teach_a_model_and_its_card_tells_of_the_base(
    finished_answers: Path, tmp_path: Path, command: Say, way: str
) -> None:
    base, store = model_of(finished_answers, "liked", "pretrain"), finished_answers / "store"
    if way == "export":
        out = ("--out", tmp_path / "base", "--store", store)
        told = command("export", base, "--to", "huggingface", *out)
        assert told.code == 0, told.err
        base = tmp_path / "base"
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(ALONE.format(name=way, folder=json.dumps(str(base))), encoding="utf-8")
    greetings = [said(f"{number}. Сәлам!", "Әйе.") for number in range(24)]
    write_lines(tmp_path / "conversations.jsonl", greetings)
    told = command("check", recipe, "--store", store)
    assert (told.code, "warning" in told.out) == (0, False), told.err
    told = command("run", recipe, "--store", store)
    assert told.code == 0, told.err
    (made,) = [
        each["id"] for each in planned(finished_answers / "runs" / way) if each["stage"] == "export"
    ]
    card = (Store(store).folder("export", made) / "README.md").read_text(encoding="utf-8")
    assert "made elsewhere" not in card
    _, data, training = re.split("## Data|## Training", card)
    assert re.findall(r"^\| (\w+) +\| [\d.]+ kB", data, re.MULTILINE) == [
        "others",
        "romanian",
        "tatar",
    ]
    assert data.count("| see its base |") == 3
    assert "`conversations.jsonl`: 24 of 24 conversations" in data
    assert training.partition("##")[0].count("adamw") == 2
    assert "tokenizer.apply_chat_template(\n" in card
    require_no_figures_of_texts(way, tmp_path / "dataset", store, command)


def test_the_card_lists_no_texts_that_no_phase_has_read(finished_answers: Path) -> None:
    model = open_artifact(model_of(finished_answers, "liked", "answers"))
    known = history_of(model)
    assert known is not None
    assert list(known.sources) == ["others", "romanian", "tatar"]
    assert not replace(known, phases=[model]).sources
