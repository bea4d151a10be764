"""Templates, blocks, lines and rules: all texts that they give, and how they are looked up."""

import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made_grammars import SMALL, loaded, texts_of

from endonym.errors import RecipeError
from endonym.synthesis import building
from endonym.synthesis.patterns import Pattern
from endonym.synthesis.plot import Writer
from endonym.synthesis.templates import Choice, Mention, RawTemplate, parse

PARSED = [
    ("", ()),
    ("де pod", ("де pod",)),
    ("{A}{A.de}", (Mention("A", "", ()), Mention("A", "de", ()))),
    ("{A.d’un beau-х/y}", (Mention("A", "d’un beau-х/y", ()),)),
    ("{A.a.b}", (Mention("A", "a.b", ()),)),
    ("{A?lent/lente/}", (Mention("A", "", ("lent", "lente", "")),)),
    ("{A?}", (Mention("A", "", ("",)),)),
    ("{A?e.a?/e b}", (Mention("A", "", ("e.a?", "e b")),)),
    ("{A_2} / ?", (Mention("A_2", "", ()), " / ?")),
    ("a[b|]c", ("a", Choice((("b",), ())), "c")),
    ("[|b|]", (Choice(((), ("b",), ())),)),
    ("[a[b|{A}]c|d]", (Choice((("a", Choice((("b",), (Mention("A", "", ()),))), "c"), ("d",))),)),
]


@pytest.mark.parametrize(("text", "wanted"), PARSED)
def test_a_template_is_text_mentions_and_choices(text: str, wanted: Any) -> None:
    assert parse(RawTemplate(text, "lines", "a.toml")) == wanted


@pytest.mark.parametrize("text", ["{A}", "{A.de}", "{A?lent/lente}", "{A_2.d’un beau}"])
def test_a_mention_is_told_as_it_is_written(text: str) -> None:
    (mention,) = parse(RawTemplate(text, "lines", "a.toml"))
    assert str(mention) == text


