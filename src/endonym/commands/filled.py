"""Texts of commands that are templates of this folder, and of the recipe that `new` writes."""

import shlex
from pathlib import Path
from typing import Any

from endonym.device import program
from endonym.errors import printable
from endonym.export.markdown import templates_in
from endonym.formats.reasons import in_words
from endonym.log import columns, padded, rounded
from endonym.recipe.layers import toml

SHOWN_CHARS = 400
"""Of a text, on the screen."""


def filled(name: str, **values: Any) -> str:
    """A template, filled in with these values, without its last line end."""
    environment = templates_in(Path(__file__).parent)
    figures: dict[str, Any] = {"columns": columns, "padded": padded, "rounded": rounded}
    words: dict[str, Any] = {"in_words": in_words, "printable": printable, "toml": toml}
    more: dict[str, Any] = {"indented": indented, "shell": lambda path: shlex.quote(str(path))}
    environment.filters.update(figures | words | more)
    environment.globals["program"] = program
    return environment.get_template(name).render(values).removesuffix("\n")


def indented(text: str) -> str:
    """The beginning of a text below another line, each of its lines after two blanks."""
    shown = text[:SHOWN_CHARS] + ("…" if len(text) > SHOWN_CHARS else "")
    return "".join(f"\n  {line}" for line in shown.splitlines())
