"""Slots and words: all texts that a grammar can write, and none that it must not write."""

from itertools import product
from pathlib import Path

import pytest
from made_grammars import loaded

from endonym.errors import RecipeError
from endonym.synthesis.grammar import Grammar

MANY = 400
ANIMALS = {"lup": 0, "urs": 0, "vulpe": 1, "pisică": 1}
GENDERS = """
agreement = "m f"
words.animals = { m = "lup urs", f = "vulpe pisică" }
words.places = "pod râu"
words.traits = { "" = "mic/mică blând/blândă mare" }
words.mixed = { m = "voinic", "" = "mic/mică" }
"""


def written(grammar: Grammar, count: int = MANY, seed: int = 0) -> set[str]:
    """The first texts, without capitals."""
    return {grammar.text(index, seed).lower() for index in range(count)}


def pairs(is_good: object) -> set[str]:
    """Two animals each, where that is so of the first and the second one."""
    both = product(ANIMALS, ANIMALS)
    return {f"{one} {two}" for one, two in both if is_good(one, two)}  # type: ignore[operator]


LINKS = [
    (', like = "A"', lambda one, two: ANIMALS[one] == ANIMALS[two]),
    (', unlike = "A"', lambda one, two: ANIMALS[one] != ANIMALS[two]),
    (', other_than = "A"', lambda one, two: one != two),
    (', like = "A", other_than = "A A"', lambda one, two: {one, two} in PAIRS),
    (', unlike = "A", other_than = "A"', lambda one, two: ANIMALS[one] != ANIMALS[two]),
    ("", lambda one, two: True),
]
PAIRS = [{"lup", "urs"}, {"vulpe", "pisică"}]


@pytest.mark.parametrize(("link", "is_good"), LINKS)
@pytest.mark.parametrize("table", ["cast", "drawn"])
def test_a_slot_takes_every_word_that_it_may_take_and_no_other(
    table: str, link: str, is_good: object, tmp_path: Path
) -> None:
    more = f'{table}.B = {{ words = "animals"{link} }}'
    lines = 'lines = [{ text = "{A} {B}" }]'
    grammar = loaded(tmp_path, f'{GENDERS}cast.A.words = "animals"\n{more}\n{lines}')
    wanted = pairs(is_good)
    assert written(grammar) == wanted
    assert grammar.casts == (len(wanted) if table == "cast" else 4)
    if table == "cast":
        assert len(written(grammar, grammar.casts, 5)) == grammar.casts, "each once"
    slots = [grammar.slots(index) for index in range(MANY)]
    assert {f"{each['A']} {each['B']}" for each in slots} == wanted


@pytest.mark.parametrize("table", ["cast", "drawn"])
def test_words_of_one_form_and_of_several_stand_in_one_list(table: str, tmp_path: Path) -> None:
    text = f"""{GENDERS}
    cast.A = {{ words = "animals" }}
    {table}.T = {{ words = "mixed", like = "A" }}
    lines = [{{ text = "{{A}} {{T}}" }}]
    """
    grammar = loaded(tmp_path, text)
    assert written(grammar) == {
        f"{animal} {trait}"
        for animal, gender in ANIMALS.items()
        for trait in (["mică"] if gender else ["mic", "voinic"])
    }
    assert grammar.casts == (6 if table == "cast" else 4)


@pytest.mark.parametrize("table", ["cast", "drawn"])
def test_no_word_returns_in_another_form(table: str, tmp_path: Path) -> None:
    text = f"""{GENDERS}
    cast.A = {{ words = "animals" }}
    {table}.S = {{ words = "traits", like = "A" }}
    {table}.T = {{ words = "traits", like = "S", other_than = "S" }}
    lines = [{{ text = "{{A}} {{S}} {{T}}" }}]
    """
    traits = [("mic", "mică"), ("blând", "blândă"), ("mare", "mare")]
    grammar = loaded(tmp_path, text)
    assert written(grammar) == {
        f"{animal} {one[gender]} {two[gender]}"
        for animal, gender in ANIMALS.items()
        for one, two in product(traits, traits)
        if one != two
    }
    assert grammar.casts == (4 * 3 * 2 if table == "cast" else 4)


