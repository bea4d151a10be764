"""Mistakes in grammars: each is refused when it is loaded, with what, where and what to do."""

import tracemalloc
from pathlib import Path

import pytest

from endonym.errors import RecipeError
from endonym.synthesis import building, patterns
from endonym.synthesis.grammar import Grammar

SHARED = {
    "agreement": 'agreement = "m f"',
    "tags": "tags.soft = 'e$'",
    "forms": 'forms.m.a = "un {word}"',
    "words": """
words.animals = { m = "lup urs", f = "vulpe" }
words.places = "pod râu"
words.traits = { "" = "mic/mică mare" }
""",
    "cast": 'cast.A.words = "animals"\ncast.place.words = "places"',
    "drawn": 'drawn.D.words = "places"',
    "blocks": 'blocks.b = "da"',
    "lines": 'lines = [{ text = "{A}" }]',
    "zi": """
tags.zi = "zi$"
forms.zi.the = "{word}ua"
words.days = "zi"
cast.Z.words = "days"
drawn.Y.words = "days"
blocks.z = "da"
""",
}
"""A grammar, by its tables: each is a file of the folder, and the last one has more of each."""

LISTS = "Lists: animals, places, traits, days"
NO_LIST = 'Name a list, or several: words = "animals"'
BLANKS = 'Words with blanks need a list: only = ["…"]'
FORMS = "Write fier/fière, in the order of `agreement`, and no tag of `agreement`."
TAG = "Write it below such a tag in [words], or say its spelling in [tags]; agreement = m, f"
TWICE = "Give one of them another name."
WORD = 'Write "{word}" for the word.'
LEFT = "Look at like, unlike, other_than and only: they leave nothing."
MISTAKES = [
    ('drawn.X.only = "lup"', "", "drawn.X names no list of words.", NO_LIST),
    ('cast.X.words = ""', "", "cast.X names no list of words.", NO_LIST),
    ('cast.X = { words = "animals", like = "D" }', "",
     "cast.X depends on D, which is no slot above it.", "Slots above it: A, place"),
    ('cast.X = { words = "animals", unlike = "plase" }', "",
     "cast.X depends on plase, which is no slot above it.",
     "Did you mean `place`?  Slots above it: A, place"),
    ('drawn.X = { words = "animals", other_than = "A U" }', "",
     "drawn.X depends on U, which is no slot above it.", "Slots above it: A, place, Z, D"),
    ('drawn.X = { words = "animals", like = "X" }', "",
     "drawn.X depends on X, which is no slot above it.", "Slots above it: A, place, Z, D"),
    ('cast.X = { words = "animals", like = "A", unlike = "place" }', "",
     "cast.X is both like A and unlike place.", "Keep one of the two."),
    ('cast.X = { words = "animals places", only = "lup xyz" }', "",
     "cast.X takes only xyz, which is not in animals places.", BLANKS),
    ('cast.X = { words = "animals", only = "vulpi" }', "",
     "cast.X takes only vulpi, which is not in animals.", f"Did you mean `vulpe`?  {BLANKS}"),
    ('cast.X.words = "animal"', "",
     "cast.X takes words from animal, and there is no such list.",
     f"Did you mean `animals`?  {LISTS}"),
    ('drawn.X.words = "animals Y"', "",
     "drawn.X takes words from Y, and there is no such list.", LISTS),
    ('words.w = { f = [" "], "" = "" }\ncast.X.words = "w"', "", "words.w has no words.",
     'Write some: m = "renard loup"'),
    ('words.w = { "m f" = "cal" }\ncast.X.words = "w"', "zi", "cal has the tags m and f.",
     "Words agree in one tag of `agreement`."),
    ('words.w = "a/b/c"\ncast.X = { words = "w", like = "A" }', "zi",
     "a/b/c must have one form for each of m, f, not 3.", FORMS),
    ('words.w = { f = "a/b" }\ncast.X = { words = "w", like = "A" }', "zi",
     "a/b must have one form for each of m, f, not 2.", FORMS),
    ('cast.X.words = "traits"', "zi", "cast.X takes mic/mică, which has several forms.",
     'Say what it agrees with: like = "A"'),
    ('cast.X = { words = "traits", unlike = "A" }', "zi",
     "cast.X takes mic/mică, which has several forms.", 'Say what it agrees with: like = "A"'),
    ('cast.X = { words = "traits", like = "place" }', "",
     "X: pod has no tag that words agree in.", TAG),
    ('drawn.X = { words = "animals", unlike = "place" }', "",
     "X: pod has no tag that words agree in.", TAG),
    ('cast.X = { words = "animals places", unlike = "A" }', "",
     "X: pod has no tag that words agree in.", TAG),
    ('drawn.X = { words = "animals", unlike = "A", only = "lup" }', "",
     "drawn.X has too few words beside A: some texts would find none.",
     "Give its list more words."),
    ('cast.X = { words = "animals", only = "lup urs" }\n'
     'drawn.V = { words = "animals", unlike = "X", only = "lup urs" }', "",
     "drawn.V has too few words beside X: some texts would find none.",
     "Give its list more words."),
    ('cast.X = { words = "animals", only = "lup urs" }\n'
     'drawn.V = { words = "animals", like = "X", only = "vulpe" }', "",
     "drawn.V has too few words beside X: some texts would find none.",
     "Give its list more words."),
    ('cast.X = { words = "animals", only = "lup" }\n'
     'cast.V = { words = "animals", only = "urs", unlike = "X" }', "",
     "no words of the slots X, V may stand together.", LEFT),
    ('forms.mm.a = "x"', "", "forms.mm: no word has mm.",
     "Did you mean `m`?  Tags: m, f, soft, zi"),
    ('forms."soft F".a = "x"', "", "forms.soft F: no word has F.",
     "Did you mean `f`?  Tags: m, f, soft, zi"),
    ('forms.soft.a = "{word} {x}"', "",
     'forms.soft: braces other than {word}, in "{word} {x}".', WORD),
    ('forms.a = "x}"', "zi", 'forms.a: braces other than {word}, in "x}".', WORD),
    ('tags.bad = "(a"', "",
     "tags.bad: the regular expression is not right: missing ) at position 2",
     "Write it in single quotes: '^[aeiou]'"),
    ('cast.b.words = "places"', "blocks", "b stands in blocks and is a name of cast.", TWICE),
    ('drawn.A.words = "places"', "", "A stands in drawn and is a name of cast.", TWICE),
    ('blocks.D = "a"', "", "D stands in blocks and is a name of drawn.", TWICE),
    ('drawn.plot.words = "places"', "", "plot stands in drawn and is a name of the plots.", TWICE),
    ('cast."a-b".words = "places"', "", "cast.a-b cannot be named.",
     "Names are letters, digits and _."),
    ('sentence_start = "[a"', "",
     "sentence_start: the regular expression is not right: "
     "unterminated character set at position 2",
     "Write it in single quotes: '(?:^|[.!?] )$'"),
    ("blocks.e = []", "", "blocks.e has no alternatives.",
     "Write one or more, with a blank line between them."),
]  # fmt: skip


