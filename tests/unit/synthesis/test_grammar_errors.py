"""Mistakes in grammars: each is refused when it is loaded, with what, where and what to do."""

import re
from pathlib import Path

import pytest

from endonym.errors import RecipeError
from endonym.synthesis import building, grammar_file, plot
from endonym.synthesis.grammar import Grammar

GOOD = """
agreement = "m f"
[words.animals]
m = "lup urs"
f = "vulpe"
[words]
traits = "mic/mică mare"
places = "pădure râu"
[tags]
soft = 'e$'
[forms.m]
a = "un {word}"
[forms.f]
a = "o {word}"
[forms.soft]
the = "{word}a"
[cast]
A = { words = "animals" }
B = { words = "animals", unlike = "A" }
[drawn]
trait = { words = "traits", like = "A" }
place = { words = "places" }
[blocks]
start = "{A.a} și {B.a}"
other = "{start} {trait}"
[[lines]]
draw = "start"
text = "{other} [acasă|afară] {A?singur/singură}"
[[replace]]
find = 'și un'
by = 'și-un'
"""

MISTAKES = [
    # of templates
    ("{B.a}", "{B.an}", "blocks.start: {B.an} asks for the form an", "`a`?  Forms of lup: a"),
    ("{B.a}", "{B.the}", "{B.the} asks for the form the, and lup has none", "lup: a"),
    ("{B.a}", "{C.a}", "no slot or block C, in “{A.a} și {C.a}”", "are: A, B, trait, place, start"),
    ("{B.a}", "{plase}", "there is no slot or block plase", "Did you mean `place`?"),
    ("{start} {", "{start.a} {", "{start.a} asks for a form of a block", "Write {start}"),
    ("{B.a}", "gata.\\n\\n{C.a}", "blocks.start, alternative 2: there is no slot", "are: A, B"),
    ("[acasă|", "{start?a/b} [acasă|", "{start?a/b} asks for a form of a block", "only slots"),
    ("{B.a}", "{other}", "the grammar loops: start → other → start", "not name the next"),
    ("{B.a}", "{start}", "the grammar loops: start → start, in “{A.a}", "not name the next"),
    ("singur/singură}", "singur}", "{A?singur} needs 2 forms and has 1", "agreement = m, f"),
    ("{A?s", "{place?s", "agrees with pădure, which has no tag of agreement", "[words]"),
    ("singur/singură}", "}", "{A?} needs 2 forms and has 1", "agreement = m, f"),
    ("{B.a}", "{B.a", "{ has no }, in “{A.a} și {B.a”", "pairs: {A}"),
    ("{B.a}", "B.a}", "} has no {", "pairs: {A}"),
    ("{B.a}", "{B a}", "{B a} is no slot", "{A?one/other}"),
    ("{B.a}", "{}", "{} is no slot", "{A.key}"),
    ("[acasă|afară]", "[acasă|afară", "[ is not closed, in “{other}", "with ]"),
    ("[acasă|afară]", "acasă|afară]", "lines: | stands behind no [", "[red|green]"),
    ("[acasă|afară]", "acasă]", "] stands behind no [", "[red|green]"),
    ("[acasă|afară]", "[acasă]", "one alternative in brackets", "[words|]"),
    ("afară]", "{afară}]", "no slot or block afară", "There are: A"),
    ('draw = "start"', 'draw = "start stop"', "there is no block stop", "are: start, other"),
    ('draw = "start"', 'draw = "A"', "draw: there is no block A", "are: start, other"),
    # of slots
    ('unlike = "A"', 'unlike = "C"', "cast.B depends on C, which is no slot", "above it: A"),
    ('unlike = "A"', 'unlike = "B"', "cast.B depends on B, which is no slot", "above it: A"),
    ('unlike = "A"', 'unlike = "A", like = "A"', "B is both like A and unlike A", "one of the two"),
    ('unlike = "A"', 'other_than = "trait"', "depends on trait, which is no slot above", "A"),
    ('"traits"', '"traits", only = "mik"', "takes only mik, which is not in traits", "list"),
    ('{ words = "places" }', '{ words = "place" }', "from place, and", "`places`?  Lists: an"),
    ('{ words = "places" }', '{ only = "râu" }', "drawn.place names no list", 'words = "animals"'),
    ('"traits", like = "A"', '"traits"', "trait takes mic/mică, which has several forms", "like"),
    ('like = "A" }', 'like = "A" }\nx = { words = "places", unlike = "A" }', "has no tag", "m, f"),
    ('"places" }', '"places" }\nx = { words = "places", other_than = "place A" }', "none", "more"),
    ('"places" }', '"places" }\nx = { words = "animals", unlike = "A", only = "urs" }', "none", ""),
    ("[drawn]", '[drawn]\nA = { words = "places" }', "A stands in drawn and is a name of", ""),
    ("[blocks]", '[blocks]\nB = "b"', "B stands in blocks and is a name of cast", "another name"),
    ("[blocks]", '[blocks]\nplot = "b"', "plot stands in blocks", "another name"),
    ("[blocks]", '[blocks]\n"a b" = "b"', "blocks.a b cannot be named", "letters"),
    # of words
    ('places = "pădure râu"', 'places = ""', "words.places has no words", "Write some"),
    ('places = "pădure râu"', "places = [' ']", "words.places has no words", "Write some"),
    ("mic/mică", "mic/mică/mici", "must have one form for each of m, f, not 3", "order of"),
    ('m = "lup urs"', '"m f" = "lup urs"', "lup has the tags m and f", "one tag"),
    ('m = "lup urs"', 'm = "lup/lupoaică"', "must have one form for each of m, f", "no tag"),
    ('agreement = "m f"', "", "cast.B agrees, and `agreement` is not given", 'agreement = "m f"'),
    ('soft = \'e$\'', "soft = '(e$'", "tags.soft: the regular expression is not right", "single"),
    ("[forms.soft]", "[forms.sofd]", "forms.sofd: no word has sofd", "`soft`?  Tags: m, f, soft"),
    ('"un {word}"', '"un {noun}"', 'forms.m: braces other than {word}, in "un {noun}"', '"{word}"'),
    # of the file
    ("[[lines]]", "[[other]]", "other is not a key of a grammar", "Keys here: agreement"),
    ('words = "places"', 'word = "places"', "drawn.place.word is not a key", "mean `words`?"),
    ("by = ", "with = ", "replace.0.with is not a key", "Keys here: find, by"),
    ("draw =", "drawn =", "lines.0.drawn is not a key", "Did you mean `draw`?"),
    ("find = 'și un'", "find = '(și un'", "replace.0: the regular expression is not right", "docs"),
    ("by = 'și-un'", r"by = '\2'", "replace.0: the regular expression is not right", "docs"),
    ("find = 'și un'", "", "replace.0.find is missing", "docs"),
    ("[words]", "[words]\nx = 3", "words.x: must be words in quotes, or a list", "docs"),
    ("[words]", "[words]\nx = [3]", "words.x: must hold texts in quotes, not 3", "docs"),
    ("[blocks]", "[blocks]\nx = 3", "blocks.x: must be text, with a blank line", "docs"),
    ("[blocks]", '[blocks]\nx = "  "', "blocks.x has no alternatives", "Write one"),
    ('text = "', 'text = 3 # "', "lines.0.text: it should be a valid string, not '3'", "docs"),
    ("[words]", "[words", "the file is no TOML", "quotes"),
    ("[tags]", "sentence_start = 3\n[tags]", "words.sentence_start: must be words", "docs"),
    ("agreement", "sentence_start = '('\nagreement", "sentence_start: the regular", "quotes"),
]  # fmt: skip