@pytest.mark.parametrize("link", ["like", "unlike"])
def test_a_slot_agrees_with_the_one_that_decides(link: str, tmp_path: Path) -> None:
    text = f"""{GENDERS}
    cast.X = {{ words = "places" }}
    cast.A = {{ words = "animals" }}
    cast.S = {{ words = "traits", like = "A" }}
    cast.B = {{ words = "animals", {link} = "S" }}
    cast.C = {{ words = "animals", like = "B" }}
    lines = [{{ text = "{{X}} {{A}} {{S}} {{B}} {{C}}" }}]
    """
    grammar = loaded(tmp_path, text)
    assert grammar.casts == 2 * 3 * 4 * 2 * 2
    texts = written(grammar, grammar.casts)
    assert len(texts) == grammar.casts
    for found in texts:
        _, first, trait, second, third = found.split()
        assert trait in (["mic", "blând", "mare"], ["mică", "blândă", "mare"])[ANIMALS[first]]
        assert (ANIMALS[first] == ANIMALS[second]) == (link == "like")
        assert ANIMALS[second] == ANIMALS[third]
    sizes = [(*(slot.name for slot in each.slots), each.size) for each in grammar.plots[0].groups]
    assert sizes == [("X", 2), ("A", "B", "C", 4 * 2 * 2), ("S", 3)]


def test_slots_that_join_two_groups_make_them_one(tmp_path: Path) -> None:
    text = """
    words.a = "ана ион мария"
    cast.A.words = "a"
    cast.X.words = "a"
    cast.B.words = "a"
    cast.C = { words = "a", other_than = "B A" }
    lines = [{ text = "{A} {X} {B} {C}" }]
    """
    (plot,) = loaded(tmp_path, text).plots
    assert [[slot.name for slot in each.slots] for each in plot.groups] == [["A", "B", "C"], ["X"]]
    linked, free = plot.groups
    combinations = product(range(3), repeat=3)
    good = [n for n, (a, b, c) in enumerate(combinations) if c not in (a, b)]
    assert linked.allowed is not None
    assert ([*linked.allowed], free.allowed) == (good, None)
    assert (linked.size, free.size) == (3 * 2 * 1 + 3 * 2, 3)
    assert plot.casts == 12 * 3


def test_casts_are_counted_from_the_last_slot_on(tmp_path: Path) -> None:
    text = """
    words.a = "a b"
    words.n = "0 1 2"
    cast.A.words = "n"
    cast.B.words = "a"
    cast.C = { words = "n", other_than = "A" }
    lines = [{ text = "{A} {B} {C}" }]
    """
    (plot,) = loaded(tmp_path, text).plots
    found = ["".join(word.text for word in plot.cast(n).values()) for n in range(plot.casts)]
    rows = [(one, two) for one in "012" for two in "012" if one != two]
    assert found == [f"{one}{letter}{two}" for one, two in rows for letter in "ab"]


def test_more_combinations_than_two_bytes_count_are_listed(tmp_path: Path) -> None:
    words = " ".join(f"w{number}" for number in range(300))
    slots = 'cast.A.words = "a"\ncast.B = { words = "a", other_than = "A" }\n'
    text = f'words.a = "{words}"\n{slots}lines = [{{ text = "{{A}} {{B}}" }}]'
    (plot,) = loaded(tmp_path, text).plots
    assert plot.casts == 300 * 299
    last = plot.cast(plot.casts - 1)
    assert [last["A"].text, last["B"].text] == ["w299", "w298"]


def test_only_takes_words_in_the_order_that_it_says(tmp_path: Path) -> None:
    lists = 'words.a = "куян төлке аю"\nwords.b = "бүре аю"\n'
    lines = 'lines = [{ text = "{A}" }]'
    some = loaded(tmp_path, f'{lists}cast.A = {{ words = "a b", only = "бүре куян аю" }}\n{lines}')
    plain = loaded(tmp_path, f'words.a = "бүре куян аю"\ncast.A.words = "a"\n{lines}')
    assert some.casts == 3
    assert [some.text(index) for index in range(9)] == [plain.text(index) for index in range(9)]
    assert some.slots(0) == {"A": some.text(0).lower()}


def test_words_of_lists_stand_in_their_order_once(tmp_path: Path) -> None:
    text = """
    agreement = "m f"
    words.a = { m = "doctor", f = "vulpe doctor", "m vechi" = "urs doctor" }
    words.b = { f = "vulpe", m = "lup" }
    cast.A.words = "b a"
    lines = [{ text = "{A}" }]
    """
    (plot,) = loaded(tmp_path, text).plots
    assert [(word.text, word.number) for word in plot.slots[0].words] == [
        ("vulpe", 1), ("lup", 0), ("doctor", 0), ("doctor", 1), ("urs", 0), ("doctor", 0),
    ]  # fmt: skip


FORMS = r"""
agreement = "m f n"
tags.vowel = '^[aeiou]'
tags.f = 'a$'
forms.all = "({word})"
forms.twice = "{word}-{word}"
forms.own = "0"
forms.m.own = "un {word}"
forms.f.own = "o {word}"
forms."f vowel".own = "o' {word}"
forms.vechi.old = "bătrân {word}"
forms.n.own = "niște {word}"
words.a = { m = "lup tata", f = "vulpe alba", "m vechi" = "urs" }
words.t = { "" = "bun/bună/bune", vechi = "acru/acră/acre" }
words.free = { "" = "și km/h" }
cast.A.words = "a"
cast.T = { words = "t", like = "A" }
lines = [{ text = "{A} {T}" }]
"""


