"""Grammars: forms by tags, agreement, counting, plots, and the example of the documentation."""

import hashlib
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from made_grammars import SMALL, loaded, texts_of

from endonym.synthesis.grammar import Grammar

ROOT = Path(__file__).resolve().parents[3]

TATAR = r"""
[tags]
back = '[аоуыёюя][^аәеэиоөуүыёюя]*$'
front = '[әеэиөү][^аәеэиоөуүыёюя]*$'
nasal = '[мнң]$'
voiceless = '[кпстфхцчшщ]$'

[forms.back]
pl = "{word}лар"
dat = "{word}га"
loc = "{word}да"
abl = "{word}дан"
[forms.front]
pl = "{word}ләр"
dat = "{word}гә"
loc = "{word}дә"
abl = "{word}дән"
[forms."back nasal"]
pl = "{word}нар"
abl = "{word}нан"
[forms."front nasal"]
pl = "{word}нәр"
abl = "{word}нән"
[forms."back voiceless"]
dat = "{word}ка"
loc = "{word}та"
abl = "{word}тан"
[forms."front voiceless"]
dat = "{word}кә"
loc = "{word}тә"
abl = "{word}тән"

[words]
animals = "аю куян эт төлке каз"
places = "урман күл мәктәп агач авыл"

[cast]
A = { words = "animals" }
B = { words = "animals", other_than = "A" }
P = { words = "places" }
Q = { words = "places" }

[drawn]
R = { words = "places", other_than = "P Q" }

[[lines]]
text = '''
{A.pl} һәм {B.pl}
{A} {P.dat} барды. {B} {P.loc} яшәде, {Q.abl} [бүген|кичә] кайтты. {R.dat} беркем бармады.
'''
"""

TATAR_FORMS = {
    "аю": "аюлар аюга аюда аюдан",
    "куян": "куяннар куянга куянда куяннан",
    "эт": "этләр эткә эттә эттән",
    "төлке": "төлкеләр төлкегә төлкедә төлкедән",
    "каз": "казлар казга казда каздан",
    "урман": "урманнар урманга урманда урманнан",
    "күл": "күлләр күлгә күлдә күлдән",
    "мәктәп": "мәктәпләр мәктәпкә мәктәптә мәктәптән",
    "агач": "агачлар агачка агачта агачтан",
    "авыл": "авыллар авылга авылда авылдан",
}


@pytest.fixture
def tatar(tmp_path: Path) -> Grammar:
    """A grammar whose suffixes follow the vowels and the last letter of a word."""
    return loaded(tmp_path, TATAR)


@pytest.fixture
def romanian(tmp_path: Path) -> Grammar:
    """The grammar of the documentation."""
    page = (ROOT / "docs" / "synthetic.md").read_text(encoding="utf-8")
    example = page.partition("## Grammars")[2].partition("```toml\n")[2].partition("```")[0]
    return loaded(tmp_path, example)


def test_tatar_suffixes_follow_the_last_vowel_and_letter(tatar: Grammar) -> None:
    (plot,) = tatar.plots
    words = {word.text: word.forms for slot in plot.slots for word in slot.words}
    found = {
        text: " ".join(forms[key] for key in ("pl", "dat", "loc", "abl"))
        for text, forms in words.items()
    }
    assert found == TATAR_FORMS


def test_a_text_is_its_template_with_the_forms_of_its_slots(tatar: Grammar) -> None:
    for index in range(200):
        slots = tatar.slots(index)
        assert list(slots) == ["A", "B", "P", "Q", "R"]
        plural, dative, locative, ablative = (
            {name: TATAR_FORMS[word].split()[case] for name, word in slots.items()}
            for case in range(4)
        )
        title, body = tatar.text(index).split("\n")
        assert title == f"{plural['A'].capitalize()} һәм {plural['B']}"
        assert re.fullmatch(
            f"{slots['A'].capitalize()} {dative['P']} барды. {slots['B'].capitalize()} "
            f"{locative['P']} яшәде, {ablative['Q']} (бүген|кичә) кайтты. "
            f"{dative['R'].capitalize()} беркем бармады.",
            body,
        )