def refused(path: Path, text: str = "") -> RecipeError:
    """The error about a grammar."""
    if text:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        Grammar.load(path)
    return caught.value


@pytest.mark.parametrize(("good", "wrong", "message", "do"), MISTAKES)
def test_a_mistake_is_named_with_what_to_do(
    good: str, wrong: str, message: str, do: str, tmp_path: Path
) -> None:
    assert good in GOOD
    error = refused(tmp_path / "grammar.toml", GOOD.replace(good, wrong, 1))
    assert message in error.message
    assert do in error.do
    assert error.where.startswith(str(tmp_path / "grammar.toml"))
    assert error.do


def test_the_grammar_without_these_mistakes_is_good(tmp_path: Path) -> None:
    (tmp_path / "grammar.toml").write_text(GOOD, encoding="utf-8")
    text = Grammar.load(tmp_path / "grammar.toml").text(0)
    assert text.endswith((" singur", " singură"))


LEAVING_NOTHING = [
    ("like", "lup urs", "vulpe"),
    ("unlike", "lup urs", "lup urs"),
    ("other_than", "lup", "lup"),
]


@pytest.mark.parametrize(("link", "first", "second"), LEAVING_NOTHING)
@pytest.mark.parametrize("table", ["cast", "drawn"])
def test_slots_that_leave_nothing_are_refused(
    table: str, link: str, first: str, second: str, tmp_path: Path
) -> None:
    text = f"""
    agreement = "m f"
    words.animals = {{ m = "lup urs", f = "vulpe" }}
    cast.A = {{ words = "animals", only = "{first}" }}
    {table}.B = {{ words = "animals", {link} = "A", only = "{second}" }}
    lines = [{{ text = "{{A}} {{B}}" }}]
    """
    error = refused(tmp_path / "grammar.toml", text)
    expected = {"cast": "no words of the slots A, B may stand", "drawn": "few words beside A: some"}
    assert expected[table] in error.message
    every = re.sub(', only = "[^"]*"', "", text)
    (tmp_path / "grammar.toml").write_text(every, encoding="utf-8")
    assert Grammar.load(tmp_path / "grammar.toml").text(0)


