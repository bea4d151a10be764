"""Grammars by number: casts of unequal plots, the record of slots, and lines without text."""

from pathlib import Path

import pytest

from endonym.synthesis.grammar import Grammar

UNEQUAL = """
agreement = "m f"
[words]
names = "ana ion vlad"
days = "luni joi"
traits = "mic/mică mare"
animals = { m = "lup urs", f = "vulpe" }
[cast]
A = { words = "names" }
D = { words = "days" }
[drawn]
B = { words = "animals" }
trait = { words = "traits", like = "B" }
[[lines]]
text = "{A} {B} {trait} [|{D}]"
[plots.long]
[plots.short.cast.A]
only = "ion"
"""


@pytest.fixture
def unequal(tmp_path: Path) -> Grammar:
    """A grammar of two plots, of six casts and of two."""
    (tmp_path / "g.toml").write_text(UNEQUAL, encoding="utf-8")
    return Grammar.load(tmp_path / "g.toml")


def test_casts_are_those_before_the_smallest_plot_repeats_one(unequal: Grammar) -> None:
    """With unequal plots the number of casts is that of the smallest, for each plot once."""
    assert [(plot.name, plot.casts) for plot in unequal.plots] == [("long", 6), ("short", 2)]
    assert unequal.casts == 2 * 2


@pytest.mark.parametrize("seed", [0, 7])
def test_each_plot_uses_all_its_casts_before_one_returns(unequal: Grammar, seed: int) -> None:
    """Of each plot, whatever its place in its block of texts."""
    found: dict[str, list[tuple[str, str]]] = {"long": [], "short": []}
    for index in range(24):
        slots = unequal.slots(index, seed)
        found[slots["plot"]].append((slots["A"], slots["D"]))
    for plot in unequal.plots:
        casts = found[plot.name]
        assert len(casts) == 12
        assert len({*casts[: plot.casts]}) == plot.casts
        assert casts == casts[: plot.casts] * (12 // plot.casts)


def test_slots_are_recorded_as_they_stand_in_the_text(unequal: Grammar) -> None:
    """The plot and each slot in order, and a word that agrees in the form that it has."""
    forms = {"lup": "mic", "urs": "mic", "vulpe": "mică"}
    for index in range(40):
        slots = unequal.slots(index, 3)
        assert [*slots] == ["plot", "A", "D", "B", "trait"]
        assert slots["trait"] in ("mare", forms[slots["B"]])
        words = unequal.text(index, 3).split()
        assert words[:3] == [slots["A"].capitalize(), slots["B"], slots["trait"]]
        assert words[3:] in ([], [slots["D"]])
    assert {unequal.slots(index, 3)["trait"] for index in range(40)} == {"mic", "mică", "mare"}


def test_a_line_that_comes_out_empty_leaves_none(tmp_path: Path) -> None:
    """A blank line would part one text into two documents."""
    text = "words.a = 'ана әби'\ncast.A.words = 'a'\n"
    text += "lines = [{ text = '{A}\\n[|сәлам]\\n{A}' }, { text = '[| ]' }]".replace("'", '"')
    (tmp_path / "g.toml").write_text(text, encoding="utf-8")
    grammar = Grammar.load(tmp_path / "g.toml")
    assert {grammar.text(index) for index in range(60)} == {
        "Ана\nАна", "Әби\nӘби", "Ана\nсәлам\nАна", "Әби\nсәлам\nӘби",
    }  # fmt: skip


def test_the_first_index_is_a_text_and_none_is_below_it(unequal: Grammar) -> None:
    """Texts are numbered from 0."""
    assert unequal.text(0, 1)
    for method in (unequal.text, unequal.slots):
        with pytest.raises(ValueError, match=r"^the index of a text is 0 or more, not -1$"):
            method(-1, 1)
