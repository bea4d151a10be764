"""From a recipe's file to its data and back: reading, variants, overrides, writing."""

import json
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import regex

from endonym.config import Config
from endonym.errors import RecipeError, decoded, did_you_mean, nearest, printable
from endonym.recipe.messages import findings, shown
from endonym.recipe.problems import Origin, Problem
from endonym.recipe.text import KeyPath, dotted, normal, syntax_error

LARGEST_BYTES = 1_000_000
DEEPEST_LEVELS = 32
SHOWN_CHARS = 200
DEFAULT_NAMES = {"phase": "pretrain"}
"""The default names of list items."""
VARIANT_NAME = regex.compile(r"\w[\w.-]{0,63}")


def read(path: Path) -> str:
    """The text of the recipe's file, unchanged."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise RecipeError("there is no such recipe.", where=path, do=_others(path)) from None
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        do = "Name a file: endonym check recipes/tatar.toml"
        raise RecipeError(f"{reason}.", where=path, do=do) from None
    if len(raw) > LARGEST_BYTES:
        do = "Texts stand in files of their own; a recipe names them."
        raise RecipeError("a recipe holds at most 1 MB.", where=path, do=do)
    return decoded(raw, path)


def _others(path: Path) -> str:
    """What to do about a missing recipe: the nearest name, or the recipes in the same folder."""
    folder = path.parent
    if not folder.is_dir():
        question = did_you_mean(str(path), sorted(map(str, Path().glob("*/*.toml"))))
        return question.strip() or f"There is no folder {folder}."
    names = sorted(each.name for each in folder.glob("*.toml"))
    if near := nearest(path.name, names):
        return f"Did you mean `{folder / near}`?"
    if names:
        return f"Recipes in {folder}: {', '.join(names)}"
    return f"There are no recipes in {folder}.  Start one: endonym new {folder}"


def parse(path: Path, text: str) -> dict[str, Any]:
    """The text as TOML."""
    try:
        data = tomllib.loads(normal(text))
    except RecursionError:
        data = None
    except ValueError as error:
        raise syntax_error(str(path), normal(text), str(error)) from None
    if data is None or _depth(data) > DEEPEST_LEVELS:
        do = f"No key needs more than {DEEPEST_LEVELS} levels."
        raise RecipeError("tables or lists are nested too deeply.", where=path, do=do)
    return data


def _depth(data: Mapping[str, Any]) -> int:
    """How many levels of tables and lists are nested."""
    level: list[Any] = [data]
    depth = 0
    while level:
        depth += 1
        inside = [each.values() if isinstance(each, dict) else each for each in level]
        level = [value for values in inside for value in values if isinstance(value, dict | list)]
    return depth


def lay_variant(
    root: type[Config], data: dict[str, Any], origin: Origin
) -> tuple[dict[str, Any], list[Problem]]:
    """The recipe with its variant's tables in place, and the problems of every variant.

    Raises RecipeError if the recipe lacks the variant that was asked for.
    """
    base = dict(data)
    variants = base.pop("variant", {})
    if not isinstance(variants, dict):
        do = "Write [variant.NAME.model], for example."
        return base, [Problem(("variant",), "variant must be a table of variants.", do)]
    wanted = origin.variant
    if wanted is not None and wanted not in variants:
        names = sorted(variants)
        variants_text = f"Variants: {', '.join(names)}" if names else "It has no variants."
        message = f"variant {wanted} is not in this recipe."
        do = did_you_mean(wanted, names) + variants_text
        raise RecipeError(message, where=origin.path, do=do)
    chosen = base
    problems = list[Problem]()
    for name, tables in variants.items():
        variant_path: KeyPath = ("variant", name)
        if not isinstance(tables, dict):
            do = f"Write [variant.{name}.model], for example: a variant replaces whole tables."
            problems.append(Problem(variant_path, f"variant.{name} must be a table.", do))
            continue
        if name == "all" or not VARIANT_NAME.fullmatch(name):
            do = "Use letters, digits, `_`, `.` or `-`; `all` means the recipe and every variant."
            problems.append(Problem(variant_path, f"{name!r} cannot name a variant.", do))
        if "name" in tables:
            do = f"Leave it out: its runs are called {base.get('name', 'NAME')}@{name}."
            path = (*variant_path, "name")
            problems.append(Problem(path, "a variant cannot rename the recipe.", do))
        laid, misplaced = _laid(base, tables)
        problems += [replace(problem, path=(*variant_path, key)) for key, problem in misplaced]
        if name == wanted:
            chosen = laid
            continue
        # The keys of the other variants are checked as well.
        of_keys, _ = problems_and_values(root, laid)
        inside = [each for each in of_keys if each.path and each.path[0] in tables]
        problems += [replace(each, path=(*variant_path, *each.path)) for each in inside]
    return chosen, problems


def _laid(
    base: Mapping[str, Any], tables: Mapping[str, Any]
) -> tuple[dict[str, Any], list[tuple[str, Problem]]]:
    """The recipe with a variant's tables, and what is wrong, each with the table's key.

    A table takes the place of the recipe's own. A table for a list, such as [variant.NAME.phase],
    changes keys of the list's items.
    """
    laid = dict(base)
    problems = list[tuple[str, Problem]]()

    def lay(path: list[str], value: Any) -> None:
        if isinstance(value, dict):
            for key, inside in value.items():
                lay([*path, key], inside)
        elif (problem := set_value(laid, path, value)[1]) is not None:
            problems.append((path[0], problem))

    for name, value in tables.items():
        if isinstance(base.get(name), list) and isinstance(value, dict):
            laid[name] = deepcopy(base[name])
            lay([name], value)
        else:
            laid[name] = value
    return laid, problems


def problems_and_values(
    root: type[Config], data: Mapping[str, Any]
) -> tuple[list[Problem], dict[str, Any]]:
    """The problems of single keys, one for each key, and the values that a key can take."""
    unusable, values = plain(data)
    paths = {problem.path for problem in unusable}
    return [*unusable, *(each for each in findings(root, values) if each.path not in paths)], values


def plain(data: Mapping[str, Any]) -> tuple[list[Problem], dict[str, Any]]:
    """The problems of values that no key takes (dates, infinities), and the data without them."""
    problems: list[Problem] = []

    def kept(value: Any, path: KeyPath) -> Any:
        if isinstance(value, dict):
            # From Python, None stands for a key that is left out.
            given = [(key, item) for key, item in value.items() if item is not None]
            return {key: kept(item, (*path, key)) for key, item in given}
        if isinstance(value, list | tuple):
            return [kept(item, (*path, number)) for number, item in enumerate(value)]
        if isinstance(value, float) and not math.isfinite(value):
            return refused(path, f"{value} is not a number one can use.", "Write a finite number.")
        if value is None or isinstance(value, str | int | float):
            return value
        message = f"{value} is a {type(value).__name__}, which no key takes."
        if isinstance(value, Iterator):
            return refused(path, message, "Write list(…) around it.")
        return refused(path, message, f'Write it in quotes: "{value}"')

    def refused(path: KeyPath, message: str, do: str) -> None:
        problems.append(Problem(path, f"{shown(path, data)} = {message}", do, at_value=True))

    return problems, kept(data, ())


def lay_sets(
    data: Mapping[str, Any], sets: Iterable[str]
) -> tuple[dict[str, Any], list[Problem], dict[KeyPath, str]]:
    """The data with every `KEY=VALUE` applied, the problems, and the override of each key."""
    changed = deepcopy(dict(data))
    problems: list[Problem] = []
    labels: dict[KeyPath, str] = {}
    for override in sets:
        short = override if len(override) <= SHOWN_CHARS else f"{override[:SHOWN_CHARS]}…"
        label = f"--set {short}"
        key, equals, value = override.partition("=")
        parts = dotted(key)
        if any("\ud800" <= sign <= "\udfff" for sign in override):
            do = "Set your terminal to UTF-8 and write it again."
            problem = Problem((), "it is not UTF-8.", do)
        elif not equals or not key.strip():
            do = "Write KEY=VALUE, such as --set phase.0.steps=10"
            problem = Problem((), "a key and a value are needed.", do)
        elif len(parts) > DEEPEST_LEVELS:
            do = f"No key needs more than {DEEPEST_LEVELS} levels."
            problem = Problem((), f"a key of {len(parts):,} parts.", do)
        else:
            path, problem = set_value(changed, parts, _value(value))
            labels |= {path: label} if problem is None else {}
        if problem is not None:
            problems.append(replace(problem, where=label))
    return changed, problems, labels


def _value(text: str) -> Any:
    """The value as TOML, else as text; None, which removes the key, for an empty one."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text.strip() or None
    is_one_value = list(parsed) == ["value"] and _depth(parsed) <= DEEPEST_LEVELS
    return parsed["value"] if is_one_value else text


