"""What a model was trained on: which texts of an evaluation stand there, and what it copies."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_conversations import said, write_lines

from endonym.commands.evaluate import score_model
from endonym.generate.language_model import Continuation, LanguageModel
from endonym.log import QUIET, Log
from endonym.pipeline import evaluation_texts
from endonym.pipeline.evaluation_texts import Overlap, learnt_by, overlaps
from endonym.pipeline.writing import training_of
from endonym.runs.find import planned
from endonym.store import Store, open_artifact

Captured = pytest.CaptureFixture[str]


Sentences = Callable[[str], list[str]]


CHAT = """
name = "җавап"
language = "tt"
pack = { context = 256 }
chat = { val_share = 0.05 }
model = { folder = "base" }

"""
PHASE = """
[[phase]]
name = "{}"
objective = "chat"
data = "{}"
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
    phases = PHASE.format("answers", "chat.jsonl") + PHASE.format("more", "more.jsonl")
    (folder / "recipe.toml").write_text(CHAT + phases, encoding="utf-8")
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
    found = score_model(run, [file], "test", store=store, log=Log(), device_name="cpu")
    return "\n".join([capsys.readouterr().err, *found.overlap["юллар.txt"].sentences()])


def trained(folder: Path) -> list[str]:
    """The answers of both phases that were not held out, and a text of the base."""
    stages = {each["name"]: each["id"] for each in planned(folder / "runs" / "җавап")}
    made = stages["model more"]
    learnt = learnt_by(open_artifact(Store(folder / "store").folder("model", made)))
    assert not learnt.lost
    return [text.strip() for part in learnt.parts for text in part.texts() if text.strip()]


def test_a_model_learnt_its_answers_and_base_texts(project: Path, language_sentences: Sentences):
    found = trained(project)
    answers = [text for text in found if text in {*ANSWERS, *MORE}]
    assert len(answers) == len({*ANSWERS, *MORE}) - 2, "one of each phase is held out"
    assert {*answers} & {*ANSWERS}
    assert {*answers} & {*MORE}
    assert len({*found} & {*language_sentences("tatar")}) > 10
    assert not any("сорау" in text for text in found), "a question is not learnt"


def test_a_member_learnt_what_its_phase_read(finished: Path, tmp_path: Path) -> None:
    (model,) = (finished / "store" / "model").iterdir()
    made = open_artifact(model)
    member = learnt_by(replace(made, manifest={**made.manifest, "stage": "member"}))
    assert (len(member.parts), member.lost) == (1, [])
    assert [*member.parts[0].texts()] == [*learnt_by(made).parts[0].texts()]
    assert learnt_by(replace(made, manifest={**made.manifest, "stage": "export"})).lost


def test_only_the_sources_that_a_phase_reads_are_what_it_learnt(
    finished: Path, language_sentences: Sentences
) -> None:
    (model,) = (open_artifact(each) for each in (finished / "store" / "model").iterdir())
    phase = model.manifest["config"]["phase"] | {"sources": [{"name": "tatar", "share": 1.0}]}
    config = model.manifest["config"] | {"phase": phase}
    of_tatar = replace(model, manifest={**model.manifest, "config": config})
    texts = [text for part in learnt_by(of_tatar).parts for text in part.texts()]
    assert 5 < len(texts) < len([*learnt_by(model).parts[0].texts()])
    assert {*texts} <= {*language_sentences("tatar")}
    searched = training_of(of_tatar, QUIET)
    assert searched.texts is not None
    assert "\n".join(searched.texts).split("\n") == texts, "a list of sentences is joined"
    others = {"а": [text for text in learnt_by(model).parts[0].texts() if text not in texts][:3]}
    assert [overlaps(others, each, Log())["а"].found for each in (of_tatar, model)] == [0, 3]


def test_a_learnt_answer_is_told(project: Path, language_sentences: Sentences, capsys: Captured):
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


def test_what_the_store_lacks_is_said(project: Path, tmp_path: Path, capsys: Captured) -> None:
    said = {"examples": "answers that it was trained on", "model": "what its base was trained on"}
    for kind, lost in said.items():
        folder = tmp_path / kind
        shutil.copytree(project, folder)
        for each in [*(folder / "store" / kind).iterdir()]:
            made = open_artifact(each)
            if kind == "examples" or not {"start", "folder"} & {*made.manifest["inputs"]}:
                shutil.rmtree(each)
        assert f"Not compared with {lost}: not in this store." in warned(folder, ANSWERS, capsys)


def test_nothing_is_said_of_a_model_that_the_store_did_not_make(capsys: Captured) -> None:
    found = overlaps({"әкият.txt": NEW}, None, Log())
    assert found == {"әкият.txt": Overlap(len(NEW), None, ("what the model was trained on",))}
    said = "Not compared with what the model was trained on: not in this store."
    assert found["әкият.txt"].sentences() == [said]
    assert capsys.readouterr().err == ""


def test_a_teacher_that_is_lost_is_called_so(finished: Path, monkeypatch: pytest.MonkeyPatch):
    (model,) = (open_artifact(each) for each in (finished / "store" / "model").iterdir())
    for names in (["teacher"], ["base", "teacher", "teacher"]):
        lost = ([model], names)
        monkeypatch.setattr(evaluation_texts, "phases_of_lineage", lambda _, lost=lost: lost)
        told = evaluation_texts.learnt_by(model).lost
        assert told == [f"what its {name} was trained on" for name in dict.fromkeys(names)]


def test_known_words_and_copies_are_those_of_all_that_the_model_learnt(
    project: Path,
    language_sentences: Sentences,
    command: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An answer of the chats, and a text of the base: the shards of the last phase are empty."""
    found = trained(project)
    answer = next(text for text in found if text in ANSWERS)
    of_base = max((text for text in found if text in language_sentences("tatar")), key=len)
    assert len(of_base) > 50
    prompts = write_lines(project / "башлар.txt", ["Бүген", "Кичә"])

    def written(model: LanguageModel, asked: list[str], **_: Any) -> list[Continuation]:
        ids = model.tokenizer.encode(f"{answer} {of_base}")
        return [Continuation(iter(()), ids, "end") for _ in asked]

    monkeypatch.setattr(LanguageModel, "generate_many", written)
    asked = ("evaluate", project / "runs" / "җавап", "--store", project / "store", "--writing")
    told = command(*asked, "--prompts", prompts, "--json").json()
    values = {each["metric"]: each["value"] for each in told["scores"]}
    assert values["known"] == 1.0
    assert values["longest_copy"] == len(of_base)
    assert told["training_share"] == 1.0
