"""A grammar of French fables: any number of short stories, each a pure function of its index.

French word forms (le + ours = l’ours, de + le = du, un + vieux + ours = un vieil ours), the lexicon
and the schemas of conflicts in TOML files, and the slots that join them. A fable follows one schema
of `schemas_fr` with two characters of opposite gender, so that il and elle are never ambiguous. In
the templates:

    [a|b|c]       one of the alternatives
    {A} {A.de}    a form of a figure: A and B the two characters, C a passer-by, O an object
    {A?m/f}       the words that agree with the figure
    {L} {L.def}   the place at its first mention, and later; {T} the moment and the sky
    {V.key}       a word of the variant that the schema drew once for the whole story

Index and seed choose schema, characters and place by counting rather than by chance, so two
indices never tell the same story before every cast of a schema has been used."""

import random
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import count as count_from
from math import gcd
from typing import Any, NamedTuple

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


@dataclass(frozen=True, slots=True)
class Noun:
    """A singular noun or noun group, with what its article depends on."""

    text: str
    feminine: bool
    elided: bool

    def agree(self, masculine: str, feminine: str) -> str:
        """Choose the form that agrees with this noun."""
        return feminine if self.feminine else masculine


@dataclass(frozen=True, slots=True)
class Adjective:
    """An adjective in its two genders, and its masculine form before a vowel (vieil)."""

    masculine: str
    feminine: str
    before_vowel: str

    def agreeing(self, noun: Noun, before: bool = False) -> str:
        """Return the form for this noun, `before` saying that it stands just before it."""
        if noun.feminine:
            return self.feminine
        return self.before_vowel if before and noun.elided else self.masculine


@dataclass(frozen=True, slots=True)
class Figure:
    """A noun in one fable, with the adjectives of its first mention."""

    noun: Noun
    trait: Adjective | None = None
    front: Adjective | None = None

    def form(self, key: str) -> str:
        """Return the form that a slot asks for; an unknown key is an error in a template."""
        noun = self.noun
        front = f"{self.front.agreeing(noun, before=True)} " if self.front else ""
        trait = f" {self.trait.agreeing(noun)}" if self.trait else ""
        the = f"l’{noun.text}" if noun.elided else f"{noun.agree('le', 'la')} {noun.text}"
        is_contracted = not (noun.elided or noun.feminine)
        forms = {
            "": the,
            "un": f"{noun.agree('un', 'une')} {noun.text}",
            "un+": f"{noun.agree('un', 'une')} {front}{noun.text}{trait}",
            "de": f"du {noun.text}" if is_contracted else f"de {the}",
            "à": f"au {noun.text}" if is_contracted else f"à {the}",
            "il": noun.agree("il", "elle"),
            "lui": noun.agree("lui", "elle"),
            "le": noun.agree("le", "la"),
            "e": noun.agree("", "e"),
        }
        return forms[key]


SIZES = ("petit", "moyen", "grand")
PARTS = ("habitude", "noeud", "dialogue", "tour", "fin")
SKY_SHARE = 0.6


class Place(NamedTuple):
    """Where a fable happens: the words of the first mention, and of later ones."""

    indefinite: str
    definite: str


