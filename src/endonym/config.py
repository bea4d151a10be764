"""The base class of every table of a recipe, its identity, and its values in words."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import ErrorDetails

NOT_IDENTITY: dict[str, Any] = {"identity": False}
"""Marks a field that cannot change what a stage produces (`json_schema_extra=NOT_IDENTITY`)."""

EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
}
"""By pydantic's kind of error: what a value should have been."""


def unset(default: str) -> dict[str, Any]:
    """What holds if a key is not given, in words (`json_schema_extra=unset("dim / heads")`)."""
    return {"unset": default}


def optional(default: str | None = None, *, is_identity: bool = True, **limits: Any) -> Any:
    """A field that may be left out. default: what then holds, in words (`unset`).

    is_identity: False as of NOT_IDENTITY. limits: of its values, as of a Field.
    """
    extra = {} if is_identity else NOT_IDENTITY
    if default is not None:
        extra = extra | unset(default)
    return Field(default=None, json_schema_extra=extra or None, **limits)


class Config(BaseModel):
    """A frozen table of a recipe; unknown keys are errors.

    The docstring below a field is its description in `endonym explain`, docs/recipe.md and the
    JSON Schema: what it means in one paragraph, and then a list of what else to know (`- …`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def identity(config: Config) -> dict[str, Any]:
    """The fields of a config that decide what is made, as plain JSON values.

    Fields that are None are left out, so that a key added by a later version changes no identity.
    """
    kept: dict[str, Any] = {}
    for name, field in type(config).model_fields.items():
        extra = field.json_schema_extra
        value = getattr(config, name)
        is_marked = isinstance(extra, dict) and extra.get("identity") is False
        if value is not None and not is_marked:
            kept[name] = config_value(value)
    return kept


def config_value(value: Any) -> Any:
    """A field's value in JSON types."""
    if isinstance(value, Config):
        return identity(value)
    if isinstance(value, tuple | list):
        return [config_value(item) for item in value]
    if isinstance(value, dict):
        return {str(key): config_value(item) for key, item in value.items()}
    return value


def reason_of(detail: ErrorDetails) -> str:
    """What pydantic found wrong; an error of ours stands there without pydantic's prefix."""
    return detail["msg"].removeprefix("Value error, ")


def value_in_words(value: Any) -> str:
    """A value of any type, in words."""
    if isinstance(value, str):
        return f"the text {written_value(value)}"
    if isinstance(value, dict):
        return "a table"
    return written_value(value)


def written_value(value: Any) -> str:
    """A value as a recipe writes it, shortened if it is long."""
    written = json.dumps(value, ensure_ascii=False, default=str)
    return written if len(written) <= 60 else f"{written[:57]}…"
