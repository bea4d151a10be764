"""Arguments of the Python API that are of another type than meant: what to pass instead."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from endonym.errors import RecipeError, printable

SHOWN = 60
"""Characters of a value that an error shows."""


def shown(value: Any) -> str:
    """The type of a value, and how it begins."""
    text = printable(" ".join(repr(value).split()))
    return f"{type(value).__name__} {text if len(text) <= SHOWN else f'{text[: SHOWN - 1]}…'}"


def wrong(name: str, value: Any, *, meant: str, do: str) -> RecipeError:
    """The error for an argument. meant: what it is to be, in words."""
    return RecipeError(f"{name} takes {meant}, not {shown(value)}", where=name, do=do)


def require_text(name: str, value: Any) -> str:
    """One text. Raises RecipeError for anything else, such as a list of texts."""
    if isinstance(value, str):
        return value
    do = f"Call it for each text: [model.{name}(text) for text in texts]"
    raise wrong(name, value, meant="one text (str)", do=do)


def require_list(name: str, values: Any, *, of: str, example: str) -> list[Any]:
    """Several values as a list. Raises RecipeError for a single text, whose letters they would be,
    and for what holds no values. of: what each is; example: of such a list.
    """
    if isinstance(values, str | bytes | Path) or not isinstance(values, Iterable):
        raise wrong(name, values, meant=f"a list of {of}", do=f"Put it into a list: {example}")
    return list(values)


def require_paths(name: str, values: Any) -> list[str | Path]:
    """Paths and addresses of texts. Raises RecipeError for a single one, for none and for texts
    themselves: sentences, or whole documents.
    """
    example = f'{name}=["folder/of/texts"]'
    paths = require_list(name, values, of="paths", example=example)
    if not paths:
        do = f"For example: {example}"
        raise RecipeError(f"{name} is empty: there is nothing to read", where=name, do=do)
    write = 'Path("texts.txt").write_text("\\n".join(sentences), encoding="utf-8")'
    do = f"Write texts into a file first, one a line ({write}), and pass its path: {example}"
    for path in paths:
        if not isinstance(path, str | Path) or (isinstance(path, str) and is_text(path)):
            raise wrong(name, path, meant="paths of files and folders", do=do)
    return paths


ENDS = ".!?…。！？।॥۔؟።។"
"""Signs that end a sentence."""
LONGEST_NAME = 255
"""Bytes of a file's name, at most."""
FEWEST_WORDS = 4
"""Words from which on something without a slash is a sentence."""


def is_text(value: str) -> bool:
    """Whether a string is a text itself, rather than the path of a file or its address."""
    longest = max((len(part.encode("utf-8", "replace")) for part in value.split("/")), default=0)
    if "\n" in value or longest > LONGEST_NAME:
        return True
    if Path(value).exists() or "://" in value:
        return False
    is_sentence = value.rstrip("\"'»”)").endswith(tuple(ENDS)) and value.strip("./") != ""
    is_long = "/" not in value and len(value.split()) >= FEWEST_WORDS
    return is_sentence or is_long


def require_kind(name: str, value: Any, kinds: Sequence[type[Any]], *, do: str) -> None:
    """Raise RecipeError if a value is of none of these types. do: what to pass instead."""
    if not isinstance(value, tuple(kinds)):
        meant = " or ".join(f"a {each.__name__}" for each in kinds)
        raise wrong(name, value, meant=meant, do=do)
