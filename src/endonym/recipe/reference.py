"""The reference of recipes, made from the configs: `endonym explain`, docs/recipe.md, the schema.

`python -m endonym.recipe.reference docs/` writes the two files again.
"""

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from endonym.config import Config
from endonym.errors import RecipeError, plain_word
from endonym.export.markdown import templates_in
from endonym.recipe.keys import Table, inner, meant, other_programs, tables
from endonym.recipe.messages import SHAPES, WORDS, unknown_key
from endonym.recipe.recipe import Recipe
from endonym.recipe.text import dotted
from endonym.train.config import Phase, resolve_phase
from endonym.train.schedule import SCHEDULES, lr_scale

DIALECT = "https://json-schema.org/draft/2020-12/schema"
WORD_SIGNS = r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}"
"""The configs' `\\w` matches letters of every script; that of JSON Schema only ASCII."""
VARIANT_NAME = rf"^(?!all$)[{WORD_SIGNS}][{WORD_SIGNS}.-]{{0,63}}$"


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of recipes, variants included."""
    schema = _plain(Recipe.model_json_schema())
    definitions = schema.pop("$defs")
    for table in tables(Recipe).values():
        node = definitions[table.config.__name__] if table.name else schema
        # Titles as recipes and `endonym explain` name tables and keys.
        node["title"] = table.title
        node["description"] = (table.config.__doc__ or "").strip()
        for key, property_node in node["properties"].items():
            property_node["title"] = f"{table.name}.{key}" if table.name else key
            property_node["description"] = table.meaning(key)
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
    return _properties(table.config)[key]


@cache
def _properties(config: type[Config]) -> dict[str, dict[str, Any]]:
    return _plain(config.model_json_schema()["properties"])


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


FOLDER = Path(__file__).parent
AUTOPILOT = frozenset(WORDS["autopilot"])
CURVE_COLUMNS = 48
CURVE_ROWS = 3
CURVE_WARMUP = 6
SHAPE_TEXTS = {any_script(pattern): text for pattern, text in SHAPES.items()}
BARS = " ▁▂▃▄▅▆▇█"


def explain(key: str = "") -> str:
    """Meaning, type, default and source of a key, or the keys of a table.

    The empty key lists the tables. A key may stand without its table and under a name that other
    programs use. Raises RecipeError for a key that does not exist.
    """
    names = [part for part in dotted(key) if part and not part.isdecimal()]
    name = ".".join(names)
    if name.partition(".")[0] == "variant":
        variants = FOLDER.joinpath("variants.md").read_text(encoding="utf-8")
        return f"[variant.NAME.…]\n\n{variants}"
    by_name = tables(Recipe)
    elsewhere = other_programs()
    if name in by_name:
        return _explain_table(by_name[name])
    last = plain_word(names[-1])
    head = ""
    keys = meant(Recipe, names)
    if keys and last != keys[0][1]:
        conversion = elsewhere["conversions"].get(last)
        head = f"{last}: {conversion}" if conversion else f"{last} is called {keys[0][1]} here."
    elif not keys and len(names) == 1:
        head = f"{name} is a value of this key."
        every = [(table, key) for table in by_name.values() for key in table.keys]
        keys = [each for each in every if name in type_text(key_schema(*each)).split('"')[1::2]]
    if keys:
        return "\n\n".join([*([head] if head else []), *(_explain_key(*each) for each in keys)])
    if instead := elsewhere["without_key"].get(last):
        return f"{name}: {instead}"
    wrong = next(n for n in range(1, len(names) + 1) if ".".join(names[:n]) not in by_name)
    problem = unknown_key(Recipe, tuple(names[:wrong]), name, names[-1:] if names[wrong:] else [])
    raise RecipeError(problem.message, do=problem.do_in_set or problem.do)


def _explain_table(table: Table) -> str:
    """A table: what it is for, and its keys with their meanings."""
    keys = {key: first_line(table.meaning(key)) for key in table.keys}
    width = max(len(key) for key in keys)
    lines = [f"  {key:<{width}}  {meaning}" for key, meaning in keys.items()]
    head = f"{table.header}: {table.description}" if table.name else table.description
    first = f"{table.name}." if table.name else ""
    last = f"More: endonym explain {first}{next(iter(keys))}"
    variant = [] if table.name else [f"  {'variant':<{width}}  other versions of this recipe"]
    return "\n".join([head, "", *lines, *variant, "", last])


def first_line(description: str) -> str:
    """What a key means, without the details below."""
    return description.split("\n")[0]


def _explain_key(table: Table, key: str) -> str:
    """A key: meaning, type, default, and the config that defines it; or the table that it is."""
    name = table.dotted(key)
    if name in tables(Recipe):
        return _explain_table(tables(Recipe)[name])
    lines = [
        name,
        f"  {table.meaning(key)}",
        "",
        f"  type     {type_text(key_schema(table, key))}",
        f"  default  {default_text(table, key)}",
        f"  source   {table.config.__name__} in {table.config.__module__.replace('.', '/')}.py",
    ]
    return "\n".join([*lines, "", schedule_curves()] if name == "phase.schedule" else lines)


def schedule_curves() -> str:
    """Each schedule's learning rate over a phase, as rows of bars computed from its formula."""
    lines: list[str] = []
    full = len(BARS) - 1
    for name in SCHEDULES:
        keys = {"schedule": name, "steps": CURVE_COLUMNS, "warmup_steps": CURVE_WARMUP}
        phase = Phase.model_validate({**keys, "lr": 1.0, "number_format": "fp32"})
        config = resolve_phase(phase, context=1, positions=1)
        heights = [lr_scale(config, step) for step in range(CURVE_COLUMNS)]
        eighths = [round(height * full * CURVE_ROWS) for height in heights]
        lines.append(f"  {name}")
        for row in reversed(range(CURVE_ROWS)):
            bars = (BARS[min(full, max(0, eighth - full * row))] for eighth in eighths)
            lines.append(f"  {''.join(bars)}".rstrip())
    return "\n".join([*lines, f"  0 {'steps':^{CURVE_COLUMNS - 4}} end"])