BRACES = "Braces stand in pairs: {A}"
FORMS = "Write {A}, {A.key} or {A?one/other}, with the name of a slot or a block."
BRACKETS = "Alternatives stand in brackets, with | between them: [red|green]"
ONE = "there is one alternative in brackets"
LEFT_OUT = "For words that may be left out, write [words|]"
UNFIT = [
    ("a {A", "{ has no }", BRACES), ("a A}", "} has no {", BRACES),
    ("{A {B}", "{ has no }", BRACES),
    ("{}", "{} is no slot", FORMS), ("{A b}", "{A b} is no slot", FORMS),
    ("{A.}", "{A.} is no slot", FORMS), ("{A.b?}", "{A.b?} is no slot", FORMS),
    ("{A-b}", "{A-b} is no slot", FORMS), ("{A.a|b}", "{A.a|b} is no slot", FORMS),
    ("{A?a[b}", "{A?a[b} is no slot", FORMS), ("{A?a|b}", "{A?a|b} is no slot", FORMS),
    ("{A.a[b}", "{A.a[b} is no slot", FORMS), ("{A.a]b}", "{A.a]b} is no slot", FORMS),
    ("{A?a]b}", "{A?a]b} is no slot", FORMS), ("{A?a}b}", "} has no {", BRACES),
    ("a|b", "| stands behind no [", BRACKETS), ("[a|b]|c", "| stands behind no [", BRACKETS),
    ("a]", "] stands behind no [", BRACKETS), ("[a|b]]", "] stands behind no [", BRACKETS),
    ("[a]", ONE, LEFT_OUT),
    ("[]", ONE, LEFT_OUT),
    ("[a|[b|c]", "[ is not closed", "Close it with ]"),
    ("a [", "[ is not closed", "Close it with ]"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message", "do"), UNFIT)
def test_braces_and_brackets_that_do_not_fit_are_told(text: str, message: str, do: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse(RawTemplate(text, "blocks.b, alternative 2", "words.toml"))
    assert caught.value.as_dict() == {
        "kind": "RecipeError", "message": f"blocks.b, alternative 2: {message}, in “{text}”.",
        "where": "words.toml", "do": do,
    }  # fmt: skip


WRITTEN = [
    ("vine [{A}|{A}], da", {"vine ana, da", "vine ion, da"}),
    ("vine [acum {b}|{b}]", {"vine da", "vine acum da"}),
    ("Da. [{A}|{b}]!", {"Da. Ana!", "Da. Ion!", "Da. Da!"}),
    ("[{A}|] {c}: {c}", {"Ana da.: da.", "Ion da.: da.", "Da.: da."}),
    ("e. {b} {A}", {"e. Da ana", "e. Da ion"}),
    ("{b}{A}", {"Daana", "Daion"}),
]


@pytest.mark.parametrize(("text", "wanted"), WRITTEN)
def test_capitals_depend_on_what_stands_before_at_any_depth(
    text: str, wanted: set[str], tmp_path: Path
) -> None:
    more = f"blocks = {{ b = 'da', c = '{{b}}.' }}\nlines = [{{ text = '{text}' }}]"
    assert texts_of(tmp_path, more) == wanted


def test_the_longest_of_own_capitals_that_fits_is_taken(tmp_path: Path) -> None:
    more = 'capitals = { a = "Ⱥ", an = "AN", "" = "" }\nlines = [{ text = "{A}" }]'
    assert texts_of(tmp_path, more) == {"ANa", "ion"}
    words = 'words.names = "ßa ijs iş კატა ǆep"\ncast.A.words = "names"\n'
    grammar = loaded(tmp_path, f'{words}capitals = {{ ij = "IJ" }}\nlines = [{{ text = "{{A}}" }}]')
    assert {grammar.text(index) for index in range(5)} == {
        "Ssa", "IJs", "Iş", "კატა", "ǅep",
    }  # fmt: skip


def test_blocks_that_were_drawn_stay_until_they_are_drawn_again(tmp_path: Path) -> None:
    more = """
    blocks = { x = ["a", "b"], y = ["{x}c", "{x}d"] }
    lines = [
        { draw = "x", text = "{A}:{x}{x}" },
        { draw = "y", text = "e {x}{y}{y}" },
        { draw = "x", text = "e {x}{x}{y}" },
    ]
    """
    found = texts_of(tmp_path, more, 600)
    assert found == {
        f"{name}:{x}{x}\ne {x}{x}{y}{x}{y}\ne {again}{again}{again}{y}"
        for name in ("Ana", "Ion")
        for x in "ab"
        for y in "cd"
        for again in "ab"
    }


def test_several_blocks_are_drawn_in_the_order_that_is_said(tmp_path: Path) -> None:
    more = """
    blocks = { x = ["a", "b"], y = ["c", "d"] }
    lines = [{ draw = "y x", text = "e {x}{y}{x}{y}{A}" }]
    """
    assert texts_of(tmp_path, more) == {
        f"e {x}{y}{x}{y}{name}" for x in "ab" for y in "cd" for name in ("ana", "ion")
    }
    (ready,) = loaded(tmp_path, SMALL + more).plots
    drawn: list[Any] = []
    chance = SimpleNamespace(choice=lambda options: drawn.append(options) or options[-1])
    text = Writer(ready, ready.cast(0), chance).lines()  # type: ignore[arg-type]
    assert text == ["e bdbdana"]
    assert drawn == [(("c",), ("d",)), (("a",), ("b",))]


def test_lines_have_single_blanks_and_none_is_empty(tmp_path: Path) -> None:
    more = """
    [[lines]]
    text = '''
    \t
      un\t \tpod [|]  vechi\u00a0\u00a0{A} [|]\t
    [|]
    \u00a0x
    '''
    [[lines]]
    text = "ion\\u2028\\u2028pleacă"
    """
    rest = "\u00a0x\nion\npleacă"
    assert texts_of(tmp_path, more) == {
        f"un pod vechi\u00a0\u00a0{name}\n{rest}" for name in ("ana", "ion")
    }


def test_rules_see_single_blanks_and_may_leave_none_at_the_ends(tmp_path: Path) -> None:
    more = r"""
    lines = [{ text = "e [|] un {A}. [|]" }]
    [[replace]]
    find = '^e un (ana|ion)'
    by = ' \1  \1'
    [[replace]]
    find = 'ANA|ION|\. $'
    by = '! '
    """
    assert texts_of(tmp_path, more) == {"ana  ana!", "ion  ion!"}


def test_a_rule_has_ten_seconds_for_each_line(tmp_path: Path) -> None:
    (ready,) = loaded(tmp_path, SMALL + 'lines = [{ text = "{A}\\nда" }]').plots
    given: list[Any] = []

    def sub(written: Any, line: str, **limit: Any) -> str:
        by = written(SimpleNamespace(expand=lambda by: by))
        given.append((by, line, limit))
        if len(given) > 3:
            raise TimeoutError
        return f"{line}{by}"

    pattern = Pattern(SimpleNamespace(sub=sub), "rule", "file")  # type: ignore[arg-type]
    patient = replace(ready, replace=((pattern, "!"), (pattern, "?")))
    with pytest.raises(RecipeError) as caught:
        Writer(patient, patient.cast(0), random.Random(1)).lines()
    limit = {"timeout": 10}
    assert given == [
        ("!", "Ana", limit), ("?", "Ana!", limit), ("!", "да", limit), ("?", "да!", limit),
    ]  # fmt: skip
    error = caught.value
    assert error.message == "rule: it takes more than 10 s for 3 characters."
    assert (error.where, error.do) == (
        "file", "Write the regular expression so that it can match in few ways.",
    )  # fmt: skip


HEAD = """
agreement = "m f"
words.animals = { m = "lup", f = "vulpe" }
words.mixed = { m = "lup", "" = "pod râu" }
words.traits = "mic/mică"
forms.m.a = "un {word}"
forms.m.the = "{word}ul"
forms.f.a = "o {word}"
cast.A.words = "animals"
cast.M.words = "mixed"
drawn.T = { words = "traits", like = "A" }
"""
THERE = "There are: A, M, T, b, c, d, e, f"
MISTAKES = [
    ("{b}", {"b": "{c}", "c": "{d}", "d": "{c}"}, "blocks.d: the grammar loops: c → d → c", "{c}",
     "Let one of them not name the next."),
    ("{b}", {"b": "{e} {c}", "c": "[da|{d}] da", "d": "{b}"},
     "blocks.d: the grammar loops: b → c → d → b", "{b}", "Let one of them not name the next."),
    ("{b}", {"b": "nu {b}"}, "blocks.b: the grammar loops: b → b", "nu {b}",
     "Let one of them not name the next."),
    ("da {b.a}", {}, "lines: {b.a} asks for a form of a block", "da {b.a}",
     "Write {b}; only slots have forms."),
    ("{b?a/b}", {}, "lines: {b?a/b} asks for a form of a block", "{b?a/b}",
     "Write {b}; only slots have forms."),
    ("[da|nu {X}]", {}, "lines: there is no slot or block X", "[da|nu {X}]", THERE),
    ("{mot}", {"mots": "e"}, "lines: there is no slot or block mot", "{mot}",
     f"Did you mean `mots`?  {THERE}, mots"),
    ("da\n{animals}", {}, "lines: there is no slot or block animals", "{animals}", THERE),
    ("{A?a/b/c}", {}, "lines: {A?a/b/c} needs 2 forms and has 3", "{A?a/b/c}",
     "Write one for each tag, with / between them; agreement = m, f"),
    ("{A?a}", {}, "lines: {A?a} needs 2 forms and has 1", "{A?a}",
     "Write one for each tag, with / between them; agreement = m, f"),
    ("{M?a/b}", {}, "lines: {M?a/b} agrees with pod, which has no tag of agreement", "{M?a/b}",
     "Give it one in [words] or [tags]: m, f"),
    ("{A.the}", {}, "lines: {A.the} asks for the form the, and vulpe has none", "{A.the}",
     "Forms of vulpe: a"),
    ("{M.teh}", {}, "lines: {M.teh} asks for the form teh, and lup has none", "{M.teh}",
     "Did you mean `the`?  Forms of lup: a, the"),
    ("{M.a}", {}, "lines: {M.a} asks for the form a, and pod has none", "{M.a}",
     "Forms of pod: none"),
    ("{T.the}", {}, "lines: {T.the} asks for the form the, and mică has none", "{T.the}",
     "Forms of mică: a"),
    ("{b}", {"b": "da\\n\\n{c}", "c": "nu\\n\\n{X}"},
     "blocks.c, alternative 2: there is no slot or block X", "{X}", THERE),
]  # fmt: skip


@pytest.mark.parametrize(("text", "blocks", "message", "shown", "do"), MISTAKES)
def test_what_a_template_names_wrongly_is_told_whole(
    text: str, blocks: dict[str, str], message: str, shown: str, do: str, tmp_path: Path
) -> None:
    every = dict.fromkeys("bcdef", "e") | blocks
    made = "\n".join(f'blocks.{name} = "{block}"' for name, block in every.items())
    with pytest.raises(RecipeError) as caught:
        loaded(tmp_path, f"{HEAD}{made}\n[[lines]]\ntext = '''\n{text}'''")
    assert (caught.value.message, caught.value.where, caught.value.do) == (
        f"{message}, in “{shown}”.", str(tmp_path / "grammar.toml"), do,
    )  # fmt: skip


def test_a_block_that_is_drawn_is_looked_up_as_well(tmp_path: Path) -> None:
    for draw, message, do in (
        ("b X", "draw: there is no block X, in “b X”.", "There are: b"),
        ("A", "draw: there is no block A, in “A”.", "There are: b"),
        ("b", "blocks.b: there is no slot or block X, in “{X}”.", "There are: A, b"),
    ):
        text = f'{SMALL}blocks.b = "{{X}}"\nlines = [{{ draw = "{draw}", text = "da" }}]'
        with pytest.raises(RecipeError) as caught:
            loaded(tmp_path, text.replace('"{X}"', '"e"') if "X" in draw or draw == "A" else text)
        assert (caught.value.message, caught.value.do) == (message, do)


def test_the_depth_of_a_template_is_that_of_its_deepest_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert building.DEEPEST == 100
    monkeypatch.setattr(building, "DEEPEST", 5)
    blocks = (
        'blocks = { a = "{b} da", b = ["e", "[nu|{c}] {A}"], c = "{d}", d = "e", o = "{a} nu" }\n'
    )
    for first in ("{a}", "nu {c} {d} {a} da", "{d}{c}{b}"):
        lines = f"lines = [{{ text = '{first}' }}, {{ text = '{{a}}' }}]"
        assert texts_of(tmp_path, f"{blocks}{lines}")
    for first in ("da", "[{c}|] {a} da"):
        lines = f"lines = [{{ text = '{first}' }}, {{ text = '{{o}}' }}]"
        with pytest.raises(RecipeError) as caught:
            texts_of(tmp_path, f"{blocks}{lines}")
        message = "more than 5 blocks and brackets stand in one another, in “{"
        assert message in caught.value.message
    assert caught.value.do == "Write some of them in one: o → a → …"


def test_blocks_that_stand_far_too_deep_are_told(tmp_path: Path) -> None:
    blocks = "".join(f'blocks.b{n} = "{{b{n + 1}}}"\n' for n in range(3_000))
    with pytest.raises(RecipeError) as caught:
        texts_of(tmp_path, f"{blocks}blocks.b3000 = 'e'\nlines = [{{ text = '{{b0}}' }}]")
    assert caught.value.message == (
        "blocks.b99: more than 100 blocks and brackets stand in one another, in “{b100}”."
    )
    assert caught.value.do == "Write some of them in one: b0 → b1 → b2 → …"


def bracketed(text: str, depth: int) -> str:
    """A text in so many brackets."""
    return f"{'[' * depth}{text}{'|]' * depth}"


@pytest.mark.parametrize(("blocks", "brackets", "around"), [
    (0, 0, 100), (49, 1, 2), (50, 1, 0), (10, 9, 0), (99, 0, 1), (1, 49, 50),
])  # fmt: skip
def test_brackets_stand_in_one_another_as_blocks_do(
    blocks: int, brackets: int, around: int, tmp_path: Path
) -> None:
    """A hundred in all: what loads can be written, and what is deeper does not load."""

    def grammar(around: int) -> str:
        made = [
            f"blocks.b{n} = '{bracketed(f'{{b{n + 1}}}' if n + 1 < blocks else 'тау', brackets)}'"
            for n in range(blocks)
        ]
        line = bracketed("{b0}" if blocks else "тау", around)
        return "\n".join([*made, f"lines = [{{ text = 'Биек {line}.' }}]"])

    assert "Биек ." in texts_of(tmp_path, grammar(around))
    for deeper in (1, 2_000):
        with pytest.raises(RecipeError) as caught:
            texts_of(tmp_path, grammar(around + deeper))
        message = "more than 100 blocks and brackets stand in one another, in “"
        assert message in caught.value.message
        assert caught.value.where == str(tmp_path / "grammar.toml")
    assert caught.value.do == "Write [a|b|c] for [a|[b|c]]."


def test_brackets_in_many_blocks_are_refused_when_they_are_loaded(tmp_path: Path) -> None:
    made = "".join(f"blocks.b{n} = '{bracketed(f'{{b{n + 1}}}', 9)}'\n" for n in range(99))
    with pytest.raises(RecipeError) as caught:
        texts_of(tmp_path, f"{made}blocks.b99 = 'тау'\nlines = [{{ text = '{{b0}}' }}]")
    assert caught.value.message.startswith("blocks.b9: more than 100 blocks and brackets stand")
    assert caught.value.do == "Write some of them in one: b0 → b1 → b2 → …"


@pytest.mark.parametrize(("text", "letters"), [
    ("{A}", 3), ("{A.a}", 6), ("{A?да/нету}", 4), ("[da|nu {A}|]!", 7), ("{b}{b}", 20),
    ("{b} [x|{A}] {c}", 10 + 1 + 3 + 1 + 12),
])  # fmt: skip
def test_the_most_characters_of_a_line_are_counted(
    text: str, letters: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = """
    agreement = "m f"
    words.a = { m = "ион", f = "ан" }
    forms = { m.a = "{word}", f.a = "{word} {word}x" }
    cast.A.words = "a"
    blocks = { b = ["да", "абвгдеёжзи"], c = "{b}ок" }
    """
    wanted = start + f"lines = [{{ text = '{text}' }}]"
    monkeypatch.setattr(building, "MOST_LETTERS", letters)
    assert loaded(tmp_path, wanted).casts == 2
    monkeypatch.setattr(building, "MOST_LETTERS", letters - 1)
    with pytest.raises(RecipeError) as caught:
        loaded(tmp_path, wanted)
    assert caught.value.message == (
        f"lines: its text may have more than {letters - 1} characters, in “{text}”."
    )
    assert caught.value.do == "Let blocks name each other less often."
