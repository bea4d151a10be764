"""What a model and its bases were trained on, and which texts stand in it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_conversations import said, write_lines

from endonym.commands.evaluate import score_model
from endonym.log import Log
from endonym.pipeline.evaluation_texts import learnt_by
from endonym.runs.find import planned
from endonym.store import Store, open_artifact

Sentences = Callable[[str], list[str]]

Captured = pytest.CaptureFixture[str]

CHAT = """
name = "җавап"
language = "tt"
pack = { context = 256 }
model = { folder = "base" }

[[phase]]
name = "answers"
objective = "chat"
data = "chat.jsonl"
steps = 2
batch_tokens = 512
number_format = "fp32"

[[phase]]
name = "more"
objective = "chat"
data = "more.jsonl"
steps = 2
batch_tokens = 512
number_format = "fp32"
"""
ANSWERS = [
    "Казан — Идел елгасы буенда урнашкан борынгы шәһәр.",
    "Чәкчәк балдан, оннан һәм йомыркадан әзерләнә.",
    "Сабантуй язгы кыр эшләре беткәч үткәрелә.",
    "Габдулла Тукай кечкенә чагында ук ятим калган.",
    "Кышкы урманда агачлар ак кардан бүрек кигән.",
    "Авыл мәктәбендә бүген укытучылар бәйрәме.",
]
MORE = [
    "Күл өстендә аккошлар тезелеп йөзә.",
    "Бакчада чия белән карлыган өлгергән.",
    "Әтием тимерче булып эшли иде.",
    "Тәрәзә төбендә мәче йоклап ята.",
]
NEW = [
    "Станциягә поезд төнге сәгать өчтә генә килде.",
    "Диңгез ярында балалар кабырчык җыя.",
    "Табиб авыруга җиләк суы эчәргә кушты.",
]


@pytest.fixture(scope="module")
def project(
    small_recipe: Callable[[Path], Path],
    tmp_path_factory: pytest.TempPathFactory,
    command: Callable[..., Any],
) -> Path:
    """A folder with a run of two phases of conversations that goes on with the small model."""
    folder = tmp_path_factory.mktemp("chat")
    base = small_recipe(folder / "small")
    text = base.read_text(encoding="utf-8").replace("context = 32", "context = 256")
    export = '[[export]]\nformat = "huggingface"\n'
    base.write_text(text.partition("[[evaluate]]")[0] + export, encoding="utf-8")
    told = command("run", base, "--store", folder / "store")
    assert told.code == 0, told.err
    (exported,) = (folder / "store" / "export").iterdir()
    shutil.copytree(exported, folder / "base")
    (folder / "recipe.toml").write_text(CHAT, encoding="utf-8")
    for name, answers in (("chat.jsonl", ANSWERS), ("more.jsonl", MORE)):
        records = [said(f"{number} нче сорау: сөйлә.", each) for number, each in enumerate(answers)]
        write_lines(folder / name, records)
    told = command("run", folder / "recipe.toml", "--store", folder / "store")
    assert told.code == 0, told.err
    return folder


def warned(folder: Path, lines: list[str], capsys: Captured) -> str:
    """What is said when the model is scored on these lines."""
    file = folder / "юллар.txt"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run, store = str(folder / "runs" / "җавап"), Store(folder / "store")
    score_model(run, [file], "test", store=store, log=Log(), device_name="cpu")
    return capsys.readouterr().err


def trained(folder: Path) -> list[str]:
    """The answers of both phases that were not held out, and a text of the base."""
    (made,) = (
        each["id"] for each in planned(folder / "runs" / "җавап") if each["name"] == "model more"
    )
    learnt = learnt_by(open_artifact(Store(folder / "store").folder("model", made)))
    assert not learnt.lost
    return [text.strip() for part in learnt.parts for text in part.texts() if text.strip()]


def test_the_answers_of_all_phases_and_the_texts_of_the_base_are_what_a_model_learnt(
    project: Path, language_sentences: Sentences
) -> None:
    found = trained(project)
    answers = [text for text in found if text in {*ANSWERS, *MORE}]
    assert len(answers) == len({*ANSWERS, *MORE}) - 2, "one of each phase is held out"
    assert {*answers} & {*ANSWERS}
    assert {*answers} & {*MORE}
    assert len({*found} & {*language_sentences("tatar")}) > 10
    assert not any("сорау" in text for text in found), "a question is not learnt"


def test_a_file_of_answers_that_were_learnt_is_warned_of_and_one_of_others_is_not(
    project: Path, language_sentences: Sentences, capsys: Captured
) -> None:
    found = trained(project)
    answers = [text for text in found if text in {*ANSWERS, *MORE}]
    of_base = [text for text in found if text in {*language_sentences("tatar")}][:2]
    told = warned(project, [*answers, *NEW[:2]], capsys)
    assert "юллар.txt: 80.0 % of its 10 documents stand in the training text or answers" in told
    assert "50.0 % of its 4 documents" in warned(project, [*of_base, *NEW[:2]], capsys)
    page = " ".join(answers)
    assert "33.3 % of its 3 documents" in warned(project, [page, *NEW[:2]], capsys)
    told = warned(project, NEW, capsys)
    assert "stand in the training" not in told
    assert "Not compared" not in told


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("examples", "Not compared with answers that it was trained on: not in this store."),
        ("model", "Not compared with what its base was trained on: not in this store."),
    ],
)
def test_what_the_store_lacks_is_said(
    kind: str, expected: str, project: Path, tmp_path: Path, capsys: Captured
) -> None:
    folder = tmp_path / "project"
    shutil.copytree(project, folder)
    store = Store(folder / "store")
    for each in [*(store.root / kind).iterdir()]:
        made = open_artifact(each)
        if kind == "examples" or not {"start", "folder"} & {*made.manifest["inputs"]}:
            shutil.rmtree(each)
    assert expected in warned(folder, ANSWERS, capsys)
