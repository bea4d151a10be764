"""A recipe that is made or changed in Python is written as the recipe that it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from endonym.errors import RecipeError
from endonym.recipe.recipe import Recipe

KEYS: dict[str, Any] = {
    "name": "кечкенә",
    "language": "tt",
    "source": [
        {"name": "сөйләмнәр", "path": 'texts/"матур" сүз\\лар.txt', "document": "line"},
        {"name": "b", "path": "texts/b.jsonl", "clean": {"min_chars": 12}},
    ],
    "clean": {"normalize": ["nfc", "spaces"], "min_chars": 40, "language": "tt"},
    "pack": {"context": 64, "join": ["сөйләмнәр"]},
    "model": {"dim": 32, "layers": 2, "mixer": {"heads": 2}, "dropout": 0.1},
    "phase": [
        {"name": "a", "steps": 12_000, "lr": 4e-5, "sources": {"b": 0.25, "сөйләмнәр": 0.75}},
        {"name": "b", "steps": 5, "lr": 1e-3, "adapt": {}},
    ],
    "evaluate": [{"kind": "bits"}],
}


@pytest.fixture
def tatar(small_recipe: Callable[[Path], Path], tmp_path: Path) -> Path:
    return small_recipe(tmp_path / "project")


def written(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe that is read from what a run writes of another one."""
    path = recipe.folder / "as_it_ran.toml" if recipe.path.is_file() else folder / "recipe.toml"
    path.write_text(recipe.as_run(), encoding="utf-8")
    return Recipe.load(path)


def same(one: Recipe, other: Recipe) -> bool:
    """Whether two recipes say the same, and leave the same open."""
    return one.model_dump(exclude_unset=True) == other.model_dump(exclude_unset=True)


def test_a_recipe_made_of_keys_is_written_as_what_it_is(tmp_path: Path) -> None:
    recipe = Recipe(**KEYS)
    assert same(written(recipe, tmp_path), recipe)
    assert recipe.text == recipe.as_run()
    assert recipe.checked().model_dump() == recipe.model_dump()


@pytest.mark.parametrize(
    "update", [{"seed": 9}, {"name": "башка", "language": "ba"}, {"evaluate": ()}]
)
def test_a_changed_copy_is_not_written_as_the_file_it_comes_from(
    update: dict[str, Any], tatar: Path, tmp_path: Path
) -> None:
    recipe = Recipe.load(tatar)
    assert recipe.as_run() == recipe.text == tatar.read_text(encoding="utf-8")
    copy = recipe.model_copy(update=update)
    assert copy.as_run() != recipe.text
    assert same(written(copy, tmp_path), copy)


def test_other_values_overrides_and_variants_are_in_what_is_written(
    tatar: Path, tmp_path: Path
) -> None:
    with_values = Recipe.load(tatar).with_values(
        {"phase.0.lr": 1.25e-3, "phase.0.warmup_steps": None}
    )
    assert same(written(with_values, tmp_path), with_values)
    overridden = Recipe.load(tatar, sets=("seed=11",))
    assert same(written(overridden, tmp_path), overridden)
    both = overridden.model_copy(update={"language": "ba"})
    assert same(written(both, tmp_path), both)
    assert (both.seed, both.run_name) == (11, overridden.run_name)


def test_a_table_given_to_a_copy_is_checked_before_it_is_made(tatar: Path) -> None:
    recipe = Recipe.load(tatar)
    copy = recipe.model_copy(update={"seed": -1})
    with pytest.raises(RecipeError, match="seed"):
        copy.checked()
    assert recipe.checked() is recipe


def test_contradictions_of_keys_are_found_as_in_a_file() -> None:
    keys: dict[str, Any] = KEYS | {"pack": {"join": ["бүтән"]}}
    with pytest.raises(RecipeError, match="бүтән"):
        Recipe(**keys).checked()


def test_plain_tables_in_a_copy_are_written_and_checked(tatar: Path, tmp_path: Path) -> None:
    copy = Recipe.load(tatar).model_copy(update={"model": {"dim": 48, "layers": 3}})
    assert written(copy, tmp_path).model.dim == copy.checked().model.dim == 48
    wrong = copy.model_copy(update={"model": {"dim": 48, "layer": 3}})
    with pytest.raises(RecipeError, match="layers"):
        wrong.checked()


def test_every_recipe_of_the_project_is_written_as_what_it_is() -> None:
    """All of their keys, and those of their variants, without their files."""
    recipes = sorted(Path("recipes").glob("*.toml"))
    assert recipes
    for path in recipes:
        for recipe in Recipe.load_all(path):
            copy = Recipe(**recipe.model_dump(exclude_unset=True))
            again = Recipe.load(path, text=copy.as_run())
            assert same(again, recipe), path
