"""Numbers and texts as the report writes them, and its templates."""

import math
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from endonym.cleaning.personal import NEAR, showable
from endonym.disk import packaged_tables
from endonym.export.markdown import templates_in
from endonym.log import THIN, counted, number
from endonym.report.changes import sides_of
from endonym.script.letters import beginning
from endonym.script.scripts import is_right_to_left

QUOTATION = re.compile('(\u2068[^\u2069]*\u2069|“[^”]+”|«[^»]+»|"[^"]+"|\\[U\\+[0-9A-F]{4,6}\\])')
"""Also the number of a character that nobody sees."""
JOINER = "\u2060"
"""No line break beside it."""

SENTENCES = packaged_tables("endonym.report", "sentences.toml")
"""Sentences by what they are of and by name; the modules choose one and fill it in."""
SHOWN_CHARS = 240
EMPTY_LINES = re.compile(r"\n(?:[^\S\n]*\n){2,}")
CONTROL_PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"}


def decimal(value: float | None, decimals: int) -> str:
    """A number with this many decimals; a dash for None and for values that are not finite."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.{decimals}f}".replace(",", THIN)


def terminal_text(text: str) -> str:
    """A text of the report for a terminal: without its marks against line breaks."""
    return text.replace(JOINER, "").replace("\u00a0", " ")


def quotations(text: str) -> Markup:
    """A text whose quotations do not change the direction of the words around them."""
    parts = QUOTATION.split(shown(text))
    return Markup("").join(
        Markup("<bdi>{}</bdi>").format(part.strip("\u2068\u2069")) if place % 2 else part
        for place, part in enumerate(parts)
    )


def direction(text: str) -> str:
    """The direction of most letters of a text, as HTML names it."""
    return "rtl" if is_right_to_left(text) else "ltr"


def shown(text: str) -> str:
    """A text as a page can show it: control characters as their pictures."""
    return text.translate(CONTROL_PICTURES | {0x7F: 0x2421})


def folded_ends(text: str) -> str:
    """A text with at most one empty line in a row, as samples are shown."""
    return EMPTY_LINES.sub("\n\n", text)


def cut(text: str, chars: int = SHOWN_CHARS) -> str:
    """The start of a text, as a page can show it. A word is not cut where blanks part words."""
    text = folded_ends(text.strip())
    if len(text) > chars:
        begun = beginning(text, chars)
        is_inside = not (begun[-1:].isspace() or text[len(begun)].isspace())
        if is_inside and len(words := begun.rsplit(maxsplit=1)) == 2 and 3 * len(words[0]) > chars:
            begun = words[0]
        text = begun.rstrip() + " …"
    return shown(text)


@jinja2.pass_context
def public(context: jinja2.runtime.Context, text: str) -> str:
    """A text without its personal data, by the language that the page has as `language_code`."""
    return showable(text, slice(0, len(text)), context.get("language_code"))


@jinja2.pass_context
def public_cut(context: jinja2.runtime.Context, text: str, chars: int = SHOWN_CHARS) -> str:
    """The start of a text without its personal data."""
    return cut(public(context, cut(text, chars + NEAR)), chars)


@cache
def templates(*, is_html: bool = True) -> jinja2.Environment:
    """The templates of this folder. To compile one takes far longer than to fill it in."""
    environment = templates_in(Path(__file__).parent, is_html=is_html)
    figures: dict[str, Any] = {"number": number, "counted": counted, "at": "{:.1f}".format}
    texts: dict[str, Any] = {
        "cut": public_cut,
        "public": public,
        "shown": shown,
        "quotations": quotations,
        "direction": direction,
        "folded_ends": folded_ends,
        "sides": lambda texts: sides_of(*texts),
    }
    environment.filters.update(figures | {"two": "{:.2f}".format} | texts)
    colours = files("endonym.serve").joinpath("page/surprise.css").read_text(encoding="utf-8")
    shared: dict[str, Any] = {"surprise_colours": Markup(colours)}
    environment.globals.update(shared)
    return environment


def sentences(template: str, **values: Any) -> list[str]:
    """The lines of a template of this folder, of plain text, filled in with these values."""
    return templates(is_html=False).get_template(template).render(values).splitlines()