def test_slots_with_too_many_combinations_to_be_listed_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert building.MOST_LINKED == 1_000_000
    monkeypatch.setattr(building, "MOST_LINKED", 1_000)
    words = " ".join(f"w{number}" for number in range(11))
    slots = "\n".join(
        f'cast.{name} = {{ words = "many", other_than = "{above}" }}'
        for name, above in (("A", ""), ("B", "A"), ("C", "B"))
    )
    text = f'words.many = "{words}"\n{slots}\nlines = [{{ text = "{{A}}" }}]'
    error = refused(tmp_path / "grammar.toml", text)
    assert "the slots A, B, C have 1,331 combinations; 1,000 fit" in error.message
    assert "[drawn]" in error.do
    for good, casts in (
        (text.replace(" w10", ""), 10 * 9 * 9),
        (text.replace('other_than = "B"', 'other_than = ""'), 11 * 10 * 11),
    ):
        (tmp_path / "grammar.toml").write_text(good, encoding="utf-8")
        assert Grammar.load(tmp_path / "grammar.toml").casts == casts
    pairs = text.replace('other_than = "B"', 'other_than = ""').replace(
        "lines", 'cast.D.words = "many"\nlines'
    )
    pairs = pairs.replace('D.words = "many"', 'D = { words = "many", other_than = "C" }')
    (tmp_path / "grammar.toml").write_text(pairs, encoding="utf-8")
    assert Grammar.load(tmp_path / "grammar.toml").casts == (11 * 10) ** 2


def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    largest = 1 << 20
    monkeypatch.setattr(grammar_file, "LARGEST_BYTES", largest)
    path = tmp_path / "grammar.toml"
    path.write_text(GOOD + "#" * (largest - len(GOOD.encode())), encoding="utf-8")
    assert path.stat().st_size == largest
    assert Grammar.load(path).text(0)
    error = refused(path, path.read_text(encoding="utf-8") + "#")
    assert error.message == "a file of a grammar holds at most 1 MB."


def test_blocks_may_stand_in_one_another_a_hundred_deep(tmp_path: Path) -> None:
    for depth in (100, 101):
        blocks = "".join(f'b{i} = "{{b{i + 1}}}"\n' for i in range(depth - 1))
        text = f'lines = [{{ text = "{{b0}}" }}]\n[blocks]\n{blocks}b{depth - 1} = "gata"'
        if depth == 100:
            (tmp_path / "grammar.toml").write_text(text, encoding="utf-8")
            assert Grammar.load(tmp_path / "grammar.toml").text(0) == "Gata"
    error = refused(tmp_path / "grammar.toml", text)
    assert "blocks.b99: more than 100 blocks stand in one another" in error.message
    assert "b0 → b1 → b2 → …" in error.do


def test_of_a_long_template_the_beginning_is_shown(tmp_path: Path) -> None:
    for length, shown in ((96, "е" * 96 + "{C}{"), (97, "е" * 97 + "{C…")):
        text = f'lines = [{{ text = "{"е" * length}{{C}}{"{"}" }}]'
        assert refused(tmp_path / "grammar.toml", text).message.endswith(f", in “{shown}”.")


def letters_of(length: int) -> str:
    """A grammar whose lines have at most so many characters."""
    return f"""
    words.a = "ана әби"
    cast.A.words = "a"
    lines = [{{ text = "{{b}}[-|{"-" * 9}]{{A}}" }}]
    blocks.b = ["да", "{{c}}{{c}}"]
    blocks.c = "{"е" * ((length - 12) // 2)}"
    """


def test_a_grammar_whose_texts_may_be_too_long_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "grammar.toml"
    path.write_text(letters_of(100_000), encoding="utf-8")
    assert Grammar.load(path).casts == 2
    error = refused(path, letters_of(100_002))
    assert error.message.startswith("lines: its text may have more than 100,000 characters")
    doubled = "".join(f'b{i} = ["", "{{b{i + 1}}}{{b{i + 1}}}"]\n' for i in range(25))
    words = 'words.a = "ана"\ncast.A.words = "a"\n'
    text = f'{words}lines = [{{ text = "{{b0}}" }}]\n[blocks]\n{doubled}b25 = "эт"'
    assert refused(path, text).message.startswith("blocks.b9: its text may have more")
    choices = "".join(f'b{i} = "[да {{b{i + 1}}}|нет {{b{i + 1}}}]"\n' for i in range(40))
    text = f'{words}lines = [{{ text = "{{b0}}" }}]\n[blocks]\n{choices}b40 = "{{A}}"'
    path.write_text(text, encoding="utf-8")
    assert len(Grammar.load(path).text(0).split()) == 41