def refused(path: Path, text: str = "") -> RecipeError:
    """The error about a grammar."""
    if text:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        Grammar.load(path)
    return caught.value


def refused_among(folder: Path, mistake: str, shared: dict[str, str] = SHARED) -> RecipeError:
    """The error about a grammar whose file extra.toml says something wrong."""
    for name, text in {**shared, "extra": mistake}.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return refused(folder)


@pytest.mark.parametrize(("mistake", "file", "message", "do"), MISTAKES)
def test_a_mistake_is_told_whole_with_its_file(
    mistake: str, file: str, message: str, do: str, tmp_path: Path
) -> None:
    error = refused_among(tmp_path, mistake)
    where = tmp_path / f"{file or 'extra'}.toml"
    assert (error.message, error.where, error.do) == (message, str(where), do)


@pytest.mark.parametrize("link", ["like", "unlike"])
def test_slots_that_agree_need_the_tags_that_they_agree_in(link: str, tmp_path: Path) -> None:
    shared = SHARED | {"agreement": "", "forms": ""}
    error = refused_among(tmp_path, f'drawn.X = {{ words = "animals", {link} = "A" }}', shared)
    assert error.message == "drawn.X agrees, and `agreement` is not given."
    assert error.where == str(tmp_path / "extra.toml")
    assert error.do == 'Name the tags at the top: agreement = "m f"'


def test_linked_slots_may_have_as_many_combinations_as_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = " ".join(f"w{number}" for number in range(397))
    slots = f"""
    words.w = "{words}"
    cast.X = {{ words = "animals w", other_than = "A" }}
    cast.V.words = "places"
    """
    assert building.MOST_LINKED == 1_000_000
    monkeypatch.setattr(building, "MOST_LINKED", 1_199)
    error = refused_among(tmp_path, slots)
    assert error.message == "the slots A, X have 1,200 combinations; 1,199 fit."
    assert error.where == str(tmp_path / "extra.toml")
    assert error.do == (
        "Take fewer words, or write one of them below [drawn], where it is not counted."
    )
    monkeypatch.setattr(building, "MOST_LINKED", 1_200)
    assert Grammar.load(tmp_path).casts == 3 * 399 * 2 * 2 * 1


