"""The second pass over a recipe's text, and what is said of text that is no TOML."""

import inspect
import re
import tomllib
from pathlib import Path
from tomllib import _parser
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from endonym.errors import RecipeError
from endonym.recipe.recipe import Recipe
from endonym.recipe.text import KeyPath, dotted, draw, known_errors, normal, scan

BARE = st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
GAPS = st.sampled_from(["", " ", "\n", " # кояш ] } = \" '\n", "\n\t"])


def quoted(text: str) -> str:
    """A basic string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@st.composite
def strings(draw_value: Any) -> str:
    """A string in one of TOML's four forms."""
    text = draw_value(TEXTS)
    form = draw_value(st.sampled_from(["basic", "literal", "multi", "multi literal"]))
    if form == "literal":
        return "'" + text.replace("'", "") + "'"
    if form == "multi":
        ending = draw_value(st.sampled_from(["", '"', '""', "\n", "\\\n  "]))
        return '"""' + quoted(text)[1:-1] + ending + '"""'
    if form == "multi literal":
        return "'''" + text.replace("'", "") + draw_value(st.sampled_from(["", "'", "''"])) + "'''"
    return quoted(text)


SCALARS = st.one_of(
    strings(),
    st.integers(-99, 99).map(str),
    st.sampled_from(["true", "1_000", "3e-4", "0xFF", "2024-05-01 10:00:00", "-inf", "07:32:00"]),
)


def arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Arrays with gaps, line ends and remarks between their values."""
    items = st.lists(st.tuples(GAPS, values, GAPS).map("".join), max_size=3)
    return st.tuples(items, GAPS).map(lambda parts: "[" + ",".join(parts[0]) + parts[1] + "]")


@st.composite
def inline_tables(draw_value: Any, values: st.SearchStrategy[str]) -> str:
    """Inline tables with keys of one or two parts."""
    names = draw_value(st.lists(BARE, unique=True, max_size=3))
    deeper = [f"{name}.{draw_value(BARE)}" if draw_value(st.booleans()) else name for name in names]
    pairs = [f"{key} = {draw_value(values)}" for key in deeper]
    return "{ " + " , ".join(pairs) + " }"


VALUES = st.recursive(
    SCALARS, lambda inside: st.one_of(arrays(inside), inline_tables(inside)), max_leaves=5
)


@st.composite
def keys(draw_value: Any, first: str) -> str:
    """A dotted key that starts with this part, some parts in quotes."""
    more = draw_value(st.lists(st.one_of(BARE, TEXTS.map(quoted)), max_size=2))
    dot = draw_value(st.sampled_from([".", " . ", "\t."]))
    return dot.join([first, *more])


@st.composite
def documents(draw_value: Any) -> str:
    """A TOML document: pairs, tables, and arrays of tables, each with pairs of its own."""

    def pairs() -> list[str]:
        names = draw_value(st.lists(BARE, unique=True, max_size=3))
        return [f"{draw_value(keys(name))} = {draw_value(VALUES)}" for name in names]

    lines = pairs()
    for number in range(draw_value(st.integers(0, 3))):
        header = f"table{number}.{draw_value(BARE)}"
        if draw_value(st.booleans()):
            lines += [f"[ {header} ]  # {draw_value(TEXTS)}", *pairs()]
            continue
        for _ in range(draw_value(st.integers(1, 3))):
            lines += [f"  [[{header}]]", *pairs()]
            lines += [f"[{header}.'in it']", *pairs()]
    return "\n".join(lines) + draw_value(st.sampled_from(["", "\n", "\n# конец"]))


def paths(value: Any, path: KeyPath = ()) -> set[KeyPath]:
    """Every key and list item of parsed data."""
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return ({path} if path else set[KeyPath]()).union(
        *(paths(item, (*path, key)) for key, item in items)
    )


def at(data: Any, path: KeyPath) -> Any:
    """The value that a path leads to."""
    for part in path:
        data = data[part]
    return data


def parsed(text: str) -> dict[str, Any]:
    """The document; those in which the generator repeated a key are left aside."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        reject()


@given(documents())
def test_the_scanner_finds_the_keys_and_values_that_tomllib_finds(text: str) -> None:
    data, marks = parsed(text), scan(text)
    assert set(marks) == paths(data)
    for path, mark in marks.items():
        names = [part for part in path if isinstance(part, str)]
        if mark.value_start != mark.start:
            assert dotted(text[mark.start : mark.end]) == names[-1:]
        elif not isinstance(path[-1], int):
            continue
        value = at(data, path)
        if not isinstance(value, dict) or text[mark.value_start] == "{":
            written = text[mark.value_start : mark.value_end]
            assert tomllib.loads(f"value = {written}")["value"] == value


def test_dotted_keys_tables_lists_of_tables_and_braces_have_their_own_positions() -> None:
    text = (
        '[[source]]\nname = "web"\n[[source]]\nname = "китап"\nin = { "a b".c = [1, 22] }\n'
        "[model]\nmixer.heads = 8\n"
    )
    marks = scan(text)

    def value_at(*path: str | int) -> tuple[int, str]:
        mark = marks[path]
        line = text.count("\n", 0, mark.start) + 1
        return line, text[mark.value_start : mark.value_end]

    assert value_at("source", 1) == (3, "source")
    assert value_at("source", 1, "name") == (4, '"китап"')
    assert value_at("source", 1, "in", "a b", "c", 1) == (5, "22")
    assert value_at("model", "mixer", "heads") == (7, "8")
    assert value_at("model") == (6, "model")


def test_lines_are_those_of_own_headers_and_of_the_file_as_an_editor_shows_it() -> None:
    text = "[model.mixer]\nheads = 8\n[model]\ndim = 64\n"
    assert text.count("\n", 0, scan(text)[("model",)].start) == 2
    text = normal('\ufeffname = "tatar"\r\n\r\n[model]\r\ndim = 64\r\n')
    assert text.count("\n", 0, scan(text)[("model", "dim")].start) == 3


def test_carets_stand_under_wide_and_combining_letters_and_in_a_long_line() -> None:
    text = "名 = 'ខ្មែរ'; x = 1"
    drawing = draw(text, text.index("x"), text.index("x") + 1)
    assert drawing.splitlines()[1] == " " * (4 + 2 + 3 + 1 + 4 + 1 + 2) + "^"
    text = "words = [" + '"сүз", ' * 200 + "1]"
    drawn, carets = draw(text, len(text) - 2, len(text) - 1).splitlines()
    assert len(drawn) < 100
    assert drawn[carets.index("^")] == "1"


def test_a_name_with_a_dot_stands_in_quotes_and_what_is_no_key_stays_in_one_piece() -> None:
    assert dotted('source."leipzig.2015".path') == ["source", "leipzig.2015", "path"]
    assert dotted("phase.әкият.lr") == ["phase", "әкият", "lr"]
    for key in ("model layers", '"tatar', '"\\q".x', "a.b]", "a b.c"):
        assert dotted(key) == [key]


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
