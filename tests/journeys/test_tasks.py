"""Tasks: choices and texts after others are judged by a run, shown, and kept out of the corpus."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from endonym.demo.grammar import fables
from endonym.pipeline.evaluation_texts import Overlap

Command = Callable[..., Any]

PAIRS = [
    {"good": "Балалар мәктәпкә баралар.", "bad": "Балалар мәктәпкә бара идем.", "uid": "сан"},
    {"good": "Мин китап укыйм.", "bad": "Мин китап укый.", "uid": "зат"},
    {"good": "Син китап укыйсың.", "bad": "Син китап укый.", "uid": "зат"},
]


def written(path: Path, records: list[Any]) -> Path:
    path.write_text("\n".join(map(json.dumps, records)) + "\n", encoding="utf-8")
    return path


def with_task(recipe: Path, file: str) -> None:
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(text + f'\n[[evaluate]]\nkind = "task"\nfile = "{file}"\n', encoding="utf-8")


def test_a_run_judges_a_task_and_shows_it(prepared: Path, command: Command) -> None:
    written(prepared.parent / "парлар.jsonl", PAIRS)
    with_task(prepared, "парлар.jsonl")
    ran = command("run", prepared, "--store", prepared.parent / "store", "--json")
    assert ran.code == 0, ran.err
    (score,) = [
        each
        for each in ran.json()["scores"]
        if each["metric"] == "accuracy" and each["weighting"] == "bytes" and each["source"] is None
    ]
    assert score["split"] == "парлар.jsonl"
    assert score["n_documents"] == 3
    assert 0.0 <= score["value"] <= 1.0
    page = (prepared.parent / "runs" / "kechkena" / "report.html").read_text(encoding="utf-8")
    assert "<h3>парлар.jsonl</h3>" in page
    run = prepared.parent / "runs" / "kechkena"
    where = ("--store", prepared.parent / "store")
    tasks = ("--tasks", prepared.parent / "парлар.jsonl")
    again = command("evaluate", run, *tasks, *where, "--json").json()
    assert again["overlap"] == ran.json()["overlap"]
    of_run = {
        each["metric"]: each["value"] for each in ran.json()["scores"] if each["source"] is None
    }
    assert {
        each["metric"]: each["value"] for each in again["scores"] if each["source"] is None
    } == {name: of_run[name] for name in ("accuracy", "accuracy_per_byte")}
    said = command("evaluate", run, *tasks, *where)
    assert "mean of groups" in said.out
    assert "зат" in said.out


def test_texts_of_a_task_do_not_stand_in_the_corpus(
    small_recipe: Callable[[Path], Path], command: Command, tmp_path: Path
) -> None:
    recipe = small_recipe(tmp_path)
    texts = (tmp_path / "texts" / "tatar.txt").read_text(encoding="utf-8").splitlines()
    long = max(texts, key=len)
    written(tmp_path / "task.jsonl", [{"good": long, "bad": long[::-1]}])
    with_task(recipe, "task.jsonl")
    ran = command("run", recipe, "--store", tmp_path / "store", "--until", "corpus")
    assert ran.code == 0, ran.err
    look = command("look", "kechkena", "--store", tmp_path / "store", "--dropped", "all")
    assert long[:40] in look.out


def test_items_that_the_model_was_trained_on_are_told_beside_the_score(
    prepared: Path, command: Command
) -> None:
    """Texts of fewer than eight words are not kept out of the corpus."""
    lines = (prepared.parent / "texts" / "tatar.txt").read_text(encoding="utf-8").splitlines()
    short = [" ".join(each.split()[:6]) for each in lines[:20]]
    new = "Космонавтлар яңа галактикаларга очып китә."
    records = [{"good": each, "bad": each[::-1]} for each in [*short, new]]
    task = written(prepared.parent / "әйтем.jsonl", records)
    with_task(prepared, task.name)
    where = ("--store", prepared.parent / "store")
    ran = command("run", prepared, *where, "--json")
    assert ran.code == 0, ran.err
    found = ran.json()["overlap"][task.name]
    assert len(short) / 2 < found["found"] < found["texts"] == len(records)
    run = prepared.parent / "runs" / "kechkena"
    page = (run / "report.html").read_text(encoding="utf-8")
    said = f" % of its {len(records)} items stand in the training text, whole, nearly or in pieces"
    beside = page[page.index(f"<h3>{task.name}</h3>") :]
    assert said in beside
    assert "too short to be compared" in beside
    again = command("evaluate", run, "--tasks", task, *where)
    assert said in again.out
    assert said in again.err


def test_files_of_one_name_in_two_folders_are_told_apart(
    finished: Path, command: Command, tmp_path: Path
) -> None:
    files = [tmp_path / name / "парлар.jsonl" for name in ("сан", "зат")]
    for number, path in enumerate(files, 1):
        path.parent.mkdir()
        written(path, PAIRS[:number])
    tasks = [part for path in files for part in ("--tasks", path)]
    run, store = finished / "runs" / "kechkena", finished / "store"
    said = command("evaluate", run, *tasks, "--store", store, "--json")
    counts = {
        (each["split"], each["n_documents"])
        for each in said.json()["scores"]
        if each["source"] is None
    }
    assert counts == {("сан/парлар.jsonl", 1), ("зат/парлар.jsonl", 2)}


@pytest.mark.parametrize("name", ["check", "run"])
def test_a_task_without_items_is_found_before_anything_is_made(
    name: str, small_recipe: Callable[[Path], Path], command: Command, tmp_path: Path
) -> None:
    recipe = small_recipe(tmp_path / "project")
    written(recipe.parent / "task.jsonl", [{"good": "бер", "bad": "бер"}])
    with_task(recipe, "task.jsonl")
    said = command(name, recipe, "--store", tmp_path / "store")
    assert said.code != 0
    assert "no items: 1 equal options: task.jsonl, line 1" in said.err
    assert not list((tmp_path / "store").glob("*/*/manifest.json"))


def test_fields_that_are_not_read_are_named_once(
    finished: Path, command: Command, tmp_path: Path
) -> None:
    path = written(tmp_path / "a.jsonl", [{**each, "автор": "Айгөл"} for each in PAIRS])
    run, store = finished / "runs" / "kechkena", finished / "store"
    said = command("evaluate", run, "--tasks", path, "--store", store)
    assert said.err.count("fields that are not read: автор") == 1


def test_minimal_pairs_are_made_of_held_out_text_judged_and_shown(
    prepared: Path, command: Command
) -> None:
    folder = prepared.parent
    lines = [line for text in fables(300) for line in text.splitlines()]
    (folder / "texts" / "others.txt").write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    asked = '\n[[evaluate]]\nkind = "minimal_pairs"\n'
    asked += asked + 'split = "dev"\n'
    text = prepared.read_text(encoding="utf-8")
    text = text.replace("val_share = 0.2", "val_share = 0.2\nkeep_near_copies = true")
    prepared.write_text(text + asked, encoding="utf-8")
    where = ("--store", folder / "store")
    ran = command("run", prepared, *where, "--json")
    assert ran.code == 0, ran.err
    kinds = {"word order", "other form", "made-up word"}
    names = ["minimal pairs, test", "minimal pairs, dev"]
    for name in names:
        found = [
            each["source"]
            for each in ran.json()["scores"]
            if (each["split"], each["metric"], each["weighting"]) == (name, "accuracy", "bytes")
        ]
        assert len(found) == len(set(found)) == 4, "one score of each kind, and that of all"
        assert set(found) == {None, *kinds}
        overlap = Overlap(**ran.json()["overlap"][name])
        assert overlap.found is not None
        assert overlap.texts > 10
    run = folder / "runs" / "kechkena"
    page = (run / "report.html").read_text(encoding="utf-8")
    assert all(page.count(f"<h3>{name}</h3>") == 1 for name in names)
    assert all(page.count(f"<b>{kind}</b>") == 2 for kind in kinds)
    assert all(sentence in page for sentence in overlap.sentences("item"))
    assert "CYRILLIC" not in page, "a sentence is not spelled sign by sign"
    pairs = folder / "pairs.jsonl"
    made = command("evaluate", run, "--minimal-pairs", pairs, *where, "--json")
    assert made.json()["checks"].keys() == kinds
    shown = command("evaluate", run, "--minimal-pairs", folder / "shown.jsonl", *where).out
    assert "precision, at least" in shown
    for kind, check in made.json()["checks"].items():
        line = shown.rpartition("precision, at least")[2].partition(kind)[2].partition("\n")[0]
        assert f"{check['found']} of {check['made']}" in line
    again = command("evaluate", run, "--tasks", pairs, *where, "--json")
    assert again.json()["scores"] == made.json()["scores"]
    refused = command("evaluate", run, "--minimal-pairs", pairs, *where)
    assert refused.code == 2
    assert "--tasks" in refused.err
    for other, words in (("pairs.txt", "JSON lines"), ("absent/pairs.jsonl", "no such folder")):
        said = command("evaluate", run, "--minimal-pairs", folder / other, *where)
        assert said.code == 2
        assert words in said.err
        assert not (folder / other).exists()


def test_of_little_text_no_minimal_pairs_are_made_and_that_is_said(
    prepared: Path, finished: Path, command: Command, tmp_path: Path
) -> None:
    asked = '\n[[evaluate]]\nkind = "minimal_pairs"\n'
    prepared.write_text(prepared.read_text(encoding="utf-8") + asked, encoding="utf-8")
    ran = command("run", prepared, "--store", prepared.parent / "store")
    assert ran.code == 0, ran.err
    assert "no minimal pairs could be made" in ran.err
    run, store = finished / "runs" / "kechkena", finished / "store"
    said = command("evaluate", run, "--minimal-pairs", tmp_path / "a.jsonl", "--store", store)
    assert said.code == 2
    assert "no minimal pairs could be made" in said.err
    assert not (tmp_path / "a.jsonl").exists()


def test_what_a_model_writes_is_measured_beside_held_out_text(
    prepared: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = '\n[[evaluate]]\nkind = "writing"\nmax_tokens = 8\n'
    text = prepared.read_text(encoding="utf-8")
    prepared.write_text(text + asked + asked + 'file = "prompts.txt"\n', encoding="utf-8")
    where = ("--store", prepared.parent / "store")
    ran = command("run", prepared, *where, "--json")
    assert ran.code == 0, ran.err
    found = [each for each in ran.json()["scores"] if each["metric"] == "known"]
    names = ["temperature 0", "temperature 0.8", "temperature 1", "held-out text"]
    assert [each["source"] for each in found] == names * 2
    assert [each["split"] for each in found[3:5]] == ["writing, test", "writing, prompts.txt"]
    assert [each["n_documents"] for each in found[4:]] == [2] * 4, "as many as there are prompts"
    page = (prepared.parent / "runs" / "kechkena" / "report.html").read_text(encoding="utf-8")
    for name in ("writing, test", "writing, prompts.txt"):
        assert page.count(f"<h3>Measures of its texts ({name})</h3>") == 1
    said = command("run", prepared, *where).out
    assert said.count("words of the training text") == 2
    kept = (prepared.parent / "store" / "evaluation").glob("*/written.jsonl")
    kept_lines = [path.read_text(encoding="utf-8").splitlines() for path in kept]
    assert min(map(len, kept_lines)) == 2 * len(names)
    assert {json.loads(line)["group"] for line in kept_lines[0]} == set(names)
    monkeypatch.setattr("endonym.commands.writing.MAX_TOKENS", 8)
    monkeypatch.setattr("endonym.commands.writing.SEED", 7)
    asked = ("evaluate", prepared.parent / "runs" / "kechkena", *where, "--writing", "--json")
    again = command(*asked, "--prompts", prepared.parent / "prompts.txt").json()
    of_run = [each for each in ran.json()["scores"] if each["split"] == "writing, prompts.txt"]
    assert [each | {"split": ""} for each in again["scores"]] == [
        each | {"split": ""} for each in of_run
    ]
    assert again["training_share"] == 1.0
    assert again["corpus"]
    suite = command(*asked).json()
    assert suite["prompts_file"] == "tt.txt", "those of the recipe's language"
    assert [each["n_documents"] for each in suite["scores"]][:3] == [24] * 3
    assert {each["group"] for each in suite["texts"]} == set(names)


def test_held_out_text_is_typed_with_suggestions(
    prepared: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endonym.pipeline.typing.LETTERS", 60)
    with prepared.open("a", encoding="utf-8") as recipe:
        recipe.write('\n[[evaluate]]\nkind = "typing"\n')
    where = ("--store", prepared.parent / "store")
    ran = command("run", prepared, *where, "--json")
    assert ran.code == 0, ran.err
    found = {(each["metric"], each["model"]): each for each in ran.json()["scores"]}
    for name in ("model", "pairs of words", "frequent words"):
        saved = found["saved_by_3", name]
        assert saved["split"] == "typing, test"
        assert -0.2 < saved["value"] < 1.0
        assert 0.0 <= found["among_three_after_1", name]["value"] <= 1.0
    share = 100 * found["saved_by_3", "model"]["value"]
    said = f"With three suggestions it saves {share:.0f} of 100 key presses."
    page = (prepared.parent / "runs" / "kechkena" / "report.html").read_text(encoding="utf-8")
    assert said in page
    assert "<h3>Key presses saved (typing, test)</h3>" in page
    assert said in command("run", prepared, *where).out
    run = prepared.parent / "runs" / "kechkena"
    again = command("evaluate", run, *where, "--typing", "--json").json()
    kept = [each for each in ran.json()["scores"] if each["split"] == "typing, test"]
    assert [each | {"split": ""} for each in again["scores"]] == [
        each | {"split": ""} for each in kept
    ]


def test_a_model_from_elsewhere_is_measured_without_its_corpus(
    finished: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endonym.commands.writing.MAX_TOKENS", 8)
    (export,) = (finished / "store" / "export").rglob("config.json")
    asked = ("evaluate", export.parent, "--store", finished / "store", "--writing")
    for without_prompts in ((), ("--language", "zz")):
        said = command(*asked, *without_prompts)
        assert said.code == 2
        assert "--language CODE" in said.err
    found = command(*asked, "--language", "tat", "--json").json()
    measured = {each["metric"] for each in found["scores"]}
    assert measured >= {"ended", "other_script"}
    assert not measured & {"known", "copied", "longest_copy"}, "undefined, not 0"
    assert "held-out text" not in {each["source"] for each in found["scores"]}
    assert (found["corpus"], found["training_share"]) == (None, None)
    said = command(*asked[:-1], "--typing")
    assert said.code == 2
    assert "corpus is not in the store" in said.err


@pytest.mark.parametrize("data", [b" \n\n", "Бер\nИке".encode("utf-16")[3:]])
def test_prompts_that_are_none_are_refused_before_anything_is_made(
    data: bytes, prepared: Path, command: Command
) -> None:
    asked = '\n[[evaluate]]\nkind = "writing"\nfile = "none.txt"\n'
    prepared.write_text(prepared.read_text(encoding="utf-8") + asked, encoding="utf-8")
    (prepared.parent / "none.txt").write_bytes(data)
    for name in ("check", "run"):
        said = command(name, prepared, "--store", prepared.parent / "store")
        assert said.code == 1
        assert "no prompts" in said.err
    assert not (prepared.parent / "store" / "model").exists()


@pytest.mark.parametrize(
    ("records", "words"),
    [
        (["[]"], "no items"),
        ([{"good": "бер", "bad": "бер"}], "no items"),
        ([{"good": "бер", "bad": "ике"}, {"text": "өч"}], "two tasks"),
    ],
)
def test_a_file_without_items_is_told_with_what_items_are(
    records: list[Any], words: str, finished: Path, command: Command, tmp_path: Path
) -> None:
    path = written(tmp_path / "a.jsonl", records)
    run, store = finished / "runs" / "kechkena", finished / "store"
    said = command("evaluate", run, "--tasks", path, "--store", store)
    assert said.code == 1
    assert words in said.err
    assert '{"good": …, "bad": …}' in said.err
