"""A grammar of French fables: any number of short stories, each a pure function of its index.

French word forms (le + ours = l’ours, de + le = du), a small lexicon and the schemas of conflicts
in TOML files, and the slots that join them. A fable follows one schema of `schemas_fr` with two
animals of opposite gender, so that il and elle are never ambiguous. In the templates:

    [a|b|c]       one of the alternatives
    {A} {A.de}    a form of a figure: A and B the two animals, O an object
    {A?m/f}       the words that agree with the figure
    {L} {T}       the place, the moment

Index and seed choose schema, animals and place by counting rather than by chance, so two
indices never tell the same story before every cast of a schema has been used."""

import random
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import count as count_from
from math import gcd
from typing import Any, NamedTuple

from endonym.disk import packaged_tables

VOWELS = "aeiouyàâäéèêëîïôöùûüœæ"
_ELIDING = re.compile(
    r"(?<![-\w’])(de|que|le|la|je|ne|se|me|te|lorsque|puisque|quoique|jusque) "
    rf"(?=([{VOWELS}h][\w-]*))",
    re.IGNORECASE,
)
_IF_HE = re.compile(r"\b([Ss])i (ils?)\b")
_NEVER_ELIDED_BEFORE = frozenset({"oui", "onze", "y-a-t-il"})


def is_elidable(word: str, aspirated: frozenset[str]) -> bool:
    """Say whether an article loses its vowel before this word (l’ours, but le hibou)."""
    first = word.split()[0].lower()
    if first in aspirated or first in _NEVER_ELIDED_BEFORE:
        return False
    return first[0] in VOWELS + "h"


def elide(text: str, aspirated: frozenset[str]) -> str:
    """Replace the final vowel of de, que, le... by an apostrophe where the next word asks for it.

    One pass over the finished text is simpler and safer than a rule in each template.
    """

    def shorten(match: re.Match[str]) -> str:
        if is_elidable(match[2], aspirated):
            return match[1][:-1] + "’"
        return match[0]

    return _IF_HE.sub(r"\1’\2", _ELIDING.sub(shorten, text))


class Noun(NamedTuple):
    """A singular noun or noun group, with what its article depends on."""

    text: str
    feminine: bool
    elided: bool

    def agree(self, masculine: str, feminine: str) -> str:
        """Choose the form that agrees with this noun."""
        return feminine if self.feminine else masculine


class Adjective(NamedTuple):
    """An adjective in its two genders."""

    masculine: str
    feminine: str


class Figure(NamedTuple):
    """A noun in one fable, with the adjective of its first mention."""

    noun: Noun
    trait: Adjective | None = None

    def form(self, key: str) -> str:
        """Return the form that a slot asks for; an unknown key is an error in a template."""
        noun = self.noun
        group = f"{noun.text} {noun.agree(*self.trait)}" if self.trait else noun.text
        forms = lexicon().forms
        known = forms[noun.agree("masculin", "féminin")] | (forms["élidé"] if noun.elided else {})
        return known[key].format(nom=noun.text, groupe=group)


PARTS = ("habitude", "noeud", "dialogue", "tour", "fin")


class Lexicon(NamedTuple):
    """Everything that the schemas share, read once from `lexicon_fr.toml`.

    moments: by season.
    """

    aspirated: frozenset[str]
    forms: dict[str, dict[str, str]]
    animals: tuple[Noun, ...]
    traits: dict[str, tuple[Adjective, ...]]
    objects: dict[str, tuple[Noun, ...]]
    places: tuple[str, ...]
    moments: dict[str, tuple[str, ...]]
    frames: dict[str, tuple[str, ...]]


class Schema(NamedTuple):
    """One conflict with its turn, its outcome and the morals that fit it."""

    pairs: tuple[tuple[Noun, Noun], ...]
    traits: tuple[tuple[Adjective, ...], tuple[Adjective, ...]]
    objects: tuple[Noun, ...]
    moments: tuple[str, ...]
    titles: tuple[str, ...]
    parts: dict[str, tuple[str, ...]]
    morals: tuple[str, ...]


def _options(block: str) -> tuple[str, ...]:
    """Split a block of templates at its blank lines and join the lines of each."""
    return tuple(" ".join(option.split()) for option in re.split(r"\n\s*\n", block.strip()))


@cache
def lexicon() -> Lexicon:
    """Read the lexicon; cached, since it never changes."""
    raw = packaged_tables("endonym.demo", "lexicon_fr.toml")
    aspirated = frozenset(raw["aspires"].split())

    def noun(gender: str, text: str) -> Noun:
        return Noun(text, gender == "f", is_elidable(text, aspirated))

    return Lexicon(
        aspirated=aspirated,
        forms=raw["formes"],
        animals=tuple(
            noun(gender, each) for gender in "mf" for each in raw["animaux"][gender].split()
        ),
        traits={
            family: tuple(Adjective(*each.split("/")) for each in block.split())
            for family, block in raw["traits"].items()
        },
        objects={
            kind: tuple(noun(each[0], each[2:]) for each in entries)
            for kind, entries in raw["objets"].items()  # such as "m sac de noix"
        },
        places=tuple(raw["lieux"]["liste"].strip().splitlines()),
        moments={season: tuple(block.split(" | ")) for season, block in raw["moments"].items()},
        frames={name: _options(block) for name, block in raw["cadre"].items()},
    )


