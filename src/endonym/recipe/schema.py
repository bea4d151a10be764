"""The JSON Schema of recipes, for editors that complete and check TOML as it is typed."""

from typing import Any

from endonym.recipe.keys import Table, tables
from endonym.recipe.recipe import Recipe

DIALECT = "https://json-schema.org/draft/2020-12/schema"
WORD_SIGNS = r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}"
"""The configs' `\\w` matches letters of every script; that of JSON Schema only ASCII."""
VARIANT_NAME = rf"^(?!all$)[{WORD_SIGNS}][{WORD_SIGNS}.-]{{0,63}}$"


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of recipes, variants included."""
    schema = _plain(Recipe.model_json_schema())
    definitions = schema.pop("$defs")
    for table in tables(Recipe):
        node = definitions[table.config.__name__] if table.name else schema
        # Titles as recipes and `endonym explain` name tables and keys.
        node["title"] = table.title
        node["description"] = (table.config.__doc__ or "").strip()
        for key, property_node in node["properties"].items():
            property_node["title"] = f"{table.name}.{key}" if table.name else key
    # A variant holds what a recipe holds, except its name; nothing is required.
    definitions["Variant"] = {
        "type": "object",
        "title": "a variant",
        "description": "Tables that stand in for the recipe's own, each as a whole.",
        "properties": {
            key: _of_variant(node) for key, node in schema["properties"].items() if key != "name"
        },
        "additionalProperties": False,
    }
    schema["properties"]["variant"] = {
        "type": "object",
        "title": "variant",
        "description": "other versions of this recipe; a variant's table replaces the table, or "
        "changes keys of the items of a list",
        "propertyNames": {"pattern": VARIANT_NAME},
        "additionalProperties": {"$ref": "#/$defs/Variant"},
    }
    return {"$schema": DIALECT, **schema, "$defs": dict(sorted(definitions.items()))}


def _of_variant(node: dict[str, Any]) -> dict[str, Any]:
    """A key of a recipe in a variant: a list may be a table with changes to its items."""
    kept = {name: value for name, value in node.items() if name not in ("default", "title")}
    is_of_tables = kept.get("type") == "array" and "$ref" in kept.get("items", {})
    return {"anyOf": [kept, {"type": "object"}]} if is_of_tables else kept


def key_schema(table: Table, key: str) -> dict[str, Any]:
    """The schema of one key, without the schemas of tables it refers to."""
    return _plain(table.config.model_json_schema()["properties"][key])


def _plain(node: Any) -> Any:
    """The schema without null, which TOML lacks, and with `\\w` for letters of every script."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _plain(value)
        for key, value in node.items()
        if not (key == "default" and value is None)
    }
    ways = [way for way in kept.get("anyOf", []) if way != {"type": "null"}]
    if len(ways) == 1:
        del kept["anyOf"]
        kept = {**ways[0], **kept}
    elif ways:
        kept["anyOf"] = ways
    if isinstance(kept.get("pattern"), str):
        kept["pattern"] = any_script(kept["pattern"])
    return kept


def any_script(pattern: str) -> str:
    """The pattern with `\\w` written out."""
    bare = pattern.replace(r"[\w", f"[{WORD_SIGNS}")
    return bare.replace(r"\w", f"[{WORD_SIGNS}]")