def test_a_word_has_the_forms_of_all_its_tags_the_later_ones_first(tmp_path: Path) -> None:
    (plot,) = loaded(tmp_path, FORMS).plots
    found = {word.text: (word.spelling, word.number, word.forms) for word in plot.slots[0].words}
    plain = {
        text: {"": text, "all": f"({text})", "twice": f"{text}-{text}"} for text in found
    }  # fmt: skip
    assert found == {
        "lup": ("lup", 0, plain["lup"] | {"own": "un lup"}),
        "tata": ("tata", 0, plain["tata"] | {"own": "un tata"}),
        "vulpe": ("vulpe", 1, plain["vulpe"] | {"own": "o vulpe"}),
        "alba": ("alba", 1, plain["alba"] | {"own": "o' alba"}),
        "urs": ("urs", 0, plain["urs"] | {"own": "un urs", "old": "bătrân urs"}),
    }
    traits = [[(w.spelling, w.text, w.number) for w in e] for e in plot.slots[1].entries]
    assert traits == [
        [("bun/bună/bune", text, i) for i, text in enumerate(("bun", "bună", "bune"))],
        [("acru/acră/acre", text, i) for i, text in enumerate(("acru", "acră", "acre"))],
    ]
    last = plot.slots[1].entries[1]
    owns = [(word.forms["own"], word.forms["old"]) for word in last]
    assert owns == [
        ("un acru", "bătrân acru"), ("o' acră", "bătrân acră"), ("niște acre", "bătrân acre"),
    ]  # fmt: skip


def test_without_agreement_a_word_may_have_a_slash(tmp_path: Path) -> None:
    text = 'words.a = "km/h m/s/s"\ncast.A.words = "a"\nlines = [{ text = "v {A}" }]'
    assert written(loaded(tmp_path, text), 2) == {"v km/h", "v m/s/s"}


def test_words_that_agree_may_have_any_number_of_forms(tmp_path: Path) -> None:
    text = """
    agreement = "m f n"
    words.a = { m = "X", f = "Y", n = "Z" }
    words.t = "bun/bună/bune mare"
    cast.A.words = "a"
    drawn.T = { words = "t", like = "A" }
    lines = [{ text = "{A?domnul/doamna de/}[|]: {A} {T}" }]
    """
    grammar = loaded(tmp_path, text)
    assert {grammar.text(index) for index in range(100)} == {
        f"{start} {trait}"
        for start, agreeing in (("Domnul: X", "bun"), ("Doamna de: Y", "bună"), (": Z", "bune"))
        for trait in (agreeing, "mare")
    }


REFUSED = [
    ('B = { words = "animals", other_than = "A", only = "lup" }', "A"),
    ('B = { words = "animals", like = "A", other_than = "A", only = "lup vulpe" }', "A"),
    ('B = { words = "animals", like = "A", only = "vulpe" }', "A"),
    ('B = { words = "animals", unlike = "A", only = "lup urs" }', "A"),
    ('B = { words = "twice", other_than = "A" }', "A"),
    ('B = { words = "animals", other_than = "X A", only = "lup urs" }', "A, X"),
]


@pytest.mark.parametrize(("slot", "links"), REFUSED)
def test_a_drawn_slot_that_may_find_no_word_is_refused(
    slot: str, links: str, tmp_path: Path
) -> None:
    start = f"""{GENDERS}
    words.twice = {{ m = "lup", f = "lup" }}
    cast.X.words = "animals"
    cast.A.words = "animals"
    """
    lines = 'lines = [{ text = "{A} {B}" }]'
    with pytest.raises(RecipeError) as caught:
        loaded(tmp_path, f"{start}\ndrawn.{slot}\n{lines}")
    assert caught.value.message == (
        f"drawn.B has too few words beside {links}: some texts would find none."
    )
    assert (caught.value.where, caught.value.do) == (
        str(tmp_path / "grammar.toml"), "Give its list more words.",
    )  # fmt: skip
    for more in ('other_than = "A A"', 'other_than = "A X"'):
        count = 2 if "X" not in more else 3
        only = " ".join(list(ANIMALS)[:count])
        slot = f'B = {{ words = "animals", {more}, only = "{only}" }}'
        grammar = loaded(tmp_path, f"{start}\ndrawn.{slot}\n{lines}")
        assert all(len({*grammar.slots(index).values()}) > 1 for index in range(MANY))
