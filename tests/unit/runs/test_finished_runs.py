"""Which runs are compared, and what stops them."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from artefacts import ID
from made_scores import score

from endonym.disk import list_files, write_json
from endonym.errors import Damaged, RecipeError
from endonym.log import Log
from endonym.runs import finished_runs as finishing
from endonym.runs.find import planned
from endonym.runs.finished_runs import FinishedRun, finished_runs, missing, read
from endonym.store import Artifact, Store, write_sealed

LOG = Log(quiet=True)


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, with a store of its own."""
    shutil.copytree(finished, tmp_path / "project")
    return tmp_path / "project"


def change_plan(run: Path, change: Any) -> None:
    path = run / "plan.json"
    plan = json.loads(path.read_text(encoding="utf-8"))
    plan["stages"] = change(plan["stages"])
    write_sealed(path, plan)


def test_runs_of_two_stores_are_read_from_their_own(finished: Path, copy: Path) -> None:
    names = [str(finished / "runs" / "kechkena"), str(copy / "runs" / "kechkena")]
    one, two = finished_runs(names, Store(copy / "elsewhere"), LOG)
    assert (one.name, two.name) == tuple(names)
    for run, home in ((one, finished), (two, copy)):
        assert run.judged.folder.is_relative_to((home / "store").resolve())
    assert one.score == two.score
    assert (one.tokens, one.shape.family) == (40 * 256, "qwen3")
    assert one.parameters == (70_368, 70_368)
    assert one.seconds > 0
    assert len(one.documents if one.documents is not None else []) == one.score.n_documents
    assert [prompt for prompt, _ in one.continuations] == ["Әбием мич янында", "Le facteur"]
    assert len(one.written) == 2


def test_one_run_alone_and_one_run_twice_are_refused(finished: Path) -> None:
    store = Store(finished / "store")
    with pytest.raises(RecipeError, match=r"^compare: it takes two") as caught:
        finished_runs(["kechkena"], store, LOG)
    assert "Runs here: kechkena." in caught.value.do
    with pytest.raises(RecipeError, match=r"^compare: kechkena is named twice"):
        finished_runs(["kechkena", str(finished / "runs" / "kechkena")], store, LOG)
    with pytest.raises(RecipeError, match=r"^RUN: no run is called kechken") as caught:
        finished_runs(["kechkena", "kechken"], store, LOG)
    assert caught.value.do == "Did you mean kechkena? Runs here: kechkena."


def test_a_chat_phase_reads_no_training_text(copy: Path) -> None:
    """So that two runs of one recipe, one of them with a chat phase, are told what makes them
    alike: as `check` counts.
    """
    run = read(copy / "runs" / "kechkena", "kechkena")
    assert run.read is not None
    assert run.read.lengths == {"phase.pretrain.steps": "40"}
    recipe = run.folder / "recipe.toml"
    chat = '\n[[phase]]\nname = "chat"\nobjective = "chat"\ndata = "chats.csv"\nepochs = 20.0\n'
    recipe.write_text(recipe.read_text(encoding="utf-8") + chat, encoding="utf-8")
    numbers = {"tokens": 9_000, "epochs": 20.0}
    (texts,) = run.models
    config = texts.manifest["config"] | {"phase": {"objective": "chat"}}
    manifest = {"config": config, "numbers": numbers, "inputs": {}}
    manifest |= {"files": texts.manifest["files"]}
    talking = replace(run, models=[texts, Artifact(texts.folder, manifest)])
    assert talking.epochs == run.epochs + 20
    assert talking.read == run.read


def test_a_run_without_its_model_or_its_scores_is_unfinished(copy: Path) -> None:
    run = copy / "runs" / "kechkena"
    assert missing(run, "test") == ""
    (scored,) = [each.parent for each in (copy / "store").glob("evaluation/*/scores.json")]
    shutil.rmtree(scored)
    with pytest.raises(RecipeError, match=f"^{run}: evaluation bits is not made yet") as caught:
        read(run, "kechkena")
    assert "endonym run" in caught.value.do
    shutil.rmtree(copy / "store" / "model")
    assert missing(run, "test") == "model pretrain"
    change_plan(run, lambda stages: [each for each in stages if each["stage"] == "corpus"])
    assert missing(run, "test") == "the model"
    (run / "plan.json").unlink()
    assert missing(run, "test") == "the model"


def test_a_run_that_was_not_scored_on_held_out_documents_is_told_how(copy: Path) -> None:
    run = copy / "runs" / "kechkena"
    change_plan(run, lambda stages: [each for each in stages if each["name"] != "evaluation bits"])
    with pytest.raises(RecipeError, match="not scored on test documents") as caught:
        read(run, "kechkena")
    assert 'kind = "bits"' in caught.value.do
    assert caught.value.where == str(run)