def set_value(data: dict[str, Any], key: list[str], value: Any) -> tuple[KeyPath, Problem | None]:
    """Set a dotted key, or remove it if the value is None; list items go by name or number.

    The only item of a list may be left out: `phase.lr`.
    """
    path: list[Any] = []
    at: Any = data  # the table or list that the next part is looked up in
    for number, part in enumerate(key):
        above = ".".join(key[:number])
        is_last = number == len(key) - 1
        if path:
            at = at.setdefault(path[-1], {}) if isinstance(at, dict) else at[path[-1]]
        is_of_only_item = isinstance(at, list) and len(at) == 1 and isinstance(at[0], dict)
        if is_last and is_of_only_item and not part.isdecimal() and part not in _names(at, above):
            path = [*path, 0]
            at = at[0]
        if isinstance(at, dict):
            path.append(part)
        elif isinstance(at, list) and part in (names := _names(at, above)):
            path.append(names.index(part))
        elif isinstance(at, list) and part.isdecimal() and int(part) < len(at):
            path.append(int(part))
        else:
            return tuple(path), _no_item(at, part, above, is_last=is_last)
    if value is not None:
        at[path[-1]] = value
    elif isinstance(at, dict):
        at.pop(path[-1], None)
    else:
        del at[path[-1]]
    return tuple(path), None


