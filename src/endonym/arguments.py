"""Arguments of the Python API that are of another type than meant: what to pass instead."""

import re
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Any

from endonym.errors import MissingSource, RecipeError, printable

SHOWN = 60
"""Characters of a value that an error shows."""


def wrong(name: str, value: Any, *, meant: str, do: str) -> RecipeError:
    """The error for an argument. meant: what it is to be, in words."""
    shown = f"{type(value).__name__} {printable(repr(value))[:SHOWN]}"
    return RecipeError(f"{name} takes {meant}, not {shown}", where=name, do=do)


def require_kind(name: str, value: Any, kinds: tuple[type, ...], *, do: str) -> None:
    """Raise RecipeError if a value is of none of these types. do: what to pass instead."""
    if not isinstance(value, kinds):
        meant = " or ".join(f"a {each.__name__}" for each in kinds)
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


def require_paths(name: str, values: Any) -> list[str | Path]:
    """Paths and addresses of texts. Raises RecipeError for a single one and for none, MissingSource
    for what is not there, as texts themselves: sentences, or whole documents.
    """
    example = f'{name}=["folder/of/texts"]'
    paths = require_list(name, values, of="paths", example=example)
    if not paths:
        do = f"For example: {example}"
        raise RecipeError(f"{name} is empty: there is nothing to read", where=name, do=do)
    write = 'Path("texts.txt").write_text("\\n".join(sentences), encoding="utf-8")'
    do = f"Write texts into a file first, one a line ({write}), and pass its path: {example}"
    for path in paths:
        if not isinstance(path, str | Path):
            raise wrong(name, path, meant="paths of files and folders", do=do)
        if isinstance(path, str) and not is_there(path):
            what = f"{name}: there is no file or folder {printable(path)[:SHOWN]!r}"
            raise MissingSource(what, where=name, do=f"Check the path. {do}")
    return paths


def is_there(path: str) -> bool:
    """Whether a string names a file or a folder, or is an address ("leipzig:…", "https://…")."""
    try:
        return bool(re.match(r"[a-z]+:[^\s]+$", path)) or (path != "" and Path(path).exists())
    except OSError:  # no file has so long a name
        return False
