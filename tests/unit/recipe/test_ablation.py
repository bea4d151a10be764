"""What leaves a source out of a recipe."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from laws.changes import CHANGES

from endonym.cli.main import Settings
from endonym.cli.recipe_commands import named_recipes
from endonym.errors import RecipeError
from endonym.recipe import ablation
from endonym.recipe.ablation import sets_without
from endonym.recipe.checks import Parts, named_sources
from endonym.recipe.layers import plain, toml
from endonym.recipe.recipe import Recipe

NAMING = {
    key: value
    for key, (value, _) in CHANGES.items()
    if isinstance(value, dict | list) and "tatar" in value
}
"""Every key of a recipe that names sources: a source stands in its example."""


@pytest.fixture
def recipe(small_recipe: Callable[[Path], Path], tmp_path: Path) -> Path:
    return small_recipe(tmp_path / "project")


def without(path: Path, name: str, *sets: str) -> Recipe:
    return ablation.without(Recipe.load(path, sets=sets), name)


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
    assert sets_without(shares, "others")[-1] == 'phase.0.sources={"татар" = 1}'
    listed = shares.with_values({"phase.0.sources": ("татар", "others")})
    assert sets_without(listed, "others")[-1] == 'phase.0.sources=["татар"]'


RULES = (
    'clean.replace=[{ find = "ё", by = "е", sources = ["others"] }, { find = "ъ", sources = '
    '["tatar", "others"] }, { find = "«", sources = ["others"] }, { find = "…" }]'
)


def test_the_keys_that_name_sources_are_known(recipe: Path) -> None:
    found = Recipe.load(recipe, sets=[RULES])
    parts = Parts(plain(found.model_dump(exclude_unset=True))[1])
    known = [".".join(map(str, path)) for path, _ in named_sources(parts)]
    rules = [f"clean.replace.{number}.sources" for number in range(4)]
    assert sorted(known) == sorted({*NAMING, *rules})


@pytest.mark.parametrize("key", NAMING)
@pytest.mark.parametrize("named", [("tatar", "others"), ("others",)])
def test_no_key_names_a_source_that_is_left_out(
    recipe: Path, key: str, named: tuple[str, ...]
) -> None:
    is_shares = isinstance(NAMING[key], dict)
    value = dict.fromkeys(named, 1 / len(named)) if is_shares else named
    sets = ['clean.replace=[{ find = "ё", by = "е" }]', f"{key}={toml(value)}"]
    if key.startswith("phase") and len(named) == 1:
        with pytest.raises(RecipeError, match="it reads no other source"):
            without(recipe, "others", *sets)
        return
    assert "others" in str(Recipe.load(recipe, sets=sets).model_dump(exclude={"source"}))
    found = without(recipe, "others", *sets)
    assert "others" not in str(found.model_dump(exclude={"name"}))


def test_a_change_of_that_source_alone_goes_and_becomes_none_of_all_texts(recipe: Path) -> None:
    found = without(recipe, "others", RULES).clean.replace or ()
    assert [(each.find, each.sources) for each in found] == [("ъ", ("tatar",)), ("…", ())]


def test_what_new_writes_for_a_source_of_templates_is_left_to_the_others(recipe: Path) -> None:
    shares = '{ others = 0.05, "*" = 0.95 }'
    sets = (f"tokenizer.sources={shares}", f"phase.0.sources={shares}")
    found = without(recipe, "others", *sets)
    assert found.tokenizer.sources == found.phase[0].sources == {"*": 1.0}
    alone = without(recipe, "others", "tokenizer.sources={ others = 1.0 }")
    assert alone.tokenizer.sources == {}, "trained on all that is left"


def test_a_long_name_is_cut_to_what_a_recipe_may_have(recipe: Path) -> None:
    for name, source in (("ә" * 64, "others"), ("kechkena", "ү" * 64), ("𞤆" * 45, "𞤤" * 64)):
        sets = (f"name={name}", f"source.2.name={source}")
        found = without(recipe, source, *sets)
        assert found.name.startswith(name)
        assert f"{name}-without-{source}".startswith(found.name)
        assert found.run_name != Recipe.load(recipe, sets=sets).run_name
        assert len(found.source) == 2
    assert len(without(recipe, "ү" * 64, "source.2.name=" + "ү" * 64).name) == 64


VARIANTS = """
[[variant.turned.source]]
name = "others"
path = "texts/others.txt"
document = "blank_lines"

[[variant.turned.source]]
name = "romanian"
path = "texts/romanian.jsonl.gz"

[variant.turned.pack]
context = 32

[[variant.turned.phase]]
steps = 9
sources = { romanian = 0.5, others = 0.5 }

[variant.plain.pack]
context = 16
"""


def test_each_variant_is_left_without_the_source_under_each_seed(recipe: Path) -> None:
    """They number and name their sources each in its own way."""
    recipe.write_text(recipe.read_text("utf-8") + VARIANTS, encoding="utf-8")
    settings = Settings(store=recipe.parent / "store")
    found, _ = named_recipes(settings, recipe, "all", [], seeds=2, ablate="others")
    said = [(e.variant, e.seed, e.name, [s.name for s in e.source]) for e in found]
    name = "kechkena-without-others"
    assert said[6:] == [
        (variant, seed, name, [each for each in sources if each != "others"])
        for variant, seed, _, sources in said[:6]
    ]
    assert [each.pack.join for each in found[6:9]] == [("tatar", "romanian"), (), ()]
    assert found[7].phase[0].sources == {"romanian": 1.0}
    assert len({each.run_name for each in found}) == 12
    with pytest.raises(RecipeError, match="no source is called") as caught:
        named_recipes(settings, recipe, "plain,turned", [], ablate="tatar")
    assert caught.value.where == "--ablate, variant turned"


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
