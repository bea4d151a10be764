"""The pages that go with an export, filled in from the templates of this folder.

The Hugging Face hub reads the head of a README, which is YAML, with licenses and languages as it
has them. Every string there is written as JSON, which YAML reads, so that a name such as "no" or
"1.0" stays a string. Source: https://github.com/huggingface/hub-docs/blob/main/modelcard.md
"""

import functools
import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2

from endonym.disk import packaged_tables
from endonym.errors import printable
from endonym.formats.reasons import in_words
from endonym.log import counted, duration, number, size


def templates_in(folder: Path, *, is_html: bool = False) -> jinja2.Environment:
    """The templates of a folder; a value that is missing is an error. is_html: escapes values."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=is_html,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=not is_html,
    )
    figures: dict[str, Any] = {"counted": counted, "duration": duration}
    environment.filters.update(figures | {"number": number, "size": size})
    return environment


def filled_template(name: str, /, **values: Any) -> str:
    """A template of the folder `templates`, filled in with these values.

    Raises ValueError if the template needs a value that is missing.
    """
    try:
        return page_templates().get_template(name).render(version=version("endonym"), **values)
    except jinja2.UndefinedError as error:
        raise ValueError(str(error)) from error


@functools.cache
def page_templates() -> jinja2.Environment:
    """The templates of the folder `templates`, which are compiled once."""
    environment = templates_in(Path(__file__).parent / "templates")
    filters: dict[str, Any] = {
        "cell": lambda text: str(text).replace("|", "∣"),  # which would begin a column
        "code": lambda text: f"`{text}`",
        "in_words": in_words,
        "language_code": language_code,
        "printable": printable,
        "quoted": lambda text: json.dumps(text, ensure_ascii=False),  # which is YAML, too
        "thousands": lambda count: f"{count:,}",
    }
    environment.filters.update(filters)
    return environment


LICENSES = packaged_tables("endonym.export", "licenses.toml")


def hub_license(licenses: Iterable[str | None]) -> tuple[str, str] | None:
    """The one license of all sources, as the hub's identifier and in their words.

    The identifier is "other" if the hub does not list it. None if a source says nothing, or if
    they say different things.

    >>> hub_license(["CC0-1.0", "CC0-1.0"])
    ('cc0-1.0', 'CC0-1.0')
    """
    different = set(licenses)
    if len(different) != 1 or None in different:
        return None
    (license,) = different
    assert license is not None
    plain = license.lower()
    for prefix, name in LICENSES["without_version"].items():
        plain = name if plain.startswith(prefix) else plain
    plain = plain.removesuffix("-only").removesuffix("-or-later")
    return (plain if plain in LICENSES["known"] else "other"), license


def language_code(language: str) -> str:
    """A language's code without script and region, as the hub has it; empty for one's own."""
    code = language.partition("-")[0]
    return "" if code == "x" else code
