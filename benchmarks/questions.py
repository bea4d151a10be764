"""Made questions in Romanian whose answers stand in the question: for benchmarks/instructions.py.

CC0, as all of endonym's own texts. Four kinds: how many of a thing someone has, who did something,
which of two quoted words is the first or the second, and whether someone is at a place. Each has
a right answer, and a wrong one of the same kind. A model of two million parameters does not learn
from 600 questions which of two facts is asked for: half of its answers were wrong (docs/log.md).
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
    *("a vândut casa", "a prins peștele", "a cumpărat calul", "a legat câinele", "a tăiat lemnele"),
    *("a pus masa", "a închis poarta", "a cules merele", "a cusut haina", "a spart oala"),
    *("a aprins focul", "a chemat medicul", "a văzut lupul", "a vopsit gardul"),
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
    """How many of a thing someone has."""
    name, thing, counts = draw.choice(NAMES), draw.choice(THINGS), draw.sample(range(2, 10), 2)
    prompt = f"{name} are {counts[0]} {thing}. Câte {thing} are {name}?"
    return Question("count", prompt, str(counts[0]), str(counts[1]))


def who(draw: random.Random) -> Question:
    """Who did something."""
    names, deed = draw.sample(NAMES, 2), draw.choice(DEEDS)
    return Question("who", f"{names[0]} {deed}. Cine {deed}?", *names)


def word(draw: random.Random) -> Question:
    """Which of two quoted words is the first, or the second."""
    words, asked = draw.sample(WORDS, 2), draw.randrange(2)
    prompt = f"Cuvintele sunt „{words[0]}” și „{words[1]}”. Care este {ORDINALS[asked]}?"
    return Question("word", prompt, words[asked], words[1 - asked])


def place(draw: random.Random) -> Question:
    """Whether someone is at a place."""
    name, place, is_there = draw.choice(NAMES), draw.choice(PLACES), draw.randrange(2)
    prompt = f"{name} {'' if is_there else 'nu '}este {place}. Este {name} {place}?"
    return Question("place", prompt, *((YES, NO) if is_there else (NO, YES)))


KINDS: Sequence[Callable[[random.Random], Question]] = (count, who, word, place)


def questions(number: int, seed: int, *, but: Sequence[Question] = ()) -> list[Question]:
    """Different questions of all kinds in turn, none of which has a prompt of `but`.

    Raises ValueError if so many cannot be made.
    """
    draw, known = random.Random(seed), {each.prompt for each in but}
    found: list[Question] = []
    for _ in range(100 * number):
        if len(found) == number:
            return found
        made = KINDS[len(found) % len(KINDS)](draw)
        if made.prompt not in known:
            known.add(made.prompt)
            found.append(made)
    return found
    raise ValueError(f"{len(found)} different questions could be made, not {number}")