@pytest.mark.parametrize("split", ["test", "dev"])
def test_a_run_without_texts_is_not_told_to_score_documents(copy: Path, split: Any) -> None:
    """[[evaluate]] without a file is refused where there is no [[source]]."""

    def without_texts(stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        kept = [each for each in stages if each["name"] != "evaluation bits"]
        return [{**each, "config": {**each["config"], "order": []}} for each in kept]

    run = copy / "runs" / "kechkena"
    change_plan(run, without_texts)
    with pytest.raises(RecipeError, match="has no held-out documents to compare") as caught:
        read(run, "kechkena", split)
    assert "[[evaluate]]" not in caught.value.do
    assert "endonym evaluate MODEL --text FILE" in caught.value.do


def test_runs_are_compared_by_the_scores_of_the_split_that_is_named(copy: Path) -> None:
    run, store = copy / "runs" / "kechkena", Store(copy / "store")
    with pytest.raises(RecipeError, match="not scored on dev documents") as caught:
        read(run, "kechkena", "dev")
    assert 'split = "dev"' in caught.value.do
    (judged,) = [e for e in planned(run) if e["name"] == "evaluation bits"]
    other = {**judged, "config": {"evaluation": {"kind": "bits", "split": "dev"}}, "id": "f" * 12}
    made = store.find("evaluation", judged["id"])
    shutil.copytree(made.folder, made.folder.with_name("f" * 12))
    named = {**made.manifest, "id": "f" * 64}
    write_sealed(made.folder.with_name("f" * 12) / "manifest.json", named)
    change_plan(run, lambda stages: [*stages[:-1], other, stages[-1]])
    assert read(run, "kechkena", "dev").judged.folder.name == "f" * 12
    assert read(run, "kechkena").judged.folder == made.folder
    shutil.rmtree(made.folder.with_name("f" * 12))
    assert missing(run, "dev") == "evaluation bits"
    assert missing(run, "test") == ""


def test_scores_that_were_damaged_are_not_compared(copy: Path) -> None:
    (path,) = (copy / "store").glob("evaluation/*/scores.json")
    path.write_text(path.read_text(encoding="utf-8").replace("1", "2"), encoding="utf-8")
    with pytest.raises(Damaged):
        read(copy / "runs" / "kechkena", "kechkena")


def test_a_recipe_means_its_finished_runs(copy: Path, capsys: pytest.CaptureFixture[str]):
    recipe = copy / "recipe.toml"
    variants = "".join(f"\n[variant.{name}.model]\ndim = 64\n" for name in ("wide", "late", "none"))
    recipe.write_text(recipe.read_text(encoding="utf-8") + variants, encoding="utf-8")
    shutil.copytree(copy / "runs" / "kechkena", copy / "runs" / "kechkena@wide")
    shutil.copytree(copy / "runs" / "kechkena", copy / "runs" / "kechkena@late")
    (copy / "runs" / "kechkena@late" / "plan.json").unlink()
    found = finished_runs([str(recipe)], Store(copy / "store"), LOG)
    assert [each.name for each in found] == ["kechkena", "kechkena@wide"]
    err = capsys.readouterr().err
    assert "left out: kechkena@late" in err
    assert "left out: kechkena@none" in err
    shutil.rmtree(copy / "runs" / "kechkena")
    shutil.copytree(copy / "runs" / "kechkena@wide", copy / "runs" / "kechkena@none")
    found = finished_runs([str(recipe)], Store(copy / "store"), LOG)
    assert [each.name for each in found] == ["kechkena@wide", "kechkena@none"]
    err = capsys.readouterr().err
    assert "left out: kechkena:" not in err
    assert "left out: kechkena@late" in err
    # One that was begun is no recipe of variants alone; nor is one of which nothing is finished.
    shutil.copytree(copy / "runs" / "kechkena@wide", copy / "runs" / "kechkena")
    lost = "left out: kechkena: model pretrain is not made yet"
    change_plan(copy / "runs" / "kechkena", lambda stages: [{**each, "id": ID} for each in stages])
    finished_runs([str(recipe)], Store(copy / "store"), LOG)
    assert lost in " ".join(capsys.readouterr().err.split())
    shutil.rmtree(copy / "runs")
    with pytest.raises(RecipeError):
        finished_runs([str(recipe)], Store(copy / "store"), LOG)
    assert "left out: kechkena: " in capsys.readouterr().err


def test_a_folder_with_a_recipe_means_its_runs(copy: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(copy.parent)
    copy.rename("kechkena")
    runs = Path("kechkena/runs")
    shutil.copytree(runs / "kechkena", runs / "kechkena+seed=8")
    plan = json.loads((runs / "kechkena" / "plan.json").read_text(encoding="utf-8"))
    plan["recipe"] = "../../recipe.toml"
    for run in runs.iterdir():
        write_sealed(run / "plan.json", plan)
    here, store = Store(Path("store")), Store(Path("kechkena/store"))
    both = ["kechkena", "kechkena+seed=8"]
    for name, each in (
        ("kechkena", store),
        ("kechkena/", store),
        (str(Path.cwd() / "kechkena"), store),
    ):
        assert [run.name for run in finished_runs([name], each, LOG)] == both
    assert [run.name for run in finished_runs(both, here, LOG)] == both
    with pytest.raises(RecipeError, match="takes two"):
        finished_runs([str(runs / "kechkena")], store, LOG)


def test_a_recipe_that_is_not_there_is_told_as_by_run(copy: Path) -> None:
    with pytest.raises(RecipeError, match="there is no such recipe"):
        finished_runs([str(copy / "recip.toml")], Store(copy / "store"), LOG)


def made(folder: Path, number: int) -> Artifact:
    """The model of a phase, by its number."""
    config = {"seed": 7 + number, "phase": {"lr": 10.0**-number}}
    numbers = {"tokens": 100 * number, "epochs": 0.5 * number}
    return Artifact(folder, {"config": config, "numbers": numbers, "inputs": {}})


def a_finished_run(folder: Path, evaluations: Sequence[Artifact] = ()) -> FinishedRun:
    """A run of two phases."""
    journals: list[list[dict[str, Any]]] = [
        [
            {"event": "started", "processor": name, "threads": number},
            {"event": "started", "processor": name, "threads": 2 * number},
            {"event": "step", "step": 1, "seconds": 2.0 * number},
            *(
                {"event": "sample", "step": step, "prompt": prompt, "text": f"{name} {step}"}
                for step in (1, 2)
                for prompt in ("Кояш", "Су")
            ),
        ]
        for number, name in ((1, "abacus"), (2, "loom"))
    ]
    models = [made(folder, number) for number in (1, 2)]
    return FinishedRun("әкият", folder, models, journals, models[0], list(evaluations))


def two_members(models: Sequence[Artifact]) -> list[list[dict[str, Any]]]:
    """Two journals of two steps for each phase."""
    tokens = [float(each.numbers["tokens"]) for each in models]
    return [
        [{"event": "step", "seconds": seconds}, {"event": "step", "seconds": 7.0}]
        for seconds in tokens
        for _ in range(2)
    ]


def test_a_run_of_two_phases_is_told_by_both_or_by_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_finished_run(tmp_path)
    assert (run.seed, run.lr) == (9, 0.01)
    assert (run.tokens, run.epochs, run.seconds, run.speed) == (300, 1.5, 6.0, 50.0)
    assert run.machine == ("loom", "4")
    with monkeypatch.context() as patch:
        patch.setattr("endonym.export.history.journals_of_teachers", two_members)
        taught = a_finished_run(tmp_path / "taught")
        assert (taught.seconds, taught.speed) == (6.0 + 2 * 107 + 2 * 207, 50.0)
        lost = replace(taught, journals=[[], []])
        assert (lost.seconds, lost.speed) == (2 * 107 + 2 * 207, None)
    assert run.written == [("Кояш", "loom 2"), ("Су", "loom 2")]


def test_settings_are_all_keys_but_those_that_name_a_run(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(
        'name = "a"\nseed = 3\nlanguage = "tt"\n[[source]]\nname = "роман"\npath = "a"\n'
        '[[phase]]\nname = "one"\nlr = 0.5\n[[phase]]\nsteps = 4\n[variant.wide.model]\ndim = 8\n'
        '[[evaluate]]\nkind = "bits"\n[[export]]\nformat = "gguf"\n',
        encoding="utf-8",
    )
    settings = a_finished_run(tmp_path).settings
    assert settings.keys().isdisjoint({"name", "seed", "variant.wide.model.dim"})
    assert not any(key.startswith(("evaluate", "export")) for key in settings)
    own = {"language": "'tt'", "phase.one.lr": "0.5"}
    assert own.items() <= settings.items()
    assert settings["source.роман"].startswith("{'name': 'роман', 'path': 'a', ")
    assert settings["tokenizer.kind"] == "'bpe'"
    (tmp_path / "recipe.toml").write_text("[", encoding="utf-8")
    with pytest.raises(Damaged) as caught:
        _ = a_finished_run(tmp_path).settings
    assert caught.value.where.startswith(str(tmp_path / "recipe.toml"))
    assert "endonym run" in caught.value.do


def test_dev_is_scored_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    evaluations: list[Artifact] = []
    for split, value in (("test", 1.5), ("dev", 1.7), ("far.txt", 3.0)):
        folder = tmp_path / split
        folder.mkdir()
        write_json(folder / "scores.json", [asdict(score("model", value, split=split))])
        evaluations.append(Artifact(folder, {"files": list_files(folder)}))
    run = a_finished_run(tmp_path, evaluations)
    assert run.dev_score.value == 1.7
    assert a_finished_run(tmp_path, evaluations[:1]).dev_score is None
    for name in ("test", "dev"):
        write_json(tmp_path / name / "efficiency.json", {})
    monkeypatch.setattr(
        finishing, "measured_efficiency", lambda each: [each] * (each.folder.name == "dev")
    )
    assert run.efficiency == [evaluations[1]]
