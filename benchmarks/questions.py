"""Made questions in Romanian whose answers stand in the question: for benchmarks/instructions.py.

CC0, as all of endonym's own texts. Four kinds: how many of a thing someone has, who did something,
which of two quoted words is the first or the second, and whether someone is at a place. Each
has a right answer, and a wrong one of the same kind.
"""

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

NAMES = (
    *("Ana", "Maria", "Ion", "Elena", "Mihai", "Ioana", "Andrei", "Irina", "Radu", "Sorin"),
    *("Dana", "Vlad", "Alina", "Petru", "Sanda", "Tudor", "Oana", "Dan", "Luca", "Matei"),
)
THINGS = (
    *("mere", "pere", "prune", "nuci", "cărți", "flori", "ouă", "lalele", "bomboane", "creioane"),
    *("mingi", "scaune"),
)
DEEDS = (
    *("a citit cartea", "a scris scrisoarea", "a spart geamul", "a deschis ușa", "a mâncat pâinea"),
    *("a adus apa", "a găsit cheia", "a pierdut banii", "a stins lumina", "a spălat masa"),
    *("a vândut casa", "a prins peștele"),
)
WORDS = (
    *("lup", "urs", "vulpe", "iepure", "casă", "munte", "râu", "pădure", "soare", "lună", "stea"),
    *("vânt", "ploaie", "pâine", "sare", "carte", "drum", "copil", "om", "inimă", "mână", "ochi"),
    *("pasăre", "pește", "floare", "foc"),
)
PLACES = (
    *(
        "la școală",
        "la piață",
        "la moară",
        "în pădure",
        "în grădină",
        "pe munte",
        "acasă",
        "la râu",
    ),
    *("în sat", "în oraș", "pe câmp", "la mare"),
)
ORDINALS = ("primul", "al doilea")
YES, NO = "Da", "Nu"


class Question(NamedTuple):
    """A question with its right answer and a wrong one."""

    kind: str
    prompt: str
    right: str
    wrong: str


def count(draw: random.Random) -> Question:
    """How many of one of two things someone has."""
    name, things = draw.choice(NAMES), draw.sample(THINGS, 2)
    counts, asked = draw.sample(range(2, 10), 2), draw.randrange(2)
    has = f"{name} are {counts[0]} {things[0]} și {counts[1]} {things[1]}."
    prompt = f"{has} Câte {things[asked]} are {name}?"
    return Question("count", prompt, str(counts[asked]), str(counts[1 - asked]))


def who(draw: random.Random) -> Question:
    """Who of two did something."""
    names, deeds, asked = draw.sample(NAMES, 2), draw.sample(DEEDS, 2), draw.randrange(2)
    told = f"{names[0]} {deeds[0]}, iar {names[1]} {deeds[1]}."
    return Question("who", f"{told} Cine {deeds[asked]}?", names[asked], names[1 - asked])


def word(draw: random.Random) -> Question:
    """Which of two quoted words is the first, or the second."""
    words, asked = draw.sample(WORDS, 2), draw.randrange(2)
    prompt = f"Cuvintele sunt „{words[0]}” și „{words[1]}”. Care este {ORDINALS[asked]}?"
    return Question("word", prompt, words[asked], words[1 - asked])


def place(draw: random.Random) -> Question:
    """Whether someone is at a place."""
    name, places, is_there = draw.choice(NAMES), draw.sample(PLACES, 2), draw.randrange(2)
    prompt = f"{name} este {places[0]}. Este {name} {places[1 - is_there]}?"
    return Question("place", prompt, *((YES, NO) if is_there else (NO, YES)))


KINDS: Sequence[Callable[[random.Random], Question]] = (count, who, word, place)


def questions(number: int, seed: int, *, but: Sequence[Question] = ()) -> list[Question]:
    """Different questions of all kinds in turn, none of which has a prompt of `but`."""
    draw, known = random.Random(seed), {each.prompt for each in but}
    found: list[Question] = []
    while len(found) < number:
        made = KINDS[len(found) % len(KINDS)](draw)
        if made.prompt not in known:
            known.add(made.prompt)
            found.append(made)
    return found
