"""One family of errors: what, where, what to do, and the exit code."""

import inspect
import json

import pytest

from endonym import errors
from endonym.errors import Damaged, EndonymError, MissingSource, RecipeError, SourceError, printable

FAMILY = {
    name: kind
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, EndonymError)
}


def test_an_error_reads_where_what_and_what_to_do() -> None:
    error = Damaged("weights differ", where="store/model/5e2d", do="Remove the folder.")
    assert str(error) == "store/model/5e2d: weights differ\nRemove the folder."
    assert str(EndonymError("only this")) == "only this"
    assert str(EndonymError("what", do="Do it.")) == "what\nDo it."


def test_the_form_for_machines_has_four_parts() -> None:
    error = MissingSource("there is no file", where="recipe.toml:5", do="Put it there.")
    told = {"message": "there is no file", "where": "recipe.toml:5", "do": "Put it there."}
    assert error.as_dict() == {"kind": "MissingSource", **told}


@pytest.mark.parametrize("name", sorted(FAMILY))
def test_a_wrong_request_is_2_and_every_other_failure_1(name: str) -> None:
    wrong_requests = {"RecipeError", "MissingSource", "ShapeError"}
    assert FAMILY[name]("x").exit_code == (2 if name in wrong_requests else 1)


def test_the_family_is_drawn_at_the_top_of_its_file() -> None:
    drawn = {word for word in (errors.__doc__ or "").split() if word in FAMILY}
    assert drawn == set(FAMILY)
    assert issubclass(MissingSource, errors.SourceError)
    assert not issubclass(MissingSource, RecipeError)


NAMES = [
    ("әкият.txt", "әкият.txt"),
    ("ការ\u200b.txt", "ការ\u200b.txt"),
    ("a\udcff.txt", "a\\xff.txt"),
    ("a\x1b[31m\r\x9d\x7f", "a\\x1b[31m\\x0d\\x9d\\x7f"),
    ("a\u202eb\u2028\ud800", "a\\u202eb\\u2028\\ud800"),
]


@pytest.mark.parametrize(("name", "shown"), NAMES)
def test_what_a_terminal_would_obey_is_written_out(name: str, shown: str):
    assert printable(f"{name}\n\t") == f"{shown}\\x0a\\x09"
    assert errors.printable_lines(f"{name}\n\t{name}") == f"{shown}\n\t{shown}"


def test_a_quotation_keeps_its_direction_to_itself_on_a_terminal_and_a_comment_has_no_marks():
    line = errors.isolated('"أضاف قائلاً، "لدينا فئران\u2069\u202e"')
    text = f"A line of it: {line}\u2068"
    shown = 'A line of it: {}"أضاف قائلاً، "لدينا فئران\\u2069\\u202e"{}\\u2068'
    assert errors.printable_lines(text) == shown.format("\u2068", "\u2069")
    assert errors.in_comment(text) == shown.format("", "")


def test_an_error_shows_names_with_escapes_and_keeps_its_lines():
    error = SourceError("a\nb\x1b", where="c\udcff", do="d\r")
    assert str(error) == "c\\xff: a\nb\\x1b\nd\\x0d"
    assert str(error).encode()
    assert json.dumps(error.as_dict(), ensure_ascii=False).encode()
