"""The JSON Schema of recipes: every key, variants, and nothing that TOML cannot say."""

import json
import re
from typing import Any

import pytest
import regex

from endonym.recipe.keys import tables
from endonym.recipe.recipe import Recipe
from endonym.recipe.reference import VARIANT_NAME, any_script, json_schema, key_schema
from endonym.train.schedule import SCHEDULES


def test_every_schedule_that_a_phase_may_name_is_drawn() -> None:
    names = json_schema()["$defs"]["Phase"]["properties"]["schedule"]["enum"]
    assert set(names) == set(SCHEDULES)


def test_the_schema_names_every_key_refuses_others_and_knows_variants() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for table in tables(Recipe).values():
        node = schema["$defs"][table.config.__name__] if table.name else schema
        assert node["additionalProperties"] is False
        assert set(node["properties"]) - {"variant"} == set(table.keys)
        for property_node in node["properties"].values():
            assert property_node["title"]
            assert property_node["description"]
    variant = schema["$defs"]["Variant"]
    assert set(variant["properties"]) == set(Recipe.model_fields) - {"name"}
    assert "required" not in variant
    assert schema["properties"]["variant"]["additionalProperties"] == {"$ref": "#/$defs/Variant"}


def test_the_schema_says_nothing_that_toml_cannot() -> None:
    text = json.dumps(json_schema())
    assert '"null"' not in text
    assert '"default": null' not in text
    assert r"\\w" not in text


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        (r"^\w[\w.-]{0,63}$", ["әкият", "ខ្មែរ", "a_1.b-c"], ["-a", "a b", "", "ә" * 65]),
        (VARIANT_NAME, ["зур", "allo", "all2"], ["all", ".a", ""]),
    ],
)
def test_letters_of_every_script_are_letters_to_an_editor_too(
    pattern: str, yes: list[str], no: list[str]
) -> None:
    written = any_script(pattern)
    assert "\\w" not in written
    for word in yes:
        assert regex.search(written, word), word
    for word in no:
        assert not regex.search(written, word), word


def test_the_schema_of_a_key_has_its_type_its_bounds_and_no_null() -> None:
    def of(table: str, key: str) -> dict[str, Any]:
        found = tables(Recipe).get(table)
        assert found is not None
        return key_schema(found, key)

    seed = of("", "seed")
    assert (seed["type"], seed["minimum"], seed["default"]) == ("integer", 0, 42)
    steps = of("phase", "steps")
    assert steps["type"] == "integer"
    assert "default" not in steps
    assert "anyOf" not in steps
    column = [way["type"] for way in of("source", "column")["anyOf"]]
    assert sorted(column) == ["integer", "string"]
    phase = of("", "phase")
    assert (phase["type"], phase["items"]) == ("array", {"$ref": "#/$defs/Phase"})
    assert "$defs" not in phase


def test_everything_that_the_schema_refers_to_is_in_it() -> None:
    schema = json_schema()
    references = set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(schema)))
    assert references == set(schema["$defs"])
    assert list(schema["$defs"]) == sorted(schema["$defs"])


def test_a_variant_takes_no_defaults_from_the_schema() -> None:
    """An editor would write them, and a variant replaces what it names."""
    for node in json_schema()["$defs"]["Variant"]["properties"].values():
        assert "default" not in node