def type_text(node: dict[str, Any]) -> str:
    """The values that a key takes, in words."""
    ways = node.get("anyOf") or node.get("oneOf")
    if ways:
        return " or ".join(type_text(way) for way in ways)
    values = node.get("enum", [node["const"]] if "const" in node else [])
    if values:
        every = ", ".join(toml_value(value) for value in values)
        return f"one of {every}" if len(values) > 1 else every
    if node.get("type") == "array":
        if "prefixItems" in node:
            first = type_text(node["prefixItems"][0])
            return f"list of {len(node['prefixItems'])}, each a {first}"
        text = type_text(node.get("items", {}))
        return "tables" if text == "table" else f"list of {text.removeprefix('one of ')}"
    text = WORDS["types"].get(node.get("type", ""), "table")
    limits = [
        f"{sign} {toml_value(node[name])}" for name, sign in WORDS["signs"].items() if name in node
    ]
    shape = SHAPE_TEXTS.get(node.get("pattern", ""))
    return f"{text}: {shape}" if shape else " ".join([text, " and ".join(limits)]).strip()


def toml_value(value: Any) -> str:
    """A value as the reference writes it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:_}" if value < 2**62 else "2**63"
    if isinstance(value, float):
        return f"{value:_.1f}" if value.is_integer() else f"{value:g}"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{toml_value(key)} = {toml_value(value[key])}' for key in value)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=False)


def default_text(table: Table, key: str) -> str:
    """The default of a key, in words."""
    field = table.keys[key]
    config, _ = inner(field.annotation)
    if field.is_required():
        return "required"
    if config is not None:
        return "its keys' defaults" if field.default_factory else "none"
    if field.default is not None:
        return toml_value(field.default)
    if table.dotted(key) in AUTOPILOT:
        return "chosen from your texts and this machine"
    if isinstance(field.json_schema_extra, dict) and "unset" in field.json_schema_extra:
        return str(field.json_schema_extra["unset"])
    if table.name == "clean":
        return "not applied"
    return "from the family" if table.name.startswith("model") and key != "folder" else "not set"


def one_line(text: str) -> str:
    """Text for a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def markdown() -> str:
    """docs/recipe.md: an example, the rules, and every table with its keys."""
    environment = templates_in(FOLDER)
    environment.filters["one_line"] = one_line
    return environment.get_template("reference.md").render(
        tables=tables(Recipe).values(),
        type_text=type_text,
        key_schema=key_schema,
        default_text=default_text,
        first_line=first_line,
        schedule_curves=schedule_curves,
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m endonym.recipe.reference FOLDER")
    folder = Path(sys.argv[1])
    schema = json.dumps(json_schema(), ensure_ascii=False, indent=2) + "\n"
    (folder / "recipe.schema.json").write_text(schema, encoding="utf-8", newline="\n")
    (folder / "recipe.md").write_text(markdown(), encoding="utf-8", newline="\n")
