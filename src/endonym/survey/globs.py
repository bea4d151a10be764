"""Paths and globs of `exclude` for found files, as a recipe writes them."""

import os.path
import re
from collections.abc import Iterable
from glob import escape
from pathlib import Path

from endonym.errors import printable

UNDECODED = re.compile("[\ud800-\udfff]")
"""What stands for a byte of a file's name that is not UTF-8."""


def globs(paths: Iterable[Path], given: Iterable[Path], home: Path) -> list[str]:
    """Globs that leave these files out of the folder `home`, and none of those that are given.

    A name alone stands for all files with this name, wherever they lie.
    """
    names, found = {each.name for each in given}, list[str]()
    for path in paths:
        if path.name not in names:
            found.append(pattern(path))
        elif path.absolute().is_relative_to(home):
            depth = len(path.absolute().relative_to(home).parts)
            found.append(f"/{pattern_below(path, depth)}")
    return list(dict.fromkeys(found))


def pattern(path: Path) -> str:
    """The glob for a file's name."""
    return pattern_below(path, 1)


def pattern_below(path: Path, depth: int) -> str:
    """The glob for the last parts of a file's path, so many."""
    return escape(printable("/".join(path.absolute().parts[-depth:])))


def is_writable(path: str) -> bool:
    """Whether a recipe, which is UTF-8, can hold this path."""
    return not UNDECODED.search(path)


def as_glob(path: str) -> str:
    """A glob for this path that a recipe can hold: a byte that is no UTF-8 becomes `?`."""
    return UNDECODED.sub("?", escape(path))


def relative(path: Path, folder: Path) -> str:
    """The path as the recipe writes it: relative to the recipe's folder."""
    return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()
