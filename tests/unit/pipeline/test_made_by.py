"""Artefacts that other code made: said, made again when asked for, and never mixed."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from package_copy import PackageCopy
from small_project import Killed

from endonym.autopilot import resolve
from endonym.autopilot.model_size import Choices
from endonym.disk import list_files
from endonym.log import Log
from endonym.pipeline import progress, stages
from endonym.pipeline.execute import make
from endonym.pipeline.stage import VERSIONS, Numbers, Stage, StageContext
from endonym.source_code import SourceCode
from endonym.store import Store, read_if_whole, read_plan, write_sealed
from endonym.tokenizer.config import TokenizerConfig
from endonym.train import objectives

LOSS = "train/objectives.py", "return Loss(nats, loss +", "return Loss(nats, 3 * loss +"
COMMENT = "train/objectives.py", "return Loss(nats, loss +", "# New.\n    return Loss(nats, loss +"
RULE = "cleaning/corpus_rules.py", "LEAST_SCORE = 0.5", "LEAST_SCORE = 0.6"
MERGES = "tokenizer/train.py", "count_words(sample())", "count_words(sample(), 700)"
SCORE = "evaluate/compressor.py", "ORDER = 16", "ORDER = 12"
TABLE = "cleaning/language_packs/tt.toml", 'words_in = "cyrillic"', 'words_in = "latin"'
EDITED = {each[0] for each in (LOSS, RULE, MERGES, SCORE, TABLE)} | {
    "autopilot/resolve.py",
    "autopilot/phase.py",
}


class Project:
    """The small recipe without its export, run to its end, and a copy of the code that made it."""

    def __init__(self, folder: Path, command: Callable[..., Any], code: PackageCopy) -> None:
        self.folder, self.command, self.code = folder, command, code
        self.store = Store(folder / "store")

    def run(self, *arguments: object, fails: bool = False) -> Any:
        said = self.command(
            "run", self.folder / "recipe.toml", "--store", self.store.root, *arguments, "--json"
        )
        assert (said.code != 0) == fails, said.err
        return said

    def ids(self, said: Any) -> dict[str, str]:
        return {each["name"]: each["id"] for each in said.json()["stages"]}

    def made(self, said: Any) -> list[str]:
        return [each["name"] for each in said.json()["stages"] if each["made"]]

    def warned(self, said: Any) -> list[str]:
        lines = said.err.splitlines()
        return [line for line in lines if "made by other code" in line]

    def weights(self, identifier: str) -> bytes:
        return (self.store.folder("model", identifier) / "weights.safetensors").read_bytes()


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> PackageCopy:
    return PackageCopy(tmp_path_factory.mktemp("code") / "endonym")


@pytest.fixture
def code(copied: PackageCopy, monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageCopy]:
    yield copied.use(monkeypatch)
    for name in EDITED:
        copied.restore(name)


@pytest.fixture
def project(
    finished: Path, tmp_path: Path, command: Callable[..., Any], code: PackageCopy
) -> Project:
    folder = tmp_path / "project"
    shutil.copytree(finished, folder, ignore=shutil.ignore_patterns("export", "export-*"))
    path = folder / "recipe.toml"
    path.write_text(path.read_text(encoding="utf-8").partition("[[export]]")[0], encoding="utf-8")
    return Project(folder, command, code)


def test_the_same_code_says_nothing_and_keeps_every_identity(project: Project) -> None:
    said = project.run()
    assert project.warned(said) == project.made(said) == []
    project.code.edit(*COMMENT)
    again = project.run()
    assert project.warned(again) == project.made(again) == []
    assert project.ids(again) == project.ids(said)


@pytest.mark.parametrize(
    ("edit", "names"),
    [
        (LOSS, ["model pretrain"]),
        (RULE, ["corpus"]),
        (MERGES, ["tokenizer", "evaluation bits", "evaluation prompts"]),
        (SCORE, ["evaluation bits", "evaluation prompts"]),
        (TABLE, ["corpus", "evaluation bits", "evaluation prompts"]),
    ],
    ids=["loss", "rule", "tokenizer", "score", "table"],
)
def test_a_run_says_which_artefacts_other_code_made(
    edit: tuple[str, str, str], names: list[str], project: Project
) -> None:
    before = project.ids(project.run())
    project.code.edit(*edit)
    said = project.run()
    assert project.made(said) == []
    assert project.ids(said) == before, "no identity has changed"
    lines = project.warned(said)
    assert [line.removeprefix("warning: ").split(":")[0] for line in lines] == names
    for name, line in zip(names, lines, strict=True):
        assert f"(endonym 0.1.0; 1 file differs: {edit[0]})" in line
        assert f"--fresh {repr(name) if ' ' in name else name} makes it again" in line
    told = {each["name"]: each.get("other_code") for each in said.json()["stages"]}
    assert {name for name, other in told.items() if other} == {*names}
    assert told[names[0]]["endonym"] == ["0.1.0"]
    assert told[names[0]]["files"] == [edit[0]]
    recipe, given = project.folder / "recipe.toml", ("--store", project.store.root)
    assert project.command("check", recipe, *given, "--json").json()["other_code"].keys() == {
        *names
    }
    checked = project.command("check", recipe, *given).out
    assert f"{names[0]}: made by other code" in checked
    status = project.command("status", *given)
    assert status.out.count("made by other code") == len(names)
    page = (project.folder / "runs" / "kechkena" / "report.html").read_text(encoding="utf-8")
    assert page.count("made by other code") == len(names)


def test_fresh_makes_a_stage_again_and_what_is_made_from_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old artefacts stay as they are, for every other run that shares them."""
    old = project.ids(project.run())
    files = list_files(project.store.folder("model", old["model pretrain"]))
    project.code.edit(*LOSS)
    monkeypatch.setattr(objectives, "summed_nats", tripled(objectives.summed_nats))
    dry = project.run("--fresh", "model", "--dry-run").json()["stages"]
    said = project.run("--fresh", "model")
    new = project.ids(said)
    after = ["model pretrain", "evaluation bits", "evaluation prompts"]
    assert project.made(said) == after
    assert {name for name in old if new[name] != old[name]} == {*after}
    assert {each["name"]: each["id"] for each in dry} == new
    assert project.warned(said) == []
    assert project.weights(new["model pretrain"]) != project.weights(old["model pretrain"])
    assert list_files(project.store.folder("model", old["model pretrain"])) == files
    for again in (project.run(), project.run("--fresh", "model"), project.run("--fresh", after[0])):
        assert project.made(again) == project.warned(again) == []
        assert project.ids(again) == new
    other = project.run("--set", "evaluate.0.baselines=false")
    assert project.ids(other)["model pretrain"] == old["model pretrain"], "another run asks itself"
    assert len(project.warned(other)) == 1
    project.code.restore(LOSS[0])
    restored = project.run()
    assert project.ids(restored) == new
    assert len(project.warned(restored)) == 1, "now the fresh model is of other code"
    back = project.run("--fresh", "model")
    assert project.made(back) == project.warned(back) == []
    assert project.ids(back) == old, "what this code made is found again"


