"""The reference of recipes, made from the configs: `endonym explain`, docs/recipe.md, the schema.

`python -m endonym.recipe.reference docs/` writes the two files again.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from endonym.errors import RecipeError
from endonym.export.markdown import templates_in
from endonym.recipe.diagnostics.messages import SHAPES, unknown_key
from endonym.recipe.diagnostics.text import dotted
from endonym.recipe.keys import (
    Table,
    inner,
    meant,
    other_programs,
    plain_word,
    table_named,
    tables,
)
from endonym.recipe.recipe import Recipe
from endonym.recipe.schema import any_script, json_schema, key_schema
from endonym.train.schedule import SCHEDULES, multiplier

FOLDER = Path(__file__).parent
AUTOPILOT = frozenset(
    {
        "tokenizer.vocab",
        "pack.context",
        "model.dim",
        "model.layers",
        "model.mixer.heads",
        "model.dropout",
        "phase.steps",
        "phase.tokens",
        "phase.epochs",
        "phase.flops",
        "phase.batch_tokens",
        "phase.betas",
        "phase.optimizer",
        "phase.lr",
        "phase.embedding_lr",
        "phase.warmup_steps",
        "phase.schedule",
        "phase.weight_decay",
    }
)
"""Keys that the autopilot chooses from the texts and the machine if they are left out."""
CURVE_COLUMNS, CURVE_ROWS, CURVE_WARMUP = 48, 3, 6
TYPES = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
}
LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
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
    known = {table.name: table for table in tables(Recipe)}
    if name in known:
        return _explain_table(known[name])
    found = meant(Recipe, names)
    if found:
        other = plain_word(names[-1])
        text = "\n\n".join(_explain_key(*each) for each in found)
        if other == found[0][1]:
            return text
        said = other_programs()["conversions"].get(other)
        head = f"{other}: {said}" if said else f"{other} is called {found[0][1]} here."
        return f"{head}\n\n{text}"
    if len(names) == 1 and (of_value := list(_keys_with_value(name))):
        text = "\n\n".join(_explain_key(*each) for each in of_value)
        return f"{name} is a value of this key.\n\n{text}"
    if instead := other_programs()["without_key"].get(plain_word(names[-1])):
        return f"{name}: {instead}"
    wrong = next(n for n in range(1, len(names) + 1) if ".".join(names[:n]) not in known)
    problem = unknown_key(Recipe, tuple(names[:wrong]), name, names[-1:] if names[wrong:] else [])
    raise RecipeError(problem.message, do=problem.do_in_set or problem.do)


def _keys_with_value(value: str) -> Iterator[tuple[Table, str]]:
    """The keys that may have this text as their value."""
    for table in tables(Recipe):
        for key in table.keys:
            if value in type_text(key_schema(table, key)).split('"')[1::2]:
                yield table, key


def _explain_table(table: Table) -> str:
    """A table: what it is for, and its keys with their meanings."""
    keys = {key: first_line(field.description) for key, field in table.keys.items()}
    width = max(len(key) for key in keys)
    lines = [f"  {key:<{width}}  {meaning}" for key, meaning in keys.items()]
    head = f"{table.header}: {table.description}" if table.name else table.description
    first = f"{table.name}." if table.name else ""
    last = f"More: endonym explain {first}{next(iter(keys))}"
    variant = [] if table.name else [f"  {'variant':<{width}}  other versions of this recipe"]
    return "\n".join([head, "", *lines, *variant, "", last])


def first_line(description: str | None) -> str:
    """What a key means, without the details below."""
    return (description or "").split("\n")[0]


def _explain_key(table: Table, key: str) -> str:
    """A key: meaning, type, default, and the config that defines it; or the table that it is."""
    inside = table_named(Recipe, table.dotted(key))
    if inside is not None:
        return _explain_table(inside)
    path = table.config.__module__.replace(".", "/")
    lines = [
        table.dotted(key),
        f"  {table.keys[key].description}",
        "",
        f"  type     {type_text(key_schema(table, key))}",
        f"  default  {default_text(table, key)}",
        f"  source   {table.config.__name__} in {path}.py",
    ]
    if table.dotted(key) == "phase.schedule":
        lines += ["", schedule_curves()]
    return "\n".join(lines)


def schedule_curves() -> str:
    """Each schedule's learning rate over a phase, as rows of bars computed from its formula."""
    lines: list[str] = []
    full = len(BARS) - 1
    for name in SCHEDULES:
        heights = [
            multiplier(name, step=step, steps=CURVE_COLUMNS, warmup_steps=CURVE_WARMUP)
            for step in range(CURVE_COLUMNS)
        ]
        eighths = [round(height * full * CURVE_ROWS) for height in heights]
        lines.append(f"  {name}")
        for row in reversed(range(CURVE_ROWS)):
            bars = (BARS[min(full, max(0, each - full * row))] for each in eighths)
            lines.append(f"  {''.join(bars)}".rstrip())
    return "\n".join([*lines, f"  0 {'steps':^{CURVE_COLUMNS - 4}} end"])


def type_text(node: dict[str, Any]) -> str:
    """The values that a key takes, in words."""
    ways = node.get("anyOf") or node.get("oneOf")
    if ways:
        return " or ".join(type_text(way) for way in ways)
    values = node.get("enum", [node["const"]] if "const" in node else [])
    if values:
        listed = ", ".join(toml_value(value) for value in values)
        return f"one of {listed}" if len(values) > 1 else listed
    if node.get("type") == "array":
        if "prefixItems" in node:
            first = type_text(node["prefixItems"][0])
            return f"list of {len(node['prefixItems'])}, each a {first}"
        text = type_text(node.get("items", {}))
        return "tables" if text == "table" else f"list of {text.removeprefix('one of ')}"
    text = TYPES.get(node.get("type", ""), "table")
    limits = [f"{sign} {toml_value(node[name])}" for name, sign in LIMITS.items() if name in node]
    shape = SHAPE_TEXTS.get(node.get("pattern", ""))
    return f"{text}: {shape}" if shape else " ".join([text, " and ".join(limits)]).strip()


def toml_value(value: Any) -> str:
    """A value as a recipe writes it."""
    if isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        return f"{value:_}" if value < 2**62 else "2**63"
    if isinstance(value, float):
        return f"{value:_.1f}" if value.is_integer() else f"{value:g}"
    if isinstance(value, dict):
        pairs = [
            f"{json.dumps(key, ensure_ascii=False)} = {toml_value(value[key])}" for key in value
        ]
        return f"{{{', '.join(pairs)}}}"
    return f"[{', '.join(toml_value(item) for item in value)}]"


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


def markdown() -> str:
    """docs/recipe.md: an example, the rules, and every table with its keys."""
    environment = templates_in(FOLDER)
    environment.filters["one_line"] = _cell
    return environment.get_template("reference.md").render(
        tables=list(tables(Recipe)),
        type_text=type_text,
        key_schema=key_schema,
        default_text=default_text,
        first_line=first_line,
        schedule_curves=schedule_curves,
    )


def _cell(text: str) -> str:
    """Text for a cell of a Markdown table."""
    return re.sub(r"\s+", " ", text).strip().replace("|", "\\|")


def write(folder: Path) -> None:
    """Write recipe.md and recipe.schema.json."""
    schema = json.dumps(json_schema(), ensure_ascii=False, indent=2) + "\n"
    (folder / "recipe.schema.json").write_text(schema, encoding="utf-8", newline="\n")
    (folder / "recipe.md").write_text(markdown(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m endonym.recipe.reference FOLDER")
    write(Path(sys.argv[1]))
