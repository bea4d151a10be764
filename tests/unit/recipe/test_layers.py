"""Files, variants, values laid over a recipe, and recipes written as TOML."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from endonym.errors import RecipeError
from endonym.recipe.layers import parse, read, recipe_toml, toml
from endonym.recipe.recipe import Recipe

BASME = """\
name = "basme"
language = "ro"

[[source]]
name = "povești"
path = "texte"

[[source]]
name = "web.2015"
path = "web"

[model]
family = "llama"
dim = 256
layers = 4
mixer.heads = 4

[[phase]]
steps = 100

[[phase]]
name = "cărți"
epochs = 1

[variant.gpt2.model]
family = "gpt2"
layers = 6

[[variant.scurt.phase]]
name = "una"
steps = 5

[variant."semințe"]
seed = 7
"""


@pytest.fixture
def basme(tmp_path: Path) -> Path:
    """The recipe in a folder of its own."""
    file = tmp_path / "basme.toml"
    file.write_text(BASME, encoding="utf-8")
    return file


def refusal(file: Path, *, variant: str | None = None, sets: tuple[str, ...] = ()) -> str:
    """What the recipe's error says, with its file's bare name."""
    with pytest.raises(RecipeError) as caught:
        Recipe.load(file, variant=variant, sets=sets)
    assert caught.value.exit_code == 2
    return str(caught.value).replace(str(file), file.name)


def test_a_variant_s_tables_phases_and_values_replace_those_of_the_recipe(basme: Path) -> None:
    assert Recipe.variants(basme) == ["gpt2", "scurt", "semințe"]
    model = Recipe.load(basme, variant="gpt2").model
    assert (model.family, model.layers, model.dim, model.mixer.heads) == ("gpt2", 6, None, None)
    recipe = Recipe.load(basme, variant="scurt")
    assert [(phase.name, phase.steps) for phase in recipe.phase] == [("una", 5)]
    assert recipe.model.family == "llama"
    recipe = Recipe.load(basme, variant="semințe")
    assert (recipe.seed, recipe.run_name) == (7, "basme@semințe")


def test_a_variant_s_table_for_a_list_changes_keys_of_its_items(basme: Path) -> None:
    text = basme.read_text(encoding="utf-8")
    more = '\n[variant.rate]\nphase."cărți".lr = 0.01\nsource."povești".path = "x"\n'
    basme.write_text(text + more, encoding="utf-8")
    recipe = Recipe.load(basme, variant="rate")
    plain = Recipe.load(basme)
    assert [phase.lr for phase in recipe.phase] == [None, 0.01]
    assert [phase.model_copy(update={"lr": None}) for phase in recipe.phase] == list(plain.phase)
    assert [source.path for source in recipe.source] == ["x", "web"]
    assert "lr = 0.01" in recipe.as_run()


def test_the_only_item_of_a_list_needs_no_name_in_a_variant(basme: Path) -> None:
    text = basme.read_text(encoding="utf-8")
    alone = text.replace('[[phase]]\nname = "cărți"\nepochs = 1\n', "")
    more = "\n[variant.rate.phase]\nlr = 0.01\n"
    basme.write_text(alone + more, encoding="utf-8")
    (phase,) = Recipe.load(basme, variant="rate").phase
    assert (phase.lr, phase.steps) == (0.01, 100)


@pytest.mark.parametrize("variant", [None, "rate"])
def test_an_item_that_a_variant_misnames_is_reported_at_its_line(basme: Path, variant: str | None):
    text = basme.read_text(encoding="utf-8")
    more = "\n[variant.rate.phase.carti]\nlr = 0.01\n"
    basme.write_text(text + more, encoding="utf-8")
    said = refusal(basme, variant=variant)
    assert "phase has no item carti." in said
    assert "Did you mean `cărți`?" in said


def test_an_unknown_variant_gets_a_suggestion_and_the_list(basme: Path) -> None:
    assert refusal(basme, variant="scrut") == (
        "basme.toml: variant scrut is not in this recipe.\n"
        "Did you mean `scurt`?  Variants: gpt2, scurt, semințe"
    )
    basme.write_text(BASME[: BASME.index("[variant")], encoding="utf-8")
    assert refusal(basme, variant="x").endswith("It has no variants.")


@pytest.mark.parametrize("variant", [None, "gpt2", "scurt"])
def test_a_mistake_in_any_variant_is_reported(basme: Path, variant: str | None):
    text = basme.read_text(encoding="utf-8").replace("layers = 6", "layer = 6")
    basme.write_text(text, encoding="utf-8")
    assert refusal(basme, variant=variant) == (
        "basme.toml:27: model.layer is not a key of a model.\n"
        "    layer = 6\n"
        "    ^^^^^\n"
        "Did you mean `layers`?  All keys: endonym explain model"
    )


def test_sizes_that_do_not_fit_in_a_variant_point_into_the_variant(basme: Path) -> None:
    text = basme.read_text(encoding="utf-8")
    shape = "layers = 6\ndim = 100\nmixer.heads = 3"
    basme.write_text(text.replace("layers = 6", shape), encoding="utf-8")
    Recipe.load(basme)
    first = refusal(basme, variant="gpt2").splitlines()[0]
    assert first == "basme.toml:29: dim 100 is not divisible by 3 heads."


NO_VARIANTS = [
    ("[variant.all.pack]\ncontext = 9", "9: 'all' cannot name a variant."),
    ("[variant.'a b'.pack]\ncontext = 9", "9: 'a b' cannot name a variant."),
    ("[variant]\nbpe = 3", "10: variant.bpe must be a table."),
    ("[variant.x]\nname = 'y'", "10: a variant cannot rename the recipe."),
    ("[variant.x.tokeniser]\nvocab = 300", "9: tokeniser is not a key of a recipe."),
    ("[variant.x]\nseed = 2024-05-01", "10: seed = 2024-05-01 is a date, which no key takes."),
    ("[[variant]]\nname = 'x'", "9: variant must be a table of variants."),
]


@pytest.mark.parametrize(("written", "said"), NO_VARIANTS)
def test_what_is_no_variant_is_refused(tmp_path: Path, written: str, said: str) -> None:
    file = tmp_path / "r.toml"
    head = 'name = "basme"\nlanguage = "ro"\n[[source]]\nname = "a"\npath = "a"\n[[phase]]\n\n\n'
    file.write_text(head + written, encoding="utf-8")
    assert [each for each in refusal(file).splitlines() if "r.toml:" in each] == [f"r.toml:{said}"]


def test_a_set_reaches_tables_and_items_by_number_and_by_name(basme: Path) -> None:
    numbers = ["model.mixer.heads=8", "phase.0.steps=10", "phase.cărți.epochs=2.5"]
    texts = ['source."web.2015".path=alt/*.txt', "source.povești.document=line"]
    others = ["tokenizer.vocab = 1_024", 'clean.dedup=["exact"]']
    recipe = Recipe.load(basme, sets=[*numbers, *texts, *others])
    assert recipe.model.mixer.heads == 8
    assert [(phase.steps, phase.epochs) for phase in recipe.phase] == [(10, None), (None, 2.5)]
    assert [source.path for source in recipe.source] == ["texte", "alt/*.txt"]
    assert recipe.source[0].document == "line"
    assert recipe.tokenizer.vocab == 1024
    assert recipe.clean.dedup == ("exact",)


def test_the_only_item_may_be_left_out(basme: Path) -> None:
    for sets in (["phase.lr=0.003"], ["phase.una.lr=0.003"]):
        (phase,) = Recipe.load(basme, variant="scurt", sets=sets).phase
        assert (phase.name, phase.lr) == ("una", 0.003)
    tokens = ["phase.steps=", "phase.tokens=64"]
    assert Recipe.load(basme, variant="scurt", sets=tokens).phase[0].tokens == 64
    said = refusal(basme, variant="scurt", sets=("phase.lrr=1",))
    assert said.startswith("--set phase.lrr=1: phase.una.lrr is not a key of a phase.\nDid you")
    assert "phase has no item 1." in refusal(basme, variant="scurt", sets=("phase.1=",))
    assert "It has: una, 0" in refusal(basme, variant="scurt", sets=("phase.unna.lr=1",))


def test_blanks_around_what_is_set_are_no_part_of_it(basme: Path) -> None:
    sets = ["source.povești.path = alt text ", "phase.0.steps= ", "phase.0.tokens=64"]
    recipe = Recipe.load(basme, sets=sets)
    assert recipe.source[0].path == "alt text"
    assert (recipe.phase[0].steps, recipe.phase[0].tokens) == (None, 64)


@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
def test_a_number_that_is_none_is_refused_as_such(basme: Path, value: str) -> None:
    said = refusal(basme, sets=(f"phase.0.lr={value}",))
    assert f"phase.0.lr = {value} is not a number one can use." in said
    assert "Write a finite number." in said


def test_an_empty_set_takes_a_key_or_an_item_out(basme: Path) -> None:
    recipe = Recipe.load(basme, sets=["phase.0.steps=", "phase.0.tokens=64", "phase.1="])
    assert [(phase.steps, phase.tokens) for phase in recipe.phase] == [(None, 64)]


TWO = 'must be a whole number, not the text "two".'


WRONG_SETS = [
    ("model.layer=2", "model.layer is not a key of a model.", "Did you mean `layers`?"),
    ("model.layers=two", f"model.layers {TWO}", "More: endonym explain model.layers"),
    ("model.layers=0", "model.layers must be at least 1, not 0.", "More: endonym"),
    ("modl.layers=2", "modl is not a key of a recipe.", "Did you mean `model`?"),
    ("model.layers", "a key and a value are needed.", "Write KEY=VALUE"),
    ("model layers=2", '"model layers" is not a key of a recipe.', "Tables: endonym explain"),
    ("=2", "a key and a value are needed.", "Write KEY=VALUE"),
    ("phase.pretain.steps=2", "phase has no item pretain.", "Did you mean `pretrain`?"),
    ("phase.lr=2", "phase has no item lr.", "Name the item as well: phase.pretrain.lr  It has"),
    ("source.path=x", "source has no item path.", "Name the item as well: source.povești.path"),
    ("lr=0.003", "lr is not a key of a recipe.", "Did you mean `phase.lr`?"),
    ("train.lr=2", "train is not a key of a recipe.", "Did you mean `phase.lr`?"),
    ("phase.2.steps=2", "phase has no item 2.", "It has: pretrain, cărți, 0, 1"),
    ("name.x=2", "name is not a table.", "More: endonym explain name"),
    ("seed=1\nname = 2", 'seed must be a whole number, not the text "1\\nname = 2".', "More"),
]


@pytest.mark.parametrize(("override", "said", "do"), WRONG_SETS)
def test_a_wrong_set_is_quoted_as_typed(basme: Path, override: str, said: str, do: str) -> None:
    assert refusal(basme, sets=(override,)).startswith(f"--set {override}: {said}\n{do}")


def test_a_set_that_is_no_utf8_is_named(basme: Path) -> None:
    said = refusal(basme, sets=("split.seed=\udcff", "seed=1"))
    assert said.startswith("--set split.seed=\\xff: it is not UTF-8.")
    assert len(said) < 200


def test_a_set_that_contradicts_the_file_names_the_table_s_line(basme: Path) -> None:
    first = refusal(basme, sets=("phase.0.tokens=9",)).splitlines()[0]
    assert first == (
        "basme.toml:18, with --set phase.0.tokens=9: "
        "phase.0: give one of steps, tokens, epochs and flops, not steps and tokens "
        "(--set phase.steps= takes steps away, --set phase.tokens= takes tokens away)."
    )


def test_a_set_that_does_not_fit_the_file_is_named_beside_the_line(basme: Path) -> None:
    first = refusal(basme, sets=("model.dim=255",)).splitlines()[0]
    said = "dim 255 is not divisible by 4 heads."
    assert first == f"basme.toml:16, with --set model.dim=255: {said}"


def test_a_recipe_that_is_not_there_gets_a_suggestion(basme: Path) -> None:
    said = refusal(basme.with_name("basm.toml"))
    assert said == f"basm.toml: there is no such recipe.\nDid you mean `{basme}`?"


def test_an_empty_folder_of_recipes_says_how_to_start(tmp_path: Path) -> None:
    assert "Start one: endonym new" in refusal(tmp_path / "x.toml")


def test_a_recipe_holds_a_megabyte_and_32_levels_and_no_more(basme: Path) -> None:
    basme.write_bytes(b"#" * 1_000_000)
    assert parse(basme, read(basme)) == {}
    basme.write_bytes(b"#" * 1_000_001)
    assert "holds at most 1 MB" in refusal(basme)
    basme.write_text(f"a = {'[' * 31}{']' * 31}", encoding="utf-8")
    assert parse(basme, read(basme))["a"]
    basme.write_text(f"a = {'[' * 32}{']' * 32}", encoding="utf-8")
    assert "nested too deeply" in refusal(basme)


def test_a_byte_that_is_not_utf_8_is_named_with_its_line(basme: Path) -> None:
    basme.write_bytes('name = "a"\nlanguage = "ro"\n# poveș'.encode() + b"\xba\n")
    assert refusal(basme).startswith("basme.toml:3: byte 0xBA at position 35 is not UTF-8.")


def test_a_folder_is_no_recipe(tmp_path: Path) -> None:
    assert refusal(tmp_path).splitlines()[0] == f"{tmp_path.name}: is a directory."


def test_a_key_of_thousands_of_parts_is_refused_in_short(basme: Path) -> None:
    said = refusal(basme, sets=(".".join(["a"] * 5_000) + "=1",))
    assert "a key of 5,000 parts." in said
    assert len(said) < 500


VALUES = [True, False, 0, -3, 12_345_678, 0.1, 1e-5, 0.123456789012, -2.5e300, [], [1, 2.5, "три"]]
VALUES += ['Әбием мич янында\n"ипи" \\ \t\x7f', "ភាសាខ្មែរ"]
VALUES += [{"kind": "yarn", "factor": 2.5, "a b": {"ç": [True]}}]


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_read_as_it_was(value: Any) -> None:
    assert tomllib.loads(f"value = {toml(value)}") == {"value": value}


def test_a_recipe_is_read_as_it_was() -> None:
    data = {
        "name": "kechkena",
        "pack": {"context": 32, "join": ["tatar"]},
        "seed": 7,
        "source": [{"name": "tatar", "path": "a\\b.txt"}, {"name": "françaıs"}],
        "model": {"dim": 32, "mixer": [{"heads": 2}, {"heads": 1}], "ffn": {"hidden": 64}},
        "split": {},
        "clean": {"normalize": [], "note": {}},
    }
    written = recipe_toml(data)
    assert tomllib.loads(written) == data
    assert "ffn.hidden = 64" in written
    assert written.index("seed = 7") < written.index("[pack]")
