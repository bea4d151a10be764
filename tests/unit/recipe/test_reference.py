"""What explains recipes: the command's text, and the page that is made from the configs."""

import dataclasses
import functools
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from endonym.errors import RecipeError
from endonym.model.families import FamilyDefaults
from endonym.recipe.diagnostics.messages import SHAPES
from endonym.recipe.keys import other_programs, tables
from endonym.recipe.recipe import Recipe
from endonym.recipe.reference import (
    AUTOPILOT,
    default_text,
    explain,
    markdown,
    schedule_curves,
    toml_value,
)
from endonym.recipe.schema import json_schema
from endonym.train.schedule import SCHEDULES

DOCS = Path(__file__).parents[3] / "docs"
KEYS = [(table, key) for table in tables(Recipe) for key in table.keys]


def dotted(table: Any, key: str) -> str:
    """The key from the top of the recipe."""
    return f"{table.name}.{key}" if table.name else key


@functools.cache
def page() -> str:
    """The page, made once."""
    return markdown()


def test_the_page_and_the_schema_are_current() -> None:
    remake = "make them anew: python -m endonym.recipe.reference docs/"
    assert (DOCS / "recipe.md").read_text(encoding="utf-8") == markdown(), remake
    written = json.loads((DOCS / "recipe.schema.json").read_text(encoding="utf-8"))
    assert written == json_schema(), remake


def test_the_module_writes_both_files(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "endonym.recipe.reference", str(tmp_path)]
    subprocess.run(command, check=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["recipe.md", "recipe.schema.json"]


def test_each_step_of_normalizing_is_explained_on_a_line_of_its_own() -> None:
    lines = explain("clean.normalize").splitlines()
    for step in ("nfc", "spaces", "zero_width"):
        assert any(line.startswith(f'    "{step}" ') for line in lines)
    assert "U+200B" in explain("clean.normalize")
    assert "U+200B" not in explain("clean")


@pytest.mark.parametrize(("table", "key"), KEYS, ids=[dotted(*each) for each in KEYS])
def test_every_key_has_a_meaning_a_type_and_a_default_on_the_page(table: Any, key: str) -> None:
    section = page().split(f"## `{table.header}`" if table.name else "## The top of a recipe")
    row = re.search(rf"^\| `{key}` \| (.+) \| (.+) \| (.+) \|$", section[1], re.MULTILINE)
    assert row is not None
    assert row[2] == default_text(table, key)
    assert len(row[3]) > 4
    default = table.keys[key].default
    if isinstance(default, bool | int | float | str):
        assert row[2] == toml_value(default)


@pytest.mark.parametrize(("table", "key"), KEYS, ids=[dotted(*each) for each in KEYS])
def test_every_key_is_explained(table: Any, key: str) -> None:
    text = explain(dotted(table, key))
    meaning = table.keys[key].description
    assert meaning is not None
    assert meaning in text


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
    assert 'type     one of "bpe", "unigram", "char", "byte"' in explain("tokenizer.kind")


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


@pytest.mark.parametrize(
    ("key", "do"),
    [
        ("model.mixer.head", "Did you mean `heads`?  All keys: endonym explain model.mixer"),
        ("model.mixer.haeds", "Did you mean `heads`?  All keys: endonym explain model.mixer"),
        ("modl.dim", "Did you mean `model`?  Tables: endonym explain"),
        ("зур", "Tables: endonym explain"),
        ("learnig_rate", "Did you mean `phase.lr`?  Tables: endonym explain"),
        ("phase.learnig_rate", "Did you mean `lr`?  All keys: endonym explain phase"),
    ],
)
def test_an_unknown_key_gets_a_suggestion(key: str, do: str) -> None:
    with pytest.raises(RecipeError) as caught:
        explain(key)
    assert caught.value.do == do


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ("lr", "phase.lr"),
        ("vocab", "tokenizer.vocab"),
        ("phase.pretrain.lr", "phase.lr"),
        ("source.leipzig.path", "source.path"),
        ("mixer.heads", "model.mixer.heads"),
        ("model.heads", "model.mixer.heads"),
        ("epochs", "phase.epochs"),
        ("kind", "tokenizer.kind"),
    ],
)
def test_a_key_is_found_without_its_table_and_with_the_name_of_a_phase(
    asked: str, key: str
) -> None:
    assert explain(asked).splitlines()[0] == key


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ("batch size", "phase.batch_tokens"),
        ("batch_size", "phase.batch_tokens"),
        ("phase.0.Learning-Rate", "phase.lr"),
        ("learning_rate", "phase.lr"),
        ("gradient_accumulation", "phase.micro_tokens"),
        ("grad_accum", "phase.micro_tokens"),
        ("warmup", "phase.warmup_steps"),
        ("vocab_size", "tokenizer.vocab"),
        ("dtype", "phase.number_format"),
        ("bf16", "phase.number_format"),
        ("n_layer", "model.layers"),
        ("hidden_size", "model.dim"),
        ("num_heads", "model.mixer.heads"),
    ],
)
def test_names_that_people_know_lead_to_ours(asked: str, key: str) -> None:
    text = explain(asked)
    assert key.rpartition(".")[2] in text.splitlines()[0]
    assert text.splitlines()[2] == key


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("gradient_accumulation", "micro_tokens = batch_tokens / accumulation steps"),
        ("batch_size", "batch_tokens = batch size × context"),
        ("fp16", "there is no fp16"),
    ],
)
def test_a_name_for_another_unit_is_converted(asked: str, said: str) -> None:
    first = explain(asked).splitlines()[0]
    assert said in first
    assert "is called" not in first
    assert explain("learning_rate").startswith("learning_rate is called lr here.")


