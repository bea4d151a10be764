"""pydantic's validation errors about a recipe, as problems in the recipe's own terms."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from endonym.config import EXPECTED, Config, reason_of, value_in_words, written_value
from endonym.disk import packaged_tables
from endonym.errors import did_you_mean, plain_word
from endonym.recipe import keys
from endonym.recipe.problems import Problem
from endonym.recipe.text import KeyPath

AnyConfig = TypeVar("AnyConfig", bound=Config)

WORDS = packaged_tables("endonym.recipe", "words.toml")
LIMITS = WORDS["limits"]
SHAPES = WORDS["shapes"]


def validated(config: type[AnyConfig], data: Mapping[str, Any]) -> AnyConfig:
    """The data as a config, without type coercion: "1" is no number, 1.0 no integer."""
    return config.model_validate_json(json.dumps(data, ensure_ascii=False), strict=True)


def findings(root: type[Config], data: Mapping[str, Any]) -> list[Problem]:
    """Every key and value that the configs refuse, one problem for each key."""
    try:
        validated(root, data)
        return []
    except ValidationError as error:
        details = error.errors()
    by_path: dict[KeyPath, list[ErrorDetails]] = {}
    for detail in details:
        # pydantic's location also names members of unions, which are no keys.
        path: KeyPath = ()
        value: Any = data
        for part in detail["loc"]:
            if _holds(value, part):
                path = (*path, part)
                value = value[part]
        if detail["type"] == "missing":
            path = (*path, detail["loc"][-1])
        by_path.setdefault(path, []).append(detail)
    problems: list[Problem] = []
    for path, details in by_path.items():
        has_deeper = any(other[: len(path)] == path != other for other in by_path)
        # Another type in a union had the value's own type, and says what is wrong within.
        is_other_type = all(each["type"] in EXPECTED for each in details)
        if not (has_deeper and (details[0]["type"] == "too_short" or is_other_type)):
            problems.append(_problem(root, data, path, details))
    return problems


def _holds(value: Any, part: str | int) -> bool:
    """Whether a table has this key, or a list this index."""
    if isinstance(part, int):
        return isinstance(value, list) and part < len(cast(list[Any], value))
    return isinstance(value, dict) and part in value


def shown(path: KeyPath, data: Mapping[str, Any]) -> str:
    """The key as `--set` takes it; list items go by name or number."""
    names: list[str] = []
    value: Any = data
    for part in path:
        value = value[part] if _holds(value, part) else None
        if isinstance(part, str):
            names.append(part if _is_bare(part) else written_value(part))
        elif isinstance(value, dict):
            name = cast(dict[str, Any], value).get("name")
            names.append(name if isinstance(name, str) and _is_bare(name) else str(part))
    return ".".join(names)


def _is_bare(word: str) -> bool:
    """Whether the word can stand in a dotted key without quotes."""
    return word.replace("_", "").replace("-", "").isalnum()


def _problem(
    root: type[Config], data: Mapping[str, Any], path: KeyPath, details: list[ErrorDetails]
) -> Problem:
    """All validation errors of one key as one problem."""
    constraint = [detail for detail in details if detail["type"] not in EXPECTED]
    detail = (constraint or details)[0]
    kind = detail["type"]
    key = shown(path, data)
    value = detail["input"]
    explained = f"More: {_command(path)}"
    if kind == "extra_forbidden":
        inner_keys = list(cast(dict[str, Any], value)) if isinstance(value, dict) else []
        return unknown_key(root, path, key, inner_keys)
    if kind == "missing" and isinstance(path[-1], int):
        return Problem(path[:-1], f"{key} has too few values.", explained)
    if kind == "missing":
        table = _table(root, path[:-1])
        if keys.inner(table.keys[str(path[-1])].annotation)[0] is not None:
            do = f"Write it under [[{_names(path)}]].  All keys: {_command(path)}"
        else:
            about = table.meaning(str(path[-1]))
            do = f"{path[-1]}: {about}.  All keys: {_command(path[:-1])}"
        return Problem(path[:-1], f"{key} is missing.", do)
    if kind == "literal_error":
        above, _, last = _names(path).rpartition(".")
        allowed = choices(keys.tables(root)[above].keys[last].annotation)
        question = did_you_mean(value, [*map(str, allowed)]) if isinstance(value, str) else ""
        every = ", ".join(written_value(each) for each in allowed)
        message = f"{key} = {written_value(value)} is not one of {every}."
        return Problem(path, message, f"{question}Meanings: {_command(path)}", at_value=True)
    if kind == "value_error":
        return Problem(path, f"{key or 'the recipe'}: {reason_of(detail)}.", explained)
    if kind in EXPECTED:
        expected = " or ".join(EXPECTED[each["type"]] for each in details)
        message = f"{key} must be {expected}, not {value_in_words(value)}."
        return Problem(path, message, _retype(path, kind, value) or explained, at_value=True)
    message = f"{key} {_constraint(detail)}, not {value_in_words(value)}."
    # What a person names, such as a source in `sources`, has no explanation of its own.
    if _names(path[:-1]) not in keys.tables(root):
        explained = f"More: {_command(path[:-1])}"
    return Problem(path, message, explained, at_value=True)


def unknown_key(
    root: type[Config], path: KeyPath, key: str, inner_keys: Sequence[str] = ()
) -> Problem:
    """The problem of a key that the table does not have, with a suggestion.

    key: as it is shown. inner_keys: the keys under it, if it is a table.
    """
    table = _table(root, path[:-1])
    word = plain_word(str(path[-1]))
    message = f"{key} is not a key of {table.title}."
    elsewhere = keys.other_programs()
    if word in elsewhere["without_key"]:
        return Problem(path, message, elsewhere["without_key"][word])
    hint = f"{'All keys' if table.name else 'Tables'}: {_command((table.name,))}"
    if conversion := elsewhere["conversions"].get(word):
        hint = f"{word}: {conversion}  {hint}"

    def advice(*, is_dotted: bool) -> str:
        near = keys.nearest_key(root, table, word, inner_keys=inner_keys, is_dotted=is_dotted)
        return f"Did you mean {near}?  {hint}" if near else hint

    return Problem(path, message, advice(is_dotted=False), do_in_set=advice(is_dotted=True))


def choices(annotation: Any) -> list[Any]:
    """The values that a field's type lists, in their order."""
    values: list[Any] = []
    for part in get_args(annotation):
        if isinstance(part, str | int) and not isinstance(part, bool):
            values.append(part)
        elif part is not Ellipsis:
            values.extend(choices(part))
    return values


