"""What explains recipes: the command's text, and the page and the schema made from the configs."""

import dataclasses
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import regex

from endonym.errors import RecipeError
from endonym.model.families import FamilyDefaults
from endonym.recipe.keys import tables
from endonym.recipe.messages import SHAPES
from endonym.recipe.recipe import Recipe
from endonym.recipe.reference import (
    AUTOPILOT,
    FOLDER,
    VARIANT_NAME,
    any_script,
    default_text,
    explain,
    json_schema,
    key_schema,
    markdown,
    schedule_curves,
    toml_value,
)
from endonym.train.schedule import SCHEDULES

DOCS = Path(__file__).parents[3] / "docs"
KEYS = [(table, key) for table in tables(Recipe).values() for key in table.keys]


DEFINITIONS = json_schema()["$defs"]


def of(table: str, key: str) -> dict[str, Any]:
    """The schema of one key."""
    return key_schema(tables(Recipe)[table], key)


def test_the_page_and_the_schema_are_current_and_made_without_torch(tmp_path: Path) -> None:
    code = (
        "import runpy, sys; sys.argv[0] = 'reference'\n"
        "runpy.run_module('endonym.recipe.reference', run_name='__main__')\n"
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    remake = "make them anew: python -m endonym.recipe.reference docs/"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["recipe.md", "recipe.schema.json"]
    for file in tmp_path.iterdir():
        assert file.read_bytes() == (DOCS / file.name).read_bytes(), remake


def test_each_step_of_normalizing_is_explained_on_a_line_of_its_own() -> None:
    lines = explain("clean.normalize").splitlines()
    for step in ("nfc", "spaces", "zero_width"):
        assert any(line.startswith(f'    "{step}" ') for line in lines)
    assert "U+200B" in explain("clean.normalize")
    assert "U+200B" not in explain("clean")


def test_every_key_has_a_meaning_a_type_and_a_default() -> None:
    page = (DOCS / "recipe.md").read_text(encoding="utf-8")
    of_family = {field.name for field in dataclasses.fields(FamilyDefaults)} | {"kind", "window"}
    for table, key in KEYS:
        name = table.dotted(key)
        assert table.meaning(key) in explain(name)
        assert not table.meaning(key).endswith("."), name
        section = page.split(f"## `{table.header}`" if table.name else "## The top of a recipe")
        row = re.search(rf"^\| `{key}` \| (.+) \| (.+) \| (.{{5,}}) \|$", section[1], re.MULTILINE)
        assert row is not None, name
        assert row[2] == default_text(table, key)
        default = table.keys[key].default
        if isinstance(default, bool | int | float | str):
            assert row[2] == toml_value(default)
        assert row[2] != "from the family" or key in of_family, name


def test_a_key_is_explained_by_type_default_meaning_and_source() -> None:
    assert explain("model.mixer.heads") == (
        "model.mixer.heads\n"
        "  attention: query heads\n\n"
        "  type     whole number ≥ 1 and ≤ 16_384\n"
        "  default  chosen from your texts and this machine\n"
        "  source   MixerKeys in endonym/model/config.py"
    )
    assert "default  0.01" in explain("clean.max_unreadable")
    assert "default  not applied" in explain("clean.min_chars")
    assert "type     number ≥ 0 and ≤ 1" in explain("clean.min_script_share")
    assert 'type     one of "bpe", "unigram", "char", "byte", "keyboard"' in explain(
        "tokenizer.kind"
    )


def test_nothing_is_explained_by_the_list_of_tables() -> None:
    text = explain()
    for name in Recipe.model_fields:
        assert f"\n  {name} " in text
    assert "\n  variant " in text


def test_a_table_is_explained_by_its_keys() -> None:
    text = explain("model")
    assert text.startswith("[model]: the shape of the network")
    assert "\n  dropout " in text
    assert explain("phase.0.lr") == explain("phase.lr")
    assert "does not merge" in explain("variant.bpe")


UNKNOWN = [
    ("model.mixer.head", "Did you mean `heads`?  All keys: endonym explain model.mixer"),
    ("modl.dim", "Did you mean `model`?  Tables: endonym explain"),
    ("зур", "Tables: endonym explain"),
    ("learnig_rate", "Did you mean `phase.lr`?  Tables: endonym explain"),
    ("optim.lr", "Did you mean `phase.lr`?  Tables: endonym explain"),
]


@pytest.mark.parametrize(("key", "do"), UNKNOWN)
def test_an_unknown_key_gets_a_suggestion(key: str, do: str) -> None:
    with pytest.raises(RecipeError) as caught:
        explain(key)
    assert caught.value.do == do


@pytest.mark.parametrize(("asked", "key"), [
    ("vocab", "tokenizer.vocab"), ("phase.pretrain.lr", "phase.lr"),
    ("mixer.heads", "model.mixer.heads"), ("model.heads", "model.mixer.heads"),
    ("kind", "tokenizer.kind"),
])  # fmt: skip
def test_a_key_is_found_without_its_table_and_with_the_name_of_a_phase(asked: str, key: str):
    assert explain(asked).splitlines()[0] == key


KNOWN_NAMES = [
    ("batch size", "phase.batch_tokens", "batch_tokens = batch size × context"),
    ("phase.0.Learning-Rate", "phase.lr", "learning_rate is called lr here."),
    ("gradient_accumulation", "phase.micro_tokens", "= batch_tokens / accumulation steps"),
    ("warmup", "phase.warmup_steps", "is called warmup_steps"),
    ("fp16", "phase.number_format", "there is no fp16"),
    ("num_heads", "model.mixer.heads", "is called heads"),
]


@pytest.mark.parametrize(("asked", "key", "head"), KNOWN_NAMES)
def test_names_that_people_know_lead_to_ours(asked: str, key: str, head: str) -> None:
    lines = explain(asked).splitlines()
    assert head in lines[0]
    assert ("is called" in lines[0]) == ("is called" in head)
    assert lines[2] == key


@pytest.mark.parametrize(
    ("asked", "answer"),
    [("resume", "endonym run"), ("phase.resume", "endonym run"), ("tensorboard", "runs/NAME")],
)
def test_what_needs_no_key_is_said(asked: str, answer: str) -> None:
    assert answer in explain(asked)


def test_a_key_of_several_tables_is_explained_for_each() -> None:
    text = explain("kind")
    for name in ("tokenizer.kind", "model.mixer.kind", "model.ffn.kind", "evaluate.kind"):
        assert f"{name}\n" in text
    assert explain("mixer") == explain("model.mixer")


def test_schedules_are_drawn_from_their_formulas() -> None:
    drawing = schedule_curves()
    assert drawing in explain("phase.schedule")
    curves = dict(re.findall(r"  (\w+)\n((?:  [ ▁▂▃▄▅▆▇█]+\n){3})", drawing))
    assert set(curves) == set(SCHEDULES) == set(of("phase", "schedule")["enum"])
    bottoms = {name: curve.splitlines()[2][2:][-1] for name, curve in curves.items()}
    assert (bottoms["constant"], bottoms["cosine"], bottoms["linear"]) == ("█", "▂", "▁")
    assert all(curve.splitlines()[0].strip()[0] == "▁" for curve in curves.values())


def test_keys_said_to_be_chosen_exist_and_every_pattern_has_a_text() -> None:
    assert {table.dotted(key) for table, key in KEYS} >= AUTOPILOT
    found = re.findall(r'"pattern": ("(?:[^"\\]|\\.)*")', json.dumps(Recipe.model_json_schema()))
    assert {json.loads(each) for each in found} <= set(SHAPES)


@pytest.mark.parametrize(
    ("value", "key"), [("zero_width", "clean.normalize"), ("bits", "evaluate.kind")]
)
def test_a_value_leads_to_its_key(value: str, key: str) -> None:
    head, _, text = explain(value).partition("\n\n")
    assert head == f"{value} is a value of this key."
    assert text.startswith(key)


def test_a_table_is_written_as_one() -> None:
    assert toml_value({}) == "{}"
    table = {"khmer": 0.6, "ар тел": 0.4}
    assert tomllib.loads(f"sources = {toml_value(table)}") == {"sources": table}


def test_the_schema_names_every_key_refuses_others_and_knows_variants() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for table in tables(Recipe).values():
        node = DEFINITIONS[table.config.__name__] if table.name else schema
        assert node["additionalProperties"] is False
        assert set(node["properties"]) - {"variant"} == set(table.keys)
        assert all(each["title"] and each["description"] for each in node["properties"].values())
    variant = DEFINITIONS["Variant"]
    assert set(variant["properties"]) == set(Recipe.model_fields) - {"name"}
    assert "required" not in variant
    # An editor would write defaults, and a variant replaces what it names.
    assert not any("default" in node for node in variant["properties"].values())
    assert schema["properties"]["variant"]["additionalProperties"] == {"$ref": "#/$defs/Variant"}


def test_the_schema_says_nothing_that_toml_cannot_and_holds_what_it_refers_to() -> None:
    text = json.dumps(json_schema())
    for word in ('"null"', '"default": null', r"\\w"):
        assert word not in text
    assert set(re.findall(r'"#/\$defs/(\w+)"', text)) == set(DEFINITIONS)
    assert list(DEFINITIONS) == sorted(DEFINITIONS)


PATTERNS = [
    (r"^\w[\w.-]{0,63}$", ["әкият", "ខ្មែរ", "a_1.b-c"], ["-a", "a b", "", "ә" * 65]),
    (VARIANT_NAME, ["зур", "allo", "all2"], ["all", ".a", ""]),
]


@pytest.mark.parametrize(("pattern", "yes", "no"), PATTERNS)
def test_letters_of_every_script_are_letters(pattern: str, yes: list[str], no: list[str]):
    written = any_script(pattern)
    assert "\\w" not in written
    assert all(regex.search(written, word) for word in yes)
    assert not any(regex.search(written, word) for word in no)


def test_the_schema_of_a_key_has_its_type_its_bounds_and_no_null() -> None:
    seed, steps, phase = of("", "seed"), of("phase", "steps"), of("", "phase")
    assert (seed["type"], seed["minimum"], seed["default"]) == ("integer", 0, 42)
    assert steps["type"] == "integer"
    assert not {"default", "anyOf"} & set(steps)
    assert sorted(way["type"] for way in of("source", "column")["anyOf"]) == ["integer", "string"]
    assert (phase["type"], phase["items"]) == ("array", {"$ref": "#/$defs/Phase"})
    assert "$defs" not in phase


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The page's example, with the file that it names."""
    file = tmp_path / "tatar.toml"
    file.write_bytes((FOLDER / "example.toml").read_bytes())
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "tatar.txt").write_text("Кояшлы көндә\n", encoding="utf-8")
    return file


