"""What `endonym check` says of phases that prune the model, or split tokens."""

from collections.abc import Callable
from pathlib import Path

import pytest

from endonym.commands.check import check, describe
from endonym.log import number
from endonym.model.count import parameters
from endonym.recipe.recipe import Recipe
from endonym.store import Store

PRUNES = {
    "sayla": {"heads": 0.5},
    "dawam": None,
    "kis": {"layers": 0.5},
    "yanadan": None,
    "soñgı": {"layers": 0.25},
}


@pytest.fixture
def recipe(small_recipe: Callable[[Path], Path], tmp_path: Path) -> Recipe:
    """Five phases after the first of a model with experts; the fourth begins anew."""
    recipe = Recipe.load(small_recipe(tmp_path / "project"))
    plain = {"steps": 2, "number_format": "fp32"}
    more = [{"name": name, **plain, "prune": prune} for name, prune in PRUNES.items()]
    more[3] |= {"start": "scratch"}
    text = recipe.phase[0].model_dump(exclude_unset=True)
    shape = {"family": "moe", "dim": 32, "layers": 4, "mixer": {"heads": 4, "kv_heads": 2}}
    return recipe.with_values({"model": shape, "phase": [text, *more]})


@pytest.mark.parametrize(("kind", "about"), [("byte", ""), ("char", "≈ ")])
def test_what_each_prune_leaves_is_said_in_all_its_parameters(
    recipe: Recipe, kind: str, about: str
) -> None:
    """Of what the prunes before it left, experts that rest too; ≈ where the text decides."""
    tokenizer = {"kind": kind}
    found = check(recipe.with_values({"tokenizer": tokenizer}), Store(recipe.folder / "store"))
    whole = found.shape
    (mixer,) = whole.mixers
    narrow = whole.model_copy(
        update={"mixers": (mixer.model_copy(update={"heads": 2, "kv_heads": 1}),)}
    )
    shapes = {
        "sayla": narrow,
        "kis": narrow.model_copy(update={"layers": 2}),
        "soñgı": whole.model_copy(update={"layers": 3}),
    }
    left = {name: parameters(shape) for name, shape in shapes.items()}
    assert all(each.active < each.total for each in left.values())
    said = [line for line in describe(found).splitlines() if line.startswith("pruned")]
    assert said == [
        f"pruned            phase {name} leaves {about}{number(each.total)} of the parameters"
        for name, each in left.items()
    ]


def test_nothing_is_said_of_prunes_where_there_are_none(recipe: Recipe) -> None:
    """A phase without the key has no line."""
    bare = recipe.with_values({"phase": [recipe.phase[0].model_dump(exclude_unset=True)]})
    assert "pruned" not in describe(check(bare, Store(recipe.folder / "store")))


def test_phases_that_split_tokens_are_named(recipe: Recipe) -> None:
    """Where a teacher reads the text before the phase, its members split them."""
    first = recipe.phase[0].model_dump(exclude_unset=True)
    plain = {"steps": 2, "number_format": "fp32", "subword_dropout": 0.1}
    phases = [
        first,
        {**plain, "name": "бүл"},
        {**plain, "name": "өйрәт", "members": 2, "subword_dropout": 0.25},
    ]
    bare = recipe.with_values({"phase": phases, "tokenizer": {"kind": "bpe", "vocab": 300}})
    lines = describe(check(bare, Store(recipe.folder / "store"))).splitlines()
    assert [line for line in lines if line.startswith("split")] == [
        "split tokens      phase бүл: in half of the rows 10 % of the tokens are split in two",
        "split tokens      phase өйрәт, of its members: in half of the rows 25 % of the tokens "
        "are split in two",
    ]
