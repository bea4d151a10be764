"""Masks addresses of the web and personal data: addresses of e-mail and IP, numbers of phones,
cards, accounts and persons.

Patterns find what has the usual form, and then it is checked: cards, accounts and codes of persons
have check digits, telephone numbers are looked up in Google's tables of what each country's numbers
are (phonenumbers). Without + a number says no country: it must be one of a country of the recipe's
language, and so must a code. Beside a word for a telephone it may stand in any groups or in none.
Digits may be those of any script. Numbers in groups of thousands,
years, dates, ISBN, EAN and the numbers of sections and versions stay; so do names and postal
addresses.
"""

import functools
from collections.abc import Callable, Iterator, Sequence

import regex

from endonym.cleaning import personal_codes, phones
from endonym.script.letters import beginning
from endonym.script.scripts import BREAK_SCRIPTS

EMAIL = regex.compile(
    r"(?<![\p{L}\p{N}._%+-])[\p{L}\p{N}._%+-]{1,64}+@(?:[\p{L}\p{N}-]{1,63}+\.){1,8}\p{L}{2,24}"
)
NO_BLANKS = "".join(rf"\p{{{name}}}" for name in sorted(BREAK_SCRIPTS | {"han", "hiragana"}))
"""Scripts whose next word follows an address without a blank."""
IN_URL = rf"[^\s<>\"«»“”„{NO_BLANKS}]"
URL = regex.compile(
    rf"(?:(?:https?|ftp)://|(?<![A-Za-z0-9@.])www\.){IN_URL}{{1,2000}}"
    r"|(?<![A-Za-z0-9@./_-])(?:[A-Za-z0-9-]{1,63}\.){1,4}"
    rf"(?:app|be|com|dev|edu|gl|gov|info|io|ly|me|net|org|ru|su|tv)/{IN_URL}{{1,2000}}",
    regex.IGNORECASE,
)
"""With a scheme or www; else of a usual domain and with a path, as in t.me/name: "и/или" is
none."""
AFTER_URL = ".,;:!?…'’*_"
BRACKETS = {")": "(", "]": "[", "}": "{"}


def url_in(match: "regex.Match[str]", language: str) -> str:
    """The address that a match is, without the signs of the sentence that follow it."""
    url = match[0]
    while url:
        opening = BRACKETS.get(url[-1])
        is_odd = opening is not None and url.count(opening) < url.count(url[-1])
        if not is_odd and url[-1] not in AFTER_URL:
            break
        url = url[:-1]
    return url


def code_in(match: "regex.Match[str]", language: str) -> str:
    """The code of a person that a match is; empty if it is none."""
    near = match.string[max(0, match.start() - personal_codes.WORD_BEFORE) : match.start()]
    countries = personal_codes.countries(language)
    line = near.rpartition("\n")[2]
    return match[0] if personal_codes.is_code(match[0], countries, before=line) else ""


Within = Callable[["regex.Match[str]", str], str]
Search = tuple["regex.Pattern[str]", Within]
KINDS: dict[str, tuple["regex.Pattern[str] | None", Within, str]] = {
    "url": (URL, url_in, "."),
    "email": (EMAIL, lambda match, language: match[0], "@"),
    "ip": (phones.IP, lambda match, language: match[0] if phones.is_ip(match[0]) else "", ""),
    "iban": (personal_codes.IBAN, lambda match, language: personal_codes.iban_within(match[0]), ""),
    "code": (None, code_in, ""),
    "card": (personal_codes.CARD, lambda match, language: personal_codes.card_within(match[0]), ""),
    "phone": (phones.PHONE, phones.phone_in, ""),
}
"""Of each kind: its pattern, what of a match is one, and a sign without which there is none.

Codes have a pattern for each language. The order is that in which they are masked: an address of
the web may hold one of e-mail, parts of a number of an account may look like a card, and parts of a
code like a telephone number.
"""
PERSONAL = tuple(kind for kind in KINDS if kind != "url")
HIDDEN = "█"
"""What stands for each letter and digit of personal data in a text that is shown."""
NEAR = 120
"""Characters beside a part of a text that tell what its ends are."""
WITHIN_FAILED = ("iban", "code")
"""Kinds of which one may begin in what looked like one and is none: in AB12 DE89 3704 0044 …"""
DIGIT = regex.compile(r"\d")
BLANK = regex.compile(r"[\p{Zs}--[ ]]", regex.VERSION1)
"""Another blank than the usual one: U+00A0, U+202F."""
LETTER_OR_DIGIT = regex.compile(r"[\p{L}\p{M}\p{N}]")
NATIVE = regex.compile(r"[\p{Nd}--[0-9]]", regex.VERSION1)
"""A digit of another script: of Khmer, Persian, Bengali."""