def tripled(summed_nats: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *given: 3 * summed_nats(*given)


def test_a_module_that_was_added_counts_for_what_is_made_with_it(project: Project) -> None:
    project.run()
    added = project.code.root / "train" / "my_loss.py"
    added.write_text("SCALE = 3\n", encoding="utf-8")
    try:
        project.code.edit(*LOSS)
        first = project.ids(project.run("--fresh", "model"))
        project.code.edit("train/my_loss.py", "3", "50")
        lines = project.warned(project.run())
        assert lines[0].startswith("warning: model pretrain: ")
        assert all("train/my_loss.py" in line for line in lines)
        second = project.run("--fresh", "model")
        assert project.ids(second)["model pretrain"] != first["model pretrain"]
        assert "model pretrain" in project.made(second)
    finally:
        added.unlink()


def test_fresh_of_an_early_stage_makes_all_again_and_unknown_ones_are_refused(
    project: Project,
) -> None:
    old = project.ids(project.run())
    project.code.edit(*MERGES)
    said = project.run("--fresh", "tokenizer", "--until", "shards")
    assert project.made(said) == ["tokenizer", "shards"]
    assert project.ids(said)["corpus"] == old["corpus"]
    corpus = read_plan(project.folder / "runs" / "kechkena")["fresh"]
    assert corpus.keys() == {old["tokenizer"]}
    wrong = project.run("--fresh", "tokeniser", fails=True).json()["error"]
    assert wrong["message"] == "no stage is called tokeniser"
    assert wrong["where"] == "--fresh"
    assert "tokenizer" in wrong["do"]
    files = project.run("--fresh", "source tatar", fails=True).json()["error"]
    assert files["message"] == "no stage is called source tatar", "it only lists files"


def test_the_same_command_continues_after_a_kill(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the model was begun or not, with --fresh and without."""
    old = project.ids(project.run())
    project.code.edit(*LOSS)
    train, killed = stages._train, [0]

    def kill(*given: Any, **named: Any) -> Numbers:
        killed[0] += 1
        if killed[0] < 3:
            raise Killed
        return train(*given, **named)

    monkeypatch.setattr(stages, "_train", kill)
    for _ in range(2):
        with pytest.raises(Killed):
            project.run("--fresh", "model")
    said = project.run()  # The plan knows that the old one is not meant.
    assert project.made(said)[0] == "model pretrain"
    assert project.ids(said)["model pretrain"] != old["model pretrain"]
    assert project.warned(said) == []
    assert project.made(project.run("--fresh", "model")) == []


def test_what_other_code_began_is_said_and_can_be_begun_anew(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model of which other code trained the first steps is of both."""
    given = ("--until", "model", "--set", "seed=8", "--set", "phase.0.save_every_steps=8")
    note = progress.note_report

    def kill(report: Any, *more: Any) -> None:
        note(report, *more)
        if report.step == 20:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(progress, "note_report", kill)
        with pytest.raises(Killed):
            project.run(*given)
    project.code.edit(*LOSS)
    said = project.run(*given)
    (line,) = project.warned(said)
    assert "train/objectives.py" in line
    mixed = project.ids(said)["model pretrain"]
    note_file = project.store.root / "journal" / f"model-{mixed}.code.json"
    assert len(read_if_whole(note_file)["makers"]) == 2
    fresh = project.run(*given, "--fresh", "model")
    assert project.made(fresh) == ["model pretrain"]
    assert project.warned(fresh) == []
    project.code.restore(LOSS[0])
    back = project.run(*given, "--fresh", "model")
    assert project.made(back) == ["model pretrain"], "no code made the mixed one alone"
    names = [project.ids(each)["model pretrain"] for each in (said, fresh, back)]
    assert len({*names}) == 3
    assert project.warned(back) == []


def test_artefacts_without_a_note_are_unknown_which_is_said_once_and_quietly(
    project: Project,
) -> None:
    for path in (project.store.root / "journal").glob("*.code.json"):
        path.unlink()
    old = project.ids(project.run())
    project.code.edit(*LOSS)
    said = project.run()
    assert project.warned(said) == []
    log = (project.folder / "runs" / "kechkena" / "log.txt").read_text(encoding="utf-8")
    told = [line for line in log.splitlines() if "before endonym noted its code" in line]
    names = "corpus, tokenizer, shards, model pretrain, evaluation bits, evaluation prompts"
    assert [line.partition("other code: ")[2] for line in told] == [names] * 2
    assert "before endonym noted" not in said.err
    fresh = project.run("--fresh", "model", "--until", "model")
    assert project.made(fresh) == ["model pretrain"]
    assert project.ids(fresh)["model pretrain"] != old["model pretrain"]


def test_a_damaged_note_is_as_none(project: Project) -> None:
    project.run()
    for path in (project.store.root / "journal").glob("model-*.code.json"):
        path.write_bytes(path.read_bytes().replace(b"0.1.0", b"0.1.1"))
    project.code.edit(*LOSS)
    assert project.warned(project.run()) == []


def test_code_that_is_written_while_it_runs_is_noted_as_both(
    tmp_path: Path, code: PackageCopy
) -> None:
    def slow(config: TokenizerConfig, ctx: StageContext) -> Numbers:
        code.edit(*MERGES)
        return {"vocab": 3, "held_out": {"total": {"bytes_per_token": 1.0}}}

    slow.__name__ = "tokenizer"  # so that the table of code has its files
    store = Store(tmp_path / "store")
    stage = Stage("tokenizer", "tokenizer", TokenizerConfig(), slow)
    made = make(stage, store, Log(quiet=True))
    assert made.other_code is not None
    assert made.other_code.files == [MERGES[0]]


def test_releases_are_compared_quietly_and_edited_ones_are_not(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unmodified release whose makers kept the version of a stage makes the same by it."""
    monkeypatch.setattr(SourceCode, "are_released", lambda self, names: True)
    for path in (project.store.root / "journal").glob("*.code.json"):
        makers = read_if_whole(path)["makers"]
        older = [{**each, "is_release": True, "endonym": "0.0.9"} for each in makers]
        write_sealed(path, {**read_if_whole(path), "makers": older})
    project.code.edit(*LOSS)
    said = project.run()
    assert project.warned(said) == []
    log = (project.folder / "runs" / "kechkena" / "log.txt").read_text(encoding="utf-8")
    assert "model pretrain: made by other code (endonym 0.0.9; 1 file differs" in log
    monkeypatch.setattr(SourceCode, "are_released", lambda self, names: False)
    assert len(project.warned(project.run())) == 1


def test_a_stage_of_another_version_is_made_again_and_that_is_said(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.run()
    monkeypatch.setitem(VERSIONS, "tokenizer", VERSIONS["tokenizer"] + 1)
    said = project.run("--until", "shards")
    assert project.made(said) == ["tokenizer", "shards"]
    (line,) = [each for each in said.err.splitlines() if "in another way" in each]
    assert line.startswith("warning: tokenizer: ")
    before = VERSIONS["tokenizer"] - 1
    assert f"(version {before} of this stage, now {before + 1})" in line


def test_choices_of_other_code_are_kept_and_those_that_it_would_not_make_are_said(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No number is to be raised by whoever changes a choice."""
    path = project.folder / "recipe.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("lr = 4e-3\n", "").replace("warmup_steps = 4\n", ""), "utf-8")
    first = project.run("--until", "model")
    plan = read_plan(project.folder / "runs" / "kechkena")["choices"]
    chosen = plan["phase.0.lr"][0]
    choose = resolve.training_choices

    def doubled(*given: Any, **named: Any) -> Choices:
        choices = choose(*given, **named)
        lr = choices["phase.0.lr"]
        return choices | {"phase.0.lr": lr._replace(value=2 * lr.value)}

    monkeypatch.setattr(resolve, "training_choices", doubled)
    assert "choices of other code" not in project.run("--until", "model").err, "of the same code"
    project.code.edit("autopilot/resolve.py", "\ndef ", "\n# A comment.\ndef ")
    assert "choices of other code" not in project.run("--until", "model").err
    project.code.edit("autopilot/phase.py", "0.1", "0.2")
    said = project.run("--until", "model")
    (line,) = [each for each in said.err.splitlines() if "choices of other code" in each]
    assert f"phase.0.lr = {chosen} (now {2 * chosen}); --replan chooses again" in line
    assert project.ids(said) == project.ids(first)
    again = project.run("--until", "model", "--replan")
    assert read_plan(project.folder / "runs" / "kechkena")["choices"]["phase.0.lr"][0] == 2 * chosen
    assert project.made(again) == ["model pretrain"]
    assert "choices of other code" not in project.run("--until", "model").err
