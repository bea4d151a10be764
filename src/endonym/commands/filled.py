"""Texts of commands that are templates of this folder, and of the recipe that `new` writes."""

from pathlib import Path
from typing import Any

from endonym.errors import printable
from endonym.export.markdown import templates_in


def filled(name: str, **values: Any) -> str:
    """A template, filled in with these values."""
    environment = templates_in(Path(__file__).parent)
    environment.filters["printable"] = printable
    return environment.get_template(name).render(values)
