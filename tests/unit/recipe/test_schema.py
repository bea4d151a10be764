"""The JSON Schema of recipes: every key, variants, and nothing that TOML cannot say."""

import json

from endonym.recipe.keys import tables
from endonym.recipe.recipe import Recipe
from endonym.recipe.schema import json_schema
from endonym.train.schedule import SCHEDULES


def test_every_schedule_that_a_phase_may_name_is_drawn() -> None:
    names = json_schema()["$defs"]["Phase"]["properties"]["schedule"]["enum"]
    assert set(names) == set(SCHEDULES)


def test_the_schema_names_every_key_refuses_others_and_knows_variants() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for table in tables(Recipe):
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
