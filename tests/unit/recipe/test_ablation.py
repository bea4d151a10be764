"""What leaves a source out of a recipe."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from endonym.cli.main import Settings
from endonym.cli.recipe_commands import named_recipes
from endonym.errors import RecipeError
from endonym.recipe.ablation import sets_without
from endonym.recipe.recipe import Recipe


@pytest.fixture
def recipe(small_recipe: Callable[[Path], Path], tmp_path: Path) -> Path:
    return small_recipe(tmp_path / "project")


def without(path: Path, name: str, *sets: str) -> Recipe:
    return Recipe.load(path, sets=[*sets, *sets_without(Recipe.load(path, sets=sets), name)])


def test_a_source_is_left_out_of_texts_joining_and_phases(recipe: Path) -> None:
    found = without(recipe, "romanian")
    assert ([each.name for each in found.source], found.pack.join) == (
        ["tatar", "others"],
        ("tatar",),
    )
    assert found.name == "kechkena-without-romanian"
    assert without(recipe, "others").pack.join == ("tatar", "romanian")
    fula = ("source.0.name=𞤆𞤵𞤤", 'pack.join=["𞤆𞤵𞤤", "others"]')
    assert without(recipe, "others", *fula).pack.join == ("𞤆𞤵𞤤",)
    assert found.phase == Recipe.load(recipe).phase, "as many steps"


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("{ tatar = 0.5, romanian = 0.3, others = 0.2 }", {"tatar": 0.625, "romanian": 0.375}),
        ('{ tatar = 0.5, others = 0.2, "*" = 0.3 }', {"tatar": 0.5, "*": 0.5}),
        ("{ tatar = 0.5, romanian = 0.5 }", {"tatar": 0.5, "romanian": 0.5}),
        ('["others", "tatar"]', ("tatar",)),
    ],
)
def test_the_others_of_a_phase_get_its_share(recipe: Path, written: str, left: Any) -> None:
    assert without(recipe, "others", f"phase.0.sources={written}").phase[0].sources == left


def test_only_what_names_the_source_is_set(recipe: Path) -> None:
    plain = Recipe.load(recipe, sets=["pack.join=", "source.0.name=татар", "phase.0.steps=3"])
    assert not plain.pack.join
    assert sets_without(plain, "others") == ["name=kechkena-without-others", "source.2="]
    assert sets_without(Recipe.load(recipe), "others") == sets_without(plain, "others")
    shares = Recipe.load(
        recipe,
        sets=[
            "source.0.name=татар",
            "pack.join=[]",
            'phase.0.sources={ "татар" = 0.5, others = 0.5 }',
        ],
    )
    assert sets_without(shares, "others")[-1] == 'phase.0.sources={ "татар" = 1 }'
    listed = shares.with_values({"phase.0.sources": ("татар", "others")})
    assert sets_without(listed, "others")[-1] == 'phase.0.sources=["татар"]'


def test_what_cannot_be_left_out_is_refused(recipe: Path) -> None:
    with pytest.raises(RecipeError, match='no source is called "tatarr"') as caught:
        without(recipe, "tatarr")
    assert caught.value.do == "Sources: tatar, romanian, others."
    assert caught.value.where == "--ablate"
    for written in ('["others"]', "{ others = 1.0 }"):
        with pytest.raises(RecipeError, match="it reads no other source") as caught:
            without(recipe, "others", f"phase.0.sources={written}")
        assert caught.value.where == "--ablate: phase pretrain"
    alone = ["source.0=", "source.0=", "pack.join=[]"]
    with pytest.raises(RecipeError, match="the only source") as caught:
        sets_without(Recipe.load(recipe, sets=alone), "others")
    assert (caught.value.where, caught.value.do) == ("--ablate", "Name one of several.")


def test_a_run_is_compared_with_one_that_lacks_the_source(
    prepared: Path, command: Callable[..., Any]
) -> None:
    given = ("--ablate", "romanian", "--set", "phase.0.steps=8", "--dry-run", "--json")
    said = command("run", prepared, "--store", prepared.parent / "store", *given)
    assert said.code == 0, said.err
    both = [each["run"] for each in said.json()["runs"]]
    assert len(both) == 2
    assert "kechkena-without-romanian" in both[1]
    seeds = command("run", prepared, "--store", prepared.parent / "store", *given, "--seeds", "2")
    assert len(seeds.json()["runs"]) == 4


def test_what_a_run_has_set_holds_without_the_source_too(
    prepared: Path, command: Callable[..., Any]
) -> None:
    store = prepared.parent / "store"
    given = ("--store", store, "--set", "phase.0.steps=8", "--until", "shards", "--json")
    run = Path(command("run", prepared, *given).json()["run"])
    recipes, _ = named_recipes(Settings(store=store), run, None, ["seed=5"], ablate="romanian")
    assert [(each.phase[0].steps, each.seed) for each in recipes] == [(8, 5), (8, 5)]
    assert [len(each.source) for each in recipes] == [3, 2]
