"""What is settled once tokens are counted, for which device; plan.json keeps it."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made_conversations import conversations, write_lines

from endonym import device
from endonym.autopilot import probe, resolve
from endonym.autopilot.model_size import Choice, Choices, Facts
from endonym.autopilot.resolve import ResolvedTraining
from endonym.errors import Damaged
from endonym.formats.files import RawSet
from endonym.log import Log
from endonym.pipeline import execute, sources, tuning
from endonym.pipeline import settle as settling
from endonym.pipeline.execute import run_recipe
from endonym.pipeline.made_by import CodeNotes, Fresh
from endonym.pipeline.plan import plan_data, plan_examples
from endonym.pipeline.settle import Lockfile, settle, with_examples
from endonym.recipe.recipe import Recipe
from endonym.store import Artifact, Store, write_sealed

Captured = pytest.CaptureFixture[str]

Patch = pytest.MonkeyPatch


@dataclass
class Counted:
    """The small recipe with its shards, to be settled anew."""

    recipe: Recipe
    shards: Artifact
    folder: Path

    def settle(
        self, target: str, tune_minutes: float | None = None, *, quiet: bool = True
    ) -> ResolvedTraining:
        store, log = Store(self.folder / "store"), Log(quiet=quiet)
        raw = sources.hash_all(sources.find(self.recipe), store, log)
        lock = Lockfile(self.folder, self.recipe, raw, replan=False)
        given: dict[str, Any] = {"examples": {}, "tune_minutes": tune_minutes}
        given |= {"target": target, "log": log}
        given["machine_file"] = self.folder / "machine.json"
        return settle(self.recipe, lock, self.shards, lambda _: "this training", **given)


@pytest.fixture
def counted(finished: Path, tmp_path: Path, monkeypatch: Patch) -> Counted:
    plan = json.loads((finished / "runs" / "kechkena" / "plan.json").read_text(encoding="utf-8"))
    (made,) = (each["id"] for each in plan["stages"] if each["stage"] == "shards")
    shards = Store(finished / "store").find("shards", made)
    assert shards is not None
    monkeypatch.setattr(device, "probe_number_formats", lambda: {"fp32": 1e9, "bf16": 1e9})
    return Counted(Recipe.load(finished / "recipe.toml"), shards, tmp_path)


def test_a_year_is_said_where_nothing_was_measured(counted: Counted, capsys: Captured):
    assert counted.recipe.phase[0].number_format == "fp32"
    counted.recipe = counted.recipe.with_values({"phase.0.steps": 10**9, "phase.0.compile": "off"})
    counted.settle("cpu")
    said = capsys.readouterr().err
    assert "years" in said
    assert "steps = " in said


@pytest.mark.parametrize("has_units", [True, False])
def test_bf16_on_a_processor_without_units_for_it_is_warned_of(
    has_units: bool, counted: Counted, capsys: Captured, monkeypatch: Patch
) -> None:
    """The recipe or an earlier plan may say it; fp32 is chosen by itself."""
    monkeypatch.setattr(settling, "has_bf16_units", lambda: has_units)
    keys = {"phase.0.compile": "off", "phase.0.number_format": "bf16"}
    counted.recipe = counted.recipe.with_values(keys)
    counted.settle("cpu")
    said = " ".join(capsys.readouterr().err.split())
    assert ("this processor has no units: steps take several times as long" in said) != has_units


def test_judging_is_announced_in_proportion_to_training(counted: Counted, capsys: Captured):
    keys = {"phase.0.steps": 100_000, "phase.0.compile": "off", "phase.0.eval_tokens": None}
    counted.recipe = counted.recipe.with_values(keys)
    counted.settle("cpu", quiet=False)
    said = capsys.readouterr().err
    (line,) = [each for each in said.splitlines() if each.startswith("expected  ")]
    assert re.search(
        r"  training \d[\d.]* \w+ · validations \d[\d.]* \w+ \([2-5] % of training\)", line
    )


def test_a_year_is_said_of_a_gpu_too(counted: Counted, capsys: Captured, monkeypatch: Patch):
    def plain(decoder: object, config: object, device: str, document: int) -> float:
        assert device == "cuda:3"
        return 1000.0

    monkeypatch.setattr(probe, "plain", plain)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda name: "a GPU")
    monkeypatch.setattr(settling.resolve, "free_memory_bytes", lambda target: 1 << 40)
    keys = {"phase.0.steps": None, "phase.0.tokens": 10**12, "phase.0.compile": "off"}
    counted.recipe = counted.recipe.with_values(keys)
    counted.settle("cuda:3")
    assert "(31.7 years)" in capsys.readouterr().err


def test_another_device_reaches_all_that_is_decided_for_it(counted: Counted, monkeypatch: Patch):
    reached: list[str] = []

    def formats(recipe: Recipe, machine_file: Path, target: str) -> Choices:
        reached.append(f"formats {target}")
        return {}

    def tuned(training: object, shards: object, minutes: float, log: Log, target: str) -> Choices:
        reached.append(f"tune {minutes} {target}")
        return {"phase.0.lr": Choice(7e-3, "tried")}

    def compiling(_: Recipe, training: ResolvedTraining, *given: object, target: str) -> Choices:
        reached.append(f"compile {target} at {training.phases[0].lr}")
        return {}

    def free(target: str) -> int:
        reached.append(f"memory {target}")
        return 1 << 40

    monkeypatch.setattr(settling.resolve, "number_formats", formats)
    monkeypatch.setattr(settling.resolve, "free_memory_bytes", free)
    monkeypatch.setattr(settling.resolve, "compile_choices", compiling)
    monkeypatch.setattr(tuning, "tune", tuned)
    monkeypatch.setattr(device, "probe_number_formats", lambda: pytest.fail("asked the processor"))
    monkeypatch.setattr(settling, "seconds_a_token", lambda work, _: reached.append(work.target))
    training = counted.settle("cuda:3", tune_minutes=1.0)
    tried, compiled = "tune 1.0 cuda:3", "compile cuda:3 at 0.007"
    assert reached == ["formats cuda:3", "memory cuda:3", "cuda:3", tried, compiled]
    assert training.phases[0].lr == 7e-3


def test_a_run_settles_for_the_picked_device(finished: Path, tmp_path: Path, monkeypatch: Patch):
    def stop(*_: object, target: str, **__: object) -> Recipe:
        raise KeyboardInterrupt(target)

    monkeypatch.setattr(execute, "pick", lambda name: f"{name}:1")
    monkeypatch.setattr(execute, "settle", stop)
    recipe, log = Recipe.load(finished / "recipe.toml"), Log(quiet=True)
    for asked, target in ((None, "cpu"), ("cuda", "cuda:1")):
        with pytest.raises(KeyboardInterrupt, match=target):
            run_recipe(recipe, Store(tmp_path / "store"), log, device=asked)


@pytest.fixture
def recipe(small_recipe: Callable[[Path], Path], tmp_path: Path) -> Recipe:
    return Recipe.load(small_recipe(tmp_path / "project"))


@pytest.fixture
def raw(recipe: Recipe) -> list[RawSet]:
    return sources.hash_all(sources.find(recipe), Store(recipe.folder / "store"), Log(quiet=True))


def kept(recipe: Recipe, raw: list[RawSet], *, replan: bool = False) -> Lockfile:
    return Lockfile(recipe.folder, recipe, raw, replan=replan)


def write(lock: Lockfile, recipe: Recipe) -> None:
    plan = lock.as_json([], Store(recipe.folder / "store"))
    write_sealed(lock.path, plan)


def test_what_was_kept_stays_whatever_would_be_chosen_now(recipe: Recipe, raw: list[RawSet]):
    lock = kept(recipe, raw)
    assert not lock.is_known
    assert lock.keep({"phase.0.lr": Choice(1e-3, "then")}) == {"phase.0.lr": (1e-3, "then")}
    write(lock, recipe)
    later = kept(recipe, raw)
    assert later.is_known
    found = later.keep({"phase.0.lr": Choice(5e-3, "now"), "pack.context": Choice(64, "now")})
    assert found == {"phase.0.lr": (1e-3, "then"), "pack.context": (64, "now")}


def test_replanning_anything_else_chooses_anew(recipe: Recipe, raw: list[RawSet]):
    lock = kept(recipe, raw)
    lock.keep({"phase.0.lr": Choice(1e-3, "then")})
    write(lock, recipe)
    assert kept(recipe, raw).is_known
    assert not kept(recipe, raw, replan=True).is_known
    assert not kept(Recipe.load(recipe.path, sets=("seed=8",)), raw).is_known
    assert not kept(recipe, raw[:2]).is_known
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settling, "code_hash", lambda function: "of a newer program")
        assert kept(recipe, raw).is_known
    text = recipe.path.read_text(encoding="utf-8")
    recipe.path.write_text(text + "# a comment\n", encoding="utf-8")
    assert kept(Recipe.load(recipe.path), raw).is_known
    recipe.path.write_text(text.replace("seed = 7", "seed = 8"), encoding="utf-8")
    assert not kept(Recipe.load(recipe.path), raw).is_known


class Newer(Recipe):
    """The recipe of a later endonym, which has one more key."""

    hyphens: str = "as they are"


def test_a_later_endonym_with_more_keys_keeps_what_was_chosen(recipe: Recipe, raw: list[RawSet]):
    lock = kept(recipe, raw)
    lock.keep({"phase.0.lr": Choice(1e-3, "then")})
    write(lock, recipe)
    later = kept(Newer.load(recipe.path), raw)
    assert later.is_known
    assert later.choices == {"phase.0.lr": (1e-3, "then")}
    assert not kept(Newer.load(recipe.path, sets=("hyphens=joined",)), raw).is_known


def test_other_weights_of_the_model_to_go_on_from_choose_anew(recipe: Recipe) -> None:
    base, path = recipe.folder / "base", recipe.folder / "onward.toml"
    base.mkdir()
    (base / "config.json").write_text("{}", encoding="utf-8")
    (base / "tokenizer.json").write_text("{}", encoding="utf-8")
    (base / "model.safetensors").write_bytes(b"1")
    path.write_text(
        'name = "onward"\nlanguage = "tt"\n[model]\nfolder = "base"\n'
        '[[source]]\nname = "tatar"\npath = "texts/tatar.txt"\n[[phase]]\nsteps = 4\n',
        encoding="utf-8",
    )
    onward = Recipe.load(path)
    before = kept(onward, []).key
    assert kept(onward, []).key == before
    (base / "model.safetensors").write_bytes(b"2")
    assert kept(onward, []).key != before


@pytest.mark.parametrize("text", ["", "{", '{"key": "another", "choices": {}}'])
def test_a_damaged_plan_is_told_and_replanned(recipe: Recipe, raw: list[RawSet], text: str):
    (recipe.folder / "plan.json").write_text(text, encoding="utf-8")
    with pytest.raises(Damaged, match=r"/plan\.json: .* not what was written") as caught:
        kept(recipe, raw)
    assert "the next run writes it again" in caught.value.do
    lock = kept(recipe, raw, replan=True)
    assert lock.choices == {}
    assert not lock.is_known


def test_what_was_tuned_holds_for_the_training_it_was_tuned_for(recipe: Recipe, raw: list[RawSet]):
    found = {"phase.0.lr": Choice(8e-3, "tried")}
    lock = kept(recipe, raw)
    lock.tuned, lock.tuned_stage = found, "this training"
    write(lock, recipe)
    assert kept(recipe, raw).choices == {}, "what trials found is no choice of the program"
    assert kept(recipe, raw).tuned_for("this training") == found
    assert kept(recipe, raw).tuned_for("another") == {}
    text = recipe.text.replace('name = "pretrain"', 'name = "other"')
    recipe.path.write_text(text, encoding="utf-8")
    judged = Recipe.load(recipe.path)
    assert not kept(judged, raw).is_known
    assert kept(judged, raw).tuned_for("this training") == found
    assert kept(recipe, raw, replan=True).tuned_for("this training") == {}


def test_plans_without_trials_are_read(recipe: Recipe, raw: list[RawSet]) -> None:
    lock = kept(recipe, raw)
    write_sealed(lock.path, {"key": lock.key, "choices": {}, "tuned": None})
    assert kept(recipe, raw).is_known
    assert kept(recipe, raw).tuned_for("") == {}


def test_the_store_is_noted_as_seen_from_the_run(recipe: Recipe, raw: list[RawSet]) -> None:
    plan = kept(recipe, raw).as_json([], Store(recipe.folder.parent / "store"))
    assert plan["store"] == "../store"


def test_what_is_counted_of_one_phase_stays_where_another_is_estimated(
    recipe: Recipe, raw: list[RawSet]
) -> None:
    write_lines(recipe.folder / "сораулар.jsonl", conversations(8))
    chats = [{"objective": "chat", "data": "сораулар.jsonl", "name": each} for each in ("a", "b")]
    recipe = recipe.with_values({"phase": [{"name": "texts"}, *chats], "pack.context": 128})
    data = plan_data(recipe, raw, resolve.resolve_tokenizer(recipe, {}))
    side = {"bytes": 90, "tokens": 70, "examples": 3, "rows": 1}
    numbers = {"train": side, "dev": side, "kept": 3, "held_out": 0, "dropped": {}}
    made: Any = SimpleNamespace(manifest={"config": {"context": 128}}, numbers=numbers)
    found = {plan_examples(recipe, data, 128)[1].id: made}
    store: Any = SimpleNamespace(find=lambda _, name: found.get(name))
    store.journal = lambda kind, name: recipe.folder / f"{kind}-{name}.jsonl"
    fresh = Fresh(CodeNotes(store), {})
    facts = with_examples(recipe, Facts(1_000, 500, 50.0), data, store, fresh=fresh)
    examples = facts.examples
    assert [each.records for each in examples.values()] == [3, 8]
