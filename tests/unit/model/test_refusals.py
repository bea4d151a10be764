"""Errors whose words stand in TOML files: each that is raised has its row and the words of it."""

import ast
import string
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import endonym
from endonym.errors import ExportError, ShapeError
from endonym.model.refusals import misfit, refusals

SOURCES = Path(endonym.__file__).parent
FILES = {
    ("model", "misfit"): "model/refusals.toml",
    ("model", "refusal"): "model/foreign/refusals.toml",
    ("export", "refusal"): "export/refusals.toml",
    ("generate", "damage"): "generate/damage.toml",
}
"""The words of the errors that a package makes by a function of this name."""


def raised(package: str, function: str) -> Iterator[tuple[str, set[str] | None]]:
    """The names of the errors that a package raises, with their words; None if these are packed."""
    for path in sorted((SOURCES / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            is_error = called == function or called.endswith(f".{function}")
            if is_error and isinstance(node.args[0], ast.Constant):
                words = [each.arg for each in node.keywords]
                yield node.args[0].value, None if None in words else {str(each) for each in words}


def wanted(row: dict[str, str]) -> set[str]:
    """The words that a row needs."""
    parts = [part for text in row.values() for part in string.Formatter().parse(text)]
    return {name for _, name, _, _ in parts if name}


@pytest.mark.parametrize(("package", "function"), FILES)
def test_every_error_has_its_words_and_every_row_its_error(package: str, function: str) -> None:
    text = (SOURCES / FILES[package, function]).read_text(encoding="utf-8")
    rows, found = tomllib.loads(text), list(raised(package, function))
    assert {name for name, _ in found} == rows.keys()
    for name, words in found:
        assert words is None or words == wanted(rows[name]), name


def test_an_error_has_what_is_wrong_where_and_what_to_do(tmp_path: Path) -> None:
    error = misfit("uneven_dim", "model.mixer.heads", dim=30, heads=4)
    assert isinstance(error, ShapeError)
    assert (error.message, error.where) == (
        "dim 30 is not divisible by 4 heads",
        "model.mixer.heads",
    )
    assert error.do == "Choose heads that divide dim, or give mixer.head_width."
    (tmp_path / "words.toml").write_text('[one]\nmessage = "{name} at {where}"\n', encoding="utf-8")
    refusal = refusals(tmp_path / "words.toml", ExportError)
    said = refusal("one", "here", name="{x}", where="there")
    assert (said.message, said.where, said.do) == ("{x} at there", "here", "")