def test_the_prose_of_the_page_keeps_its_word(example: Path) -> None:
    """Its example is a recipe, its overrides can be typed, a variant replaces a table."""
    page = markdown()
    plain, wide = Recipe.load(example), Recipe.load(example, variant="wide")
    for variant in Recipe.variants(example):
        assert Recipe.load(example, variant=variant).run_name == f"tatar@{variant}"
    shown = re.findall(r"`--set (\S+=\w*)", page.partition("## `--set`")[2])
    assert len(shown) >= 4
    for override in shown:
        assert Recipe.load(example, sets=(override,)).sets == (override,)
    assert (wide.model.dim, wide.model.layers, wide.model.mixer.heads) == (768, 4, 12)
    assert wide.model.family == type(wide.model).model_fields["family"].default
    for table in ("source", "clean", "split", "tokenizer", "pack", "phase"):
        assert getattr(wide, table) == getattr(plain, table)
    assert "does not merge" in " ".join(page.split())
    assert "one of `steps`, `tokens` and `epochs`" in page
    with pytest.raises(RecipeError, match="steps"):
        Recipe.load(example, sets=("phase.0.epochs=2",))
    none = Recipe.load(example, sets=("phase.0.steps=",)).phase[0]
    assert (none.steps, none.tokens, none.epochs) == (None, None, None)