def _constraint(detail: ErrorDetails) -> str:
    """The constraint that a value of the right type violates."""
    kind = detail["type"]
    context = detail.get("ctx", {})
    if kind in LIMITS:
        phrase, name = LIMITS[kind]
        bound = context[name]
        return f"must be {phrase} {int(bound) if bound == int(bound) else bound}"
    if kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        return f"must be {SHAPES.get(pattern, f'text that matches {pattern}')}"
    if kind in ("too_short", "too_long"):
        bound = context.get("min_length", context.get("max_length"))
        return f"must hold at {'least' if kind == 'too_short' else 'most'} {bound}"
    return detail["msg"].replace("Input should be", "must be").replace("Value", "must be a value")


def _retype(path: KeyPath, kind: str, value: Any) -> str:
    """How to write the value with the right type; empty if that cannot be said."""
    key = next(part for part in reversed(path) if isinstance(part, str))
    if kind == "int_type" and isinstance(value, float) and value.is_integer():
        return f"Write {key} = {int(value)}: a point or an exponent makes a number not whole."
    if kind in ("int_type", "float_type") and isinstance(value, str):
        plain = value.replace("_", "").replace(".", "", 1).removeprefix("-")
        return f"Write it without quotes: {key} = {value}" if plain.isdecimal() else ""
    if kind == "string_type" and isinstance(value, int | float):
        return f"Write it in quotes: {key} = {written_value(str(value))}"
    if kind == "bool_type" and str(value).lower() in ("true", "false"):
        return f"Write it without quotes and small: {key} = {str(value).lower()}"
    if kind == "tuple_type" and isinstance(value, dict):
        return f"Write [[{_names(path)}]], in two brackets: there may be several."
    if kind == "model_type" and isinstance(value, list):
        return f"Write [{_names(path)}], in single brackets: there is one."
    if kind == "tuple_type" and not isinstance(value, list):
        return f"Write it in brackets: {key} = [{written_value(value)}]"
    return ""


def _table(root: type[Config], path: KeyPath) -> keys.Table:
    """The table of this name; the recipe itself if there is none."""
    by_name = keys.tables(root)
    return by_name.get(_names(path), by_name[""])


def _names(path: KeyPath) -> str:
    """The path without the numbers of list items, as `endonym explain` takes it."""
    return ".".join(part for part in path if isinstance(part, str))


def _command(path: KeyPath) -> str:
    """The command that explains a key."""
    return f"endonym explain {_names(path)}".rstrip()