@dataclass(frozen=True, slots=True)
class Season:
    """Ways of saying when, by day or by night, and what the sky does by day."""

    days: tuple[str, ...]
    nights: tuple[str, ...]
    skies: tuple[str, ...]

    def moment(self, rng: random.Random, at_night: bool) -> str:
        """Return when the conflict happens, by day sometimes with the sky."""
        if at_night:
            return rng.choice(self.nights)
        day = rng.choice(self.days)
        return f"{day}, {rng.choice(self.skies)}" if rng.random() < SKY_SHARE else day


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Everything that the schemas share, read once from `lexicon_fr.toml`."""

    aspirated: frozenset[str]
    characters: dict[str, tuple[Noun, ...]]
    traits: dict[str, tuple[Adjective, ...]]
    fronts: dict[str, tuple[Adjective, ...]]
    objects: dict[str, tuple[Noun, ...]]
    places: tuple[Place, ...]
    seasons: dict[str, Season]
    frames: dict[str, tuple[str, ...]]

    def size_of(self, noun: Noun) -> str:
        """Return the size class of a character, which decides the adjectives before it."""
        return next(size for size in SIZES if noun in self.characters[size])


@dataclass(frozen=True, slots=True)
class Schema:
    """One conflict with its turn, its outcome and the morals that fit it."""

    pairs: tuple[tuple[Noun, Noun], ...]
    traits: tuple[tuple[Adjective, ...], tuple[Adjective, ...]]
    objects: tuple[Noun, ...]
    seasons: tuple[str, ...]
    at_night: bool
    variants: tuple[dict[str, str], ...]
    titles: tuple[str, ...]
    parts: dict[str, tuple[str, ...]]
    morals: tuple[str, ...]


def _options(block: str) -> tuple[str, ...]:
    """Split a block of templates at its blank lines and join the lines of each."""
    return tuple(" ".join(option.split()) for option in re.split(r"\n\s*\n", block.strip()))


def _bars(block: str) -> tuple[str, ...]:
    """Split a list written with bars and line ends."""
    return tuple(item.strip() for item in re.split(r"[|\n]", block) if item.strip())


def _adjectives(block: str) -> tuple[Adjective, ...]:
    """Read adjectives written "masculine/feminine" or "masculine/feminine/before a vowel"."""
    forms = [entry.split("/") for entry in block.split()]
    return tuple(Adjective(form[0], form[1], form[2] if form[2:] else form[0]) for form in forms)


def _table(name: str) -> dict[str, Any]:
    """Read one TOML file that lies beside this module."""
    return tomllib.loads(files("endonym.demo").joinpath(name).read_text(encoding="utf-8"))


@cache
def lexicon() -> Lexicon:
    """Read the lexicon; cached, since it never changes."""
    raw = _table("lexicon_fr.toml")
    aspirated = frozenset(raw["aspires"].split())

    def noun(text: str, gender: str) -> Noun:
        return Noun(text, gender == "f", is_elidable(text, aspirated))

    characters = {
        size: tuple(noun(text, gender) for gender in "mf" for text in entry[gender].split())
        for size, entry in raw["personnages"].items()
    }
    objects = {
        kind: tuple(noun(entry[2:], entry[0]) for entry in entries)
        for kind, entries in raw["objets"].items()
    }
    rows = [line.split(" | ") for line in raw["lieux"]["liste"].strip().splitlines()]
    return Lexicon(
        aspirated=aspirated,
        characters=characters,
        traits={family: _adjectives(block) for family, block in raw["traits"].items()},
        fronts={size: _adjectives(block) for size, block in raw["avant"].items()},
        objects=objects,
        places=tuple(Place(*row[:2]) for row in rows),
        seasons={
            name: Season(_bars(entry["moments"]), _bars(entry["nuits"]), _bars(entry["ciels"]))
            for name, entry in raw["saisons"].items()
        },
        frames={name: _options(block) for name, block in raw["cadre"].items()},
    )


def _schema(raw: dict[str, Any]) -> Schema:
    """Build one schema, listing the casts it allows."""
    words = lexicon()

    def of_sizes(sizes: list[str]) -> list[Noun]:
        return [noun for size in sizes for noun in words.characters[size]]

    def of_families(families: list[str]) -> tuple[Adjective, ...]:
        return tuple(trait for family in families for trait in words.traits[family])

    return Schema(
        pairs=tuple(
            (first, second)
            for first in of_sizes(raw.get("a_tailles", SIZES))
            for second in of_sizes(raw.get("b_tailles", SIZES))
            if first.feminine != second.feminine
        ),
        traits=(of_families(raw["a_traits"]), of_families(raw["b_traits"])),
        objects=words.objects[raw["objets"]] if "objets" in raw else (),
        seasons=tuple(raw.get("saisons", words.seasons)),
        at_night=raw.get("nuit", False),
        variants=tuple(raw.get("variantes", ({},))),
        titles=_options(raw["titres"]),
        parts={part: _options(raw[part]) for part in PARTS},
        morals=_options(raw["morales"]),
    )


@cache
def schemas() -> tuple[Schema, ...]:
    """Read every schema, by file name, so that a fable's index keeps its meaning."""
    folder = files("endonym.demo").joinpath("schemas_fr")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return tuple(_schema(_table(f"schemas_fr/{name}")) for name in names)


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


def _cast(index: int, seed: int) -> tuple[Schema, tuple[Noun, Noun], Place]:
    """Choose schema, pair and place; each block of indices uses every schema once."""
    stories, places = schemas(), lexicon().places
    block, rank = divmod(index, len(stories))
    order = list(range(len(stories)))
    random.Random(f"{seed}/order/{block}").shuffle(order)
    schema = stories[order[rank]]
    count = len(schema.pairs) * len(places)
    # A stride near the golden section visits all combinations, far apart at each step.
    stride = max(1, round(count * 0.6180339887))
    while gcd(stride, count) != 1:
        stride += 1
    start = random.Random(f"{seed}/start/{order[rank]}").randrange(count)
    pair, place = divmod((start + block * stride) % count, len(places))
    return schema, schema.pairs[pair], places[place]


def _story(index: int, seed: int, attempt: int) -> tuple[Schema, _Story]:
    """Draw everything that the sentences of one fable must agree on."""
    words = lexicon()
    schema, pair, place = _cast(index, seed)
    rng = random.Random(f"{seed}/{index}/{attempt}")
    figures: dict[str, Figure] = {}
    for name, noun, traits in zip("AB", pair, schema.traits, strict=True):
        has_front = rng.random() < FRONT_ADJECTIVE_SHARE
        front = rng.choice(words.fronts[words.size_of(noun)]) if has_front else None
        figures[name] = Figure(noun, rng.choice(traits), front)
    others = [noun for nouns in words.characters.values() for noun in nouns]
    figures["C"] = Figure(rng.choice([noun for noun in others if noun not in pair]))
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