def test_no_cast_returns_before_all_were_used(tatar: Grammar) -> None:
    assert tatar.casts == 5 * 4 * 5 * 5
    for seed in (0, 7):
        slots = [tatar.slots(index, seed) for index in range(tatar.casts)]
        casts = [tuple(each[name] for name in "ABPQ") for each in slots]
        assert len(set(casts)) == tatar.casts
        assert all(each["A"] != each["B"] for each in slots)
        assert all(each["R"] not in (each["P"], each["Q"]) for each in slots)
        assert {each["R"] for each in slots} == {"урман", "күл", "мәктәп", "агач", "авыл"}
        again = tatar.slots(tatar.casts, seed)
        assert tuple(again[name] for name in "ABPQ") == casts[0]
    assert tatar.slots(0, 0) != tatar.slots(0, 7)


def test_both_alternatives_in_brackets_are_drawn(tatar: Grammar) -> None:
    texts = [tatar.text(index) for index in range(100)]
    today = sum("бүген" in text for text in texts)
    assert 25 < today < 75
    assert all(("бүген" in text) != ("кичә" in text) for text in texts)


def test_any_index_is_written_at_once_and_the_same_in_another_process(
    tatar: Grammar, tmp_path: Path
) -> None:
    code = (
        "import sys; from pathlib import Path; from endonym.synthesis.grammar import Grammar\n"
        "grammar = Grammar.load(Path(sys.argv[1]))\n"
        "sys.stdout.write(grammar.text(2_999_999, 3) + repr(grammar.slots(2_999_999, 3)))\n"
        "assert 'torch' not in sys.modules"
    )
    more = {
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONHASHSEED": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    command = [sys.executable, "-c", code, tmp_path / "grammar.toml"]
    done = subprocess.run(command, env={**os.environ, **more}, capture_output=True, check=True)
    here = tatar.text(2_999_999, 3) + repr(tatar.slots(2_999_999, 3))
    assert done.stdout.decode("utf-8") == here
    assert tatar.slots(2_999_999) != tatar.slots(2_999_998)
    with pytest.raises(ValueError, match="0 or more, not -1"):
        tatar.text(-1)
    with pytest.raises(ValueError, match="0 or more, not -5"):
        tatar.slots(-5)


def test_more_casts_than_could_be_listed_are_counted(tmp_path: Path) -> None:
    words = " ".join(f"w{number}" for number in range(300))
    slots = "\n".join(f'S{number} = {{ words = "many" }}' for number in range(120))
    text = '[[lines]]\ntext = "{S0} {S1} {S119}"'
    grammar = loaded(tmp_path, f'[words]\nmany = "{words}"\n[cast]\n{slots}\n{text}')
    assert grammar.casts == 300**120
    assert len({grammar.text(index) for index in range(3_000_000, 3_000_500)}) == 500


DEFINITE = {
    "lup": ("lupul", "un", 0),
    "iepure": ("iepurele", "un", 0),
    "urs": ("ursul", "un", 0),
    "vulpe": ("vulpea", "o", 1),
    "pisică": ("pisica", "o", 1),
}
TRAITS = [{"bătrân", "mic", "isteț"}, {"bătrână", "mică", "isteață"}]


def test_the_example_of_the_documentation_agrees_in_gender(romanian: Grammar) -> None:
    assert romanian.casts == 2 * 3 * 2 * 2
    for index in range(300):
        slots = romanian.slots(index)
        (the, a, gender), (other, another, opposite) = (DEFINITE[slots[n]] for n in "AB")
        assert gender != opposite
        assert slots["trait"] in TRAITS[gender]
        title, body = romanian.text(index).split("\n")
        assert title == f"{the.capitalize()} și {other}"
        assert f" {a} {slots['A']} {slots['trait']}. {the.capitalize()} s-a întâlnit" in body
        assert f" cu {another} {slots['B']} " in body
        assert body.endswith(("era bucuros.", "era bucuroasă.")[gender])
        assert body.startswith(("A fost odată ", f"{slots['place'].capitalize()} trăia "))


def test_the_text_that_the_documentation_shows_is_one_of_its_texts(romanian: Grammar) -> None:
    page = (ROOT / "docs" / "synthetic.md").read_text(encoding="utf-8")
    shown = re.findall("“([^”]+)”", page.partition("One of its texts: ")[2].partition("\n")[0])
    assert len(shown) == 2
    assert "\n".join(shown) in {romanian.text(index) for index in range(2_000)}


def test_the_gender_in_a_list_counts_before_that_of_the_spelling(tmp_path: Path) -> None:
    text = """
    agreement = "m f"
    tags.f = "ă$"
    forms = { m.a = "un {word}", f.a = "o {word}", f.b = "{word}" }
    words.people = { m = "tată popă", "" = "mamă soră" }
    cast.A = { words = "people" }
    lines = [{ text = "{A.a}: {A?el/ea}" }]
    """
    grammar = loaded(tmp_path, text)
    texts = {grammar.text(index) for index in range(grammar.casts)}
    assert texts == {"Un tată: el", "Un popă: el", "O mamă: ea", "O soră: ea"}


def test_a_line_of_blanks_parts_alternatives(tmp_path: Path) -> None:
    blocks = 'blocks.b = """\nвине\n \t \nпляка\n\n\nстэ\n"""\n'
    found = texts_of(tmp_path, blocks + 'lines = [{ text = "— {b}" }]')
    assert found == {"— Вине", "— Пляка", "— Стэ"}


def test_blocks_are_drawn_anew_but_those_of_draw_once(tmp_path: Path) -> None:
    blocks = 'blocks = { x = ["a", "b"], y = "{x}{x}" }\n'
    anew = texts_of(tmp_path, blocks + 'lines = [{ text = "{A}: {y}-{x}" }]')
    every = {"".join(each) for each in itertools.product("ab", repeat=3)}
    assert anew == {f"{n}: {a}{b}-{c}" for n in ("Ana", "Ion") for a, b, c in every}
    once = texts_of(tmp_path, blocks + 'lines = [{ draw = "x", text = "{A}: {y}-{x}" }]')
    assert once == {f"{n}: {x}{x}-{x}" for n in ("Ana", "Ion") for x in "ab"}


def test_brackets_nest_and_may_be_left_out_without_a_second_blank(tmp_path: Path) -> None:
    line = 'lines = [{ text = "e [foarte [și foarte|] |] bun, {A}" }]'
    assert texts_of(tmp_path, line) == {
        f"e {how}bun, {name}"
        for how in ("", "foarte ", "foarte și foarte ")
        for name in ("ana", "ion")
    }


def test_a_line_has_no_blanks_at_its_ends(tmp_path: Path) -> None:
    line = 'lines = [{ text = "[|] {A} vine [|]" }]'
    assert texts_of(tmp_path, line) == {"Ana vine", "Ion vine"}


CAPITALS = [
    ("{A} vine. {A} pleacă", "Ana vine. Ana pleacă"),
    ("vine {A}, „{A}”", "vine ana, „ana”"),
    ("Vine? „{A}!” — {A}", "Vine? „Ana!” — Ana"),
    ("— {A}… {b} ({A})", "— Ana… Da ana (ana)"),
    ("3.5 {A}: {b}", "3.5 ana: da ana"),
    ("[eBay|eBay] vine. [|]{A}", "eBay vine. Ana"),
]


@pytest.mark.parametrize(("text", "written"), CAPITALS)
def test_a_slot_or_block_has_a_capital_where_it_begins_a_sentence(
    text: str, written: str, tmp_path: Path
) -> None:
    more = f"blocks = {{ b = 'da {{A}}' }}\nlines = [{{ text = '{text}' }}]"
    assert written in texts_of(tmp_path, more)


def test_a_language_may_have_its_own_capitals_and_sentences(tmp_path: Path) -> None:
    more = 'capitals = { i = "İ" }\nlines = [{ text = "{A}; {A}" }]\n'
    assert texts_of(tmp_path, more) == {"Ana; ana", "İon; ion"}
    assert texts_of(tmp_path, "sentence_start = '; $'\n" + more) == {"ana; Ana", "ion; İon"}


def test_a_sentence_may_begin_after_sixteen_characters(tmp_path: Path) -> None:
    for start in ("Capitolul întâi:", "Capitolul al 2 :", "Capitolul al 10 :"):
        more = f"sentence_start = '{start}$'\nlines = [{{ text = '{start}{{A}}' }}]\n"
        is_seen = len(start) <= 16
        assert texts_of(tmp_path, more) == {
            start + (name.capitalize() if is_seen else name) for name in ("ana", "ion")
        }


def test_texts_are_the_same_in_every_version() -> None:
    fables = Grammar.load(ROOT / "src" / "endonym" / "demo" / "fables_fr")
    texts = (fables.text(i, seed) for seed in (0, 7) for i in (0, 1, 8, 9, 500, 10**6))
    found = hashlib.sha256("\n\n".join(texts).encode()).hexdigest()
    assert found.startswith("e6bcb9dcb6e00eda")  # folders of files that lack some go on


def test_rules_change_finished_lines_one_after_another(tmp_path: Path) -> None:
    rules = r"""
    [[lines]]
    text = '''
    de {A}

    ion
    '''
    [[replace]]
    find = '\bde (?=[aeiou])'
    by = "d’"
    [[replace]]
    find = '(?i)D’(.)on'
    by = 'D.\1.'
    """
    assert texts_of(tmp_path, rules) == {"d’ana\nion", "D.i.\nion"}


def test_a_name_of_a_slot_may_have_any_letters_and_marks(tmp_path: Path) -> None:
    more = '[blocks]\n"ស្រី" = "х {A}"\n[[lines]]\ntext = "{ស្រី} {A}"'
    assert texts_of(tmp_path, more) == {"Х ana ana", "Х ion ion"}


PLOT = """
[cast.A]
only = "ion"
[blocks]
what = "pleacă"
"""


def test_what_a_plot_says_holds_for_no_other_plot(tmp_path: Path) -> None:
    shared = 'words.a = { m = "ana" }\ncast.A.words = "a"\nlines = [{ text = "{A}{end}" }]\n'
    plots = """blocks.end = "."
    [plots.a]
    words.a = "ion"
    blocks.end = "!"
    [plots.b]
    blocks.other = "{A}"
    """
    grammar = loaded(tmp_path, shared + plots)
    assert {grammar.text(index) for index in range(2)} == {"Ion!", "Ana."}


def test_a_plot_replaces_what_it_names_and_plots_take_turns(tmp_path: Path) -> None:
    shared = SMALL + 'blocks = { what = "vine", end = "." }\nlines = [{ text = "{A} {what}{end}" }]'
    folder = tmp_path / "folder"
    (folder / "plots").mkdir(parents=True)
    (folder / "shared.toml").write_text(shared, encoding="utf-8")
    (folder / "plots" / "come.toml").write_text("", encoding="utf-8")
    (folder / "plots" / "go.toml").write_text(PLOT, encoding="utf-8")
    (folder / "plots" / ".#go.toml").write_text("no [toml", encoding="utf-8")
    tables = PLOT.replace("[cast.A]", "[plots.go.cast.A]").replace("[blocks]", "[plots.go.blocks]")
    one = loaded(tmp_path, shared + "\n[plots.come]\n" + tables)
    grammar = Grammar.load(folder)
    assert [grammar.text(index) for index in range(40)] == [one.text(i) for i in range(40)]
    assert grammar.casts == 2 * 1
    for block in range(20):
        both = {grammar.slots(2 * block + rank)["plot"]: 2 * block + rank for rank in (0, 1)}
        assert set(both) == {"come", "go"}
        assert grammar.text(both["go"]) == "Ion pleacă."
        assert grammar.text(both["come"]) in ("Ana vine.", "Ion vine.")
    orders = {tuple(grammar.slots(2 * b + r)["plot"] for r in (0, 1)) for b in range(20)}
    assert len(orders) == 2
