"""Writes values and whole recipes as TOML."""

import json
import re
from collections.abc import Mapping
from typing import Any

from endonym.config import Config
from endonym.errors import printable

WIDE = 28
"""Columns of a line beside which its reason stands."""


def toml(value: Any) -> str:
    """A value in TOML, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:_}" if value >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def recipe_toml(data: Mapping[str, Any]) -> str:
    """A recipe's data as TOML: single keys first, then one table after the other."""
    parts = ["\n".join(_lines({k: v for k, v in data.items() if not _tables(v)}))]
    for name, value in data.items():
        heads = f"[[{_key(name)}]]" if isinstance(value, list) else f"[{_key(name)}]"
        parts += ["\n".join([heads, *_lines(table)]) for table in _tables(value)]
    return "\n\n".join(part for part in parts if part) + "\n"


def config_lines(config: Config, reasons: Mapping[str, str] | None = None) -> list[str]:
    """The fields of a config that differ from defaults, each with its reason if it has one."""
    given = config.model_dump(exclude_defaults=True)
    return [noted(f"{key} = {toml(each)}", (reasons or {}).get(key)) for key, each in given.items()]


def noted(line: str, reason: str | None) -> str:
    """A line with its reason as a comment: beside it, or above a long line."""
    if not reason:
        return line
    reason = printable(reason)
    return f"{line:<{WIDE}}# {reason}" if len(line) < WIDE else f"# {reason}\n{line}"


def _tables(value: Any) -> list[Mapping[str, Any]]:
    """The tables that a top-level key stands for; none for a single value."""
    listed = value if isinstance(value, list) else [value]
    return listed if listed and all(isinstance(each, Mapping) for each in listed) else []


def _lines(table: Mapping[str, Any]) -> list[str]:
    """The keys of a table, one a line; those of tables inside it are dotted."""
    lines: list[str] = []
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            lines += [f"{_key(key)}.{line}" for line in _lines(value)]
        else:
            lines.append(f"{_key(key)} = {toml(value)}")
    return lines


def _key(name: str) -> str:
    """A key, in quotes if TOML needs them."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml(name)
