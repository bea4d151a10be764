"""Arguments of the Python API that are of another type than meant: what to pass instead."""

from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Any

from endonym.errors import RecipeError, printable

SHOWN = 60
"""Characters of a value that an error shows."""


def wrong(name: str, value: Any, *, meant: str, do: str) -> RecipeError:
    """The error for an argument. meant: what it is to be, in words."""
    shown = f"{type(value).__name__} {printable(repr(value))[:SHOWN]}"
    return RecipeError(f"{name} takes {meant}, not {shown}", where=name, do=do)


def require_kind(name: str, value: Any, kinds: tuple[type, ...], *, do: str) -> None:
    """Raise RecipeError if a value is of none of these types. do: what to pass instead."""
    if not isinstance(value, kinds):
        meant = " or ".join(each.__name__ for each in kinds)
        raise wrong(name, value, meant=meant, do=do)


def require_text(name: str, value: Any) -> str:
    """One text. Raises RecipeError for anything else, such as a list of texts."""
    do = f"Call it for each text: [model.{name}(text) for text in texts]"
    require_kind(name, value, (str,), do=do)
    return value


def require_list(name: str, values: Any, *, of: str, example: str) -> list[Any]:
    """Several values as a list. Raises RecipeError for a single text, whose letters they would be,
    and for what holds no values, or in no order. of: what each is; example: of such a list.
    """
    if isinstance(values, str | bytes | Path | Mapping | Set) or not isinstance(values, Iterable):
        raise wrong(name, values, meant=f"a list of {of}", do=f"Put it into a list: {example}")
    return list(values)
