"""What a recipe leaves open is chosen once, and the choice is kept."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from endonym import device
from endonym.autopilot import machine, resolve
from endonym.autopilot.model_size import Choice, Facts, choose_vocab
from endonym.autopilot.resolve import filled, value_at
from endonym.log import Log
from endonym.pipeline import sources
from endonym.pipeline.lockfile import Lock
from endonym.pipeline.plan import plan
from endonym.recipe.recipe import Recipe
from endonym.store import Store
from endonym.text.files import RawSet


@pytest.fixture
def recipe(small_recipe: Callable[[Path], Path], tmp_path: Path) -> Recipe:
    return Recipe.load(small_recipe(tmp_path / "project"))


@pytest.fixture
def raw(recipe: Recipe) -> list[RawSet]:
    return sources.hash_all(sources.find(recipe), Store(recipe.folder / "store"), Log(quiet=True))


def test_only_what_is_left_out_is_chosen(recipe: Recipe) -> None:
    facts = Facts(1_000_000, 250_000, 30.0)
    found = resolve.training_choices(recipe, facts)
    keys = ("betas", "embedding_lr", "weight_decay")
    assert set(found) == {f"phase.0.{key}" for key in keys}
    assert all(choice.reason for choice in found.values())
    bare = recipe.with_values({"phase.0.lr": None, "pack.context": None, "model.layers": None})
    more = set(resolve.training_choices(bare, facts)) - set(found)
    assert more == {"phase.0.lr", "pack.context", "model.layers"}


@pytest.mark.parametrize("kind", ["bpe", "char", "byte"])
def test_a_vocabulary_is_chosen_for_pairs_of_bytes_and_for_nothing_else(
    recipe: Recipe, raw: list[RawSet], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolve, "letters", lambda given: 10**9 if given is raw else 0)
    assert resolve.vocab_choice(recipe, raw) == {}
    open_ = recipe.with_values({"tokenizer.kind": kind, "tokenizer.vocab": None})
    wanted = {"tokenizer.vocab": choose_vocab(10**9)} if kind == "bpe" else {}
    assert resolve.vocab_choice(open_, raw) == wanted


def test_values_are_read_and_written_by_dotted_keys(recipe: Recipe) -> None:
    assert value_at(recipe, "phase.0.lr") == 4e-3
    assert value_at(recipe, "model.mixer.heads") == 2
    assert value_at(recipe, "model.ffn.hidden") is None
    made = filled(recipe, {"model.ffn.hidden": Choice(64, "why")})
    assert value_at(made, "model.ffn.hidden") == 64


def test_the_number_format_is_measured_once_and_only_where_it_is_left_to_us(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = [{"fp32": 1e9, "bf16": 2e9}, {"fp32": 1e9, "bf16": 1e9}]
    monkeypatch.setattr(device, "probe_number_formats", lambda: rates.pop(0))
    file = tmp_path / "machine.json"
    assert resolve.number_formats(recipe, file) == {}
    assert len(rates) == 2
    auto = recipe.with_values({"phase.0.number_format": "auto"})
    for _ in range(2):
        found = resolve.number_formats(auto, file)["phase.0.number_format"]
        assert found.value == "bf16"
        assert "2 GFLOP/s" in found.reason
    assert len(rates) == 1
    assert machine.known(file, "matmul_per_second") == {"fp32": 1e9, "bf16": 2e9}


@pytest.mark.parametrize(
    ("target", "has_units", "expected"),
    [("cuda", True, "bf16"), ("cuda:1", False, "fp32"), ("mps", True, "fp32")],
)
def test_the_number_format_of_a_gpu_does_not_ask_the_processor(
    recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    has_units: bool,
    expected: str,
) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return has_units or including_emulation

    monkeypatch.setattr(device, "probe_number_formats", lambda: pytest.fail("asked the processor"))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    auto = recipe.with_values({"phase.0.number_format": "auto"})
    found = resolve.number_formats(auto, tmp_path / "machine.json", target)
    assert found["phase.0.number_format"].value == expected
    assert found["phase.0.number_format"].reason


def kept(recipe: Recipe, raw: list[RawSet], *, replan: bool = False) -> Lock:
    return Lock(recipe.folder, recipe, raw, replan=replan)


def write(lock: Lock, recipe: Recipe) -> None:
    plan = lock.as_json([], Store(recipe.folder / "store"))
    lock.path.write_text(json.dumps(plan), encoding="utf-8")


def test_what_was_settled_stays_whatever_would_be_chosen_now(
    recipe: Recipe, raw: list[RawSet]
) -> None:
    lock = kept(recipe, raw)
    assert not lock.is_known
    assert lock.settle({"phase.0.lr": Choice(1e-3, "then")}) == {"phase.0.lr": (1e-3, "then")}
    write(lock, recipe)
    later = kept(recipe, raw)
    assert later.is_known
    settled = later.settle({"phase.0.lr": Choice(5e-3, "now"), "pack.context": Choice(64, "now")})
    assert settled == {"phase.0.lr": (1e-3, "then"), "pack.context": (64, "now")}


def test_replanning_another_recipe_other_texts_and_overrides_choose_anew(
    recipe: Recipe, raw: list[RawSet]
) -> None:
    lock = kept(recipe, raw)
    lock.settle({"phase.0.lr": Choice(1e-3, "then")})
    write(lock, recipe)
    assert kept(recipe, raw).is_known
    assert not kept(recipe, raw, replan=True).is_known
    assert not kept(Recipe.load(recipe.path, sets=("seed=8",)), raw).is_known
    assert not kept(recipe, raw[:2]).is_known
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resolve, "FORM", resolve.FORM + 1)  # Keys of a newer program.
        assert not kept(recipe, raw).is_known
    text = recipe.path.read_text(encoding="utf-8")
    recipe.path.write_text(text + "# another word\n", encoding="utf-8")
    assert not kept(Recipe.load(recipe.path), raw).is_known


@pytest.mark.parametrize("text", ["", "{", '{"key": "another", "choices": {}}'])
def test_a_plan_that_cannot_be_read_is_no_plan(
    recipe: Recipe, raw: list[RawSet], text: str
) -> None:
    (recipe.folder / "plan.json").write_text(text, encoding="utf-8")
    lock = kept(recipe, raw)
    assert lock.choices == {}
    assert not lock.is_known


def test_what_was_tuned_holds_for_the_training_it_was_tuned_for(
    recipe: Recipe, raw: list[RawSet]
) -> None:
    found = {"phase.0.lr": Choice(8e-3, "tried")}
    lock = kept(recipe, raw)
    lock.tune(plan(recipe, raw), found)
    write(lock, recipe)
    assert kept(recipe, raw).tuned_for(plan(recipe, raw)) == found
    text = recipe.path.read_text(encoding="utf-8").replace("max_tokens = 12", "max_tokens = 13")
    recipe.path.write_text(text, encoding="utf-8")
    judged = Recipe.load(recipe.path)
    assert not kept(judged, raw).is_known
    assert kept(judged, raw).tuned_for(plan(judged, raw)) == found
    for changed in ("phase.0.lr=3e-3", "phase.0.weight_decay=0.2", "model.dim=64", "seed=8"):
        other = Recipe.load(recipe.path, sets=(changed,))
        assert kept(other, raw).tuned_for(plan(other, raw)) == {}, changed
    assert kept(recipe, raw, replan=True).tuned_for(plan(recipe, raw)) == {}


@pytest.mark.parametrize("tuned", [True, False, None])
def test_plans_that_know_nothing_of_trials_are_read(
    recipe: Recipe, raw: list[RawSet], tuned: bool | None
) -> None:
    lock = kept(recipe, raw)
    plan_ = {"key": lock.key, "choices": {}, "tuned": tuned}
    lock.path.write_text(json.dumps(plan_), encoding="utf-8")
    assert kept(recipe, raw).is_known
    assert kept(recipe, raw).tuned_for(plan(recipe, raw)) == {}


def test_the_store_is_noted_as_seen_from_the_run(recipe: Recipe, raw: list[RawSet]) -> None:
    plan = kept(recipe, raw).as_json([], Store(recipe.folder.parent / "store"))
    assert plan["store"] == "../store"
