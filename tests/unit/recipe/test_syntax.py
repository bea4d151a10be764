"""Text that is no TOML: every complaint has its line, its column, and something to do."""

import inspect
import re
from pathlib import Path
from tomllib import _parser

import pytest

from endonym.errors import RecipeError
from endonym.recipe.recipe import Recipe
from endonym.recipe.text import known_errors

BROKEN = {
    'language = "tt"\nname = tatar': ("2:8", "this is no value.", "^^^^^", "Put text in quotes"),
    'name = "татар': ("1:13", "text is not closed.", "^", "End it with the quotes"),
    'name = "татар\n"': ("1:13", "text is not closed on its line.", "^", "End it with"),
    "name = '''татар": ("1:15", "text is not closed.", "^", "End it with the quotes"),
    "seed = 1\nseed = 2": ("2:1", "this key is already written above.", "^^^^", "Keep one"),
    "[model\ndim = 3": ("1:6", "the table's name is not closed.", "^", "Close the table's name"),
    "[[phase]\nlr = 1.0": ("1:8", "the table's name is not closed.", "^", "Close the table's"),
    "[a]\n[a]": ("2:2", "this table is already written above.", "^", "Keep one of the two; only"),
    "a = { b = 1 }\n[a.c]": ("2:2", "this table is already written above.", "^^^", "Keep one"),
    "a = { b = 1 }\na.c = 2": ("2:1", "this table is already complete above.", "^^^", "Write all"),
    "a = { b = 1, b = 2 }": ("1:1", "a key is repeated in these braces.", "^", "Keep one"),
    "dedup = ['exact'": ("1:16", "a list is not closed.", "^", "End it with ]"),
    "mixer = { heads = 8": ("1:19", "braces are not closed.", "^", "End them with }"),
    "context 256": ("1:9", "a key needs = and a value.", "^^^", "Write key = value"),
    "steps = 10k": ("1:11", "something follows a finished value.", "^", "Put text in quotes"),
    'сүз = "кояш"': ("1:1", "a key cannot begin like this.", "^^^", "Keys are a-z"),
    "sources.сүз = 1": ("1:9", "a key cannot begin like this.", "^^^", "Keys are a-z"),
    "= 3": ("1:1", "a line cannot begin like this.", "^", "Write [table], key = value"),
    'path = "c:\\data"': ("1:11", "TOML does not know this escape", "^", "Use single quotes"),
    'name = "\\u12"': ("1:11", "an escaped letter needs four", "^^", "Write the letter itself."),
    'name = "\\ud800"': (
        "1:15",
        "this escape sequence is no letter.",
        "^",
        "Write the letter itself.",
    ),
    "when = 2024-02-30": ("1:8", "this is no date.", "^^^^^^^^^^", "Put text in quotes"),
    'name = "\x01"': ("1:9", "there is a control character in a text.", "^", "Remove it."),
    "# \x01": ("1:3", "there is a control character in a comment.", "^", "Remove it."),
}


def refusal(folder: Path, raw: bytes) -> list[str]:
    """The lines of the error that the file's bytes lead to."""
    file = folder / "r.toml"
    file.write_bytes(raw)
    with pytest.raises(RecipeError) as caught:
        Recipe.load(file)
    return str(caught.value).replace(str(file), "r.toml").splitlines()


@pytest.mark.parametrize("text", BROKEN)
def test_broken_toml_has_line_column_carets_and_advice(text: str, tmp_path: Path) -> None:
    position, what, carets, advice = BROKEN[text]
    first, drawn, under, do = refusal(tmp_path, text.encode())
    assert first.startswith(f"r.toml:{position}: {what}")
    assert under.strip() == carets
    assert under.index("^") - 4 + 1 == int(position.split(":")[1])
    assert drawn.strip()
    assert do.startswith(advice)


def test_no_complaint_of_the_toml_reader_is_without_advice() -> None:
    source = inspect.getsource(_parser)
    quoted = re.findall(r"suffixed_err\(\s*\w+, \w+, f?(?:\"([^\"]+)\"|'([^']+)')", source)
    messages = [one or other for one, other in quoted]
    assert len(messages) > 15
    assert [
        each
        for each in messages
        if not each.startswith(tuple(start for start, _, _ in known_errors()))
    ] == []


@pytest.mark.parametrize("text", ["a = " + "[" * 5_000, "a = " + "[" * 40 + "]" * 40])
def test_brackets_in_brackets_end_in_an_error_and_not_in_a_crash(text: str, tmp_path: Path) -> None:
    first, do = refusal(tmp_path, text.encode())
    assert first == "r.toml: tables or lists are nested too deeply."
    assert do == "No key needs more than 32 levels."


def test_a_number_of_thousands_of_digits_is_refused(tmp_path: Path) -> None:
    assert (
        refusal(tmp_path, b"seed = " + b"9" * 5_000)[0] == "r.toml: a number has too many digits."
    )