def test_blocks_that_were_seen_before_are_as_deep(tmp_path: Path) -> None:
    blocks = "".join(f'b{i} = "{{b{i + 1}}}"\n' for i in range(160))
    for first, is_good in ((61, True), (60, False)):
        lines = f'lines = [{{ text = "{{b100}}" }}, {{ text = "{{b{first}}}" }}]\n'
        text = f'{lines}[blocks]\n{blocks}b160 = "гата"'
        if is_good:
            (tmp_path / "grammar.toml").write_text(text, encoding="utf-8")
            assert Grammar.load(tmp_path / "grammar.toml").text(0) == "Гата\nГата"
            continue
        error = refused(tmp_path / "grammar.toml", text)
        assert "more than 100 blocks stand in one another" in error.message


def test_a_rule_that_comes_to_no_end_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plot, "MOST_SECONDS", 1)
    path = tmp_path / "grammar.toml"
    rule = "[[replace]]\nfind = '(?:а|б|аб)*(?:а|б|аб)*\\d'\nby = ''\n"
    text = f'words.a = "ана"\ncast.A.words = "a"\nlines = [{{ text = "{"аб" * 999}" }}]\n'
    path.write_text(text + rule, encoding="utf-8")
    with pytest.raises(RecipeError, match="more than 1 s for a line of 1,998 characters") as caught:
        Grammar.load(path).text(0)
    assert "[[replace]] find = '(?:а" in caught.value.where


@pytest.mark.parametrize("text", ["words.a = 'b'", "lines = []", "lines = [{ text = ' \\n ' }]"])
def test_a_grammar_without_text_is_refused(text: str, tmp_path: Path) -> None:
    text = text.replace("'", '"')
    error = refused(tmp_path / "grammar.toml", text)
    assert error.message == "the grammar has no text."
    assert "[[lines]]" in error.do


def test_what_is_no_grammar_is_refused(tmp_path: Path) -> None:
    error = refused(tmp_path / "missing.toml")
    assert (error.message, error.where) == (
        "there is no such grammar.",
        str(tmp_path / "missing.toml"),
    )
    assert refused(tmp_path).message == "the folder holds no .toml file."
    file = tmp_path / "latin.toml"
    file.write_bytes(b"[words]\n# ok\na = '\xe3'")
    error = refused(file)
    assert (error.message, error.where, error.do) == (
        "byte 0xE3 at position 18 is not UTF-8.",
        f"{file}:3",
        "Save the file as UTF-8.",
    )
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert Grammar.load(file).text(0)


def folder_of(path: Path, **files: str) -> Path:
    """A folder with these files; those whose name begins with plot_ are plots."""
    (path / "plots").mkdir(parents=True)
    for name, text in files.items():
        place = path / "plots" / name[5:] if name.startswith("plot_") else path / name
        place.with_suffix(".toml").write_text(text, encoding="utf-8")
    return path


def test_an_error_names_the_file_of_a_folder(tmp_path: Path) -> None:
    bad = '[blocks]\nstart = "{C}"'
    error = refused(folder_of(tmp_path / "plot", good=GOOD, plot_a="", plot_b=bad))
    assert error.where == str(tmp_path / "plot" / "plots" / "b.toml")
    rest = GOOD.replace('start = "{A.a} și {B.a}"', "")
    error = refused(folder_of(tmp_path / "shared", rest=rest, first=bad, plot_a=""))
    assert error.where == str(tmp_path / "shared" / "first.toml")
    error = refused(folder_of(tmp_path / "twice", one=GOOD, two="[words]\nplaces = 'x'"))
    assert error.message == "words.places is written here and in another file of the folder."
    assert error.where == str(tmp_path / "twice" / "two.toml")
    error = refused(folder_of(tmp_path / "same", good=GOOD + "[plots.a]", plot_a=""))
    assert error.message == "there are two plots a."
    error = refused(folder_of(tmp_path / "inner", good=GOOD, plot_a="[plots.b]"))
    assert error.message == "plots is not a key of a grammar."
    error = refused(folder_of(tmp_path / "typo", good=GOOD + "[plots.a.cast.A]\nonyl = 'lup'"))
    assert error.message == "plots.a.cast.A.onyl is not a key of a grammar."
    assert "Keys here: words, only, like, unlike, other_than" in error.do
    assert "Did you mean `only`?" in error.do
    two = {"one": "[words]\na = 'x'", "two": "[words.a]\nm = 'y'"}
    error = refused(folder_of(tmp_path / "kinds", **two))
    assert error.message == "words.a is written here and in another file of the folder."
    (tmp_path / "deep" / "words.toml").mkdir(parents=True)
    error = refused(tmp_path / "deep")
    assert error.message == "the file cannot be read (Is a directory)."