def _names(items: Any, above: str) -> list[str | None]:
    """The names of list items; None for what has none. above: the dotted key of the list."""
    default = DEFAULT_NAMES.get(above)
    return [item.get("name", default) if isinstance(item, dict) else None for item in items]


def _no_item(at: Any, part: str, above: str, *, is_last: bool) -> Problem:
    """The problem of a part of a dotted key that names no key or item of `at`, what is above it."""
    if not isinstance(at, list):
        return Problem((), f"{above} is not a table.", f"More: endonym explain {above}")
    names = _names(at, above)
    item_names = [name for name in names if name]
    question = did_you_mean(part, item_names)
    if is_last and not question and not part.isdecimal() and names:
        first = names[0] if re.fullmatch(r"[\w-]+", names[0] or "") else 0
        question = f"Name the item as well: {above}.{first}.{part}  "
    every = ", ".join(item_names + [str(number) for number in range(len(at))])
    return Problem((), f"{above} has no item {part}.", f"{question}It has: {every}")


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
    fields = config.model_dump(exclude_defaults=True)
    reasons = reasons or {}
    return [noted(f"{key} = {toml(value)}", reasons.get(key)) for key, value in fields.items()]


def noted(line: str, reason: str | None) -> str:
    """A line with its reason as a comment: beside it, or above a long line."""
    if not reason:
        return line
    reason = printable(reason)
    return f"{line:<{WIDE}}# {reason}" if len(line) < WIDE else f"# {reason}\n{line}"


def _tables(value: Any) -> list[Mapping[str, Any]]:
    """The tables that a top-level key stands for; none for a single value."""
    items = value if isinstance(value, list) else [value]
    return items if items and all(isinstance(each, Mapping) for each in items) else []


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