def test_a_form_may_be_of_a_tag_that_only_words_with_several_forms_have(tmp_path: Path) -> None:
    for name, text in SHARED.items():
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    (tmp_path / "agreement.toml").write_text('agreement = "m f n"', encoding="utf-8")
    added = """
    words.w = "alb/albă/albe"
    forms.n.a = "niște {word}"
    forms.f.a = "o {word}"
    cast.X = { words = "w", like = "A" }
    """
    (tmp_path / "extra.toml").write_text(added, encoding="utf-8")
    (tmp_path / "words.toml").write_text(SHARED["words"].replace("mic/mică ", ""), "utf-8")
    slots = {slot.name: slot for slot in Grammar.load(tmp_path).plots[0].slots}
    forms = [word.forms["a"] for word in slots["X"].words]
    assert forms == ["un alb", "o albă", "niște albe"]


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


WAYS = r"(?:а|б|аб)*(?:а|б|аб)*\d"
"""It can match in so many ways that it comes to no end."""
ENDLESS = [
    (f"words.w = '{'аб' * 999}'\ntags.t = '{WAYS}'\ncast.W.words = 'w'", "tags.t", 1_998),
    (r"sentence_start = '(?<=\d(?:а|б|аб)*) $'" f"\nlines = [{{ text = '{'аб' * 999} {{A}}' }}]",
     "sentence_start", 1_999),
    (f"lines = [{{ text = '{'аб' * 999}' }}]\n[[replace]]\nfind = '{WAYS}'",
     f"[[replace]] find = {WAYS!r}", 1_998),
]  # fmt: skip


@pytest.mark.parametrize(("text", "name", "letters"), ENDLESS)
def test_a_regular_expression_that_comes_to_no_end_is_told(
    text: str, name: str, letters: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert patterns.MOST_SECONDS == 10
    monkeypatch.setattr(patterns, "MOST_SECONDS", 0.2)
    path = tmp_path / "grammar.toml"
    lines = "" if "lines" in text else "lines = [{ text = '{A}' }]\n"
    path.write_text(f"words.a = 'ана'\ncast.A.words = 'a'\n{lines}{text}", encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        Grammar.load(path).text(0)
    assert caught.value.message == f"{name}: it takes more than 0.2 s for {letters:,} characters."
    assert caught.value.where == str(path)


@pytest.mark.parametrize(("rules", "letters"), [
    ([("(.+)", r"\1\1")] * 24, 10), ([(".", "de o mie de ori")], 8_000),
    ([("(?=(.*)).", r"\1")], 8_000), ([("^a", "e" * 100_000)], 2),
])  # fmt: skip
def test_a_rule_that_makes_a_line_too_long_is_told(
    rules: list[tuple[str, str]], letters: int, tmp_path: Path
) -> None:
    """Before it has written much more: a rule may multiply what stands there."""
    path = tmp_path / "grammar.toml"
    text = f"words.a = 'ана'\ncast.A.words = 'a'\nlines = [{{ text = '{'a' * letters}' }}]\n"
    written = "".join(f"[[replace]]\nfind = '{find}'\nby = '{by}'\n" for find, by in rules)
    path.write_text(text + written, encoding="utf-8")
    grammar = Grammar.load(path)
    tracemalloc.start()
    try:
        with pytest.raises(RecipeError) as caught:
            grammar.text(0)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    name = f"[[replace]] find = {rules[0][0]!r}"
    assert caught.value.message == f"{name}: it makes a line of more than 100,000 characters."
    assert caught.value.where == str(path)


def test_a_rule_may_make_a_line_as_long_as_is_said(tmp_path: Path) -> None:
    path = tmp_path / "grammar.toml"
    rule = f"[[replace]]\nfind = '^u'\nby = '{'e' * 99_999}'"
    text = "words.a = 'ана'\ncast.A.words = 'a'\nlines = [{ text = 'un' }]\n"
    path.write_text(text + rule, encoding="utf-8")
    assert Grammar.load(path).text(0) == "e" * 99_999 + "n"


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
    file.write_bytes(b"\xef\xbb\xbf" + letters_of(99).replace("\n", "\r\n").encode())
    assert Grammar.load(file).text(0)
