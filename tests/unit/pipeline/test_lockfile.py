"""What was chosen is kept in plan.json, and taken again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from endonym.autopilot.model_size import Choice
from endonym.errors import Damaged
from endonym.formats.files import RawSet
from endonym.log import Log
from endonym.pipeline import settle as lockfile
from endonym.pipeline import sources
from endonym.pipeline.settle import Lockfile
from endonym.recipe.recipe import Recipe
from endonym.store import Store, write_sealed


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


def test_what_was_kept_stays_whatever_would_be_chosen_now(
    recipe: Recipe, raw: list[RawSet]
) -> None:
    lock = kept(recipe, raw)
    assert not lock.is_known
    assert lock.keep({"phase.0.lr": Choice(1e-3, "then")}) == {"phase.0.lr": (1e-3, "then")}
    write(lock, recipe)
    later = kept(recipe, raw)
    assert later.is_known
    found = later.keep({"phase.0.lr": Choice(5e-3, "now"), "pack.context": Choice(64, "now")})
    assert found == {"phase.0.lr": (1e-3, "then"), "pack.context": (64, "now")}


def test_replanning_another_recipe_other_texts_and_overrides_choose_anew(
    recipe: Recipe, raw: list[RawSet]
) -> None:
    lock = kept(recipe, raw)
    lock.keep({"phase.0.lr": Choice(1e-3, "then")})
    write(lock, recipe)
    assert kept(recipe, raw).is_known
    assert not kept(recipe, raw, replan=True).is_known
    assert not kept(Recipe.load(recipe.path, sets=("seed=8",)), raw).is_known
    assert not kept(recipe, raw[:2]).is_known
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lockfile, "FORM", lockfile.FORM + 1)  # Keys of a newer program.
        assert not kept(recipe, raw).is_known
    text = recipe.path.read_text(encoding="utf-8")
    recipe.path.write_text(text + "# a comment\n", encoding="utf-8")
    assert kept(Recipe.load(recipe.path), raw).is_known
    recipe.path.write_text(text.replace("seed = 7", "seed = 8"), encoding="utf-8")
    assert not kept(Recipe.load(recipe.path), raw).is_known


class Newer(Recipe):
    """The recipe of a later endonym, which has one more key."""

    hyphens: str = "as they are"


def test_a_later_endonym_with_more_keys_keeps_what_was_chosen(
    recipe: Recipe, raw: list[RawSet]
) -> None:
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
def test_a_plan_that_is_not_what_was_written_is_told_and_replanned(
    recipe: Recipe, raw: list[RawSet], text: str
) -> None:
    (recipe.folder / "plan.json").write_text(text, encoding="utf-8")
    with pytest.raises(Damaged, match="not what was written") as caught:
        kept(recipe, raw)
    assert "the next run writes it again" in caught.value.do
    lock = kept(recipe, raw, replan=True)
    assert lock.choices == {}
    assert not lock.is_known


def test_what_was_tuned_holds_for_the_training_it_was_tuned_for(
    recipe: Recipe, raw: list[RawSet]
) -> None:
    found = {"phase.0.lr": Choice(8e-3, "tried")}
    lock = kept(recipe, raw)
    lock.tuned, lock.tuned_stage = found, "this training"
    write(lock, recipe)
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
