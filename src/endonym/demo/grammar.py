"""A slot grammar of French fables: any number of short stories, each a pure function of its index.

A fable follows one of the conflict schemas of `schemas_fr` with two characters of opposite
gender, so that il and elle are never ambiguous. In the templates:

    [a|b|c]       one of the alternatives
    {A} {A.de}    a form of a figure: A and B the two characters, C a passer-by, O an object
    {A?m/f}       the words that agree with the figure
    {L} {L.def}   the place at its first mention, and later; {T} the moment and the sky
    {V.key}       a word of the variant that the schema drew once for the whole story

Index and seed choose schema, characters and place by counting rather than by chance, so two
indices never tell the same story before every cast of a schema has been used.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count as count_from
from math import gcd

from endonym.demo.french import Adjective, Figure, Noun, elide
from endonym.demo.stories import PARTS, Place, Schema, lexicon, schemas

SHORTEST, LONGEST = 90, 220
LONG_PARAGRAPH_SHARE = 0.5
FRONT_ADJECTIVE_SHARE = 0.35
QUE_SHARE = 0.4

_WORD = re.compile(r"[^\W\d_]+")
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{([A-Z])(?:\.([\wà]+\+?)|\?([^{}/]*)/([^{}]*))?\}")
_VARIANT = re.compile(r"\{V\.(\w+)\}")
_SENTENCE_START = re.compile(r"(?:^|\n|[.!?…] |[.!?…] » |« )$")
_FIT_AFTER_QUE = re.compile(r"(?:Le|La|L’\w+|Les|Un|Une|On|Il|Celui|Celle|Ce|Rien|Nul|Deux)\b")


@dataclass(frozen=True, slots=True)
class _Story:
    """What stays fixed through one fable."""

    rng: random.Random
    figures: dict[str, Figure]
    place: Place
    moment: str
    variant: dict[str, str]

    def fill(self, template: str) -> str:
        """Fill a template: variant words, alternatives, slots, elisions."""
        text = _VARIANT.sub(lambda match: self.variant[match[1]], template)
        text = _CHOICE.sub(lambda match: self.rng.choice(match[1].split("|")), text)
        text = _SLOT.sub(self._slot, re.sub(" {2,}", " ", text))
        return elide(text, lexicon().aspirated)

    def _slot(self, match: re.Match[str]) -> str:
        """Return the words of one slot, with a capital where they begin a sentence."""
        name, key, masculine, feminine = match[1], match[2] or "", match[3], match[4]
        if name == "T":
            words = self.moment
        elif name == "L":
            words = self.place.definite if key == "def" else self.place.indefinite
        elif masculine is not None:
            words = self.figures[name].noun.agree(masculine, feminine)
        else:
            words = self.figures[name].form(key)
        before = match.string[max(0, match.start() - 4) : match.start()]
        if _SENTENCE_START.search(before):
            return words[:1].upper() + words[1:]
        return words


def _step(count: int) -> int:
    """Return a stride that visits all of `count` combinations, far apart at each step."""
    stride = max(1, round(count * 0.6180339887))
    while gcd(stride, count) != 1:
        stride += 1
    return stride


def _cast(index: int, seed: int) -> tuple[Schema, tuple[Noun, Noun], Place]:
    """Choose schema, pair and place; each block of indices uses every schema once."""
    stories, places = schemas(), lexicon().places
    block, rank = divmod(index, len(stories))
    order = list(range(len(stories)))
    random.Random(f"{seed}/order/{block}").shuffle(order)
    schema = stories[order[rank]]
    count = len(schema.pairs) * len(places)
    start = random.Random(f"{seed}/start/{order[rank]}").randrange(count)
    pair, place = divmod((start + block * _step(count)) % count, len(places))
    return schema, schema.pairs[pair], places[place]


def _figure(rng: random.Random, noun: Noun, traits: tuple[Adjective, ...]) -> Figure:
    """Give a character a trait, and sometimes an adjective before its name."""
    words = lexicon()
    front = None
    if rng.random() < FRONT_ADJECTIVE_SHARE:
        front = rng.choice(words.fronts[words.size_of(noun)])
    return Figure(noun, rng.choice(traits), front)


def _story(index: int, seed: int, attempt: int) -> tuple[Schema, _Story]:
    """Draw everything that the sentences of one fable must agree on."""
    words = lexicon()
    schema, (first, second), place = _cast(index, seed)
    rng = random.Random(f"{seed}/{index}/{attempt}")
    figures = {
        "A": _figure(rng, first, schema.traits[0]),
        "B": _figure(rng, second, schema.traits[1]),
    }
    others = [noun for nouns in words.characters.values() for noun in nouns]
    figures["C"] = Figure(rng.choice([noun for noun in others if noun not in (first, second)]))
    if schema.objects:
        figures["O"] = Figure(rng.choice(schema.objects))
    moment = words.seasons[rng.choice(schema.seasons)].moment(rng, schema.at_night)
    return schema, _Story(rng, figures, place, moment, rng.choice(schema.variants))


def _written(index: int, seed: int, attempt: int) -> str:
    """Write one fable, whatever its length."""
    schema, story = _story(index, seed, attempt)
    draw = story.rng.choice
    habit, knot, talk, turn, outcome = (draw(schema.parts[part]) for part in PARTS)
    opening = draw(lexicon().frames["ouvertures"])
    if story.rng.random() < LONG_PARAGRAPH_SHARE:
        paragraphs = [f"{opening} {habit}", f"{knot} {talk}", f"{turn} {outcome}"]
    else:
        paragraphs = [f"{opening} {habit} {knot}", talk, turn, outcome]
    lines = [story.fill(template) for template in (draw(schema.titles), *paragraphs)]
    moral = draw(schema.morals)
    fits = _FIT_AFTER_QUE.match(moral) is not None
    kind = "que" if fits and story.rng.random() < QUE_SHARE else "seule"
    frame = draw(lexicon().frames[kind])
    lowered = moral[:1].lower() + moral[1:]
    lines.append(story.fill(frame.replace("{M}", moral).replace("{m}", lowered)))
    return "\n".join(lines)


def fable(index: int, seed: int = 0) -> str:
    """Return the fable of this index: a title line, then paragraphs on one line each.

    The text depends on index and seed only, whatever the process or the hash seed. There is no
    blank line inside, since a blank line separates documents in a training text. A draw that is
    too long or too short is drawn again with the same cast.
    """
    if index < 0:
        raise ValueError(f"a fable index is 0 or more, not {index}")
    drafts = (_written(index, seed, attempt) for attempt in count_from())
    return next(text for text in drafts if SHORTEST <= len(_WORD.findall(text)) <= LONGEST)


def fables(count: int, seed: int = 0) -> Iterator[str]:
    """Yield the first `count` fables of a seed."""
    return (fable(index, seed) for index in range(count))