@cache
def schemas() -> tuple[Schema, ...]:
    """Read every schema, by file name, so that a fable's index keeps its meaning."""
    folder = files("endonym.demo").joinpath("schemas_fr")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return tuple(_schema(packaged_tables("endonym.demo", f"schemas_fr/{name}")) for name in names)


def _schema(raw: dict[str, Any]) -> Schema:
    """Build one schema, listing the casts it allows: any animals, or those that it names."""
    words = lexicon()
    firsts, seconds = (
        [noun for noun in words.animals if name not in raw or noun.text in raw[name].split()]
        for name in "ab"
    )
    traits, other_traits = (
        tuple(trait for family in raw[f"{name}_traits"] for trait in words.traits[family])
        for name in "ab"
    )
    return Schema(
        pairs=tuple((a, b) for a in firsts for b in seconds if a.feminine != b.feminine),
        traits=(traits, other_traits),
        objects=words.objects[raw["objets"]] if "objets" in raw else (),
        moments=tuple(each for season in raw["moments"] for each in words.moments[season]),
        titles=_options(raw["titres"]),
        parts={part: _options(raw[part]) for part in PARTS},
        morals=_options(raw["morales"]),
    )


_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{([A-Z])(?:\.([\wà]+\+?)|\?([^{}/]*)/([^{}]*))?\}")
_SENTENCE_START = re.compile(r"(?:^|\n|[.!?…] |[.!?…] » |« )$")


class _Story:
    """What stays fixed through one fable, drawn once."""

    def __init__(self, index: int, seed: int) -> None:
        self.schema, pair, self.place = _cast(index, seed)
        self.rng = rng = random.Random(f"{seed}/{index}")
        self.figures = {
            name: Figure(noun, rng.choice(traits))
            for name, noun, traits in zip("AB", pair, self.schema.traits, strict=True)
        }
        if self.schema.objects:
            self.figures["O"] = Figure(rng.choice(self.schema.objects))
        self.moment = rng.choice(self.schema.moments)

    def fill(self, template: str) -> str:
        """Fill a template: alternatives, slots, elisions."""
        text = _CHOICE.sub(lambda match: self.rng.choice(match[1].split("|")), template)
        return elide(_SLOT.sub(self._slot, text), lexicon().aspirated)

    def _slot(self, match: re.Match[str]) -> str:
        """Return the words of one slot, with a capital where they begin a sentence."""
        name, key, masculine, feminine = match[1], match[2] or "", match[3], match[4]
        if name in "TL":
            words = self.moment if name == "T" else self.place
        elif masculine is not None:
            words = self.figures[name].noun.agree(masculine, feminine)
        else:
            words = self.figures[name].form(key)
        before = match.string[max(0, match.start() - 4) : match.start()]
        return words[:1].upper() + words[1:] if _SENTENCE_START.search(before) else words

    def text(self) -> str:
        """Write the fable."""
        draw, frames = self.rng.choice, lexicon().frames
        habit, knot, talk, turn, outcome = (draw(self.schema.parts[part]) for part in PARTS)
        paragraphs = [
            f"{draw(frames['ouvertures'])} {habit}",
            f"{knot} {talk}",
            f"{turn} {outcome}",
        ]
        lines = [self.fill(template) for template in (draw(self.schema.titles), *paragraphs)]
        moral = draw(self.schema.morals)
        frame = draw(frames["morales"]).replace("{M}", moral)
        return "\n".join([*lines, self.fill(frame.replace("{m}", moral[:1].lower() + moral[1:]))])


def _cast(index: int, seed: int) -> tuple[Schema, tuple[Noun, Noun], str]:
    """Choose schema, pair and place; each block of indices uses every schema once."""
    places = lexicon().places
    block, rank = divmod(index, len(schemas()))
    order = list(range(len(schemas())))
    random.Random(f"{seed}/order/{block}").shuffle(order)
    schema = schemas()[order[rank]]
    count = len(schema.pairs) * len(places)
    # A stride near the golden section visits all combinations, far apart at each step.
    stride = next(n for n in count_from(max(1, round(count * 0.6180339887))) if gcd(n, count) == 1)
    start = random.Random(f"{seed}/start/{order[rank]}").randrange(count)
    pair, place = divmod((start + block * stride) % count, len(places))
    return schema, schema.pairs[pair], places[place]


def fable(index: int, seed: int = 0) -> str:
    """Return the fable of this index: a title line, then paragraphs on one line each.

    The text depends on index and seed only, whatever the process or the hash seed. There is no
    blank line inside, since a blank line separates documents in a training text.
    """
    if index < 0:
        raise ValueError(f"a fable index is 0 or more, not {index}")
    return _Story(index, seed).text()


def fables(count: int, seed: int = 0) -> Iterator[str]:
    """Yield the first `count` fables of a seed."""
    return (fable(index, seed) for index in range(count))
