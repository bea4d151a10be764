"""`endonym run`: everything is checked before the first run, and what a run says afterwards."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from artefacts import ID, artefact_of
from made_scores import score

from endonym.autopilot import resolve
from endonym.autopilot.model_size import Facts
from endonym.commands import run as run_module
from endonym.commands.check import check, describe
from endonym.commands.run import (
    check_all,
    describe_plan,
    describe_plans,
    replaced,
    run_and_report,
    say_results,
    standing,
)
from endonym.errors import MissingSource, RecipeError, SourceError
from endonym.evaluate.score import TOO_FEW, Score
from endonym.log import Log
from endonym.pipeline.execute import Made, Run
from endonym.pipeline.stage import Stage
from endonym.recipe.recipe import Recipe
from endonym.report.outlook import NextStep, Outlook
from endonym.store import Store

Captured = pytest.CaptureFixture[str]

Patch = pytest.MonkeyPatch

LOG = Log(quiet=True)


@pytest.fixture
def recipe(small_recipe: Callable[[Path], Path], tmp_path: Path) -> Recipe:
    return Recipe.load(small_recipe(tmp_path / "project"))


def test_a_dry_run_for_a_device(recipe: Recipe, tmp_path: Path, monkeypatch: Patch):
    """Its batches are larger, so that the model is another one; the shards are the same."""
    monkeypatch.setattr(resolve, "estimated_facts", lambda *_: (Facts(10**8, 10**7, 30.0), None))
    lines = [line for line in recipe.text.split("\n") if not line.startswith("batch_tokens")]
    recipe.path.write_text("\n".join(lines), encoding="utf-8")
    bare, store, log = Recipe.load(recipe.path), Store(tmp_path / "store"), Log(quiet=True)
    plans = [describe_plan(bare, store, log, target=each) for each in ("cpu", "cuda")]
    here, there = (plan["stages"] for plan in plans)
    differing = {one["name"] for one, two in zip(here, there, strict=True) if one != two}
    assert "shards" not in differing
    assert any(name.startswith("model") for name in differing)


def test_what_cannot_be_learnt_of_conversations_is_said_before_the_run(
    recipe: Recipe, tmp_path: Path
) -> None:
    asked = {"role": "user", "content": "Cine bate clopoțelul?"}
    answered = [asked, {"role": "assistant", "content": "Elevul de serviciu."}]
    brief = {"role": "system", "content": "Fii scurt."}
    other = [asked, {"role": "assistant", "content": "Directoarea."}]
    chats = [answered, answered, other, [asked], [*answered, brief, *answered]]
    lines = [json.dumps({"messages": chat}) for chat in chats]
    (recipe.folder / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    phases = [{"name": "a", "tokens": 2_000}, {"name": "b", "objective": "chat", "data": "a.jsonl"}]
    values = {"phase": phases, "chat.max_rejected": 0.5}
    asking, store = recipe.with_values(values), Store(tmp_path / "store")
    planned = describe_plans([describe_plan(asking, store, LOG)])
    assert "3 dropped (1 without an answer, 1 with a system message" in planned
    said = describe(check(asking, store))
    for reason in ("1 without an answer: a.jsonl", "1 with a system message", "“Directoarea.”"):
        assert reason in said


def test_a_table_of_unknown_columns_is_refused_before_anything_is_made(
    recipe: Recipe, tmp_path: Path
) -> None:
    rows = "ghicitoare,dezlegare\nUnde este cantina?,La parter\nCine e diriginte?,Domnul Marin\n"
    (recipe.folder / "a.csv").write_text(rows, encoding="utf-8")
    phases = [{"name": "a", "tokens": 2_000}, {"name": "b", "objective": "chat", "data": "a.csv"}]
    asking, store = recipe.with_values({"phase": phases}), Store(tmp_path / "store")
    for refused in (check, partial(run_and_report, log=LOG)):
        with pytest.raises(SourceError, match="none of the first 3 records can be used") as caught:
            refused(asking, store)
        assert '"ghicitoare", "dezlegare"' in caught.value.do
        assert 'columns = ["NAME", "NAME"]' in caught.value.do
    assert not list(store.root.glob("corpus/*"))
    phases[1]["columns"] = ["Ghicitoare", "dezlegare"]
    check(recipe.with_values({"phase": phases}), store)


def scored(run: Run, name: str, values: dict[str, float] | None) -> None:
    """Add an evaluation, or a model, to a run; values by split. None: it wrote no scores."""
    folder = run.folder / name
    folder.mkdir(parents=True)
    if values is not None:
        lines = [asdict(score("model", value, split=split)) for split, value in values.items()]
        (folder / "scores.json").write_text(json.dumps(lines), encoding="utf-8")
    stage = Stage(name, "model" if name == "model" else "evaluation", {"for": name}, lambda ctx: {})
    artifact = artefact_of(folder, id=ID, stage="evaluation", numbers={})
    run.made.append(Made(stage, artifact, False, 1.23456))


@pytest.fixture
def run(recipe: Recipe, tmp_path: Path) -> Run:
    """A run of which nothing is made yet."""
    return Run(tmp_path / "runs" / "kechkena", recipe, Store(tmp_path / "store"))


def test_the_scores_of_a_run_are_those_of_all_its_evaluations(run: Run) -> None:
    assert run_module.scores_of(run) == []
    scored(run, "evaluation bits", {"test": 1.5, "dev": 1.4})
    scored(run, "evaluation prompts", None)
    scored(run, "evaluation bits 2", {"fables.txt": 2.5})
    found = {each.split: each.value for each in run_module.scores_of(run)}
    assert found == {"test": 1.5, "dev": 1.4, "fables.txt": 2.5}


def test_a_run_is_told_to_programs_by_its_stages_and_scores(run: Run) -> None:
    scored(run, "evaluation bits", {"test": 1.5})
    found = run_module.as_dict(run)
    assert found["run"] == str(run.folder)
    stage = {"name": "evaluation bits", "id": "5e2d7b90c1ff", "made": False, "seconds": 1.235}
    assert found["stages"] == [stage]
    assert found["scores"][0]["value"] == 1.5
    assert json.loads(json.dumps(found)) == found


def test_of_test_texts_that_no_table_scores_the_command_is_told(run: Run, capsys: Captured):
    scored(run, "evaluation bits dev", {"dev": 1.5})
    say_results(run)
    assert f"endonym evaluate {run.folder}\n" in capsys.readouterr().out
    scored(run, "evaluation bits", {"test": 1.5})
    say_results(run)
    assert "evaluate" not in capsys.readouterr().out


def test_results_are_told_text_by_text(run: Run, capsys: Captured):
    scored(run, "evaluation bits", {"test": 1.5, "fables.txt": 2.5})
    scored(run, "evaluation prompts", None)
    continuations = [{"prompt": f"{n} Таң", "text": " атты."} for n in range(3)]
    path = run.folder / "evaluation prompts" / "continuations.json"
    path.write_text(json.dumps(continuations), encoding="utf-8")
    say_results(run)
    said = capsys.readouterr().out
    assert said.index("test documents") < said.index("1.5") < said.index("fables.txt")
    assert said.count(" Таң атты.") == 2
    assert "report" not in said
    (run.folder / "report.html").write_text("", encoding="utf-8")
    say_results(run)
    assert capsys.readouterr().out.endswith(f'next    endonym generate {run.folder} "…"\n')
    say_results(run, is_last=False)
    said = capsys.readouterr().out
    assert said.endswith(f"report  {run.folder / 'report.html'}\n")
    scored(run, "model", None)
    settings = run.folder / "model" / "tokenizer_config.json"
    for said, command in (({}, 'generate {} "…"'), ({"chat_template": "…"}, "chat {}")):
        settings.write_text(json.dumps(said), encoding="utf-8")
        say_results(run)
        shown = f"next    endonym {command.format(run.folder)}\n"
        assert capsys.readouterr().out.endswith(shown)


def test_a_headline_is_told_with_its_interval_and_beside_the_compressor() -> None:
    def said(*more: Score, **changes: Any) -> str:
        return standing([score("model", 1.5, **changes), *more])

    assert said() == "1.5000 bits/byte (95 %: 1.4700–1.5300)"
    few = {"low": None, "high": None, "no_interval": TOO_FEW}
    assert said(**few) == "1.5000 bits/byte (no interval: too few)"
    mean = (
        "1.5000 bits/byte (95 %: 1.4700–1.5300), the mean of the 2 sources with enough of this text"
    )
    assert said(weighting="sources") == mean
    less, more = (score("compressor", each) for each in (1.6, 1.25))
    than = "than a compressor that has read the training text"
    assert said(score("before", 1.75), less).endswith(
        f"), before this training 1.7500; 0.1000 less {than}: 1.6000"
    )
    assert said(more).endswith(f"; 0.2500 more {than}: 1.2500")
    sample = score("model_on_sample", 1.375, n_documents=20)
    assert said(more, sample).endswith(
        f"; 0.1250 more {than}: 1.2500 on 20 documents of them, where the model needs 1.3750"
    )
    assert standing([less]) == ""


def test_a_run_ends_with_verdict_and_warnings(run: Run, capsys: Captured, monkeypatch: Patch):
    monkeypatch.setenv("COLUMNS", "80")
    scored(run, "evaluation bits", {"test": 1.5, "dev": 1.4})
    warning = "wiki: 99 documents hold Khmer signs out of order: one word is spelt in two ways"
    numbers = {"warnings": [warning]}
    corpus = artefact_of(run.folder / "corpus", stage="corpus", numbers=numbers)
    run.made.append(Made(replace(run.made[0].stage, kind="corpus"), corpus, False, 1.0))
    (run.folder / "report.html").write_text("", encoding="utf-8")
    say_results(run)
    said = capsys.readouterr().out
    words = " ".join(said.split())
    assert words.count("bits/byte") == 1
    assert "the model needs 1.50 bits per byte" in words
    assert words.index(f"warning: {warning}") < words.index("the model needs")
    run.made[-1] = replace(run.made[-1], is_new=True)
    say_results(run)
    words = " ".join(capsys.readouterr().out.split())
    assert warning not in words, "it was said when the corpus was made"
    assert "1 warning about the texts" in words
    assert max(map(len, said.splitlines()[:-2])) <= 80


@pytest.mark.parametrize("learnt", ["Asked 8 questions: 7 answered as written.", ""])
def test_all_that_is_told_after_a_run_stands_in_its_order(
    run: Run, capsys: Captured, monkeypatch: Patch, learnt: str
) -> None:
    scored(run, "evaluation bits", {"dev": 1.5})
    steps = [NextStep("Ask it", "one like those.", "chat тел"), NextStep("Stop", "it is best.")]
    found = Outlook(
        [("Кем ул? ", "Әбием.")], [], learnt, ["It hardly writes.", "Words."], "", "", steps
    )
    monkeypatch.setattr(run_module, "outlook", lambda *_: found)
    monkeypatch.setattr(run_module, "first_look", lambda _: None)
    (run.folder / "report.html").write_text("", encoding="utf-8")
    say_results(run)
    first = ["", learnt, "", "  Кем ул? Әбием."] if learnt else []
    later = ["", "what it writes, the first texts of its own", "", "  Кем ул? Әбием."]
    assert capsys.readouterr().out.splitlines() == [
        *first,
        *("", "dev documents", "  1.5000 bits/byte (95 %: 1.4700–1.5300)", "", "test documents"),
        "  not scored yet; to do so once a model is chosen: endonym evaluate " + str(run.folder),
        *([] if learnt else later),
        *("", "It hardly writes.", "Words."),
        *("", "what next", "  1. Ask it: one like those.", "     endonym chat тел"),
        *("", "  2. Stop: it is best.", "", f"report  {run.folder / 'report.html'}"),
        f'next    endonym generate {run.folder} "…"',
    ]


def test_runs_that_were_not_scored_on_one_split_are_not_compared(run: Run, tmp_path: Path) -> None:
    other = Run(tmp_path / "runs" / "kechkena@wide", run.recipe, run.store)
    scored(run, "evaluation bits", {"test": 1.5})
    scored(other, "evaluation bits", {"fables.txt": 1.4})
    assert run_module.compared([run, other]) is None


@pytest.mark.parametrize(
    ("splits", "split"), [(("test", "dev"), "dev"), (("dev", "test"), "dev"), (("test",), "test")]
)
def test_finished_runs_are_compared_on_dev_texts_where_they_can_be(
    run: Run, monkeypatch: Patch, splits: tuple[str, ...], split: str
) -> None:
    asked: list[tuple[Path, str, str]] = []
    monkeypatch.setattr(run_module, "read", lambda *given: asked.append(given))
    monkeypatch.setattr(run_module, "compare", lambda runs: len(runs))
    scored(run, "evaluation bits", dict.fromkeys(splits, 1.5))
    assert run_module.compared([run, run]) == 2
    assert asked == [(run.folder, "kechkena", split)] * 2


def test_every_recipe_is_checked_first_and_each_fault_said_once(recipe: Recipe, tmp_path: Path):
    store = Store(tmp_path / "store")
    check_all([recipe, recipe], store, LOG, until="model")
    with pytest.raises(RecipeError) as caught:
        check_all([recipe, recipe.with_values({"name": "other"})], store, LOG, until="modle")
    assert caught.value.message.count("no stage is called modle") == 1
    assert caught.value.message.startswith("kechkena: ")
    (recipe.folder / "texts" / "tatar.txt").unlink()
    with pytest.raises(MissingSource, match='"tatar"'):
        check_all([recipe], store, LOG, until="modle")
    assert not store.root.exists()


def test_a_run_that_stops_before_its_model_has_no_report(recipe: Recipe, tmp_path: Path) -> None:
    made = run_and_report(recipe, Store(tmp_path / "store"), LOG, until="corpus")
    assert [each.stage.kind for each in made.made][-1] == "corpus"
    assert not (made.folder / "report.html").exists()


def test_a_plan_tells_what_is_there_and_makes_nothing(recipe: Recipe, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    plan = describe_plan(recipe, store, LOG)["stages"]
    assert not any(stage["there"] for stage in plan)
    made = run_and_report(recipe, store, LOG, until="tokenizer").made
    again = describe_plan(recipe, store, LOG)["stages"]
    there = {stage["name"]: stage["id"] for stage in again if stage["there"]}
    assert there == {each.stage.name: each.artifact.id for each in made}
    assert [stage["name"] for stage in again] == [stage["name"] for stage in plan]


def test_a_plan_without_its_lockfile_chooses_as_the_run_did(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "project")
    store = Store(tmp_path / "project" / "store")
    path = tmp_path / "project" / "recipe.toml"
    for wanted in ("as it was", "without", "with a comment"):
        if wanted == "without":
            (tmp_path / "project" / "runs" / "kechkena" / "plan.json").unlink()
        elif wanted == "with a comment":
            path.write_text(path.read_text(encoding="utf-8") + "# искәрмә\n", encoding="utf-8")
        plan = describe_plan(Recipe.load(path), store, LOG)["stages"]
        assert all(stage["there"] for stage in plan), wanted


def test_a_report_that_is_replaced_is_told(finished: Path, tmp_path: Path, capsys: Captured):
    shutil.copytree(finished, tmp_path / "project")
    path = tmp_path / "project" / "recipe.toml"
    folder = tmp_path / "project" / "runs" / "kechkena"
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text}# искәрмә\n", encoding="utf-8")
    assert not replaced(Recipe.load(path), folder)
    scores = '[[evaluate]]\nkind = "bits"\nsplit = "dev"\n[[export]]\nformat = "gguf"\n'
    path.write_text(f"{text}\n{scores}", encoding="utf-8")
    assert not replaced(Recipe.load(path), folder)
    of_file = scores.replace('split = "dev"', 'file = "recipe.toml"')
    path.write_text(f"{text}\n{of_file}", encoding="utf-8")
    assert replaced(Recipe.load(path), folder)  # Its text is learnt no more.
    path.write_text(text.replace("seed = 7", "seed = 8"), encoding="utf-8")
    assert replaced(Recipe.load(path), folder)
    run_and_report(Recipe.load(path), Store(tmp_path / "project" / "store"), LOG, until="tatar")
    said = capsys.readouterr().err
    assert "changed since kechkena was run, whose report is replaced" in said
    assert "or --set name=…" in said
    (folder / "report.html").unlink()
    assert not replaced(Recipe.load(path), folder)


def test_a_first_run_tells_its_expected_and_real_time(finished: Path, tmp_path: Path):
    project = tmp_path / "project"
    shutil.copytree(finished, project)  # Its machine is measured.
    store, recipe = Store(project / "store"), Recipe.load(project / "recipe.toml")
    folder = project / "runs" / "kechkena"
    for is_first in (True, False):
        (folder / "log.txt").unlink()
        if is_first:
            (folder / "plan.json").unlink()
        for kind in ("model", "evaluation", "export"):
            shutil.rmtree(project / "store" / kind)
        run_and_report(recipe, store, LOG)
        said = (folder / "log.txt").read_text(encoding="utf-8")
        times = r"expected \d[\d.]* (s|min), took \d[\d.]* (s|min)"
        found = re.findall(rf"^from training to export: {times}$", said, re.MULTILINE)
        assert len(found) == is_first


def test_samples_are_folded_and_controls_escaped(run: Run, capsys: Captured, monkeypatch: Patch):
    monkeypatch.setenv("COLUMNS", "80")
    run.folder = run.folder.with_name("әкият\x1b[31m")
    scored(run, "evaluation prompts", None)
    texts = [{"prompt": "Таң\x1b[2J", "text": " атканда авыл өстендә" * 9}]
    path = run.folder / "evaluation prompts" / "continuations.json"
    path.write_text(json.dumps(texts), encoding="utf-8")
    (run.folder / "report.html").write_text("", encoding="utf-8")
    say_results(run)
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "Таң\\x1b[2J атканда" in said
    assert "әкият\\x1b[31m/report.html" in said
    sample = said[said.index("sample") : said.index("report ")]
    assert max(map(len, sample.splitlines())) <= 80
