"""Texts of commands that are templates of this folder, and of the recipe that `new` writes."""

from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from endonym.device import program
from endonym.errors import in_comment, printable, quoted
from endonym.export.markdown import templates_in
from endonym.formats.reasons import in_words
from endonym.log import columns, for_screen, padded, rounded
from endonym.recipe.layers import config_lines, noted, toml
from endonym.report.formatting import folded_ends, shown

SHOWN_CHARS = 400
"""Of a text, on the screen."""


def filled(name: str, **values: Any) -> str:
    """A template, filled in with these values, without its last line end."""
    return _templates().get_template(name).render(values).removesuffix("\n")


@cache
def _templates() -> jinja2.Environment:
    environment = templates_in(Path(__file__).parent)
    filters: tuple[Any, ...] = (
        columns,
        folded_ends,
        for_screen,
        in_comment,
        in_words,
        padded,
        printable,
        rounded,
        shown,
        toml,
    )
    environment.filters.update({each.__name__: each for each in (*filters, indented)})
    environment.filters["shell"] = quoted
    calls: dict[str, Any] = {"config_lines": config_lines, "noted": noted, "program": program}
    environment.globals.update(calls)
    return environment


def indented(text: str) -> str:
    """The beginning of a text below another line, each of its lines after two blanks."""
    begin = shown(text[:SHOWN_CHARS]) + ("…" if len(text) > SHOWN_CHARS else "")
    return "".join(f"\n  {line}" for line in begin.splitlines())
