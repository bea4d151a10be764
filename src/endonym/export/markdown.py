"""The pages that go with an export, filled in from the templates of this folder."""

import json
from pathlib import Path
from typing import Any

import jinja2

from endonym.errors import printable
from endonym.formats.reasons import in_words
from endonym.log import counted, duration, number, size

README = "README.md"


def templates_in(folder: Path) -> jinja2.Environment:
    """The templates of a folder, of plain text; a value that is missing is an error."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def filled_template(name: str, /, **values: Any) -> str:
    """A template of the folder `templates`, filled in with these values.

    Raises ValueError if the template needs a value that is missing.
    """
    environment = templates_in(Path(__file__).parent / "templates")
    filters: dict[str, Any] = {
        "cell": lambda text: str(text).replace("|", "∣"),  # which would begin a column
        "code": lambda text: f"`{text}`",
        "counted": counted,
        "duration": duration,
        "in_words": in_words,
        "number": number,
        "printable": printable,
        "quoted": lambda text: json.dumps(text, ensure_ascii=False),  # which is YAML, too
        "size": size,
        "thousands": lambda count: f"{count:,}",
    }
    environment.filters.update(filters)
    try:
        return environment.get_template(name).render(values)
    except jinja2.UndefinedError as error:
        raise ValueError(str(error)) from error
