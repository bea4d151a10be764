"""A recipe that is made or changed in Python is written as the recipe that it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import endonym
from endonym.errors import MissingSource, RecipeError
from endonym.formats.config import Source
from endonym.recipe.recipe import Recipe
from endonym.train.config import Phase

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


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"modle": {}}, "Did you mean `model`"),
        ({"model": {"dmi": 3}}, "Did you mean `dim`"),
        ({"phase": {"steps": 5}}, "phase must be a list"),
        ({"source": [{"name": "b", "path": Path("b.txt")}]}, "b.txt"),
        ({"seed": -1}, "seed"),
        ({"seed": None}, "seed"),
        ({"clean": None}, "clean"),
        ({"source": (Source(name=n, path="b.txt") for n in "ab")}, r"source[^$]*list\(…\)"),
        ({"phase": map(Phase, ())}, r"phase[^$]*list\(…\)"),
    ],
)
def test_a_wrong_key_of_a_recipe_made_in_python_is_told_as_one_of_a_file(
    keys: dict[str, Any], said: str
) -> None:
    with pytest.raises(RecipeError, match=said):
        Recipe(**KEYS | keys)


def test_of_tables_that_are_made_in_python_only_what_is_wrong_is_told() -> None:
    tables: dict[str, Any] = {
        "source": (Source(name="b", path="b.txt"), Source(name="сөйләмнәр", path="c.txt")),
        "phase": (Phase(steps=5),),
    }
    assert Recipe(**KEYS | tables).phase[0].steps == 5
    with pytest.raises(RecipeError) as caught:
        Recipe(**KEYS | tables | {"seed": -1})
    assert str(caught.value).count("Recipe:") == 1
    with pytest.raises(RecipeError) as caught:
        Recipe(**KEYS | {"source": [{"name": "b", "path": Path("b.txt")}]})
    assert str(caught.value).count("Recipe:") == 1


def test_tables_that_are_made_in_python_are_values(tatar: Path) -> None:
    changed = Recipe.load(tatar).with_values({"phase": (Phase(steps=7),)})
    assert [phase.steps for phase in changed.phase] == [7]


def test_a_value_that_no_key_takes_is_not_lost_in_a_copy(tatar: Path) -> None:
    recipe = Recipe.load(tatar)
    source = recipe.source[0].model_copy(update={"path": Path("new.txt")})
    for update in ({"model": {"folder": Path("base")}}, {"source": (source,)}):
        copy = recipe.model_copy(update=update)
        for use in (copy.checked, lambda copy=copy: copy.with_values({"seed": 4})):
            with pytest.raises(RecipeError, match="is a PosixPath, which no key takes"):
                use()


def test_a_key_that_a_copy_does_not_have_is_not_lost(tatar: Path) -> None:
    copy = Recipe.load(tatar).model_copy(update={"seeed": 3})
    for use in (copy.checked, lambda: copy.with_values({"seed": 4})):
        with pytest.raises(RecipeError, match="Did you mean `seed`"):
            use()


@pytest.mark.parametrize(
    "texts",
    [
        ["Кояш чыкты", "Балалар китте"],
        ["Смотрите сайт https://example.com он очень хороший"],
        [""],
        {"texts": 1},
        {"texts"},
        "texts",
        ["нет/такого/файла"],
    ],
)
def test_texts_that_are_no_paths_are_an_error_that_says_what_to_pass(
    texts: Any, tmp_path: Path
) -> None:
    with pytest.raises((RecipeError, MissingSource), match=r'texts=\["folder/of/texts"\]'):
        endonym.new(tmp_path / "project", language="tt", texts=texts)


@pytest.mark.parametrize(
    "given",
    [
        *({"language": None}, {"hours": "1"}, {"folder": None}, {"language": 5}),
        *({"hours": 0}, {"hours": float("nan")}, {"hours": -1}, {"purpose": "chat"}),
    ],
)
def test_an_argument_of_another_type_is_named(given: dict[str, Any], tmp_path: Path) -> None:
    (name,) = given
    arguments: dict[str, Any] = {"language": "tt", "texts": [tmp_path], "folder": tmp_path} | given
    with pytest.raises(RecipeError, match=f"{name} takes"):
        endonym.new(**arguments)


def test_overrides_of_all_variants_are_a_list(tatar: Path) -> None:
    with pytest.raises(RecipeError, match="sets takes a list"):
        Recipe.load_all(tatar, sets="seed=3")
