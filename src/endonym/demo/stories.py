"""The lexicon and the conflict schemas of the French fable grammar, read from TOML files."""

import random
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from endonym.demo.french import Adjective, Noun, is_elidable

SIZES = ("petit", "moyen", "grand")
PARTS = ("habitude", "noeud", "dialogue", "tour", "fin")
SKY_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Place:
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
        places=tuple(Place(row[0], row[1]) for row in rows),
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
