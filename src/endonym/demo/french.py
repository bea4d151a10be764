"""French word forms for the fable grammar: articles, contraction, agreement, elision.

The grammar fills slots independently; this module joins the pieces as French does (le + ours =
l’ours, de + le = du, un + vieux + ours = un vieil ours).
"""

import re
from dataclasses import dataclass

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

    def with_the(self) -> str:
        """Return "le renard", "la pie", "l’ours"."""
        if self.elided:
            return f"l’{self.text}"
        return f"{self.agree('le', 'la')} {self.text}"

    def with_of(self) -> str:
        """Return "du renard", "de la pie", "de l’ours"."""
        if self.elided or self.feminine:
            return f"de {self.with_the()}"
        return f"du {self.text}"

    def with_to(self) -> str:
        """Return "au renard", "à la pie", "à l’ours"."""
        if self.elided or self.feminine:
            return f"à {self.with_the()}"
        return f"au {self.text}"

    def with_a(self) -> str:
        """Return "un renard", "une pie"."""
        return f"{self.agree('un', 'une')} {self.text}"


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

    def introduced(self) -> str:
        """Return the noun group of the first mention, as in "un vieil ours grognon"."""
        words = [self.noun.agree("un", "une")]
        if self.front is not None:
            words.append(self.front.agreeing(self.noun, before=True))
        words.append(self.noun.text)
        if self.trait is not None:
            words.append(self.trait.agreeing(self.noun))
        return " ".join(words)

    def form(self, key: str) -> str:
        """Return the form that a slot asks for; an unknown key is an error in a template."""
        noun = self.noun
        forms = {
            "": noun.with_the,
            "un": noun.with_a,
            "un+": self.introduced,
            "de": noun.with_of,
            "à": noun.with_to,
            "il": lambda: noun.agree("il", "elle"),
            "lui": lambda: noun.agree("lui", "elle"),
            "le": lambda: noun.agree("le", "la"),
            "e": lambda: noun.agree("", "e"),
        }
        return forms[key]()
