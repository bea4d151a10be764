"""The pages that go with an export, filled in from the templates of this folder."""

import json
from pathlib import Path
from typing import Any

import jinja2

from endonym.errors import printable
from endonym.formats.reasons import in_words
from endonym.log import counted, duration, number, size

README = "README.md"


def filled_template(name: str, /, **values: Any) -> str:
    """A template of the folder `templates`, filled in with these values."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
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
    return environment.get_template(name).render(values)