@pytest.mark.parametrize(
    ("value", "key"), [("zero_width", "clean.normalize"), ("bits", "evaluate.kind")]
)
def test_a_value_leads_to_its_key(value: str, key: str) -> None:
    head, _, text = explain(value).partition("\n\n")
    assert head == f"{value} is a value of this key."
    assert text.startswith(key)


def test_a_key_in_a_table_that_is_not_ours_leads_to_the_table_that_has_it() -> None:
    with pytest.raises(RecipeError) as caught:
        explain("optim.lr")
    assert "`phase.lr`" in caught.value.do


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
    assert set(curves) == set(SCHEDULES)
    bottoms = {name: curve.splitlines()[2][2:] for name, curve in curves.items()}
    assert bottoms["constant"][-1] == "█"
    assert bottoms["cosine"][-1] == "▂"
    assert bottoms["linear"][-1] == "▁"
    assert all(curve.splitlines()[0].strip()[0] == "▁" for curve in curves.values())


def test_keys_said_to_be_chosen_or_known_by_other_names_exist() -> None:
    names = {dotted(*each) for each in KEYS}
    assert names >= AUTOPILOT
    assert {key for _, key in KEYS} >= set(other_programs()["names"].values())


def patterns(node: Any) -> set[str]:
    """Every pattern in the configs."""
    if isinstance(node, dict):
        own = {node["pattern"]} if isinstance(node.get("pattern"), str) else set[str]()
        return own.union(*(patterns(value) for value in node.values()))
    return (
        set[str]().union(*(patterns(value) for value in node)) if isinstance(node, list) else set()
    )


def test_every_pattern_has_a_text() -> None:
    assert patterns(Recipe.model_json_schema()) <= set(SHAPES)


@pytest.mark.parametrize(("table", "key"), KEYS)
def test_a_default_that_is_said_to_be_the_family_s_is_a_field_of_the_family(
    table: Any, key: str
) -> None:
    of_family = {field.name for field in dataclasses.fields(FamilyDefaults)} | {"kind", "window"}
    if default_text(table, key) == "from the family":
        assert key in of_family


def test_a_table_is_written_as_one() -> None:
    assert toml_value({}) == "{}"
    table = {"khmer": 0.6, "ар тел": 0.4}
    assert tomllib.loads(f"sources = {toml_value(table)}") == {"sources": table}