@functools.lru_cache(maxsize=1)  # Each kind asks for the same text.
def in_ascii(text: str) -> str:
    """The same text with every digit as one of 0 to 9, character for character."""
    return NATIVE.sub(lambda found: as_ascii(found[0]), text)


@functools.cache
def as_ascii(digit: str) -> str:
    """A digit of another script as one of 0 to 9; Python's tables lack those of new scripts.

    Those of a script stand in this order, and only next to other whole rows of ten (Unicode, 4.6).
    """
    first = ord(digit)
    while NATIVE.match(chr(first - 1)):
        first -= 1
    return str((ord(digit) - first) % 10)


def mask(
    kind: str, put: str | Callable[[str], str], language: str | None = None
) -> Callable[[str], str]:
    """A function that puts the text `put` in place of all of a kind. language: of the texts.

    put: or a function from what was found to what stands in its place.
    """
    own_pattern, one_in, sign = KINDS[kind]
    pattern = own_pattern or personal_codes.codes_of(personal_codes.countries(language or ""))
    if pattern is None:
        return lambda text: text
    searches: list[Search] = [(pattern, one_in)]
    if kind == "phone":
        # In what the first one has left.
        searches.append((phones.BESIDE_WORD, phones.phone_beside_word))

    def masked(text: str) -> str:
        if sign not in text or not (sign or DIGIT.search(text)):
            return text
        plain = BLANK.sub(" ", in_ascii(text))
        plain = phones.without_books(plain) if kind == "phone" else plain
        spans = list[tuple[int, int]]()
        for search in searches:
            found = [*spans_of(plain, search, language or "", is_within=kind in WITHIN_FAILED)]
            plain = hidden(plain, found) if found else plain
            spans = sorted([*spans, *found])
        parts = list[str]()
        done = 0
        for start, end in spans:
            parts += [text[done:start], put if isinstance(put, str) else put(text[start:end])]
            done = end
        return "".join([*parts, text[done:]])

    return masked


def begin_shown(text: str, chars: int, language: str | None) -> str:
    """The `beginning` of a text as anyone may see it: see `showable`."""
    return showable(text, slice(0, len(beginning(text, chars))), language)


def showable(text: str, part: slice, language: str | None) -> str:
    """A part of a text as anyone may see it, whatever a recipe masks: with `HIDDEN` in place of
    each letter and digit of personal data, so that only their form is seen."""
    first = max(0, part.start - NEAR)
    near = text[first : part.stop + NEAR]
    for kind in PERSONAL:
        near = mask(kind, lambda found: LETTER_OR_DIGIT.sub(HIDDEN, found), language)(near)
    return near[part.start - first : part.stop - first]


def hidden(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text with `_` for each character in these spans."""
    signs = list(text)
    for start, end in spans:
        signs[start:end] = "_" * (end - start)
    return "".join(signs)


def spans_of(
    text: str, search: Search, language: str, *, is_within: bool
) -> Iterator[tuple[int, int]]:
    """Where the numbers or addresses stand that a pattern finds.

    is_within: whether one may begin in a match that is none.
    """
    pattern, one_in = search
    place = 0
    while (match := pattern.search(text, place)) is not None:
        if one := one_in(match, language):
            place = match.start() + len(one)
            yield match.start(), place
        else:
            place = match.start() + 1 if is_within else match.end()


def mask_warnings(kinds: Sequence[str], language: str | None) -> list[str]:
    """What masks of these kinds cannot find in texts of a language, one sentence a kind."""
    countries = personal_codes.countries(language or "")
    named = f'of language "{language}"' if language else ""
    if not countries:
        why = f"no country {named} is known" if named else "language is not given"
        finds = {"phone": "only telephone numbers with +", "code": "no codes of persons"}
        return [
            f'mask: {why}, so {finds[kind]} are found; a region says a country: language = "en-IN"'
            for kind in finds
            if kind in kinds
        ]
    if "code" in kinds and personal_codes.codes_of(countries) is None:
        return [f"mask: no codes of persons of {' '.join(countries)} are known, so none are found"]
    return []
