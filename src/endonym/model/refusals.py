"""Errors whose words stand in TOML files beside the modules that raise them. Imports no torch."""

import tomllib
from collections.abc import Callable
from pathlib import Path

from endonym.errors import EndonymError, ShapeError


def refusals(path: Path, kind: type[EndonymError]) -> Callable[..., EndonymError]:
    """What makes the errors of a file by their names: `refusal(name, where, **words)`.

    A row of the file has a message and, maybe, what to do; words are filled in.
    """
    rows = tomllib.loads(path.read_text(encoding="utf-8"))

    def refusal(name: str, where: str | Path, /, **words: object) -> EndonymError:
        texts = {part: text.format(**words) for part, text in rows[name].items()}
        return kind(**texts, where=where)

    return refusal


misfit = refusals(Path(__file__).with_suffix(".toml"), ShapeError)
"""Makes the errors of sizes that do not fit."""
